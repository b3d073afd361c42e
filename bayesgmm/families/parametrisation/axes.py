"""Covariances by volume, shape and orientation, of which some are shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from ...utils.matrices import diagonal_matrices
from ...utils.types import FloatArray
from ..equal_volumes import EqualVolumes
from ..hyperparameters import Gamma
from ..inverse_wishart import InverseWishart
from ..letters import Letter
from ..log_constants import LogConstant, log_constant, scale_power
from ..rotations_prior import rotations_prior
from .base import AXIS, COMPONENT, FEATURE, Distribution, Parametrisation, Variable
from .rotations import Rotation, rotation
from .transforms import LogShape


@final
@dataclass(frozen=True)
class Axes(Parametrisation):
    """Volume, shape and orientation: Sigma_k = lambda_k D_k diag(a_k) D_k', prod_j a_kj = 1.

    D_k is a rotation, by coordinates about a given D0 (`rotations.py`). The prior is the inverse
    Wishart's kernel prod_k |Sigma_k|^-(nu + d + 1)/2 exp(-tr(Psi Sigma_k^-1)/2), restricted to the
    family: a density with respect to d lambda, d log a and Haar's measure, where volume and shape
    both vary with respect to the variances along the axes, d(lambda a). Its constant is
    `missing_constant`.

    The same Sigma_k has several D_k: axes in another order or direction. D0 is chosen near one.
    """

    kind = "axes"
    names = ("volume", "shape", "orientation")
    about: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Volume, shape, and the orientation where it is not the columns' own."""
        volume, shape, orientation = self.names
        along = AXIS if self.has_orientations else FEATURE
        found = [
            Variable(volume, self._dims(self.family.volume)),
            Variable(shape, (*self._dims(self.family.shape), along), LogShape()),
        ]
        if self.has_orientations:
            dims = self._dims(self.family.orientation)
            found.append(Variable(orientation, (*dims, FEATURE, AXIS), self.rotation))
        return tuple(found)

    def missing_constant(self, prior: InverseWishart) -> LogConstant:
        """The constant in these coordinates: the density has none of it."""
        value, error = log_constant(prior, self.family, self.n_components)
        if self.power == self.d:  # of each component's variances, in its volume and contrasts
            value += 0.5 * self.n_components * np.log(self.d)
        return LogConstant(float(value), error)

    def draw(self, prior: InverseWishart, rng: np.random.Generator, draws: int) -> FloatArray:
        """Covariances (draws, K, d, d) from the prior; a random scale is drawn anew for each."""
        k, d, scale = self.n_components, self.d, prior.scale
        rotations = rotations_prior(self.family, k, d, prior.dof)
        if rotations is not None:
            psi, frame = np.linalg.eigh(prior.expected_scale)
            axes, precisions = rotations.draw(rng, psi, draws)
            axes = frame @ axes
            sigma = (axes / precisions[..., None, :]) @ np.swapaxes(axes, -1, -2)
            if isinstance(scale, Gamma):
                sigma *= rng.gamma(scale.shape, size=(draws, 1, 1, 1)) / scale.shape
            return np.asarray(sigma)
        if isinstance(scale, Gamma):
            diagonal = scale.draw(rng, draws)
        else:
            diagonal = np.diagonal(scale)[None]
        return diagonal_matrices(0.5 * diagonal[:, None] / self._gammas(prior.dof, rng, draws))

    def draw_orientation(self, prior: InverseWishart, rng: np.random.Generator) -> FloatArray:
        """One draw of the orientation, whatever its copy; a scale that is one number leaves it."""
        rotations = rotations_prior(self.family, self.n_components, self.d, prior.dof)
        assert rotations is not None
        psi, frame = np.linalg.eigh(prior.expected_scale)
        axes = frame @ rotations.draw(rng, psi, 1)[0][0]
        return np.asarray(axes if self.family.orientation == Letter.VARIABLE else axes[0])

    def draw_shape(self, dof: float, along: FloatArray, rng: np.random.Generator) -> FloatArray:
        """One draw of the shape given Psi along the axes (K, d), (D_k'Psi D_k)_jj."""
        k, d = self.n_components, self.d
        rotations = rotations_prior(self.family, k, d, dof)
        if rotations is None:
            logs = -np.log(self._gammas(dof, rng, 1)[0] / (0.5 * along))
        else:
            one = along[None] if rotations.own_axes else along[None, :1]
            logs = -np.log(rotations.given_axes(rng, one)[0])
        logs = logs - logs.mean(axis=-1, keepdims=True)
        return np.asarray(np.exp(logs if self.family.shape == Letter.VARIABLE else logs[0]))

    def _gammas(self, dof: float, rng: np.random.Generator, draws: int) -> FloatArray:
        """Draws (draws, K, d) of psi_j / (2 lambda a_j) along the columns."""
        k, d = self.n_components, self.d
        power = d * scale_power(dof, self.family, k, d)
        if self.family.volume == Letter.EQUAL:
            return np.exp(EqualVolumes(k, d, power).draw(rng, draws))
        shares = rng.dirichlet(np.full(k, power / k), draws)
        return shares[..., None] * rng.standard_gamma(power / d, (draws, 1, d))

    @property
    def has_orientations(self) -> bool:
        """Whether there are orientations."""
        return self.family.orientation != Letter.IDENTITY

    def priors(self, prior: InverseWishart, scale: Any = None) -> tuple[Distribution, ...]:
        """Not available: the variables are not independent.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            f"family {self.family.name} has no independent variables: `draw` draws all together."
        )

    def volume_prior(self, prior: InverseWishart) -> float:
        """The shape of a volume's inverse-gamma prior given all other variables."""
        components = 1 if self.family.volume == Letter.VARIABLE else self.n_components
        return 0.5 * components * self.d * (prior.dof + self.d + 1) - self.power

    @property
    def power(self) -> int:
        """The power p for which the prior is a density with respect to lambda^p d log lambda."""
        return self.d if self.family.volume == self.family.shape == Letter.VARIABLE else 1

    @property
    def rotation(self) -> Rotation:
        """The coordinates of the orientation."""
        return rotation(self.about if self.family.orientation == Letter.VARIABLE else self.about[0])

    def packed(self, prior: InverseWishart) -> FloatArray:
        """Nu, powers, Haar's constant, the number of each variable, Psi and D0."""
        volumes, shapes = (letter.number(self.n_components) for letter in self.family.letters[:2])
        orientations = len(self.about)
        head = [
            prior.dof, self.power,
            orientations * self.rotation.constant if self.has_orientations else 0.0,
            volumes, shapes, orientations,
        ]  # fmt: skip
        head.append(scale_power(prior.dof, self.family, self.n_components, self.d))
        return np.concatenate([head, prior.expected_scale.ravel(), self.about.ravel()])

    def covariances(self, values: Mapping[str, FloatArray], prior: InverseWishart) -> FloatArray:
        """Sigma = D diag(lambda a) D'."""
        volume, shape = (np.asarray(values[name]) for name in self.names[:2])
        if self.family.volume == Letter.EQUAL:
            volume = volume[..., None]
        if self.family.shape == Letter.EQUAL:
            shape = shape[..., None, :]
        variances = volume[..., None] * shape
        if not self.has_orientations:
            return diagonal_matrices(variances)
        axes = np.asarray(values[self.names[2]])
        if self.family.orientation == Letter.EQUAL:
            axes = axes[..., None, :, :]
        return (axes * variances[..., None, :]) @ np.swapaxes(axes, -1, -2)

    def values_from(self, covariances: FloatArray, prior: InverseWishart) -> dict[str, FloatArray]:
        """The decomposition; what is shared is averaged (volumes and shapes in logarithms)."""
        axes = rotations(principal_axes(covariances, self.family.orientation))
        along = np.log(np.einsum("...ij,...il,...lj->...j", axes, covariances, axes))
        volume = along.mean(axis=-1)
        shape = along - volume[..., None]
        values = (np.exp(volume), np.exp(shape), axes)
        shared = (
            np.exp(volume.mean(axis=-1)), np.exp(shape.mean(axis=-2)), axes[..., 0, :, :]
        )  # fmt: skip
        values = tuple(
            one if letter == Letter.EQUAL else each
            for letter, one, each in zip(self.family.letters, shared, values, strict=True)
        )
        return dict(zip(self.names[: 2 + self.has_orientations], values, strict=False))

    def _dims(self, letter: Letter) -> tuple[str, ...]:
        return (COMPONENT,) if letter == Letter.VARIABLE else ()


def principal_axes(covariances: FloatArray, orientation: Letter) -> FloatArray:
    """Orthogonal D_k (..., K, d, d) that make the covariances of a family diagonal."""
    n_components, d = covariances.shape[-3:-1]
    if orientation == Letter.VARIABLE:
        return np.linalg.eigh(covariances)[1]
    if orientation == Letter.IDENTITY:
        return np.broadcast_to(np.eye(d), covariances.shape).copy()
    # What diagonalises all of them diagonalises any combination, here of matrices of one size.
    size = np.trace(covariances, axis1=-2, axis2=-1) / (1 + np.arange(n_components))
    combined = np.sum(covariances / size[..., None, None], axis=-3, keepdims=True)
    return np.repeat(np.linalg.eigh(combined)[1], n_components, axis=-3)


def facing(axes: FloatArray, about: FloatArray) -> FloatArray:
    """The same axes (..., d, d), each reversed where that brings it nearer to the given one.

    Of an odd number that would be reversed, the one that is most nearly at right angles to the
    given one stays, or another such is reversed too: they remain a rotation.
    """
    cosines = np.einsum("...ij,...ij->...j", about, axes)
    signs = np.where(cosines < 0, -1.0, 1.0)
    odd = signs.prod(axis=-1) < 0
    signs[odd, np.argmin(np.abs(cosines), axis=-1)[odd]] *= -1.0
    return axes * signs[..., None, :]


def rotations(axes: FloatArray) -> FloatArray:
    """The same axes, the first reversed where that is needed to make them a rotation."""
    axes = axes.copy()
    axes[..., 0] *= np.sign(np.linalg.det(axes))[..., None]
    return axes
