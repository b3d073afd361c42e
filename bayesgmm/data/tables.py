"""A table of any kind that a user may hand in, as one array of numbers with names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils.errors import DataError
from ..utils.validation import holds_real_numbers, nearest


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns as they came: a 2-D array of any type, or object columns to be looked at."""

    values: NDArray[Any]
    names: tuple[str, ...]
    named: bool = True


def _read(x: Any, width: int | None = None) -> _Table:
    if x is None or isinstance(x, str | bytes):
        raise DataError(
            f"the data are {type(x).__name__}, not a table: pass an array, a data frame or a list "
            "of rows (the command line reads files)."
        )
    if hasattr(x, "tocsr"):
        raise DataError("the data are a sparse matrix: pass X.toarray().")
    if hasattr(x, "data_vars") or hasattr(x, "isel"):
        x, names = _from_xarray(x)
        return _Table(x, names)
    if not isinstance(x, np.ndarray) and not isinstance(x, list | tuple):
        frame = _from_frame(x)
        if frame is not None:
            return frame
    if isinstance(x, np.ma.MaskedArray):  # what is masked is missing, not a number
        x = np.where(np.ma.getmaskarray(x), np.nan, x.data) if np.ma.is_masked(x) else x.data
    try:
        values = np.asarray(x)
    except ValueError as error:
        raise DataError(f"the rows do not have equal lengths ({error}).") from None
    if values.ndim == 1:
        # One number per row is a column; for a fit of d columns it can only be a single row.
        values = values.reshape(1, -1) if width not in (None, 1) else values.reshape(-1, 1)
    if values.ndim != 2:
        raise DataError(f"the data have {values.ndim} dimensions: pass rows by columns (n, d).")
    return _Table(values, tuple(f"x{j}" for j in range(values.shape[1])), named=False)


def _from_xarray(x: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    if hasattr(x, "data_vars"):
        return _from_dataset(x)
    if x.ndim == 1:
        return np.asarray(x).reshape(-1, 1), (str(x.name or "x0"),)
    if x.ndim != 2:
        raise DataError(f"the DataArray has {x.ndim} dimensions: pass rows by columns (n, d).")
    dim = x.dims[1]
    if dim in x.coords:
        return np.asarray(x), tuple(str(c) for c in x.coords[dim].values)
    return np.asarray(x), tuple(f"x{j}" for j in range(x.shape[1]))


def _from_dataset(x: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The data variables as columns; coordinates are names of rows, not data."""
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
    columns = [np.asarray(variable) for variable in variables.values()]
    if not all(map(holds_real_numbers, columns)):
        columns = [column.astype(object) for column in columns]
    return np.column_stack(columns), tuple(str(name) for name in variables)


def _from_frame(x: Any) -> _Table | None:
    import narwhals.stable.v2 as nw

    if hasattr(x, "collect"):
        raise DataError("the data are a lazy frame: pass X.collect().")
    names = getattr(x, "column_names", getattr(x, "columns", ()))  # pyarrow's columns are data
    _refuse_equal_names([str(c) for c in names])
    try:
        frame = nw.from_native(x, eager_only=True, allow_series=True)
    except TypeError:
        return None
    if isinstance(frame, nw.Series):
        name = str(frame.name) if frame.name is not None and str(frame.name) else "x0"
        return _Table(_column(frame)[:, None], (name,))
    names = tuple(str(c) for c in frame.columns)
    if not names:
        return _Table(np.empty((len(frame), 0)), ())
    if all(dtype in (nw.Float64, nw.Float32) for dtype in frame.schema.values()):
        return _Table(frame.to_numpy(), names)
    columns = [_column(column) for column in frame.iter_columns()]
    if any(column.dtype == object for column in columns):
        columns = [column.astype(object) for column in columns]
    return _Table(np.column_stack(columns), names)


def _column(series: Any) -> NDArray[Any]:
    """One column as numbers where it holds numbers (nulls become NaN), else as objects."""
    import narwhals.stable.v2 as nw

    if not (series.dtype.is_numeric() or isinstance(series.dtype, nw.Boolean)):
        return np.asarray([*series.to_list(), None], dtype=object)[:-1]
    null = series.is_null().to_numpy().astype(bool)
    if not null.any():
        return np.asarray(series.to_numpy(), dtype=np.float64)
    numbers = np.full(len(null), np.nan)
    numbers[~null] = series.drop_nulls().to_numpy()
    return numbers


def _select(table: _Table, columns: Sequence[str]) -> _Table:
    if isinstance(columns, str):
        columns = [columns]
    missing = [c for c in columns if c not in table.names]
    if missing:
        meant = nearest(missing[0], table.names)
        raise DataError(f"no column {missing[0]!r}{meant}: the table has {', '.join(table.names)}.")
    index = [table.names.index(c) for c in columns]
    return _Table(table.values[:, index], tuple(columns))


def _numeric(table: _Table) -> NDArray[np.floating]:
    values = table.values
    n, d = values.shape
    if n == 0 or d == 0:
        raise DataError(f"the table is empty ({n} rows, {d} columns): pass at least one of each.")
    _refuse_equal_names(table.names)
    if np.iscomplexobj(values):
        raise DataError("the data are complex numbers: pass real and imaginary part as columns.")
    if not holds_real_numbers(values):
        for j in range(d):
            _refuse_text(values[:, j], table.names[j])
    if values.dtype == np.float32 or values.dtype == np.float64:
        return values
    return values.astype(np.float64)


def _refuse_equal_names(names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(c for c in names if list(names).count(c) > 1)
        raise DataError(f"two columns are named {twice!r}: rename one.")


def _refuse_text(column: NDArray[Any], name: str) -> None:
    missing = [v is None or type(v).__name__ in ("NAType", "NaTType") for v in column]
    for i, v in enumerate(column):
        if missing[i]:
            raise DataError(_missing(name, sum(missing), i))
        try:
            ok = not isinstance(v, str | bytes) and float(v) is not None
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


def _missing(name: str, count: int, row: int) -> str:
    return (
        f"column {name!r} has {count} missing value{'s' if count > 1 else ''} (first in row "
        f"{row}): drop or impute those rows first (for a data frame: X.dropna())."
    )
