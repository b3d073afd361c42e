"""The standard normal density as a function with nutpie's C signature, for a trial of nutpie."""

from __future__ import annotations

from ..kernels.compilation import part
from .callbacks import DENSITY


@part(DENSITY)
def standard_normal(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
    """Write the log density without its constant, -z'z / 2, and its gradient."""
    value[0] = 0.0
    for i in range(size):
        value[0] -= 0.5 * z[i] * z[i]
        gradient[i] = -z[i]
    return 0
