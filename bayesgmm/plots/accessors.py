"""Plots as methods of results: `fit.plot.classification(X)`, `selection.plot.bic()`.

Each calls the function of the same name with `plot_` before it, which documents the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from ..utils.types import FloatArray
from .canvas import Figure, Place
from .chains import plot_energy, plot_rank, plot_trace
from .checks import plot_check, plot_predictive
from .classification import plot_classification, plot_uncertainty
from .coclustering import plot_coclustering
from .components import plot_components
from .criteria import plot_bic
from .density import plot_density
from .em import plot_convergence
from .labels import plot_label_moves
from .posterior import plot_posterior
from .profiles import plot_profiles
from .responsibilities import plot_responsibilities
from .style import Units, units_of
from .tree import plot_merging
from .view import Columns

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

    from ..em.result import Fit
    from ..em.standard_errors.result import StandardErrors
    from ..mixture.merging import Merging
    from ..posterior.components import ComponentsPosterior
    from ..posterior.posterior import Posterior
    from ..selection.selection import Selection


class _Plots:
    """The plots of a result, which its repr lists."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def __repr__(self) -> str:
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"<plots of a {type(self._result).__name__}: {', '.join(names)}>"


class FitPlots(_Plots):
    """Plots of a fit, most of them with rows."""

    _result: Fit

    def classification(
        self,
        X: Any,  # noqa: N803
        *,
        columns: Columns = None,
        units: Units = None,
        **place: Unpack[Place],
    ) -> Figure:
        """Rows by component, with ellipses: `plots.plot_classification`."""
        return plot_classification(X, self._result, columns=columns, units=units, **place)

    def uncertainty(
        self,
        X: Any,  # noqa: N803
        *,
        columns: Columns = None,
        units: Units = None,
        **place: Unpack[Place],
    ) -> Figure:
        """How uncertain the rows' components are: `plots.plot_uncertainty`."""
        return plot_uncertainty(X, self._result, columns=columns, units=units, **place)

    def responsibilities(self, X: Any, **place: Unpack[Place]) -> Figure:  # noqa: N803
        """Responsibilities of all rows: `plots.plot_responsibilities`."""
        return plot_responsibilities(X, self._result, **place)

    def profiles(self, X: Any, **place: Unpack[Place]) -> Figure:  # noqa: N803
        """Means of the components, column by column: `plots.plot_profiles`."""
        return plot_profiles(X, self._result, **place)

    def density(
        self,
        X: Any,  # noqa: N803
        posterior: Posterior | None = None,
        *,
        columns: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        units: Units = None,
        **place: Unpack[Place],
    ) -> Figure:
        """Density of one or two columns, with a posterior's interval: `plots.plot_density`."""
        return plot_density(
            X, self._result, posterior, columns=columns, ci_prob=ci_prob, units=units, **place
        )

    def convergence(self, **place: Unpack[Place]) -> Figure:
        """The objective after every iteration of EM: `plots.plot_convergence`."""
        return plot_convergence(self._result, **place)


class SelectionPlots(_Plots):
    """Plots of a grid of fits."""

    _result: Selection

    def bic(self, criterion: str = "bic", **place: Unpack[Place]) -> Figure:
        """A criterion by number of components and family: `plots.plot_bic`."""
        return plot_bic(self._result, criterion, **place)


class MergingPlots(_Plots):
    """Plots of components merged to clusters."""

    _result: Merging

    def merging(self, against: str = "rows", **place: Unpack[Place]) -> Figure:
        """The entropy's elbow and the tree of merges: `plots.plot_merging`."""
        return plot_merging(self._result, against, **place)


class PosteriorPlots(_Plots):
    """Plots of draws, and of rows under them."""

    _result: Posterior

    def posterior(
        self,
        ci_prob: float = 0.89,
        *,
        standard_errors: StandardErrors | None = None,
        units: Units = None,
        **place: Unpack[Place],
    ) -> Figure:
        """Pi, mu and Sigma beside the EM estimates: `plots.plot_posterior`."""
        return plot_posterior(
            self._result, ci_prob, standard_errors=standard_errors, units=units, **place
        )

    def density(
        self,
        *,
        columns: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        units: Units = None,
        **place: Unpack[Place],
    ) -> Figure:
        """Density of one or two columns, over the posterior's rows: `plots.plot_density`."""
        of = self._result
        units = units_of(of, units)
        return plot_density(
            of.data, of.fit, of, columns=columns, ci_prob=ci_prob, units=units, **place
        )

    def responsibilities(
        self, X: Any = None, *, ci_prob: float = 0.89, **place: Unpack[Place]
    ) -> Figure:  # noqa: N803
        """Responsibilities of all rows, with intervals: `plots.plot_responsibilities`."""
        return plot_responsibilities(X, self._result, ci_prob=ci_prob, **place)

    def label_moves(
        self, column: str | int | None = None, *, units: Units = None, **place: Unpack[Place]
    ) -> Figure:
        """Labels before and after relabelling: `plots.plot_label_moves`."""
        return plot_label_moves(self._result, column, units=units, **place)

    def coclustering(
        self,
        *,
        rows: int | Sequence[int] | None = None,
        n_draws: int | None = 200,
        random_seed: int | np.random.Generator | None = 0,
        **place: Unpack[Place],
    ) -> Figure:
        """Which rows belong together: `plots.plot_coclustering`."""
        return plot_coclustering(
            self._result, rows=rows, n_draws=n_draws, random_seed=random_seed, **place
        )

    def check(
        self,
        statistics: str | Sequence[str] | Mapping[str, Callable[[FloatArray], Any]] | None = None,
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = 500,
        random_seed: int | np.random.Generator | None = None,
        **place: Unpack[Place],
    ) -> Figure:
        """Statistics of the rows among those of new data sets: `plots.plot_check`."""
        return plot_check(
            self._result,
            statistics,
            ci_prob=ci_prob,
            n_draws=n_draws,
            random_seed=random_seed,
            **place,
        )

    def predictive(self, **options: Any) -> PlotCollection:
        """The rows' density among those of new data sets: `plots.plot_predictive`."""
        return plot_predictive(self._result, **options)

    def trace(self, var_names: str | Sequence[str] | None = None, **options: Any) -> PlotCollection:
        """Traces, by ArviZ: `plots.plot_trace`."""
        return plot_trace(self._result, var_names, **options)

    def rank(self, var_names: str | Sequence[str] | None = None, **options: Any) -> PlotCollection:
        """Ranks of the chains' draws, by ArviZ: `plots.plot_rank`."""
        return plot_rank(self._result, var_names, **options)

    def energy(self, **options: Any) -> PlotCollection:
        """Energies of the chains, by ArviZ: `plots.plot_energy`."""
        return plot_energy(self._result, **options)


class ComponentsPlots(_Plots):
    """Plots of draws of different numbers of components."""

    _result: ComponentsPosterior

    def components(self, **place: Unpack[Place]) -> Figure:
        """How many components, before and after the data: `plots.plot_components`."""
        return plot_components(self._result, **place)


#: The accessors by the name of the class that declares `plot`.
ACCESSORS: Mapping[str, Callable[[Any], Any]] = {
    "ComponentsPosterior": ComponentsPlots,
    "Fit": FitPlots,
    "Merging": MergingPlots,
    "Posterior": PosteriorPlots,
    "Selection": SelectionPlots,
}
