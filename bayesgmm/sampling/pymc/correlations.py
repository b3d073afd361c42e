"""Cholesky factors of correlations by canonical partial correlations, as PyTensor Ops.

Row i of the factor has z_ij sqrt(prod_{l<j} (1 - z_il^2)) and, on the diagonal, what is left; z is
tanh of the coordinates (Lewandowski, Kurowicka & Joe 2009, Journal of Multivariate Analysis 100,
eq. 2, 3). The same as a graph of PyTensor's own Ops takes Numba ten seconds to compile, and these
take half of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile import optdb
from pytensor.gradient import DisconnectedType
from pytensor.graph import Apply, FunctionGraph, Op, Variable, clone_replace
from pytensor.graph.replace import _vectorize_node
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from ...kernels.cache import VERSION_NUMBER
from ...kernels.compilation import jit
from ...utils.types import FloatArray


class CorrelationFactor(Op):
    """Factors (..., d, d) and the log Jacobian (...) of coordinates (..., d(d-1)/2), by rows."""

    __props__ = ("d",)

    def __init__(self, d: int) -> None:
        self.d = d

    def make_node(self, value: Any) -> Apply:
        """Apply to coordinates of any float type."""
        value = pt.as_tensor_variable(value).astype("float64")
        batch = value.type.shape[:-1]
        outputs = [pt.TensorType("float64", shape=s)() for s in ((*batch, self.d, self.d), batch)]
        return Apply(self, [value], outputs)

    def perform(
        self, node: Apply, inputs: Sequence[FloatArray], output_storage: list[list[Any]]
    ) -> None:
        """For linkers other than Numba."""
        [value] = inputs
        flat = np.ascontiguousarray(value).reshape(-1, value.shape[-1])
        factors, log_jacobian = np.zeros((len(flat), self.d, self.d)), np.zeros(len(flat))
        write_factors(flat, factors, log_jacobian)
        output_storage[0][0] = factors.reshape(*value.shape[:-1], self.d, self.d)
        output_storage[1][0] = log_jacobian.reshape(value.shape[:-1])

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """By an Op of its own."""
        given = [
            pt.zeros_like(output) if isinstance(c.type, DisconnectedType) else c
            for c, output in zip(cotangents, outputs, strict=True)
        ]
        return [CorrelationSlope(self.d)(inputs[0], *given)]

    def graph(self, value: Variable) -> list[Variable]:
        """The same of PyTensor's own Ops."""
        rows, columns = np.tril_indices(self.d, -1)
        own = 2.0 * (np.log(2.0) - value - pt.softplus(-2.0 * value))  # log(1 - z^2)
        before = self._lower(own) @ np.triu(np.ones((self.d, self.d)), 1)
        factors = (self._lower(pt.tanh(value)) + np.eye(self.d)) * pt.tril(pt.exp(0.5 * before))
        return [factors, (own + 0.5 * before[..., rows, columns]).sum(axis=-1)]

    def _lower(self, value: Any) -> Any:
        matrix = pt.zeros((*[value.shape[i] for i in range(value.ndim - 1)], self.d, self.d))
        return matrix[..., *np.tril_indices(self.d, -1)].set(value)


class CorrelationSlope(Op):
    """The gradient in the coordinates of what has these gradients in a `CorrelationFactor`'s."""

    __props__ = ("d",)

    def __init__(self, d: int) -> None:
        self.d = d

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to coordinates, and gradients in the factors and in the log Jacobian."""
        variables = [pt.as_tensor_variable(v).astype("float64") for v in inputs]
        return Apply(self, variables, [variables[0].type()])

    def perform(
        self, node: Apply, inputs: Sequence[FloatArray], output_storage: list[list[Any]]
    ) -> None:
        """For linkers other than Numba."""
        value, of_factors, of_jacobian = inputs
        flat = np.ascontiguousarray(value).reshape(-1, value.shape[-1])
        slope = np.empty(flat.shape)
        of_factors = np.ascontiguousarray(of_factors).reshape(-1, self.d, self.d)
        write_slopes(flat, of_factors, np.ascontiguousarray(of_jacobian).ravel(), slope)
        output_storage[0][0] = slope.reshape(value.shape)

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """By the graph: second derivatives are rare, and need not be fast."""
        own = [v.type() for v in inputs]  # the inputs may depend on each other
        known = dict(zip(self.graph(*own), cotangents, strict=True))
        found = pt.grad(None, own, known_grads=known)
        return list(clone_replace(found, dict(zip(own, inputs, strict=True))))

    def graph(self, value: Variable, *cotangents: Variable) -> list[Variable]:
        """The same of PyTensor's own Ops."""
        known = dict(zip(CorrelationFactor(self.d).graph(value), cotangents, strict=True))
        return [pt.grad(None, value, known_grads=known)]


@_vectorize_node.register(CorrelationFactor)
@_vectorize_node.register(CorrelationSlope)
def _vectorized(op: Op, node: Apply, *inputs: Any) -> Apply:
    """Of any batch, the Op itself."""
    made = op.make_node(*inputs)
    assert isinstance(made, Apply)
    return made


@node_rewriter([CorrelationFactor, CorrelationSlope])
def _as_graph(fgraph: FunctionGraph, node: Apply) -> list[Variable]:
    found: list[Variable] = node.op.graph(*node.inputs)
    return found


# JAX compiles PyTensor's own Ops; before shapes that are known become numbers.
optdb.register("bayesgmm_correlations", dfs_rewriter(_as_graph), "jax", position=0.01)


@register_funcify_default_op_cache_key(CorrelationFactor)
def _compile_factor(op: CorrelationFactor, node: Apply, **_: Any) -> tuple[Any, int]:
    d = op.d

    @numba_njit
    def factor(value):  # type: ignore[no-untyped-def]
        flat = np.ascontiguousarray(value).reshape((-1, value.shape[-1]))
        factors, log_jacobian = np.zeros((len(flat), d, d)), np.zeros(len(flat))
        write_factors(flat, factors, log_jacobian)
        batch = value.shape[:-1]
        return factors.reshape((*batch, d, d)), log_jacobian.reshape(batch)

    return factor, VERSION_NUMBER


@register_funcify_default_op_cache_key(CorrelationSlope)
def _compile_slope(op: CorrelationSlope, node: Apply, **_: Any) -> tuple[Any, int]:
    d = op.d

    @numba_njit
    def slope(value, of_factors, of_jacobian):  # type: ignore[no-untyped-def]
        flat = np.ascontiguousarray(value).reshape((-1, value.shape[-1]))
        out = np.empty(flat.shape)
        of_factors = np.ascontiguousarray(of_factors).reshape((-1, d, d))
        write_slopes(flat, of_factors, np.ascontiguousarray(of_jacobian).ravel(), out)
        return out.reshape(value.shape)

    return slope, VERSION_NUMBER


@jit()
def write_factors(values, factors, log_jacobian):  # type: ignore[no-untyped-def]
    """Write factors (S, d, d) into zeros, and log Jacobians (S,), of values (S, d(d-1)/2)."""
    for s in range(len(values)):
        at = 0
        total = 0.0
        for i in range(factors.shape[1]):
            left = 0.0  # log prod (1 - z^2)
            for j in range(i):
                v = values[s, at]
                factors[s, i, j] = np.tanh(v) * np.exp(0.5 * left)
                total += 0.5 * left
                left += _log_rest(v)
                at += 1
            total += left
            factors[s, i, i] = np.exp(0.5 * left)
        log_jacobian[s] = total


@jit()
def write_slopes(values, of_factors, of_jacobian, out):  # type: ignore[no-untyped-def]
    """Write the gradient (S, d(d-1)/2) from those in the factors and in the log Jacobians."""
    for s in range(len(values)):
        at = 0
        for i in range(of_factors.shape[1]):
            left = 0.0
            for j in range(i):
                left += _log_rest(values[s, at + j])
            later = of_factors[s, i, i] * np.exp(0.5 * left)  # sum of C_ij and its gradient
            for j in range(i - 1, -1, -1):
                v = values[s, at + j]
                rest = _log_rest(v)
                left -= rest
                z, root = np.tanh(v), np.exp(0.5 * left)
                of_rest = 0.5 * later + of_jacobian[s] * (1.0 + 0.5 * (i - 1 - j))
                of_element = of_factors[s, i, j]
                out[s, at + j] = of_element * np.exp(rest) * root - 2.0 * z * of_rest
                later += of_element * z * root
            at += i


@jit()
def _log_rest(v):  # type: ignore[no-untyped-def]
    """log(1 - tanh(v)^2), of which no digits are lost."""
    a = np.abs(v)
    return 2.0 * (np.log(2.0) - a - np.log1p(np.exp(-2.0 * a)))
