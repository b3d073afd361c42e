"""Sources whose chunks are whole tables, of which some columns are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..tables import MARGINALIZE, Table, as_numbers, read_table
from .files import chosen, float_type


@dataclass(frozen=True)
class OfTables:
    """Tables with the same columns, one below the other.

    Attributes
    ----------
    all_names : tuple of str
        The columns of each.
    named : bool
        Whether the tables have these names.
    edges : tuple of int
        Which rows each has.
    single : bool
        Whether all numbers are of single precision.
    columns : tuple of int
        The columns that are read.
    """

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

    def of_columns(self, columns: Sequence[int]) -> Self:
        """The same tables with some of the columns."""
        return replace(self, columns=tuple(self.columns[j] for j in columns))


def numbers_of(table: Any, columns: tuple[int, ...], first_row: int = 0) -> NDArray[Any]:
    """The numbers of these columns of a table, NaN where they are missing.

    Messages count rows from `first_row` on. Other columns need not hold numbers.
    """
    read = read_table(table)
    names = tuple(read.names[j] for j in columns)
    mine = Table(chosen(np.asarray(read.values), columns), names, read.named)
    return np.asarray(as_numbers(mine, MARGINALIZE, first_row))
