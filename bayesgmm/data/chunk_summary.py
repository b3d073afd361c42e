"""Range, mean, spread and fingerprint of the columns of rows in chunks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.stored.chunk import Chunk, ChunkSums
from ..kernels.stored.rows import StoredRows
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

    def take(chunk: int, found: tuple[_Moments, _Moments, _Bad | None]) -> None:
        nonlocal total
        unweighted, counted, bad = found
        if bad is not None:
            raise DataError(
                f"column {names[bad.column]!r} holds {bad.what} value in row "
                f"{rows.edges[chunk] + bad.row} ({rows.source.place(chunk)}): rows that are read "
                "in chunks have to be complete, so correct or drop that row."
            )
        of_chunks.append(unweighted)
        total = total.with_more(counted)

    rows.each(_summary, take, weights)
    size = np.maximum(np.abs([m.low for m in of_chunks]), np.abs([m.high for m in of_chunks]))
    means = np.array([m.mean for m in of_chunks])
    rows.known = ChunkSums(np.diff(rows.edges).astype(np.float64), means, size.max(axis=0))
    return total.low, total.high, total.mean, np.sqrt(total.squares / total.total)


class _Bad(NamedTuple):
    """Where in a chunk a value is not a finite number."""

    column: int
    row: int
    what: str


def _summary(chunk: Chunk) -> tuple[_Moments, _Moments, _Bad | None]:
    """The moments of a chunk without weights and with them, and a value that is not finite."""
    block, weights = chunk.values, chunk.weights
    low, high, mean, sd = (np.empty(block.shape[1]) for _ in range(4))
    bad = np.empty(block.shape[1], dtype=np.int64)
    column_summary(block, low, high, mean, sd, bad)
    unweighted = _Moments(float(len(block)), low, high, mean, len(block) * sd**2)
    for j in np.flatnonzero(bad).tolist():
        i = int(np.argmin(np.isfinite(block[:, j])))
        what = "a missing" if np.isnan(block[i, j]) else "an infinite"
        return unweighted, unweighted, _Bad(j, i, what)
    if not len(weights):
        return unweighted, unweighted, None
    if not weights.any():
        return unweighted, _Moments(0.0, *unweighted[1:]), None
    low, high, mean, sd = weighted_summary(block, weights)
    count = float(weights.sum())
    return unweighted, _Moments(count, low, high, mean, count * sd**2), None
