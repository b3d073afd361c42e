"""Pictures as methods of what they show.

The functions of `plots` know fits and posteriors, and need matplotlib: they are loaded when a
picture is asked for. The functions have the documentation of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .utils.types import FloatArray

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

    from .em.standard_errors.result import StandardErrors
    from .plots import Figure
    from .posterior.posterior import Posterior

type Units = Mapping[str, str] | None


def _plots() -> Any:
    return import_module(".plots", __package__)


class PicturesOfFit:
    """Pictures of a fit, most of them with rows."""

    def plot_classification(self, X: Any, *, units: Units = None) -> Figure:  # noqa: N803
        """Rows by component, with ellipses: `plots.plot_classification`."""
        return _plots().plot_classification(X, self, units=units)

    def plot_uncertainty(self, X: Any, *, units: Units = None) -> Figure:  # noqa: N803
        """How doubtful the rows' components are: `plots.plot_uncertainty`."""
        return _plots().plot_uncertainty(X, self, units=units)

    def plot_responsibilities(self, X: Any) -> Figure:  # noqa: N803
        """Responsibilities of all rows: `plots.plot_responsibilities`."""
        return _plots().plot_responsibilities(X, self)

    def plot_density(
        self,
        X: Any,  # noqa: N803
        posterior: Posterior | None = None,
        *,
        columns: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        units: Units = None,
    ) -> Figure:
        """Density of one or two columns, and a posterior's of it: `plots.plot_density`."""
        return _plots().plot_density(
            X, self, posterior, columns=columns, ci_prob=ci_prob, units=units
        )

    def plot_convergence(self) -> Figure:
        """The objective after every iteration of EM: `plots.plot_convergence`."""
        return _plots().plot_convergence(self)


class PicturesOfSelection:
    """Pictures of a grid of fits."""

    def plot_bic(self, criterion: str = "bic") -> Figure:
        """A criterion by number of components and family: `plots.plot_bic`."""
        return _plots().plot_bic(self, criterion)


class PicturesOfMerging:
    """Pictures of components merged to clusters."""

    def plot_merging(self, against: str = "rows") -> Figure:
        """The entropy's elbow and the tree of merges: `plots.plot_merging`."""
        return _plots().plot_merging(self, against)


class PicturesOfPosterior:
    """Pictures of draws and of the rows they are of."""

    def plot_posterior(
        self,
        ci_prob: float = 0.89,
        *,
        standard_errors: StandardErrors | None = None,
        units: Units = None,
    ) -> Figure:
        """Pi, mu and Sigma beside the EM estimates: `plots.plot_posterior`."""
        return _plots().plot_posterior(self, ci_prob, standard_errors=standard_errors, units=units)

    def plot_density(
        self,
        *,
        columns: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        units: Units = None,
    ) -> Figure:
        """Density of one or two columns, over the posterior's rows: `plots.plot_density`."""
        me: Any = self
        return _plots().plot_density(
            me.data, me.fit, me, columns=columns, ci_prob=ci_prob, units=units
        )

    def plot_responsibilities(self, X: Any = None, *, ci_prob: float = 0.89) -> Figure:  # noqa: N803
        """Responsibilities of all rows, with intervals: `plots.plot_responsibilities`."""
        return _plots().plot_responsibilities(X, self, ci_prob=ci_prob)

    def plot_label_moves(self, column: str | int | None = None, *, units: Units = None) -> Figure:
        """Labels before and after they were settled: `plots.plot_label_moves`."""
        return _plots().plot_label_moves(self, column, units=units)

    def plot_coclustering(
        self,
        *,
        rows: int | Sequence[int] | None = None,
        n_draws: int | None = 200,
        random_seed: int | None = 0,
    ) -> Figure:
        """Which rows belong together: `plots.plot_coclustering`."""
        return _plots().plot_coclustering(self, rows=rows, n_draws=n_draws, random_seed=random_seed)

    def plot_check(
        self,
        statistics: str | Sequence[str] | Mapping[str, Callable[[FloatArray], Any]] | None = None,
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = 500,
        random_seed: int | None = None,
    ) -> Figure:
        """Statistics of the rows among those of new data sets: `plots.plot_check`."""
        return _plots().plot_check(
            self, statistics, ci_prob=ci_prob, n_draws=n_draws, random_seed=random_seed
        )

    def plot_predictive(self, **options: Any) -> PlotCollection:
        """The rows' density among those of new data sets: `plots.plot_predictive`."""
        return _plots().plot_predictive(self, **options)

    def plot_trace(
        self, var_names: str | Sequence[str] | None = None, **options: Any
    ) -> PlotCollection:
        """Traces, by ArviZ: `plots.plot_trace`."""
        return _plots().plot_trace(self, var_names, **options)

    def plot_rank(
        self, var_names: str | Sequence[str] | None = None, **options: Any
    ) -> PlotCollection:
        """Ranks of the chains' draws, by ArviZ: `plots.plot_rank`."""
        return _plots().plot_rank(self, var_names, **options)

    def plot_energy(self, **options: Any) -> PlotCollection:
        """Energies of the chains, by ArviZ: `plots.plot_energy`."""
        return _plots().plot_energy(self, **options)
