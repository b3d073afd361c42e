"""The observed information of a fit, in the free coordinates of its family.

The coordinates are those of samplers (`density.Space`), about the fit and in units of the mixture's
own widths. The log-likelihood's gradient is the log posterior's less that of the prior alone; the
information is its central difference, from 2 p gradients. At a maximum neither the choice of
coordinates nor the auxiliary prior matters.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

import numpy as np

from ...data.data import Data
from ...density.log_posterior import LogPosterior
from ...density.mode import curvature
from ...families import Family, get_family
from ...families.letters import Letter
from ...families.parametrisation.parametrisation import parametrisation
from ...kernels.e_step.contract import Parameters
from ...mixture.noise import Noise
from ...mixture.prior import Prior
from ...mixture.share_of_noise import log_prior_of_share
from ...utils.types import FloatArray

# Step of the gradient's differences, in units of the components' own widths: they are then accurate
# to about 1e-8.
_STEP = 1e-4
# Smallest eigenvalue, scaled to a unit diagonal, that the differences can distinguish from 0.
_SINGULAR = 1e-7
# Step of the log prior's second differences, which are differences of its values.
_PRIOR_STEP = 1e-3
# Step of the parameters' first differences, in the larger of a coordinate's two units.
_TANGENT_STEP = 3e-6
# A coordinate that moves the mixture by less, in widths of its components, is not determined: the
# orientation of an axis whose neighbour is as long.
_MOVES = 1e-5


class Tangents(NamedTuple):
    """Derivatives of the parameters in q coordinates: (q, K), (q, K, d) and (q, K, d, d).

    noise (q, 1) are those of the share of noise, (q, 0) where there is none.
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    noise: FloatArray


class Beside(NamedTuple):
    """Noise beside a mixture, and its share."""

    noise: Noise
    share: float


class LocalCoordinates:
    """Free coordinates of the mixtures of a family about one of them, which lies at 0.

    They are `density.Space`'s, relative to those of the mixture, in units that move it by the width
    of its components: one row of known component has information 1 in each.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    family : Family
        Covariance family.
    parameters : Parameters
        The member at 0, centred as the data, with covariances (K, d, d).
    beside : Beside, optional
        Noise, whose share has a coordinate too.

    Attributes
    ----------
    size : int
        Number p of coordinates: the free parameters.
    tangents : Tangents
        Derivatives of the parameters at 0.

    Raises
    ------
    ValueError
        A coordinate does not move the mixture.
    """

    def __init__(
        self, data: Data, family: Family, parameters: Parameters, beside: Beside | None = None
    ) -> None:
        weights, means = parameters.weights, parameters.means
        covariances, (n_components, d) = parameters.covariances, means.shape
        if n_components == 1 and Letter.IDENTITY not in (family.shape, family.orientation):
            family = get_family("EEE", d)  # nothing to share: shape and orientation are one matrix
        self.parametrisation = parametrisation(family, n_components, d, covariances)
        # Any prior would do; this one gives Bartlett's variables the scale of the components.
        pooled = np.einsum("k,kij->ij", weights, covariances)
        self.prior = Prior(data.center, data.scale**2, d + 2.0, pooled)
        self.beside, noise = beside, None if beside is None else beside.noise
        self._posterior, self._prior_alone = (
            LogPosterior(data, self.parametrisation, self.prior, noise=noise, likelihood=likelihood)
            for likelihood in (True, False)
        )
        self.size = self._posterior.size
        self._origin = self._posterior.space.free(
            {
                "pi": weights,
                "mu": means + data.center,
                **({} if beside is None else {"noise_share": np.array(beside.share)}),
                **self.parametrisation.values_from(covariances, self.prior.of_covariances),
            }
        )
        self._units = self._posterior.units()
        self._rescale(parameters)
        self._rescale(parameters)  # the first derivatives were taken in rough units
        self.tangents = self._derivatives()

    def at(self, free: FloatArray) -> Parameters:
        """The mixtures (..., K), (..., K, d) and (..., K, d, d) at coordinates (..., p)."""
        values = self._posterior.space.values(self._origin + self._units * free)
        means = values["mu"] - self._posterior.data.center
        weights = values.get("pi", np.ones(means.shape[:-1]))
        return Parameters(
            weights, means, self.parametrisation.covariances(values, self.prior.of_covariances)
        )

    def shares(self, free: FloatArray) -> FloatArray:
        """The share of noise (..., 1) at coordinates (..., p), or nothing (..., 0)."""
        if self.beside is None:
            return np.empty((*free.shape[:-1], 0))
        values = self._posterior.space.values(self._origin + self._units * free)
        return values["noise_share"][..., None]

    def gradient(self, free: FloatArray) -> FloatArray:
        """Derivatives of the log-likelihood at coordinates (p,)."""
        u = self._origin + self._units * free
        return self._units * (self._posterior(u)[1] - self._prior_alone(u)[1])

    def _rescale(self, parameters: Parameters) -> None:
        """Divide the units by how far they move the mixture."""
        weights, means, covariances, noise = self._derivatives()
        precisions = np.linalg.inv(parameters.covariances)
        moves = np.sum(weights**2 / parameters.weights, axis=1)
        moves += np.einsum("k,qki,kij,qkj->q", parameters.weights, means, precisions, means)
        relative = precisions @ covariances
        moves += 0.5 * np.einsum("k,qkij,qkji->q", parameters.weights, relative, relative)
        if self.beside is not None:
            moves += noise[:, 0] ** 2 / (self.beside.share * (1 - self.beside.share))
        if not moves.min() > _MOVES**2:
            _refuse(float(moves.min()))
        self._units = self._units / np.sqrt(moves)

    def _derivatives(self) -> Tangents:
        """Derivatives of the parameters at 0, by central differences."""
        large = np.maximum(self._posterior.units() / self._units, 1.0)
        steps = _TANGENT_STEP * np.diag(large)
        ahead, behind = self.at(steps), self.at(-steps)

        def quotient(a: FloatArray, b: FloatArray) -> FloatArray:
            return (a - b) / (2 * _TANGENT_STEP * large.reshape(-1, *[1] * (a.ndim - 1)))

        return Tangents(
            quotient(ahead.weights, behind.weights),
            quotient(ahead.means, behind.means),
            quotient(ahead.covariances, behind.covariances),
            quotient(self.shares(steps), self.shares(-steps)),
        )


def observed_information(
    data: Data, local: LocalCoordinates, family: Family, prior: Prior | None = None
) -> tuple[FloatArray, FloatArray]:
    """The observed information (with a prior, of the log posterior) at 0, and the gradient.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    local : LocalCoordinates
        p coordinates about the estimates, of these rows.
    family : Family
        Covariance family.
    prior : Prior, optional
        The prior maximised under.

    Returns
    -------
    information : array (p, p)
        Symmetric; positive definite at a regular maximum.
    gradient : array (p,)
        0 at a maximum.
    """
    origin = np.zeros(local.size)
    information = curvature(local.gradient, origin, np.full(local.size, _STEP), data)
    gradient = local.gradient(origin)
    if prior is not None:
        slope, of_prior = _prior_derivatives(data, local, family, prior)
        gradient, information = gradient + slope, information - of_prior
    return information, gradient


def inverse(information: FloatArray) -> tuple[FloatArray, float]:
    """The inverse of an information, and its smallest eigenvalue when scaled to unit diagonal.

    Raises
    ------
    ValueError
        Not positive definite.
    """
    size = np.sqrt(np.abs(np.diagonal(information)))
    size[size == 0] = 1.0
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    smallest = float(values[0])
    if not smallest > _SINGULAR:
        _refuse(smallest)
    scaled = (vectors / values) @ vectors.T
    return scaled / np.outer(size, size), smallest


def _refuse(smallest: float) -> NoReturn:
    raise ValueError(
        "the observed information is not positive definite (smallest eigenvalue "
        f"{smallest:.3g}, scaled to a unit diagonal): the fit is not a regular maximum. EM "
        "had not converged (fit with a smaller tol), components coincide, or an orientation is "
        "undetermined. Use fewer components or a smaller family, or method='bootstrap'."
    )


def _prior_derivatives(
    data: Data, local: LocalCoordinates, family: Family, prior: Prior
) -> tuple[FloatArray, FloatArray]:
    """Gradient (p,) and second derivatives (p, p) of the log prior density, by differences."""

    def values(free: FloatArray) -> FloatArray:
        of = local.at(free)
        mixtures = map(Parameters, of.weights, of.means, of.covariances)
        of_share = log_prior_of_share(local.shares(free), prior.noise_share).sum(axis=-1)
        return of_share + [prior.log_density(m, family, data.center) for m in mixtures]

    h, steps = _PRIOR_STEP, _PRIOR_STEP * np.eye(local.size)
    [at_0] = values(np.zeros((1, local.size)))
    forward, backward = values(steps), values(-steps)
    second = np.diag(forward + backward - 2 * at_0)
    for i in range(1, local.size):
        both = values(steps[i] + steps[:i]) + values(-steps[i] - steps[:i])
        mixed = both - forward[i] - forward[:i] - backward[i] - backward[:i] + 2 * at_0
        second[i, :i] = second[:i, i] = 0.5 * mixed
    return (forward - backward) / (2 * h), second / h**2
