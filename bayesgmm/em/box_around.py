"""The box over which noise is spread: mclust's `hypvol`, wherever the rows are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..data.blocks import slices
from ..data.chunks import answers_of_chunks, are_in_chunks
from ..data.data import Data
from ..data.tables import REFUSE
from ..kernels.stored.chunk import Chunk
from ..mixture.noise import Box
from ..utils.types import FloatArray

# Numbers of a block of rows that is made triangular: so few that no library shares it out to
# threads, on which the last bits would depend.
_BLOCK = 2**13


def box_around(data: Data) -> Box:
    """The smaller of two boxes around the rows: along columns, or principal axes.

    Its volume is mclust's `hypvol`, by one reading of the rows for the axes and one for their
    ranges there. Of rows that may miss values it is the box along the columns,
    of which the columns that a row has are a box again.
    """
    center = data.center
    along_columns = Box(np.eye(data.d), data.low - center, data.high - center, center)
    if data.missing != REFUSE:
        return along_columns
    whole = _triangle(np.vstack(_of_parts(data, _Triangle(data.center))))
    if len(whole) <= data.d:  # fewer rows than columns
        return along_columns
    axes = np.linalg.svd(whole[1:, 1:])[2]
    ranges = _of_parts(data, _Ranges(data.center, axes))
    low = np.array([least for least, _ in ranges]).min(axis=0)
    high = np.array([most for _, most in ranges]).max(axis=0)
    if not np.all(high > low):
        return along_columns
    along_axes = Box(axes, low, high, data.center)
    return min(along_columns, along_axes, key=lambda box: box.log_volume)


def _of_parts[T](data: Data, work: Callable[[Chunk], T]) -> list[T]:
    """What work gives of every chunk, or of all rows in memory: in blocks, so that it needs few."""
    if are_in_chunks(data):
        return answers_of_chunks(data, work)
    weights = np.empty(0) if data.weights is None else data.weights
    return [work(Chunk(0, 0, np.asarray(data.values), weights, None, 0))]


def _triangle(rows: FloatArray) -> FloatArray:
    """The triangular R (at most 1 + d, 1 + d) of rows = Q R."""
    return np.linalg.qr(rows, mode="r")


def _blocks(chunk: Chunk, center: FloatArray) -> Iterator[FloatArray]:
    """The chunk's rows that count, centred, a few at a time."""
    for block in slices(len(chunk.values), len(center) + 1, _BLOCK):
        x = chunk.values[block]
        if len(chunk.weights):
            x = x[chunk.weights[block] > 0]
        if len(x):
            yield x - center


@dataclass(frozen=True)
class _Triangle:
    """R of a chunk's ones and rows.

    Without its first row and column it is that of the rows about their mean.
    """

    center: FloatArray

    def __call__(self, chunk: Chunk) -> FloatArray:
        found = np.empty((0, 1 + len(self.center)))
        for x in _blocks(chunk, self.center):
            found = _triangle(np.vstack([found, np.hstack([np.ones((len(x), 1)), x])]))
        return found


@dataclass(frozen=True)
class _Ranges:
    """The ends of a chunk's rows along axes (d, d)."""

    center: FloatArray
    axes: FloatArray

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, FloatArray]:
        low, high = np.full(len(self.axes), np.inf), np.full(len(self.axes), -np.inf)
        for x in _blocks(chunk, self.center):
            along = np.einsum("ij,kj->ik", x, self.axes)
            low, high = np.minimum(low, along.min(axis=0)), np.maximum(high, along.max(axis=0))
        return low, high
