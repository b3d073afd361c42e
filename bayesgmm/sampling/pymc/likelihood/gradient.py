"""Log-likelihood and its gradient in the model's own variables, on one thread.

By Fisher's identity the gradient of log p(X | pi, mu, Sigma) is the expectation of the complete
data's, so the moments of one pass give it:

    d/d pi_k = n_k / pi_k      d/d mu_k = P_k sum_i r_ik (x_i - mu_k)
    d/d P_k  = (n_k Sigma_k - C_k) / 2,    C_k = sum_i r_ik (x_i - mu_k)(x_i - mu_k)'

and the last is pulled back here to the variables that make P_k. Every function writes the
pointwise log-likelihood (n,) and the gradients of its sum (of its sum weighted by row_weights,
unless that is empty) into the arrays it is given. Values that are no mixture (a variance that is
not positive, NaN) give -inf and gradients of NaN.
"""

from __future__ import annotations

import numpy as np

from ....density.bartlett import bartlett_factor, pull_back_triangle
from ....kernels.compilation import inlined, jit
from .moments import moments


@inlined
def bartlett_likelihood(  # type: ignore[no-untyped-def]
    pi, mu, chi2, lower, root, center, inverse_scale, x, row_weights,
    log_density, g_pi, g_mu, g_chi2, g_lower,
):  # fmt: skip
    """Full covariances, P_k = M T_k T_k' M'.

    chi2 (J, d) are the squared diagonals of the lower triangular T, lower (J, d(d-1)/2) its
    strict lower part by rows, J = K or 1 (shared); root (d, d) is the upper triangular M.
    """
    n_components, d = mu.shape
    n_blocks = chi2.shape[0]
    m = np.empty((d, d))  # M in scaled coordinates
    for i in range(d):
        for j in range(d):
            m[i, j] = root[i, j] / inverse_scale[i]
    factors = np.empty((n_components, d, d))
    half_log_dets = np.empty(n_components)
    for k in range(n_components):
        bartlett_factor(m, chi2[k % n_blocks], lower[k % n_blocks], factors[k])
        half_log_dets[k] = 0.0
        for j in range(d):
            half_log_dets[k] += np.log(m[j, j]) + 0.5 * np.log(chi2[k % n_blocks, j])
    means, log_weights = _scaled(pi, mu, center, inverse_scale)
    counts = np.empty(n_components)
    first = np.empty((n_components, d))
    second = np.empty((n_components, d, d))
    sound = moments(
        log_weights, means, factors, half_log_dets, center, inverse_scale, x, row_weights,
        log_density, counts, first, second,
    )  # fmt: skip
    if not sound:
        _refuse(log_density, g_pi, g_mu)
        g_chi2[:] = np.nan
        g_lower[:] = np.nan
        return
    _to_data_units(log_density, inverse_scale)
    g_chi2[:] = 0.0
    g_lower[:] = 0.0
    y = np.empty(d)
    half = np.empty((d, d))
    for k in range(n_components):
        b = factors[k]
        g_pi[k] = counts[k] / pi[k]
        for i in range(d):  # y = B sum r (z - m)
            y[i] = 0.0
            for j in range(d):
                y[i] += b[i, j] * first[k, j]
        for j in range(d):  # P = B' B
            v = 0.0
            for i in range(d):
                v += b[i, j] * y[i]
            g_mu[k, j] = v * inverse_scale[j]
        for i in range(d):  # C B'
            for j in range(d):
                v = 0.0
                for q in range(d):
                    v += second[k, i, q] * b[j, q]
                half[i, j] = v
        pull_back_triangle(
            counts[k], m, half, chi2[k % n_blocks], g_chi2[k % n_blocks], g_lower[k % n_blocks]
        )


@inlined
def variance_likelihood(  # type: ignore[no-untyped-def]
    pi, mu, variance, center, inverse_scale, x, row_weights, log_density, g_pi, g_mu, g_variance
):
    """Diagonal covariances: variance is (K or 1, d or 1), an axis of length 1 being shared."""
    n_components, d = mu.shape
    rows, columns = variance.shape
    factors = np.empty((n_components, 1, d))
    half_log_dets = np.zeros(n_components)
    for j in range(d):
        for k in range(n_components):
            v = np.sqrt(variance[k % rows, j % columns]) * inverse_scale[j]
            factors[k, 0, j] = 1.0 / v
            half_log_dets[k] -= np.log(v)
    means, log_weights = _scaled(pi, mu, center, inverse_scale)
    counts = np.empty(n_components)
    first = np.empty((n_components, d))
    second = np.empty((n_components, 1, d))
    sound = moments(
        log_weights, means, factors, half_log_dets, center, inverse_scale, x, row_weights,
        log_density, counts, first, second,
    )  # fmt: skip
    if not sound:
        _refuse(log_density, g_pi, g_mu)
        g_variance[:] = np.nan
        return
    _to_data_units(log_density, inverse_scale)
    g_variance[:] = 0.0
    for k in range(n_components):
        g_pi[k] = counts[k] / pi[k]
        for j in range(d):
            p = factors[k, 0, j] * factors[k, 0, j]
            g_mu[k, j] = p * first[k, j] * inverse_scale[j]
            g_variance[k % rows, j % columns] += (
                0.5 * (p * second[k, 0, j] - counts[k]) / variance[k % rows, j % columns]
            )


@jit()
def _scaled(pi, mu, center, inverse_scale):  # type: ignore[no-untyped-def]
    n_components, d = mu.shape
    means = np.empty((n_components, d))
    log_weights = np.empty(n_components)
    for k in range(n_components):
        log_weights[k] = np.log(pi[k])
        for j in range(d):
            means[k, j] = (mu[k, j] - center[j]) * inverse_scale[j]
    return means, log_weights


@jit()
def _to_data_units(log_density, inverse_scale):  # type: ignore[no-untyped-def]
    shift = 0.0
    for j in range(inverse_scale.shape[0]):
        shift += np.log(inverse_scale[j])
    for r in range(log_density.shape[0]):
        log_density[r] += shift


@jit()
def _refuse(log_density, g_pi, g_mu):  # type: ignore[no-untyped-def]
    log_density[:] = -np.inf
    g_pi[:] = np.nan
    g_mu[:] = np.nan
