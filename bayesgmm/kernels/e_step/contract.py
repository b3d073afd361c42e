"""The interface of the E-step: from parameters to the log-likelihood and the statistics.

All values here are in *centred coordinates*: the user's units, with the columns' centres
subtracted from the means. Only the kernels scale them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...utils.types import FloatArray
from ..device.rows import DeviceRows
from ..stored.rows import StoredRows
from .chunk_groups import GroupsOfChunks
from .groups import Groups

#: The rows (n, d): an array in memory, on a device, or read in chunks.
type Values = NDArray[np.floating] | DeviceRows | StoredRows


class Rows(Protocol):
    """What a pass reads: the caller's own array and the coordinates to see it in."""

    @property
    def values(self) -> Values:
        """The rows (n, d), float64 or float32, wherever they are, never copied."""

    @property
    def center(self) -> FloatArray:
        """Subtracted from every row (d,), in the user's units."""

    @property
    def scale(self) -> FloatArray:
        """Divides the centred rows (d,): powers of two, so that scaling is exact."""

    @property
    def weights(self) -> FloatArray | None:
        """What each row counts for (n,), at least 0; None where every row counts once."""

    @property
    def groups(self) -> Groups | GroupsOfChunks | None:
        """The rows' groups where values are missing or components excluded, else None."""


def total_weight(rows: Rows) -> float:
    """The sum of the rows' weights, or their number; rows that say nothing do not count."""
    weights, groups = getattr(rows, "weights", None), getattr(rows, "groups", None)
    silent = 0 if groups is None else groups.n_silent
    if weights is None:
        return float(len(rows.values) - silent)
    if silent and groups is not None:
        weights = weights[~groups.says_nothing]
    return float(weights.sum())


@dataclass(frozen=True, slots=True)
class Parameters:
    """Mixing proportions, means and covariances of K Gaussian components.

    weights (K,); means (K, d) in centred coordinates; covariances (K, d, d), or (K, d) when
    they are diagonal, in the user's units squared.
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    @property
    def diagonal(self) -> bool:
        """Whether the covariances are given by their diagonals."""
        return self.covariances.ndim == 2


@dataclass(frozen=True, slots=True)
class Statistics:
    """Expected sufficient statistics of the components, responsibilities r_ik being the weights.

    counts (K,): n_k = sum_i r_ik; means (K, d) in centred coordinates; scatters (K, d, d), or
    their diagonals (K, d): W_k = sum_i r_ik (x_i - mean_k)(x_i - mean_k)'. Where the rows have
    weights w_i of their own, r_ik stands for w_i r_ik.
    """

    counts: FloatArray
    means: FloatArray
    scatters: FloatArray


@dataclass(frozen=True, slots=True)
class EStep:
    """The results of a pass over the rows at given parameters.

    rounding: about how much rounding may change the log density of one row. log_certainty: the
    logarithms of the rows' largest responsibilities, summed by the rows' weights.
    """

    loglik: float
    statistics: Statistics
    rounding: float
    log_certainty: float
