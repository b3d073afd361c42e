"""Some chunks of a source on a worker, and what a task there does with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.stored.chunk import Block, ChangedChunkError, Chunk, Notes
from ...kernels.stored.rows import Source, read_or_say
from ...kernels.stored.sums import Node, TreeSums
from ...kernels.stored.sweep import sweep
from .dask import DaskChunks


class Part:
    """Some chunks of a source on a worker: in memory those that fit there.

    Parameters
    ----------
    source : Source
        What makes them.
    numbers : sequence of int
        Which they are.
    limit : float
        Bytes that may be kept.
    results : dict
        What tasks of a Dask collection have given already.
    """

    def __init__(
        self, source: Source, numbers: Sequence[int], limit: float, results: dict[Any, Any]
    ) -> None:
        self._source = source.with_results(results) if isinstance(source, DaskChunks) else source
        self._numbers, self._left = list(numbers), limit
        self._held: dict[int, Block] = {}
        #: Rows of the chunks.
        self.sizes: list[int] = []
        places = range(len(self._numbers))
        sweep(self.readers(places), len(places), lambda _, block: block, self._keep, _threads())

    def _keep(self, at: int, block: Block) -> None:
        self.sizes.append(len(block))
        if block.nbytes <= self._left:
            self._left -= block.nbytes
            self._held[at] = np.ascontiguousarray(block, dtype=self._source.dtype)

    def readers(self, places: Iterable[int]) -> Iterator[tuple[int, Callable[[], Block]]]:
        """What gives the chunks at some places among these."""
        for at in places:
            yield at, partial(self._read, at)

    def _read(self, at: int) -> Block:
        if at in self._held:
            return self._held[at]
        number = self._numbers[at]
        [read] = self._source.readers(number, number + 1)
        return np.ascontiguousarray(
            read_or_say(self._source, number, read), dtype=self._source.dtype
        )

    def __sizeof__(self) -> int:
        """Bytes of what is in memory, as Dask asks for them."""
        return 1024 + sum(block.nbytes for block in self._held.values())


@dataclass(frozen=True, eq=False)
class ChunksOfPart:
    """What is known of the chunks of a part that have rows, and their places in the part."""

    notes: Notes
    places: NDArray[np.int64]

    def sweep[T](
        self,
        part: Part,
        columns: Sequence[int] | None,
        work: Callable[[Chunk], T],
        take: Callable[[int, T], None],
        chosen: Sequence[int],
    ) -> None:
        """Call take(number, work(chunk)) for the chosen ones of these chunks."""

        def on(at: int, block: Block) -> T:
            known = self.notes.known
            if known is not None and known.counts[at] != len(block):
                raise ChangedChunkError(int(self.notes.numbers[at]))
            mine = block if columns is None else np.ascontiguousarray(block[:, columns])
            return work(self.notes.chunk(at, mine))

        readers = part.readers(self.places[at] for at in chosen)
        reads = ((at, read) for at, (_, read) in zip(chosen, readers, strict=True))
        sweep(
            reads, len(chosen), on, lambda at, x: take(int(self.notes.numbers[at]), x), _threads()
        )


def _threads() -> int | None:
    """Threads of this worker; None where this is none."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except (ValueError, AttributeError):
        return None


def each(
    part: Part, mine: ChunksOfPart, columns: Any, work: Any, chosen: Sequence[int]
) -> list[Any]:
    """The answers about some of its chunks, with the chunks' numbers."""
    found: list[Any] = []
    mine.sweep(part, columns, work, lambda number, x: found.append((number, x)), chosen)
    return found


def sums(
    part: Part, mine: ChunksOfPart, columns: Any, work: Any, chosen: Sequence[int]
) -> list[Node]:
    """Sums of the answers about some of its chunks."""
    tree = TreeSums()
    mine.sweep(part, columns, work, tree.add, chosen)
    return tree.nodes


def sizes_of(part: Part) -> list[int]:
    """Rows of its chunks."""
    return part.sizes
