"""The pass about each component's own mean: y = G_k (z - m_k), G_k the inverse Cholesky factor.

Twice the arithmetic of the quadratic features at small d and less at large d, and nothing
cancels: components of any width keep their digits. The sums are moments about m_k.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calls import caller
from ..compilation import BOOL, F1, FLOAT, INT, ROWS, entry, inlined, jit
from ..products import add_squared_lengths, add_symmetric_product, clear_padding, padded
from .arrays import COMPONENTS, EACH_ROW, MOMENTS, VIEW
from .quadratic import write_scaled
from .softmax import LOG_2PI, softmax
from .weighing import weigh, write_rows


def _signature(x: Any) -> Any:
    return FLOAT(x, VIEW, COMPONENTS, BOOL, INT, INT, INT, MOMENTS, EACH_ROW, F1)


call_centred = caller(_signature(ROWS))


@entry(_signature)
def centred_pass(  # type: ignore[no-untyped-def]
    x, view, components, lower, start, stop, block, moments, each, certainty
):
    """Add rows start..stop to the moments; return their log-likelihood.

    lower: the components' factors are. Of second moments only the lower triangles are of use. Of
    each row is written what has rows for it; moments without counts are left out. The rows'
    weights are not in what is written of each. The logs of the rows' largest responsibilities are
    added to certainty (1,).
    """
    log_weights, means, factors, half_log_dets = components
    counts, first, second = moments
    row_weights = view.weights
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
        write_scaled(x, i, m, view, z)
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
        write_rows(i, m, total, logits, each)
        i += m
    return loglik


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
