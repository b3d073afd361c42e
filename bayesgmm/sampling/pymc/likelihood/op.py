"""The mixture's log-likelihood as one PyTensor Op.

It returns the pointwise log-likelihood and, from the same pass over the data, the gradients
of its sum. It contains the map from the model's variables to the pass, and its pullback, in code
compiled once per installation: a graph of matrix products would take PyTensor tens of seconds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph import Apply, Constant, Op, Variable
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.scalar import Second
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise

from ....kernels.cache import VERSION_NUMBER
from ....utils.types import FloatArray
from .native import bartlett_symbol, native, variance_symbol

_DOUBLES = ctypes.POINTER(ctypes.c_double)
N_VARIABLES = {"bartlett": 2, "variance": 1}


class MixtureLogLikelihood(Op):
    """Log density of every row, and the gradients of their sum.

    Inputs pi (K,), mu (K, d), the covariance variables, their constants, center (d,),
    inverse_scale (d,), x (n, d), and row weights (n,) if weighted. Outputs the log densities (n,)
    and the gradients in pi, mu and the covariance variables of their (weighted) sum.
    """

    __props__ = ("kind", "by_component", "by_feature", "weighted")

    def __init__(
        self, kind: str, by_component: bool, by_feature: bool, weighted: bool = False
    ) -> None:
        self.kind = kind
        self.by_component = by_component
        self.by_feature = by_feature
        self.weighted = weighted

    @property
    def n_parameters(self) -> int:
        """Number of inputs that have a gradient."""
        return 2 + N_VARIABLES[self.kind]

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to inputs of any float type; every gradient has the type of its parameter."""
        variables = [pt.as_tensor_variable(v).astype("float64") for v in inputs]
        x = variables[-2 if self.weighted else -1]
        log_density = pt.TensorType("float64", shape=x.type.shape[:1])()
        gradients = [v.type() for v in variables[: self.n_parameters]]
        return Apply(self, variables, [log_density, *gradients])

    def perform(
        self, node: Apply, inputs: Sequence[FloatArray], output_storage: list[list[Any]]
    ) -> None:
        """For linkers other than numba: the same compiled function, called from Python."""
        arrays = [np.asarray(v, order="C") for v in inputs]
        if not self.weighted:
            arrays.append(np.empty(0))
        x, weights = arrays[-2:]
        n_components, d = arrays[1].shape
        outputs = [np.empty(len(x)), *(np.empty(v.shape) for v in arrays[: self.n_parameters])]
        rows = n_components if self.by_component else 1
        columns = d if self.by_feature else 1
        sizes = (len(x), d, n_components, rows, columns, len(weights))
        pointers = [a.ctypes.data_as(_DOUBLES) for a in (*arrays, *outputs)]
        types = [ctypes.c_int64] * len(sizes) + [_DOUBLES] * len(pointers)
        ctypes.CFUNCTYPE(None, *types)(native(self.kind).address)(*sizes, *pointers)
        for storage, value in zip(output_storage, outputs, strict=True):
            storage[0] = value

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Scale the gradients already there if every row counts the same; else a weighted pass."""
        fixed = [
            grad_not_implemented(self, i, v, "only the parameters have a gradient")
            for i, v in enumerate(inputs)
        ][self.n_parameters :]
        if self.weighted or not all(isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
            raise NotImplementedError("the mixture's likelihood has no second derivatives.")
        factor = _common_factor(cotangents[0])
        if factor is not None:
            return [factor * g for g in outputs[1:]] + fixed
        weighted = type(self)(self.kind, self.by_component, self.by_feature, weighted=True)
        return weighted(*inputs, cotangents[0])[1:] + fixed


def _common_factor(cotangent: Variable) -> Variable | None:
    """The scalar that every element equals, where the graph shows that one does."""
    if cotangent.type.ndim == 0:
        return cotangent
    if all(cotangent.type.broadcastable):
        return cotangent.dimshuffle()
    if isinstance(cotangent, Constant):
        values = np.unique(cotangent.data)
        return pt.constant(values[0]) if len(values) == 1 else None
    if cotangent.owner is None:
        return None
    op, inputs = cotangent.owner.op, cotangent.owner.inputs
    if isinstance(op, Alloc | DimShuffle):
        return _common_factor(inputs[0])
    if isinstance(op, Elemwise):
        if isinstance(op.scalar_op, Second):
            return _common_factor(inputs[1])
        factors = [_common_factor(v) for v in inputs]
        return None if any(f is None for f in factors) else op(*factors)
    return None


@register_funcify_default_op_cache_key(MixtureLogLikelihood)
def _compile_likelihood(op: MixtureLogLikelihood, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    native(op.kind)  # registers the symbol
    compiled = _COMPILE[op.kind](op)
    if op.weighted:
        return compiled, VERSION_NUMBER

    @numba_njit
    def unweighted(*inputs):  # type: ignore[no-untyped-def]
        return compiled(*inputs, np.empty(0))

    return unweighted, VERSION_NUMBER


def _compile_bartlett(op: MixtureLogLikelihood) -> Any:
    by_component = op.by_component

    @numba_njit
    def bartlett(pi, mu, chi2, lower, root, center, inverse_scale, x, row_weights):  # type: ignore[no-untyped-def]
        n, d = x.shape
        log_density, g_pi, g_mu = np.empty(n), np.empty(pi.shape), np.empty(mu.shape)
        g_chi2, g_lower = np.empty(chi2.shape), np.empty(lower.shape)
        # ravel: contiguous whatever the graph hands over
        bartlett_symbol(
            n, d, len(pi), len(pi) if by_component else 1, d, len(row_weights),
            pi.ravel().ctypes, mu.ravel().ctypes, chi2.ravel().ctypes, lower.ravel().ctypes,
            root.ravel().ctypes, center.ravel().ctypes, inverse_scale.ravel().ctypes,
            x.ravel().ctypes, row_weights.ravel().ctypes, log_density.ctypes, g_pi.ctypes,
            g_mu.ctypes, g_chi2.ctypes, g_lower.ctypes,
        )  # fmt: skip
        return log_density, g_pi, g_mu, g_chi2, g_lower

    return bartlett


def _compile_variance(op: MixtureLogLikelihood) -> Any:
    by_component, by_feature = op.by_component, op.by_feature

    @numba_njit
    def variances(pi, mu, variance, center, inverse_scale, x, row_weights):  # type: ignore[no-untyped-def]
        n, d = x.shape
        log_density, g_pi, g_mu = np.empty(n), np.empty(pi.shape), np.empty(mu.shape)
        g_variance = np.empty(variance.shape)
        variance_symbol(
            n, d, len(pi), len(pi) if by_component else 1, d if by_feature else 1,
            len(row_weights), pi.ravel().ctypes, mu.ravel().ctypes, variance.ravel().ctypes,
            center.ravel().ctypes, inverse_scale.ravel().ctypes, x.ravel().ctypes,
            row_weights.ravel().ctypes, log_density.ctypes, g_pi.ctypes, g_mu.ctypes,
            g_variance.ctypes,
        )  # fmt: skip
        return log_density, g_pi, g_mu, g_variance

    return variances


_COMPILE = {"bartlett": _compile_bartlett, "variance": _compile_variance}
