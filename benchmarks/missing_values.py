"""What a pass over rows with missing values costs, in passes over the same rows complete.

    python -m benchmarks.missing_values

One thread, full covariances; the least of interleaved repeats, in processor time.
"""

from __future__ import annotations

import time

import numpy as np

from bayesgmm.data.data import Data, as_data
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.kernels.e_step.e_step import expected_statistics

# n, d, K, share of the values that are missing.
_CASES = [
    (100_000, 4, 4, 0.1), (100_000, 8, 16, 0.1), (100_000, 8, 16, 0.3), (50_000, 20, 8, 0.02),
    (50_000, 20, 8, 0.1), (50_000, 20, 8, 0.25),
]  # fmt: skip
_REPEATS = 9


def main() -> None:
    """Print a line for each case."""
    rng = np.random.default_rng(1)
    for n, d, k, share in _CASES:
        x = rng.standard_normal((n, d))
        roots = 0.3 * rng.standard_normal((k, d, d)) / np.sqrt(d) + np.eye(d)
        p = Parameters(
            np.full(k, 1 / k), rng.standard_normal((k, d)), roots @ np.swapaxes(roots, 1, 2)
        )
        holes = np.where(rng.random((n, d)) < share, np.nan, x)
        whole, some = as_data(x), as_data(holes, missing="marginalize")
        seconds: dict[str, float] = {}
        for _ in range(_REPEATS):
            for name, data in (("complete", whole), ("missing", some)):
                seconds[name] = min(seconds.get(name, np.inf), _seconds(data, p))
        groups = some.groups
        assert groups is not None
        print(
            f"n {n}, d {d}, K {k}, {share:.0%} missing: {len(groups.observed)} patterns, "
            f"{1e3 * seconds['complete']:.1f} ms complete, {1e3 * seconds['missing']:.1f} ms, "
            f"ratio {seconds['missing'] / seconds['complete']:.2f}"
        )


def _seconds(data: Data, p: Parameters) -> float:
    before = time.process_time()
    expected_statistics(data, p, n_threads=1)
    return time.process_time() - before


if __name__ == "__main__":
    main()
