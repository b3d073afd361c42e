"""The observed information of a fit, in free coordinates of its family.

The gradient of the log-likelihood comes from the one pass (Fisher's identity, as for EM and NUTS);
the information is its central difference in p coordinates, 2 p passes in all. At a maximum the
choice of coordinates does not matter, so they are the plainest: `Chart`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...data.data import Data
from ...families import Family
from ...families.letters import Letter
from ...families.parametrisation.axes import principal_axes
from ...kernels.e_step.contract import Parameters
from ...kernels.e_step.e_step import expected_statistics
from ...mixture.prior import Prior
from ...utils.types import FloatArray

# Coordinates are relative to the components' own widths: the differences are good to about 1e-8.
_STEP = 1e-4
# Smallest eigenvalue, scaled to a unit diagonal, that the differences can tell from 0.
_SINGULAR = 1e-7
# Of the prior's second differences, which are taken of its value.
_PRIOR_STEP = 1e-3


class Tangents(NamedTuple):
    """Derivatives of the parameters in q coordinates: (q, K), (q, K, d) and (q, K, d, d)."""

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray


@dataclass(frozen=True, slots=True)
class _Bend:
    """What one coordinate does to Sigma_k = e^a R B R': directions of a, B's parts; (q, K, ...)."""

    volume: FloatArray
    symmetric: FloatArray
    stretch: FloatArray
    skew: FloatArray


class Chart:
    """Free coordinates of the mixtures of a family about one of them, which lies at 0.

    pi_k is multiplied by exp(e_k) and divided by the sum; mu_k moves by L_k u with
    L_k L_k' = Sigma_k; and Sigma_k becomes e^a R B R', where shape and orientation are both free
    or both shared with R = L_k and B = I + S + S^2/2 (S symmetric, trace 0), else with R = D_k
    and B = Q diag(lambda e^s) Q', Q = I + T + T^2/2 (T skew). The powers left out make an error
    of third order in the distance from 0, which a second derivative there does not see.

    Parameters
    ----------
    family : Family
        Covariance family; its letters say which coordinates components share.
    parameters : Parameters
        The member at 0, with covariances (K, d, d).
    """

    def __init__(self, family: Family, parameters: Parameters) -> None:
        n_components, d = parameters.means.shape
        shape, orientation = family.shape, family.orientation
        if family.univariate or d == 1:
            shape = orientation = Letter.IDENTITY
        elif n_components == 1:  # nothing to share: shape and orientation are one matrix
            shape, orientation = (
                Letter.EQUAL if letter == Letter.VARIABLE else letter
                for letter in (shape, orientation)
            )
        self.parameters = parameters
        self.joint = shape == orientation != Letter.IDENTITY
        covariances = parameters.covariances
        self.lower = np.linalg.cholesky(covariances)
        self.root = self.lower if self.joint else principal_axes(covariances, orientation)
        self.axes = np.einsum("kji,kjl,kli->ki", self.root, covariances, self.root)
        self.bend = _bend(family.volume, shape, orientation, self.joint, n_components, d)
        self.contrasts = np.eye(n_components)[: n_components - 1]
        self.size = n_components - 1 + n_components * d + len(self.bend.volume)

    def at(self, free: FloatArray) -> tuple[Parameters, Tangents]:
        """The mixture at these coordinates (size,), and its derivatives in each of them."""
        n_components, d = self.parameters.means.shape
        a, b = n_components - 1, n_components - 1 + n_components * d
        weights = self.parameters.weights * np.exp(free[:a] @ self.contrasts)
        weights /= weights.sum()
        shift = free[a:b].reshape(n_components, d)
        means = self.parameters.means + np.einsum("kij,kj->ki", self.lower, shift)
        covariances, d_covariances = self._covariances(free[b:])
        d_weights, d_means = (
            np.zeros((self.size, n_components)),
            np.zeros((self.size, *means.shape)),
        )
        d_weights[:a] = weights * (self.contrasts - (self.contrasts @ weights)[:, None])
        for k in range(n_components):
            d_means[a + k * d : a + (k + 1) * d, k] = self.lower[k].T
        tangents = np.concatenate([np.zeros((b, *covariances.shape)), d_covariances])
        return Parameters(weights, means, covariances), Tangents(d_weights, d_means, tangents)

    def _covariances(self, free: FloatArray) -> tuple[FloatArray, FloatArray]:
        bend, eye = self.bend, np.eye(self.root.shape[-1])
        if self.joint:
            s, ds = np.tensordot(free, bend.symmetric, 1), bend.symmetric
            inner = eye + s + 0.5 * s @ s
            d_inner = ds + 0.5 * (ds @ s + s @ ds)
        else:
            t, dt = np.tensordot(free, bend.skew, 1), bend.skew
            turn, d_turn = eye + t + 0.5 * t @ t, dt + 0.5 * (dt @ t + t @ dt)
            axes = self.axes * np.exp(np.tensordot(free, bend.stretch, 1))
            back = np.swapaxes(turn, -1, -2)
            inner = (turn * axes[:, None]) @ back
            half = (d_turn * axes[:, None]) @ back
            d_inner = half + np.swapaxes(half, -1, -2)
            d_inner += (turn * (axes * bend.stretch)[:, :, None]) @ back
        volume = np.exp(np.tensordot(free, bend.volume, 1))[:, None, None]
        back = np.swapaxes(self.root, -1, -2)
        covariances = volume * (self.root @ inner @ back)
        d_covariances = volume * (self.root @ d_inner @ back)
        return covariances, d_covariances + bend.volume[..., None, None] * covariances


def _bend(
    volume: Letter, shape: Letter, orientation: Letter, joint: bool, n_components: int, d: int
) -> _Bend:
    """The coordinates of the covariances: volumes, then shapes, then orientations."""
    upper = np.triu_indices(d, 1)
    pairs = np.zeros((len(upper[0]), d, d))
    pairs[np.arange(len(upper[0])), *upper] = 1.0
    contrasts = np.eye(d)[:-1] - np.eye(d)[1:]
    skew = pairs - np.swapaxes(pairs, 1, 2)
    traceless = np.concatenate(
        [contrasts[:, :, None] * np.eye(d), pairs + np.swapaxes(pairs, 1, 2)]
    )
    none = np.zeros((0, n_components))
    parts = [
        _shared(np.ones(1), volume if n_components > 1 else Letter.EQUAL, n_components),
        _shared(traceless, shape, n_components) if joint else none.reshape(0, n_components, d, d),
        _shared(contrasts, Letter.IDENTITY if joint else shape, n_components),
        _shared(skew, Letter.IDENTITY if joint else orientation, n_components),
    ]
    ends = np.cumsum([0] + [len(part) for part in parts])
    placed = [np.zeros((ends[-1], *part.shape[1:])) for part in parts]
    for whole, part, start in zip(placed, parts, ends[:-1], strict=True):
        whole[start : start + len(part)] = part
    return _Bend(*placed)


def _shared(basis: FloatArray, letter: Letter, n_components: int) -> FloatArray:
    """Directions (q, K, ...): each of a basis in all components (E), in each alone (V), or none."""
    if letter == Letter.IDENTITY:
        return np.zeros((0, n_components, *basis.shape[1:]))
    if letter == Letter.EQUAL:
        return np.repeat(basis[:, None], n_components, axis=1)
    single = np.zeros((n_components, len(basis), n_components, *basis.shape[1:]))
    for k in range(n_components):
        single[k, :, k] = basis
    return single.reshape(-1, *single.shape[2:])


def observed_information(
    data: Data, chart: Chart, family: Family, prior: Prior | None = None
) -> tuple[FloatArray, FloatArray]:
    """Minus the second derivatives of the log-likelihood (log posterior) at 0, and the gradient.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    chart : Chart
        p coordinates about the estimates, centred as the data.
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
    steps = _STEP * np.eye(chart.size)
    rows = [_gradient(data, chart, h) - _gradient(data, chart, -h) for h in steps]
    information = -np.array(rows) / (2 * _STEP)
    gradient = _gradient(data, chart, np.zeros(chart.size))
    if prior is not None:
        slope, curvature = _prior_derivatives(data, chart, family, prior)
        gradient, information = gradient + slope, information - curvature
    return 0.5 * (information + information.T), gradient


def inverse(information: FloatArray) -> tuple[FloatArray, float]:
    """The inverse, and the smallest eigenvalue when scaled to a unit diagonal.

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
        raise ValueError(
            "the observed information is not positive definite (smallest eigenvalue "
            f"{smallest:.3g}, scaled to a unit diagonal): the fit is no regular maximum, because "
            "EM had not arrived (fit with a smaller tol), components coincide, or an orientation "
            "is undetermined. Use fewer components or a smaller family, or method='bootstrap'."
        )
    scaled = (vectors / values) @ vectors.T
    return scaled / np.outer(size, size), smallest


def _gradient(data: Data, chart: Chart, free: FloatArray) -> FloatArray:
    """Derivatives of the log-likelihood in the coordinates, from one pass."""
    p, tangents = chart.at(free)
    _, s = expected_statistics(data, p)
    delta = s.means - p.means
    about = s.scatters + s.counts[:, None, None] * delta[:, :, None] * delta[:, None, :]
    precisions = np.linalg.inv(p.covariances)
    by_mean = s.counts[:, None] * np.einsum("kij,kj->ki", precisions, delta)
    excess = about - s.counts[:, None, None] * p.covariances
    by_covariance = 0.5 * precisions @ excess @ precisions
    return np.asarray(
        tangents.weights @ (s.counts / p.weights)
        + np.tensordot(tangents.means, by_mean, 2)
        + np.tensordot(tangents.covariances, by_covariance, 3)
    )


def _prior_derivatives(
    data: Data, chart: Chart, family: Family, prior: Prior
) -> tuple[FloatArray, FloatArray]:
    """Gradient (p,) and second derivatives (p, p) of the log prior density, by differences."""

    def value(free: FloatArray) -> float:
        return prior.log_density(chart.at(free)[0], family, data.center)

    h, steps = _PRIOR_STEP, _PRIOR_STEP * np.eye(chart.size)
    at_0 = value(np.zeros(chart.size))
    forward, backward = (np.array([value(sign * step) for step in steps]) for sign in (1, -1))
    curvature = np.diag(forward + backward - 2 * at_0)
    for i in range(chart.size):
        for j in range(i):
            both = value(steps[i] + steps[j]) + value(-steps[i] - steps[j])
            mixed = both - forward[i] - forward[j] - backward[i] - backward[j] + 2 * at_0
            curvature[i, j] = curvature[j, i] = 0.5 * mixed
    return (forward - backward) / (2 * h), curvature / h**2
