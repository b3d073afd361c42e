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
# The smallest number that has all its digits; the bits of sqrt(1/2).
_TINY, _SQRT_HALF_BITS = np.finfo(np.float64).tiny, 0x3FE6A09E667F3BCD
_LN2 = np.log(2.0)


class Slopes(NamedTuple):
    """Where gradients are written: in w (n or 1, K), mu (n or 1, K, d) and x (n or 0, d)."""

    w: FloatArray
    mu: FloatArray
    x: FloatArray


class _Block(NamedTuple):
    """A block of rows: x (d, m), w (K, m), log w, responsibilities, and x - mu_k (K, d, m), scaled.

    weighted and pulled are r (x - mu) and P r (x - mu) of one component at a time, (d, m).
    """

    x: FloatArray
    w: FloatArray
    logs: FloatArray
    resp: FloatArray
    delta: FloatArray
    weighted: FloatArray
    pulled: FloatArray


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
    block = _Block(
        np.empty((d, wide)), np.empty((n_components, wide)), np.empty((n_components, wide)),
        np.empty((n_components, wide)), np.empty((n_components, d, wide)),
        np.empty((d, wide)), np.empty((d, wide)),
    )  # fmt: skip
    peak, total, power = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    precisions = np.zeros(factors.shape)
    write_squares(factors, precisions)
    w_by_row, mu_by_row = at.w.shape[0] > 1, at.mu.shape[0] > 1
    slopes.w[:1] = 0.0
    slopes.mu[:1] = 0.0
    slopes.x[:] = 0.0
    counts[:] = 0.0
    second[:] = 0.0
    for i in range(0, n, _BLOCK):
        m = min(_BLOCK, n - i)
        # Parts whose rows are counted from 0: an index that is never negative needs no check.
        in_w, in_mu, rows = i if w_by_row else 0, i if mu_by_row else 0, x[i : i + m]
        mu, part = at.mu[in_mu : i + m], Slopes(
            slopes.w[in_w : i + m], slopes.mu[in_mu : i + m], slopes.x[i : i + m]
        )  # fmt: skip
        _write_rows(rows, block.x)
        if i == 0 or w_by_row:
            _write_weights(at.w[in_w : i + m], w_by_row, m, block)
        for k in range(n_components):
            _write_delta(mu, mu_by_row, m, k, view.inverse_scale, block)
            _write_logits(factors[k], half_log_dets[k], m, k, block)
        if not _below_infinity(block.resp, m):
            return False
        softmax(block.resp, m, peak, total, power)
        log_density[i : i + m] = total[:m]
        if not _above_minus_infinity(peak, m):
            return False
        if len(view.weights) > 0:
            for k in range(n_components):
                for r in range(m):
                    block.resp[k, r] *= view.weights[i + r]
        clear_padding(block.resp, m)
        for k in range(n_components):
            _add_second(precisions[k], m, k, block, second[k])
            counts[k] += _add_slopes(w_by_row, mu_by_row, m, k, view.inverse_scale, block, part)
    return True


@inlined
def _write_rows(rows, out):  # type: ignore[no-untyped-def]
    """Write rows (m, d) column by column."""
    for j in range(rows.shape[1]):
        for r in range(rows.shape[0]):
            out[j, r] = rows[r, j]


@inlined
def _write_weights(w, by_row, m, block):  # type: ignore[no-untyped-def]
    """Write the proportions of a block, and their logarithms, component by component."""
    for k in range(w.shape[1]):
        of_one = block.w[k]
        if by_row:
            for r in range(m):
                of_one[r] = w[r, k]
        else:
            value = w[0, k]
            for r in range(m):
                of_one[r] = value
        _write_logarithms(of_one, m, block.logs[k])


@inlined
def _write_delta(mu, by_row, m, k, inverse_scale, block):  # type: ignore[no-untyped-def]
    """Write (x - mu_k) * s of a block (d, m and its padding of 0)."""
    x, delta = block.x, block.delta[k]
    for j in range(len(inverse_scale)):
        s = inverse_scale[j]
        if by_row:
            for r in range(m):
                delta[j, r] = (x[j, r] - mu[r, k, j]) * s
        else:
            value = mu[0, k, j]
            for r in range(m):
                delta[j, r] = (x[j, r] - value) * s
        for r in range(m, padded(m)):
            delta[j, r] = 0.0


@inlined
def _write_logits(factor, half_log_det, m, k, block):  # type: ignore[no-untyped-def]
    """Write log w_k N(x | mu_k, Sigma_k) of a block (m,), without the scale of the coordinates."""
    delta, logits = block.delta[k], block.resp[k]
    d = len(delta)
    squares = block.weighted
    squares[0] = 0.0
    if factor.shape[0] < d:
        for j in range(d):
            for r in range(m):
                squares[0, r] += (factor[0, j] * delta[j, r]) ** 2
    else:
        add_squared_lengths(factor, False, delta, m, squares)
    constant = half_log_det - 0.5 * d * LOG_2PI
    for r in range(m):
        logits[r] = constant + block.logs[k, r] - 0.5 * squares[0, r]


@inlined
def _below_infinity(logits, m):  # type: ignore[no-untyped-def]
    """Whether all of a block are numbers, or minus infinity."""
    good = 0
    for k in range(logits.shape[0]):
        for r in range(m):
            good += logits[k, r] < np.inf
    return good == logits.shape[0] * m


@inlined
def _above_minus_infinity(peak, m):  # type: ignore[no-untyped-def]
    """Whether each row has a finite log density in some component."""
    good = 0
    for r in range(m):
        good += peak[r] > -np.inf
    return good == m


@inlined
def _add_second(precision, m, k, block, second):  # type: ignore[no-untyped-def]
    """Add r (x - mu)(x - mu)' of a block, and write P r (x - mu)."""
    delta, resp, weighted, pulled = block.delta[k], block.resp[k], block.weighted, block.pulled
    d = len(delta)
    for j in range(d):
        for r in range(padded(m)):
            weighted[j, r] = resp[r] * delta[j, r]
    if precision.shape[0] < d:
        for j in range(d):
            total = 0.0
            for r in range(m):
                total += weighted[j, r] * delta[j, r]
                pulled[j, r] = precision[0, j] * weighted[j, r]
            second[0, j] += total
    else:
        add_symmetric_product(weighted, delta, m, second)
        product(precision, weighted, m, pulled)


@inlined
def _add_slopes(w_by_row, mu_by_row, m, k, inverse_scale, block, slopes):  # type: ignore[no-untyped-def]
    """Add a block's terms of component k to the slopes; return the sum of responsibilities."""
    resp, w, pulled = block.resp[k], block.w[k], block.pulled
    count = 0.0
    for r in range(m):
        count += resp[r]
    if w_by_row:
        for r in range(m):
            slopes.w[r, k] = resp[r] / w[r]
    else:
        slopes.w[0, k] += count / w[0]
    for j in range(len(inverse_scale)):
        s = inverse_scale[j]
        if mu_by_row:
            for r in range(m):
                slopes.mu[r, k, j] = s * pulled[j, r]
        else:
            total = 0.0
            for r in range(m):
                total += pulled[j, r]
            slopes.mu[0, k, j] += s * total
        if len(slopes.x) > 0:
            for r in range(m):
                slopes.x[r, j] -= s * pulled[j, r]
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


@inlined
def _write_logarithms(values, m, out):  # type: ignore[no-untyped-def]
    """Write logarithms (m,) as `softmax` does, by the atanh series: LLVM vectorises it.

    v = 2^e f, f in [sqrt(1/2), sqrt(2)). What is 0, not positive, or no number is left to libm.
    """
    bits, parts = values.view(np.int64), out.view(np.int64)
    normal = 0
    for r in range(m):
        normal += (values[r] >= _TINY) & (values[r] < np.inf)
        parts[r] = bits[r] - ((bits[r] - _SQRT_HALF_BITS) >> 52 << 52)
    for r in range(m):
        e = float((bits[r] - _SQRT_HALF_BITS) >> 52)
        t = (out[r] - 1.0) / (out[r] + 1.0)
        s = t * t
        p = 1.0 / 23.0
        p = p * s + 1.0 / 21.0
        p = p * s + 1.0 / 19.0
        p = p * s + 1.0 / 17.0
        p = p * s + 1.0 / 15.0
        p = p * s + 1.0 / 13.0
        p = p * s + 1.0 / 11.0
        p = p * s + 1.0 / 9.0
        p = p * s + 1.0 / 7.0
        p = p * s + 1.0 / 5.0
        p = p * s + 1.0 / 3.0
        p = p * s + 1.0
        out[r] = e * _LN2 + 2.0 * t * p
    if normal < m:
        for r in range(m):
            out[r] = np.log(values[r])
