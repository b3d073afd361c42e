"""A PyMC model's log density with its gradient as machine code that other compiled code calls.

PyTensor compiles the graph. The function around it, with nutpie's C signature, is the same for all
models and calls the graph's by its address: compiled for a model, as nutpie's own is, it would
optimise and keep a copy of the whole graph.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numba.extending import intrinsic
from pytensor.graph import ancestors, clone_replace, rewrite_graph

from ...density.callbacks import DENSITY
from ...kernels.calls import array_at
from ...kernels.compilation import F1, compiling, part
from ...utils.types import FloatArray
from .coordinates import Coordinates

# What PyTensor's function of a model takes, the point and the data, and returns: the log density
# and its gradient in one vector.
_TAKEN, _RETURNED = nb.types.UniTuple(F1, 2), nb.types.UniTuple(F1, 1)


@intrinsic
def _call_graph(typing_context, address, arguments):  # type: ignore[no-untyped-def]
    """Whether PyTensor's function at an address raised nothing, and what it returned."""

    def write(context, builder, typed, values):  # type: ignore[no-untyped-def]
        convention = context.call_conv
        function = convention.get_function_type(_RETURNED, [_TAKEN])
        pointer = builder.inttoptr(values[0], function.as_pointer())
        arguments = [context.cast(builder, values[1], typed.args[1], _TAKEN)]
        status, found = convention.call_function(builder, pointer, _RETURNED, [_TAKEN], arguments)
        return context.make_tuple(builder, typed.return_type, [status.is_ok, found])

    return nb.types.Tuple([nb.boolean, _RETURNED])(nb.intp, arguments), write


@part(DENSITY)
def model_density(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
    """Write a model's log density and its gradient; the table is a `CompiledModel`'s.

    Returns 0; 1 where the model's own code raises, which is no density; 3 for what is not finite.
    """
    table = nb.carray(where, (3,), np.int64)
    data = array_at(table[1], table[2], 0.0)
    good, (found,) = _call_graph(table[0], (nb.carray(z, (size,)), data))
    if not good:
        return 1
    nb.carray(value, (1,))[0] = found[0]
    finite = np.isfinite(found[0])
    out = nb.carray(gradient, (size,))
    for i in range(size):
        out[i] = found[1 + i]
        finite &= np.isfinite(out[i])
    return 0 if finite else 3


class CompiledModel(NamedTuple):
    """What `model_density` reads, and what must live as long as it is used.

    function is PyTensor's, whose address is in the table; data are the model's shared variables,
    one after another, with address and length in the table, and the last one's place.
    """

    function: Any
    data: FloatArray
    table: np.ndarray[Any, np.dtype[np.int64]]
    last: int

    def with_last(self, numbers: FloatArray) -> CompiledModel:
        """The same function of data of which the last variable, of one axis, has other numbers."""
        flat = np.concatenate([self.data[: self.last], numbers])
        table = np.array([self.table[0], flat.ctypes.data, flat.size], dtype=np.int64)
        return CompiledModel(self.function, flat, table, self.last)


def compiled_model(
    coordinates: Coordinates, density: Any = None, last: Any = None
) -> CompiledModel:
    """The log density at vectors (P,) of a model's coordinates, and its gradient.

    Shared variables, such as `pymc.Data`, are arguments, with their present values and shapes: as
    constants they would be compiled anew with every table.

    Parameters
    ----------
    coordinates : Coordinates
        Of the model.
    density : variable, optional
        The log density as a graph, if not as PyMC has it.
    last : shared variable, optional
        One in that graph, a vector whose length may change (`CompiledModel.with_last`).
    """
    model = coordinates.model
    density = rewrite_graph(model.logp() if density is None else density, include=_rewrites(model))
    gradients = [g.ravel() for g in pt.grad(density, model.value_vars)]
    output = pt.concatenate([density.reshape((1,)), *gradients])
    shared = [v for v in ancestors([output]) if hasattr(v, "get_value") and v is not last]
    shared += [] if last is None else [last]
    values = [np.asarray(v.get_value(borrow=True)) for v in shared]
    point = pt.TensorType("float64", shape=(coordinates.size,))("point")
    data = pt.TensorType("float64", shape=(None,))("data")
    replaced = _parts(point, model.value_vars, coordinates.shapes)
    replaced |= _parts(data, shared, [v.shape for v in values])
    before = 1 + sum(v.size for v in values[: -1 if last is not None else None])
    replaced |= {} if last is None else {last: data[before:]}
    with model, compiling(2):  # the model says whether parameters are checked
        function = pm.compile(
            [point, data], clone_replace([output], replaced), mode="NUMBA", on_unused_input="ignore"
        ).vm.jit_fn
        address = _address(function)
    flat = np.concatenate([np.zeros(1), *(v.ravel().astype(np.float64) for v in values)])
    table = np.array([address, flat.ctypes.data, flat.size], dtype=np.int64)
    return CompiledModel(function, flat, table, before)


def _address(function: Any) -> int:
    """Where the machine code of PyTensor's function is."""
    function.compile((_TAKEN,))
    version = function.overloads[_TAKEN,]
    if version.signature.return_type != _RETURNED:
        raise TypeError(f"PyTensor's function returns {version.signature.return_type}, which "
                        "is not known here: please report it.")  # fmt: skip
    return int(version.library.get_pointer_to_function(version.fndesc.llvm_func_name))


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
