"""All benchmarks, or those named, one after the other: writes docs/benchmarks.md anew."""

from __future__ import annotations

from . import (
    acceleration,
    chunks,
    convergence,
    em,
    fits,
    float32,
    grid,
    growth,
    kernel_forms,
    memory,
    optima,
    others,
    posterior,
    small_samples,
    startup,
    workers,
)
from .command import main_of_all

# What a user waits for first, then the fits, then how the library's own choices were made.
ORDER = (
    startup, em, convergence, posterior, growth, memory, chunks, fits, others, workers, float32,
    grid, optima, small_samples, acceleration, kernel_forms,
)  # fmt: skip

if __name__ == "__main__":
    runs = {module.__name__.rpartition(".")[2]: module.run for module in ORDER}
    main_of_all(runs, __doc__)
