"""Rows divided into chunks that never depend on the number of threads.

The threads are Python's: the kernels release the interpreter lock, so no OpenMP or TBB is
needed, nothing aborts when another library's threads call in, and a fork is harmless.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache


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


@lru_cache(maxsize=4)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="bayesgmm")


if hasattr(os, "register_at_fork"):  # a child process inherits the pool without its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def for_each_chunk(work: Callable[[int], None], n_chunks: int, n_threads: int) -> None:
    """Call work(c) for every chunk c, on up to n_threads threads."""
    n_threads = min(n_threads, n_chunks)
    if n_threads <= 1:
        for chunk in range(n_chunks):
            work(chunk)
        return

    todo = deque(range(n_chunks))  # whoever is free takes the next: chunks differ in size

    def share(_: int) -> None:
        while True:
            try:
                chunk = todo.popleft()
            except IndexError:
                return
            work(chunk)

    for _ in _pool(n_threads).map(share, range(n_threads)):
        pass
