"""The posterior of a mixture whose number of components is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ..data.data import Data
from ..em.result import Fit
from ..mixture.draws import Draws
from ..mixture.mixture_of_mixtures import MixtureOfMixtures
from ..mixture.prior import Prior
from ..utils.plotting import PlotAccessor
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer
from .components_diagnostics import COUNTED, ComponentsDiagnostics, diagnose_components
from .components_given_k import posterior_given
from .components_table import interval_in_words, table_of_components
from .label_free import LabelFree
from .labels.methods import Method
from .parameter_table import parameter_table
from .posterior import Posterior
from .posterior_tree import (
    GROUPS,
    check_draws,
    kept_fit_and_prior,
    read_tree,
    with_fit_and_prior,
)
from .saved import InFile
from .summaries.mixture_draws import MixtureDraws

if TYPE_CHECKING:
    import pandas as pd

_FORMAT = "bayesgmm.ComponentsPosterior/1"
# Most clusters of a partition, as a multiple of the filled components of most draws, and at least.
_CLUSTERS, _FEWEST_CLUSTERS = 2, 10
_MOST_DRAWS = 0.99
# Where the table that is shown ends: nothing above this is left of either posterior.
_SHOWN = 5e-3


@dataclass(frozen=True, eq=False, repr=False)
class ComponentsPosterior(LabelFree, InFile):
    """Draws from the posterior of a Gaussian mixture and its number of components.

    K is the number of components that the mixture of a draw has, K+ (`n_filled`) the number of
    those that hold rows: the clusters in the data.

    Attributes
    ----------
    tree : xarray.DataTree
        Groups `posterior`, `sample_stats`, `observed_data`, `em_fit`. `posterior` has
        `n_components`, `n_filled`, `loglik` and `probability_of_k` (p(K | allocation), averaged
        over the sweeps of a draw, whose mean is p(K | data)) over chain and draw; and pi, mu and
        Sigma over as many components as the largest draw has: components that hold rows come
        first, those that a draw does not have are copies of its first one with pi = 0.
    fit : Fit
        The EM fit that the chains started from.
    model : MixtureOfMixtures
        The priors: `.prior` of means and covariances, `.on_k` of K, and the proportions'
        `.concentration`, divided by K if `.dynamic`.

    See Also
    --------
    sample_components : The posterior of the number of components.
    Posterior : What `refine` returns.

    Examples
    --------
    Made by `sample_components`, kept by `save` and read back by `ComponentsPosterior.load`.
    """

    tree: xr.DataTree
    fit: Fit
    model: MixtureOfMixtures
    plot = PlotAccessor()

    @property
    def n_components(self) -> IntArray:
        """K of every draw, chain after chain, (S,)."""
        return self._counts("n_components")

    @property
    def n_filled(self) -> IntArray:
        """K+ of every draw, the number of components that hold rows, (S,)."""
        return self._counts("n_filled")

    @property
    def data(self) -> Data:
        """The rows that the posterior is conditional on."""
        return self.fit.mixture.rows(self.tree["observed_data"]["y"].to_numpy())

    @cached_property
    def draws(self) -> Draws:
        """The draws of all chains as plain arrays; absent components have proportion 0."""
        return Draws.from_dataset(self.tree["posterior"].to_dataset(), self.fit.family)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C stopped the sampling: there are fewer draws than were asked for."""
        return bool(self.tree["posterior"].attrs.get("interrupted", False))

    @cached_property
    def diagnostics(self) -> ComponentsDiagnostics:
        """Convergence: r-hat and effective sample sizes; `.problems` in words."""
        return diagnose_components(self.tree["posterior"].to_dataset(), self.fit)

    @cached_property
    def prior_on_filled(self) -> FloatArray:
        """What the prior says of K+ = 1, 2, ... for so many rows, (M,): `PriorOnK.filled`."""
        return self.model.on_filled(self.tree["observed_data"].sizes["obs_id"])

    @cached_property
    def table(self) -> pd.DataFrame:
        """Probabilities of K and of K+ before and after the data, with Monte Carlo errors.

        Indexed by 1, 2, ...: K_prior, K_posterior, K_mcse, filled_prior, filled_posterior,
        filled_mcse. Ends where nothing above 0.0005 is left of either posterior.
        """
        posterior = self.tree["posterior"].to_dataset()
        return table_of_components(posterior, self.model.on_k, self.prior_on_filled)

    def summary(self, ci_prob: float = 0.89) -> pd.DataFrame:
        """Mean, sd, interval, r-hat, ESS of K, K+, the concentration and the log-likelihood.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed interval.

        Returns
        -------
        DataFrame
        """
        names = [name for name in COUNTED if name in self.tree["posterior"]]
        return parameter_table(self.tree, ci_prob, names)

    @property
    def mixture_draws(self) -> MixtureDraws:
        """The draws as mixtures of named columns; absent components have proportion 0."""
        posterior = self.tree["posterior"].to_dataset()
        return MixtureDraws.of(
            posterior, self.draws, self.fit.mixture.named, self.fit.mixture.missing
        )

    @property
    def most_clusters(self) -> int:
        """Twice as many clusters as 99 % of the draws have, and at least 10."""
        usual = int(np.quantile(self.n_filled, _MOST_DRAWS))
        return max(_CLUSTERS * usual, _FEWEST_CLUSTERS)

    def given(self, n_components: int | None = None, *, relabel: Method = "ecr") -> Posterior:
        """The posterior given the number of components, as `refine` would give it.

        Its prior is that of the mixture with this K, under which `refine` and `log_evidence` mean
        the same. Of every chain as many draws are kept as of the others.

        Parameters
        ----------
        n_components : int, optional
            K; the most probable one if left out.
        relabel : str
            How draws are relabelled, as for `refine`. The labels are those of the EM fit of so many
            components, made anew unless the chains started from one.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError
            Too few draws have so many components; an unknown method.

        Examples
        --------
        >>> posterior.given(3).summary()  # doctest: +SKIP
        """
        if n_components is None:
            n_components = int(self.table["K_posterior"].idxmax())
        k = check_integer("n_components", n_components, 1)
        prior = self.prior_given(k)
        return posterior_given(self.tree, self.data, self.fit, prior, k).relabel(relabel)

    def prior_given(self, n_components: int) -> Prior:
        """The prior of a mixture of so many components: that of `given`, for `refine` too.

        Parameters
        ----------
        n_components : int
            The number of components.

        Returns
        -------
        Prior
        """
        return self.model.given(n_components)

    @classmethod
    def from_tree(cls, tree: xr.DataTree) -> ComponentsPosterior:
        """The posterior in a tree that `save` wrote; others are refused.

        Parameters
        ----------
        tree : xarray.DataTree
            As `tree`.

        Returns
        -------
        ComponentsPosterior
        """
        fit, prior = kept_fit_and_prior(tree, _FORMAT, GROUPS)
        if prior is None:
            raise ValueError("the tree has no prior")
        posterior = tree["posterior"].to_dataset()
        check_draws(posterior, posterior.sizes["component"], fit.d)
        return cls(tree, fit, MixtureOfMixtures.from_text(prior, tree.attrs["components"]))

    @classmethod
    def assemble(
        cls, tree: xr.DataTree, fit: Fit, model: MixtureOfMixtures, attrs: dict[str, Any]
    ) -> ComponentsPosterior:
        """A posterior from draws; the tree gets everything that `save` writes.

        Parameters
        ----------
        tree : xarray.DataTree
            The draws.
        fit : Fit
            The fit that they were started at.
        model : ComponentsModel
            What was sampled.
        attrs : dict
            Attributes of the tree.

        Returns
        -------
        ComponentsPosterior
        """
        attrs = attrs | {"components": model.to_text()}
        return cls(with_fit_and_prior(tree, fit, model.prior, attrs, _FORMAT), fit, model)

    def _counts(self, name: str) -> IntArray:
        counts: IntArray = self.tree["posterior"][name].transpose("chain", "draw").to_numpy()
        return counts.ravel()

    def _title(self) -> str:
        return f"Posterior of a Gaussian mixture {self.fit.family} with K unknown"

    def _lines(self) -> list[tuple[str, str]]:
        d = self.diagnostics
        stopped = ", INTERRUPTED" if self.interrupted else ""
        return [
            ("draws", f"{d.chains} chains x {d.draws}, telescoping sampler{stopped}"),
            ("prior of K", self.model.on_k.text),
            ("prior of pi", self.model.of_proportions),
            ("components K", interval_in_words(self.n_components, self.table["K_posterior"])),
            ("filled K+", interval_in_words(self.n_filled, self.table["filled_posterior"])),
            ("convergence", f"r-hat at most {d.rhat:.3f}, ESS at least {d.ess:.0f}"),
            ("problems", " ".join(d.problems) or "none found"),
        ]

    def _table(self) -> pd.DataFrame:
        shown = self.table[["K_posterior", "filled_posterior"]].max(axis=1) > _SHOWN
        return self.table.loc[: shown[shown].index[-1]]


def load_posterior(path: str | Path) -> Posterior | ComponentsPosterior:
    """The posterior in a file, whichever of the two kinds it is.

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        The file is not a saved posterior, or is damaged.
    """

    def made_of(tree: xr.DataTree) -> Posterior | ComponentsPosterior:
        of_k = tree.attrs.get("format") == _FORMAT
        return ComponentsPosterior.from_tree(tree) if of_k else Posterior.from_tree(tree)

    return read_tree(path, made_of)
