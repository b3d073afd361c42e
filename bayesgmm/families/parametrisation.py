"""What is sampled in place of a family's covariances: independent variables with plain priors.

    p = parametrisation(family, n_components, d)
    p.variables(prior)            -> names, distributions and dims, for the model and its draws
    p.covariances(values, prior)  -> Sigma (..., K, d, d) from draws
    p.values_from(Sigma, prior)   -> the inverse map, for starting points

A covariance shared by all components has variables without the component axis. No PyMC here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from ..kernels.contract import FloatArray
from .family import Family

if TYPE_CHECKING:
    from ..prior import Prior

COMPONENT, FEATURE, PAIR = "component", "feature", "feature_pair"


@dataclass(frozen=True, slots=True)
class Variable:
    """A free variable: its name and dims, and a distribution and parameters by PyMC's names.

    Parameters that follow from a random scale are what that is: arrays of draws, or PyTensor's.
    """

    name: str
    distribution: str
    parameters: dict[str, Any]
    dims: tuple[str, ...]

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> FloatArray:
        """Independent draws of that size, which the parameters' shapes must end."""
        return _DRAWS[self.distribution](rng, size, **self.parameters)


_DRAWS: dict[str, Callable[..., FloatArray]] = {
    "ChiSquared": lambda rng, size, nu: rng.chisquare(nu, size),
    "Gamma": lambda rng, size, alpha, beta: rng.gamma(alpha, size=size) / beta,
    "InverseGamma": lambda rng, size, alpha, beta: beta / rng.gamma(alpha, size=size),
    "Normal": lambda rng, size, mu, sigma: rng.normal(mu, sigma, size),
}


@dataclass(frozen=True)
class Parametrisation(ABC):
    """How the covariances of K components in d columns are written in free variables.

    `kind` names the likelihood that reads them, `names` the variables.
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

    @abstractmethod
    def variables(self, prior: Prior, scale: Any = None) -> tuple[Variable, ...]:
        """The free variables in the order of `names`.

        scale (..., d) is Psi's diagonal where that is random; left out, Psi is `expected_scale`.
        """

    def constants(self, prior: Prior) -> tuple[FloatArray, ...]:
        """Fixed arrays that the likelihood needs besides the variables."""
        return ()

    @abstractmethod
    def covariances(self, values: Mapping[str, FloatArray], prior: Prior) -> FloatArray:
        """Sigma (..., K, d, d) from values of the variables, any axes leading."""

    @abstractmethod
    def values_from(self, covariances: FloatArray, prior: Prior) -> dict[str, FloatArray]:
        """Values of the variables that give these covariances (K, d, d).

        Covariances that are not of the family are replaced by their mean over what it shares.
        """

    def shape(self, variable: Variable) -> tuple[int, ...]:
        """The shape of one value of a variable."""
        sizes = {COMPONENT: self.n_components, FEATURE: self.d, PAIR: self.d * (self.d - 1) // 2}
        return tuple(sizes[dim] for dim in variable.dims)

    @property
    def _component(self) -> tuple[str, ...]:
        return (COMPONENT,) if self.by_component else ()

    def _distinct(self, covariances: FloatArray) -> FloatArray:
        return covariances if self.by_component else covariances.mean(axis=0, keepdims=True)

    def _for_all(self, distinct: FloatArray) -> FloatArray:
        """One covariance per component, from (..., d, d) if shared or (..., K, d, d)."""
        if self.by_component:
            return distinct
        shape = (*distinct.shape[:-2], self.n_components, self.d, self.d)
        return np.broadcast_to(distinct[..., None, :, :], shape).copy()


@final
@dataclass(frozen=True)
class Bartlett(Parametrisation):
    """Full covariances, Sigma ~ InverseWishart(nu, Psi) exactly.

    With Psi = L L' and M = L^-T: P = M T T' M', T lower triangular with T_jj^2 ~ ChiSquared(nu - j)
    (j = 0..d-1) and T_ij ~ Normal(0, 1) below the diagonal, is Wishart(nu, Psi^-1) (Bartlett 1933,
    Proc. R. Soc. Edinburgh 53, 260-283). Where Psi = diag(psi) is random, L stays that of its
    prior mean: with s_i^2 = E[psi_i] / psi_i it is T_ij / s_i that has those distributions.
    """

    kind = "bartlett"
    names = ("bartlett_chi2", "bartlett_normal")

    def variables(self, prior: Prior, scale: Any = None) -> tuple[Variable, ...]:
        """Squared diagonal of T, and its strict lower part by rows."""
        chi2, normal = self.names
        dof = prior.dof - np.arange(self.d, dtype=np.float64)
        squares, sigma = ("ChiSquared", {"nu": dof}), 1.0
        if scale is not None:
            ratio = scale / np.diagonal(prior.expected_scale)
            squares = ("Gamma", {"alpha": 0.5 * dof, "beta": 0.5 * ratio})
            sigma = ratio[..., np.tril_indices(self.d, -1)[0]] ** -0.5
        return (
            Variable(chi2, *squares, (*self._component, FEATURE)),
            Variable(normal, "Normal", {"mu": 0.0, "sigma": sigma}, (*self._component, PAIR)),
        )

    def constants(self, prior: Prior) -> tuple[FloatArray, ...]:
        """M = L^-T, upper triangular."""
        root = np.linalg.inv(np.linalg.cholesky(prior.expected_scale)).T
        return (np.ascontiguousarray(np.triu(root)),)

    def covariances(self, values: Mapping[str, FloatArray], prior: Prior) -> FloatArray:
        """Sigma = Y'Y with Y = T^-1 L'."""
        chi2, normal = (np.asarray(values[name]) for name in self.names)
        triangle = np.zeros((*chi2.shape, self.d))
        i = np.arange(self.d)
        triangle[..., i, i] = np.sqrt(chi2)
        triangle[..., *np.tril_indices(self.d, -1)] = normal
        y = np.linalg.solve(triangle, np.linalg.cholesky(prior.expected_scale).T)
        return self._for_all(np.swapaxes(y, -1, -2) @ y)

    def values_from(self, covariances: FloatArray, prior: Prior) -> dict[str, FloatArray]:
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
            chi2, normal = chi2[0], normal[0]
        return dict(zip(self.names, (chi2, normal), strict=True))


@final
@dataclass(frozen=True)
class Variances(Parametrisation):
    """Diagonal covariances: independent inverse gammas, one per column or one for all columns."""

    kind = "variance"
    names = ("variance",)

    def variables(self, prior: Prior, scale: Any = None) -> tuple[Variable, ...]:
        """The variances."""
        shape, beta = prior.inverse_gamma(self.family, scale)
        parameters = {"alpha": shape, "beta": beta if self.by_feature else beta[..., 0]}
        dims = self._component + ((FEATURE,) if self.by_feature else ())
        return (Variable(self.names[0], "InverseGamma", parameters, dims),)

    def covariances(self, values: Mapping[str, FloatArray], prior: Prior) -> FloatArray:
        """Sigma = diag(variances)."""
        variance = np.asarray(values[self.names[0]])
        if not self.by_feature:
            variance = np.repeat(variance[..., None], self.d, axis=-1)
        return self._for_all(variance[..., None] * np.eye(self.d))

    def values_from(self, covariances: FloatArray, prior: Prior) -> dict[str, FloatArray]:
        """The diagonals, averaged over what is shared."""
        variance = np.diagonal(self._distinct(covariances), axis1=-2, axis2=-1)
        if not self.by_feature:
            variance = variance.mean(axis=-1)
        return {self.names[0]: np.array(variance if self.by_component else variance[0])}


_FORMS: dict[str, type[Bartlett] | type[Variances]] = {
    "EII": Variances,
    "VII": Variances,
    "EEI": Variances,
    "VVI": Variances,
    "EEE": Bartlett,
    "VVV": Bartlett,
}


def samplable(family: Family) -> bool:
    """Whether the family's covariances can be written in free variables, and so be sampled."""
    return family.volume + family.shape + family.orientation in _FORMS


def parametrisation(family: Family, n_components: int, d: int) -> Parametrisation:
    """The free variables of a family's covariances.

    Raises
    ------
    NotImplementedError
        The family has no parametrisation; the message names those that have.
    """
    if not samplable(family):
        raise NotImplementedError(
            f"family {family.name} cannot be sampled: choose among {', '.join(_FORMS)}, "
            "for one column E or V."
        )
    return _FORMS[family.volume + family.shape + family.orientation](family, n_components, d)
