"""Collections of Dask's: arrays, data frames, and xarray's objects over them.

A chunk is a block of rows, or a partition, and is made by the tasks that lead to it whenever it is
read. What all chunks need, such as a mean over all rows, is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.stored.rows import read_or_say
from ...kernels.stored.sweep import sweep
from ...utils.errors import DataError
from ...utils.validation import unusable_names
from ..tables import columns_of_dataset, names_of_array, not_numbers
from .of_tables import OfTables, numbers_of

type Graph = dict[Hashable, Any]


@dataclass(frozen=True)
class DaskChunks(OfTables):
    """Blocks of rows of a Dask collection.

    Attributes
    ----------
    graph : dict
        Tasks by their keys, as Dask has them.
    keys : tuple
        The key of each chunk.
    kind : str
        What a chunk is called in messages.
    """

    graph: Graph
    keys: tuple[Any, ...]
    kind: str

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], NDArray[Any]]]:
        """What makes the chunks start..stop, each in the thread that calls it."""
        return (partial(self._read, c) for c in range(start, stop))

    def place(self, chunk: int, row: int | None = None) -> str:
        """The number of a block or partition, and its rows."""
        start, stop = self.edges[chunk : chunk + 2]
        rows = f" (rows {start} to {stop - 1})" if stop else ""  # not yet counted
        return f"{self.kind} {self.keys[chunk][1]} of the Dask collection{rows}"

    def stamp(self) -> Any:
        """Nothing: what the tasks give is compared when they have run."""
        return None

    def _read(self, chunk: int) -> NDArray[Any]:
        from dask.local import get_sync

        key = self.keys[chunk]
        block = get_sync(_leading_to(self.graph, [key]), key)
        if not len(block):
            return np.empty((0, len(self.columns)))
        return numbers_of(block, self.columns, self.edges[chunk])

    def counted(self, sizes: Sequence[int] | None = None) -> DaskChunks:
        """The chunks that have rows, by these numbers of rows, else by those known or counted.

        Raises
        ------
        DataError
            There are none.
        """
        if sizes is None:
            sizes = np.diff(self.edges).tolist() if self.edges[-1] else _counted(self)
        keys = tuple(key for key, size in zip(self.keys, sizes, strict=True) if size)
        if not keys:
            raise DataError("the Dask collection has no rows: pass at least one.")
        edges = np.cumsum([0, *(size for size in sizes if size)]).tolist()
        return replace(self, keys=keys, edges=tuple(edges))

    def leading_to(self, numbers: Sequence[int]) -> DaskChunks:
        """The same chunks, of which only some can be made."""
        return replace(self, graph=_leading_to(self.graph, [self.keys[c] for c in numbers]))

    def with_results(self, results: Graph) -> DaskChunks:
        """The same chunks with results in place of some tasks."""
        return replace(self, graph=self.graph | results) if results else self

    def homes(self, client: Any) -> dict[int, str]:
        """The worker that has what a chunk is made of, for the chunks of which there is one."""
        futures = {key: task for key, task in self.graph.items() if is_future(task)}
        if not futures:
            return {}
        where = {str(key): who for key, who in client.who_has(list(futures.values())).items()}
        found = {}
        for chunk, key in enumerate(self.keys):
            needed = _leading_to(self.graph, [key]).keys() & futures.keys()
            who = [worker for need in needed for worker in where.get(str(need), ())]
            if who:
                found[chunk] = who[0]
        return found


def is_future(task: Any) -> bool:
    """Whether this stands for the result of a task on a cluster."""
    return type(task).__name__ == "Future" and type(task).__module__.startswith("distributed.")


def is_dask(x: Any) -> bool:
    """Whether this is a collection of Dask's, or an object of xarray's over some."""
    if type(x).__module__.partition(".")[0] == "dask":
        return True
    return hasattr(x, "isel") and bool(getattr(x, "chunks", None))


def dask_chunks(x: Any, columns: Sequence[str] | None = None) -> DaskChunks:
    """The blocks of rows of a Dask array (n, d) or (n,), data frame or series, or xarray object.

    Where their sizes are not known yet, bounds are 0: `counted` has them.

    Parameters
    ----------
    x : collection
    columns : sequence of str, optional
        Of a data frame or a Dataset read only these.

    Raises
    ------
    DataError
        Another collection, a column that is not there or does not hold numbers.
    """
    if is_frame(x):
        return _of_frame(x, columns)
    return _of_array(*array_of(_numbers(x, columns) if hasattr(type(x), "data_vars") else x))


def _numbers(x: Any, columns: Sequence[str] | None) -> Any:
    """A Dataset's variables that are asked for, all of which hold numbers."""
    variables = columns_of_dataset(x)
    if columns is not None and set(map(str, columns)) <= set(variables):
        variables = {str(name): variables[str(name)] for name in columns}
    for name, variable in variables.items():
        if variable.dtype.kind not in "fiub":
            raise DataError(not_numbers(name, variable.dtype))
    return x[[variable.name for variable in variables.values()]]


def is_frame(x: Any) -> bool:
    """Whether a collection is a data frame, or a column of one."""
    return hasattr(type(x), "divisions")


def array_of(x: Any) -> tuple[Any, tuple[str, ...], bool]:
    """The array (n, d) in one block of columns, their names, and whether it has them itself."""
    import dask.array as da

    if hasattr(type(x), "data_vars"):
        variables = columns_of_dataset(x)
        arrays = [da.asarray(v.data) for v in variables.values()]
        if any(array.dtype.kind not in "fiub" for array in arrays):
            arrays = [array.astype(object) for array in arrays]
        array = da.stack(arrays, axis=1)
        return array.rechunk({1: -1}), tuple(variables), True
    if not hasattr(type(x), "chunks"):
        raise DataError(
            f"the data are a {type(x).__name__} of Dask's: make it an array or a data frame "
            "(dask.array.from_delayed, dask.dataframe.from_delayed)."
        )
    if x.ndim not in (1, 2):
        raise DataError(
            f"the Dask array has {x.ndim} dimensions: pass rows by columns, an array (n, d)."
        )
    array = x.data if hasattr(x, "isel") else x
    array = (array[:, None] if x.ndim == 1 else array).rechunk({1: -1})
    made_up = tuple(f"x{j}" for j in range(array.shape[1])), False
    if not hasattr(x, "isel") or x.ndim == 1 and x.name == x.data.name:  # a name of Dask's own
        return array, *made_up
    return array, *names_of_array(x)


def _of_array(x: Any, names: tuple[str, ...], named: bool) -> DaskChunks:
    import dask

    if x.dtype.kind not in "fiub":
        raise DataError(f"the Dask array holds {x.dtype}, not real numbers.")
    [best] = dask.optimize(x)
    # Which leaves out what is on a cluster already.
    there = {key: task for key, task in dict(x.__dask_graph__()).items() if is_future(task)}
    sizes = [None if np.isnan(size) else int(size) for size in x.chunks[0]]
    return _opened(
        best,
        dict(best.__dask_graph__()) | there,
        sizes,
        names,
        named,
        x.dtype == np.float32,
        "block",
    )


def _of_frame(x: Any, columns: Sequence[str] | None) -> DaskChunks:
    if x.ndim == 2 and (trouble := unusable_names([str(name) for name in x.columns])):
        raise DataError(trouble)
    if x.ndim == 1:
        types, named = {"x0" if x.name is None else str(x.name): x.dtype}, x.name is not None
    else:
        if columns is not None and set(map(str, columns)) <= set(map(str, x.columns)):
            x = x[[own for name in columns for own in x.columns if str(own) == str(name)]]
        types, named = {str(name): x.dtypes[name] for name in x.columns}, True
    for name, kind in types.items():
        if getattr(kind, "kind", "O") not in "fiub":
            raise DataError(not_numbers(name, kind))
    single = all(kind == np.float32 for kind in types.values())
    x = x.optimize()
    return _opened(x, dict(x.__dask_graph__()), [None], tuple(types), named, single, "partition")


def _opened(
    x: Any,
    graph: Graph,
    sizes: Sequence[int | None],
    names: tuple[str, ...],
    named: bool,
    single: bool,
    kind: str,
) -> DaskChunks:
    """The chunks; all bounds are 0 as long as the size of one is not known (None)."""
    keys = tuple(key[0] if isinstance(key, list) else key for key in x.__dask_keys__())
    edges = np.cumsum([0, *([0] * len(keys) if None in sizes else sizes)]).tolist()
    return DaskChunks(
        names, named, tuple(edges), single, tuple(range(len(names))),
        _with_common(graph, keys), keys, kind,
    )  # fmt: skip


def _counted(chunks: DaskChunks) -> list[int]:
    """The number of rows of each chunk."""
    sizes: list[int] = []
    n = len(chunks.keys)
    readers = (
        (c, partial(read_or_say, chunks, c, read)) for c, read in enumerate(chunks.readers(0, n))
    )
    sweep(readers, n, lambda _, block: len(block), lambda _, size: sizes.append(size))
    return sizes


def _leading_to(graph: Graph, keys: Sequence[Hashable]) -> Graph:
    """The tasks that these need, and themselves."""
    from dask.optimization import cull

    return dict(cull(graph, list(keys))[0])


def _with_common(graph: Graph, keys: Sequence[Hashable]) -> Graph:
    """The graph with the results of those tasks that the first chunk and the last one share."""
    import dask
    from dask.core import get_dependencies

    if len(keys) < 2:
        return graph
    first, last = (_leading_to(graph, [key]) for key in (keys[0], keys[-1]))
    common = first.keys() & last.keys()
    needed = {
        need for key in first.keys() - common for need in get_dependencies(graph, key)
    } & common
    needed = {key for key in needed if not is_future(graph[key])}
    if not needed:
        return graph
    compute = dask.base.get_scheduler() or dask.threaded.get
    results = compute(graph, list(needed))
    return graph | dict(zip(needed, results, strict=True))
