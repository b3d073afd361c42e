"""The prior as EM sees it, compiled: pseudo-data in the M-step, and the kernel of its density.

`hyper` packs a prior in centred coordinates: [a, nu, kappa0, b0 (d), B0 (d, d), L (d, d),
Psi (d, d)], with L the lower Cholesky factor of B0; an empty array is no prior. kappa0 = 0: the
means are independent of the covariances; else they have covariance Sigma_k / kappa0, and B0 means
nothing.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from .families.m_steps import VARIABLE, call_m_step, trace_of_quotient
from .kernels.calls import caller
from .kernels.factor import cholesky, solve
from .kernels.primitives import F1, F2, F3, R1, inlined, jit, part

# A component that holds less than this many rows has emptied.
SMALLEST_COUNT = 1e-8


_I, _F, _B = nb.int64, nb.float64, nb.boolean
MAXIMISE = _I(
    _I, _I, _I, _I, _I, R1, _F, _F, F1, F2, F3, _I, _B, _B, F1, F2, F1, F2, F3,
)  # fmt: skip
call_maximise = caller(MAXIMISE)
MEANS = nb.void(R1, F1, F2, F3, F2)
_call_means = caller(MEANS)
LOG_KERNEL = _F(_I, _I, _I, R1, F1, F2, F3)
call_log_kernel = caller(LOG_KERNEL)


@part(MAXIMISE, level=1)
def maximise(  # type: ignore[no-untyped-def]
    m_step, means_step, volume, shape, orientation, hyper, ridge, ratio, counts, means, scatters,
    sweeps, first, warm, volumes, axes, new_weights, new_means, covariances,
):  # fmt: skip
    """The M-step: write new proportions (K,), means (K, d) and covariances; return the empty k.

    scatters and covariances are (K, d, d), or (K, 1, d) if diagonal. With a prior that is not
    conjugate, means and covariances are maximised in turn (ECM: Meng & Rubin 1993, Biometrika 80,
    267-278), the means given the covariances that come in; first: none come in. m_step and
    means_step are addresses, of the family's M-step and, with a prior, of `prior_means`. -1: no
    component is empty.
    """
    n_components, rows, d = scatters.shape
    prior = len(hyper) > 0
    concentration = hyper[0] if prior else 1.0
    strength = hyper[2] if prior else 0.0
    share = 1.0 if _variable(volume, shape, orientation) else 1.0 / n_components
    pseudo_counts = np.empty(n_components)
    pseudo = np.empty((n_components, rows, d)) if prior else scatters
    total = 0.0
    empty = -1
    for k in range(n_components):
        if not prior and not counts[k] > SMALLEST_COUNT and empty < 0:
            empty = k
        total += counts[k] + concentration - 1.0
    for k in range(n_components):
        new_weights[k] = (counts[k] + concentration - 1.0) / total
        pseudo_counts[k] = counts[k] + (share * (hyper[1] + d + 1.0) if prior else 0.0)
        if strength > 0.0:
            pseudo_counts[k] += 1.0  # of the mean's own density
    turns = 2 if prior and first and strength == 0.0 else 1
    for turn in range(turns):
        if prior and turns - turn == 1:
            _call_means(means_step, (hyper, counts, means, covariances, new_means))
        else:
            for k in range(n_components):
                for j in range(d):
                    new_means[k, j] = means[k, j]
        if prior:
            for k in range(n_components):
                for i in range(rows):
                    for j in range(d if rows < d else i + 1):
                        q = j if rows < d else i
                        shift = counts[k] * (new_means[k, q] - means[k, q])
                        v = scatters[k, i, j] + shift * (new_means[k, j] - means[k, j])
                        shift = strength * (new_means[k, q] - hyper[3 + q])
                        v += shift * (new_means[k, j] - hyper[3 + j])
                        v += share * hyper[3 + d + 2 * d * d + q * d + j]
                        pseudo[k, i, j] = v
                        if rows == d:
                            pseudo[k, j, i] = v
        if empty < 0:
            call_m_step(
                m_step,
                (
                    volume, shape, orientation, ratio, pseudo_counts, pseudo, sweeps,
                    warm or turn == 1, volumes, axes, covariances,
                ),
            )  # fmt: skip
    if ridge > 0.0:
        for k in range(n_components):
            for j in range(d):
                covariances[k, 0 if rows < d else j, j] += ridge
    return empty


@inlined
def _variable(volume, shape, orientation):  # type: ignore[no-untyped-def]
    """Whether the components' covariances may differ."""
    return volume == VARIABLE or shape == VARIABLE or orientation == VARIABLE


@part(MEANS)
def prior_means(hyper, counts, means, covariances, out):  # type: ignore[no-untyped-def]
    """Mode of the means given the covariances: b0 + n B0 (Sigma + n B0)^-1 (xbar - b0).

    For the conjugate prior, whatever the covariances, b0 + n / (kappa0 + n) (xbar - b0).
    """
    n_components, rows, d = covariances.shape
    strength = hyper[2]
    b0 = hyper[3 : 3 + d]
    if strength > 0.0:
        for k in range(n_components):
            for i in range(d):
                out[k, i] = b0[i] + counts[k] / (strength + counts[k]) * (means[k, i] - b0[i])
        return
    spread = hyper[3 + d : 3 + d + d * d].reshape((d, d))
    matrix = np.empty((d, d))
    lower = np.empty((d, d))
    v = np.empty(d)
    for k in range(n_components):
        for i in range(d):
            for j in range(d):
                sigma = covariances[k, i, j] if rows == d else 0.0
                if rows < d and i == j:
                    sigma = covariances[k, 0, j]
                matrix[i, j] = sigma + counts[k] * spread[i, j]
        cholesky(matrix, lower)
        for i in range(d):
            v[i] = means[k, i] - b0[i]
        solve(lower, v)
        for i in range(d):
            shift = 0.0
            for j in range(d):
                shift += spread[i, j] * v[j]
            out[k, i] = b0[i] + counts[k] * shift


@part(LOG_KERNEL)
def log_kernel(volume, shape, orientation, hyper, weights, means, covariances):  # type: ignore[no-untyped-def]
    """Log prior density up to a constant, or not a number.

    (a - 1) sum_k log pi_k, and once per distinct covariance
    -(nu + d + 1)/2 log|Sigma| - tr(Psi Sigma^-1)/2; and of every mean
    -(mu_k - b0)'B0^-1(mu_k - b0)/2, where B0 is Sigma_k / kappa0 and -log|Sigma_k|/2 is added for
    the conjugate prior.
    """
    n_components, rows, d = covariances.shape
    concentration, dof, strength = hyper[0], hyper[1], hyper[2]
    b0 = hyper[3 : 3 + d]
    root = hyper[3 + d + d * d : 3 + d + 2 * d * d].reshape((d, d))
    psi = hyper[3 + d + 2 * d * d :].reshape((d, d))
    distinct = n_components if _variable(volume, shape, orientation) else 1
    total = 0.0
    lower = np.zeros((d, d))
    log_det = 0.0
    for k in range(n_components):
        if concentration != 1.0:
            total += (concentration - 1.0) * np.log(weights[k])
        if k < distinct or strength > 0.0:
            log_det = _factor(covariances[k], lower)
        if k < distinct:
            total -= 0.5 * ((dof + d + 1.0) * log_det + _trace(lower, psi, rows == 1))
        if strength > 0.0:
            total -= 0.5 * (log_det + strength * _square(lower, means[k], b0))
        else:
            total -= 0.5 * _square(root, means[k], b0)
    return total


@jit()
def _factor(covariance, lower):  # type: ignore[no-untyped-def]
    """Write the Cholesky factor of (d, d), or of variances (1, d); return the log determinant."""
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
