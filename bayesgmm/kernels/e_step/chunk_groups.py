"""Groups of rows in chunks: each chunk is grouped by itself, whenever it is read.

What makes a group is of one kind in memory and in chunks: the columns that its rows have, and the
components that they can belong to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.types import FloatArray, IntArray
from ..stored.chunk import Chunk
from .grouping import groups_of
from .groups import Groups, kinds_of

_NO_LABELS = np.empty(0, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class GroupsOfChunks:
    """What is known of the groups of all rows in chunks.

    Attributes
    ----------
    n : int
        Number of rows.
    together : array (d, d)
        What the rows count for that have values in both of two columns.
    empty_rows : array of int
        The rows without a value.
    complete_columns : array (d,) of bool
        The columns of which no value is missing.
    labels : array (n,) of int, or None
        The number of the set of admissible components that each row has; None where all can be of
        all, or on a machine that has them with its chunks.
    admissible : array (number of sets, K) of bool, or None
        The sets.
    """

    n: int
    together: FloatArray
    empty_rows: IntArray
    complete_columns: NDArray[np.bool_]
    labels: NDArray[np.integer] | None = None
    admissible: NDArray[np.bool_] | None = None

    @classmethod
    def of_complete(cls, n: int, d: int) -> GroupsOfChunks:
        """Those of n rows of d columns of which no value is missing."""
        return cls(n, np.full((d, d), float(n)), _NO_LABELS, np.ones(d, dtype=bool))

    @property
    def incomplete(self) -> bool:
        """Whether any value is missing."""
        return not bool(self.complete_columns.all())

    @cached_property
    def silent_rows(self) -> IntArray:
        """The rows that say nothing: without a value, and free to be anywhere."""
        if self.labels is None or self.admissible is None:
            return self.empty_rows
        free = self.admissible.all(axis=1)[self.labels[self.empty_rows]]
        return self.empty_rows[free]

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
    def components_of_rows(self) -> NDArray[np.bool_]:
        """The components that each row can belong to, (n, K), where labels say."""
        assert self.admissible is not None and self.labels is not None
        return np.asarray(self.admissible[self.labels])

    @property
    def kinds(self) -> list[IntArray]:
        """The components of each kind: those that are admissible in the same rows."""
        return [] if self.admissible is None else kinds_of(self.admissible)

    def suit(self, n_components: int) -> bool:
        """Whether they are groups for so many components."""
        return self.admissible is None or self.admissible.shape[1] == n_components

    def with_labels(
        self, labels: NDArray[np.integer], admissible: NDArray[np.bool_]
    ) -> GroupsOfChunks:
        """The same with the number of each row's set (n,), and the sets: those that rows have."""
        there = np.flatnonzero(np.bincount(labels, minlength=len(admissible)))
        number = np.zeros(len(admissible), dtype=np.min_scalar_type(len(there)))
        number[there] = np.arange(len(there))
        return replace(self, labels=number[labels], admissible=admissible[there])

    @property
    def elsewhere(self) -> GroupsOfChunks:
        """The same for a machine whose chunks come with their rows' labels."""
        return replace(self, labels=None, empty_rows=self.empty_rows[:0])

    def of_rows_with(
        self, values: NDArray[np.floating], labels: NDArray[np.integer]
    ) -> Groups | None:
        """The groups of some rows with these values and labels; None where there is but one."""
        if self.admissible is None:
            return grouped(values)
        return groups_of(np.isnan(values), labels.astype(np.intp), self.admissible)

    def take(
        self, rows: NDArray[np.integer] | slice, values: NDArray[np.floating]
    ) -> Groups | None:
        """The groups of some of the rows, whose values are these."""
        return self.of_rows_with(values, _NO_LABELS if self.labels is None else self.labels[rows])


def labels_of(groups: Any) -> NDArray[np.integer] | None:
    """The labels (n,) of rows in chunks, where there are some."""
    return groups.labels if isinstance(groups, GroupsOfChunks) else None


def groups_in(groups: Any, chunk: Chunk) -> Groups | None:
    """The groups of a chunk's rows; None where there are none, of all rows or in the chunk."""
    if not isinstance(groups, GroupsOfChunks):
        return None
    return groups.of_rows_with(chunk.values, chunk.labels)


def groups_of_some(
    groups: Groups | GroupsOfChunks, rows: NDArray[np.integer] | slice, values: NDArray[Any]
) -> Groups | None:
    """The groups of some of the rows, whose values are these."""
    return groups.take(rows) if isinstance(groups, Groups) else groups.take(rows, values)


def grouped(values: NDArray[np.floating]) -> Groups | None:
    """The groups of some rows; None of complete ones."""
    missing = np.isnan(values)
    return groups_of(missing) if missing.any() else None
