"""The standard normal density as a function with nutpie's C signature, to try nutpie on."""

from __future__ import annotations

from ..kernels.compilation import part
from .callbacks import DENSITY


@part(DENSITY)
def standard_normal(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
    """Without the constant: the log density of z is -z'z / 2."""
    value[0] = 0.0
    for i in range(size):
        value[0] -= 0.5 * z[i] * z[i]
        gradient[i] = -z[i]
    return 0
