"""Blocks of rows: arrays in memory, or whatever makes them whenever it is iterated over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DataError
from ..tables import read_table
from .files import equal_edges
from .of_tables import OfTables, numbers_of

#: What tables in memory have, which may be iterated over too.
OF_TABLES = ("__array__", "__dataframe__", "columns", "column_names", "tocsr", "isel", "collect")


@dataclass(frozen=True)
class Blocks(OfTables):
    """Tables in memory, or made whenever they are iterated over.

    Attributes
    ----------
    blocks : iterable
        Gives the same tables whenever it is iterated over.
    numbers : sequence of int
        The blocks' numbers, where those without rows count too.
    """

    blocks: Iterable[Any]
    numbers: Sequence[int]

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], NDArray[Any]]]:
        """What gives the blocks start..stop; those before are iterated over if need be."""
        numbers = self.numbers[start:stop]
        if isinstance(self.blocks, list):
            blocks = iter([self.blocks[number] for number in numbers])
        else:
            last = numbers[-1] + 1 if numbers else 0
            blocks = self._made(set(numbers), last, stop == len(self.numbers))
        for block, first_row in zip(blocks, self.edges[start:stop], strict=False):
            yield _Block(block, self.columns, first_row)

    def _made(self, wanted: set[int], stop: int, all_of_them: bool) -> Iterator[Any]:
        """Those blocks of 0..stop that are wanted; before the last is given, that no more follow.

        Arrays are copied: some give one array again and again, filled anew, and blocks are read
        ahead of those that are summed.
        """
        every = iter(self.blocks)
        for number, block in enumerate(islice(every, stop)):
            if number not in wanted:
                continue
            mine = block.copy() if isinstance(block, np.ndarray) else block
            if all_of_them and number == stop - 1:
                self._refuse_more(every)
            yield mine

    def _refuse_more(self, rest: Iterator[Any]) -> None:
        for more in rest:
            if len(read_table(more).values):
                raise DataError(
                    f"there are more than the {len(self.numbers)} blocks with rows that there were "
                    "when the data were first read: pass what gives the same blocks whenever it is "
                    "iterated over."
                )

    def place(self, chunk: int, row: int | None = None) -> str:
        """The number of a block, and its rows."""
        start, stop = self.edges[chunk : chunk + 2]
        return f"block {self.numbers[chunk]} (rows {start} to {stop - 1})"

    def stamp(self) -> Any:
        """Nothing: what is in the blocks is seen when they are read."""
        return None


@dataclass(frozen=True)
class _Block:
    block: Any
    columns: tuple[int, ...]
    first_row: int

    def __call__(self) -> NDArray[Any]:
        return numbers_of(self.block, self.columns, self.first_row)


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
    edges, numbers, single, named = [0], [], True, False
    for number, block in enumerate(blocks):
        table = read_table(block)
        if names is None:
            names, named = table.names, table.named
        if table.names != names:
            raise DataError(
                f"block {number} has columns {', '.join(table.names)}, those before have "
                f"{', '.join(names)}: pass blocks with the same columns."
            )
        if len(table.values):
            single = single and table.values.dtype == np.float32
            edges.append(edges[-1] + len(table.values))
            numbers.append(number)
    if names is None or not numbers:
        raise DataError("there are no blocks of rows: pass at least one.")
    return Blocks(names, named, tuple(edges), single, tuple(range(len(names))), blocks, numbers)


@dataclass(frozen=True)
class Restarted:
    """What a function gives, anew for every iteration."""

    begin: Callable[[], Iterable[Any]]

    def __iter__(self) -> Iterator[Any]:
        """The blocks from the first on.

        Raises
        ------
        DataError
            The function gives a table, whose rows or names would be taken for blocks, or nothing
            that can be iterated over.
        """
        blocks = self.begin()
        if any(hasattr(blocks, name) for name in OF_TABLES) or not isinstance(blocks, Iterable):
            raise DataError(
                f"the function gives a {type(blocks).__name__}, not blocks of rows: let it yield "
                "them (a generator function), or return a list of them."
            )
        return iter(blocks)


def array_in_blocks(values: NDArray[Any], names: tuple[str, ...], named: bool, rows: int) -> Blocks:
    """An array in memory in chunks of so many rows, which are views of it."""
    edges = equal_edges(len(values), rows)
    blocks = [values[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    single, columns = values.dtype == np.float32, tuple(range(len(names)))
    return Blocks(names, named, edges, single, columns, blocks, range(len(blocks)))
