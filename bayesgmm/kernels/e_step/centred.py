"""The pass about each component's own mean: y = G_k (z - m_k), G_k the inverse Cholesky factor.

Twice the arithmetic of the quadratic features at small d and less at large d, and nothing
cancels: components of any width keep their digits. The sums are moments about m_k.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..compilation import F1, F2, F3, R1, entry, inlined, jit
from ..products import add_squared_lengths, add_symmetric_product, clear_padding, padded
from .softmax import LOG_2PI, softmax
from .weighing import weigh, write_rows


@entry(
    lambda x: nb.float64(
        x, R1, R1, F1, F2, F3, nb.boolean, F1, nb.int64, nb.int64, nb.int64, F1, F1, F2, F3, F1, F2,
        F1,
    )
)  # fmt: skip
def centred_pass(  # type: ignore[no-untyped-def]
    x, center, inverse_scale, log_weights, means, factors, lower, half_log_dets, start, stop, block,
    row_weights, counts, first, second, log_density, resp, certainty,
):  # fmt: skip
    """Add rows start..stop to counts (K,), first (K, d), second (K, d, d); return their loglik.

    factors is G (K, d, d), any matrices whose squares G'G are the precisions, or lower ones; or
    1/sd (K, 1, d) for diagonal covariances, where second is (K, 1, d). Of second only the lower
    triangles are of use. row_weights (n,) multiply the rows' terms in the log-likelihood and the
    sums, log_density (n,) is without them. An empty array leaves row_weights, counts, log_density
    or resp (n, K) out; row_weights and resp do not go together. The logs of the rows' largest
    responsibilities are added to certainty (1,).
    """
    n_components, d = means.shape
    diagonal = factors.shape[1] == 1 and d > 1
    z = np.empty((d, padded(block)))
    delta = np.empty((d, padded(block)))
    y = np.empty((d, padded(block)))
    logits = np.empty((n_components, padded(block)))
    squares = np.empty((1, padded(block)))
    peak = np.empty(block)
    total = np.empty(block)
    power = np.empty(block)
    loglik = 0.0
    i = start
    while i < stop:
        m = min(block, stop - i)
        _scale(x, i, m, center, inverse_scale, z)
        for k in range(n_components):
            _subtract(z, means[k], m, delta)
            for r in range(padded(m)):
                squares[0, r] = 0.0
            if diagonal:
                for j in range(d):
                    for r in range(m):
                        squares[0, r] += (factors[k, 0, j] * delta[j, r]) ** 2
            else:
                add_squared_lengths(factors[k], lower, delta, m, squares)
            constant = log_weights[k] + half_log_dets[k] - 0.5 * d * LOG_2PI
            for r in range(m):
                logits[k, r] = constant - 0.5 * squares[0, r]
        softmax(logits, m, peak, total, power)
        loglik += weigh(row_weights, i, m, peak, total, logits, certainty)
        if counts.shape[0] > 0:
            clear_padding(logits, m)
            for k in range(n_components):
                count = 0.0
                for r in range(m):
                    count += logits[k, r]
                counts[k] += count
                _add_moments(z, means[k], logits[k], m, diagonal, delta, y, first[k], second[k])
        write_rows(i, m, total, logits, log_density, resp)
        i += m
    return loglik


@inlined
def _scale(x, start, m, center, inverse_scale, z):  # type: ignore[no-untyped-def]
    """Write z (d, m and its padding) of rows start..start + m."""
    for j in range(len(center)):
        c = center[j]
        s = inverse_scale[j]
        row = z[j]
        for r in range(m):
            row[r] = (x[start + r, j] - c) * s
        for r in range(m, padded(m)):
            row[r] = 0.0


@inlined
def _add_moments(z, mean, weight, m, diagonal, delta, y, first, second):  # type: ignore[no-untyped-def]
    """Add a component's moments about its mean to first (d,) and second (d, d) or (1, d)."""
    for j in range(len(mean)):
        row = z[j]
        target = delta[j]
        weighted = y[j]
        moment = 0.0
        for r in range(padded(m)):
            target[r] = row[r] - mean[j]
            weighted[r] = weight[r] * target[r]
            moment += weighted[r]
        first[j] += moment
        if diagonal:
            moment = 0.0
            for r in range(m):
                moment += weighted[r] * target[r]
            second[0, j] += moment
    if not diagonal:
        add_symmetric_product(y, delta, m, second)


@jit()
def _subtract(z, mean, m, out):  # type: ignore[no-untyped-def]
    for j in range(z.shape[0]):
        row = z[j]
        target = out[j]
        for r in range(padded(m)):
            target[r] = row[r] - mean[j]
