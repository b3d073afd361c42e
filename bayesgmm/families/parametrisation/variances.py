"""Diagonal covariances by their variances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...utils.matrices import diagonal_matrices, diagonals
from ...utils.types import FloatArray
from ..inverse_wishart import InverseWishart
from .base import FEATURE, Distribution, Parametrisation, Variable


@final
@dataclass(frozen=True)
class Variances(Parametrisation):
    """Diagonal covariances: independent inverse gammas, one per column or one for all columns."""

    kind = "variance"
    names = ("variance",)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variances."""
        dims = self._component + ((FEATURE,) if self.by_feature else ())
        return (Variable(self.names[0], dims),)

    def priors(self, prior: InverseWishart, scale: Any = None) -> tuple[Distribution, ...]:
        """Inverse gammas."""
        shape, beta = prior.inverse_gamma(self.family, scale)
        parameters = {"alpha": shape, "beta": beta if self.by_feature else beta[..., 0]}
        return (Distribution("InverseGamma", parameters),)

    def packed(self, prior: InverseWishart) -> FloatArray:
        """The inverse gammas' shape."""
        return np.array([prior.inverse_gamma(self.family)[0]])

    def covariances(self, values: Mapping[str, FloatArray], prior: InverseWishart) -> FloatArray:
        """Sigma = diag(variances)."""
        variance = np.asarray(values[self.names[0]])
        if not self.by_feature:
            variance = np.repeat(variance[..., None], self.d, axis=-1)
        return self._for_all(diagonal_matrices(variance))

    def values_from(self, covariances: FloatArray, prior: InverseWishart) -> dict[str, FloatArray]:
        """The diagonals, averaged over what is shared."""
        variance = diagonals(self._distinct(covariances))
        if not self.by_feature:
            variance = variance.mean(axis=-1)
        if not self.by_component:
            variance = np.take(variance, 0, axis=-1 - self.by_feature)
        return {self.names[0]: np.array(variance)}
