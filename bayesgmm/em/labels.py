"""Labels: which components each row can belong to, from known classes or a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.by_name import values_of
from ..data.data import Data
from ..kernels.e_step.chunk_groups import GroupsOfChunks
from ..kernels.e_step.grouping import groups_of
from ..kernels.stored.rows import StoredRows
from ..utils.errors import DataError
from ..utils.types import IntArray

# How a message about labels goes on.
_CURE = (
    "pass one class per row, None, NaN or -1 where it is not known, or a table (n, K) of bool that "
    "says which components each row can belong to"
)
# Classes that a message names.
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Labels:
    """The components that each row can belong to.

    Attributes
    ----------
    of_rows : array (n,) of int
        The number of each row's set.
    sets : array (S, K) of bool
        The sets of components; none is empty.
    classes : tuple of K, or None
        What each component is called: the classes, sorted, and "component k" for those beyond
        them; None where the sets were given.
    """

    of_rows: IntArray
    sets: NDArray[np.bool_]
    classes: tuple[Any, ...] | None

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.sets.shape[1]

    @cached_property
    def informative(self) -> NDArray[np.bool_]:
        """Rows (n,) that cannot belong to every component."""
        return np.asarray(~self.sets.all(axis=1)[self.of_rows])

    @cached_property
    def known(self) -> IntArray:
        """The one component of each row (n,), -1 where there are several."""
        single = np.where(self.sets.sum(axis=1) == 1, self.sets.argmax(axis=1), -1)
        return np.asarray(single[self.of_rows])

    @property
    def table(self) -> NDArray[np.bool_]:
        """The components that each row can belong to, (n, K)."""
        return np.asarray(self.sets[self.of_rows])

    def take(self, rows: IntArray) -> Labels:
        """The labels of some of the rows."""
        return Labels(self.of_rows[rows], self.sets, self.classes)

    def seen_in(self, data: Data) -> Data:
        """The rows in groups, by which a pass knows the components that each can belong to."""
        if isinstance(data.values, StoredRows):
            known = data.groups
            if not isinstance(known, GroupsOfChunks):
                known = GroupsOfChunks.of_complete(data.n, data.d)
            return replace(data, groups=known.with_labels(self.of_rows, self.sets))
        missing = np.isnan(data.values) if data.incomplete else np.zeros((data.n, data.d), bool)
        return replace(data, groups=groups_of(missing, self.of_rows, self.sets))


def read_labels(labels: Any, n: int, n_components: int) -> Labels:
    """The labels of n rows for K components.

    Raises
    ------
    DataError
        Not one label per row, more classes than components, a row or a component that is excluded
        everywhere, or no row of known class.
    """
    table = values_of(labels)
    shape = np.shape(table)
    found = (
        _of_table(table, n, n_components) if len(shape) == 2 else _of_classes(table, n_components)
    )
    if len(found.of_rows) != n:
        raise DataError(f"labels has {len(found.of_rows)} rows, the data have {n}: {_CURE}.")
    if not found.informative.any():
        raise DataError("no row has a known class: leave labels out.")
    never = ~found.sets[np.unique(found.of_rows)].any(axis=0)
    if never.any():
        k = int(np.argmax(never))
        raise DataError(
            f"component {k} has no row that can belong to it: ask for fewer components, or leave "
            "some rows without a class."
        )
    return found


def _of_table(table: Any, n: int, n_components: int) -> Labels:
    allowed = np.asarray(table)
    if allowed.dtype != np.bool_ or allowed.shape != (n, n_components):
        raise DataError(
            f"labels has shape {allowed.shape} and type {allowed.dtype}, for {n} rows and "
            f"{n_components} components: {_CURE}."
        )
    empty = ~allowed.any(axis=1)
    if empty.any():
        raise DataError(
            f"row {int(np.argmax(empty))} of labels can belong to no component: leave at least one "
            "True in every row."
        )
    sets, of_rows = np.unique(allowed, axis=0, return_inverse=True)
    return Labels(of_rows.ravel(), sets, None)


def numbered(values: Any) -> tuple[list[Any], IntArray]:
    """The classes in their order, and the number of each row's (n,), -1 where none is known.

    Raises
    ------
    DataError
        Not one class per row, or classes of different types.
    """
    import pandas as pd

    if np.ndim(values) != 1 or isinstance(values, str | bytes):
        raise DataError(f"labels is a {type(values).__name__}: {_CURE}.")
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist()  # what is masked is None
    if not isinstance(values, np.ndarray) or values.dtype.kind in "US":
        values = np.array(pd.Series(list(values), dtype=object))
    codes, uniques = pd.factorize(values)  # -1 where there is no value
    found = [v.item() if isinstance(v, np.generic) else v for v in uniques]
    integers = all(isinstance(v, int | np.integer) for v in found)
    given = [v for v in found if not (integers and v == -1)]
    try:
        classes = sorted(given)
    except TypeError:
        raise DataError(f"labels holds classes of different types: {_CURE}.") from None
    number = {name: k for k, name in enumerate(classes)}
    numbers = np.array([*(number.get(v, -1) for v in found), -1], dtype=np.intp)
    return classes, numbers[codes]


def _of_classes(values: Any, n_components: int) -> Labels:
    classes, of_rows = numbered(values)
    if len(classes) > n_components:
        shown = ", ".join(map(repr, classes[:_SHOWN])) + (", ..." if classes[_SHOWN:] else "")
        raise DataError(
            f"labels has {len(classes)} classes ({shown}), the fit {n_components} component"
            f"{'' if n_components == 1 else 's'}: ask "
            f"for at least {len(classes)}, or pass a table (n, K) that says which classes share "
            "one; where no class is known None, NaN or -1."
        )
    sets = np.vstack(
        [np.eye(n_components, dtype=bool)[: len(classes)], np.ones(n_components, dtype=bool)]
    )
    names = (*classes, *(f"component {k}" for k in range(len(classes), n_components)))
    return Labels(np.where(of_rows < 0, len(classes), of_rows), sets, names)


def array_of(classes: Sequence[Any]) -> NDArray[Any]:
    """Classes as an array, each as it is: texts and numbers together are objects."""
    plain = np.array(classes)
    same = len({issubclass(type(name), str) for name in classes}) == 1
    return plain if same else np.array(classes, dtype=object)


def known_classes(table: NDArray[np.bool_]) -> IntArray:
    """The one component (n,) that each row of a table (n, K) can belong to, -1 where several."""
    return np.where(table.sum(axis=1) == 1, table.argmax(axis=1), -1)
