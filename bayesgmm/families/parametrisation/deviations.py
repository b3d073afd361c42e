"""Covariances by deviations and correlations, which are independent under the LKJ prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...utils.matrices import diagonals
from ...utils.types import FloatArray
from ..lkj import LKJ
from .base import FEATURE, PAIR, Distribution, Parametrisation, Variable
from .transforms import Logit


@final
@dataclass(frozen=True)
class Deviations(Parametrisation):
    """Sigma = diag(s) C C' diag(s), C by canonical partial correlations z; diagonal ones by s.

    C_ij = z_ij sqrt(prod_{l<j} (1 - z_il^2)), with 1 for z_ii. The variables are s, or s^2 where
    that is inverse gamma, and (1 + z) / 2, beta variables of the shapes of `LKJ.beta_shapes`
    (Lewandowski, Kurowicka & Joe 2009, eq. 2, 3 and section 3.2).
    """

    kind = "deviations"
    names = ("deviation", "variance", "half_partial")
    lkj: LKJ

    @property
    def full(self) -> bool:
        """Whether there are correlations."""
        return self.d > 1 and not self.diagonal

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Deviations or variances, then the partial correlations by rows."""
        of_each = Variable(self.names[self.lkj.shape is not None], (*self._component, FEATURE))
        if not self.full:
            return (of_each,)
        return of_each, Variable(self.names[2], (*self._component, PAIR), Logit())

    def priors(self, prior: Any, scale: Any = None) -> tuple[Distribution, ...]:
        """Half-t or inverse gamma, and beta."""
        lkj = self.lkj
        of_each = Distribution("HalfStudentT", {"nu": lkj.nu, "sigma": lkj.sizes})
        if lkj.shape is not None:
            of_each = Distribution("InverseGamma", {"alpha": lkj.shape, "beta": lkj.sizes})
        if not self.full:
            return (of_each,)
        shapes = lkj.beta_shapes
        return of_each, Distribution("Beta", {"alpha": shapes, "beta": shapes})

    def packed(self, prior: Any) -> FloatArray:
        """Root, power and beta, c (d,), b (d,), constants (d,), the beta variables' shapes."""
        terms = self.lkj.terms
        shapes = self.lkj.beta_shapes if self.full else np.empty(0)
        head = [terms.root, terms.power, terms.beta]
        return np.concatenate([head, terms.c, terms.b, terms.constant, shapes])

    def covariances(self, values: Mapping[str, FloatArray], prior: Any) -> FloatArray:
        """Sigma."""
        first, *rest = (np.asarray(values[v.name]) for v in self.variables)
        sd = np.sqrt(first) if self.lkj.shape is not None else first
        lower = sd[..., None] * np.eye(self.d)
        if rest:
            lower = sd[..., None] * _factors(2.0 * rest[0] - 1.0, self.d)
        return self._for_all(lower @ np.swapaxes(lower, -1, -2))

    def values_from(self, covariances: FloatArray, prior: Any) -> dict[str, FloatArray]:
        """From the Cholesky factors."""
        distinct = self._distinct(covariances)
        variances = diagonals(distinct)
        found = [variances if self.lkj.shape is not None else np.sqrt(variances)]
        if self.full:
            found.append(0.5 + 0.5 * _partial_correlations(distinct))
        if not self.by_component:
            found = [value[..., 0, :] for value in found]
        return {v.name: np.array(value) for v, value in zip(self.variables, found, strict=True)}


def _factors(z: FloatArray, d: int) -> FloatArray:
    """Cholesky factors (..., d, d) of correlations by partial ones (..., d(d-1)/2)."""
    lower = np.zeros((*z.shape[:-1], d, d))
    lower[..., *np.tril_indices(d, -1)] = z
    left = np.cumprod(1.0 - lower**2, axis=-1)
    before = np.concatenate([np.ones((*left.shape[:-1], 1)), left[..., :-1]], axis=-1)
    return np.asarray(np.tril((lower + np.eye(d)) * np.sqrt(before)))


def _partial_correlations(covariances: FloatArray) -> FloatArray:
    """Partial correlations (..., d(d-1)/2) of covariances (..., d, d)."""
    lower = np.linalg.cholesky(covariances)
    d = lower.shape[-1]
    # What a row has left from column j on, summed from its end, so that no digits are lost.
    left = np.cumsum(lower[..., ::-1] ** 2, axis=-1)[..., ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):  # above the diagonal nothing is left
        z = lower / np.sqrt(left)
    return np.asarray(z[..., *np.tril_indices(d, -1)])
