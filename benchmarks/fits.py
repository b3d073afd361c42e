"""Whole fits of rows in a file, from a million rows to a hundred million, here and on workers.

Rows of 8 columns in float32, of four groups, in a .npy file; a fit of four components with full
covariances and all defaults: starts are looked for on a sample of the rows, and the best five go
on with all of them until they converge. "threads" is one process that reads the file anew in every
sweep; "workers" is a Dask cluster of processes of one thread each on the same machine, which hold
the rows in memory. "open" is the sweep that checks every value, on workers also the reading.
Sweeps are readings of all rows by the fit, each of which serves the passes of all five; one is for
the fingerprint. Seconds a pass are the fit's over the number of passes, so that starts, M-steps,
tasks and everything else are in them. Each line is one run. A sweep has one thread more than it is
told to, which reads ahead: on two cores one thread, or one worker, leaves little to a second one.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import machine, page
from .chunks import FORMATS, SIZES, made
from .command import main

K = 4
WHO = (("threads", 1), ("threads", 2), ("workers", 1), ("workers", 2))


def run(*, small: bool = False, write: bool = True) -> None:
    sizes = [n // 20 for n in SIZES[:1]] if small else SIZES
    lines = [measure(n, *who) for n in sizes for who in WHO]
    columns = ("n", "who", "open, s", "fit, s", "sweeps", "passes", "s a pass", "ns a row and pass")
    text = page.table("Fits of many rows", columns, lines)
    if write:
        page.write_section(
            "fits",
            f"## Fits of many rows\n\n`python -m benchmarks.fits`. {page.prose(__doc__)}\n\n"
            f"{text}\n" + "\n\n".join(machine.description("numpy", "numba", "dask", "distributed")),
        )


def measure(n: int, kind: str, number: int) -> list[str]:
    """One line of the table."""
    import bayesgmm

    path = made(n, FORMATS[0])
    os.environ["BAYESGMM_NUM_THREADS"] = str(number)
    with ExitStack() as stack:
        client = stack.enter_context(_cluster(number)) if kind == "workers" else None
        bayesgmm.fit(made(SIZES[0] // 20, FORMATS[0]), K, random_seed=0)  # loads compiled code
        begin = time.perf_counter()
        data = bayesgmm.in_chunks(Path(path), client=client)
        opened = time.perf_counter() - begin
        sweeps = _counted(data.values)
        fit = bayesgmm.fit(data, K, random_seed=0)
        seconds = time.perf_counter() - begin - opened
    assert fit.status.sound
    each = seconds / sum(sweeps)
    found = [
        page.count(n), f"{number} {kind if number > 1 else kind[:-1]}", page.seconds(opened),
        page.seconds(seconds), str(len(sweeps)), str(sum(sweeps)), page.seconds(each),
        f"{1e9 * each / n:.1f}",
    ]  # fmt: skip
    print(", ".join(found), flush=True)
    return found


def _cluster(number: int) -> Any:
    """A client of so many workers of one thread each."""
    from distributed import Client

    return Client(n_workers=number, threads_per_worker=1, dashboard_address=":0")


def _counted(rows: Any) -> list[int]:
    """The passes that each sweep over the rows serves from now on."""
    sweeps: list[int] = []
    sums = rows.sums

    def counting(work: Any, *others: Any) -> Any:
        sweeps.append(len(getattr(work, "passes", ())))
        return sums(work, *others)

    rows.sums = counting
    return sweeps


if __name__ == "__main__":
    main(run, __doc__)
