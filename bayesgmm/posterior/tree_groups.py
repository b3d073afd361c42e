"""Groups of a posterior's tree that ArviZ's functions need, added on request."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr

from ..mixture.prior import Prior
from .labels.relabelling import Relabelling, relabelled
from .log_groups import log_likelihood_group, log_prior_group
from .of_model import own_variables
from .parameter_table import sensitivity_table, without_copies
from .summaries.methods import Summaries

if TYPE_CHECKING:
    import pandas as pd


class TreeGroups(Summaries):
    """Methods that add groups to a posterior's tree; `save` keeps them."""

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
        are those of `predictive`.
        """
        new = self.predictive(n_draws=n_draws, random_seed=random_seed)
        return self._with("posterior_predictive", new)

    def with_log_likelihood(self) -> Self:
        """The same posterior with the rows' log densities as group `log_likelihood` of its tree.

        They are the mixture's densities, with allocations summed out: `y` over chain, draw and
        obs_id. `az.loo(posterior.tree)` then agrees with `loo`, and `az.compare` takes several.

        Raises
        ------
        ValueError
            They would take more than 1 GiB.

        Examples
        --------
        >>> az.loo(posterior.with_log_likelihood().tree)  # doctest: +SKIP
        """
        group = log_likelihood_group(self.data, self.draws, self._parameters)
        return self._with("log_likelihood", group)

    def with_log_prior(self) -> Self:
        """The same posterior with log prior densities as group `log_prior` of its tree.

        They are those of `pi`, of `mu` (given Sigma where the prior of the means depends on it) and
        of `Sigma` (up to a constant for families that share part of it), with random
        hyperparameters integrated out.
        """
        group = log_prior_group(self.draws, self._parameters, self.fit.family, self._prior())
        return self._with("log_prior", group)

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

    def _with(self, name: str, group: xr.Dataset) -> Self:
        tree = self.tree.copy()
        tree[name] = xr.DataTree(group)
        return self._of_tree(tree)

    @property
    def _parameters(self) -> xr.Dataset:
        return self.tree["posterior"].to_dataset()
