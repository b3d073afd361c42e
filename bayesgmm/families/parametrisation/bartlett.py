"""Full covariances by Bartlett's decomposition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...utils.types import FloatArray
from ..inverse_wishart import InverseWishart
from .base import FEATURE, PAIR, Distribution, Parametrisation, Variable
from .transforms import Identity


@final
@dataclass(frozen=True)
class Bartlett(Parametrisation):
    """Full covariances, Sigma ~ InverseWishart(nu, Psi) exactly.

    With Psi = L L' and M = L^-T: P = M T T' M', T lower triangular with T_jj^2 ~ ChiSquared(nu - j)
    (j = 0..d-1) and T_ij ~ Normal(0, 1) below the diagonal, is Wishart(nu, Psi^-1) (Bartlett 1933,
    Proc. R. Soc. Edinburgh 53, 260-283). Where Psi = diag(psi) is random, L stays that of its
    prior mean: with s_i^2 = E[psi_i] / psi_i, T_ij / s_i has those distributions.
    """

    kind = "bartlett"
    names = ("bartlett_chi2", "bartlett_normal")

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Squared diagonal of T, and its strict lower part by rows."""
        chi2, normal = self.names
        return (
            Variable(chi2, (*self._component, FEATURE)),
            Variable(normal, (*self._component, PAIR), Identity()),
        )

    def priors(self, prior: InverseWishart, scale: Any = None) -> tuple[Distribution, ...]:
        """Chi-squared and normal."""
        dof = prior.dof - np.arange(self.d, dtype=np.float64)
        squares, sigma = Distribution("ChiSquared", {"nu": dof}), 1.0
        if scale is not None:
            ratio = scale / np.diagonal(prior.expected_scale)
            squares = Distribution("Gamma", {"alpha": 0.5 * dof, "beta": 0.5 * ratio})
            sigma = ratio[..., np.tril_indices(self.d, -1)[0]] ** -0.5
        return squares, Distribution("Normal", {"mu": 0.0, "sigma": sigma})

    def packed(self, prior: InverseWishart) -> FloatArray:
        """Nu, L, M and the diagonal of Psi's mean."""
        psi = prior.expected_scale
        [root] = self.constants(prior)
        parts = ([prior.dof], np.linalg.cholesky(psi).ravel(), root.ravel(), np.diagonal(psi))
        return np.concatenate(parts)

    def constants(self, prior: InverseWishart) -> tuple[FloatArray, ...]:
        """M = L^-T, upper triangular."""
        root = np.linalg.inv(np.linalg.cholesky(prior.expected_scale)).T
        return (np.ascontiguousarray(np.triu(root)),)

    def covariances(self, values: Mapping[str, FloatArray], prior: InverseWishart) -> FloatArray:
        """Sigma = Y'Y with Y = T^-1 L'."""
        chi2, normal = (np.asarray(values[name]) for name in self.names)
        triangle = np.zeros((*chi2.shape, self.d))
        i = np.arange(self.d)
        triangle[..., i, i] = np.sqrt(chi2)
        triangle[..., *np.tril_indices(self.d, -1)] = normal
        y = np.linalg.solve(triangle, np.linalg.cholesky(prior.expected_scale).T)
        return self._for_all(np.swapaxes(y, -1, -2) @ y)

    def values_from(self, covariances: FloatArray, prior: InverseWishart) -> dict[str, FloatArray]:
        """T from L^-1 Sigma L^-T = U U' with U = T^-T upper triangular."""
        half = np.linalg.solve(
            np.linalg.cholesky(prior.expected_scale), self._distinct(covariances)
        )
        white = np.linalg.solve(np.linalg.cholesky(prior.expected_scale), np.swapaxes(half, -1, -2))
        white = 0.5 * (white + np.swapaxes(white, -1, -2))
        upper = np.linalg.cholesky(white[..., ::-1, ::-1])[..., ::-1, ::-1]
        triangle = np.swapaxes(np.linalg.inv(upper), -1, -2)
        i = np.arange(self.d)
        chi2 = triangle[..., i, i] ** 2
        normal = triangle[..., *np.tril_indices(self.d, -1)]
        if not self.by_component:
            chi2, normal = chi2[..., 0, :], normal[..., 0, :]
        return dict(zip(self.names, (chi2, normal), strict=True))
