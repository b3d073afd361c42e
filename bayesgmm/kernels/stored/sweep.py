"""A sweep over chunks: read and worked on by threads, taken in the chunks' order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

from ...utils.threads import default_threads, for_each_chunk

# Threads beyond those that compute, which read ahead meanwhile.
_AHEAD = 1

type Reader = Callable[[], Any]


def sweep[T](
    chunks: Iterator[tuple[int, Reader]],
    n: int,
    work: Callable[[int, Any], T],
    take: Callable[[int, T], None],
    n_threads: int | None = None,
) -> None:
    """Call take(c, work(c, rows of chunk c)) for every chunk, `take` in the order of the chunks.

    Parameters
    ----------
    chunks : iterator of (int, callable)
        Numbers that go up, and what reads the chunk.
    n : int
        How many there are, at most.
    work : callable
        Called by several threads at once.
    take : callable
        Called by one at a time.
    n_threads : int, optional
        How many chunks are worked on at once; one more is being read.
    """
    run = _Sweep(chunks, work, take)
    threads = (default_threads() if n_threads is None else n_threads) + _AHEAD
    for_each_chunk(lambda _: run.step(), n, threads)


class _Sweep[T]:
    """The state that the threads of a sweep share."""

    def __init__(
        self,
        chunks: Iterator[tuple[int, Reader]],
        work: Callable[[int, Any], T],
        take: Callable[[int, T], None],
    ) -> None:
        self._chunks, self._work, self._take = chunks, work, take
        self._begun: list[int] = []
        self._done: dict[int, T] = {}
        self._next, self._failed = 0, False
        self._feeding, self._taking = Lock(), Lock()

    def step(self) -> None:
        """Read the next chunk and work on it, unless none is left or something has failed."""
        try:
            if (item := self._following()) is not None:
                place, chunk, read = item
                self._finish(place, self._work(chunk, read()))
        except BaseException:
            self._failed = True
            raise

    def _following(self) -> tuple[int, int, Reader] | None:
        with self._feeding:
            if self._failed:
                return None
            item = next(self._chunks, None)
            if item is None:
                return None
            self._begun.append(item[0])
            return len(self._begun) - 1, *item

    def _finish(self, place: int, result: T) -> None:
        """Keep a result until those before it have been taken."""
        with self._taking:
            self._done[place] = result
            while self._next in self._done and not self._failed:
                self._take(self._begun[self._next], self._done.pop(self._next))
                self._next += 1
