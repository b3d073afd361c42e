"""Pruning: the pairs of a row and a component that the likelihood needs in a narrow posterior.

A row far inside one component contributes log pi_k N(x | mu_k, Sigma_k), a term that is linear in
the row's quadratic features: of such rows the density needs the features' sums alone. A row between
two of eight components needs only these two. Leaving out the rest saves nearly all of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.data import Data
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..kernels.stored.rows import StoredRows, fits_in_memory
from ..utils.types import FloatArray, IntArray

# Rows evaluated at a time, and least rows of a segment, whose call costs about as much as ten rows.
_CHUNK, _SEGMENT = 2**16, 256


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """Rows without the pairs that do not matter, as `kernels/e_step/many_rows.py` reads them.

    Attributes
    ----------
    rows : array (m, d)
        Rows to which several components matter, ordered by which.
    owned : array (K, F)
        Sums of the quadratic features of the other rows, by the component they belong to.
    segments : array (S, 3 + K)
        Of rows: start, stop, the number of components that matter, and which.
    """

    rows: FloatArray
    owned: FloatArray
    segments: NDArray[np.int64]

    @property
    def pairs(self) -> int:
        """Pairs of a row and a component that are left."""
        return int(np.sum((self.segments[:, 1] - self.segments[:, 0]) * self.segments[:, 2]))


def prune(data: Data, points: Sequence[Parameters], left_out: float) -> Pruned | None:
    """The rows without pairs whose responsibility is small at every one of the points.

    Parameters
    ----------
    data : Data
        The rows, without weights.
    points : sequence of Parameters
        Points about which the density will be evaluated.
    left_out : float
        Responsibility of all rows together: the log-likelihood at each of the points loses K
        times this at most.

    Returns
    -------
    Pruned or None
        None of rows in chunks of which too many are left to be held in memory.

    Raises
    ------
    DegenerateComponentError
        A covariance is singular at a point.
    """
    n_components, diagonal = len(points[0].weights), points[0].diagonal
    first, second = (*np.diag_indices(data.d),) if diagonal else np.triu_indices(data.d)
    owned = np.zeros((n_components, 1 + data.d + len(first)))
    shared, patterns, n_left = [], [], 0
    in_chunks = isinstance(data.values, StoredRows)
    for _, part in data.blocks(at_most=_CHUNK):
        matters = np.zeros((part.n, n_components), dtype=bool)
        for parameters in points:
            matters |= evaluate(part, parameters, responsibilities=True)[1] > left_out / data.n
        alone = np.count_nonzero(matters, axis=1) == 1
        for k in range(n_components):
            z = (part.values[alone & matters[:, k]] - data.center) / data.scale
            owned[k, 0] += len(z)
            owned[k, 1 : 1 + data.d] += z.sum(axis=0)
            owned[k, 1 + data.d :] += (z.T @ z)[first, second]
        shared.append(np.asarray(part.values[~alone], dtype=np.float64))
        patterns.append(matters[~alone])
        n_left += len(shared[-1])
        if in_chunks and not fits_in_memory(n_left * data.d):
            return None
    pattern = np.concatenate(patterns)
    order, segments = _segments(pattern)
    return Pruned(np.concatenate(shared)[order], owned, segments)


def _segments(pattern: NDArray[np.bool_]) -> tuple[IntArray, NDArray[np.int64]]:
    """An order of rows by the components that matter to them (m, K), and its segments.

    Rows whose pattern is rare come last, and are taken together with others.
    """
    if len(pattern) == 0:
        return np.empty(0, dtype=np.intp), np.empty((0, 3 + pattern.shape[1]), dtype=np.int64)
    packed = np.packbits(pattern, axis=1)
    _, which, counts = np.unique(packed, axis=0, return_inverse=True, return_counts=True)
    rare = counts < _SEGMENT
    order = np.lexsort([which, rare[which]])
    which = which[order]
    segments, start = [], 0
    for stop in [*(np.flatnonzero(np.diff(which)) + 1), len(which)]:
        if stop - start >= _SEGMENT or stop == len(which):
            matter = np.flatnonzero(pattern[order[start:stop]].any(axis=0))
            absent = np.full(pattern.shape[1] - len(matter), -1)
            segments.append(np.concatenate([[start, stop, len(matter)], matter, absent]))
            start = stop
    return order, np.array(segments)
