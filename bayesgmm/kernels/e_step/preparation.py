"""The preparation of a compiled pass: a mixture's factors, precisions and coefficients."""

from __future__ import annotations

import numpy as np

from ..cholesky import call_inverse_factors, precisions
from ..compilation import inlined
from .accuracy import SMALLEST_VARIANCE
from .arrays import Components
from .quadratic import encode, encode_diagonal
from .softmax import LOG_2PI

# What a pass returns, unless it is the first k whose covariance is singular.
MADE, NO_CENTRED = -1, -2


# Places of a pass's results besides its statistics: the log-likelihood, the loss of digits, and the
# sum of the logarithms of the rows' largest responsibilities.
LOGLIK, LOSS, LOG_CERTAINTY = range(3)


@inlined
def workspace(n_all, covariances):  # type: ignore[no-untyped-def]
    """Uninitialised components and precisions, for `prepare`; n_all is K, or with noise K + 1."""
    _, rows, d = covariances.shape
    components = Components(
        np.empty(n_all), np.empty((n_all, d)), np.empty((n_all, rows, d)), np.empty(n_all)
    )
    return components, np.empty((n_all, rows, d))


@inlined
def prepare(factoring, scale, mixture, components, precision, result):  # type: ignore[no-untyped-def]
    """Write the mixture's components, and their precisions in scaled coordinates.

    These have the shape of the covariances: (K, d, d), or (K, 1, d) if diagonal. Where there is
    room for one more, it becomes the noise: a component of precision 0, whose density is the same
    everywhere; its weight is its share times this density in scaled coordinates. result[LOSS]
    becomes the loss of digits of the quadratic form, in units of rounding. Returns the first k
    whose covariance is singular, or -1.
    """
    weights, means, covariances = mixture
    log_weights, z, factors, half_log_dets = components
    n_components, rows, d = covariances.shape
    for k in range(n_components):
        log_weights[k] = np.log(weights[k])
        for j in range(d):
            z[k, j] = means[k, j] / scale[j]
            for i in range(rows):
                v = covariances[k, i, j] / (scale[j] * scale[j if rows < d else i])
                precision[k, i, j] = v
    bad = call_inverse_factors(
        factoring,
        (
            precision[:n_components], SMALLEST_VARIANCE, factors[:n_components],
            half_log_dets[:n_components],
        ),
    )  # fmt: skip
    for k in range(n_components, len(log_weights)):
        log_weights[k], half_log_dets[k] = np.log(weights[k]) + 0.5 * d * LOG_2PI, 0.0
        z[k], factors[k] = 0.0, 0.0
    if bad < 0:
        if rows < d:
            for k in range(len(factors)):
                for j in range(d):
                    precision[k, 0, j] = factors[k, 0, j] * factors[k, 0, j]
        else:
            precisions(factors, precision)
        loss = 0.0
        for k in range(n_components):
            norm = 1.0
            square = 0.0
            for j in range(d):
                norm += z[k, j] * z[k, j]
                for i in range(rows):
                    square += precision[k, i, j] * precision[k, i, j]
            loss = max(loss, norm * np.sqrt(square))
        result[LOSS] = loss
    return bad


@inlined
def encode_any(components, precision, theta):  # type: ignore[no-untyped-def]
    """Write theta (K, F), the noise's too, from what `prepare` wrote."""
    n_components, rows, d = precision.shape
    log_weights, means, _, half_log_dets = components
    if rows < d:
        flat = precision.reshape((n_components, rows * d))
        encode_diagonal(log_weights, means, flat, half_log_dets, theta)
    else:
        encode(log_weights, means, precision, half_log_dets, theta)
