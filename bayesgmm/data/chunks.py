"""What is done with all rows of a table at once, wherever they are, and a sample of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.e_step.chunk_groups import labels_of
from ..kernels.stored.chunk import Chunk
from ..kernels.stored.rows import StoredRows
from ..utils.types import FloatArray, IntArray
from .data import Data


def are_in_chunks(data: Data) -> bool:
    """Whether the rows are read in chunks."""
    return isinstance(data.values, StoredRows)


def sums_over_chunks(
    data: Data, work: Callable[[Chunk], Sequence[FloatArray]]
) -> Sequence[FloatArray]:
    """The sums over all chunks of the arrays that work(chunk) gives, by one sweep.

    `work` is done where the chunks are, which may be another machine.
    """
    assert isinstance(data.values, StoredRows)
    return data.values.sums(work, data.weights, labels_of(data.groups))


def answers_of_chunks[T](data: Data, work: Callable[[Chunk], T]) -> list[T]:
    """What work(chunk) gives of every chunk, in their order, by one sweep."""
    assert isinstance(data.values, StoredRows)
    found: list[T] = []
    labels = labels_of(data.groups)
    data.values.each(work, lambda _, answer: found.append(answer), data.weights, labels=labels)
    return found


def in_memory(data: Data) -> Data:
    """The same rows in memory, which those in chunks are read into."""
    return data.take(slice(None)) if are_in_chunks(data) else data


def random_rows(data: Data, at_most: int, random_seed: int = 0) -> Data:
    """So many random rows, without replacement and in their order, in memory; or all."""
    return data.take(random_numbers(data.n, at_most, random_seed))


def random_numbers(n: int, at_most: int, random_seed: int = 0) -> IntArray:
    """The numbers of these rows."""
    if n <= at_most:
        return np.arange(n)
    return np.sort(np.random.default_rng(random_seed).choice(n, at_most, replace=False))
