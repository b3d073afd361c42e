"""Parquet files and folders, and whatever else pyarrow reads as a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DataError
from ...utils.optional import optional
from ...utils.validation import did_you_mean
from ..tables import not_numbers
from .files import float_type, grouped, stamp_of


@dataclass(frozen=True)
class ArrowDataset:
    """Fragments of a dataset (row groups of Parquet files) in chunks.

    Attributes
    ----------
    fragments : tuple
        pyarrow's fragments, in order.
    pieces : tuple of tuple of int
        The fragments of each chunk.
    edges : tuple of int
        The chunks' bounds.
    types : dict of str to str
        Columns that are read, and their types.
    schema : pyarrow.Schema
        All columns, those that folders stand for among them.
    filters : expression or None
        The rows that are read.
    named : bool
        They have names.
    """

    fragments: tuple[Any, ...]
    pieces: tuple[tuple[int, ...], ...]
    edges: tuple[int, ...]
    types: dict[str, str]
    schema: Any
    filters: Any
    named = True

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return tuple(self.types)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers that are read."""
        return np.dtype(float_type(set(self.types.values()) == {"float"}))

    def of_columns(self, columns: Sequence[int]) -> ArrowDataset:
        """The same rows with some of the columns."""
        chosen = {self.names[j]: self.types[self.names[j]] for j in columns}
        return replace(self, types=chosen)

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], NDArray[Any]]]:
        """What reads the chunks start..stop."""
        return (partial(self._read, c) for c in range(start, stop))

    def place(self, chunk: int) -> str:
        """Files and row groups of a chunk."""
        return " and ".join(_place(self.fragments[piece]) for piece in self.pieces[chunk])

    def stamp(self) -> Any:
        """Sizes and times of the files."""
        return stamp_of(dict.fromkeys(f.path for f in self.fragments if getattr(f, "path", None)))

    def _read(self, chunk: int) -> NDArray[Any]:
        n = self.edges[chunk + 1] - self.edges[chunk]
        out, at = np.empty((len(self.types), n), dtype=self.dtype), 0
        for piece in self.pieces[chunk]:
            fragment = self.fragments[piece]
            try:
                table = fragment.to_table(
                    self.schema, columns=list(self.types), filter=self.filters, use_threads=False
                )
            except Exception as error:
                raise DataError(f"{_place(fragment)} cannot be read: {error}") from error
            if at + len(table) > n:
                raise DataError(f"{_place(fragment)} has more rows than when it was opened.")
            for j, name in enumerate(self.types):
                column = table.column(name)
                if column.null_count == len(column):
                    _refuse_without(fragment, name)
                _copy(column, out[j, at : at + len(table)])
            at += len(table)
        return out[:, :at].T


def _refuse_without(fragment: Any, name: str) -> None:
    """Refuse a file that has not got a column, of which pyarrow would make nulls."""
    from pyarrow.dataset import get_partition_keys

    held = {*fragment.physical_schema.names, *get_partition_keys(fragment.partition_expression)}
    if name not in held:
        raise DataError(
            f"{_place(fragment)} has no column {name!r}, which other files have: name the columns "
            "that all have with columns=[...], or leave that file out."
        )


def _copy(column: Any, out: NDArray[Any]) -> None:
    """Write a column's numbers, NaN where they are missing."""
    if column.null_count:
        column = column.cast(out.dtype.name)
    at = 0
    for part in column.chunks:
        out[at : at + len(part)] = part.to_numpy(zero_copy_only=False)
        at += len(part)


def _place(fragment: Any) -> str:
    path = getattr(fragment, "path", None) or "the table"
    groups = getattr(fragment, "row_groups", None)
    return str(path) if not groups else f"{path}, row group {groups[0].id}"


def columns_in_file(path: Path) -> list[str]:
    """The names of all columns of a Parquet or Feather file or folder, whatever is in them.

    Raises
    ------
    DataError
        A .npy file, whose columns have no names.
    """
    if path.suffix.lower() == ".npy":
        raise DataError(
            f"{path.name} has columns without names, none of which can be named as labels: pass a "
            "Parquet file or folder."
        )
    return list(open_dataset(path).schema.names)


def column_in_file(path: Path, name: str) -> list[Any]:
    """A column's values in the rows' order, None where one is missing.

    Raises
    ------
    DataError
        There is no such column.
    """
    names = columns_in_file(path)
    if name not in names:
        raise DataError(
            f"no column {name!r} in {path.name}{did_you_mean(name, names)}; it has "
            f"{', '.join(names)}."
        )
    values: list[Any] = open_dataset(path).to_table(columns=[name]).column(0).to_pylist()
    return values


def open_dataset(path: str | Path) -> Any:
    """Pyarrow's dataset of a Parquet or Feather file, or of a folder of Parquet files.

    Raises
    ------
    DataError
        pyarrow is not installed, or cannot read it.
    OSError
        It is not there.
    """
    pyarrow, dataset = (optional(m, path, "parquet") for m in ("pyarrow", "pyarrow.dataset"))
    checked = dataset.ParquetFragmentScanOptions(page_checksum_verification=True)
    form: Any = dataset.ParquetFileFormat(default_fragment_scan_options=checked)
    if Path(path).suffix.lower() in (".feather", ".arrow"):
        form = "feather"
    try:
        return dataset.dataset(path, format=form, partitioning="hive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise DataError(f"{path} is not a dataset that pyarrow can read: {error}") from None


def arrow_dataset(
    dataset: Any, columns: Sequence[str] | None = None, filters: Any = None
) -> ArrowDataset:
    """The chunks of a dataset of pyarrow's: its row groups, small neighbours together.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
    columns : sequence of str, optional
        Read only these; all of them if left out.
    filters : pyarrow.compute.Expression or list of tuples, optional
        Read only rows for which this holds.

    Raises
    ------
    DataError
        A column that is not there or does not hold numbers; no rows.
    """
    types = _types(dataset.schema, columns)
    if isinstance(filters, list):
        from pyarrow import parquet

        filters = parquet.filters_to_expression(filters)
    try:
        fragments = tuple(
            part
            for fragment in dataset.get_fragments(filter=filters)
            for part in _row_groups(fragment, filters, dataset.schema)
        )
        sizes = [_count(fragment, filters, dataset.schema) for fragment in fragments]
    except Exception as error:
        raise DataError(f"the dataset cannot be read: {error}") from error
    edges, pieces = grouped(sizes)
    if not pieces:
        raise DataError("the dataset has no rows (that pass the filters): pass at least one.")
    return ArrowDataset(fragments, pieces, edges, types, dataset.schema, filters)


def _row_groups(fragment: Any, filters: Any, schema: Any) -> list[Any]:
    split = getattr(fragment, "split_by_row_group", None)
    return [fragment] if split is None else split(filters, schema)


def _count(fragment: Any, filters: Any, schema: Any) -> int:
    groups = getattr(fragment, "row_groups", None)
    if filters is None and groups:
        return int(sum(group.num_rows for group in groups))
    # pyarrow's count_rows takes whole files for row groups where the filter is on folders alone.
    return len(fragment.to_table(schema, columns=[], filter=filters, use_threads=False))


def _types(schema: Any, columns: Sequence[str] | None) -> dict[str, str]:
    from pyarrow import types

    names = list(schema.names) if columns is None else [str(c) for c in columns]
    found = {}
    for name in names:
        if name not in schema.names:
            meant = did_you_mean(name, schema.names)
            raise DataError(f"no column {name!r}{meant}: there are {', '.join(schema.names)}.")
        kind = schema.field(name).type
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
            raise DataError(not_numbers(name, kind))
        found[name] = str(kind)
    return found
