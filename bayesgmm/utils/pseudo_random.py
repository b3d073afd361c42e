"""Pseudo-random numbers of counters: the same ones in whatever library's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def pseudo_random(counters: Any) -> Any:
    """Pseudo-random numbers from -1 to 1, float64, of counters, uint64: NumPy's or JAX's arrays.

    The counter-based generator of Steele, Lea & Flood (2014), OOPSLA, 453-472.

    Examples
    --------
    >>> import numpy as np
    >>> pseudo_random(np.arange(1, 4, dtype=np.uint64)).round(3).tolist()
    [0.767, -0.137, -0.947]
    """
    z = counters * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
