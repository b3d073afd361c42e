"""The random scale of an inverse Wishart as a PyMC variable: Psi's diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform
from pymc.logprob.transforms import SimplexTransform

from ...families.hyperparameters import Gamma
from ...families.parametrisation.base import FEATURE, Parametrisation
from ...mixture.prior import Prior
from ...utils.types import FloatArray


def random_scale(parametrisation: Parametrisation, prior: Prior) -> Any:
    """The variable of a random scale in the open model, or None where it is known."""
    scale = prior.scale
    if not isinstance(scale, Gamma):
        return None
    if parametrisation.family.one_scale:
        return _multiple(scale.shape, np.asarray(scale.rate))
    by_shares = {"default_transform": _SumAndShares(parametrisation.d)}
    more = by_shares if parametrisation.scale_by_shares else {}
    return pm.Gamma("scale", scale.shape, scale.rate, dims=FEATURE, **more)


def _multiple(shape: float, rates: FloatArray) -> Any:
    """A scale t / rates of one gamma variable t; densities are those of t."""

    def log_density(value: Any, rates: Any) -> Any:
        return pm.logp(pm.Gamma.dist(shape, 1.0), value[0] * rates[0])

    def random(rates: Any, rng: np.random.Generator, size: Any) -> FloatArray:
        return np.asarray(rng.gamma(shape) / rates)

    return pm.CustomDist(
        "scale", rates, logp=log_density, random=random, signature="(d)->(d)",
        support_point=lambda rv, size, rates: shape / rates, dims=FEATURE,
        default_transform=_Multiple(rates),
    )  # fmt: skip


class _Multiple(Transform):
    """Multiples t / rates of given numbers by log t."""

    name = "multiple"
    ndim_supp = 1

    def __init__(self, rates: FloatArray) -> None:
        self.rates = rates

    def forward(self, value: Any, *inputs: Any) -> Any:
        """The logarithm of t."""
        return pt.log(value[..., :1] * self.rates[0])

    def backward(self, value: Any, *inputs: Any) -> Any:
        """The multiples."""
        return pt.exp(value) / self.rates

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log t."""
        return value[..., 0]


class _SumAndShares(SimplexTransform):
    """Positive numbers by the logarithm of their sum, and their shares in it on the simplex."""

    name = "sum_and_shares"

    def __init__(self, d: int) -> None:
        self.d = d

    def forward(self, value: pt.TensorVariable, *inputs: Any) -> pt.TensorVariable:
        total = value.sum(axis=-1, keepdims=True)
        return pt.concatenate([pt.log(total), super().forward(value / total)], axis=-1)

    def backward(self, value: pt.TensorVariable, *inputs: Any) -> pt.TensorVariable:
        return pt.exp(value[..., 0, None]) * super().backward(value[..., 1:])

    def log_jac_det(self, value: pt.TensorVariable, *inputs: Any) -> pt.TensorVariable:
        return np.log(self.d) + pt.log(self.backward(value)).sum(axis=-1)
