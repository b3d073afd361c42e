"""A PyMC model's free variables as vectors, and functions of them for many vectors at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.initial_point import make_initial_point_fn
from pytensor.graph import graph_replace, vectorize_graph

from ...utils.types import FloatArray


class Coordinates:
    """The free variables of a model, on the scale that samplers move in, one after another.

    Parameters
    ----------
    model : pymc.Model
        With continuous variables only.
    values : mapping of name to array, optional
        Where to start some variables, each on its own scale.

    Attributes
    ----------
    start : array (P,)
        Where PyMC itself would start, but for those values.

    Raises
    ------
    ValueError
        The model has discrete variables.
    """

    def __init__(self, model: pm.Model, values: Mapping[str, FloatArray] | None = None) -> None:
        if model.discrete_value_vars:
            names = ", ".join(v.name for v in model.discrete_value_vars)
            raise ValueError(
                f"the model has discrete variables ({names}), which NUTS cannot sample: sum them "
                "out, as the mixture does with its allocations."
            )
        self.model = model
        known = dict(values or {})
        with without_c():
            start = make_initial_point_fn(model=model, overrides=known, return_transformed=True)
        initial = start(0)
        arrays = [np.asarray(initial[v.name], dtype=np.float64) for v in model.value_vars]
        self.shapes = [a.shape for a in arrays]
        self.start: FloatArray = np.concatenate([a.ravel() for a in arrays])

    @property
    def size(self) -> int:
        """Number P of coordinates."""
        return len(self.start)

    def split(self, vectors: FloatArray) -> list[FloatArray]:
        """The value variables (..., *shape) in vectors (..., P)."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        return [
            vectors[..., end - math.prod(shape) : end].reshape((*vectors.shape[:-1], *shape))
            for end, shape in zip(ends, self.shapes, strict=True)
        ]

    def graphs(self, variables: Sequence[Any]) -> list[Any]:
        """Graphs of variables of the model in terms of its value variables."""
        return list(self.model.replace_rvs_by_values(list(variables)))

    def function(self, variables: Sequence[Any]) -> Callable[[FloatArray], list[FloatArray]]:
        """The values (S, *shape) of variables of the model at vectors (S, P).

        Compiled for many vectors at once, in Python: in a second, where machine code takes many.
        """
        graphs = [pt.as_tensor_variable(g) for g in self.graphs(variables)]
        inputs = [
            pt.tensor(dtype=v.dtype, shape=(None, *shape))
            for v, shape in zip(self.model.value_vars, self.shapes, strict=True)
        ]
        batched = vectorize_graph(graphs, dict(zip(self.model.value_vars, inputs, strict=True)))
        compiled = python_function(inputs, batched)
        free = [b.type.ndim > g.type.ndim for b, g in zip(batched, graphs, strict=True)]

        def values(vectors: FloatArray) -> list[FloatArray]:
            found = compiled(*self.split(vectors))
            return [
                np.asarray(v) if varies else np.broadcast_to(v, (len(vectors), *np.shape(v)))
                for v, varies in zip(found, free, strict=True)
            ]

        return _in_parts(values)

    def each(self, graph: Any) -> Callable[[FloatArray], FloatArray]:
        """The values (S, *shape) of a graph of value variables at vectors (S, P), one by one."""
        compiled = python_function(self.model.value_vars, graph)
        return lambda vectors: np.array([compiled(*self.split(v)) for v in vectors])

    def vectors(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """The vectors (S, P) of values (S, *shape) of every free variable, on its own scale."""
        model = self.model
        own = {rv: pt.tensor(dtype=rv.dtype, shape=rv.type.shape) for rv in model.free_RVs}
        coordinates = []
        for rv, value in own.items():
            transform = model.rvs_to_transforms[rv]
            if transform is not None:
                parents = graph_replace(list(rv.owner.inputs), own, strict=False)
                value = transform.forward(value, *parents)
            coordinates.append(value)
        compiled = python_function(list(own.values()), coordinates)
        arrays = [np.asarray(values[rv.name], dtype=rv.dtype) for rv in own]
        with np.errstate(invalid="ignore", divide="ignore"):  # outside a constraint
            rows = [
                np.concatenate([np.ravel(v) for v in compiled(*at)])
                for at in zip(*arrays, strict=True)
            ]
        return np.array(rows)


def without_c() -> Any:
    """A context in which PyTensor compiles no C, which takes ten seconds before the first call."""
    return pytensor.config.change_flags(cxx="")


def python_function(inputs: Sequence[Any], outputs: Any) -> Callable[..., Any]:
    """A function of a graph in Python, for the few calls before and after sampling."""
    with without_c():
        function: Callable[..., Any] = pytensor.function(
            list(inputs), outputs, mode="FAST_COMPILE", on_unused_input="ignore"
        )
    return function


def _in_parts(
    function: Callable[[FloatArray], list[FloatArray]],
) -> Callable[[FloatArray], list[FloatArray]]:
    """The same function of many vectors, a few hundred of which are in memory at a time."""

    def values(vectors: FloatArray) -> list[FloatArray]:
        parts = [function(vectors[s : s + _AT_ONCE]) for s in range(0, len(vectors), _AT_ONCE)]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    return values


# Vectors at which a function is evaluated at once.
_AT_ONCE = 200
