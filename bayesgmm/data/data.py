"""What the user hands in, checked once: numeric columns with names, a centre and a scale.

Everything tabular becomes one `Data`, which holds no value that a computation would stumble over,
so that nothing further in checks again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.e_step.chunk_groups import GroupsOfChunks, groups_of_some
from ..kernels.e_step.contract import Values, total_weight
from ..kernels.e_step.groups import Groups
from ..kernels.stored.rows import StoredRows
from ..utils.display import Displayed
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import check_choice
from .blocks import slices
from .chunk_summary import chunk_summary, first_beyond
from .same_data import Fingerprint, fingerprint
from .sources.sources import table_of
from .table_summary import table_summary
from .tables import (
    MISSING,
    REFUSE,
    Table,
    as_numbers,
    refuse_unobserved,
    select_columns,
)
from .weights import LARGEST, read_weights

if TYPE_CHECKING:
    import pandas as pd

# A column whose spread is below this fraction of its size has lost its digits to the offset.
_SMALLEST_RELATIVE_SPREAD = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False, repr=False)
class Data(Displayed):
    """Checked rows: finite numbers, or missing ones where these are allowed; columns that vary.

    Attributes
    ----------
    values : array (n, d)
        The caller's own array where its type allows (float64 or float32, any layout), else a
        float64 copy; `DeviceRows` where the rows are on a device, `StoredRows` where they are read
        in chunks.
    names : tuple of d str
        Column names; "x0", "x1", ... where the input had none.
    named : bool
        Whether the input had them: made-up names are never looked up in another table.
    center, scale : array (d,)
        Column means, and the powers of two nearest to the standard deviations.
    low, high, sd : array (d,)
        Ranges and standard deviations (population) of the columns, in the user's units.
    weights : array (n,) or None
        What each row counts for; None where every row counts once. The five summaries above are
        weighted too: they are those of a table in which a row of weight 2 stands twice and one
        of weight 0 not at all. Of a column with missing values they are those of the others.
    missing : {"refuse", "marginalize"}
        Whether missing values (NaN) were allowed, and are in new rows for what is fitted to these.
    groups : Groups, GroupsOfChunks or None
        The rows' groups, where values are missing.
    """

    values: Values
    names: tuple[str, ...]
    center: FloatArray
    scale: FloatArray
    low: FloatArray
    high: FloatArray
    sd: FloatArray
    weights: FloatArray | None = None
    named: bool = True
    missing: str = REFUSE
    groups: Groups | GroupsOfChunks | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def total(self) -> float:
        """The sum of the rows' weights; their number without. Rows without a value do not count."""
        return total_weight(self)

    @property
    def size(self) -> float:
        """The same as criteria count it: a whole number where the rows have no weights."""
        return int(self.total) if self.weights is None else self.total

    @property
    def incomplete(self) -> bool:
        """Whether values are missing."""
        return self.groups is not None and self.groups.incomplete

    @property
    def d(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Summaries that tell these rows, weights and columns, in their order, from others."""
        return fingerprint(
            self.values, self.weights, self.names, self.named, self.low, self.sd, self.incomplete
        )

    def _title(self) -> str:
        weights = "" if self.weights is None else f", of weight {self.total:.10g} together"
        return f"{self.n} rows of {self.d} columns{weights}"

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        columns = {"mean": self.center, "sd": self.sd, "min": self.low, "max": self.high}
        return pd.DataFrame(columns, index=pd.Index(self.names))

    def part(self, start: int, stop: int) -> Data:
        """Rows start..stop with their weights, in the coordinates of the whole."""
        return self.take(slice(start, stop))

    def take(self, rows: NDArray[np.integer] | slice) -> Data:
        """Some of the rows with their weights, in the coordinates of the whole."""
        weights = None if self.weights is None else self.weights[rows]
        values, groups = self.values[rows], self.groups
        if groups is not None:
            groups = groups_of_some(groups, rows, np.asarray(values))
        return replace(self, values=values, weights=weights, groups=groups)

    def repeated(self) -> Data:
        """The table in which each row stands as often as it counts.

        Raises
        ------
        DataError
            A weight is no whole number.
        """
        if self.weights is None:
            return self
        broken = np.flatnonzero(self.weights != np.round(self.weights))
        if len(broken):
            row = int(broken[0])
            raise DataError(
                f"the weight of row {row} is {self.weights[row]:.6g}: only rows that count whole "
                "numbers of times can be repeated."
            )
        rows = np.repeat(np.arange(self.n), self.weights.astype(np.int64))
        return replace(self.take(rows), weights=None)

    def filled(self, values: FloatArray) -> Data:
        """The data with other values (n, d), of which none is missing."""
        return replace(self, values=values, groups=None)

    @property
    def counted(self) -> FloatArray | None:
        """What each row counts for: its weight, 0 without a value; None where all count once."""
        if self.groups is None or not self.groups.n_silent:
            return self.weights
        says_something = (~self.groups.says_nothing).astype(np.float64)
        return says_something if self.weights is None else self.weights * says_something

    def blocks(
        self, numbers_each: int = 1, at_most: int | None = None
    ) -> Iterator[tuple[slice, Data]]:
        """The rows a block at a time, as `slices` divides them: pairs of a slice and its rows.

        Rows in chunks are read so, and each chunk is divided by itself.
        """
        if isinstance(self.values, StoredRows):
            for start, chunk in self._chunks(self.values):
                for rows, block in chunk.blocks(numbers_each, at_most):
                    yield slice(start + rows.start, start + rows.stop), block
            return
        for rows in slices(self.n, numbers_each, at_most):
            yield rows, self.part(rows.start, rows.stop)

    def _chunks(self, rows: StoredRows) -> Iterator[tuple[int, Data]]:
        """The chunks in memory one by one, and the number of their first row."""
        for chunk, read in rows.chunks():
            start, stop = rows.edges[chunk : chunk + 2].tolist()
            weights = None if self.weights is None else self.weights[start:stop]
            values = read()
            groups = self.groups
            if isinstance(groups, GroupsOfChunks):
                groups = groups.take(slice(start, stop), values)
            yield start, replace(self, values=values, weights=weights, groups=groups)

    def distinct_rows(self, at_most: int) -> int:
        """The number of different rows, or `at_most` if there are more (reading stops there).

        Rows of weight 0, and those without a value, do not count.
        """
        seen: set[bytes] = set()
        start, size = 0, 2 * min(at_most, self.n)  # usually enough
        while start < self.n:
            values = self.values[start : start + size]
            if self.weights is not None:
                values = values[self.weights[start : start + size] > 0]
            if self.incomplete:
                values = values[~np.isnan(values).all(axis=1)]
            block = np.ascontiguousarray(values) + 0.0  # -0.0 is 0.0
            seen.update(row.tobytes() for row in block)
            if len(seen) >= at_most:
                return at_most
            start, size = start + size, 1024
        return len(seen)


def as_data(
    x: Any,
    columns: Sequence[str] | None = None,
    sample_weight: Any = None,
    missing: str = REFUSE,
) -> Data:
    """The checked rows of a table, with a summary of its columns.

    Parameters
    ----------
    x : array-like (n, d) or (n,)
        NumPy array, pandas, polars or pyarrow table, xarray object, nested list, or a `Data`; an
        array on a GPU (JAX, CuPy, PyTorch), where it stays; what is read in chunks (`in_chunks`).
        A one-dimensional input is one column.
    columns : sequence of str, optional
        Use only these columns of a table.
    sample_weight : array-like (n,), optional
        Frequency weight of each row: 2 equals two identical rows, 0 as if it did not. A `Data`
        keeps its own weights unless given others. Weights that are all 1 are none.
    missing : {"refuse", "marginalize"}
        Whether values may be missing: NaN, None, pandas' NA, nulls, masked ones. A `Data` keeps
        what it was made with.

    Raises
    ------
    DataError
        Empty input, text or other non-numeric columns, missing or infinite values, duplicate
        names, a constant column, weights that are negative, not finite or all 0: the message
        names the column, the value and the cure.
    """
    check_choice("missing", missing, MISSING)
    if isinstance(x, Data):
        missing = x.missing if missing == REFUSE else missing
        if columns is None and sample_weight is None and missing == x.missing:
            return x
        table = Table(x.values, x.names, x.named)
    else:
        table = x if isinstance(x, Table) else table_of(x, columns=columns)
    if columns is not None:
        table = select_columns(table, columns)
    values = as_numbers(table, missing)
    if sample_weight is not None:
        weights = read_weights(sample_weight, len(values))
    else:
        weights = x.weights if isinstance(x, Data) else None
    data = _summarise(values, table.names, weights, table.named, missing)
    refuse_unobserved(data.names, data.sd)
    _refuse_constant_columns(data)
    return data


def as_rows_like(
    x: Any,
    names: Sequence[str],
    center: FloatArray,
    scale: FloatArray,
    named: bool = True,
    sample_weight: Any = None,
    missing: str = REFUSE,
) -> Data:
    """New rows for an existing fit, checked: its columns, its centre and scale.

    Columns of a table are found by the fit's names, unless these were made up (`named`). Columns
    may be constant, and without values where these may be `missing`.
    """
    weights = None
    if isinstance(x, Data):
        table, weights, missing = Table(x.values, x.names, x.named), x.weights, x.missing
    else:
        table = table_of(x, len(names), names if named else None)
    others = table.named and tuple(table.names) != tuple(names)
    if named and others and set(table.names) >= set(names):
        table = select_columns(table, names)  # a table may bring more columns, in any order
    if table.values.shape[1] != len(names):
        raise DataError(
            f"the rows have {table.values.shape[1]} columns, the fit has {len(names)} "
            f"({', '.join(names)}): pass the same columns."
        )
    if table.named and tuple(table.names) != tuple(names):
        made_up = ", which were made up: pass an array with the columns in the fit's order"
        raise DataError(
            f"the columns are {list(table.names)}, the fit was made with {list(names)}"
            f"{': pass the same columns' if named else made_up}."
        )
    values = as_numbers(table, missing)
    if sample_weight is not None:
        weights = read_weights(sample_weight, len(values))
    summary = _summarise(values, tuple(names), weights, named, missing)
    return replace(summary, center=center, scale=scale)


def _summarise(
    values: Values, names: tuple[str, ...], weights: FloatArray | None, named: bool, missing: str
) -> Data:
    groups: Groups | GroupsOfChunks | None
    if isinstance(values, StoredRows):
        low, high, mean, sd, groups = chunk_summary(values, names, weights, missing)
    else:
        values, (low, high, mean, sd), groups = table_summary(values, names, weights, missing)
    size = np.maximum(np.abs(low), np.abs(high))
    for j in np.flatnonzero(size > LARGEST).tolist():
        where, cure = "", "express it in a larger unit"
        if isinstance(values, StoredRows):
            where = f" (the first such in {first_beyond(values, j, LARGEST)})"
            cure += ", or restore the file if it is damaged there"
        raise DataError(
            f"column {names[j]!r} reaches {size[j]:.3g}{where}, whose square overflows: {cure}."
        )
    scale = np.exp2(np.round(np.log2(np.where(sd > 0, sd, 1.0))))
    return Data(values, names, mean, scale, low, high, sd, weights, named, missing, groups)


def _refuse_constant_columns(data: Data) -> None:
    if data.n == 1:
        raise DataError(
            "the table has 1 row (n_samples = 1): a covariance needs at least 2 different rows."
        )
    rows, cure = f"{data.n} rows", "drop it"
    if data.weights is not None:
        rows = f"{np.count_nonzero(data.weights)} rows of positive weight"
        cure = "drop it, or give more rows a positive weight"
    size = np.maximum(np.abs(data.low), np.abs(data.high))
    for j in range(data.d):
        name = data.names[j]
        if data.low[j] == data.high[j]:
            raise DataError(
                f"column {name!r} is constant ({data.low[j]:g} in all {rows}): "
                f"its variance is zero and the likelihood unbounded; {cure}."
            )
        if data.sd[j] < 1e-100:
            raise DataError(
                f"column {name!r} has a standard deviation of {data.sd[j]:.3g}, whose square "
                "underflows: express it in a smaller unit."
            )
        if data.sd[j] <= _SMALLEST_RELATIVE_SPREAD * size[j]:
            raise DataError(
                f"column {name!r} varies by {data.sd[j]:.3g} around {data.center[j]:.6g}: "
                "too little for double precision, relative to its size; subtract an offset first."
            )
