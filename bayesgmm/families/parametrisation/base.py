"""The interface of parametrisations: variables, distributions, the map to Sigma and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...utils.types import FloatArray
from ..family import Family
from ..hyperparameters import Gamma
from ..letters import Letter
from ..log_constants import LogConstant
from .transforms import Log, Multiple, SumAndShares, Transform

COMPONENT, FEATURE, PAIR, AXIS = "component", "feature", "feature_pair", "axis"


@dataclass(frozen=True, slots=True)
class Variable:
    """A free variable: its name and dims, and the transform to coordinates it is sampled in."""

    name: str
    dims: tuple[str, ...]
    transform: Transform = Log()


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution and its parameters, by PyMC's names.

    Parameters that depend on a random scale are arrays of draws, or PyTensor variables, as it is.
    """

    name: str
    parameters: dict[str, Any]

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> FloatArray:
        """Independent draws of that size, to which the parameters must broadcast."""
        return _DRAWS[self.name](rng, size, **self.parameters)


_DRAWS: dict[str, Callable[..., FloatArray]] = {
    "Beta": lambda rng, size, alpha, beta: rng.beta(alpha, beta, size),
    "ChiSquared": lambda rng, size, nu: rng.chisquare(nu, size),
    "Gamma": lambda rng, size, alpha, beta: rng.gamma(alpha, size=size) / beta,
    "HalfStudentT": lambda rng, size, nu, sigma: np.abs(sigma * rng.standard_t(nu, size)),
    "InverseGamma": lambda rng, size, alpha, beta: beta / rng.gamma(alpha, size=size),
    "Normal": lambda rng, size, mu, sigma: rng.normal(mu, sigma, size),
}


@dataclass(frozen=True)
class Parametrisation(ABC):
    """How the covariances of K components in d columns are written in free variables.

    `kind` names the likelihood that reads them, `names` the variables. The methods' `prior` is that
    of the covariances, an `InverseWishart` or, for `Deviations`, an `LKJ`.
    """

    kind: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    family: Family
    n_components: int
    d: int

    @property
    def by_component(self) -> bool:
        """Whether every component has its own covariance (else all share one)."""
        return not self.family.common

    @property
    def by_feature(self) -> bool:
        """Whether every column has its own variance (else all share one)."""
        return not self.family.spherical

    @property
    def diagonal(self) -> bool:
        """Whether every covariance is diagonal, and there is more than one column."""
        return self.d > 1 and (self.family.orientation == Letter.IDENTITY)

    @property
    def scale_by_shares(self) -> bool:
        """Whether the covariances inform only on the sum of a random scale, the trace of Psi."""
        return self.d > 1 and not self.by_feature

    def scale_transform(self, scale: Gamma) -> Transform:
        """The coordinates of a random scale, Psi's diagonal."""
        if self.family.one_scale:
            return Multiple(np.asarray(scale.rate))
        return SumAndShares() if self.scale_by_shares else Log()

    @property
    @abstractmethod
    def variables(self) -> tuple[Variable, ...]:
        """The free variables in the order of `names`."""

    @abstractmethod
    def priors(self, prior: Any, scale: Any = None) -> tuple[Distribution, ...]:
        """Their distributions.

        scale (..., d) is Psi's diagonal where that is random; left out, Psi is `expected_scale`.
        """

    @abstractmethod
    def packed(self, prior: Any) -> FloatArray:
        """The prior's constants in one array, which the compiled density reads as `fixed`."""

    def missing_constant(self, prior: Any) -> LogConstant:
        """What the compiled density lacks of the prior's log constant."""
        return LogConstant(0.0, 0.0)

    def constants(self, prior: Any) -> tuple[FloatArray, ...]:
        """Fixed arrays that the likelihood needs besides the variables."""
        return ()

    @abstractmethod
    def covariances(self, values: Mapping[str, FloatArray], prior: Any) -> FloatArray:
        """Sigma (..., K, d, d) from values of the variables, any axes leading."""

    @abstractmethod
    def values_from(self, covariances: FloatArray, prior: Any) -> dict[str, FloatArray]:
        """Values of the variables that give these covariances (..., K, d, d).

        Covariances that are not of the family are replaced by their mean over what it shares.
        """

    def draw(self, prior: Any, rng: np.random.Generator, draws: int) -> FloatArray:
        """Covariances (draws, K, d, d) from the prior; a random scale is drawn anew for each."""
        scale = None
        if prior.random_scale:
            scale = prior.scale.draw(rng, draws)
            scale = scale[:, None] if self.by_component else scale
        values = {
            v.name: distribution.draw(rng, (draws, *self.shape(v)))
            for v, distribution in zip(self.variables, self.priors(prior, scale), strict=True)
        }
        return self.covariances(values, prior)

    def shape(self, variable: Variable) -> tuple[int, ...]:
        """The shape of one value of a variable."""
        d = self.d
        sizes = {COMPONENT: self.n_components, FEATURE: d, AXIS: d, PAIR: d * (d - 1) // 2}
        return tuple(sizes[dim] for dim in variable.dims)

    @property
    def _component(self) -> tuple[str, ...]:
        return (COMPONENT,) if self.by_component else ()

    def _distinct(self, covariances: FloatArray) -> FloatArray:
        """Covariances (..., K, d, d), or their mean (..., 1, d, d) if all components share one."""
        return covariances if self.by_component else covariances.mean(axis=-3, keepdims=True)

    def _for_all(self, distinct: FloatArray) -> FloatArray:
        """One covariance per component, from (..., d, d) if shared or (..., K, d, d)."""
        if self.by_component:
            return distinct
        shape = (*distinct.shape[:-2], self.n_components, self.d, self.d)
        return np.broadcast_to(distinct[..., None, :, :], shape).copy()
