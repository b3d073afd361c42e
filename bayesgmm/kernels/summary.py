"""One look at the columns: bad values, ranges, means and standard deviations."""

from __future__ import annotations

import numba as nb
import numpy as np

from .primitives import F1, entry


@entry(lambda x: nb.void(x, F1, F1, F1, F1, nb.types.Array(nb.int64, 1, "C")))
def column_summary(x, low, high, mean, sd, bad):  # type: ignore[no-untyped-def]
    """Fill low, high, mean, sd (population) and bad (number of non-finite values), each (d,).

    Two passes per column, each shifted by a value of the column, so that an offset many
    times the spread costs no digits.
    """
    n, d = x.shape
    for j in range(d):
        shift = np.float64(x[0, j])
        low[j] = shift
        high[j] = shift
        bad[j] = 0
        total = 0.0
        for i in range(n):
            v = np.float64(x[i, j])
            if not np.isfinite(v):
                bad[j] += 1
            low[j] = min(low[j], v)
            high[j] = max(high[j], v)
            total += v - shift
        mean[j] = shift + total / n
        total = 0.0
        rest = 0.0
        for i in range(n):
            v = np.float64(x[i, j]) - mean[j]
            rest += v
            total += v * v
        sd[j] = np.sqrt(max(total / n - (rest / n) ** 2, 0.0))
