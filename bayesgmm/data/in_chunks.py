"""A checked table of which the rows are read a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..kernels.stored.rows import Source, StoredRows
from ..utils.errors import DataError
from ..utils.validation import check_integer
from .by_name import by_name
from .data import Data, as_data
from .sources.blocks import Restarted, array_in_blocks, blocks_of
from .sources.files import chunk_rows
from .sources.sources import source_of
from .sources.workers import OnWorkers, on_workers
from .tables import MARGINALIZE, REFUSE, as_numbers, read_table


def in_chunks(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    *,
    columns: Sequence[str] | None = None,
    filters: Any = None,
    rows: int | None = None,
    sample_weight: Any = None,
    missing: str = REFUSE,
    client: Any = None,
) -> Data:
    """A checked table whose rows are read a chunk at a time, for whatever takes data.

    Paths, datasets of pyarrow's, Zarr arrays and iterables of blocks are read so without this
    call: it is for filters, blocks in a list, and arrays in memory that are to give the same bits
    as a file with the same chunks. Every chunk is summed by itself, and the sums are added in the
    chunks' order, so that results do not depend on where the chunks come from, nor on how many
    threads read them.

    Parameters
    ----------
    X : str, Path, dataset, array or iterable
        The path of a .npy file, of a Parquet or Feather file, or of a folder of Parquet files; a
        `pyarrow.dataset.Dataset`; a `zarr.Array`; an array or a data frame of Dask's, or what
        xarray has over one; blocks of rows (arrays or data frames with the
        same columns): a list of them, what can be iterated over again and again, or a function
        that begins anew; a table in memory.
    columns : sequence of str, optional
        Use only these columns; others are not read.
    filters : pyarrow.compute.Expression or list of tuples, optional
        Of a dataset read only these rows: `[("year", ">=", 2020)]`.
    rows : int, optional
        Rows of a chunk, where the data have no chunks of their own: 131 072, or fewer if there are
        more than 32 columns. Of a Zarr array it is rounded to its chunks; blocks are chunks, also
        Dask's, and row groups of Parquet too (neighbours with few rows together).
    sample_weight : array-like (n,) or str, optional
        What each row counts for, or the name of the column that says so.
    missing : {"refuse", "marginalize"}
        Whether values may be missing: NaN, nulls. Each chunk is grouped by the values that its
        rows have whenever it is read.
    client : distributed.Client, optional
        A Dask cluster whose workers read files (paths that all of them see) and do all that is
        done with rows; Dask collections are on the workers of the current client without it.

    Returns
    -------
    Data

    Raises
    ------
    DataError
        As for `fit`; blocks that can be iterated over only once, filters
        of what has none. A message about a value names file and chunk.

    See Also
    --------
    fit : Fit a mixture of given covariance structure and number of components.
    on_device : Rows on a GPU.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> chunked = bayesgmm.in_chunks(X, rows=100)
    >>> bayesgmm.fit(chunked, 2, random_seed=1).means.round(2).tolist()
    [[4.29, 79.97], [2.04, 54.48]]
    """
    columns, sample_weight, _ = by_name(X, columns, sample_weight)
    n_rows = None if rows is None else check_integer("rows", rows, 1)
    if filters is not None and not (isinstance(X, str | Path) or hasattr(X, "get_fragments")):
        raise DataError(
            "filters are for Parquet files and datasets of pyarrow's, and X is a "
            f"{type(X).__name__}."
        )
    if isinstance(X, Data) and isinstance(X.values, StoredRows):
        return as_data(X, columns, sample_weight, missing)
    source = (
        source_of(X, columns, filters, n_rows, client) or _given_blocks(X) or _in_memory(X, n_rows)
    )
    if client is not None and not isinstance(source, OnWorkers):
        source = on_workers(source, client)
    return as_data(StoredRows(source), columns, sample_weight, missing)


def _given_blocks(x: Any) -> Source | None:
    """The blocks of a list of tables, or those that a function gives."""
    if callable(x) and not hasattr(x, "__array__"):
        return blocks_of(Restarted(x))
    if isinstance(x, Iterator):
        return blocks_of(x)
    return blocks_of(list(x)) if _has_blocks(x) else None


def _has_blocks(x: Any) -> bool:
    """Whether a list holds tables, not rows."""
    return isinstance(x, list | tuple) and len(x) > 0 and np.ndim(x[0]) == 2


def _in_memory(x: Any, rows: int | None) -> Source:
    table = read_table(x)
    values = np.asarray(as_numbers(table, MARGINALIZE))
    rows = rows or chunk_rows(values.shape[1])
    return array_in_blocks(values, table.names, table.named, rows)
