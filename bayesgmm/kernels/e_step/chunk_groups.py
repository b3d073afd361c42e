"""Groups of rows in chunks: each chunk is grouped by itself, whenever it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.types import FloatArray, IntArray
from .grouping import groups_of
from .groups import Groups


@dataclass(frozen=True, eq=False)
class GroupsOfChunks:
    """What is known of the groups of all rows in chunks, of which values are missing.

    Attributes
    ----------
    n : int
        Number of rows.
    together : array (d, d)
        What the rows count for that have values in both of two columns.
    silent_rows : array of int
        The rows without a value, which say nothing.
    complete_columns : array (d,) of bool
        The columns of which no value is missing.
    """

    n: int
    together: FloatArray
    silent_rows: IntArray
    complete_columns: NDArray[np.bool_]
    incomplete = True
    admissible = None

    @property
    def n_silent(self) -> int:
        """The number of rows that say nothing."""
        return len(self.silent_rows)

    @property
    def says_nothing(self) -> NDArray[np.bool_]:
        """Whether each row (n,) says nothing."""
        found = np.zeros(self.n, dtype=bool)
        found[self.silent_rows] = True
        return found

    @property
    def kinds(self) -> list[IntArray]:
        """None: all rows can be of all components."""
        return []

    def suit(self, n_components: int) -> bool:
        """Whether they are groups for so many components."""
        return n_components > 0


def groups_of_some(
    groups: Groups | GroupsOfChunks, rows: NDArray[np.integer] | slice, values: NDArray[Any]
) -> Groups | None:
    """The groups of some of the rows, whose values are these."""
    return groups.take(rows) if isinstance(groups, Groups) else grouped(values)


def grouped(values: NDArray[np.floating]) -> Groups | None:
    """The groups of some rows; None of complete ones."""
    missing = np.isnan(values)
    return groups_of(missing) if missing.any() else None
