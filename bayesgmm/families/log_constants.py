"""The constants with which the inverse Wishart's kernel, restricted to a family, integrates to 1.

The kernel is prod_k |Sigma_k|^-(nu + d + 1)/2 exp(-tr(Psi Sigma_k^-1)/2), once where components
share one covariance. What it is a density with respect to, and how its integral is found, is in
decision 29: gamma functions, for equal volumes with shapes of their own one integral
(`equal_volumes.py`), and for families with axes an average over rotations (`rotations_prior.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from .equal_volumes import EqualVolumes
from .family import Family
from .inverse_wishart import InverseWishart
from .letters import Letter
from .rotations_prior import rotations_prior


class LogConstant(NamedTuple):
    """A log normalising constant, and its Monte Carlo standard error, 0 where it is exact."""

    value: float
    error: float


def log_constant(prior: InverseWishart, family: Family, n_components: int) -> LogConstant:
    """The constant of the density of all distinct covariances.

    With respect to the elements of Sigma for EEE and VVV, the variances for EEI and VVI, those
    along the axes for VVE, else lambda or the lambda_k; to d log a of each shape, in orthonormal
    coordinates, and Haar's probability measure of the axes. A random scale is at its mean.
    """
    if family.conjugate:
        distinct = 1 if family.common else n_components
        return LogConstant(distinct * prior.log_constant(family), 0.0)
    d, psi = prior.d, prior.expected_scale
    average, error = 0.0, 0.0
    rotations = rotations_prior(family, n_components, d, prior.dof)
    if rotations is None:
        log_psi = np.log(np.diagonal(psi))
    else:
        log_psi = np.log(np.linalg.eigvalsh(psi))
        average, error, *_ = rotations.path(np.exp(log_psi))
    power = scale_power(prior.dof, family, n_components, d)
    at_unit = _at_unit_scale(family, n_components, d, prior.dof + d + 1)
    return LogConstant(float(power * log_psi.sum() - at_unit - average), error)


def scale_power(dof: float, family: Family, n_components: int, d: int) -> float:
    """The m with which the kernel's integral at t Psi is t^-(d m) times that at Psi.

    Where Psi's diagonal enters through its product alone, m is the power of each of its elements.
    """
    half_weight = 0.5 * (dof + d + 1)
    distinct = 1 if family.common else n_components
    if family.conjugate and not family.spherical:
        return distinct * (half_weight - 1 if family.diagonal else 0.5 * dof)
    if family.volume == family.shape == Letter.VARIABLE:
        return n_components * (half_weight - 1)
    if family.spherical or family.volume == Letter.VARIABLE:
        return distinct * (half_weight - 1 / d)
    return n_components * half_weight - 1 / d


def _at_unit_scale(family: Family, k: int, d: int, weight: float) -> float:
    """Log of the integral at Psi = I."""
    if family.volume == family.shape == Letter.VARIABLE:  # VVE
        shape = 0.5 * weight - 1
        return float(k * d * (gammaln(shape) + shape * np.log(2.0)))
    if family.volume == Letter.VARIABLE:  # VEI VEE VEV: the precisions' total, and its shares
        alpha = 0.5 * d * weight - 1
        total = d * gammaln(alpha * k / d) - 0.5 * np.log(d) + alpha * k * np.log(2.0)
        return float(total + k * gammaln(alpha) - gammaln(alpha * k))
    power = 0.5 * k * d * weight - 1
    if family.shape == Letter.VARIABLE:  # EVI EVE EVV
        return EqualVolumes(k, d, power).log_integral + power * np.log(2.0)
    gammas = d * gammaln(power / d) - 0.5 * np.log(d)  # EEV: one covariance of K times the power
    return float(gammas + power * np.log(2.0 / k))
