"""Calls of a likelihood's machine code from Python, for linkers other than Numba."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....utils.types import FloatArray

_DOUBLES = ctypes.POINTER(ctypes.c_double)
_INTEGERS = ctypes.POINTER(ctypes.c_int64)


def call(
    address: int,
    sizes: Sequence[int],
    inputs: Sequence[FloatArray],
    outputs: Sequence[FloatArray],
    storage: Sequence[list[Any]],
    result: type[ctypes.c_int64] | None = None,
) -> Any:
    """Fill the outputs, put as many as there is storage for there, and return the result.

    Parameters
    ----------
    address : int
        Of a function of sizes, inputs and outputs.
    sizes : sequence of int
        What it has to know of the arrays.
    inputs, outputs : sequences of arrays
        Contiguous in the order of C.
    storage : sequence of lists
        Of PyTensor's node.
    result : ctypes type, optional
        What it returns.
    """
    arrays = (*inputs, *outputs)
    function = ctypes.CFUNCTYPE(result, _INTEGERS, *[_DOUBLES] * len(arrays))(address)
    numbers = np.array(sizes, dtype=np.int64)
    pointers = [a.ctypes.data_as(_DOUBLES) for a in arrays]
    found = function(numbers.ctypes.data_as(_INTEGERS), *pointers)
    for place, value in zip(storage, outputs[: len(storage)], strict=True):
        place[0] = value
    return found
