"""The standard normal density as a function with nutpie's C signature, to try nutpie on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba as nb

from .callbacks import DENSITY


@lru_cache
def standard_normal() -> Any:
    """The compiled function, without the constant: the log density of z is -z'z / 2."""
    return nb.cfunc(DENSITY, cache=True)(_standard_normal)


def _standard_normal(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
    value[0] = 0.0
    for i in range(size):
        value[0] -= 0.5 * z[i] * z[i]
        gradient[i] = -z[i]
    return 0
