"""Covariances by deviations and partial correlations, compiled: the map of LKJ priors."""

from __future__ import annotations

import math

import numpy as np

from ..kernels.compilation import inlined, jit, part
from .maps import COVARIANCES, MAP


@part(MAP, level=1)
def deviations(step, at, covariances, of_rows, slope):  # type: ignore[no-untyped-def]
    """Logarithms of deviations or variances; then the logits of (1 + z) / 2 by rows.

    The coordinates are (K, d), then (K, d(d-1)/2) for full covariances, or one row of these if
    shared. fixed: as `Deviations.packed` has it. With S the scatter about the mean, L = diag(s) C,
    and A = L^-1 S L^-T, the rows' log density has the gradient L^-T (A - n I) in L.
    """
    (u, shared, fixed, _), (g_u, g_means, _) = at, slope
    counts, first, second, _, _ = of_rows
    n_components, rows, d = covariances.shape
    blocks = 1 if shared else n_components
    full = rows == d and d > 1
    n_lower = d * (d - 1) // 2 if full else 0
    logs = u[: blocks * d].reshape((blocks, d))
    logits = u[blocks * d :].reshape((blocks, n_lower))
    lower = np.zeros((blocks, d, d))
    for c in range(blocks):
        write_factor(fixed[0], logs[c], logits[c], lower[c])
    if step == COVARIANCES:
        for k in range(n_components):
            _covariance(lower[k % blocks], covariances[k])
        return 0.0
    g_logs = g_u[: blocks * d].reshape((blocks, d))
    g_logits = g_u[blocks * d :].reshape((blocks, n_lower))
    g_lower = np.zeros((blocks, d, d))
    inverse = np.zeros((d, d))
    for k in range(n_components):
        c = k % blocks
        _invert(lower[c], inverse)
        for i in range(d):
            v = 0.0
            for j in range(i + 1):
                v += inverse[i, j] * first[k, j]
            for j in range(i + 1):
                g_means[k, j] += inverse[i, j] * v
        _add_slope(inverse, counts[k], second[k], g_lower[c])
    total = 0.0
    for c in range(blocks):
        for i in range(d):  # in the logarithm of the deviation
            v = 0.0
            for j in range(i + 1):
                v += g_lower[c, i, j] * lower[c, i, j]
            g_logs[c, i] += 0.5 * fixed[0] * v
        total += of_deviations(fixed, logs[c], g_logs[c])
        if full:
            _pull_back_factor(lower[c], g_lower[c], logits[c], g_logits[c])
            total += of_correlations(fixed[3 + 3 * d :], logits[c], g_logits[c])
    return total


@jit()
def write_factor(root, logs, logits, lower):  # type: ignore[no-untyped-def]
    """Write L = diag(s) C; without logits C = I."""
    d = len(logs)
    f = 0
    for i in range(d):
        left = np.exp(0.5 * root * logs[i])
        for j in range(i if len(logits) > 0 else 0):
            lower[i, j] = left * np.tanh(0.5 * logits[f])
            left *= np.exp(0.5 * _log_rest(0.5 * logits[f]))
            f += 1
        lower[i, i] = left


@inlined
def _log_rest(v):  # type: ignore[no-untyped-def]
    """log(1 - tanh(v)^2), of which no digits are lost."""
    a = np.abs(v)
    return 2.0 * (math.log(2.0) - a - np.log1p(np.exp(-2.0 * a)))


@inlined
def _covariance(lower, out):  # type: ignore[no-untyped-def]
    """Write L L' (d, d), or its diagonal (1, d) where L is diagonal."""
    rows, d = out.shape
    for i in range(d):
        if rows < d:
            out[0, i] = lower[i, i] * lower[i, i]
        for j in range(i + 1 if rows == d else 0):
            v = 0.0
            for q in range(j + 1):
                v += lower[i, q] * lower[j, q]
            out[i, j] = v
            out[j, i] = v


@inlined
def _invert(lower, out):  # type: ignore[no-untyped-def]
    """Write L^-1 into its triangle."""
    d = len(lower)
    for j in range(d):
        out[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, d):
            v = 0.0
            for q in range(j, i):
                v -= lower[i, q] * out[q, j]
            out[i, j] = v / lower[i, i]


@jit()
def _add_slope(inverse, count, second, out):  # type: ignore[no-untyped-def]
    """Add the lower triangle of L^-T (L^-1 S L^-T - n I); S (1, d) is a diagonal, as L is then."""
    rows, d = second.shape
    if rows < d:
        for j in range(d):
            p = inverse[j, j]
            out[j, j] += p * (p * p * second[0, j] - count)
        return
    half, a = np.empty((d, d)), np.empty((d, d))
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(i + 1):
                v += inverse[i, q] * second[q, j]
            half[i, j] = v
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(j + 1):
                v += half[i, q] * inverse[j, q]
            a[i, j] = v - (count if i == j else 0.0)
    for i in range(d):
        for j in range(i + 1):
            for q in range(i, d):
                out[i, j] += inverse[q, i] * a[q, j]


@inlined
def _pull_back_factor(lower, g_lower, logits, out):  # type: ignore[no-untyped-def]
    """Add the gradient in the logits: L_ij = left_ij z_ij, left falls by sqrt(1 - z_ij^2)."""
    d = len(lower)
    f = len(logits)
    for i in range(d - 1, 0, -1):
        later = g_lower[i, i] * lower[i, i]  # of what is right of j: d / d log left
        for j in range(i - 1, -1, -1):
            f -= 1
            z = np.tanh(0.5 * logits[f])
            # left_ij (1 - z^2) / 2 is what L_ij moves by; log left falls by z / 2.
            left = lower[i, j] / z if z != 0.0 else _left(lower, i, j)
            rest = np.exp(_log_rest(0.5 * logits[f]))
            out[f] += 0.5 * (g_lower[i, j] * left * rest - z * later)
            later += g_lower[i, j] * lower[i, j]


@inlined
def _left(lower, i, j):  # type: ignore[no-untyped-def]
    """The length of row i from column j on."""
    v = 0.0
    for q in range(j, i + 1):
        v += lower[i, q] * lower[i, q]
    return np.sqrt(v)


@inlined
def of_deviations(fixed, logs, out):  # type: ignore[no-untyped-def]
    """The log density of the logarithms t, log v = root t; adds its gradient."""
    d = len(logs)
    root, power, beta = fixed[0], fixed[1], fixed[2]
    total = 0.0
    for j in range(d):
        c, b, constant = fixed[3 + j], fixed[3 + d + j], fixed[3 + 2 * d + j]
        ratio, rest = np.exp(root * logs[j]) / c, b * np.exp(-root * logs[j])
        total += constant + np.log(root) - power * root * logs[j]
        total -= beta * np.log1p(ratio) + rest
        share = 1.0 - 1.0 / (1.0 + ratio)
        out[j] -= root * (power + beta * share - rest)
    return total


@inlined
def of_correlations(shapes, logits, out):  # type: ignore[no-untyped-def]
    """The log density of logits of symmetric beta variables; adds its gradient."""
    total = 0.0
    for f in range(len(logits)):
        a = shapes[f]
        total += a * (_log_rest(0.5 * logits[f]) - 2.0 * math.log(2.0))
        total += math.lgamma(2.0 * a) - 2.0 * math.lgamma(a)
        out[f] -= a * np.tanh(0.5 * logits[f])
    return total
