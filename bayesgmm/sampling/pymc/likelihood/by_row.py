"""The pass where proportions or means differ by row, and the gradient in the rows themselves.

It works about the means, like the centred form, and writes what is by row as it goes: nothing of
the size of rows x components x columns is made but the gradient in means that have this size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....kernels.compilation import inlined
from ....kernels.e_step.softmax import LOG_2PI, softmax
from ....kernels.products import (
    add_squared_lengths,
    add_symmetric_product,
    clear_padding,
    padded,
    product,
)
from ....utils.types import FloatArray

_BLOCK = 128


class Slopes(NamedTuple):
    """Where gradients are added up: in w (n or 1, K), mu (n or 1, K, d) and x (n or 0, d)."""

    w: FloatArray
    mu: FloatArray
    x: FloatArray


@inlined
def pass_by_row(  # type: ignore[no-untyped-def]
    at, factors, half_log_dets, x, view, log_density, slopes, counts, second
):
    """Write log densities (n,), the slopes, and the components' counts and second moments.

    at has w (n or 1, K) and mu (n or 1, K, d) in the rows' own units; factors and moments are
    scaled, as in `forms`. Returns whether every row has a density that is a number.
    """
    n, d = x.shape
    n_components = at.w.shape[1]
    wide = padded(_BLOCK)
    work = (np.empty((d, wide)), np.empty((d, wide)), np.empty((d, wide)), np.empty((1, wide)))
    logits = np.empty((n_components, wide))
    peak, total, power = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    precisions = np.zeros(factors.shape)
    write_squares(factors, precisions)
    slopes.w[:] = 0.0
    slopes.mu[:] = 0.0
    slopes.x[:] = 0.0
    counts[:] = 0.0
    second[:] = 0.0
    for i in range(0, n, _BLOCK):
        m = min(_BLOCK, n - i)
        for k in range(n_components):
            _write_delta(x, at.mu, i, m, k, view.inverse_scale, work[0])
            _write_logits(at.w, factors[k], half_log_dets[k], i, m, k, work, logits[k])
        if not _are_numbers(logits, m):
            return False
        softmax(logits, m, peak, total, power)
        log_density[i : i + m] = total[:m]
        if len(view.weights) > 0:
            for k in range(n_components):
                for r in range(m):
                    logits[k, r] *= view.weights[i + r]
        clear_padding(logits, m)
        for k in range(n_components):
            _write_delta(x, at.mu, i, m, k, view.inverse_scale, work[0])
            _add_second(logits[k], precisions[k], m, work, second[k])
            counts[k] += _add_slopes(at.w, logits[k], work[2], i, m, k, view.inverse_scale, slopes)
    return True


@inlined
def _write_logits(w, factor, half_log_det, start, m, k, work, logits):  # type: ignore[no-untyped-def]
    """Write log w_k N(x | mu_k, Sigma_k) of a block (m,), without the scale of the coordinates."""
    delta, _, _, squares = work
    d = len(delta)
    squares[:] = 0.0
    if factor.shape[0] < d:
        for j in range(d):
            for r in range(m):
                squares[0, r] += (factor[0, j] * delta[j, r]) ** 2
    else:
        add_squared_lengths(factor, False, delta, m, squares)
    constant = half_log_det - 0.5 * d * LOG_2PI
    step = 1 if w.shape[0] > 1 else 0
    for r in range(m):
        logits[r] = constant + np.log(w[step * (start + r), k]) - 0.5 * squares[0, r]


@inlined
def _add_second(resp, precision, m, work, second):  # type: ignore[no-untyped-def]
    """Add r (x - mu)(x - mu)' of a block, and write P r (x - mu) into the third array of work."""
    delta, weighted, pulled, _ = work
    d = len(delta)
    for j in range(d):
        for r in range(padded(m)):
            weighted[j, r] = resp[r] * delta[j, r]
    if precision.shape[0] < d:
        for j in range(d):
            for r in range(m):
                second[0, j] += weighted[j, r] * delta[j, r]
                pulled[j, r] = precision[0, j] * weighted[j, r]
    else:
        add_symmetric_product(weighted, delta, m, second)
        product(precision, weighted, m, pulled)


@inlined
def _write_delta(x, mu, start, m, k, inverse_scale, delta):  # type: ignore[no-untyped-def]
    """Write (x - mu_k) * s of a block (d, m and its padding of 0)."""
    step = 1 if mu.shape[0] > 1 else 0
    for j in range(len(inverse_scale)):
        s = inverse_scale[j]
        for r in range(m):
            delta[j, r] = (x[start + r, j] - mu[step * (start + r), k, j]) * s
        for r in range(m, padded(m)):
            delta[j, r] = 0.0


@inlined
def _are_numbers(logits, m):  # type: ignore[no-untyped-def]
    """Whether each row has a finite log density in some component, and no undefined one."""
    for r in range(m):
        some = False
        for k in range(logits.shape[0]):
            if not logits[k, r] < np.inf:
                return False
            some = some or logits[k, r] > -np.inf
        if not some:
            return False
    return True


@inlined
def _add_slopes(w, resp, v, start, m, k, inverse_scale, slopes):  # type: ignore[no-untyped-def]
    """Add a block's terms of component k to the slopes; v (d, m) is P_k r (x - mu_k), scaled.

    Returns the sum of the responsibilities.
    """
    w_step = 1 if w.shape[0] > 1 else 0
    mu_step = 1 if slopes.mu.shape[0] > 1 else 0
    count = 0.0
    for r in range(m):
        count += resp[r]
        slopes.w[w_step * (start + r), k] += resp[r] / w[w_step * (start + r), k]
    for j in range(len(inverse_scale)):
        s = inverse_scale[j]
        for r in range(m):
            slopes.mu[mu_step * (start + r), k, j] += s * v[j, r]
        if len(slopes.x) > 0:
            for r in range(m):
                slopes.x[start + r, j] -= s * v[j, r]
    return count


@inlined
def write_squares(factors, out):  # type: ignore[no-untyped-def]
    """Write the precisions G'G, or 1/sd^2, into zeros."""
    n_components, rows, d = factors.shape
    for k in range(n_components):
        for i in range(rows):
            for j in range(d):
                if rows < d:
                    out[k, i, j] = factors[k, i, j] * factors[k, i, j]
                for q in range(rows if rows == d else 0):
                    out[k, i, j] += factors[k, q, i] * factors[k, q, j]
