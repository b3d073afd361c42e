"""The log density of a prior, compiled."""

from __future__ import annotations

import numpy as np

from ..families.family import Family
from ..families.matrices import CODES, VARIABLE, trace_of_quotient
from ..kernels.calls import caller
from ..kernels.cholesky import cholesky
from ..kernels.compilation import FLOAT, R1, inlined, jit, part
from ..kernels.e_step.arrays import MIXTURE, MixtureArrays
from ..kernels.e_step.contract import Parameters
from ..utils.matrices import diagonals
from ..utils.types import FloatArray
from .integrated_scale import add_halves, log_integral, scale_at, write_expected_scale

LOG_KERNEL = FLOAT(CODES, R1, MIXTURE)
call_log_kernel = caller(LOG_KERNEL)


@inlined
def differ(codes):  # type: ignore[no-untyped-def]
    """Whether the components' covariances may differ."""
    return codes.volume == VARIABLE or codes.shape == VARIABLE or codes.orientation == VARIABLE


@inlined
def of_lkj(hyper):  # type: ignore[no-untyped-def]
    """Whether the prior is an LKJ prior, whose degrees of freedom are negative."""
    return len(hyper) > 0 and hyper[1] < 0.0


@jit()
def _log_of_variances(packed, covariance):  # type: ignore[no-untyped-def]
    """What an LKJ prior has of the variances (`LKJ.packed`), without its constant."""
    rows, d = covariance.shape
    total = 0.0
    for j in range(d):
        v = covariance[j if rows == d else 0, j]
        total -= packed[0] * np.log(v) + packed[1] * np.log(1.0 + v / packed[2 + j])
        total -= packed[2 + d + j] / v
    return total


@part(LOG_KERNEL, from_python=True)
def log_kernel(codes, hyper, mixture):  # type: ignore[no-untyped-def]
    """Log prior density up to a constant; NaN where a covariance is not positive definite.

    (a - 1) sum_k log pi_k, and once per distinct covariance
    -(nu + d + 1)/2 log|Sigma| - tr(Psi Sigma^-1)/2; and of every mean
    -(mu_k - b0)'B0^-1(mu_k - b0)/2, where B0 is Sigma_k / kappa0 and -log|Sigma_k|/2 is added for
    the conjugate prior. Where `hyper` has a random scale after Psi, that is integrated out. An LKJ
    prior is the same with Psi = 0, times a function of the variances.
    """
    weights, means, covariances = mixture
    n_components, rows, d = covariances.shape
    concentration, dof, strength = hyper[0], hyper[1], hyper[2]
    b0 = hyper[3 : 3 + d]
    root = hyper[3 + d + d * d : 3 + d + 2 * d * d].reshape((d, d))
    end = 3 + d + 3 * d * d
    psi = hyper[3 + d + 2 * d * d : end].reshape((d, d))
    lkj = of_lkj(hyper)
    integrated = len(hyper) > end and not lkj
    halves = np.zeros(d)
    distinct = n_components if differ(codes) else 1
    total = 0.0
    lower = np.zeros((d, d))
    log_det = 0.0
    for k in range(n_components):
        if concentration != 1.0:
            total += (concentration - 1.0) * np.log(weights[k])
        if k < distinct or strength > 0.0:
            log_det = _factor(covariances[k], lower)
        if k < distinct:
            trace = 0.0
            if integrated:
                add_halves(lower, rows == 1, halves)
            else:
                trace = _trace(lower, psi, rows == 1)
            total -= 0.5 * ((dof + d + 1.0) * log_det + trace)
            if lkj:
                total += _log_of_variances(hyper[end:], covariances[k])
        if strength > 0.0:
            total -= 0.5 * (log_det + strength * _square(lower, means[k], b0))
        else:
            total -= 0.5 * _square(root, means[k], b0)
    if integrated:
        total += log_integral(scale_at(hyper, end, d), halves)
    return total


@inlined
def write_scale(hyper, codes, covariances, known, psi):  # type: ignore[no-untyped-def]
    """Write Psi (d, d), or if it is integrated out and covariances are known, E[Psi] given them."""
    n_components, rows, d = covariances.shape
    end = 3 + d + 3 * d * d
    given = hyper[3 + d + 2 * d * d : end].reshape((d, d))
    for i in range(d):
        for j in range(d):
            psi[i, j] = given[i, j]
    if len(hyper) > end and known and not of_lkj(hyper):
        halves = np.zeros(d)
        lower = np.zeros((d, d))
        for k in range(n_components if differ(codes) else 1):
            _factor(covariances[k], lower)
            add_halves(lower, rows == 1, halves)
        write_expected_scale(scale_at(hyper, end, d), halves, psi)


def log_kernel_at(parameters: Parameters, family: Family, hyper: FloatArray) -> float:
    """`log_kernel` of parameters, whatever form their covariances come in."""
    n_components, d = parameters.means.shape
    covariances = parameters.covariances.reshape(n_components, -1, d)
    if (family.spherical or family.diagonal) and covariances.shape[1] > 1:  # by their variances
        covariances = diagonals(covariances)[:, None, :]
    arrays = parameters.weights, parameters.means, covariances
    copies = (np.array(array, dtype=np.float64, order="C") for array in arrays)
    return float(log_kernel(family.codes, hyper, MixtureArrays(*copies)))


@jit()
def _factor(covariance, lower):  # type: ignore[no-untyped-def]
    """Write the Cholesky factor of a covariance (d, d), or variances (1, d); return its log det."""
    rows, d = covariance.shape
    if rows == d:
        return cholesky(covariance, lower)
    log_det = 0.0
    for j in range(d):
        lower[j, j] = np.sqrt(covariance[0, j])
        log_det += np.log(covariance[0, j])
    return log_det


@jit()
def _trace(lower, psi, diagonal):  # type: ignore[no-untyped-def]
    """tr(Psi (L L')^-1)."""
    if not diagonal:
        return trace_of_quotient(lower, psi)
    total = 0.0
    for j in range(len(psi)):
        total += psi[j, j] / (lower[j, j] * lower[j, j])
    return total


@jit()
def _square(lower, x, y):  # type: ignore[no-untyped-def]
    """|L^-1 (x - y)|^2."""
    v = np.empty(len(x))
    total = 0.0
    for i in range(len(x)):
        v[i] = x[i] - y[i]
        for j in range(i):
            v[i] -= lower[i, j] * v[j]
        v[i] /= lower[i, i]
        total += v[i] * v[i]
    return total
