"""What is sampled in place of a family's covariances: variables with a prior of their own.

    p = parametrisation(family, n_components, d)
    p.variables                   -> their names and dims
    p.priors(prior)               -> their distributions, where they are independent
    p.covariances(values, prior)  -> Sigma (..., K, d, d) from draws
    p.values_from(Sigma, prior)   -> the inverse map, for starting points

What all components share has no component axis. No PyMC here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from scipy.special import gammaln

from ..kernels.contract import FloatArray
from .family import Family

if TYPE_CHECKING:
    from ..prior import Prior

COMPONENT, FEATURE, PAIR, AXIS = "component", "feature", "feature_pair", "axis"


@dataclass(frozen=True, slots=True)
class Variable:
    """A free variable: its name and dims, and in which coordinates it is sampled.

    Those are its own ("identity"), logarithms ("log"), logarithms of numbers whose product is 1
    ("log_shape"), or of rotations by Cayley's transform ("cayley").
    """

    name: str
    dims: tuple[str, ...]
    coordinates: str = "log"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution and its parameters, by PyMC's names.

    Parameters that follow from a random scale are what that is: arrays of draws, or PyTensor's.
    """

    name: str
    parameters: dict[str, Any]

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> FloatArray:
        """Independent draws of that size, which the parameters' shapes must end."""
        return _DRAWS[self.name](rng, size, **self.parameters)


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

    @property
    def diagonal(self) -> bool:
        """Whether every covariance is diagonal, and there is more than one column."""
        return self.d > 1 and (self.family.orientation == "I")

    @property
    @abstractmethod
    def variables(self) -> tuple[Variable, ...]:
        """The free variables in the order of `names`."""

    @abstractmethod
    def priors(self, prior: Prior, scale: Any = None) -> tuple[Distribution, ...]:
        """Their distributions.

        scale (..., d) is Psi's diagonal where that is random; left out, Psi is `expected_scale`.
        """

    @abstractmethod
    def packed(self, prior: Prior) -> FloatArray:
        """What the compiled density needs to know of it (`fixed` in `density/charts.py`)."""

    def log_jacobian(self, values: Mapping[str, FloatArray]) -> Any:
        """Of lp, what depends on more than the covariances and their constant: nothing here."""
        return 0.0

    def check(self, prior: Prior) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse a prior that cannot be had with these variables.

        Raises
        ------
        NotImplementedError
            The message says which.
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
        d = self.d
        sizes = {COMPONENT: self.n_components, FEATURE: d, AXIS: d, PAIR: d * (d - 1) // 2}
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

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Squared diagonal of T, and its strict lower part by rows."""
        chi2, normal = self.names
        return (
            Variable(chi2, (*self._component, FEATURE)),
            Variable(normal, (*self._component, PAIR), "identity"),
        )

    def priors(self, prior: Prior, scale: Any = None) -> tuple[Distribution, ...]:
        """Chi-squared and normal."""
        dof = prior.dof - np.arange(self.d, dtype=np.float64)
        squares, sigma = Distribution("ChiSquared", {"nu": dof}), 1.0
        if scale is not None:
            ratio = scale / np.diagonal(prior.expected_scale)
            squares = Distribution("Gamma", {"alpha": 0.5 * dof, "beta": 0.5 * ratio})
            sigma = ratio[..., np.tril_indices(self.d, -1)[0]] ** -0.5
        return squares, Distribution("Normal", {"mu": 0.0, "sigma": sigma})

    def packed(self, prior: Prior) -> FloatArray:
        """Nu, L, M and the diagonal of Psi's mean."""
        psi = prior.expected_scale
        [root] = self.constants(prior)
        parts = ([prior.dof], np.linalg.cholesky(psi).ravel(), root.ravel(), np.diagonal(psi))
        return np.concatenate(parts)

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

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variances."""
        dims = self._component + ((FEATURE,) if self.by_feature else ())
        return (Variable(self.names[0], dims),)

    def priors(self, prior: Prior, scale: Any = None) -> tuple[Distribution, ...]:
        """Inverse gammas."""
        shape, beta = prior.inverse_gamma(self.family, scale)
        parameters = {"alpha": shape, "beta": beta if self.by_feature else beta[..., 0]}
        return (Distribution("InverseGamma", parameters),)

    def packed(self, prior: Prior) -> FloatArray:
        """The inverse gammas' shape."""
        return np.array([prior.inverse_gamma(self.family)[0]])

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


@final
@dataclass(frozen=True)
class Axes(Parametrisation):
    """Volume, shape and orientation: Sigma_k = lambda_k D_k diag(a_k) D_k', prod_j a_kj = 1.

    D_k is a rotation, by Cayley's transform D = D0 (I - S)(I + S)^-1 of a skew-symmetric S about a
    given D0; under the uniform (Haar) distribution the density of S is proportional to
    |I + S|^-(d - 1) (Leon, Masse & Rivest 2006, J. Multivar. Anal. 97, 412-430). The prior is the
    inverse Wishart's kernel prod_k |Sigma_k|^-(nu + d + 1)/2 exp(-tr(Psi Sigma_k^-1)/2), restricted
    to the family: a density with respect to d lambda, d log a and Haar's measure, where volume and
    shape both vary with respect to the variances along the axes, d(lambda a). Its constant is not
    known.

    Every rotation is one point (but for those with half a turn away from D0). The same Sigma_k has
    several D_k: axes in another order or direction. About D0 is one of these.
    """

    kind = "axes"
    names = ("volume", "shape", "orientation")
    about: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Volume, shape, and the orientation where it is not the columns' own."""
        volume, shape, orientation = self.names
        along = AXIS if self.turned else FEATURE
        found = [
            Variable(volume, self._dims(self.family.volume)),
            Variable(shape, (*self._dims(self.family.shape), along), "log_shape"),
        ]
        if self.turned:
            dims = (*self._dims(self.family.orientation), FEATURE, AXIS)
            found.append(Variable(orientation, dims, "cayley"))
        return tuple(found)

    def check(self, prior: Prior) -> None:
        """Refuse a random scale: the prior's constant depends on it, and is not known."""
        if "scale" in prior.random:
            raise NotImplementedError(
                f"family {self.family.name} cannot have a random scale: its prior's constant, "
                "which depends on the scale, is not known. Pass a Prior whose scale is a matrix."
            )

    @property
    def turned(self) -> bool:
        """Whether there are orientations."""
        return self.family.orientation != "I"

    def priors(self, prior: Prior, scale: Any = None) -> tuple[Distribution, ...]:
        """The variables are not independent."""
        raise NotImplementedError(
            f"family {self.family.name} has no independent variables: its prior is known to a "
            "constant only, and cannot be drawn from directly."
        )

    def volume_prior(self, prior: Prior) -> float:
        """The shape of the inverse gamma that a volume has, given all else."""
        components = 1 if self.family.volume == "V" else self.n_components
        return 0.5 * components * self.d * (prior.dof + self.d + 1) - self._power

    @property
    def _power(self) -> int:
        """The power of lambda in whose differential the prior is a density."""
        return self.d if self.family.volume == self.family.shape == "V" else 1

    @property
    def haar_constant(self) -> float:
        """Log of what |I + S|^-(d - 1) is multiplied by so that it integrates to 1."""
        i = np.arange(2, self.d + 1)
        volume = np.sum(np.log(2.0) + 0.5 * i * np.log(np.pi) - gammaln(0.5 * i))
        return float(0.5 * self.d * (self.d - 1) * np.log(2.0) - volume)

    def log_jacobian(self, values: Mapping[str, FloatArray]) -> Any:
        """Log density (...) of Haar's measure in the rotations' coordinates; 0 without rotations.

        It tells apart the several D_k of one and the same Sigma_k, which nothing else does.
        """
        if not self.turned:
            return 0.0
        d, axes = self.d, np.asarray(values[self.names[2]])
        about = self.about if self.family.orientation == "V" else self.about[0]
        # I + S = 2 (I + D0'D)^-1
        _, log_dets = np.linalg.slogdet(np.eye(d) + np.swapaxes(about, -1, -2) @ axes)
        each = self.haar_constant - (d - 1) * (d * np.log(2.0) - log_dets)
        return each.sum(axis=-1) if self.family.orientation == "V" else each

    def packed(self, prior: Prior) -> FloatArray:
        """Nu, the power of lambda, the constant, numbers of each variable, Psi and D0."""
        volumes, shapes = (
            self.n_components if letter == "V" else 1
            for letter in (self.family.volume, self.family.shape)
        )
        orientations = len(self.about)
        head = [
            prior.dof, self._power, orientations * self.haar_constant, volumes, shapes,
            orientations,
        ]  # fmt: skip
        return np.concatenate([head, prior.expected_scale.ravel(), self.about.ravel()])

    def covariances(self, values: Mapping[str, FloatArray], prior: Prior) -> FloatArray:
        """Sigma = D diag(lambda a) D'."""
        volume, shape = (np.asarray(values[name]) for name in self.names[:2])
        if self.family.volume == "E":
            volume = volume[..., None]
        if self.family.shape == "E":
            shape = shape[..., None, :]
        variances = volume[..., None] * shape
        if not self.turned:
            return variances[..., None] * np.eye(self.d)
        axes = np.asarray(values[self.names[2]])
        if self.family.orientation == "E":
            axes = axes[..., None, :, :]
        return (axes * variances[..., None, :]) @ np.swapaxes(axes, -1, -2)

    def values_from(self, covariances: FloatArray, prior: Prior) -> dict[str, FloatArray]:
        """The decomposition; what is shared is averaged (volumes and shapes in logarithms)."""
        axes = rotations(principal_axes(covariances, self.family.orientation))
        along = np.log(np.einsum("kij,kil,klj->kj", axes, covariances, axes))
        volume = along.mean(axis=1)
        shape = along - volume[:, None]
        values = (np.exp(volume), np.exp(shape), axes)
        letters = (self.family.volume, self.family.shape, self.family.orientation)
        if letters[0] == "E":
            values = (np.exp(volume.mean()), *values[1:])
        if letters[1] == "E":
            values = (values[0], np.exp(shape.mean(axis=0)), values[2])
        if letters[2] == "E":
            values = (*values[:2], axes[0])
        return dict(zip(self.names[: 2 + self.turned], values, strict=False))

    def _dims(self, letter: str) -> tuple[str, ...]:
        return (COMPONENT,) if letter == "V" else ()


def principal_axes(covariances: FloatArray, orientation: str) -> FloatArray:
    """Orthogonal D_k (K, d, d) that make the covariances of a family diagonal."""
    n_components, d = covariances.shape[:2]
    if orientation == "V":
        return np.linalg.eigh(covariances)[1]
    if orientation == "I":
        return np.repeat(np.eye(d)[None], n_components, axis=0)
    # What diagonalises all of them diagonalises any combination, here of matrices of one size.
    size = np.trace(covariances, axis1=1, axis2=2) / (1 + np.arange(n_components))
    combined = np.sum(covariances / size[:, None, None], axis=0)
    return np.repeat(np.linalg.eigh(combined)[1][None], n_components, axis=0)


def rotations(axes: FloatArray) -> FloatArray:
    """The same axes, the first reversed where that is what makes them a rotation."""
    axes = axes.copy()
    axes[..., 0] *= np.sign(np.linalg.det(axes))[..., None]
    return axes


_INDEPENDENT: dict[str, type[Bartlett] | type[Variances]] = {
    "EII": Variances,
    "VII": Variances,
    "EEI": Variances,
    "VVI": Variances,
    "EEE": Bartlett,
    "VVV": Bartlett,
}


def independent(family: Family) -> bool:
    """Whether the variables are independent under the prior, whose constant is then known."""
    return family.volume + family.shape + family.orientation in _INDEPENDENT


def parametrisation(
    family: Family, n_components: int, d: int, covariances: FloatArray | None = None
) -> Parametrisation:
    """The free variables of a family's covariances.

    covariances (K, d, d) are those near which rotations are looked at; without them, near I.
    """
    if independent(family):
        form = _INDEPENDENT[family.volume + family.shape + family.orientation]
        return form(family, n_components, d)
    number = {"I": 0, "E": 1, "V": n_components}[family.orientation]
    about = np.repeat(np.eye(d)[None], number, axis=0)
    if covariances is not None and number > 0:
        about = rotations(principal_axes(covariances, family.orientation))[:number]
    return Axes(family, n_components, d, about)
