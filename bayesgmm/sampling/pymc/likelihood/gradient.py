"""Log-likelihood and its gradient in the model's own variables, on one thread.

By Fisher's identity the gradient of log p(X | pi, mu, Sigma) is the expectation of the complete
data's, so the moments of one pass give it:

    d/d pi_k = n_k / pi_k      d/d mu_k = P_k sum_i r_ik (x_i - mu_k)
    d/d P_k  = (n_k Sigma_k - C_k) / 2,    C_k = sum_i r_ik (x_i - mu_k)(x_i - mu_k)'

and the last is pulled back here to the variables that make P_k. Every function writes the
pointwise log-likelihood (n,) and the gradients of its sum (of its sum weighted by row_weights,
unless that is empty) into the arrays it is given. Values that do not make a mixture (a variance
that is not positive, NaN) give -inf and gradients of NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....density.bartlett import bartlett_factor, pull_back_triangle
from ....density.covariances import precision_times, products_with
from ....kernels.compilation import inlined, jit
from ....kernels.e_step.arrays import Components, Moments
from ....utils.types import FloatArray
from .moments import write_moments


class BartlettVariables(NamedTuple):
    """The variables of a mixture with full covariances, P_k = M T_k T_k' M', or gradients in them.

    chi2 (J, d) are the squared diagonals of the lower triangular T, lower (J, d(d-1)/2) its
    strict lower part by rows, J = K or 1 (shared).
    """

    pi: FloatArray
    mu: FloatArray
    chi2: FloatArray
    lower: FloatArray


class VarianceVariables(NamedTuple):
    """The variables of a mixture with diagonal covariances, or gradients in them.

    variance is (K or 1, d or 1), an axis of length 1 being shared.
    """

    pi: FloatArray
    mu: FloatArray
    variance: FloatArray


@inlined
def bartlett_likelihood(at, root, x, view, log_density, slope):  # type: ignore[no-untyped-def]
    """Full covariances; root (d, d) is the upper triangular M."""
    n_components, d = at.mu.shape
    n_blocks = at.chi2.shape[0]
    m = np.empty((d, d))  # M in scaled coordinates
    for i in range(d):
        for j in range(d):
            m[i, j] = root[i, j] / view.inverse_scale[i]
    components = _components(at.pi, at.mu, view, d)
    half_log_dets = components.half_log_dets
    for k in range(n_components):
        chi2 = at.chi2[k % n_blocks]
        bartlett_factor(m, chi2, at.lower[k % n_blocks], components.factors[k])
        half_log_dets[k] = 0.0
        for j in range(d):
            half_log_dets[k] += np.log(m[j, j]) + 0.5 * np.log(chi2[j])
    moments = Moments(
        np.empty(n_components), np.empty((n_components, d)), np.empty((n_components, d, d))
    )
    if not write_moments(components, x, view, log_density, moments):
        _refuse(log_density, slope.pi, slope.mu)
        slope.chi2[:] = np.nan
        slope.lower[:] = np.nan
        return
    _to_data_units(log_density, view.inverse_scale)
    slope.chi2[:] = 0.0
    slope.lower[:] = 0.0
    half = np.empty((d, d))
    for k in range(n_components):
        b = components.factors[k]
        slope.pi[k] = moments.counts[k] / at.pi[k]
        precision_times(b, moments.first[k], slope.mu[k])
        for j in range(d):
            slope.mu[k, j] *= view.inverse_scale[j]
        products_with(moments.second[k], b, half)
        pull_back_triangle(
            moments.counts[k], m, half, at.chi2[k % n_blocks], slope.chi2[k % n_blocks],
            slope.lower[k % n_blocks],
        )  # fmt: skip


@inlined
def variance_likelihood(at, x, view, log_density, slope):  # type: ignore[no-untyped-def]
    """Diagonal covariances."""
    n_components, d = at.mu.shape
    variance = at.variance
    rows, columns = variance.shape
    components = _components(at.pi, at.mu, view, 1)
    for k in range(n_components):
        components.half_log_dets[k] = 0.0
    for j in range(d):
        for k in range(n_components):
            v = np.sqrt(variance[k % rows, j % columns]) * view.inverse_scale[j]
            components.factors[k, 0, j] = 1.0 / v
            components.half_log_dets[k] -= np.log(v)
    moments = Moments(
        np.empty(n_components), np.empty((n_components, d)), np.empty((n_components, 1, d))
    )
    if not write_moments(components, x, view, log_density, moments):
        _refuse(log_density, slope.pi, slope.mu)
        slope.variance[:] = np.nan
        return
    _to_data_units(log_density, view.inverse_scale)
    slope.variance[:] = 0.0
    for k in range(n_components):
        slope.pi[k] = moments.counts[k] / at.pi[k]
        for j in range(d):
            p = components.factors[k, 0, j] * components.factors[k, 0, j]
            slope.mu[k, j] = p * moments.first[k, j] * view.inverse_scale[j]
            slope.variance[k % rows, j % columns] += (
                0.5 * (p * moments.second[k, 0, j] - moments.counts[k])
                / variance[k % rows, j % columns]
            )  # fmt: skip


@jit()
def _components(pi, mu, view, height):  # type: ignore[no-untyped-def]
    """Components with log proportions and means in scaled coordinates; factors are (K, height, d).

    Factors and determinants are not written yet.
    """
    n_components, d = mu.shape
    means = np.empty((n_components, d))
    log_weights = np.empty(n_components)
    for k in range(n_components):
        log_weights[k] = np.log(pi[k])
        for j in range(d):
            means[k, j] = (mu[k, j] - view.center[j]) * view.inverse_scale[j]
    factors = np.empty((n_components, height, d))
    return Components(log_weights, means, factors, np.empty(n_components))


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
