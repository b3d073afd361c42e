"""The mixture's likelihood as one PyTensor operation and one PyMC distribution.

The operation returns the pointwise log-likelihood and, from the same pass over the data, the
gradient of its sum: NUTS pays one pass per step. Everything between the model's variables and
the pass happens in compiled kernels, so PyTensor has next to nothing to compile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.abstract import _logprob
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.scalar.basic import Second
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RandomVariable

from ._version import __version__
from .kernels.likelihood import bartlett_likelihood, variance_likelihood

_KERNEL_VERSION = int.from_bytes(__version__.encode(), "big") % 2**31


class MixtureLogLikelihood(Op):  # type: ignore[misc]
    """Pointwise log-likelihood (n,) and the gradients of its row-weighted sum.

    Inputs: pi (K,), mu (K, d), the covariance variables, constants, x (n, d) and row weights (n,)
    (none of them: weight 1). Outputs: the log-likelihood of the rows, and one gradient for each
    of pi, mu and the covariance variables.
    """

    __props__ = ("full",)

    def __init__(self, full: bool) -> None:
        self.full = full
        self.n_free = 4 if full else 3

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(i) for i in inputs)
        free = inputs[: self.n_free]
        return Apply(self, list(inputs), [pt.vector(shape=(None,)), *(v.type() for v in free)])

    def perform(self, node: Apply, inputs: list[Any], storage: list[list[Any]]) -> None:
        kernel = bartlett_likelihood if self.full else variance_likelihood
        arrays = [np.ascontiguousarray(i, dtype=np.float64) for i in inputs]
        for cell, value in zip(storage, kernel(*arrays), strict=True):
            cell[0] = value

    def infer_shape(self, fgraph: Any, node: Apply, shapes: list[Any]) -> list[Any]:
        return [(shapes[-2][0],), *shapes[: self.n_free]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        n_inputs, n_outputs = len(node.inputs), len(node.outputs)
        return [[i < self.n_free and o == 0 for o in range(n_outputs)] for i in range(n_inputs)]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Scale this pass's own gradients if the rows count alike, else make a weighted pass."""
        rows = cotangents[0]
        disconnected = [disconnected_type() for _ in inputs[self.n_free :]]
        if isinstance(rows.type, DisconnectedType):
            return [v.zeros_like() for v in inputs[: self.n_free]] + disconnected
        factor = _uniform(rows)
        if factor is not None:
            gradients = [factor * g for g in outputs[1:]]
        else:
            gradients = self(*inputs[:-1], rows)[1:]
        return [*gradients, *disconnected]


def _uniform(rows: Any) -> Any:
    """The number all rows' cotangents equal, as in the gradient of a sum; None if they differ."""
    node = rows.owner
    if node is None:
        return None
    if isinstance(node.op, Alloc):
        value = node.inputs[0]
    elif isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Second):
        value = node.inputs[1]
    else:
        return None
    if all(value.type.broadcastable):
        return value.reshape(()) if value.type.ndim else value
    return None


@register_funcify_default_op_cache_key(MixtureLogLikelihood)
def _compile(op: MixtureLogLikelihood, node: Apply, **kwargs: Any) -> Any:
    """Hand the arrays, contiguous, to kernels that are compiled already."""
    if op.full:

        @numba_njit
        def mixture_log_likelihood(pi, mu, chi2, lower, root, center, inverse_scale, x, weights):  # type: ignore[no-untyped-def]
            return bartlett_likelihood(
                np.ascontiguousarray(pi), np.ascontiguousarray(mu), np.ascontiguousarray(chi2),
                np.ascontiguousarray(lower), np.ascontiguousarray(root),
                np.ascontiguousarray(center), np.ascontiguousarray(inverse_scale),
                np.ascontiguousarray(x), np.ascontiguousarray(weights),
            )  # fmt: skip

    else:

        @numba_njit
        def mixture_log_likelihood(pi, mu, variance, center, inverse_scale, x, weights):  # type: ignore[no-untyped-def]
            return variance_likelihood(
                np.ascontiguousarray(pi), np.ascontiguousarray(mu),
                np.ascontiguousarray(variance), np.ascontiguousarray(center),
                np.ascontiguousarray(inverse_scale), np.ascontiguousarray(x),
                np.ascontiguousarray(weights),
            )  # fmt: skip

    return mixture_log_likelihood, _KERNEL_VERSION


class _FullMixtureRV(RandomVariable):  # type: ignore[misc]
    """Rows of a mixture with full covariances, in the model's own variables."""

    name = "gaussian_mixture"
    signature = "(k),(k,d),(j,d),(j,m),(d,d),(d),(d)->(d)"
    dtype = "floatX"
    _print_name = ("GaussianMixture", "\\operatorname{GaussianMixture}")

    @classmethod
    def rng_fn(cls, rng, pi, mu, chi2, lower, root, center, inverse_scale, size=None):  # type: ignore[no-untyped-def]
        d = mu.shape[-1]
        triangle = np.zeros((*chi2.shape, d))
        triangle[..., np.arange(d), np.arange(d)] = np.sqrt(chi2)
        triangle[..., *np.tril_indices(d, -1)] = lower
        # x = mu + (M T)^-T z has precision M T T' M'
        unit = np.broadcast_to(np.eye(d), (*triangle.shape[:-2], d, d))
        root_t = np.swapaxes(root[..., None, :, :] @ triangle, -1, -2)
        return _draw(rng, pi, mu, np.linalg.solve(root_t, unit), size)


class _DiagonalMixtureRV(RandomVariable):  # type: ignore[misc]
    """Rows of a mixture with diagonal covariances."""

    name = "gaussian_mixture"
    signature = "(k),(k,d),(j,m),(d),(d)->(d)"
    dtype = "floatX"
    _print_name = ("GaussianMixture", "\\operatorname{GaussianMixture}")

    @classmethod
    def rng_fn(cls, rng, pi, mu, variance, center, inverse_scale, size=None):  # type: ignore[no-untyped-def]
        d = mu.shape[-1]
        sd = np.sqrt(np.broadcast_to(variance, (*variance.shape[:-1], d)))
        return _draw(rng, pi, mu, sd[..., None] * np.eye(d), size)


def _draw(rng: np.random.Generator, pi: Any, mu: Any, roots: Any, size: Any) -> np.ndarray:
    """Rows mu_k + roots_k z with k drawn by pi; batches of parameters broadcast against size."""
    batch = np.broadcast_shapes(pi.shape[:-1], mu.shape[:-2], roots.shape[:-3])
    size = batch if size is None else tuple(size)
    n_components, d = mu.shape[-2:]
    pi = np.broadcast_to(pi, (*size, n_components))
    u = rng.random((*size, 1))
    k = np.minimum(np.sum(u > np.cumsum(pi, axis=-1), axis=-1), n_components - 1)
    z = rng.standard_normal((*size, d))
    if mu.size == n_components * d:  # one set of parameters for all rows
        roots = np.broadcast_to(roots.reshape(-1, d, d), (n_components, d, d))
        return mu.reshape(n_components, d)[k] + np.einsum("...ij,...j->...i", roots[k], z)
    mu = np.broadcast_to(mu, (*size, n_components, d))
    roots = np.broadcast_to(roots, (*size, n_components, d, d))
    chosen = np.take_along_axis(roots, k[..., None, None, None], axis=-3)[..., 0, :, :]
    means = np.take_along_axis(mu, k[..., None, None], axis=-2)[..., 0, :]
    return means + np.einsum("...ij,...j->...i", chosen, z)


@_logprob.register(_FullMixtureRV)
@_logprob.register(_DiagonalMixtureRV)
def _mixture_logprob(op: Any, values: Any, *inputs: Any, **kwargs: Any) -> Any:
    parameters = []
    for p, core in zip(inputs[2:], op.ndims_params, strict=True):  # after generator and size
        # The rows' axis broadcasts over the parameters: they carry it with length 1.
        if p.ndim > core + 1 or (p.ndim == core + 1 and not p.type.broadcastable[0]):
            raise NotImplementedError("a GaussianMixture takes one set of parameters for all rows.")
        parameters.append(p[0] if p.ndim > core else p)
    loglik = MixtureLogLikelihood(full=isinstance(op, _FullMixtureRV))
    return loglik(*parameters, values[0], pt.zeros((0,)))[0]


class FullGaussianMixture(pm.Distribution):  # type: ignore[misc]
    """Rows of a Gaussian mixture with full covariances, allocations summed out.

    Parameters (positional): pi (K,), mu (K, d), the Bartlett variables chi2 (K or 1, d) and lower
    (K or 1, d(d-1)/2), the root M (d, d); then the centre (d,) and inverse scale (d,) of the
    columns, which only decide in which coordinates the arithmetic is done.
    """

    rv_op = _FullMixtureRV()

    @classmethod
    def dist(cls, *parameters: Any, **kwargs: Any) -> Any:
        return super().dist([pt.as_tensor_variable(p) for p in parameters], **kwargs)


class DiagonalGaussianMixture(pm.Distribution):  # type: ignore[misc]
    """Rows of a Gaussian mixture with diagonal covariances, allocations summed out.

    Parameters (positional): pi (K,), mu (K, d), variance (K or 1, d or 1); then the centre (d,)
    and inverse scale (d,) of the columns.
    """

    rv_op = _DiagonalMixtureRV()

    @classmethod
    def dist(cls, *parameters: Any, **kwargs: Any) -> Any:
        return super().dist([pt.as_tensor_variable(p) for p in parameters], **kwargs)
