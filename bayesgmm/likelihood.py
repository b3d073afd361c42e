"""The mixture's likelihood for PyMC: one distribution, whose density is one Op.

The Op returns the pointwise log-likelihood and, from the same pass over the data, the gradients
of its sum. The map from the model's variables to the pass and its pullback live inside, in code
compiled once per installation: a graph of matrix products would take PyTensor tens of seconds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import _support_point
from pymc.logprob.abstract import _logprob
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph import Apply, Constant, Op, Variable
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify
from pytensor.scalar import Second
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.random.op import RandomVariable

from .kernels.contract import FloatArray
from .kernels.native import VERSION, bartlett_symbol, native, variance_symbol

_DOUBLES = ctypes.POINTER(ctypes.c_double)
_N_VARIABLES = {"bartlett": 2, "variance": 1}
_N_CONSTANTS = {"bartlett": 1, "variance": 0}


class MixtureLogLikelihood(Op):
    """Log density of every row, and the gradients of the sum of all.

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
        return 2 + _N_VARIABLES[self.kind]

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(v).astype("float64") for v in inputs]
        x = variables[-2 if self.weighted else -1]
        log_density = pt.TensorType("float64", shape=x.type.shape[:1])()
        gradients = [v.type() for v in variables[: self.n_parameters]]
        return Apply(self, variables, [log_density, *gradients])

    def perform(
        self, node: Apply, inputs: Sequence[FloatArray], output_storage: list[list[Any]]
    ) -> None:
        arrays = [np.asarray(v, order="C") for v in inputs]
        if not self.weighted:
            arrays.append(np.empty(0))
        x, weights = arrays[-2:]
        n_components, d = arrays[1].shape
        outputs = [np.empty(len(x)), *(np.empty(v.shape) for v in arrays[: self.n_parameters])]
        rows = n_components if self.by_component else 1
        columns = d if self.by_feature else 1
        native(self.kind).ctypes(
            len(x), d, n_components, rows, columns, len(weights),
            *(a.ctypes.data_as(_DOUBLES) for a in (*arrays, *outputs)),
        )  # fmt: skip
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
    compiled = _compile_bartlett(op) if op.kind == "bartlett" else _compile_variance(op)
    if op.weighted:
        return compiled, VERSION

    @numba_njit
    def unweighted(*inputs):  # type: ignore[no-untyped-def]
        return compiled(*inputs, np.empty(0))

    return unweighted, VERSION


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


class GaussianMixtureRV(RandomVariable):
    """Rows of a Gaussian mixture; parameters as the inputs of the Op above, without x."""

    name = "gaussian_mixture"
    __props__ = (*RandomVariable.__props__, "kind", "by_component", "by_feature")
    _print_name = ("GaussianMixture", "\\operatorname{GaussianMixture}")

    def __init__(
        self, kind: str, by_component: bool, by_feature: bool, inplace: bool = False, **_: Any
    ) -> None:
        self.kind = kind
        self.by_component = by_component
        self.by_feature = by_feature
        k, d = ["k"] * by_component, ["d"] * by_feature
        covariance = [[*k, "d"], [*k, "m"], ["d", "d"]] if kind == "bartlett" else [[*k, *d]]
        parameters = [["k"], ["k", "d"], *covariance, ["d"], ["d"]]
        inputs = ",".join(f"({','.join(dims)})" for dims in parameters)
        super().__init__(dtype="float64", inplace=inplace, signature=f"{inputs}->(d)")

    def rng_fn(self, rng: np.random.Generator, *args: Any) -> FloatArray:
        """Draw rows: the component, then x = mu + B^-1 z."""
        *parameters, size = args
        for v, ndim in zip(parameters, self.ndims_params, strict=True):
            if v.size != np.prod(v.shape[v.ndim - ndim :]):
                raise NotImplementedError("GaussianMixture takes one set of parameters at a time.")
        pi, mu, *covariance, _, _ = (
            v.reshape(v.shape[v.ndim - ndim :])
            for v, ndim in zip(parameters, self.ndims_params, strict=True)
        )
        rows = np.empty((int(np.prod(size or ())), len(mu[0])))
        component = rng.choice(len(pi), size=len(rows), p=pi)
        z = rng.standard_normal(rows.shape)
        for k in range(len(pi)):
            mine = component == k
            rows[mine] = mu[k] + self._coloured(k, z[mine], covariance)
        return rows.reshape(*(size or ()), -1)

    def _coloured(self, k: int, z: FloatArray, covariance: list[FloatArray]) -> FloatArray:
        """Rows of unit normals made rows of Normal(0, Sigma_k)."""
        if self.kind == "variance":
            [variance] = covariance
            return z * np.sqrt(variance[k] if self.by_component else variance)
        chi2, lower = (v[k] if self.by_component else v for v in covariance[:2])
        triangle = np.diag(np.sqrt(chi2))
        triangle[np.tril_indices(len(chi2), -1)] = lower
        return np.linalg.solve((covariance[2] @ triangle).T, z.T).T


@numba_core_rv_funcify.register(GaussianMixtureRV)
def _compile_draw(op: GaussianMixtureRV, node: Apply) -> tuple[Any, int]:
    """One row; `rng_fn` in compiled code."""
    by_component = op.by_component

    @numba_njit
    def component(rng, pi):  # type: ignore[no-untyped-def]
        u = rng.random() * pi.sum()
        k = 0
        while k < len(pi) - 1 and u >= pi[k]:
            u -= pi[k]
            k += 1
        return k

    if op.kind == "variance":
        by_feature = op.by_feature

        @numba_njit
        def draw(rng, pi, mu, variance, center, inverse_scale):  # type: ignore[no-untyped-def]
            k = component(rng, pi)
            columns = variance.size // (len(pi) if by_component else 1)
            flat = variance.ravel()
            x = mu[k].copy()
            for j in range(len(x)):
                i = (k * columns if by_component else 0) + (j if by_feature else 0)
                x[j] += np.sqrt(flat[i]) * rng.standard_normal()
            return x

        return draw, VERSION

    @numba_njit
    def draw(rng, pi, mu, chi2, lower, root, center, inverse_scale):  # type: ignore[no-untyped-def]
        k = component(rng, pi)
        d = mu.shape[1]
        block = k if by_component else 0
        diagonal = chi2.ravel()[block * d :]
        below = lower.ravel()[block * (d * (d - 1) // 2) :]
        y = np.empty(d)
        for j in range(d - 1, -1, -1):  # T' y = z
            y[j] = rng.standard_normal()
            for i in range(j + 1, d):
                y[j] -= below[i * (i - 1) // 2 + j] * y[i]
            y[j] /= np.sqrt(diagonal[j])
        x = np.empty(d)
        for j in range(d):  # M' x = y
            x[j] = y[j]
            for i in range(j):
                x[j] -= root[i, j] * x[i]
            x[j] /= root[j, j]
        return x + mu[k]

    return draw, VERSION


class GaussianMixture(pm.Continuous):
    """Rows drawn independently from a Gaussian mixture, the allocations summed out.

    `GaussianMixture("y", pi, mu, *covariance, center, inverse_scale, form=..., observed=x)`:
    inputs as those of `MixtureLogLikelihood`, of whose arguments form is the first three.
    """

    rv_type = GaussianMixtureRV

    @classmethod
    def dist(cls, *parameters: Any, **kwargs: Any) -> pt.TensorVariable:
        """One variable outside a model."""
        return super().dist([pt.as_tensor_variable(v) for v in parameters], **kwargs)

    @classmethod
    def rv_op(
        cls, *parameters: Variable, form: tuple[str, bool, bool], size: Any = None, rng: Any = None
    ) -> pt.TensorVariable:
        """The random variable of that form."""
        rng = pt.random.shared_rng(seed=None) if rng is None else rng
        return GaussianMixtureRV(*form)(*parameters, size=size, rng=rng, return_next_rng=True)[1]


@_logprob.register(GaussianMixtureRV)
def _mixture_logprob(
    op: GaussianMixtureRV, values: Sequence[Variable], rng: Variable, size: Variable,
    *parameters: Variable, **kwargs: Any,
) -> Variable:  # fmt: skip
    [x] = values
    if x.type.ndim > 2:
        raise NotImplementedError("GaussianMixture takes rows (n, d), or one row (d,).")
    inputs = []
    for v, ndim in zip(parameters, op.ndims_params, strict=True):
        batch = tuple(range(v.type.ndim - ndim))
        if not all(v.type.broadcastable[i] for i in batch):
            raise NotImplementedError("GaussianMixture takes one set of parameters at a time.")
        inputs.append(v.squeeze(batch) if batch else v)  # undoes what RandomVariable put before
    likelihood = MixtureLogLikelihood(op.kind, op.by_component, op.by_feature)
    if x.type.ndim == 1:
        return likelihood(*inputs, x[None])[0][0]
    return likelihood(*inputs, x)[0]


@_support_point.register(GaussianMixtureRV)
def _mixture_support_point(
    op: GaussianMixtureRV, rv: Variable, rng: Variable, size: Variable, pi: Variable, mu: Variable,
    *_: Variable,
) -> Variable:  # fmt: skip
    return pt.broadcast_to((pi[..., None] * mu).sum(axis=-2), rv.shape)
