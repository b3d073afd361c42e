"""What does not depend on the components' labels, nor on their number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ..data.data import Data
from ..mixture.draws import Draws
from ..utils.display import Displayed
from .summaries.allocations import cluster_intervals
from .summaries.coclustering import coclustering_among, picked_rows
from .summaries.densities import log_density_intervals
from .summaries.mixture_draws import MixtureDraws
from .summaries.partition import Loss, Partition, best_partition

if TYPE_CHECKING:
    import pandas as pd


class LabelFree(Displayed):
    """Summaries of draws that may differ in the number of their components.

    Components that a draw does not have are there with proportion 0.
    """

    @property
    @abstractmethod
    def mixture_draws(self) -> MixtureDraws:
        """The draws as mixtures of named columns."""

    @property
    @abstractmethod
    def data(self) -> Data:
        """The rows that the draws are conditional on."""

    @property
    @abstractmethod
    def most_clusters(self) -> int:
        """Most clusters that a partition may have, if nothing else is asked for."""

    def partition(
        self,
        loss: Loss = "vi",
        *,
        max_clusters: int | None = None,
        n_runs: int = 4,
        n_draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> Partition:
        """The partition of the rows with the least posterior expected loss.

        Parameters
        ----------
        loss : {"vi", "binder"}
            As of `Posterior.partition`.
        max_clusters : int, optional
            Most clusters allowed; some more than the draws have, if left out.
        n_runs, n_draws, random_seed
            As of `Posterior.partition`.

        Returns
        -------
        Partition
            `.labels`, `.expected_loss`, `.n_clusters`, `.radius(ci_prob)` of the ball around it.
        """
        most = self.most_clusters if max_clusters is None else max_clusters
        return best_partition(
            self.data, self._some(n_draws), loss, max_clusters=most, n_runs=n_runs,
            random_seed=random_seed,
        )  # fmt: skip

    def coclustering(
        self,
        *,
        rows: int | Sequence[int] | None = None,
        n_draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> xr.DataArray:
        """The probability that two rows belong to the same component.

        Parameters
        ----------
        rows : int or sequence of int, optional
            Only these rows, by position, or so many random ones.
        n_draws : int, optional
            Use only so many draws, evenly spaced; all if left out.
        random_seed : int or Generator, optional
            Seed.

        Returns
        -------
        xarray.DataArray
        """
        data = self.data
        picked = picked_rows(data.n, rows, random_seed)
        return coclustering_among(data, self._some(n_draws), picked)

    def responsibilities(
        self,
        X: Any = None,  # noqa: N803
        *,
        partition: Partition | None = None,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> xr.Dataset:
        """The probability of every cluster of a partition for each row, with its uncertainty.

        Components of draws of different numbers of components have no common labels. What they
        have in common is the rows: every component of a draw stands for the cluster that has most
        of its rows, and a row's responsibilities are summed by cluster.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        partition : Partition, optional
            Of `.partition()`, which is made (with the same `n_draws` and `random_seed`) if left
            out.
        ci_prob : float
            Probability of the equal-tailed interval, between 0 and 1.
        n_draws, random_seed
            As of `Posterior.partition`.

        Returns
        -------
        xarray.Dataset
            Over obs_id and cluster: `mean`, whose sum over clusters is 1, and `sd`, `lower` and
            `upper` over the draws.

        Raises
        ------
        ValueError
            A partition of other rows; ci_prob or n_draws is out of range.
        """
        if partition is None:
            partition = self.partition(n_draws=n_draws, random_seed=random_seed)
        data = self.data
        if len(partition.labels) != data.n:
            raise ValueError(
                f"partition is of {len(partition.labels)} rows, the posterior of {data.n}: pass "
                "one that .partition() of this posterior made."
            )
        rows = data if X is None else self.mixture_draws.rows(X)
        return cluster_intervals(data, rows, partition.labels, self._some(n_draws), ci_prob)

    def density(
        self,
        at: ArrayLike | Mapping[str | int, ArrayLike] | None = None,
        *,
        columns: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> xr.Dataset:
        """The density of new rows, or of some of their columns, with its uncertainty.

        Parameters
        ----------
        at : mapping of column to values, optional
            Where; a grid over the columns if left out.
        columns : str, int or sequence of them, optional
            The columns, the others integrated out.
        ci_prob : float
            Probability of the equal-tailed interval.
        n_draws : int, optional
            Use only so many draws, evenly spaced; all if left out.

        Returns
        -------
        xarray.Dataset
        """
        return self.mixture_draws.density(at, columns=columns, ci_prob=ci_prob, n_draws=n_draws)

    def log_density(
        self,
        X: Any = None,  # noqa: N803
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> pd.DataFrame:
        """Log posterior predictive density of each row, with an interval of the log density.

        Parameters
        ----------
        X : array-like (n, d), optional
            Rows; those of the posterior if left out.
        ci_prob : float
            Probability of the equal-tailed interval.
        n_draws : int, optional
            Use only so many draws, evenly spaced; all if left out.

        Returns
        -------
        DataFrame
        """
        data = self.data if X is None else self.mixture_draws.rows(X)
        return log_density_intervals(data, self._some(n_draws), ci_prob)

    def _some(self, n_draws: int | None) -> Draws:
        return self.mixture_draws.draws.thinned(n_draws)
