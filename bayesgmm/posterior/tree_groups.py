"""Groups of a posterior's tree that ArviZ's functions need, added on request."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr

from ..mixture.prior import Prior
from ..utils.errors import ConvergenceAdvice
from ..utils.warnings import warn
from .diagnostics.diagnostics import relative_efficiency
from .diagnostics.loo import EXACT, psis_loo, unreliable
from .labels.relabelling import Relabelling, relabelled
from .log_groups import log_likelihood_group, log_prior_group
from .of_model import own_variables, refuse_pseudo
from .parameter_table import sensitivity_table, without_copies
from .summaries.methods import Summaries

if TYPE_CHECKING:
    import pandas as pd
    from arviz_stats.utils import ELPDData


class TreeGroups(Summaries):
    """Methods that add groups to a posterior's tree, or read them; `save` keeps them."""

    prior: Prior | None

    def _prior(self) -> Prior:
        """The prior, which a posterior of a user's model does not have as a `Prior`."""
        if self.prior is None:
            raise ValueError(
                "the posterior is of a PyMC model, whose prior is in the model and not a "
                "bayesgmm.Prior: what needs the prior's density is not known here. Compare models "
                "by leave-one-out (loo, bayesgmm.compare)."
            )
        return self.prior

    @property
    def own_variables(self) -> list[str]:
        """Names of a user's model's own variables; none where `refine` had no model."""
        return own_variables(self.tree)

    def _as_sampled(self, reason: str) -> Self:
        """The same draws, with a record that and why they are not relabelled."""
        sizes = self.tree["posterior"].sizes
        n_draws = sizes["chain"] * sizes["draw"]
        kept = Relabelling.none(n_draws, self.fit.n_components, reason)
        return self._of_tree(relabelled(self.tree, kept))

    @abstractmethod
    def _of_tree(self, tree: xr.DataTree) -> Self:
        """The same posterior with another tree."""

    def with_predictive(
        self, *, n_draws: int | None = None, random_seed: int | np.random.Generator | None = None
    ) -> Self:
        """The same posterior with new data sets as group `posterior_predictive` of its tree.

        ArviZ's own checks then take the tree: `az.plot_ppc_dist(posterior.tree)`. The parameters
        are those of `predictive`. Values that the rows miss are missing (NaN) in these too.

        Parameters
        ----------
        n_draws : int, optional
            Use only so many draws, evenly spaced; all if left out.
        random_seed : int or Generator, optional
            Seed.

        Returns
        -------
        Posterior
        """
        new = self.predictive(n_draws=n_draws, random_seed=random_seed)
        observed = self.tree["observed_data"]["y"].to_numpy()
        if np.isnan(observed).any():
            new = new.where(xr.DataArray(~np.isnan(observed), dims=("obs_id", "feature")))
        return self.with_group("posterior_predictive", new)

    def with_log_likelihood(self) -> Self:
        """The same posterior with the rows' log densities as group `log_likelihood` of its tree.

        They are the mixture's densities, with allocations summed out: `y` over chain, draw and
        obs_id. `az.loo(posterior.tree)` then agrees with `loo`, and `az.compare` takes several.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError
            They would take more than 1 GiB.

        Examples
        --------
        >>> az.loo(posterior.with_log_likelihood().tree)  # doctest: +SKIP
        """
        group = log_likelihood_group(self.data, self.draws, self._parameters)
        return self.with_group("log_likelihood", group)

    def with_log_prior(self) -> Self:
        """The same posterior with log prior densities as group `log_prior` of its tree.

        They are those of `pi`, of `mu` (given Sigma where the prior of the means depends on it) and
        of `Sigma` (up to a constant for families that share part of it), with random
        hyperparameters integrated out.

        Returns
        -------
        Posterior
        """
        group = log_prior_group(self.draws, self._parameters, self.fit.family, self._prior())
        return self.with_group("log_prior", group)

    def prior_sensitivity(self, var_names: Sequence[str] = ("pi", "mu", "Sigma")) -> pd.DataFrame:
        """How much the posterior changes with slightly more or less weight on prior or likelihood.

        Each is raised to powers near 1 and the draws are reweighted (Kallioinen, Paananen,
        Buerkner & Vehtari 2024, Stat. Comput. 34, 57). This is ArviZ's `psense_summary`, which does
        not itself accept a tree with a dimension "component", such as `tree`.

        Parameters
        ----------
        var_names : sequence of str
            Variables to show.

        Returns
        -------
        DataFrame
            Sensitivity to prior and likelihood (above 0.05 is notable), and a diagnosis.

        Raises
        ------
        ValueError
            There is no such variable; the log-likelihoods would take more than 1 GiB.

        Examples
        --------
        >>> posterior.prior_sensitivity(["pi", "mu"])  # doctest: +SKIP
        """
        self._warn_of_modes()
        tree = self.with_log_likelihood().with_log_prior().tree
        return without_copies(sensitivity_table(tree, var_names), self.fit)

    @cached_property
    def psis(self) -> ELPDData:
        """Leave-one-out by importance sampling alone, and without advice; see `loo`."""
        return self._psis(None)

    @cached_property
    def _loo(self) -> ELPDData:
        if EXACT not in self.tree.children:
            return self.psis
        return self._psis(self.tree[EXACT].to_dataset())

    def _psis(self, exact: xr.Dataset | None) -> ELPDData:
        refuse_pseudo(self.tree, "leave-one-out")
        efficiency = relative_efficiency(self._parameters, self.fit)
        n_chains, rows = self._parameters.sizes["chain"], self.data.repeated()
        return psis_loo(rows, self.draws, n_chains, efficiency, exact)

    def loo(self) -> ELPDData:
        """PSIS leave-one-out cross-validation of the mixture density: elpd, its error, Pareto k.

        Computed once, in blocks of rows. `az.compare({name: posterior.loo(), ...})` ranks several.
        Its `se` is that of a sum over rows; `mcse` is the Monte Carlo error of these draws. Warns
        (ConvergenceAdvice) where Pareto k says that importance sampling fails; nothing is sampled
        here: `bayesgmm.leave_out(posterior)` leaves such rows out exactly, and the posterior that
        it returns has their exact terms, and Pareto k of 0 for them, as ArviZ's `reloo`.

        Returns
        -------
        ELPDData
        """
        self._warn_of_modes()
        if advice := unreliable(self._loo):
            warn(advice, ConvergenceAdvice)
        return self._loo

    def with_group(self, name: str, group: xr.Dataset) -> Self:
        """The same posterior with one more group in its tree.

        Parameters
        ----------
        name : str
            Its name.
        group : xarray.Dataset
            What it holds.

        Returns
        -------
        Posterior
        """
        tree = self.tree.copy()
        tree[name] = xr.DataTree(group)
        return self._of_tree(tree)

    @property
    def _parameters(self) -> xr.Dataset:
        return self.tree["posterior"].to_dataset()
