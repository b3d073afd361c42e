"""Rows of a Gaussian mixture as a PyMC distribution: draws, and the density of `op`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import _support_point
from pymc.logprob.abstract import _logprob
from pytensor.graph import Apply, Variable
from pytensor.link.numba.dispatch.basic import numba_njit
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify
from pytensor.tensor.random.op import RandomVariable

from ....kernels.cache import VERSION_NUMBER
from ....utils.types import FloatArray
from .means import draw_bartlett
from .op import N_VARIABLES, MixtureLogLikelihood


class GaussianMixtureRV(RandomVariable):
    """Rows of a Gaussian mixture; parameters are the inputs of `MixtureLogLikelihood` but x."""

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
        dims = {"bartlett": [[*k, "d"], [*k, "m"], ["d", "d"]], "variance": [[*k, *d]]}
        parameters = [["k"], ["k", "d"], *dims[kind], ["d"], ["d"]]
        inputs = ",".join(f"({','.join(of_one)})" for of_one in parameters)
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
        """Rows of Normal(0, Sigma_k) from rows of standard normals."""
        free = [v[k] if self.by_component else v for v in covariance[: N_VARIABLES[self.kind]]]
        return _COLOURED[self.kind](z, *free, *covariance[len(free) :])


def _coloured_by_variances(z: FloatArray, variance: FloatArray) -> FloatArray:
    return z * np.sqrt(variance)


def _coloured_by_bartlett(
    z: FloatArray, chi2: FloatArray, lower: FloatArray, root: FloatArray
) -> FloatArray:
    triangle = np.diag(np.sqrt(chi2))
    triangle[np.tril_indices(len(chi2), -1)] = lower
    return np.linalg.solve((root @ triangle).T, z.T).T


_COLOURED: dict[str, Callable[..., FloatArray]] = {
    "bartlett": _coloured_by_bartlett,
    "variance": _coloured_by_variances,
}


@numba_core_rv_funcify.register(GaussianMixtureRV)
def _compile_draw(op: GaussianMixtureRV, node: Apply) -> tuple[Any, int]:
    """The compiled draw of one row, as by `rng_fn`."""
    return _COMPILE_DRAW[op.kind](op), VERSION_NUMBER


@numba_njit
def _component(rng, pi):  # type: ignore[no-untyped-def]
    u = rng.random() * pi.sum()
    k = 0
    while k < len(pi) - 1 and u >= pi[k]:
        u -= pi[k]
        k += 1
    return k


def _compile_variance_draw(op: GaussianMixtureRV) -> Any:
    by_component, by_feature = op.by_component, op.by_feature

    @numba_njit
    def draw(rng, pi, mu, variance, center, inverse_scale):  # type: ignore[no-untyped-def]
        k = _component(rng, pi)
        variances = np.asarray(variance).ravel()  # a shared variance comes as a number
        columns = mu.shape[1] if by_feature else 1
        x = mu[k].copy()
        for j in range(len(x)):
            i = (k * columns if by_component else 0) + (j if by_feature else 0)
            x[j] += np.sqrt(variances[i]) * rng.standard_normal()
        return x

    return draw


def _compile_bartlett_draw(op: GaussianMixtureRV) -> Any:
    by_component = op.by_component

    @numba_njit
    def draw(rng, pi, mu, chi2, lower, root, center, inverse_scale):  # type: ignore[no-untyped-def]
        k = _component(rng, pi)
        d = mu.shape[1]
        block = k if by_component else 0
        diagonal = chi2.ravel()[block * d :]
        below = lower.ravel()[block * (d * (d - 1) // 2) :]
        return draw_bartlett(rng, mu[k], diagonal, below, root)

    return draw


_COMPILE_DRAW = {"bartlett": _compile_bartlett_draw, "variance": _compile_variance_draw}


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
