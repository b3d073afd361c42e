"""What the machine can do at most: floating-point operations a second of a large matrix product."""

from __future__ import annotations

import time

import numpy as np

_SIZE = 2048
_REPEATS = 3
FLOPS = 2.0 * _SIZE**3


def matrix_product() -> float:
    """Seconds of NumPy's product of two float64 matrices (`FLOPS` operations), the fastest of 3."""
    a = np.random.default_rng(0).standard_normal((_SIZE, _SIZE))
    out = np.empty_like(a)
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        np.dot(a, a, out=out)
        seconds.append(time.perf_counter() - start)
    return min(seconds)
