"""Many independent replicates, each with its own random stream, on the cores there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .kernels.threads import default_threads
from .progress import progress


def run_replicates[T](
    work: Callable[[np.random.Generator], T],
    streams: Sequence[np.random.Generator],
    description: str,
    show: bool,
) -> list[T]:
    """Results of work(stream), in the order of the streams on any number of threads.

    The threads are Python's: compiled EM holds no interpreter lock, and its passes over many rows
    share a pool of their own.
    """
    with progress(description, len(streams), show) as tick:

        def one(stream: np.random.Generator) -> T:
            result = work(stream)
            tick()
            return result

        n_threads = default_threads()
        if n_threads == 1:
            return [one(stream) for stream in streams]
        with ThreadPoolExecutor(n_threads) as pool:
            try:
                return list(pool.map(one, streams))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
