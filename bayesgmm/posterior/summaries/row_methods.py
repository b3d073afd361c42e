"""Methods of `Posterior` about rows: their components, and which belong together.

They only check and pass on their arguments; the modules beside this one compute the results.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ...data.data import Data
from ...data.tables import MARGINALIZE
from ...em.result import Fit
from ...mixture.draws import Draws, NoisyDraws, RowDraws
from ...utils.types import FloatArray
from ...utils.validation import random_stream
from .allocations import responsibility_intervals
from .coclustering import coclustering_among, matrix_blocks, picked_rows
from .imputations import imputations, imputed_means
from .mixture_draws import MixtureDraws
from .partition import Loss, Partition, best_partition

if TYPE_CHECKING:
    import pandas as pd

# The beginning of messages about posteriors of models in which rows differ.
_BY_ROW = "in this model proportions, means or the density depend on more than pi, mu and Sigma"


class RowSummaries(ABC):
    """Summaries of rows under the draws of a posterior.

    In all of them `X` are rows (those of the posterior if left out), `n_draws` uses only so many
    draws, evenly spaced, and intervals are equal-tailed, of probability `ci_prob`.
    """

    fit: Fit
    tree: xr.DataTree

    @property
    @abstractmethod
    def draws(self) -> Draws:
        """The draws of all chains as plain arrays."""

    @property
    @abstractmethod
    def data(self) -> Data:
        """The rows that the posterior is conditional on."""

    @property
    @abstractmethod
    def rows_at_hand(self) -> Data:
        """The same rows; of those that are read in chunks a sample."""

    @abstractmethod
    def _warn_of_modes(self) -> None:
        """Warn of an average over chains that are in different modes."""

    @property
    def mixture_draws(self) -> MixtureDraws:
        """The draws as mixtures of named columns.

        Raises
        ------
        ValueError
            A row's density in the model is not that of one mixture for all rows.
        """
        self._warn_of_modes()
        if isinstance(self.draws, RowDraws):
            raise ValueError(f"{_BY_ROW}, so that there is no one density of all rows.")
        if isinstance(self.draws, NoisyDraws):
            raise NotImplementedError(
                "draws beside noise are not mixtures of components alone: use "
                "posterior.without_noise, the draws of what is not noise; log_density and the "
                "fit's own regression, marginal and conditional count the noise."
            )
        mixture, posterior = self.fit.mixture, self.tree["posterior"].to_dataset()
        return MixtureDraws.of(posterior, self.draws, mixture.named, mixture.missing)

    @property
    def _all_draws(self) -> MixtureDraws:
        """The draws as mixtures, with the noise for those who know what to do with it."""
        if not isinstance(self.draws, NoisyDraws):
            return self.mixture_draws
        return replace(self.without_noise, draws=self.draws)

    @property
    def without_noise(self) -> MixtureDraws:
        """The draws of the components alone, where the posterior has noise beside them.

        Examples
        --------
        >>> posterior.without_noise.density(columns="x")  # doctest: +SKIP
        """
        self._warn_of_modes()
        if not isinstance(self.draws, NoisyDraws):
            return self.mixture_draws
        mixture, posterior = self.fit.mixture, self.tree["posterior"].to_dataset()
        return MixtureDraws.of(posterior, self.draws.components, mixture.named, mixture.missing)

    def noise_probability(
        self,
        X: Any = None,  # noqa: N803
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> pd.DataFrame:
        """The probability of each row to be noise, with its uncertainty.

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
            Columns mean (the posterior probability), sd, lower and upper, of the probability over
            the draws, and most_probable, the share of draws in which noise is the likeliest; n
            rows.

        Raises
        ------
        ValueError
            The posterior has no noise; ci_prob or n_draws is out of range.

        Examples
        --------
        >>> fit = bayesgmm.fit(X, 2, noise=True)  # doctest: +SKIP
        >>> bayesgmm.refine(X, fit).noise_probability()  # doctest: +SKIP
        """
        if not isinstance(self.draws, NoisyDraws):
            raise ValueError("the posterior has no noise: refine a fit with noise=True.")
        table = self.responsibilities(X, ci_prob=ci_prob, n_draws=n_draws).isel(component=-1)
        return table.drop_vars("component").to_dataframe().rename_axis(None)

    def responsibilities(
        self,
        X: Any = None,  # noqa: N803
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> xr.Dataset:
        """Responsibilities with their uncertainty.

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
        xarray.Dataset
            Over obs_id and component (-1 is noise): `mean` (what `predict_proba` gives), `sd`,
            `lower` and `upper` of the responsibility over the draws, and `most_probable`, the share
            of draws in which the component is the row's most probable one.

        Raises
        ------
        ValueError
            ci_prob or n_draws is out of range.

        Examples
        --------
        >>> table = posterior.responsibilities().to_dataframe()  # doctest: +SKIP
        """
        found = responsibility_intervals(*self._rows_and_draws(X, n_draws), ci_prob)
        beside = list(found["component"].to_numpy()[self.fit.n_components :])  # -1, of noise
        return found.assign_coords(component=[*self.fit.components, *beside])

    def impute(
        self,
        X: Any = None,  # noqa: N803
        *,
        draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """The rows with their missing values filled in.

        With `draws` multiple imputations that are proper: each is made by a draw of the posterior
        of its own, as a component of each row, then what it misses given that and what it has. An
        analysis of each, pooled by Rubin's rules, has the uncertainty of the parameters in it.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows, of which values may be missing; those of the posterior if left out.
        draws : int, optional
            So many sets of rows (draws, n, d), by evenly spaced draws. Else one (n, d), with
            posterior means.
        random_seed : int or Generator, optional
            Seed of the imputations.

        Returns
        -------
        array (n, d) or (draws, n, d)

        Raises
        ------
        DataError
            Wrong columns, text or infinite values.
        ValueError
            More imputations than draws, or more than 1 GiB of them; a model in which rows differ.

        References
        ----------
        Rubin (1987), Multiple Imputation for Nonresponse in Surveys, sections 3.3 and 5.2.

        Examples
        --------
        >>> tables = posterior.impute(draws=20, random_seed=1)  # doctest: +SKIP
        """
        if isinstance(self.draws, RowDraws):
            raise ValueError(f"{_BY_ROW}, so that there is no one density of all rows.")
        rows = self.data if X is None else self.fit.mixture.rows(X, missing=MARGINALIZE)
        of_rows = self._all_draws.draws
        if draws is None:
            return imputed_means(rows, of_rows)
        return imputations(rows, of_rows, draws, random_stream(random_seed))

    def coclustering(
        self,
        X: Any = None,  # noqa: N803
        *,
        rows: int | Sequence[int] | None = None,
        n_draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> xr.DataArray:
        """The probability that two rows belong to the same component, for all pairs.

        The mean over draws of sum_k r_ik r_jk, r the responsibilities; 1 for a row and itself. It
        does not depend on how the components are labelled.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        rows : int or sequence of int, optional
            Only these rows, by position; or so many random ones. Needed for more than 5000.
        n_draws : int, optional
            Use only so many draws, evenly spaced. The cost is n^2 K multiplications a draw.
        random_seed : int or Generator, optional
            Draws the rows if `rows` is a number.

        Returns
        -------
        xarray.DataArray
            Symmetric (n, n) over obs_id and obs_id_bis, positions of the rows.

        Raises
        ------
        ValueError
            More than 5000 rows; rows or n_draws out of range.

        Examples
        --------
        >>> posterior.coclustering(rows=500, random_seed=1)  # doctest: +SKIP
        """
        data, draws = self._rows_and_draws(X, n_draws)
        return coclustering_among(data, draws, picked_rows(data.n, rows, random_seed))

    def coclustering_blocks(
        self,
        X: Any = None,  # noqa: N803
        *,
        n_draws: int | None = None,
    ) -> Iterator[tuple[slice, FloatArray]]:
        """The matrix of `coclustering` for any number of rows, some of its rows at a time.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        n_draws : int, optional
            Use only so many draws, evenly spaced; all if left out.

        Returns
        -------
        iterator of (slice, array (rows, n))
            Rows of the matrix, and where they stand in it.
        """
        return matrix_blocks(*self._rows_and_draws(X, n_draws))

    def partition(
        self,
        loss: Loss = "vi",
        X: Any = None,  # noqa: N803
        *,
        max_clusters: int | None = None,
        n_runs: int = 4,
        n_draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> Partition:
        """The partition of the rows with the least posterior expected loss.

        The posterior of partitions is that of the allocations: one partition is drawn from the
        responsibilities of every draw, and the loss is averaged over these as it stands, without a
        bound. The search moves single rows and joins clusters until nothing helps, from cuts of a
        tree, the draws' own partitions, and `n_runs` partitions built row by row in random order.
        Like every such search it may end above the optimum.

        Parameters
        ----------
        loss : {"vi", "binder"}
            Variation of information, in bits; or Binder's loss, the share of ordered pairs of rows
            that are together in one partition and apart in the other. Binder's tends to leave
            small clusters of doubtful rows (Wade & Ghahramani 2018).
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        max_clusters : int, optional
            Most clusters allowed: 4 K, and at least 10, if left out.
        n_runs : int
            Partitions built row by row.
        n_draws : int, optional
            Use only so many draws, evenly spaced. Memory is 2 bytes for every row and draw, and
            time grows with rows x draws x clusters.
        random_seed : int or Generator, optional
            Draws the allocations and the orders. The same seed gives the same partition, on any
            number of threads and however the draws are labelled. Of equally good clusters a row
            takes the one it is in, or the first.

        Returns
        -------
        Partition
            `.labels`, `.expected_loss`, `.n_clusters`, `.radius(ci_prob)` of the ball around it.

        Raises
        ------
        ValueError
            An unknown loss; n_runs, max_clusters or n_draws out of range.
        NotImplementedError
            Rows with weights: pass X.

        References
        ----------
        Wade & Ghahramani (2018), Bayesian Anal. 13, 559-626. Rastelli & Friel (2018), Stat.
        Comput. 28, 1169-1186. Dahl, Johnson & Mueller (2022), J. Comput. Graph. Stat. 31,
        1189-1201.

        Examples
        --------
        >>> posterior.partition("vi", random_seed=1)  # doctest: +SKIP
        """
        return best_partition(
            *self._rows_and_draws(X, n_draws), loss, max_clusters=max_clusters, n_runs=n_runs,
            random_seed=random_seed,
        )  # fmt: skip

    def _rows_and_draws(self, x: Any, n_draws: int | None) -> tuple[Data, Draws]:
        self._warn_of_modes()
        if x is None:
            return self.data, self.draws.thinned(n_draws)
        if isinstance(self.draws, RowDraws):
            raise ValueError(f"{_BY_ROW}: leave X out, for the rows of the posterior.")
        return self.fit.mixture.rows(x), self.draws.thinned(n_draws)
