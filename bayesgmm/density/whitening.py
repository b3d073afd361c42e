"""A compiled density in other linear coordinates, as a function with nutpie's C signature.

Any density that has that signature can be whitened by it: it is called by its address.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..kernels.calls import array_at, caller
from ..kernels.compilation import part
from .callbacks import DENSITY

# With the address of what it reads as a number, which a function in C does not notice.
_call_density = caller(DENSITY.return_type(*DENSITY.args[:-1], nb.intp))
#: What the table holds: the address of the density, that of what it reads, and the place and the
#: length of the numbers: origin (P,), then root (P, P).
WHITE_TABLE = 4


@part(DENSITY)
def whitened(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
    """Write the density at origin + root z, root lower triangular, and its gradient in z."""
    table = nb.carray(where, (WHITE_TABLE,), np.int64)
    numbers = array_at(table[2], table[3], 0.0)
    at, slope = np.empty(size), np.empty(size)
    z, gradient = nb.carray(z, (size,)), nb.carray(gradient, (size,))
    root = numbers[size:].reshape((size, size))
    for i in range(size):
        moved = 0.0  # a number of its own: sums in an array go through memory, one by one
        for j in range(i + 1):
            moved += root[i, j] * z[j]
        at[i] = numbers[i] + moved
    code = _call_density(table[0], (size, at.ctypes, slope.ctypes, value, table[1]))
    for j in range(size):
        gradient[j] = 0.0
    for i in range(size):  # row by row, as the root lies in memory
        s = slope[i]
        for j in range(i + 1):
            gradient[j] += root[i, j] * s
    return code
