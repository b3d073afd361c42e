"""Summary of the columns: bad values, ranges, means and standard deviations."""

from __future__ import annotations

import numba as nb
import numpy as np

from .compilation import F1, entry

_BLOCK = 512


@entry(lambda x: nb.void(x, F1, F1, F1, F1, nb.types.Array(nb.int64, 1, "C")))
def column_summary(x, low, high, mean, sd, bad):  # type: ignore[no-untyped-def]
    """Fill low, high, mean, sd (population) and bad (number of non-finite values), each (d,).

    Two passes, each shifted by a value of the column, so that an offset many times the spread
    costs no digits; in blocks of rows, so that a block is in the cache for all its columns.
    """
    n, d = x.shape
    shift = np.empty(d)
    total = np.zeros(d)
    rest = np.zeros(d)
    for j in range(d):
        shift[j] = x[0, j]
        low[j] = shift[j]
        high[j] = shift[j]
        bad[j] = 0
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        for j in range(d):
            part = 0.0
            for i in range(start, stop):
                v = np.float64(x[i, j])
                if not np.isfinite(v):
                    bad[j] += 1
                low[j] = min(low[j], v)
                high[j] = max(high[j], v)
                part += v - shift[j]
            total[j] += part
    for j in range(d):
        mean[j] = shift[j] + total[j] / n
        total[j] = 0.0
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        for j in range(d):
            squares = 0.0
            part = 0.0
            for i in range(start, stop):
                v = np.float64(x[i, j]) - mean[j]
                part += v
                squares += v * v
            total[j] += squares
            rest[j] += part
    for j in range(d):
        sd[j] = np.sqrt(max(total[j] / n - (rest[j] / n) ** 2, 0.0))
