"""Log-likelihood and its gradient in every input, on one thread.

By Fisher's identity the gradient of log p(X | w, mu, Sigma) is the expectation of the complete
data's, so the moments of one pass give it:

    d/d w_k = n_k / w_k      d/d mu_k = P_k sum_i r_ik (x_i - mu_k)
    d/d P_k = (n_k Sigma_k - C_k) / 2,    C_k = sum_i r_ik (x_i - mu_k)(x_i - mu_k)'

and the last is pulled back to the form in which the covariances are given (`forms`). Values that
do not make a mixture (a variance that is not positive, NaN) give -inf and gradients of NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....density.covariances import precision_times
from ....kernels.calls import readable
from ....kernels.compilation import inlined, jit
from ....kernels.e_step.arrays import Components, Moments, View
from ....utils.types import FloatArray
from .by_row import Slopes, pass_by_row
from .forms import SIGMA, pull_back, write_factors
from .moments import mirror, write_moments

# Rows from which the coordinates of a pass are taken: they need not be exact.
_LOOKED_AT = 512


class Variables(NamedTuple):
    """What a mixture is made of, or gradients in them: w (n or 1, K), mu (n or 1, K, d).

    covariance is (K or 1, size), in one of the `forms`, below (K or 1, d(d-1)/2) for BARTLETT.
    """

    w: FloatArray
    mu: FloatArray
    covariance: FloatArray
    below: FloatArray


@inlined
def mixture_likelihood(form, at, root, x, row_weights, log_density, slope, slope_x):  # type: ignore[no-untyped-def]
    """Write the log densities (n,) and the gradients of their sum.

    Of their sum weighted by row_weights, unless that is empty. slope has the variables' shapes,
    slope_x is (n, d), or (0, d) if not needed.
    """
    _, n_components, d = at.mu.shape
    view = view_of(x, row_weights)
    means = np.empty((n_components, d))
    height = 1 if form == SIGMA else d
    factors = np.empty((n_components, height, d))
    half_log_dets, counts = np.empty(n_components), np.empty(n_components)
    second = np.empty((n_components, height, d))
    write_factors(form, at, root, view.inverse_scale, factors, half_log_dets)
    by_row = at.w.shape[0] > 1 or at.mu.shape[0] > 1 or len(slope_x) > 0
    if by_row:
        good = _finite(factors, half_log_dets)
        if good:
            slopes = Slopes(slope.w, slope.mu, slope_x)
            good = pass_by_row(
                at, factors, half_log_dets, x, view, log_density, slopes, counts, second
            )
            mirror(second)
    else:
        log_weights = np.log(at.w[0])
        for k in range(n_components):
            for j in range(d):
                means[k, j] = (at.mu[0, k, j] - view.center[j]) * view.inverse_scale[j]
        components = Components(log_weights, means, factors, half_log_dets)
        moments = Moments(counts, np.empty((n_components, d)), second)
        good = write_moments(components, x, view, log_density, moments)
        if good:
            write_slopes(at.w, factors, moments, view.inverse_scale, slope.w, slope.mu)
    total = 0.0
    if good:
        shift = np.log(view.inverse_scale).sum()
        for r in range(len(log_density)):
            log_density[r] += shift
            total += log_density[r]
        pull_back(form, at, root, view.inverse_scale, factors, counts, second, slope)
    if not (good and np.isfinite(total)):
        log_density[:] = -np.inf
        slope.w[:] = np.nan
        slope.mu[:] = np.nan
        slope.covariance[:] = np.nan
        slope.below[:] = np.nan
        slope_x[:] = np.nan


@inlined
def write_slopes(w, factors, moments, inverse_scale, slope_w, slope_mu):  # type: ignore[no-untyped-def]
    """The gradients in proportions (1, K) and means (1, K, d) that all rows share."""
    n_components, d = moments.first.shape
    for k in range(n_components):
        slope_w[0, k] = moments.counts[k] / w[0, k]
        if factors.shape[1] == 1:
            for j in range(d):
                slope_mu[0, k, j] = factors[k, 0, j] * factors[k, 0, j] * moments.first[k, j]
        else:
            precision_times(factors[k], moments.first[k], slope_mu[0, k])
        for j in range(d):
            slope_mu[0, k, j] *= inverse_scale[j]


@jit()
def view_of(x, row_weights):  # type: ignore[no-untyped-def]
    """Coordinates to work in: mean and standard deviation, to a power of two, of some rows.

    Missing values are left out.
    """
    n, d = x.shape
    center, inverse_scale = np.zeros(d), np.ones(d)
    step = max(1, n // _LOOKED_AT)
    for j in range(d):
        mean = 0.0
        square = 0.0
        seen = 0
        for r in range(0, n, step):
            if x[r, j] == x[r, j]:  # noqa: PLR0124
                mean += x[r, j]
                seen += 1
        mean /= seen
        for r in range(0, n, step):
            if x[r, j] == x[r, j]:  # noqa: PLR0124
                square += (x[r, j] - mean) ** 2
        sd = np.sqrt(square / seen)
        if sd > 0.0 and sd < np.inf:
            center[j] = mean
            inverse_scale[j] = np.exp2(-np.round(np.log2(sd)))
    return View(readable(center), readable(inverse_scale), readable(row_weights))


@jit()
def _finite(factors, half_log_dets):  # type: ignore[no-untyped-def]
    """Whether all factors are numbers."""
    for k in range(len(factors)):
        if not np.isfinite(half_log_dets[k]):
            return False
        for v in factors[k].flat:
            if not np.isfinite(v):
                return False
    return True
