"""The pass in quadratic features: a Gaussian's log density is linear in phi(x).

With z the centred and scaled row, phi(z) = [1, z, z_i z_j (i <= j)], or [1, z, z_j^2] for
diagonal covariances, and theta_k = [log pi_k - d/2 log 2 pi + 1/2 log|P_k| - 1/2 m' P_k m,
P_k m, -P_k (halved on the diagonal)], so that log pi_k N(x | mu_k, Sigma_k) = theta_k . phi
and the sums S = sum_i r_i phi(z_i)' are both the M-step's input and d loglik / d theta
(Fisher's identity; Louis 1982, JRSS B 44, eq. 3.1).

Accurate while every component is wider than about 1e-3 of the data's spread; narrower ones
need the centred form.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..calls import caller
from ..compilation import BOOL, F1, F2, FLOAT, INT, ROWS, entry, inlined, jit
from ..products import add_outer_product, clear_padding, padded, product
from .arrays import EACH_ROW, VIEW
from .softmax import LOG_2PI, softmax
from .weighing import weigh, write_rows

# The form loses about eps * |P| * |m|^2 in a log density: 2e-10 at this limit.
QUADRATIC_LIMIT = 1e6
# Above this many columns the features leave the cache (benchmarks/kernel_forms.py).
QUADRATIC_MAX_COLUMNS = 48


@register_jitable
def number_of_features(d, diagonal):  # type: ignore[no-untyped-def]
    """The length F of phi and theta."""
    return 2 * d + 1 if diagonal else (d + 1) * (d + 2) // 2


@inlined
def write_scaled(x, start, m, view, out):  # type: ignore[no-untyped-def]
    """Write z (d, m and its padding of 0) of rows start..start + m."""
    for j in range(x.shape[1]):
        c = view.center[j]
        s = view.inverse_scale[j]
        row = out[j]
        for r in range(m):
            row[r] = (x[start + r, j] - c) * s
        for r in range(m, padded(m)):
            row[r] = 0.0


@jit()
def features(x, start, m, view, diagonal, out):  # type: ignore[no-untyped-def]
    """Write phi (F, m and its padding) of rows start..start + m."""
    write_scaled(x, start, m, view, out[1 : 1 + x.shape[1]])
    write_products(x.shape[1], m, diagonal, out)


@inlined
def write_products(d, m, diagonal, out):  # type: ignore[no-untyped-def]
    """Write what phi (F, m and its padding) has besides z, its rows 1..d."""
    wide = padded(m)
    for r in range(wide):
        out[0, r] = 1.0
    f = 1 + d
    for i in range(d):
        a = out[1 + i]
        last = i + 1 if diagonal else d
        for j in range(i, last):
            b = out[1 + j]
            row = out[f]
            for r in range(wide):
                row[r] = a[r] * b[r]
            f += 1


def _signature(x: Any) -> Any:
    return FLOAT(x, VIEW, F2, BOOL, INT, INT, INT, F2, EACH_ROW, F1)


call_quadratic = caller(_signature(ROWS))


@entry(_signature)
def quadratic_pass(  # type: ignore[no-untyped-def]
    x, view, theta, diagonal, start, stop, block, sums, each, certainty
):
    """Add rows start..stop of x to sums (K, F) and return their log-likelihood.

    Of each row is written what has rows for it; empty sums are left out. The rows' weights are
    not in what is written of each. The logs of the rows' largest responsibilities are added to
    certainty (1,).
    """
    n_components, n_features = theta.shape
    phi = np.empty((n_features, padded(block)))
    logits = np.empty((n_components, padded(block)))
    peak = np.empty(block)
    total = np.empty(block)
    power = np.empty(block)
    loglik = 0.0
    i = start
    while i < stop:
        m = min(block, stop - i)
        features(x, i, m, view, diagonal, phi)
        product(theta, phi, m, logits)
        softmax(logits, m, peak, total, power)
        loglik += weigh(view.weights, i, m, peak, total, logits, certainty)
        if sums.shape[0] > 0:
            clear_padding(logits, m)
            add_outer_product(logits, phi, m, sums)
        write_rows(i, m, total, logits, each)
        i += m
    return loglik


@jit()
def encode(log_weights, means, precisions, half_log_dets, theta):  # type: ignore[no-untyped-def]
    """Write theta (K, F) from log pi (K,), means (K, d), precisions (K, d, d), log|P|/2 (K,)."""
    n_components, d = means.shape
    for k in range(n_components):
        m = means[k]
        p = precisions[k]
        row = theta[k]
        constant = log_weights[k] + half_log_dets[k] - 0.5 * d * LOG_2PI
        f = 1 + d
        for i in range(d):
            linear = 0.0
            for j in range(d):
                linear += p[i, j] * m[j]
            row[1 + i] = linear
            constant -= 0.5 * linear * m[i]
            row[f] = -0.5 * p[i, i]
            f += 1
            for j in range(i + 1, d):
                row[f] = -p[i, j]
                f += 1
        row[0] = constant


@jit()
def encode_diagonal(log_weights, means, precisions, half_log_dets, theta):  # type: ignore[no-untyped-def]
    """Write theta (K, 2d + 1) from log pi (K,), means (K, d), 1/variances (K, d), log|P|/2 (K,)."""
    n_components, d = means.shape
    for k in range(n_components):
        row = theta[k]
        constant = log_weights[k] + half_log_dets[k] - 0.5 * d * LOG_2PI
        for j in range(d):
            linear = precisions[k, j] * means[k, j]
            row[1 + j] = linear
            row[1 + d + j] = -0.5 * precisions[k, j]
            constant -= 0.5 * linear * means[k, j]
        row[0] = constant


@jit()
def decode(sums, diagonal, first, second):  # type: ignore[no-untyped-def]
    """Unpack sums (K, F) into first (K, d) and second (K, d, d), or (K, 1, d) if diagonal."""
    n_components, d = first.shape
    for k in range(n_components):
        for j in range(d):
            first[k, j] = sums[k, 1 + j]
        f = 1 + d
        if diagonal:
            for j in range(d):
                second[k, 0, j] = sums[k, f + j]
        else:
            for i in range(d):
                for j in range(i, d):
                    second[k, i, j] = sums[k, f]
                    second[k, j, i] = sums[k, f]
                    f += 1
