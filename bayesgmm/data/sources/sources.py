"""Which tables are read in chunks, told from what they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np

from ...kernels.stored.rows import Source, StoredRows
from ...utils.errors import DataError
from ..tables import Table, read_table
from .blocks import OF_TABLES, blocks_of
from .dask import dask_chunks, is_dask
from .npy import memory_map, npy_file
from .parquet import arrow_dataset, open_dataset
from .workers import current_client, on_workers
from .zarr import zarr_array, zarr_in

# Endings of NumPy's files, and of those that pyarrow reads as a dataset.
_ARRAYS = (".npy",)
_DATASETS = (".parquet", ".pq", ".feather", ".arrow")
# What folders of Zarr's have, in either format.
_OF_ZARR = ("zarr.json", ".zarray", ".zgroup")
# Bytes from which a memory map is read as the file that it is: below it is an array like others.
_LARGE = 2**28


def table_of(x: Any, width: int | None = None, columns: Sequence[str] | None = None) -> Table:
    """The columns of whatever is tabular, in memory or in chunks.

    width is how many columns there should be; columns are the ones that will be used, of which the
    others need not be numbers.
    """
    if not isinstance(x, StoredRows):
        source = source_of(x, columns)
        if source is None:
            return read_table(x, width)
        x = StoredRows(source)
    return Table(x, x.source.names, x.source.named)


def source_of(
    x: Any,
    columns: Sequence[str] | None = None,
    filters: Any = None,
    rows: int | None = None,
    client: Any = None,
) -> Source | None:
    """The chunks of what is to be read in chunks; None of a table in memory.

    Those of a Dask collection are on the workers of the client, or of the current one.
    """
    if is_dask(x):
        chunks, client = dask_chunks(x, columns), client or current_client()
        return chunks.counted() if client is None else on_workers(chunks, client)
    if isinstance(x, str | Path):
        _refuse_address(str(x))
        return _in_file(Path(x), columns, filters, rows)
    if isinstance(x, list | tuple) and x and all(map(_names_file, x)):
        raise DataError(
            f"the data are a list of {len(x)} paths: pass the folder of the files, or "
            "pyarrow.dataset.dataset([...]) of Parquet files."
        )
    if _is_large_file(x):
        return memory_map(x, rows)
    if _is_dataset(x):
        return arrow_dataset(x, columns, filters)
    if _is_zarr(x):
        return zarr_array(x, rows)
    return blocks_of(x) if is_iterable_of_blocks(x) else None


def is_source(x: Any) -> bool:
    """Whether this is read in chunks; nothing is opened to tell."""
    return isinstance(x, str | Path | StoredRows) or any(
        kind(x) for kind in (is_dask, _is_large_file, _is_dataset, _is_zarr, is_iterable_of_blocks)
    )


def _is_large_file(x: Any) -> bool:
    """Whether this is a memory map of a whole array, too large to be taken for one in memory."""
    if not isinstance(x, np.memmap) or x.nbytes < _LARGE or x.filename is None:
        return False
    whole = isinstance(x.base, mmap)
    return whole and bool(x.flags.c_contiguous or x.flags.f_contiguous)


def _is_dataset(x: Any) -> bool:
    return hasattr(x, "get_fragments")


def _is_zarr(x: Any) -> bool:
    return type(x).__module__.startswith("zarr.") and hasattr(x, "chunks")


def is_iterable_of_blocks(x: Any) -> bool:
    """Whether this gives tables whenever it is iterated over, and is none itself."""
    if not isinstance(x, Iterable):
        return False
    if isinstance(x, Sequence | Mapping | Iterator | set | frozenset | np.ndarray):
        return False
    return not any(hasattr(x, name) for name in OF_TABLES)


def _names_file(x: Any) -> bool:
    return isinstance(x, Path) or isinstance(x, str) and x.endswith((*_ARRAYS, *_DATASETS))


def _refuse_address(path: str) -> None:
    if "://" in path:
        raise DataError(
            f"{path!r} is an address, and paths of files are read: open it by "
            "pyarrow.dataset.dataset, dask.dataframe.read_parquet or zarr.open, and pass that."
        )


def opened(path: Path) -> Any:
    """The dataset of the files that pyarrow reads; the path itself of others."""
    arrays = path.suffix.lower() in _ARRAYS or _has_zarr(path)
    return path if arrays or not path.exists() else open_dataset(path)


def _has_zarr(folder: Path) -> bool:
    return any((folder / name).exists() for name in _OF_ZARR)


def _in_file(path: Path, columns: Sequence[str] | None, filters: Any, rows: int | None) -> Source:
    ending = path.suffix.lower()
    if ending not in (*_ARRAYS, *_DATASETS) and not path.is_dir():
        raise DataError(
            f"{str(path)!r} names no file that is read in chunks: pass a .npy or Parquet file, a "
            "folder of Parquet files or a Zarr array's, or a table in memory, such as "
            "pd.read_csv(path) (the command line reads CSV files)."
        )
    if not path.exists():
        raise DataError(f"there is no {str(path)!r}.")
    if ending in _ARRAYS:
        return npy_file(path, rows)
    if _has_zarr(path):
        return zarr_in(path, rows)
    dataset = open_dataset(path)
    if columns is not None and not set(map(str, columns)) <= set(dataset.schema.names):
        columns = None  # said where columns are selected
    return arrow_dataset(dataset, columns, filters)
