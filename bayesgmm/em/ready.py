"""The pass over few rows, whose features lie ready, compiled: the E-step within `iterate`.

As in `kernels/`, it has a form in quadratic features and one about the components' means, for
narrow components; the second is a part of its own, which many an installation never needs.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..kernels import OF_FACTORS, SMALLEST_VARIANCE
from ..kernels.calls import caller
from ..kernels.factor import call_inverse_factors, precisions
from ..kernels.moments import central_moments
from ..kernels.primitives import F1, F2, F3, LOG_2PI, R1, inlined, jit, part, softmax
from ..kernels.products import (
    add_outer_product,
    add_squared_lengths,
    add_symmetric_product,
    clear_padding,
    padded,
    product,
)
from ..kernels.quadratic import QUADRATIC_LIMIT, decode, encode, encode_diagonal

_I, _F = nb.int64, nb.float64
_CENTRED = _F(F3, _I, R1, F1, F2, F3, F1, F2, F3, F1)
_call_centred = caller(_CENTRED)
READY = _I(_I, _I, F3, _I, R1, R1, _F, F1, F2, F3, F1, F2, F3, F1)
call_ready_pass = caller(READY)
# What the pass returns, unless it is the first k whose covariance is singular.
MADE, NO_CENTRED = -1, -2


@part(READY)
def ready_pass(  # type: ignore[no-untyped-def]
    factoring, centred, phi, n_rows, row_weights, scale, log_unit,
    weights, means, covariances, counts, centers, scatters, result,
):  # fmt: skip
    """Write the statistics of a mixture, and to result (3,) what else an E-step tells.

    That is the log-likelihood, the loss of digits, and the sum of the logarithms of the largest
    responsibilities. `phi` (blocks, F, rows of a block) holds the features of the rows. Where a
    component is so narrow that the centred form is needed, and its address is 0, it is asked for.
    """
    n_blocks, n_features, block = phi.shape
    n_components, rows, d = covariances.shape
    scaled = np.empty((n_components, rows, d))
    factors = np.empty((n_components, rows, d))
    half_log_dets = np.empty(n_components)
    log_weights = np.empty(n_components)
    z = np.empty((n_components, d))
    for k in range(n_components):
        log_weights[k] = np.log(weights[k])
        for j in range(d):
            z[k, j] = means[k, j] / scale[j]
            for i in range(rows):
                scaled[k, i, j] = covariances[k, i, j] / (scale[j] * scale[j if rows < d else i])
    bad = call_inverse_factors(factoring, (scaled, SMALLEST_VARIANCE, factors, half_log_dets))
    if bad >= 0:
        return bad
    if rows < d:
        for k in range(n_components):
            for j in range(d):
                scaled[k, 0, j] = factors[k, 0, j] * factors[k, 0, j]
    else:
        precisions(factors, scaled)
    loss = 0.0
    for k in range(n_components):
        norm = 1.0
        square = 0.0
        for j in range(d):
            norm += z[k, j] * z[k, j]
            for i in range(rows):
                square += scaled[k, i, j] * scaled[k, i, j]
        loss = max(loss, norm * np.sqrt(square))
    quadratic = loss < QUADRATIC_LIMIT
    result[1] = loss if quadratic else OF_FACTORS * np.sqrt(loss)
    result[2] = 0.0
    if not quadratic and centred == 0:
        return NO_CENTRED
    sums = np.zeros((n_components, n_features))
    second = np.zeros((n_components, rows, d))
    if quadratic:
        theta = np.empty((n_components, n_features))
        if rows < d:
            flat = scaled.reshape((n_components, rows * d))
            encode_diagonal(log_weights, z, flat, half_log_dets, theta)
        else:
            encode(log_weights, z, scaled, half_log_dets, theta)
        loglik = _quadratic(phi, n_rows, row_weights, theta, sums, result)
    else:
        loglik = _call_centred(
            centred,
            (
                phi, n_rows, row_weights, log_weights, z, factors, half_log_dets, sums, second,
                result,
            ),
        )  # fmt: skip
    result[0] = loglik - log_unit
    first = np.empty((n_components, d))
    if quadratic:
        decode(sums, rows < d, first, second)
    for k in range(n_components):
        counts[k] = sums[k, 0]
        for j in range(d):
            first[k, j] = sums[k, 1 + j]
            if quadratic:
                z[k, j] = 0.0  # its moments are about the centre
    central_moments(counts, first, second, z, scale, centers, scatters)
    return MADE


@inlined
def _quadratic(phi, n_rows, row_weights, theta, sums, result):  # type: ignore[no-untyped-def]
    """Add the rows to sums (K, F) and return their log-likelihood."""
    n_blocks, n_features, block = phi.shape
    n_components = len(theta)
    logits = np.empty((n_components, block))
    peak = np.empty(block)
    total = np.empty(block)
    power = np.empty(block)
    loglik = 0.0
    for b in range(n_blocks):
        m = min(block, n_rows - b * block)
        product(theta, phi[b], m, logits)
        softmax(logits, m, peak, total, power)
        loglik += _weigh(row_weights, b * block, m, peak, total, logits, result)
        clear_padding(logits, m)
        add_outer_product(logits, phi[b], m, sums)
    return loglik


@part(_CENTRED)
def centred_form(  # type: ignore[no-untyped-def]
    phi, n_rows, row_weights, log_weights, z, factors, half_log_dets, sums, second, result
):  # fmt: skip
    """The same about the means z: counts and first moments in sums, second moments in second."""
    n_blocks, n_features, block = phi.shape
    n_components, rows, d = factors.shape
    logits = np.empty((n_components, block))
    delta = np.empty((d, block))
    y = np.empty((d, block))
    peak = np.empty(block)
    total = np.empty(block)
    power = np.empty(block)
    loglik = 0.0
    for b in range(n_blocks):
        m = min(block, n_rows - b * block)
        for k in range(n_components):
            _about(phi[b], z[k], m, delta)
            for r in range(padded(m)):
                y[0, r] = 0.0
            if rows < d:
                for j in range(d):
                    for r in range(m):
                        y[0, r] += (factors[k, 0, j] * delta[j, r]) ** 2
            else:
                add_squared_lengths(factors[k], True, delta, m, y)
            for r in range(m):
                logits[k, r] = log_weights[k] + half_log_dets[k] - 0.5 * (d * LOG_2PI + y[0, r])
        softmax(logits, m, peak, total, power)
        loglik += _weigh(row_weights, b * block, m, peak, total, logits, result)
        clear_padding(logits, m)
        for k in range(n_components):
            _about(phi[b], z[k], m, delta)
            for r in range(m):
                sums[k, 0] += logits[k, r]
            for j in range(d):
                for r in range(padded(m)):
                    y[j, r] = logits[k, r] * delta[j, r]
                    sums[k, 1 + j] += y[j, r]
                if rows < d:
                    for r in range(m):
                        second[k, 0, j] += y[j, r] * delta[j, r]
            if rows == d:
                add_symmetric_product(y, delta, m, second[k])
    return loglik


@inlined
def _weigh(row_weights, start, m, peak, total, logits, result):  # type: ignore[no-untyped-def]
    """Sum the rows' log densities, total (m,), and multiply what is theirs by their weights."""
    loglik = 0.0
    peaks = 0.0
    if len(row_weights) > 0:
        for r in range(m):
            w = row_weights[start + r]
            loglik += w * total[r]
            peaks += w * peak[r]
            for k in range(len(logits)):
                logits[k, r] *= w
    else:
        for r in range(m):
            loglik += total[r]
            peaks += peak[r]
    result[2] += peaks - loglik
    return loglik


@jit()
def _about(features, mean, m, delta):  # type: ignore[no-untyped-def]
    """Rows about a mean, from their features 1..d."""
    for j in range(len(mean)):
        for r in range(padded(m)):
            delta[j, r] = features[1 + j, r] - mean[j]
