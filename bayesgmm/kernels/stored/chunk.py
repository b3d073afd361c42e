"""A chunk of rows in memory, and what is known of chunks before they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...utils.types import FloatArray

# How much of a chunk's sums, relative to their terms, rounding may change.
_SAME, _ROUNDING = 1e-9, 1e-12
_NO_WEIGHTS, _NO_LABELS = np.empty(0), np.empty(0, dtype=np.intp)

type Block = NDArray[np.floating]


class ChunkSums:
    """What the chunks' columns sum to, by which a pass sees whether it reads the same rows.

    Parameters
    ----------
    counts : array (C,)
        Rows of each chunk, or the sums of their weights.
    means : array (C, d)
        Means of its columns.
    size : array (d,)
        Largest absolute values of the columns.
    seen : array (C, d), optional
        Values of each column, of which the means are; as many as rows if left out.
    """

    def __init__(
        self,
        counts: FloatArray,
        means: FloatArray,
        size: FloatArray,
        seen: FloatArray | None = None,
    ) -> None:
        self.counts, self.means, self.size, self.seen = counts, means, size, seen

    def of(self, places: NDArray[np.integer]) -> ChunkSums:
        """Those of some chunks."""
        seen = None if self.seen is None else self.seen[places]
        return ChunkSums(self.counts[places], self.means[places], self.size, seen)

    def of_observed(self, chunk: int, values: Block, count: NDArray[np.integer]) -> bool:
        """Whether these values (m, d), of which so many (d,) are not missing, are that chunk's."""
        seen = self.counts[chunk] if self.seen is None else self.seen[chunk]
        if np.any(count != seen):
            return False
        sums = np.einsum("ij->j", np.where(np.isnan(values), 0, values), dtype=np.float64)
        return bool(np.all(np.abs(sums - count * self.means[chunk]) <= _SAME * count * self.size))

    def agree(
        self, chunk: int, sums: FloatArray, center: FloatArray, scale: FloatArray, reach: float
    ) -> bool:
        """Whether a chunk's sums (1 + d,), of ones and of rows centred and scaled, are those.

        reach: the size of what has been added and subtracted to make them.
        """
        count = self.counts[chunk]
        expected = count * (self.means[chunk] - center) / scale
        allowed = _SAME * count * (1.0 + (self.size + np.abs(center)) / scale)
        allowed += _ROUNDING * count * reach
        return bool(
            abs(sums[0] - count) <= _SAME * max(count, 1.0)
            and np.all(np.abs(sums[1:] - expected) <= allowed)
        )


class Chunk(NamedTuple):
    """A chunk in memory, for those who work on it.

    number; first: its first row's number; values (m, d); weights (m,), empty where all rows count
    once; known: what its columns summed to at place `at`, if that is known; labels (m,): the number
    of each row's set of components, empty where nothing is known of them.
    """

    number: int
    first: int
    values: Block
    weights: FloatArray
    known: ChunkSums | None
    at: int
    labels: NDArray[np.integer] = _NO_LABELS


@dataclass(frozen=True, eq=False)
class Notes:
    """What is known of some chunks before they are read.

    Attributes
    ----------
    numbers : int array (c,)
        Which chunks.
    first : int array (c,)
        Their first rows' numbers.
    weights : list of c arrays, or None
        Their rows' weights.
    known : ChunkSums or None
        What their columns sum to.
    labels : list of c arrays, or None
        Their rows' labels.
    of_rows : tuple of arrays (n,) or None
        The weights and the labels of all rows, in which these are parts.
    """

    numbers: NDArray[np.int64]
    first: NDArray[np.int64]
    weights: Sequence[FloatArray] | None
    known: ChunkSums | None
    labels: Sequence[NDArray[np.integer]] | None = None
    of_rows: tuple[FloatArray | None, NDArray[np.integer] | None] = (None, None)

    def chunk(self, at: int, values: Block) -> Chunk:
        """The chunk at a place among these."""
        weights = _NO_WEIGHTS if self.weights is None else self.weights[at]
        number, first = int(self.numbers[at]), int(self.first[at])
        labels = _NO_LABELS if self.labels is None else self.labels[at]
        return Chunk(number, first, values, weights, self.known, at, labels)

    def of(self, places: NDArray[np.integer]) -> Notes:
        """Those of the chunks at some places among these."""
        weights = None if self.weights is None else [self.weights[at] for at in places]
        known = None if self.known is None else self.known.of(places)
        labels = None if self.labels is None else [self.labels[at] for at in places]
        return Notes(self.numbers[places], self.first[places], weights, known, labels)


class ChangedChunkError(Exception):
    """A chunk holds other values than before; the argument is its number."""
