"""A source whose chunks are on the workers of a Dask cluster, who do all that is done with rows.

A worker gets one task a sweep, not one a chunk. Its chunks stay in its memory as far as they fit,
the others are made anew in every sweep. What a worker has can be made again from the source: when
one is lost others do so, and since sums are added in a fixed order no bit changes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import merge
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ...kernels.stored.chunk import Block, Chunk, Notes
from ...kernels.stored.rows import Source
from ...kernels.stored.sums import Node
from ...utils.errors import DataError, WorkersGoneError
from ...utils.types import FloatArray
from .blocks import Blocks
from .dask import DaskChunks, is_future
from .part import ChunksOfPart, Part, each, sizes_of, sums

# Share of a worker's memory that chunks may take.
_SHARE = 0.4
# Seconds between looks at the workers, and without any of them after which none is waited for.
_LOOK, _PATIENCE = 1.0, 30.0


@dataclass(eq=False)
class _Share:
    """A part, what it is made of, the numbers of its chunks that have rows, and their places."""

    part: Any
    made_of: tuple[Any, ...]
    numbers: NDArray[np.int64]
    places: NDArray[np.int64]


class _OtherWorkersError(Exception):
    """None of the workers that had parts is left, and others are there."""


@dataclass(eq=False)
class _Cluster:
    """A client, and what the workers have of a source.

    homes: the workers for whom the parts were made, in the order of the shares.
    """

    client: Any
    shares: list[_Share]
    homes: tuple[str, ...]
    _known: tuple[Any, Any, list[Any]] = field(default=(None, None, []))

    def run(
        self, function: Any, notes: Notes, columns: Any, work: Any, numbers: Iterable[int]
    ) -> list[Any]:
        """The answers of the parts that have chunks with these numbers."""
        wanted, of_parts = np.fromiter(numbers, dtype=np.int64), self._of_parts(notes)

        def sent() -> Iterator[Any]:
            for share, of_part in zip(self.shares, of_parts, strict=True):
                chosen = np.flatnonzero(np.isin(share.numbers, wanted)).tolist()
                if chosen:
                    yield self.submit(function, share.part, of_part, columns, work, chosen)

        return self.answers(sent)

    def answers(self, sent: Callable[[], Iterable[Any]]) -> list[Any]:
        """The results of tasks about the parts.

        Where no worker was left, Dask forgets that others may make the parts too, and those that
        come then have nothing to do: the parts are made anew, for whoever is there.
        """
        try:
            return results(self.client, list(sent()), self.homes)
        except _OtherWorkersError:
            self.homes = ()
            for share in self.shares:
                share.part = self.submit(Part, *share.made_of)
            return results(self.client, list(sent()))

    def _of_parts(self, notes: Notes) -> list[Any]:
        """Each part's share of the notes on its worker: they are sent when they are others."""
        of_rows, known, there = self._known
        same = all(a is b for a, b in zip(of_rows or (), notes.of_rows, strict=False))
        if not there or not same or known is not notes.known:
            there = [
                self.submit(ChunksOfPart, notes.of(share.numbers), share.places)
                for share in self.shares
            ]
            self._known = notes.of_rows, notes.known, there
        return there

    def submit(self, function: Any, *args: Any, **where: Any) -> Any:
        """A task, which gives the same wherever and however often it is done."""
        name = f"bayesgmm-{function.__name__.strip('_')}-{uuid4().hex}"
        return self.client.submit(function, *args, key=name, **where)


@dataclass(frozen=True, eq=False)
class OnWorkers:
    """A source on the workers of a cluster.

    Attributes
    ----------
    source : Source
        The source itself.
    cluster : _Cluster
        Who has which of its chunks.
    columns : tuple of int or None
        Columns of what the workers have, where not all of them are read.
    """

    source: Source
    cluster: _Cluster
    columns: tuple[int, ...] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the source, which is read wherever it is unpickled."""
        return _same, (self.source,)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return self.source.names

    @property
    def named(self) -> bool:
        """Whether the table has them."""
        return self.source.named

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers that are read."""
        return self.source.dtype

    @property
    def edges(self) -> Sequence[int]:
        """The chunks' bounds."""
        return self.source.edges

    def of_columns(self, columns: Sequence[int]) -> OnWorkers:
        """The same chunks with some of the columns."""
        before = range(len(self.names)) if self.columns is None else self.columns
        chosen = tuple(before[j] for j in columns)
        return replace(self, source=self.source.of_columns(columns), columns=chosen)

    def place(self, chunk: int, row: int | None = None) -> str:
        """Where a chunk is, as the source says."""
        return self.source.place(chunk, row)

    def stamp(self) -> Any:
        """The source's."""
        return self.source.stamp()

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], Block]]:
        """What fetches the chunks start..stop, for what is not done on the workers."""
        edges = np.asarray(self.edges, dtype=np.int64)
        notes = Notes(np.arange(len(edges) - 1), edges[:-1], None, None)
        for chunk in range(start, stop):
            yield partial(self._fetched, notes, chunk)

    def _fetched(self, notes: Notes, chunk: int) -> Block:
        [(_, values)] = self.each(notes, _values, [chunk])
        return values

    def each[T](
        self, notes: Notes, work: Callable[[Chunk], T], numbers: Iterable[int]
    ) -> Iterator[tuple[int, T]]:
        """The answers about some chunks, in their order, with the chunks' numbers."""
        found = self.cluster.run(each, notes, self.columns, work, numbers)
        return merge(*found, key=lambda pair: pair[0])

    def sums(self, notes: Notes, work: Callable[[Chunk], Sequence[FloatArray]]) -> Iterator[Node]:
        """Sums of the answers about all chunks, in the chunks' order."""
        found = self.cluster.run(sums, notes, self.columns, work, notes.numbers)
        return merge(*found, key=lambda node: node.start)


def _values(chunk: Chunk) -> Block:
    return chunk.values


def _same(source: Source) -> Source:
    return source


def current_client() -> Any:
    """The client of distributed's that is in use; None where there is none."""
    if "distributed" not in sys.modules:
        return None
    from distributed import default_client

    try:
        client = default_client()
    except ValueError:
        return None
    return None if client.asynchronous else client


def on_workers(source: Source, client: Any) -> OnWorkers:
    """The source with its chunks on the workers, who count their rows if need be.

    Raises
    ------
    DataError
        Blocks in this process's memory; what cannot be read.
    WorkersGoneError
        There are no workers.
    """
    if isinstance(source, Blocks):
        raise DataError(
            "client= is for what workers can read: pass paths of files that all of them see, or a "
            "Dask collection; rows in memory by dask.array.from_array."
        )
    cluster = _Cluster(client, [], ())
    for worker, limit, numbers in _shared_out(source, client):
        of = _for_worker(source, numbers, limit)
        part = cluster.submit(Part, *of, workers=[worker], allow_other_workers=True)
        cluster.shares.append(_Share(part, of, numbers, np.arange(len(numbers))))
        cluster.homes += (worker,)
    sizes = np.zeros(len(source.edges) - 1, dtype=np.int64)
    counted = cluster.answers(lambda: [cluster.submit(sizes_of, s.part) for s in cluster.shares])
    for share, found in zip(cluster.shares, counted, strict=True):
        sizes[share.numbers] = found
    if isinstance(source, DaskChunks):
        source = source.counted(sizes.tolist())
    there = np.cumsum(sizes > 0) - 1  # the new numbers of those that have rows
    for share in cluster.shares:
        share.places = np.flatnonzero(sizes[share.numbers] > 0)
        share.numbers = there[share.numbers[share.places]]
    return OnWorkers(source, cluster)


def _for_worker(
    source: Source, numbers: NDArray[np.int64], limit: float
) -> tuple[Source, list[int], float, dict[Any, Any]]:
    """The arguments of a `Part`: of a collection only the tasks that lead to its chunks."""
    if not isinstance(source, DaskChunks):
        return source, numbers.tolist(), limit, {}
    source = source.leading_to(numbers.tolist())
    futures = {key: task for key, task in source.graph.items() if is_future(task)}
    return source.with_results(dict.fromkeys(futures)), numbers.tolist(), limit, futures


def _shared_out(source: Source, client: Any) -> list[tuple[str, float, NDArray[np.int64]]]:
    """Workers, the bytes that each may keep, and its chunks: where these are, or in order."""
    workers = _workers(client)
    n = len(source.edges) - 1
    threads = np.cumsum([worker["nthreads"] for worker in workers.values()])
    owner = np.searchsorted(threads * n, (np.arange(n) + 0.5) * threads[-1])
    if isinstance(source, DaskChunks):
        names = list(workers)
        for chunk, home in source.homes(client).items():
            owner[chunk] = names.index(home) if home in workers else owner[chunk]
    limits = [_SHARE * (worker["memory_limit"] or np.inf) for worker in workers.values()]
    chunks = [np.flatnonzero(owner == i) for i in range(len(workers))]
    found = zip(workers, limits, chunks, strict=True)
    return [(address, limit, numbers) for address, limit, numbers in found if len(numbers)]


def _workers(client: Any) -> dict[str, Any]:
    """The workers by their addresses; the first is waited for."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError:
        raise WorkersGoneError(f"the Dask cluster {client} has no workers.") from None
    return dict(client.scheduler_info(n_workers=-1)["workers"])


def results(client: Any, futures: Sequence[Any], homes: Sequence[str] = ()) -> list[Any]:
    """The results of all tasks, as soon as they are there.

    Raises
    ------
    _OtherWorkersError
        None of these homes is left, but other workers are there.
    WorkersGoneError
        No workers are left, or no scheduler, or those who tried a task were lost one after the
        other.
    """
    from distributed import CancelledError, KilledWorker, wait

    seen = time.monotonic()
    try:
        while True:
            try:
                wait(futures, timeout=_LOOK)
            except TimeoutError:
                if there := client.nthreads():
                    seen = time.monotonic()
                    if homes and not set(homes) & set(there):
                        raise _OtherWorkersError from None
                elif time.monotonic() - seen > _PATIENCE:
                    raise WorkersGoneError("all workers of the Dask cluster are gone.") from None
                continue
            return list(client.gather(futures))
    except (KilledWorker, CancelledError, OSError) as error:
        if client.status != "running":
            raise WorkersGoneError("the scheduler of the Dask cluster is gone.") from error
        raise WorkersGoneError(f"the Dask cluster has lost its workers: {error}.") from error
    except BaseException:
        client.cancel(futures)
        raise
