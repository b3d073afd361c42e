"""Rows read in chunks: seconds per pass from .npy and Parquet files, and peak memory.

Rows of 8 columns in float32, of four groups; a pass is the E-step of EM with full covariances.
"read" is a sweep that reads every chunk and does nothing with it: what files, page cache and
decoding allow. "kernel" is the pass over the first 2 000 000 of these rows in memory, times n over
that number. No pass can be faster than either; its share of the kernel's speed is given. "open" is
the sweep that checks every value, and all else that `as_data` does. Peak memory is that of the
whole process, Python and compiled code included. Every line is a process of its own, and the least
of some passes. The files have been read before, so that they are in the system's cache as far as
they fit. The parts of a line are timed one after the other, so that a share can be above 100.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from . import machine, page
from .command import main
from .memory import resident

D, PART, IN_MEMORY = 8, 1_000_000, 2_000_000
SIZES, KS, FORMATS = (1_000_000, 10_000_000, 100_000_000), (4, 16), ("npy", "parquet")
_ROOT = Path(__file__).parent.parent


def folder() -> Path:
    """Where the files are; they stay there."""
    path = Path(tempfile.gettempdir()) / "bayesgmm-chunks"
    path.mkdir(exist_ok=True)
    return path


def made(n: int, form: str) -> Path:
    """The file or folder with n rows, made if it is not there."""
    path = folder() / (f"rows-{n}.npy" if form == FORMATS[0] else f"rows-{n}")
    if not path.exists():
        (_write_npy if form == FORMATS[0] else _write_parquet)(path, n)
    return path


def _write_npy(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(scale=3, size=(4, D)).astype("f4")
    out = np.lib.format.open_memmap(path, mode="w+", dtype="f4", shape=(n, D))
    for a in range(0, n, PART):
        m = min(PART, n - a)
        out[a : a + m] = rng.standard_normal((m, D), dtype="f4") + centers[rng.integers(0, 4, m)]
    out.flush()


def _write_parquet(path: Path, n: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    x = np.load(made(n, FORMATS[0]), mmap_mode="r")
    path.mkdir()
    for number, a in enumerate(range(0, n, PART)):
        columns = {f"x{j}": np.array(x[a : a + PART, j]) for j in range(D)}
        parquet.write_table(pa.table(columns), path / f"{number:04d}.parquet", use_dictionary=False)


def child(path: str, k: int, rounds: int) -> None:
    """Print the seconds to open, read, pass over the rows and pass in memory, and peak bytes."""
    from bayesgmm.data.data import as_data
    from bayesgmm.kernels.e_step.contract import Parameters
    from bayesgmm.kernels.e_step.e_step import measured_statistics
    from bayesgmm.kernels.stored.rows import StoredRows
    from bayesgmm.kernels.stored.sweep import sweep

    begin = time.perf_counter()
    data = as_data(path)
    opened = time.perf_counter() - begin
    rows = data.values
    assert isinstance(rows, StoredRows)
    means = np.random.default_rng(0).normal(size=(k, D)) * data.sd
    at = Parameters(np.full(k, 1 / k), means, np.array([np.diag(data.sd**2)] * k))

    def read() -> None:
        sweep(rows.chunks(), rows.n_chunks, lambda *_: None, lambda *_: None)

    measured_statistics(data.part(0, 1000), at)
    found = [opened, _least(read, rounds), _least(lambda: measured_statistics(data, at), rounds)]
    peak = resident("VmHWM")
    some = data.part(0, min(data.n, IN_MEMORY))
    kernel = _least(lambda: measured_statistics(some, at), 3 * rounds) * data.n / some.n
    print(*found, kernel, peak)


def _least(call: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def measure(n: int, form: str, k: int, rounds: int) -> list[str]:
    """One line of the table."""
    program = f"from benchmarks.chunks import child; child({str(made(n, form))!r}, {k}, {rounds})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=_ROOT)
    opened, read, one, kernel, peak = map(float, done.stdout.split())
    cells = [
        form, page.count(n), str(k), page.seconds(opened), page.seconds(read), page.seconds(kernel),
        page.seconds(one), f"{4e-9 * D * n / one:.2f}", f"{100 * kernel / one:.0f}",
        f"{peak / 2**30:.2f}",
    ]  # fmt: skip
    print(", ".join(cells), flush=True)
    return cells


def run(*, rounds: int = 3, small: bool = False, write: bool = True) -> None:
    sizes = [n // 20 for n in SIZES[:1]] if small else SIZES
    rows = [measure(n, form, k, rounds) for n in sizes for form in FORMATS for k in KS]
    columns = (
        "file", "n", "K", "open, s", "read, s", "kernel, s", "pass, s", "GB a second",
        "share of the kernel's speed, %", "peak, GiB",
    )  # fmt: skip
    text = page.table("Rows in chunks", columns, rows)
    if not write:
        return
    page.write_section(
        "chunks",
        f"## Rows in chunks\n\n`python -m benchmarks.chunks`. {page.prose(__doc__)}\n\n{text}\n"
        + "\n\n".join(machine.description("numpy", "numba")),
    )


if __name__ == "__main__":
    main(run, __doc__)
