"""A table of any kind that a user may hand in, as one array of numbers with names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.device.rows import DeviceRows, device_rows, is_on_device
from ..kernels.e_step.contract import Values
from ..kernels.stored.rows import StoredRows
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import did_you_mean, holds_real_numbers, unusable_names

REFUSE, MARGINALIZE = "refuse", "marginalize"
# What may be done about missing values.
MISSING = (REFUSE, MARGINALIZE)
# Types that `float` accepts, but that are not numbers.
_NOT_NUMBERS = (str, bytes, np.datetime64, np.timedelta64)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns as passed: an array, of objects until checked, or rows on a device or in chunks."""

    values: NDArray[Any] | DeviceRows | StoredRows
    names: tuple[str, ...]
    named: bool = True


def read_table(x: Any, width: int | None = None) -> Table:
    """The columns of whatever is tabular; `width` is how many there should be."""
    if is_on_device(x):
        rows = device_rows(x)
        return Table(rows, tuple(f"x{j}" for j in range(rows.shape[1])), named=False)
    if x is None or isinstance(x, str | bytes):
        raise DataError(
            f"the data are {type(x).__name__}, not a table: pass an array, a data frame or a list "
            "of rows (the command line reads files)."
        )
    if hasattr(x, "tocsr"):
        raise DataError("the data are a sparse matrix: pass X.toarray().")
    if hasattr(x, "data_vars") or hasattr(x, "isel"):
        return _from_xarray(x)
    if not isinstance(x, np.ndarray) and not isinstance(x, list | tuple):
        frame = _from_frame(x)
        if frame is not None:
            return frame
    if isinstance(x, Iterator):
        raise DataError(
            f"the data are a {type(x).__name__}, which gives its blocks once: pass "
            "bayesgmm.in_chunks(lambda: blocks()), of a function that begins anew."
        )
    if isinstance(x, Mapping | set | frozenset):
        raise DataError(
            f"the data are a {type(x).__name__}: pass an array, a list of rows, or a data frame "
            "(pd.DataFrame(X))."
        )
    if getattr(getattr(x, "dtype", None), "names", None):
        raise DataError("the data are a record array: pass pd.DataFrame(X), which has its columns.")
    if isinstance(x, np.ma.MaskedArray):  # what is masked is missing, not a number
        x = np.where(np.ma.getmaskarray(x), np.nan, x.data) if np.ma.is_masked(x) else x.data
    try:
        values = np.asarray(x)
    except ValueError:
        raise DataError(
            "the rows do not have equal lengths: pass one number per column in every row."
        ) from None
    if values.ndim == 1:
        # One number per row is a column; for a fit of d columns it can only be a single row.
        values = values.reshape(1, -1) if width not in (None, 1) else values.reshape(-1, 1)
    if values.ndim != 2:
        kind = f"a {type(x).__name__}" if values.ndim == 0 else f"of {values.ndim} dimensions"
        raise DataError(f"the data are {kind}: pass rows by columns, an array (n, d).")
    return Table(values, tuple(f"x{j}" for j in range(values.shape[1])), named=False)


def _from_xarray(x: Any) -> Table:
    if hasattr(x, "data_vars"):
        variables = columns_of_dataset(x)
        columns = [np.asarray(variable) for variable in variables.values()]
        if not all(map(holds_real_numbers, columns)):
            columns = [column.astype(object) for column in columns]
        return Table(np.column_stack(columns), tuple(variables))
    names, named = names_of_array(x)
    values = np.asarray(x)
    return Table(values.reshape(-1, 1) if values.ndim == 1 else values, names, named)


def names_of_array(x: Any) -> tuple[tuple[str, ...], bool]:
    """Names of the columns of a DataArray (n, d) or (n,), and whether it has them itself."""
    if x.ndim == 1:
        return (str(x.name or "x0"),), bool(x.name)
    if x.ndim != 2:
        raise DataError(f"the DataArray has {x.ndim} dimensions: pass rows by columns (n, d).")
    dim = x.dims[1]
    if dim in x.coords:
        return tuple(str(c) for c in x.coords[dim].values), True
    return tuple(f"x{j}" for j in range(x.shape[1])), False


def columns_of_dataset(x: Any) -> dict[str, Any]:
    """The data variables of a Dataset by name; coordinates are names of rows, not data."""
    variables = dict(x.data_vars)
    if not variables:
        raise DataError("the Dataset is empty: it has no data variables.")
    along = next(iter(variables.values())).dims
    for name, variable in variables.items():
        if variable.ndim != 1 or variable.dims != along:
            raise DataError(
                f"variable {str(name)!r} of the Dataset has dimensions {variable.dims}: "
                "all variables must lie along one dimension, the rows."
            )
    return {str(name): variable for name, variable in variables.items()}


def _from_frame(x: Any) -> Table | None:
    import narwhals.stable.v2 as nw

    if hasattr(x, "collect"):
        raise DataError("the data are a lazy frame: pass X.collect(), or the path of its files.")
    names = getattr(x, "column_names", getattr(x, "columns", ()))  # pyarrow's columns are data
    _refuse_unusable_names([str(c) for c in names])
    try:
        frame = nw.from_native(x, eager_only=True, allow_series=True)
    except TypeError:
        return None
    if isinstance(frame, nw.Series):
        name = "" if frame.name is None else str(frame.name)
        return Table(_column(frame)[:, None], (name or "x0",), bool(name))
    names = tuple(str(c) for c in frame.columns)
    if not names:
        return Table(np.empty((len(frame), 0)), ())
    if all(dtype in (nw.Float64, nw.Float32) for dtype in frame.schema.values()):
        return Table(frame.to_numpy(), names)
    columns = [_column(column) for column in frame.iter_columns()]
    if any(column.dtype == object for column in columns):
        columns = [column.astype(object) for column in columns]
    return Table(np.column_stack(columns), names)


def _column(series: Any) -> NDArray[Any]:
    """One column as numbers where it holds numbers (nulls become NaN), else as objects."""
    import narwhals.stable.v2 as nw

    if isinstance(series.dtype, nw.Categorical | nw.Enum):
        labels = [None if v is None else str(v) for v in series.to_list()]
        return np.asarray([*labels, None], dtype=object)[:-1]
    if not (series.dtype.is_numeric() or isinstance(series.dtype, nw.Boolean)):
        return np.asarray([*series.to_list(), None], dtype=object)[:-1]
    null = series.is_null().to_numpy().astype(bool)
    if not null.any():
        return np.asarray(series.to_numpy(), dtype=np.float64)
    numbers = np.full(len(null), np.nan)
    numbers[~null] = series.drop_nulls().to_numpy()
    return numbers


def select_columns(table: Table, columns: Any) -> Table:
    """The table of some columns, chosen by name, in an array also by position, or by a mask."""
    try:
        asked = [columns] if isinstance(columns, str) else list(columns)
    except TypeError:
        raise DataError(
            f"columns is {columns!r}: pass a list of names, such as {list(table.names[:2])}."
        ) from None
    if asked and all(isinstance(c, bool | np.bool) for c in asked):
        if len(asked) != len(table.names):
            raise DataError(
                f"columns is a mask of {len(asked)} for {len(table.names)} columns: pass one truth "
                "value for each, or names."
            )
        index = [j for j, chosen in enumerate(asked) if chosen]
    else:
        index = [_position(table, c) for c in asked]
    if not index:
        raise DataError(f"columns names none: name some of {', '.join(table.names)}.")
    names = tuple(table.names[j] for j in index)
    return Table(table.values[:, index], names, table.named)


def _position(table: Table, column: Any) -> int:
    """The position of a column given by its name, or, of an array, by its position."""
    d = len(table.names)
    if str(column) in table.names:
        return table.names.index(str(column))
    whole = isinstance(column, int | np.integer) and not isinstance(column, bool)
    if not table.named and whole and -d <= column < d:
        return int(column) % d
    meant = did_you_mean(str(column), table.names)
    raise DataError(f"no column {column!r}{meant}: the table has {', '.join(table.names)}.")


def as_numbers(table: Table, missing: str = REFUSE, first_row: int = 0) -> Values:
    """The values (n, d) as float64 or float32; text and complex numbers are refused.

    Values that are missing become NaN, unless `missing` is "refuse". Messages count rows from
    `first_row` on.
    """
    values = table.values
    n, d = values.shape
    if n == 0 or d == 0:
        raise DataError(f"the table is empty ({n} rows, {d} columns): pass at least one of each.")
    _refuse_unusable_names(table.names)
    if isinstance(values, DeviceRows | StoredRows):
        return values
    if np.iscomplexobj(values):
        raise DataError("the data are complex numbers: pass real and imaginary part as columns.")
    if values.dtype.kind in "mM":
        raise DataError(
            f"the data are dates or durations ({values.dtype}): convert them to numbers, such as "
            "days since a day."
        )
    if not holds_real_numbers(values):
        if missing != REFUSE:
            values = np.where(_is_missing(values), np.nan, values)
        for j in range(d):
            _refuse_text(values[:, j], table.names[j], first_row)
    if values.dtype == np.float32 or values.dtype == np.float64:
        return values
    return values.astype(np.float64)


def _refuse_unusable_names(names: Sequence[str]) -> None:
    if trouble := unusable_names(names):
        raise DataError(trouble)


@np.vectorize(otypes=[bool])
def _is_missing(value: Any) -> bool:
    """Whether an object stands for a missing value: None, or pandas' NA and NaT."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _refuse_text(column: NDArray[Any], name: str, first_row: int) -> None:
    missing = _is_missing(column)
    for i, v in enumerate(column, start=first_row):
        if missing[i - first_row]:
            raise DataError(missing_values(name, int(missing.sum()), i))
        try:
            ok = not isinstance(v, _NOT_NUMBERS) and float(v) is not None
        except OverflowError:
            raise DataError(
                f"column {name!r} holds a number that overflows in row {i}: express it in a "
                "larger unit."
            ) from None
        except (TypeError, ValueError):
            ok = False
        if not ok:
            raise DataError(
                f"column {name!r} holds {type(v).__name__} values ({v!r} in row {i}): convert it "
                "to numbers, drop it, or name the numeric columns with columns=[...]."
            )


def refuse_unobserved(names: Sequence[str], sd: FloatArray) -> None:
    """Refuse columns without a value in any row that counts, whose sd is not a number."""
    for j in np.flatnonzero(np.isnan(sd)).tolist():
        raise DataError(f"column {names[j]!r} has no value in any row that counts: drop it.")


def missing_values(name: str, count: int, row: int, *, on_gpu: bool = False) -> str:
    """The message about a column with missing values, which rows on a GPU cannot have."""
    found = (
        f"column {name!r} has {count} missing value{'s' if count > 1 else ''} (first in row {row})"
    )
    if on_gpu:
        return (
            f"{found}, which rows on a GPU cannot have: pass a NumPy array with "
            "missing='marginalize', or drop or impute those rows first."
        )
    return (
        f"{found}: fit with missing='marginalize', which uses the values that are there, or drop "
        "or impute those rows first (for a data frame: X.dropna())."
    )


def not_numbers(name: str, kind: Any) -> str:
    """The message about a column of another type."""
    return (
        f"column {name!r} holds {kind}, not numbers: name the numeric columns with columns=[...]."
    )
