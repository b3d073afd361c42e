"""Rows on the workers of a Dask cluster: seconds per pass beside one process with as many threads.

Rows of 8 columns in float32, 16 components with full covariances; a pass is the E-step of EM. The
cluster is one of processes on this machine, of one thread each, that have the rows in their memory;
"in memory" is one process with as many threads and the same chunks. The two are timed in turn, and
the least of some passes is given. "open" is what it takes to have the rows made on the workers and
every value checked; the first time they also import this library and load its compiled code.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np

from . import machine, page
from .command import main

D, K, N, CHUNKS, WORKERS = 8, 16, 4_000_000, (8, 64, 1024), (1, 2)


def run(*, rounds: int = 10, small: bool = False, write: bool = True) -> None:
    from distributed import Client, LocalCluster

    n, lines = N // 20 if small else N, []
    for n_workers in WORKERS:
        os.environ["BAYESGMM_NUM_THREADS"] = str(n_workers)
        options = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": ":0"}
        with LocalCluster(**options) as cluster, Client(cluster):
            lines += [_measured(n, n_workers, n_chunks, rounds) for n_chunks in CHUNKS]
    columns = (
        "workers", "chunks", "open, s", "pass in memory, s", "pass on workers, s", "overhead, ms",
    )  # fmt: skip
    text = page.table("Rows on workers", columns, lines)
    if write:
        page.write_section(
            "workers",
            f"## Rows on the workers of a cluster\n\n`python -m benchmarks.workers`, n = "
            f"{page.count(n)}. {page.prose(__doc__)}\n\n{text}\n"
            + "\n\n".join(machine.description("numpy", "numba", "dask", "distributed")),
        )


def _measured(n: int, n_workers: int, n_chunks: int, rounds: int) -> list[str]:
    """One line of the table."""
    import dask.array as da

    from bayesgmm.data.in_chunks import in_chunks
    from bayesgmm.kernels.e_step.contract import Parameters
    from bayesgmm.kernels.e_step.e_step import expected_statistics

    rows = -(-n // n_chunks)
    lazy = da.random.default_rng(0).standard_normal((n, D), dtype="f4", chunks=(rows, D))
    begin = time.perf_counter()
    there = in_chunks(lazy)
    opened = time.perf_counter() - begin
    here = in_chunks(np.random.default_rng(0).standard_normal((n, D), dtype="f4"), rows=rows)
    means = np.random.default_rng(1).normal(size=(K, D))
    at = Parameters(np.full(K, 1 / K), means, np.array([np.eye(D)] * K))
    seconds = np.min([[_seconds(expected_statistics, data, at) for data in (here, there)]
                      for _ in range(rounds)], axis=0)  # fmt: skip
    found = [
        str(n_workers), str(n_chunks), page.seconds(opened), *map(page.seconds, seconds),
        f"{1e3 * (seconds[1] - seconds[0]):.0f}",
    ]  # fmt: skip
    print(", ".join(found), flush=True)
    return found


def _seconds(call: Callable[..., object], *args: object) -> float:
    begin = time.perf_counter()
    call(*args)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(run, __doc__)
