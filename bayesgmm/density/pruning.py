"""Pruning: the pairs of a row and a component that the likelihood needs in a narrow posterior.

A row far inside one component contributes log pi_k N(x | mu_k, Sigma_k), a term that is linear in
the row's quadratic features: of such rows the density needs the features' sums alone. A row between
two of eight components needs only these two. Leaving out the rest saves nearly all of the work.

What is left out of the log-likelihood, a small and smooth function of the natural parameters, is
replaced by its tangent at one point, which is linear in the features as well: value and gradient
are right there, and elsewhere the error is of second order. For rows with one component this is the
bound of EM (Neal & Hinton 1998, equation 7) that touches the log-likelihood at that point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from ..data.blocks import slices
from ..data.data import Data
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..kernels.e_step.view import View
from ..kernels.stored.chunk import Chunk
from ..kernels.stored.rows import StoredRows, fits_in_memory
from ..utils.types import FloatArray, IntArray

# Rows evaluated at a time, and least rows of a segment, whose call costs about as much as ten rows.
_CHUNK, _SEGMENT = 2**16, 256
# A responsibility that is lost in the sum of all: a row has 1.
_ROUNDING = 1e-16


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """Rows without the pairs that do not matter, as `kernels/e_step/many_rows.py` reads them.

    Attributes
    ----------
    rows : array (m, d)
        Rows to which several components matter, ordered by which.
    owned : array (K, F)
        Sums of the quadratic features of the other rows, by the component they belong to, and of
        all rows times what the tangent says of pairs that are left out.
    segments : array (S, 3 + K)
        Of rows: start, stop, the number of components that matter, and which.
    constant : float
        What the log-likelihood of the above lacks at the first of the points.
    """

    rows: FloatArray
    owned: FloatArray
    segments: NDArray[np.int64]
    constant: float

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
        Points about which the density will be evaluated; at the first the tangent touches.
    left_out : float
        Responsibility of all rows together: without the tangent the log-likelihood at each of the
        points would lose K times this at most.

    Returns
    -------
    Pruned or None
        None of rows in chunks of which too many are left to be held in memory.

    Raises
    ------
    DegenerateComponentError
        A covariance is singular at a point.
    """
    work = _Pruning(data.center, data.scale, points, left_out / data.n)
    found: list[_Kept] = []
    if isinstance(data.values, StoredRows):
        try:
            data.values.each(work.of_chunk, partial(_take_what_fits, found))
        except _TooManyError:
            return None
    else:
        found = [work(np.asarray(part.values)) for _, part in data.blocks(at_most=_CHUNK)]
    rows, resp, pattern = (
        np.concatenate([getattr(kept, name) for kept in found])
        for name in ("rows", "resp", "pattern")
    )
    owned = sum((kept.owned for kept in found), np.zeros_like(found[0].owned))
    constant = sum(kept.constant for kept in found)
    found.clear()  # what is left is there twice at most
    order, segments = _segments(pattern)
    rows, resp = rows[order], resp[order]
    for start, stop, number, *which in segments:
        slope, lacking = _tangent(resp[start:stop], which[:number])
        owned += work.sums(rows[start:stop], slope)
        constant += lacking
    return Pruned(rows, owned, segments, constant)


class _TooManyError(Exception):
    """The rows that are left do not fit in memory."""


class _Kept(NamedTuple):
    """What is left of a block.

    Sums (K, F) over the rows that belong to one component, and what these lack; the other rows
    (m, d), their responsibilities at the first point (m, K), and which components matter (m, K).
    """

    owned: FloatArray
    constant: float
    rows: FloatArray
    resp: FloatArray
    pattern: NDArray[np.bool_]


def _take_what_fits(found: list[_Kept], _: int, more: list[_Kept]) -> None:
    found += more
    if not fits_in_memory(2 * sum(kept.rows.size + kept.resp.size for kept in found)):
        raise _TooManyError


@dataclass(frozen=True)
class _Pruning:
    """What is left of blocks of rows, in coordinates of this centre and scale.

    left_out: the responsibility that a pair may have at every one of the points.
    """

    center: FloatArray
    scale: FloatArray
    points: Sequence[Parameters]
    left_out: float

    def of_chunk(self, chunk: Chunk) -> list[_Kept]:
        """The blocks of a chunk, in one thread."""
        blocks = slices(len(chunk.values), at_most=_CHUNK)
        return [self(chunk.values[block], n_threads=1) for block in blocks]

    def __call__(self, values: NDArray[np.floating], n_threads: int | None = None) -> _Kept:
        rows = View(values, self.center, self.scale)
        at_each = (
            evaluate(rows, parameters, responsibilities=True, n_threads=n_threads)[1]
            for parameters in self.points
        )
        resp = next(at_each)
        matters = resp > self.left_out
        for other in at_each:
            matters |= other > self.left_out
        between = np.count_nonzero(matters, axis=1) > 1
        slope, constant = _tangent(resp[~between], [])
        kept = np.asarray(values[between], dtype=np.float64)
        owned = self.sums(values[~between], slope)
        return _Kept(owned, constant, kept, resp[between], matters[between])

    def sums(self, values: NDArray[np.floating], slope: FloatArray) -> FloatArray:
        """Sums (K, F) of the rows' quadratic features times their slopes (n, K)."""
        n_components, d = self.points[0].means.shape
        square = np.diag_indices(d) if self.points[0].diagonal else np.triu_indices(d)
        found = np.empty((n_components, 1 + d + len(square[0])))
        for k in range(n_components):
            some = np.abs(slope[:, k]) > _ROUNDING
            z, of_z = (values[some] - self.center) / self.scale, slope[some, k]
            found[k, 0] = of_z.sum()
            found[k, 1 : 1 + d] = of_z @ z
            found[k, 1 + d :] = ((of_z[:, None] * z).T @ z)[square]
        return found


def _tangent(resp: FloatArray, kept: Sequence[int]) -> tuple[FloatArray, float]:
    """The tangent of log sum_k exp t_k less that over the components that are kept, if any are.

    t_k = log pi_k N_k of rows with responsibilities (n, K). Returns its slope (n, K), and what it
    lacks of that difference at the point itself, where the slope is multiplied with t.
    """
    slope, lacking = resp.copy(), 0.0
    if kept:
        total = resp[:, kept].sum(axis=1)
        slope[:, kept] -= resp[:, kept] / total[:, None]
        lacking = -float(np.log(total).sum())
    return slope, lacking - float(xlogy(slope, resp).sum())


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
