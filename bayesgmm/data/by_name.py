"""Weights and labels that are named as columns of the table which the rows are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.stored.rows import StoredRows
from ..utils.errors import DataError
from ..utils.validation import did_you_mean
from .data import Data
from .sources.dask import is_dask, is_frame
from .sources.parquet import ArrowDataset, arrow_dataset, open_dataset
from .sources.sources import is_iterable_of_blocks
from .sources.workers import OnWorkers
from .tables import columns_of_dataset


@dataclass(frozen=True)
class _Named:
    """The names of a table's columns of data, of all its columns, and what reads one of these."""

    of_data: Sequence[str]
    names: Sequence[str]
    read: Callable[[str], NDArray[Any]]


def by_name(
    x: Any, columns: Sequence[str] | None, sample_weight: Any, labels: Any = None
) -> tuple[Sequence[str] | None, Any, Any]:
    """The columns of data, the weights and the labels, where the last two can be columns' names.

    Columns so named are not among the data. What is no name is given back as it is.

    Parameters
    ----------
    x : table
        As `as_data` takes it.
    columns : sequence of str, optional
        The columns asked for.
    sample_weight, labels : str, array or None
        The name of a column, or what the caller has.

    Raises
    ------
    DataError
        The table's columns have no names, none has this one, or it is named as data too.
    """
    asked = {"sample_weight": sample_weight, "labels": labels}
    asked = {what: name for what, name in asked.items() if isinstance(name, str)}
    if not asked:
        return columns, sample_weight, labels
    table = _named(x)
    if table is None:
        what, name = next(iter(asked.items()))
        raise DataError(
            f"{what}={name!r} names a column, and those of the data have no names: pass the "
            "column itself, an array with a value for each row."
        )
    found = {what: _column(table, name, what) for what, name in asked.items()}
    names = [columns] if isinstance(columns, str) else columns
    for what, name in asked.items():
        if names is not None and name in list(map(str, names)):
            raise DataError(
                f"{name!r} is the column of {what}, which are not data: leave it out of columns."
            )
    if columns is None:
        columns = [name for name in table.of_data if name not in asked.values()]
    return columns, found.get("sample_weight", sample_weight), found.get("labels", labels)


def _column(table: _Named, name: str, what: str) -> NDArray[Any]:
    if name not in table.names:
        raise DataError(
            f"no column {name!r}{did_you_mean(name, table.names)}, which is to be {what}: the "
            f"table has {', '.join(table.names)}."
        )
    return table.read(name)


def _named(x: Any) -> _Named | None:
    """The columns of what has names for them."""
    if isinstance(x, Data):
        return _of_data(x)
    if isinstance(x, str | Path) or hasattr(x, "get_fragments"):
        return _of_files(x)
    if is_iterable_of_blocks(x):
        return _of_blocks(x)
    if hasattr(type(x), "data_vars"):
        variables = columns_of_dataset(x)
        names = list(variables)
        return _Named(names, names, lambda name: np.asarray(variables[name]))
    if is_dask(x):
        return _of_frame(x, lambda own: x[own].compute()) if is_frame(x) and x.ndim == 2 else None
    return _of_table(x)


def _of_data(x: Data) -> _Named | None:
    """Of checked rows the columns that their files have."""
    source = x.values.source if isinstance(x.values, StoredRows) else None
    if isinstance(source, OnWorkers):
        source = source.source
    if not isinstance(source, ArrowDataset):
        raise DataError(
            "the data have been checked, and columns are no longer read by name: pass the table "
            "itself, or an array with a value for each row."
        )
    return _Named(x.names, source.columns.names, source.column)


def _of_files(x: Any) -> _Named | None:
    if isinstance(x, str | Path):
        if Path(x).suffix.lower() == ".npy":
            return None
        x = open_dataset(x)
    opened = arrow_dataset(x, columns=[])
    return _Named(opened.columns.of_data, opened.columns.names, opened.column)


def _of_blocks(blocks: Iterable[Any]) -> _Named | None:
    first = next((_named(block) for block in blocks), None)
    if first is None:
        return None

    def read(name: str) -> NDArray[Any]:
        tables = (_named(block) for block in blocks)
        return np.concatenate([_column(table, name, "read") for table in tables if table])

    return _Named(first.of_data, first.names, read)


def _of_table(x: Any) -> _Named | None:
    import narwhals.stable.v2 as nw

    if isinstance(x, np.ndarray | list | tuple):
        return None
    try:
        frame = nw.from_native(x, eager_only=True)
    except TypeError:
        return None
    return _of_frame(frame, lambda own: frame[own].to_native())


def _of_frame(frame: Any, column: Callable[[Any], Any]) -> _Named:
    own = {str(name): name for name in frame.columns}
    return _Named(list(own), list(own), lambda name: np.asarray(values_of(column(own[name]))))


def values_of(column: Any) -> Any:
    """A column without its library; integers stay such beside nulls, where -1 is to be told."""
    if hasattr(column, "to_pylist"):
        values = np.asarray(column)  # its own `to_numpy` does not copy, and nulls need a copy
    else:
        values = getattr(column, "to_numpy", lambda: column)()
    if values is column or getattr(values, "ndim", 0) != 1 or values.dtype.kind != "f":
        return values
    if not np.isnan(values).any():  # no nulls, as in most columns of weights
        return values
    own = np.fromiter(getattr(column, "to_pylist", column.__iter__)(), object, len(values))
    return own if any(isinstance(v, int | np.integer) for v in own) else values
