"""The posterior of a mixture: relabelled draws, their diagnostics and their summaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr

from ..data.data import Data
from ..em.result import Fit
from ..mixture.draws import Draws
from ..mixture.evaluation import mean_log_likelihood, mean_responsibilities, occupied
from ..mixture.prior import Prior
from ..utils.display import Displayed
from ..utils.errors import ConvergenceAdvice
from ..utils.plotting import PlotAccessor
from ..utils.types import FloatArray, IntArray
from ..utils.validation import random_stream
from ..utils.warnings import warn
from .diagnostics.chain_modes import ChainModes
from .diagnostics.diagnostics import Diagnostics, diagnose
from .evidence.evidence import Evidence, evidence_of
from .evidence.evidence import Method as EvidenceMethod
from .labels import relabel as labels
from .labels.methods import Method
from .labels.relabelling import Relabelling
from .named_components import NamedComponents
from .of_model import draws_of, fixed_labels, is_pseudo, refuse_pseudo
from .parameter_table import parameter_table, without_copies
from .prior_influence import PriorInfluence, prior_influence
from .rows_elsewhere import WithRows
from .saved import Saved
from .steps import Sampled
from .summaries.densities import log_density_intervals
from .tree_groups import TreeGroups

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(WithRows, NamedComponents, Saved, Displayed, Sampled, TreeGroups):
    """Draws from the posterior of a Gaussian mixture.

    Attributes
    ----------
    tree : xarray.DataTree
        ArviZ's own container: groups `posterior` (pi, mu, Sigma over component and feature, and
        the model's covariance variables), `sample_stats`, `observed_data`, `em_fit`, `relabelling`.
        ArviZ's functions take it. For those that need the rows' log-likelihoods, the log prior or
        new data sets, add these by `with_log_likelihood`, `with_log_prior`, `with_predictive`.
    fit : Fit
        The EM fit the chains started from, whose labels the components keep.
    prior : Prior, optional
        The prior of the parameters; None for a user's model, which has its own.
    rows : Data, optional
        Rows that are read in chunks, of which the tree has a sample of 10 000; a file has not more.

    See Also
    --------
    refine : The posterior of the same mixture.
    ComponentsPosterior : What `sample_components` returns.
    average : Posteriors of several models averaged.

    Examples
    --------
    `refine` makes a posterior, `save` keeps it, `Posterior.load` reads it back.
    """

    tree: xr.DataTree
    fit: Fit
    prior: Prior | None
    rows: Data | None = None
    plot = PlotAccessor()

    @cached_property
    def draws(self) -> Draws:
        """The draws of all chains as plain arrays."""
        return draws_of(self.tree, self.fit)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """Convergence: r-hat, effective sample sizes and so on; `.problems` in words."""
        stats = self.tree["sample_stats"].to_dataset()
        return diagnose(self.tree["posterior"].to_dataset(), stats, self.fit, self.own_variables)

    @property
    def chain_modes(self) -> ChainModes:
        """Which chains found the same mode of the posterior, and how high it is."""
        return self.diagnostics.modes

    @cached_property
    def prior_influence(self) -> PriorInfluence:
        """Where the prior, and not the rows, says what components are like; in words and numbers.

        Components that have fewer than two rows in many draws, and such as the prior makes wider
        than their rows are.
        """
        return prior_influence(
            self.rows_at_hand, self.times_at_hand, self.draws, self.fit, self.prior
        )

    @property
    def relabelled_draws(self) -> int:
        """Draws whose labels were changed to match the EM fit's."""
        return self.relabelling.relabelled_draws

    @property
    def relabelling(self) -> Relabelling:
        """How the draws were relabelled, and which of the sampler's draws that changed."""
        return labels.relabelling_of_tree(self.tree)

    def relabel(self, method: Method, *, order_by: str = "pi") -> Posterior:
        """The same draws relabelled by another method.

        Parameters
        ----------
        method : str
            - "ecr": the rows' allocations agree best with the EM fit's (Papastamoulis & Iliopoulos
              2010).
            - "ecr-iterative-1", "ecr-iterative-2": they agree best with the allocation that most
              draws have, or that is most probable over the draws (the same).
            - "stephens": the allocation probabilities diverge least from their mean over the
              draws (Stephens 2000).
            - "data-based": the rows that a component holds lie near the same centre in every draw
              (Rodriguez & Walker 2014).
            - "pra": the parameters are closest to those of the most probable draw (Marin,
              Mengersen & Robert 2005).
            - "ordering": the components are ordered by `order_by`, as the fit's are.

            All keep the EM fit's labels as far as the draws let them.
        order_by : str
            For "ordering": "pi", or the column by whose means.

        Returns
        -------
        Posterior
            Its `.relabelling` has what was changed; this posterior stays as it is.

        Raises
        ------
        ValueError
            An unknown method or column; or the posterior is of a model in which the components'
            names mean something.

        Examples
        --------
        >>> posterior.relabel("ordering", order_by="waiting")  # doctest: +SKIP
        """
        if reason := fixed_labels(self.tree):
            raise ValueError(f"the components of this posterior keep their names: {reason}.")
        density = self.tree["sample_stats"]["lp"].transpose("chain", "draw").to_numpy().ravel()
        relabelling = labels.relabel(
            method, self.rows_at_hand, self.draws.components, self.fit.mixture, density, order_by
        )
        return self._of_tree(labels.relabelled(self.tree, relabelling))

    def with_labels(self, method: Method) -> Posterior:
        """The same draws, relabelled if the components may change their names.

        Parameters
        ----------
        method : str
            As for `relabel`.

        Returns
        -------
        Posterior
        """
        return self._as_sampled(r) if (r := fixed_labels(self.tree)) else self.relabel(method)

    def of_chains(self, chains: Sequence[int]) -> Posterior:
        """The posterior of some of the chains, such as those of one of the `chain_modes`.

        Parameters
        ----------
        chains : sequence of int
            Their names in the coordinate `chain`: 0, 1, ... as sampled.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError
            A chain is not there, or named twice, or none is named.

        Examples
        --------
        >>> [posterior.of_chains(c) for c in posterior.chain_modes.groups]  # doctest: +SKIP
        """
        there, chosen = self.tree["posterior"]["chain"].to_numpy().tolist(), list(chains)
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(there):
            raise ValueError(f"chains is {chosen}: name some of {there}, each once.")
        only = {"chain": chosen}
        tree = self.tree.map_over_datasets(lambda g: g.sel(only) if "chain" in g.dims else g)
        tree.attrs = self.tree.attrs
        return self._of_tree(labels.with_counts(tree))

    def summary(
        self, ci_prob: float = 0.89, var_names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Mean, sd, interval, r-hat, effective sample sizes and Monte Carlo error by parameter.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed interval (ArviZ's default).
        var_names : sequence of str, optional
            Variables to show: pi, mu, Sigma, and a user's model's own, if left out.

        Returns
        -------
        DataFrame
            As `az.summary`, unrounded.

        Warns
        -----
        ConvergenceAdvice
            The chains found different modes, so that their average means nothing.

        Raises
        ------
        ValueError
            There is no such variable, or none is named; ci_prob out of range.
        """
        self._warn_of_modes()
        names = ["pi", "mu", "Sigma", *self.own_variables] if var_names is None else var_names
        return parameter_table(self.tree, ci_prob, names)

    def predict_proba(self, X: Any = None, *, n_draws: int | None = None) -> FloatArray:  # noqa: N803
        """Posterior mean of the responsibilities, (n, K); rows sum to 1. With noise (n, K + 1).

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        n_draws : int, optional
            Use only so many draws, evenly spaced.

        Returns
        -------
        array (n, K)
        """
        return mean_responsibilities(*self._rows_and_draws(X, n_draws))

    def log_density(
        self,
        X: Any = None,
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = None,  # noqa: N803
    ) -> pd.DataFrame:
        """Log posterior predictive density of each row, with an interval of the log density.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        ci_prob : float
            Probability of the equal-tailed interval, between 0 and 1.
        n_draws : int, optional
            Use only so many draws, evenly spaced.

        Returns
        -------
        DataFrame
            Columns log_density (log of the posterior mean density), lower, upper; n rows.
        """
        return log_density_intervals(*self._rows_and_draws(X, n_draws), ci_prob)

    def occupied(
        self, *, n_draws: int | None = None, random_seed: int | np.random.Generator | None = None
    ) -> IntArray:
        """Number of components that hold at least one row, draw by draw (chain after chain).

        The rows' components, which the model sums out, are drawn from their responsibilities.
        Under a sparse prior (a concentration well below 1) the shares of the numbers among the
        draws estimate the posterior of the number of clusters (Malsiner-Walli,
        Fruehwirth-Schnatter & Gruen 2016, Stat. Comput. 26, 303-324).

        Parameters
        ----------
        n_draws : int, optional
            Use only so many draws, evenly spaced.
        random_seed : int or Generator, optional
            Seed of the allocations.

        Returns
        -------
        int array (S,)
        """
        rng = random_stream(random_seed)
        return occupied(self.data.repeated(), self.draws.thinned(n_draws), rng)

    @cached_property
    def mean_loglik(self) -> float:
        """Posterior mean of the log-likelihood."""
        return mean_log_likelihood(self.data, self.draws)

    def log_evidence(
        self, method: EvidenceMethod = "bridge", random_seed: int | None = None
    ) -> Evidence:
        """Log marginal likelihood of the data under this model and prior, with its error.

        One of the K! copies that the posterior has, one for each order of the components, is cut
        out by a rule that separates them best, integrated, and log K! is added: exact for a
        prior that treats all components alike, as every `Prior` does. Random hyperparameters (a
        `Gamma` in the prior) are integrated out of the prior's density exactly, so that models
        with them and without compare. The draws must have converged.

        Parameters
        ----------
        method : "bridge", "importance" or "laplace"
            Bridge sampling (Meng & Wong 1996, Stat. Sinica 6, 831-860), importance sampling with
            Pareto-smoothed weights, or Laplace's approximation, fast but of unknown error.
        random_seed : int, optional
            Seed of the proposal's draws.

        Returns
        -------
        Evidence
            `.value`, `.error` (standard error), `.labelling`, `.diagnostics`, `.problems`.

        Raises
        ------
        ValueError
            An unknown method, or too few draws for the number of parameters.

        Warns
        -----
        ConvergenceAdvice
            The evidence is not to be trusted; the message says why, and what to do.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_faithful()
        >>> fit = bayesgmm.fit(X, 2, random_seed=1)
        >>> bayesgmm.refine(X, fit, random_seed=1).log_evidence()  # doctest: +SKIP
        log evidence -1162.468, standard error 0.006 (bridge sampling; ordered by the mean of
        eruptions, all labellings)
        """
        refuse_pseudo(self.tree, "evidence")
        chains = self.tree["posterior"].sizes["chain"]
        return evidence_of(
            self.data, self.draws, chains, self.fit.family, self._prior(), method, random_seed
        )

    def _of_tree(self, tree: xr.DataTree) -> Self:
        return replace(self, tree=tree)

    def _lines(self) -> list[tuple[str, str]]:
        d = self.diagnostics
        limits = f"r-hat at most {d.rhat:.3f}, ESS at least {min(d.ess_bulk, d.ess_tail):.0f}"
        sampler = self.sampler + (", INTERRUPTED" if self.interrupted else "")
        checked = [limits, *([", ".join(map(str, d.checks.values()))] if d.checks else [])]
        return [
            ("draws", f"{d.chains} chains x {d.draws}, sampler {sampler}"),
            *([("steps", "; then ".join(map(str, self.steps)))] if self.steps else []),
            ("labels", self.relabelling.in_words),
            *self.prior_influence.sentences.items(),
            ("convergence", "; ".join(checked)),
            ("problems", " ".join(d.problems) or "none found"),
        ]  # fmt: skip

    def _warn_of_modes(self) -> None:
        if self.chain_modes.differ:
            warn(str(self.chain_modes), ConvergenceAdvice)

    def _title(self) -> str:
        kind = "Pseudo-posterior" if is_pseudo(self.tree) else "Posterior"
        return f"{kind} of a Gaussian mixture {self.fit.model_name}, K = {self.fit.n_components}"

    def _table(self) -> pd.DataFrame:
        names = ("pi", "mu", *(["Sigma"] if self.fit.d <= 3 else []), *self.own_variables)
        return without_copies(parameter_table(self.tree, 0.89, names), self.fit)
