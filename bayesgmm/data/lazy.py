"""Answers about the rows of a Dask collection: arrays of Dask's that are not yet computed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .sources.dask import array_of, is_dask, is_frame

type Work = Callable[[Any], NDArray[Any]]


def lazy_on_dask[**P, T](method: Callable[P, T]) -> Callable[P, T]:
    """A method about rows that of a Dask collection gives a Dask array, which is not yet computed.

    Its chunks are those of the rows: whoever needs one calls the method on them, on any machine.
    """

    @wraps(method)
    def of_rows(self: Any, *args: Any, **options: Any) -> Any:
        x = next(filter(is_dask, [*args, *options.values()]), None)
        if x is None:
            return method(self, *args, **options)
        options = {name: value for name, value in options.items() if value is not x}
        rest = [value for value in args if value is not x]
        return _by_blocks(x, partial(_of_block, of_rows, self, rest, options))

    return cast(Callable[P, T], of_rows)


def _of_block(
    method: Callable[..., Any], of: Any, args: Any, options: Any, block: Any
) -> NDArray[Any]:
    return np.asarray(method(of, block, *args, **options))


def _by_blocks(x: Any, work: Work) -> Any:
    """The Dask array of what `work` makes of each block of rows."""
    if is_frame(x):
        like = work(_row(x.columns if x.ndim == 2 else [x.name]))[:0]
        return x.map_partitions(partial(_unless_empty, work, like, None), meta=like)
    array, names, named = array_of(x)
    columns = list(names) if named else None
    like = work(_row(columns) if columns else np.zeros((1, len(names))))[:0]
    shape = {"drop_axis": 1} if like.ndim == 1 else {"chunks": (array.chunks[0], like.shape[1:])}
    work = partial(_unless_empty, work, like, columns)
    return array.map_blocks(work, dtype=like.dtype, meta=like, **shape)


def _row(columns: Any) -> Any:
    """A row of these columns, by which is seen what a method gives."""
    import pandas as pd

    return pd.DataFrame(np.zeros((1, len(columns))), columns=columns)


def _unless_empty(
    work: Work, like: NDArray[Any], columns: list[str] | None, block: Any
) -> NDArray[Any]:
    """The answer about a block, with its columns' names if the block itself has none."""
    if not len(block):
        return like
    if columns is not None:
        import pandas as pd

        block = pd.DataFrame(block, columns=columns)
    return work(block)
