"""Range, mean, spread and fingerprint of the columns of rows in chunks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.stored.rows import ChunkSums, StoredRows
from ..kernels.stored.sweep import sweep
from ..kernels.summary import column_summary
from ..utils.errors import DataError
from ..utils.types import FloatArray
from .summary import weighted_summary


class _Moments(NamedTuple):
    """Sum of the weights, range, mean and sum of squares about it of each column, (d,)."""

    total: float
    low: FloatArray
    high: FloatArray
    mean: FloatArray
    squares: FloatArray

    def with_more(self, other: _Moments) -> _Moments:
        """Those of two sets of rows (Chan, Golub & LeVeque 1979, Stanford STAN-CS-79-773)."""
        if not other.total:
            return self
        total = self.total + other.total
        delta = other.mean - self.mean
        return _Moments(
            total,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.mean + delta * (other.total / total),
            self.squares + other.squares + delta**2 * (self.total * other.total / total),
        )


def chunk_summary(
    rows: StoredRows, names: tuple[str, ...], weights: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Minimum, maximum, mean and sd (d,) of the columns, by one sweep; a row of weight 0 is none.

    The rows then know what each chunk's columns sum to.

    Raises
    ------
    DataError
        A value that is missing or infinite.
    """
    d = len(names)
    nothing = np.zeros(d)
    total = _Moments(0.0, nothing + np.inf, nothing - np.inf, nothing, nothing)
    of_chunks: list[_Moments] = []

    def work(chunk: int, block: NDArray[np.floating]) -> tuple[_Moments, _Moments]:
        unweighted = _moments(rows, names, chunk, block)
        if weights is None:
            return unweighted, unweighted
        some = weights[rows.edges[chunk] : rows.edges[chunk + 1]]
        if not some.any():
            return unweighted, _Moments(0.0, *unweighted[1:])
        low, high, mean, sd = weighted_summary(block, some)
        count = float(some.sum())
        return unweighted, _Moments(count, low, high, mean, count * sd**2)

    def take(chunk: int, found: tuple[_Moments, _Moments]) -> None:
        nonlocal total
        of_chunks.append(found[0])
        total = total.with_more(found[1])

    sweep(rows.chunks(), rows.n_chunks, work, take)
    size = np.maximum(np.abs([m.low for m in of_chunks]), np.abs([m.high for m in of_chunks]))
    means = np.array([m.mean for m in of_chunks])
    rows.known = ChunkSums(np.diff(rows.edges).astype(np.float64), means, size.max(axis=0))
    return total.low, total.high, total.mean, np.sqrt(total.squares / total.total)


def _moments(
    rows: StoredRows, names: tuple[str, ...], chunk: int, block: NDArray[np.floating]
) -> _Moments:
    low, high, mean, sd = (np.empty(len(names)) for _ in range(4))
    bad = np.empty(len(names), dtype=np.int64)
    column_summary(block, low, high, mean, sd, bad)
    for j in np.flatnonzero(bad):
        i = int(np.argmin(np.isfinite(block[:, j])))
        what = "a missing" if np.isnan(block[i, j]) else "an infinite"
        raise DataError(
            f"column {names[j]!r} holds {what} value in row {rows.edges[chunk] + i} "
            f"({rows.source.place(chunk)}): rows that are read in chunks have to be complete, so "
            "correct or drop that row."
        )
    return _Moments(float(len(block)), low, high, mean, len(block) * sd**2)
