"""The density as nutpie calls it: functions with plain C signatures and one table.

The table holds addresses and lengths of the arguments of `log_posterior` besides z, then its own
address.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numba as nb
import numpy as np

from ..kernels.calls import array_at
from ..kernels.compilation import Entry, part
from ..utils.types import FloatArray
from .compiled import call_log_posterior

_I = nb.int64
_SIZES, _NUMBERS, _DATA, _WEIGHTS, _ADDRESS = 0, 2, 4, 6, 8
_P = nb.types.CPointer(nb.float64)
DENSITY = _I(nb.uint64, _P, _P, _P, nb.types.voidptr)
COPY = _I(nb.uint64, nb.uint64, _P, _P, nb.types.voidptr)

_DOUBLES = ctypes.POINTER(ctypes.c_double)
_IN_C = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_uint64, _DOUBLES, _DOUBLES, _DOUBLES, ctypes.c_void_p
)


def called(
    function: Entry, free: FloatArray, table: np.ndarray[Any, np.dtype[np.int64]]
) -> tuple[int, float, FloatArray]:
    """What a function of that signature returns and writes: a code, the density, the gradient.

    The interpreter's lock is released, so that threads may call at once.
    """
    z = np.ascontiguousarray(free, dtype=np.float64)
    value, gradient = np.empty(1), np.empty(len(z))
    pointers = [a.ctypes.data_as(_DOUBLES) for a in (z, gradient, value)]
    code = _IN_C(function.address)(len(z), *pointers, table.ctypes.data)
    return int(code), float(value[0]), gradient


@part(DENSITY)
def density(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
    """Write the log density and its gradient; return 0, or 3 or 4 where they are not finite."""
    table = nb.carray(where, (9,), np.int64)
    g = nb.carray(gradient, (size,))
    total = call_log_posterior(
        table[_ADDRESS],
        (
            nb.carray(z, (size,)), g,
            array_at(table[_SIZES], table[_SIZES + 1], np.int64(0)),
            array_at(table[_NUMBERS], table[_NUMBERS + 1], 0.0),
            array_at(table[_DATA], table[_DATA + 1], 0.0),
            array_at(table[_WEIGHTS], table[_WEIGHTS + 1], 0.0),
        ),
    )  # fmt: skip
    nb.carray(value, (1,))[0] = total
    for v in g:
        if not np.isfinite(v):
            return 3
    return 0 if np.isfinite(total) else 4


@part(COPY)
def copy(size, size_out, z, out, where):  # type: ignore[no-untyped-def]
    """Write the point itself, which is what nutpie stores of a draw."""
    for i in range(size):
        out[i] = z[i]
    return 0
