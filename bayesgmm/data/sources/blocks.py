"""Blocks of rows: arrays in memory, or whatever makes them whenever it is iterated over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DataError
from ..tables import as_numbers, read_table
from .files import equal_edges, float_type


@dataclass(frozen=True)
class Blocks:
    """Tables with the same columns, one below the other.

    Attributes
    ----------
    blocks : iterable
        Gives the same tables whenever it is iterated over.
    all_names : tuple of str
        The columns of each.
    named : bool
        Whether the tables have these names.
    edges : tuple of int
        Which rows each has.
    single : bool
        Whether all are of single precision.
    columns : tuple of int
        The columns that are read.
    """

    blocks: Iterable[Any]
    all_names: tuple[str, ...]
    named: bool
    edges: tuple[int, ...]
    single: bool
    columns: tuple[int, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return tuple(self.all_names[j] for j in self.columns)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers that are read."""
        return np.dtype(float_type(self.single))

    def of_columns(self, columns: Sequence[int]) -> Blocks:
        """The same blocks with some of the columns."""
        return replace(self, columns=tuple(self.columns[j] for j in columns))

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], NDArray[Any]]]:
        """What gives the blocks start..stop; those before are iterated over if need be."""
        blocks = self.blocks[start:stop] if isinstance(self.blocks, list) else None
        for block in islice(self.blocks, start, stop) if blocks is None else blocks:
            yield _Block(block, self.columns)

    def place(self, chunk: int) -> str:
        """The number of a block."""
        return f"block {chunk} (rows {self.edges[chunk]} to {self.edges[chunk + 1] - 1})"

    def stamp(self) -> Any:
        """Nothing: what is in the blocks is seen when they are read."""
        return None


@dataclass(frozen=True)
class _Block:
    block: Any
    columns: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        values = np.asarray(as_numbers(read_table(self.block)))
        every = self.columns == tuple(range(values.shape[1]))
        return values if every else values[:, self.columns]


def blocks_of(blocks: Iterable[Any]) -> Blocks:
    """Tables below each other, of which the sizes are counted by one pass.

    Raises
    ------
    DataError
        There are none, they differ in their columns, or can be iterated over only once.
    """
    if isinstance(blocks, Iterator):
        raise DataError(
            f"the blocks are a {type(blocks).__name__}, which gives them once: pass what can be "
            "iterated over again and again, such as a list, or an object whose __iter__ begins "
            "anew (a generator function with its arguments: `in_chunks(lambda: blocks())`)."
        )
    names: tuple[str, ...] | None = None
    edges, single, named = [0], True, False
    for number, block in enumerate(blocks):
        table = read_table(block)
        if names is None:
            names, named = table.names, table.named
        if table.names != names:
            raise DataError(
                f"block {number} has columns {', '.join(table.names)}, those before have "
                f"{', '.join(names)}: pass blocks with the same columns."
            )
        single = single and table.values.dtype == np.float32
        edges.append(edges[-1] + len(table.values))
    if names is None or not edges[-1]:
        raise DataError("there are no blocks of rows: pass at least one.")
    return Blocks(blocks, names, named, tuple(edges), single, tuple(range(len(names))))


@dataclass(frozen=True)
class Restarted:
    """What a function gives, anew for every iteration."""

    begin: Callable[[], Iterable[Any]]

    def __iter__(self) -> Iterator[Any]:
        """The blocks from the first on."""
        return iter(self.begin())


def array_in_blocks(values: NDArray[Any], names: tuple[str, ...], named: bool, rows: int) -> Blocks:
    """An array in memory in chunks of so many rows, which are views of it."""
    edges = equal_edges(len(values), rows)
    blocks = [values[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return Blocks(blocks, names, named, edges, values.dtype == np.float32, tuple(range(len(names))))
