"""Covariances with volumes and shaped matrices apart, VEE and EVV, given allocations and means.

Sigma_k = lambda_k C_k, |C_k| = 1, where one C or one lambda is common. Given allocations and means
the density is

    prod_k |Sigma_k|^-w_k/2 exp(-tr(S_k Sigma_k^-1)/2)  d lambda  dC,

dC being the invariant measure (decision 29), w_k and S_k the prior's, and the rows' counts and
scatters. Every step draws exactly from a conditional distribution, and reads no row:

- a volume given the matrices is inverse gamma;
- a common C is drawn with the level of the volumes, given their ratios: Sigma_1 is inverse Wishart;
- C_k given a common volume by Bartlett's T, S_k = L L', Sigma_k^-1 = L^-T T T' L^-1: below the
  diagonal normal, and of the diagonal, whose product is given, two elements at a time.
"""

from __future__ import annotations

import math

import numpy as np

from ...density.bartlett import bartlett_covariance
from ...families.matrices import trace_of_quotient
from ...kernels.cholesky import cholesky
from ...kernels.compilation import inlined, jit, part
from .gibbs_axes import DRAW
from .variates import inverse_wishart, log_inverse_gaussian

# Rounds over all pairs of T's diagonal to one sweep.
_ROUNDS = 2


@part(DRAW)
def draw_matrices(rng, power, weights, scales, state, covariances):  # type: ignore[no-untyped-def]
    """Move the covariances (K, d, d) of VEE, where the state has K volumes, or of EVV.

    weights (K,) are w_k, scales (K, d, d) S_k; power is 1. Volumes are left in the state.
    """
    volumes = state.volumes
    n_components, d, _ = covariances.shape
    lower = np.empty((d, d))
    for k in range(n_components):
        volumes[k % len(volumes)] = np.exp(cholesky(covariances[k], lower) / d)
    if len(volumes) == n_components:
        _draw_common_matrix(rng, power, weights, scales, volumes, covariances)
    else:
        for k in range(n_components):
            _draw_matrix(rng, scales[k], volumes[0], covariances[k])
    for v in range(len(volumes)):
        shape = -power
        quotient = 0.0
        for k in range(v, n_components, len(volumes)):
            shape += 0.5 * d * weights[k]
            cholesky(covariances[k], lower)
            quotient += 0.5 * trace_of_quotient(lower, scales[k])
        factor = quotient / rng.standard_gamma(shape)
        volumes[v] *= factor
        for k in range(v, n_components, len(volumes)):
            for i in range(d):
                for j in range(d):
                    covariances[k, i, j] *= factor
    return 0


@inlined
def _draw_common_matrix(rng, power, weights, scales, volumes, covariances):  # type: ignore[no-untyped-def]
    """Draw the matrix and the level of all volumes, given the ratios of these."""
    n_components, d, _ = covariances.shape
    total = np.zeros((d, d))
    dof = -2.0 * power * n_components / d
    for k in range(n_components):
        dof += weights[k]
        for i in range(d):
            for j in range(d):
                total[i, j] += scales[k, i, j] * (volumes[0] / volumes[k])
    new = np.empty((d, d))
    inverse_wishart(rng, dof, total, new)
    level = np.exp(cholesky(new, total) / d)
    for k in range(n_components - 1, -1, -1):
        ratio = volumes[k] / volumes[0]
        volumes[k] = level * ratio
        for i in range(d):
            for j in range(d):
                covariances[k, i, j] = new[i, j] * ratio


@jit()
def _draw_matrix(rng, scale, volume, covariance):  # type: ignore[no-untyped-def]
    """Draw a covariance of given volume."""
    d = len(scale)
    root = np.empty((d, d))
    log_chi2 = np.empty(d)
    lower = np.empty(d * (d - 1) // 2)
    log_det = cholesky(scale, root)
    _log_diagonal(root, covariance, log_chi2)
    excess = -log_det + d * np.log(volume)  # of rounding errors
    for j in range(d):
        excess += log_chi2[j]
    for j in range(d):
        log_chi2[j] -= excess / d
    for _ in range(_ROUNDS):
        for p in range(d):
            for q in range(p + 1, d):
                # The density is in exp(drift t - (exp(x_p + t) + exp(x_q - t))/2).
                x_p, x_q = log_chi2[p], log_chi2[q]
                c = np.exp(0.5 * (x_p + x_q))
                t = 0.5 * (x_q - x_p) + log_inverse_gaussian(rng, c, 0.5 * (q - p))
                log_chi2[p] += t
                log_chi2[q] -= t
    for i in range(d):
        log_chi2[i] = np.exp(log_chi2[i])
        for j in range(i):
            lower[i * (i - 1) // 2 + j] = rng.standard_normal()
    bartlett_covariance(root, log_chi2, lower, np.empty((d, d)), covariance)


@inlined
def _log_diagonal(root, covariance, out):  # type: ignore[no-untyped-def]
    """Write the logarithms of T's squared diagonal, Sigma^-1 = L^-T T T' L^-1.

    L^-1 Sigma L^-T = U U', U = T^-T upper triangular: lower triangular in reversed order.
    """
    d = len(root)
    half = np.empty((d, d))
    white = np.empty((d, d))
    for j in range(d):  # L^-1 Sigma
        for i in range(d):
            v = covariance[i, j]
            for q in range(i):
                v -= root[i, q] * half[q, j]
            half[i, j] = v / root[i, i]
    for i in range(d):  # (L^-1 Sigma) L^-T, by rows
        for j in range(d):
            v = half[i, j]
            for q in range(j):
                v -= root[j, q] * white[d - 1 - i, d - 1 - q]
            white[d - 1 - i, d - 1 - j] = v / root[j, j]
    cholesky(white, half)
    for j in range(d):
        out[j] = -2.0 * math.log(half[d - 1 - j, d - 1 - j])
