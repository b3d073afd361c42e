"""Rows in groups: those of one group have values in the same columns, and the same components.

A pass goes through the groups one after the other, since within one the marginal parameters are
the same for all rows. Missing values and labels are both such groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...utils.types import IntArray
from ..compilation import inlined

# Rows of a group, per column and at least, for which its own parameters are worth making.
_ROWS_PER_COLUMN, _FEWEST_ROWS = 2, 16

# Groups whose numbers fit in 16 bits.
_FEW_GROUPS = 2**16
# What a row of a rare group costs, in rows of a frequent one.
_RARE_COST = 4.0
# Numbers of `Groups.packed` before the bounds.
_HEAD = 4


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each row belongs to, and what the groups are.

    Attributes
    ----------
    of_rows : array (n,) of int
        The number of each row's group.
    observed : array (S, d) of bool
        The columns in which the rows of a group have values.
    admissible : array (S, K) of bool, or None
        The components that the rows of a group can belong to; None where all can.
    """

    of_rows: IntArray
    observed: NDArray[np.bool_]
    admissible: NDArray[np.bool_] | None = None

    @property
    def order(self) -> IntArray:
        """The rows (n,) group by group, those of a group as they come; a view of `packed`."""
        n_groups, d = self.observed.shape
        start = _HEAD + len(self.bounds) + n_groups * (2 + d)
        return self.packed[start : start + len(self.of_rows)]

    def _sorted_rows(self) -> IntArray:
        number = self.of_rows
        if len(self.observed) <= _FEW_GROUPS:  # which are sorted by their digits
            number = number.astype(np.uint16)
        return np.argsort(number, kind="stable")

    @cached_property
    def bounds(self) -> IntArray:
        """Where in `order` each group starts, and the last one ends, (S + 1,)."""
        sizes = np.bincount(self.of_rows, minlength=len(self.observed))
        return np.concatenate([[0], np.cumsum(sizes)])

    @cached_property
    def silent(self) -> NDArray[np.bool_]:
        """Groups (S,) whose rows say nothing: without a value, and free to be anywhere."""
        return _silent(self.observed, self.admissible)

    @cached_property
    def n_silent(self) -> int:
        """The number of rows that say nothing."""
        return int(np.diff(self.bounds)[self.silent].sum())

    @property
    def says_nothing(self) -> NDArray[np.bool_]:
        """Whether each row (n,) says nothing."""
        return np.asarray(self.silent[self.of_rows])

    @cached_property
    def kinds(self) -> list[IntArray]:
        """The components of each kind: those that are admissible in the same rows."""
        return [] if self.admissible is None else kinds_of(self.admissible)

    @property
    def components_of_rows(self) -> NDArray[np.bool_]:
        """The components that each row can belong to, (n, K), where labels say."""
        assert self.admissible is not None
        return np.asarray(self.admissible[self.of_rows])

    @property
    def incomplete(self) -> bool:
        """Whether any value is missing."""
        return not bool(self.observed.all())

    @property
    def counts(self) -> IntArray:
        """The number of values (d,) of each column."""
        return np.diff(self.bounds) @ self.observed

    @property
    def complete_columns(self) -> NDArray[np.bool_]:
        """The columns (d,) of which no value is missing."""
        return np.asarray(self.observed.all(axis=0))

    @cached_property
    def n_frequent(self) -> int:
        """Groups, from the first, that have rows enough for parameters of their own."""
        enough = max(_ROWS_PER_COLUMN * self.observed.shape[1], _FEWEST_ROWS)
        return int(np.sum(self.silent | (np.diff(self.bounds) >= enough)))

    def chunks(self, number: int) -> list[tuple[int, int]]:
        """Parts of `order` that take about equally long, as starts and ends.

        What they are read from is made here, once, and not by each thread for itself.
        """
        _ = self.packed
        if number not in self._parts:  # every pass asks for the same
            self._parts[number] = self._cut(number)
        return self._parts[number]

    @cached_property
    def _parts(self) -> dict[int, list[tuple[int, int]]]:
        return {}

    def _cut(self, number: int) -> list[tuple[int, int]]:
        sizes = np.diff(self.bounds)
        rare = np.arange(len(sizes)) >= self.n_frequent
        cost = np.concatenate([[0.0], np.cumsum(np.where(rare, _RARE_COST * sizes, sizes))])
        at = np.interp(np.linspace(0.0, cost[-1], number + 1), cost, self.bounds)
        edges = [0, *at[1:-1].round().astype(int).tolist(), len(self.of_rows)]
        return list(pairwise(edges))

    def suit(self, n_components: int) -> bool:
        """Whether they are groups for so many components."""
        return self.admissible is None or self.admissible.shape[1] == n_components

    @property
    def by_columns(self) -> Groups:
        """The groups by columns alone, whatever component the rows can belong to."""
        if self.admissible is None:
            return self
        return sorted_groups(self.of_rows, self.observed)

    def take(self, rows: NDArray[np.integer] | slice) -> Groups:
        """The groups of some of the rows, without those that have none of them."""
        return sorted_groups(self.of_rows[rows], self.observed, self.admissible)

    @cached_property
    def packed(self) -> NDArray[np.int64]:
        """All of it in one array, as compiled code reads it with `table_of`."""
        return self.packed_beside(np.empty(0))

    def packed_beside(self, log_noise: NDArray[np.float64]) -> NDArray[np.int64]:
        """The same, with the log density (S,) of noise in the rows of each group."""
        observed, admissible = self.observed, self.admissible
        columns = np.argsort(~observed, axis=1, kind="stable")  # those observed come first
        allowed = np.empty(0) if admissible is None else admissible.ravel()
        n_allowed = 0 if admissible is None else admissible.shape[1]
        parts = [
            [len(observed), self.n_frequent, n_allowed, len(log_noise)], self.bounds,
            observed.sum(axis=1), self.silent, columns.ravel(), self._sorted_rows(), allowed,
            log_noise.view(np.int64),
        ]  # fmt: skip
        return np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])


def kinds_of(admissible: NDArray[np.bool_]) -> list[IntArray]:
    """The components that are in the same of these sets (S, K), kind by kind."""
    of_each = np.unique(admissible.T, axis=0, return_inverse=True)[1].ravel()
    return [np.flatnonzero(of_each == kind) for kind in range(of_each.max() + 1)]


def sorted_groups(
    of_rows: IntArray,
    observed: NDArray[np.bool_],
    admissible: NDArray[np.bool_] | None = None,
) -> Groups:
    """The groups that have rows, the largest first; equally large ones in the order given.

    A group that says nothing comes before all others.
    """
    sizes = np.bincount(of_rows, minlength=len(observed))
    rank = np.where(_silent(observed, admissible) & (sizes > 0), -np.inf, -sizes)
    chosen = np.argsort(rank, kind="stable")[: np.count_nonzero(sizes)]
    number = np.empty(len(observed), dtype=np.intp)
    number[chosen] = np.arange(len(chosen))
    allowed = None if admissible is None else admissible[chosen]
    return Groups(number[of_rows], observed[chosen], allowed)


def _silent(observed: NDArray[np.bool_], admissible: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    nothing = ~observed.any(axis=1)
    return nothing if admissible is None else nothing & admissible.all(axis=1)


class Table(NamedTuple):
    """Views of `Groups.packed`: bounds (S + 1,), and for each of S groups what it is.

    n_observed (S,): the first so many of its columns (S, d) have values. silent (S,): not to be
    counted. order (n,): the rows. allowed (S, K), empty where all components are. log_noise (S,):
    the log density of noise, the last component, empty where there is none.
    """

    n_frequent: int
    bounds: NDArray[np.int64]
    n_observed: NDArray[np.int64]
    silent: NDArray[np.int64]
    columns: NDArray[np.int64]
    order: NDArray[np.int64]
    allowed: NDArray[np.int64]
    log_noise: NDArray[np.float64]


@inlined
def table_of(packed, n, d):  # type: ignore[no-untyped-def]
    """The table of the groups of n rows of d columns."""
    n_groups, n_allowed = packed[0], packed[2]
    bounds = _HEAD
    n_observed = bounds + n_groups + 1
    silent = n_observed + n_groups
    columns = silent + n_groups
    order = columns + n_groups * d
    allowed = order + n
    end = allowed + n_groups * n_allowed
    return Table(
        packed[1], packed[bounds:n_observed], packed[n_observed:silent], packed[silent:columns],
        packed[columns:order].reshape((n_groups, d)), packed[order:allowed],
        packed[allowed:end].reshape((n_groups if n_allowed > 0 else 0, n_allowed)),
        packed[end : end + packed[3]].view(np.float64),
    )  # fmt: skip
