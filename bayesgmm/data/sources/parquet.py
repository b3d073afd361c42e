"""Parquet files and folders, and whatever else pyarrow reads as a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.stored.rows import UnreadableError
from ...utils.errors import DataError
from ...utils.optional import optional
from .arrow_types import Columns, place_of
from .files import float_type, grouped, refuse_links, stamp_of

_NO_FILE = (
    "if it is none of the data, take it out of the folder, or give it a name that begins with _ or "
    "a point"
)


@dataclass(frozen=True)
class ArrowDataset:
    """Fragments of a dataset (row groups of Parquet files) in chunks.

    Attributes
    ----------
    fragments : tuple
        pyarrow's fragments, in order.
    pieces : tuple of tuple of int
        The fragments of each chunk.
    sizes : tuple of int
        Rows of each fragment.
    edges : tuple of int
        The chunks' bounds.
    types : dict of str to str
        Columns that are read, and their types.
    schema : pyarrow.Schema
        All columns, those that folders stand for among them, in the types in which they are read.
    filters : expression or None
        The rows that are read.
    named : bool
        They have names.
    """

    fragments: tuple[Any, ...]
    pieces: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
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

    def place(self, chunk: int, row: int | None = None) -> str:
        """File and row group of a row of a chunk, or the first and the last of all its rows."""
        pieces = self.pieces[chunk]
        if row is not None:
            ends = np.cumsum([self.sizes[piece] for piece in pieces])
            return place_of(self.fragments[pieces[int(np.searchsorted(ends, row, side="right"))]])
        first, last = (place_of(self.fragments[piece]) for piece in (pieces[0], pieces[-1]))
        return first if len(pieces) == 1 else f"{first} to {last}"

    def stamp(self) -> Any:
        """Sizes and times of the files."""
        return stamp_of(dict.fromkeys(f.path for f in self.fragments if getattr(f, "path", None)))

    @property
    def columns(self) -> Columns:
        """All columns of the files, whatever is in them."""
        return Columns(self.fragments, self.schema)

    def column(self, name: str) -> NDArray[np.object_]:
        """Any column's values in the rows' order, None where one is missing.

        Equal values of a row group are one object, so that few of them need 8 bytes a row.
        """
        columns, parts = self.columns, [np.empty(0, dtype=object)]
        kinds = columns.kinds(name)
        for fragment in self.fragments:
            own = fragment.physical_schema
            kind = own.field(name).type if name in own.names else next(iter(kinds))
            table = self._table(fragment, columns.with_types({name: kind}), [name])
            parts += [_objects(chunk) for chunk in table.column(0).dictionary_encode().chunks]
        return np.concatenate(parts)

    def _table(self, fragment: Any, schema: Any, columns: list[str]) -> Any:
        try:
            return fragment.to_table(
                schema, columns=columns, filter=self.filters, use_threads=False
            )
        except Exception as error:
            raise UnreadableError(f"{place_of(fragment)} cannot be read: {error}") from error

    def _read(self, chunk: int) -> NDArray[Any]:
        n = self.edges[chunk + 1] - self.edges[chunk]
        out, at = np.empty((len(self.types), n), dtype=self.dtype), 0
        for piece in self.pieces[chunk]:
            fragment = self.fragments[piece]
            table = self._table(fragment, self.schema, list(self.types))
            if at + len(table) > n:
                raise UnreadableError(
                    f"{place_of(fragment)} has more rows than when it was opened."
                )
            for j, name in enumerate(self.types):
                _copy(table.column(name), out[j, at : at + len(table)])
            at += len(table)
        return out[:, :at].T


def _copy(column: Any, out: NDArray[Any]) -> None:
    """Write a column's numbers, NaN where they are missing."""
    from pyarrow import types

    if column.null_count or types.is_decimal(column.type):
        column = column.cast(out.dtype.name)
    at = 0
    for part in column.chunks:
        out[at : at + len(part)] = part.to_numpy(zero_copy_only=False)
        at += len(part)


def _objects(encoded: Any) -> NDArray[np.object_]:
    """The values of a dictionary-encoded array."""
    values = [*encoded.dictionary.to_pylist(), None]
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found[encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)]


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
        found = dataset.dataset(path, format=form, partitioning="hive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        cure = f" ({_NO_FILE})" if Path(path).is_dir() else ""
        raise DataError(
            f"{path} is not a dataset that pyarrow can read: {error.args[0]}{cure}"
        ) from None
    if not found.files:
        raise DataError(f"the folder {str(path)!r} has no files to read: put Parquet files there.")
    refuse_links(found.files)
    return found


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
    if isinstance(filters, list):
        from pyarrow import parquet

        filters = parquet.filters_to_expression(filters)
    files = _files(dataset, filters)
    known = Columns(files, dataset.schema)
    types = known.number_types(columns)
    schema = known.with_types(types)
    try:
        fragments = tuple(part for file in files for part in _row_groups(file, filters, schema))
        sizes = tuple(_count(fragment, filters, schema) for fragment in fragments)
    except Exception as error:
        raise DataError(f"the dataset cannot be read: {error}") from error
    edges, pieces = grouped(sizes)
    if not pieces:
        passing = "" if filters is None else " that pass the filters"
        raise DataError(f"the dataset has no rows{passing}: pass at least one.")
    named = {name: str(kind) for name, kind in types.items()}
    return ArrowDataset(fragments, pieces, sizes, edges, named, schema, filters)


def _files(dataset: Any, filters: Any) -> list[Any]:
    """The dataset's files, of which the columns' names have been read."""
    try:
        files = list(dataset.get_fragments(filter=filters))
    except Exception as error:
        raise DataError(f"the filters cannot be used: {error}") from error
    for file in files:
        try:
            _ = file.physical_schema
        except Exception as error:
            path = getattr(file, "path", None) or "the table"
            raise DataError(f"{path} cannot be read: {error} ({_NO_FILE}).") from error
    return files


def _row_groups(fragment: Any, filters: Any, schema: Any) -> list[Any]:
    split = getattr(fragment, "split_by_row_group", None)
    return [fragment] if split is None else split(filters, schema)


def _count(fragment: Any, filters: Any, schema: Any) -> int:
    groups = getattr(fragment, "row_groups", None)
    if filters is None and groups:
        return int(sum(group.num_rows for group in groups))
    # pyarrow's count_rows takes whole files for row groups where the filter is on folders alone.
    return len(fragment.to_table(schema, columns=[], filter=filters, use_threads=False))
