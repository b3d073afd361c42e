"""A PyMC model's log density with its gradient as machine code that other compiled code calls.

PyTensor compiles the graph; the function around it is ours, and small: nutpie's own takes as long
to compile as the graph, and half of that for the text of an error that cannot happen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph import ancestors, clone_replace, rewrite_graph

from ...density.callbacks import DENSITY
from ...kernels.calls import array_at
from ...utils.types import FloatArray
from .coordinates import Coordinates


class CompiledModel(NamedTuple):
    """A function with the signature of `density.callbacks`, and what it reads.

    callback is Numba's, whose `address` is called; data are the model's shared variables, one
    after another, at the address and of the length in table. All three live as long as it is used.
    """

    callback: Any
    data: FloatArray
    table: np.ndarray[Any, np.dtype[np.int64]]


def compiled_model(coordinates: Coordinates) -> CompiledModel:
    """The log density at vectors (P,) of a model's coordinates, and its gradient.

    Shared variables, such as `pymc.Data`, are arguments, with their present values and shapes: as
    constants they would be compiled anew with every table.
    """
    model = coordinates.model
    density = rewrite_graph(model.logp(), include=_rewrites(model))
    gradients = [g.ravel() for g in pt.grad(density, model.value_vars)]
    outputs = [density, pt.concatenate(gradients)]
    shared = [v for v in ancestors(outputs) if hasattr(v, "get_value")]
    values = [np.asarray(v.get_value(borrow=True)) for v in shared]
    point = pt.TensorType("float64", shape=(coordinates.size,))("point")
    data = pt.TensorType("float64", shape=(None,))("data")
    replaced = _parts(point, model.value_vars, coordinates.shapes)
    replaced |= _parts(data, shared, [v.shape for v in values])
    with model:  # which says whether parameters are checked
        function = pm.compile(
            [point, data], clone_replace(outputs, replaced), mode="NUMBA", on_unused_input="ignore"
        )
    flat = np.concatenate([np.zeros(1), *(v.ravel().astype(np.float64) for v in values)])
    table = np.array([flat.ctypes.data, flat.size], dtype=np.int64)
    return CompiledModel(_callback(function.vm.jit_fn), flat, table)


def _rewrites(model: pm.Model) -> list[str]:
    """What is done before derivatives are taken, so that they are stable."""
    unchecked = [] if model.check_bounds else ["local_remove_check_parameter"]
    return ["canonicalize", "stabilize", *unchecked]


def _parts(vector: Any, variables: list[Any], shapes: list[tuple[int, ...]]) -> dict[Any, Any]:
    """Parts of a vector in the variables' places; of the data the first number is none of them."""
    parts, at = {}, 0 if vector.name == "point" else 1
    for variable, shape in zip(variables, shapes, strict=True):
        size = int(np.prod(shape))
        parts[variable] = vector[at : at + size].reshape(shape).astype(variable.dtype)
        at += size
    return parts


def _callback(density: Any) -> Any:
    """PyTensor's compiled function as one with nutpie's signature in C."""

    @nb.cfunc(DENSITY)
    def callback(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
        table = nb.carray(where, (2,), np.int64)
        try:
            total, slope = density(nb.carray(z, (size,)), array_at(table[0], table[1], 0.0))
        except Exception:  # noqa: BLE001 - what a model's own code raises is no density
            return 1
        number = total.item()
        finite = np.isfinite(number)
        nb.carray(value, (1,))[0] = number
        out = nb.carray(gradient, (size,))
        for i in range(size):
            out[i] = slope[i]
            finite &= np.isfinite(slope[i])
        return 0 if finite else 3

    return callback
