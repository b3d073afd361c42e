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

from ..kernels.device.rows import DeviceRows, device_rows, is_on_device
from ..kernels.summary import column_summary
from ..utils.display import Displayed
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import real_array
from .blocks import slices
from .same_data import Fingerprint, fingerprint
from .summary import weighted_summary
from .tables import Table, as_numbers, missing_values, read_table, select_columns

if TYPE_CHECKING:
    import pandas as pd

# A column whose spread is below this fraction of its size has lost its digits to the offset.
_SMALLEST_RELATIVE_SPREAD = 64 * np.finfo(np.float64).eps
_LARGEST = 1e100
# Rows that the weights stand for together, at least: shares that sum to 1 are no counts.
_FEWEST = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class Data(Displayed):
    """Checked rows: finite numbers, named columns that vary.

    Attributes
    ----------
    values : array (n, d)
        The caller's own array where its type allows (float64 or float32, any layout), else a
        float64 copy; `DeviceRows` where the rows are on a device.
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
        of weight 0 not at all.
    """

    values: NDArray[np.floating] | DeviceRows
    names: tuple[str, ...]
    center: FloatArray
    scale: FloatArray
    low: FloatArray
    high: FloatArray
    sd: FloatArray
    weights: FloatArray | None = None
    named: bool = True

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def total(self) -> float:
        """The sum of the rows' weights; n without them."""
        return float(self.n) if self.weights is None else float(self.weights.sum())

    @property
    def d(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Summaries that tell these rows, weights and columns, in their order, from others."""
        return fingerprint(self.values, self.weights, self.names, self.named, self.low, self.sd)

    def _title(self) -> str:
        weights = "" if self.weights is None else f", of weight {self.total:.10g} together"
        return f"{self.n} rows of {self.d} columns{weights}"

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        columns = {"mean": self.center, "sd": self.sd, "min": self.low, "max": self.high}
        return pd.DataFrame(columns, index=pd.Index(self.names))

    def part(self, start: int, stop: int) -> Data:
        """Rows start..stop with their weights, in the coordinates of the whole."""
        weights = None if self.weights is None else self.weights[start:stop]
        return replace(self, values=self.values[start:stop], weights=weights)

    def blocks(
        self, numbers_each: int = 1, at_most: int | None = None
    ) -> Iterator[tuple[slice, Data]]:
        """The rows a block at a time, as `slices` divides them: pairs of a slice and its rows."""
        for rows in slices(self.n, numbers_each, at_most):
            yield rows, self.part(rows.start, rows.stop)

    def distinct_rows(self, at_most: int) -> int:
        """The number of different rows, or `at_most` if there are more (reading stops there).

        Rows of weight 0 do not count.
        """
        seen: set[bytes] = set()
        start, size = 0, 2 * min(at_most, self.n)  # usually enough
        while start < self.n:
            values = self.values[start : start + size]
            if self.weights is not None:
                values = values[self.weights[start : start + size] > 0]
            block = np.ascontiguousarray(values) + 0.0  # -0.0 is 0.0
            seen.update(row.tobytes() for row in block)
            if len(seen) >= at_most:
                return at_most
            start, size = start + size, 1024
        return len(seen)


def as_data(x: Any, columns: Sequence[str] | None = None, sample_weight: Any = None) -> Data:
    """The checked rows of a table, with a summary of its columns.

    Parameters
    ----------
    x : array-like (n, d) or (n,)
        NumPy array, pandas, polars or pyarrow table, xarray object, nested list, or a `Data`; or an
        array on a GPU (JAX, CuPy, PyTorch), where it stays.
        A one-dimensional input is one column.
    columns : sequence of str, optional
        Use only these columns of a table.
    sample_weight : array-like (n,), optional
        What each row counts for: 2 as if it stood there twice, 0 as if it did not. A `Data`
        keeps its own weights unless given others. Weights that are all 1 are none.

    Raises
    ------
    DataError
        Empty input, text or other non-numeric columns, missing or infinite values, duplicate
        names, a constant column, weights that are negative, not finite or all 0: the message
        names the column, the value and the cure.
    """
    if isinstance(x, Data):
        if columns is None and sample_weight is None:
            return x
        table = Table(x.values, x.names, x.named)
    else:
        table = read_table(x)
    if columns is not None:
        table = select_columns(table, columns)
    values = as_numbers(table)
    if sample_weight is not None:
        weights = _read_weights(sample_weight, len(values))
    else:
        weights = x.weights if isinstance(x, Data) else None
    data = _summarise(values, table.names, weights, table.named)
    _refuse_constant_columns(data)
    return data


def as_rows_like(
    x: Any,
    names: Sequence[str],
    center: FloatArray,
    scale: FloatArray,
    named: bool = True,
    sample_weight: Any = None,
) -> Data:
    """New rows for an existing fit, checked: its columns, its centre and scale.

    Columns of a table are found by the fit's names, unless these were made up (`named`). Columns
    may be constant.
    """
    weights = None
    if isinstance(x, Data):
        table, weights = Table(x.values, x.names, x.named), x.weights
    else:
        table = read_table(x, width=len(names))
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
    values = as_numbers(table)
    if sample_weight is not None:
        weights = _read_weights(sample_weight, len(values))
    summary = _summarise(values, tuple(names), weights, named)
    return replace(summary, center=center, scale=scale)


def _read_weights(sample_weight: Any, n: int) -> FloatArray | None:
    """Checked weights in memory of their own, None where they are all 1."""
    if is_on_device(sample_weight):
        sample_weight = np.asarray(device_rows(sample_weight))[:, 0]
    try:
        weights = real_array(_plain_column(sample_weight), "sample_weight")
    except ValueError:
        raise DataError(
            "sample_weight holds values that are not numbers (text, dates, categories, complex), "
            "or missing ones: pass one number per row."
        ) from None
    if weights.shape != (n,):
        raise DataError(
            f"sample_weight has shape {weights.shape}, the data have {n} rows: pass one number "
            f"per row, shape ({n},)."
        )
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"sample_weight is {weights[row]} in row {row}: pass finite numbers of at least 0 "
            "(0 leaves a row out)."
        )
    if not weights.any():
        raise DataError(
            f"sample_weight is zero in all {n} rows: give at least two rows a positive one."
        )
    if weights.max() > _LARGEST:
        raise DataError(
            f"sample_weight reaches {weights.max():.3g}, where sums overflow: divide all by that."
        )
    if (total := weights.sum()) < _FEWEST:
        raise DataError(
            f"sample_weight sums to {total:.4g}, less than two rows: multiply it so that it says "
            "how many rows each stands for, such as sample_weight * len(X) / sum(sample_weight)."
        )
    return None if np.all(weights == 1) else weights


def _plain_column(values: Any) -> Any:
    """A column as an array, in which missing values and categories do not pass for numbers."""
    if hasattr(values, "cat") and hasattr(values.cat, "categories"):
        return "categories"
    kind = getattr(values, "dtype", None)
    if isinstance(kind, np.dtype) or not hasattr(values, "to_numpy"):
        truth = isinstance(kind, np.dtype) and kind.kind == "b"
        return values.astype(np.float64) if truth else values
    return np.asarray(values, dtype=object)


def _summarise(
    values: NDArray[np.floating] | DeviceRows,
    names: tuple[str, ...],
    weights: FloatArray | None,
    named: bool,
) -> Data:
    d = values.shape[1]
    if isinstance(values, DeviceRows):
        from ..kernels.device.summary import column_summary as on_device

        low, high, mean, sd, bad = on_device(values, weights)
    else:
        low, high, mean, sd = (np.empty(d) for _ in range(4))
        bad = np.empty(d, dtype=np.int64)
        if not values.dtype.isnative:
            values = values.astype(values.dtype.newbyteorder("="))
        column_summary(values, low, high, mean, sd, bad)
    for j in np.flatnonzero(bad):
        column = np.asarray(values[:, j : j + 1])[:, 0]
        n_nan = int(np.sum(np.isnan(column)))
        if n_nan:
            raise DataError(missing_values(names[j], n_nan, int(np.argmax(np.isnan(column)))))
        row = int(np.argmax(np.isinf(column)))
        raise DataError(
            f"column {names[j]!r} holds an infinite value ({column[row]} in row {row}): "
            "correct or drop that row."
        )
    if weights is not None and not isinstance(values, DeviceRows):
        low, high, mean, sd = weighted_summary(values, weights)
    size = np.maximum(np.abs(low), np.abs(high))
    for j in np.flatnonzero(size > _LARGEST):
        raise DataError(
            f"column {names[j]!r} reaches {size[j]:.3g}, whose square overflows: "
            "express it in a larger unit."
        )
    scale = np.exp2(np.round(np.log2(np.where(sd > 0, sd, 1.0))))
    return Data(values, names, mean, scale, low, high, sd, weights, named)


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
                "double precision has no digits left for it; subtract the offset before."
            )
