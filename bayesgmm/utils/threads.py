"""Rows divided into chunks that never depend on the number of threads.

The threads are Python's: the kernels release the interpreter lock, so no OpenMP or TBB is
needed, nothing aborts when another library's threads call in, and a fork is harmless.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from threading import local
from typing import Any

# Seconds between looks at the threads: on some systems an unlimited wait does not see Ctrl-C.
_POLL_INTERVAL = 0.05


def default_threads() -> int:
    """Threads used by one pass: BAYESGMM_NUM_THREADS, or the cores this process may use."""
    setting = os.environ.get("BAYESGMM_NUM_THREADS", "")
    if setting:
        if not setting.isdigit() or int(setting) < 1:
            raise ValueError(
                f"BAYESGMM_NUM_THREADS is {setting!r}: set it to a whole number of at least 1."
            )
        return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# Whether a thread is one of a pool's.
_of_pool = local()


def _begin() -> None:
    _of_pool.yes = True


@lru_cache(maxsize=4)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="bayesgmm", initializer=_begin)


if hasattr(os, "register_at_fork"):  # a child process inherits the pool without its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def for_each_chunk(work: Callable[[int], None], n_chunks: int, n_threads: int) -> None:
    """Call work(c) for every chunk c, on up to n_threads threads.

    Work that calls this again does its part alone: all threads could be waiting for one another.
    """
    n_threads = min(n_threads, n_chunks)
    if n_threads <= 1 or getattr(_of_pool, "yes", False):
        for chunk in range(n_chunks):
            work(chunk)
        return

    todo = deque(range(n_chunks))  # a free thread takes the next: chunks differ in size

    def take_chunks() -> None:
        while True:
            try:
                chunk = todo.popleft()
            except IndexError:
                return
            work(chunk)

    runs: list[Future[None]] = []
    try:
        for _ in range(n_threads):
            runs.append(_pool(n_threads).submit(take_chunks))
        for run in runs:
            run.result()
    except BaseException:
        todo.clear()  # no thread is still at work when the caller goes on
        wait(runs)
        raise


def for_each_task[T](
    work: Callable[[T], None], tasks: Sequence[T], n_threads: int, stop: Callable[[], None]
) -> None:
    """Call work(t) for every task t, on n_threads threads; call `stop` at an error or Ctrl-C.

    Tasks that have begun are waited for, so `stop` should make them end soon.
    """
    if n_threads <= 1:
        for task in tasks:
            work(task)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        runs: list[Future[None]] = []
        try:
            for task in tasks:
                runs.append(pool.submit(work, task))
            all_done(runs)
            for run in runs:
                run.result()
        except BaseException:
            stop()
            pool.shutdown(cancel_futures=True)
            raise


def all_done(runs: Sequence[Future[Any]]) -> None:
    """Wait until all have ended, or one has failed."""
    while wait(runs, _POLL_INTERVAL, FIRST_EXCEPTION).not_done and not any(map(_failed, runs)):
        pass


def _failed(run: Future[Any]) -> bool:
    return run.done() and run.exception() is not None
