"""Classes of rows written to Parquet or Zarr, chunk by chunk, by whoever has the chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.data import Data
from ..data.sources.blocks import array_in_blocks
from ..data.sources.files import chunk_rows
from ..kernels.stored.chunk import Chunk
from ..kernels.stored.rows import StoredRows
from ..utils.archive import atomic
from ..utils.optional import optional
from ..utils.whole_folder import atomic_folder

if TYPE_CHECKING:
    import pandas as pd

# Makes the table of the rows of a chunk.
type Classes = Callable[[Any], pd.DataFrame]


def write_classes(rows: Data, classes: Classes, path: str | Path) -> None:
    """Write the table of all rows: to a Zarr group where `path` ends in .zarr, else to Parquet.

    Nothing of the rows' number is held here. An old folder stays until the new one is whole.

    Raises
    ------
    DataError
        zarr or pyarrow is not installed.
    OSError
        What could not be written, such as for a full disk.
    """
    values = rows.values
    if not isinstance(values, StoredRows):
        array = np.asarray(values)
        blocks = array_in_blocks(array, rows.names, rows.named, chunk_rows(rows.d))
        values = StoredRows(blocks)
    names = rows.names if rows.named else None
    if Path(path).suffix.lower() == ".zarr":
        _to_zarr(values, _Classes(classes, names), path)
    else:
        _to_parquet(values, _Classes(classes, names), path)


@dataclass(frozen=True)
class _Classes:
    """The table of a chunk's rows, whose columns have these names."""

    classes: Classes
    names: Sequence[str] | None

    def __call__(self, chunk: Chunk) -> pd.DataFrame:
        import pandas as pd

        values = chunk.values
        return self.classes(
            values if self.names is None else pd.DataFrame(values, columns=list(self.names))
        )


class _Failure(tuple[Any, ...]):
    """The arguments of an OSError: as an exception it could be one of the way to a worker."""


@dataclass(frozen=True)
class _Writing:
    """What writes the table of a chunk, and gives why it could not."""

    write: Callable[[Chunk], None]

    def __call__(self, chunk: Chunk) -> _Failure | None:
        try:
            self.write(chunk)
        except OSError as error:
            if error.errno is None:
                return _Failure(error.args)
            return _Failure((error.errno, error.strerror, error.filename))
        return None


def _written(values: StoredRows, write: Callable[[Chunk], None]) -> None:
    """Have every chunk written, where it is."""

    def take(_: int, failure: _Failure | None) -> None:
        if failure is not None:
            raise OSError(*failure)

    values.each(_Writing(write), take)


def _to_parquet(values: StoredRows, classes: _Classes, path: str | Path) -> None:
    optional("pyarrow", path, "parquet")  # pandas needs it
    with atomic_folder(path, lambda part: part.match("part-*.parquet")) as folder:
        _written(values, _Part(classes, folder))
        for left in folder.glob(".bayesgmm-*"):  # of workers that were lost
            left.unlink()


@dataclass(frozen=True)
class _Part:
    """What writes the table of a chunk to a file of its own."""

    classes: _Classes
    folder: Path

    def __call__(self, chunk: Chunk) -> None:
        with atomic(self.folder / f"part-{chunk.number:06d}.parquet") as path:
            self.classes(chunk).to_parquet(path, index=False)


def _to_zarr(values: StoredRows, classes: _Classes, path: str | Path) -> None:
    zarr = optional("zarr", path, "zarr")
    n, size = len(values), int(values.edges[1])
    first = classes(Chunk(0, 0, values[:1], np.empty(0), None, 0))
    with atomic_folder(path, lambda part: part.name in {*first, "zarr.json"}) as folder:
        group = zarr.open_group(folder, mode="w")
        for name, column in first.items():
            kind = column.dtype if column.dtype.kind in "iuf" else "str"
            group.create_array(name, shape=(n,), chunks=(size,), dtype=kind)
        if np.all(values.edges[:-1] % size == 0):
            _written(values, _Region(classes, folder))
        else:  # chunks here share chunks there, which are written one after the other
            values.each(classes, lambda c, table: _put(table, group, int(values.edges[c])))


@dataclass(frozen=True)
class _Region:
    """What writes the table of a chunk to its place in the arrays of a group."""

    classes: _Classes
    folder: Path

    def __call__(self, chunk: Chunk) -> None:
        import zarr

        _put(self.classes(chunk), zarr.open_group(self.folder, mode="r+"), chunk.first)


def _put(table: pd.DataFrame, group: Any, first: int) -> None:
    """Write a table to the rows from the first on."""
    for name, column in table.items():
        group[name][first : first + len(table)] = column.to_numpy()
