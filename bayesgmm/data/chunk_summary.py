"""Range, mean, spread and fingerprint of the columns of rows in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.e_step.chunk_groups import GroupsOfChunks
from ..kernels.stored.chunk import Block, Chunk, ChunkSums
from ..kernels.stored.rows import StoredRows
from ..kernels.summary import column_summary
from ..utils.errors import DataError
from ..utils.types import FloatArray, IntArray
from .summary import observed_summary, weighted_summary
from .tables import REFUSE

_NO_ROWS = np.empty(0, dtype=np.int64)


class _Moments(NamedTuple):
    """Weight of the values, range, mean and sum of squares about it of each column, (d,)."""

    total: FloatArray
    low: FloatArray
    high: FloatArray
    mean: FloatArray
    squares: FloatArray

    def with_more(self, other: _Moments) -> _Moments:
        """Those of two sets of rows (Chan, Golub & LeVeque 1979, Stanford STAN-CS-79-773)."""
        if not other.total.any():
            return self
        total = self.total + other.total
        some = np.where(total > 0, total, 1.0)
        delta = other.mean - self.mean
        return _Moments(
            total,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.mean + delta * (other.total / some),
            self.squares + other.squares + delta**2 * (self.total * other.total / some),
        )


class _Found(NamedTuple):
    """What a sweep finds in a chunk.

    unweighted, counted: its moments without weights and with them; bad: where a value is not to be
    used; together (d, d): what the rows count for that have values in both of two columns, None
    where all have all; silent: the rows without a value, by their numbers in the chunk.
    """

    unweighted: _Moments
    counted: _Moments
    bad: _Bad | None
    together: FloatArray | None
    silent: IntArray


class ChunkSummary(NamedTuple):
    """Minimum, maximum, mean and sd (d,) of the columns, and the groups where values are missing.

    NaN of a column without a value.
    """

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    sd: FloatArray
    groups: GroupsOfChunks | None


def chunk_summary(
    rows: StoredRows, names: tuple[str, ...], weights: FloatArray | None, missing: str
) -> ChunkSummary:
    """The summary of the columns, by one sweep; a row of weight 0 is none.

    The rows then know what each chunk's columns sum to.

    Raises
    ------
    DataError
        A value that is infinite, or that is missing and must not be.
    """
    d = len(names)
    nothing = np.zeros(d)
    total = _Moments(nothing, nothing + np.inf, nothing - np.inf, nothing, nothing)
    of_chunks: list[_Moments] = []
    together, incomplete, silent = np.zeros((d, d)), False, [np.empty(0, dtype=np.int64)]

    def take(chunk: int, found: _Found) -> None:
        nonlocal total, together, incomplete
        if found.bad is not None:
            raise DataError(_refusal(rows, names, chunk, found.bad))
        of_chunks.append(found.unweighted)
        total = total.with_more(found.counted)
        if found.together is not None:
            incomplete = True
            together += found.together
            silent.append(rows.edges[chunk] + found.silent)
        else:
            together += found.counted.total[0]

    rows.each(_Summary(missing != REFUSE), take, weights)
    size = np.maximum(np.abs([m.low for m in of_chunks]), np.abs([m.high for m in of_chunks]))
    size = np.where(np.isfinite(size), size, 0.0).max(axis=0)
    counts = np.diff(rows.edges).astype(np.float64)
    seen = np.array([m.total for m in of_chunks]) if incomplete else None
    rows.known = ChunkSums(counts, np.array([m.mean for m in of_chunks]), size, seen)
    groups = None
    if seen is not None:
        complete = (seen == counts[:, None]).all(axis=0)
        groups = GroupsOfChunks(len(rows), together, np.concatenate(silent), complete)
    used = np.where(total.total > 0, total.total, np.nan)
    of_values = [np.where(total.total > 0, x, np.nan) for x in total[1:4]]
    low, high, mean = of_values
    return ChunkSummary(low, high, mean, np.sqrt(total.squares / used), groups)


def first_beyond(rows: StoredRows, column: int, limit: float) -> str:
    """Row and place of the first value of a column that is larger than a limit, for a message."""
    found: list[tuple[int, int]] = []

    def take(chunk: int, row: int | None) -> None:
        if row is not None:
            found.append((chunk, row))

    rows.each(_Beyond(column, limit), take)
    if not found:
        return "a row"
    chunk, row = found[0]
    return f"row {rows.edges[chunk] + row} ({rows.source.place(chunk, row)})"


@dataclass(frozen=True)
class _Beyond:
    """The first row of a chunk in which a column's size is beyond a limit."""

    column: int
    limit: float

    def __call__(self, chunk: Chunk) -> int | None:
        beyond = np.flatnonzero(np.abs(chunk.values[:, self.column]) > self.limit)
        return int(beyond[0]) if len(beyond) else None


def _refusal(rows: StoredRows, names: tuple[str, ...], chunk: int, bad: _Bad) -> str:
    """The message about a value that cannot be used."""
    cure = "correct or drop that row."
    if bad.missing:
        cure = "fit with missing='marginalize', which uses the values that are there, or drop it."
    return (
        f"column {names[bad.column]!r} holds {'a missing' if bad.missing else 'an infinite'} value "
        f"in row {rows.edges[chunk] + bad.row} ({rows.source.place(chunk, bad.row)}): {cure}"
    )


class _Bad(NamedTuple):
    """Where in a chunk a value is not a finite number, and whether it is missing."""

    column: int
    row: int
    missing: bool


@dataclass(frozen=True)
class _Summary:
    """What is found in a chunk; marginalised: whether values may be missing."""

    marginalised: bool

    def __call__(self, chunk: Chunk) -> _Found:
        block, weights = chunk.values, chunk.weights
        low, high, mean, sd = (np.empty(block.shape[1]) for _ in range(4))
        bad = np.empty(block.shape[1], dtype=np.int64)
        column_summary(block, low, high, mean, sd, bad)
        rows = np.full(block.shape[1], float(len(block)))
        unweighted = _Moments(rows, low, high, mean, len(block) * sd**2)
        for j in np.flatnonzero(bad).tolist():
            unusable = np.isinf(block[:, j]) if self.marginalised else ~np.isfinite(block[:, j])
            if unusable.any():
                i = int(np.argmax(unusable))
                where = _Bad(j, i, bool(np.isnan(block[i, j])))
                return _Found(unweighted, unweighted, where, None, _NO_ROWS)
        if bad.any():
            return _of_incomplete(block, weights)
        if not len(weights):
            return _Found(unweighted, unweighted, None, None, _NO_ROWS)
        if not weights.any():
            none = _Moments(np.zeros_like(rows), *unweighted[1:])
            return _Found(unweighted, none, None, None, _NO_ROWS)
        low, high, mean, sd = weighted_summary(block, weights)
        count = float(weights.sum())
        counted = _Moments(rows * 0 + count, low, high, mean, count * sd**2)
        return _Found(unweighted, counted, None, None, _NO_ROWS)


def _of_incomplete(block: Block, weights: FloatArray) -> _Found:
    """What is found in a chunk of which values are missing."""
    there = ~np.isnan(block)
    counted = weights if len(weights) else np.ones(len(block))
    unweighted = _observed_moments(block, there, np.ones(len(block)))
    both = _observed_moments(block, there, counted) if len(weights) else unweighted
    together = (there * counted[:, None]).T @ there
    return _Found(unweighted, both, None, together, np.flatnonzero(~there.any(axis=1)))


def _observed_moments(block: Block, there: NDArray[np.bool_], weights: FloatArray) -> _Moments:
    """The moments of the values that are there, by their rows' weights."""
    total = weights @ there
    low, high, mean, sd = observed_summary(block, weights)
    used = total > 0
    return _Moments(
        total,
        np.where(used, low, np.inf),
        np.where(used, high, -np.inf),
        np.where(used, mean, 0.0),
        total * np.where(used, sd, 0.0) ** 2,
    )
