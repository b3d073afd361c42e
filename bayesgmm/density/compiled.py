"""The log posterior density of a mixture in free coordinates, and its gradient, compiled.

One function serves every n, d, K, family and prior: what differs comes as numbers, and as
addresses of parts that are compiled when they are first needed (`kernels/calls.py`). Nothing is
compiled for a model. The coordinates are those that PyMC has for `build_model`'s variables, but
for the means (`space.py`).

`sizes` (whole numbers), `numbers` and `data` are laid out by `LogPosterior`.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from ..kernels.calls import array_at, caller
from ..kernels.compilation import F1, I1, inlined, jit, part
from ..kernels.e_step.few_rows import call_ready_pass
from ..kernels.e_step.many_rows import call_many_pass
from ..kernels.e_step.preparation import MADE, NO_CENTRED
from .covariances import COVARIANCES, GRADIENTS, call_chart

_I, _F = nb.int64, nb.float64
LOG_POSTERIOR = _F(F1, F1, I1, F1, F1, F1)
_call_log_posterior = caller(LOG_POSTERIOR)
# Where things are in `sizes`.
(
    N, D, K, ROWS, FREE, SHARED, CHART_ADDRESS, FACTORING, PASS, CENTRED, BLOCKS, BLOCK, FEATURES,
    RANDOM_CONCENTRATION, RANDOM_SCALE, CONJUGATE, WHITENED, ASKED_FOR_CENTRED, CHART_FIXED,
    QUADRATIC, SETTLED, N_SIZES,
) = range(22)  # fmt: skip
_LOG_2PI = math.log(2.0 * math.pi)


@part(LOG_POSTERIOR, level=1)
def log_posterior(z, gradient, sizes, numbers, data, row_weights):  # type: ignore[no-untyped-def]
    """The log density at z (P,), to a constant that does not depend on z, and its gradient.

    z are whitened coordinates where sizes[WHITENED], u = origin + root z; root (P, P) is lower
    triangular. Not a number where the density is not defined.
    """
    n, d, n_components, rows = sizes[N], sizes[D], sizes[K], sizes[ROWS]
    free = sizes[FREE]
    # numbers: scale, centre, concentration, psi, prior mean, its root or strength, chart, whitening
    at = 0
    scale = numbers[at : at + d]
    center = numbers[at + d : at + 2 * d]
    log_unit = numbers[at + 2 * d]
    at += 2 * d + 1
    of_concentration = numbers[at : at + 2]
    at += 2
    of_psi = numbers[at : at + d + 1]
    at += d + 1
    b0 = numbers[at : at + d]
    at += d
    strength = numbers[at]
    root = numbers[at + 1 : at + 1 + d * d].reshape((d, d))
    at += 1 + d * d
    fixed = numbers[at : at + sizes[CHART_FIXED]]
    at += sizes[CHART_FIXED]
    u = np.empty(free)
    if sizes[WHITENED] > 0:
        _whiten(z, numbers[at : at + free], numbers[at + free :].reshape((free, free)), u)
    else:
        _copied(z, u)
    g = np.zeros(free)
    total = 0.0

    at_u = 0
    concentration = of_concentration[0]
    if sizes[RANDOM_CONCENTRATION] > 0:
        concentration = np.exp(u[0])
        total += _log_gamma(of_concentration[0], of_concentration[1], u[0], g[0:1])
        at_u = 1
    at_scale = at_u
    psi = np.empty(d)
    for j in range(d):
        if sizes[RANDOM_SCALE] > 0:
            psi[j] = np.exp(u[at_u])
            total += _log_gamma(of_psi[0], of_psi[1 + j], u[at_u], g[at_u : at_u + 1])
            at_u += 1
        else:
            psi[j] = of_psi[1 + j]

    at_pi = at_u
    at_mu = at_pi + n_components - 1
    at_chart = at_mu + n_components * d
    weights = np.empty(n_components)
    log_sum = _softmax(u[at_pi:at_mu], weights)
    means = u[at_mu:at_chart].copy().reshape((n_components, d))
    of_chart = u[at_chart:].copy()
    covariances = np.empty((n_components, rows, d))
    counts = np.zeros(n_components)
    first = np.zeros((n_components, d))
    second = np.zeros((n_components, rows, d))
    pseudo_counts = np.zeros(n_components)
    pseudo = np.zeros((n_components, rows, d))
    g_chart = np.zeros(free - at_chart)
    g_means = np.zeros((n_components, d))
    g_psi = np.zeros(d)
    shared = sizes[SHARED]
    call_chart(
        sizes[CHART_ADDRESS],
        (
            COVARIANCES, of_chart, shared, fixed, psi, covariances, counts, first, second,
            pseudo_counts, pseudo, g_chart, g_means, g_psi,
        ),
    )  # fmt: skip
    n_settled = sizes[SETTLED]  # features of the rows that a component has to itself
    if n + n_settled > 0:
        centers = np.empty((n_components, d))
        result = np.empty(3)
        if sizes[BLOCKS] > 0:
            made = call_ready_pass(
                sizes[PASS],
                (
                    sizes[FACTORING], sizes[CENTRED],
                    data.reshape((sizes[BLOCKS], sizes[FEATURES], sizes[BLOCK])), n, row_weights,
                    scale, log_unit, weights, means, covariances, counts, centers, second, result,
                ),
            )  # fmt: skip
        else:
            segments = sizes[N_SIZES:]
            made = call_many_pass(
                sizes[PASS],
                (
                    sizes[FACTORING], sizes[QUADRATIC], sizes[CENTRED],
                    data[: n * d].reshape((n, d)),
                    data[n * d :].reshape((n_components if n_settled > 0 else 0, n_settled)),
                    segments.reshape((len(segments) // (3 + n_components), 3 + n_components)),
                    center, scale, row_weights, log_unit, weights, means, covariances, counts,
                    centers, second, result,
                ),
            )  # fmt: skip
        if made != MADE:
            if made == NO_CENTRED:
                sizes[ASKED_FOR_CENTRED] = 1
            return np.nan
        total += result[0]
        _about_means(counts, centers, means, first, second)

    in_all = 0.0
    for k in range(n_components):
        in_all += counts[k]
    total += _proportions(concentration, weights, log_sum)
    if n_components > 1:
        last = counts[n_components - 1] - in_all * weights[n_components - 1]
        last += concentration * (1.0 - n_components * weights[n_components - 1])
        for k in range(n_components - 1):
            of_k = counts[k] - in_all * weights[k]
            of_k += concentration * (1.0 - n_components * weights[k])
            g[at_pi + k] = of_k - last
    if sizes[RANDOM_CONCENTRATION] > 0:
        slope = log_sum + n_components * (
            digamma(n_components * concentration) - digamma(concentration)
        )
        g[0] += concentration * slope

    if sizes[CONJUGATE] > 0:
        for k in range(n_components):
            total += 0.5 * d * (np.log(strength) - _LOG_2PI)
            pseudo_counts[k] = 1.0
            counts[k] += 1.0
            for i in range(d):
                of_i = strength * (means[k, i] - b0[i])
                first[k, i] -= of_i
                for j in range(d):
                    v = of_i * (means[k, j] - b0[j])
                    if rows == d:
                        pseudo[k, i, j] = v
                        second[k, i, j] += v
                    elif i == j:
                        pseudo[k, 0, j] = v
                        second[k, 0, j] += v
    total += call_chart(
        sizes[CHART_ADDRESS],
        (
            GRADIENTS, of_chart, shared, fixed, psi, covariances, counts, first, second,
            pseudo_counts, pseudo, g_chart, g_means, g_psi,
        ),
    )  # fmt: skip
    if sizes[CONJUGATE] == 0:
        total += _means_prior(means, b0, root, g_means)

    for j in range(d):
        if sizes[RANDOM_SCALE] > 0:
            g[at_scale + j] += g_psi[j]
    for k in range(n_components):
        for j in range(d):
            g[at_mu + k * d + j] = g_means[k, j]
    for i in range(len(g_chart)):
        g[at_chart + i] = g_chart[i]
    if sizes[WHITENED] > 0:
        _pull_back_whitening(g, numbers[at + free :].reshape((free, free)), gradient)
    else:
        _copied(g, gradient)
    return total


@inlined
def _copied(values, out):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        out[i] = values[i]


@inlined
def _whiten(z, origin, root, u):  # type: ignore[no-untyped-def]
    for i in range(len(z)):
        v = 0.0
        row = root[i]
        for j in range(i + 1):
            v += row[j] * z[j]
        u[i] = origin[i] + v


@inlined
def _pull_back_whitening(g, root, out):  # type: ignore[no-untyped-def]
    for i in range(len(g)):
        out[i] = 0.0
    for i in range(len(g)):
        v = g[i]
        row = root[i]
        for j in range(i + 1):
            out[j] += row[j] * v


@jit()
def _log_gamma(shape, rate, log_value, gradient):  # type: ignore[no-untyped-def]
    """Log density of a gamma variable's logarithm; adds the derivative."""
    value = np.exp(log_value)
    gradient[0] += shape - rate * value
    return shape * (np.log(rate) + log_value) - rate * value - math.lgamma(shape)


@inlined
def _softmax(y, weights):  # type: ignore[no-untyped-def]
    """Proportions from PyMC's K - 1 coordinates; returns the sum of their logarithms."""
    n_components = len(weights)
    last = 0.0
    for k in range(n_components - 1):
        last -= y[k]
    peak = last
    for k in range(n_components - 1):
        peak = max(peak, y[k])
    total = 0.0
    for k in range(n_components):
        v = y[k] if k < n_components - 1 else last
        weights[k] = np.exp(v - peak)
        total += weights[k]
    for k in range(n_components):
        weights[k] /= total
    # The coordinates sum to 0 over k.
    return -n_components * (peak + np.log(total))


@inlined
def _proportions(concentration, weights, log_sum):  # type: ignore[no-untyped-def]
    """Log Dirichlet density and Jacobian, K prod pi_k; 0 for one component."""
    n_components = len(weights)
    if n_components == 1:
        return 0.0
    total = concentration * log_sum + np.log(n_components)
    return total + (
        math.lgamma(n_components * concentration) - n_components * math.lgamma(concentration)
    )


@inlined
def _about_means(counts, centers, means, first, second):  # type: ignore[no-untyped-def]
    """From moments about the rows' centres to moments about the means; first is their sum."""
    n_components, rows, d = second.shape
    for k in range(n_components):
        for i in range(d):
            first[k, i] = counts[k] * (centers[k, i] - means[k, i])
            for j in range(d):
                v = first[k, i] * (centers[k, j] - means[k, j])
                if rows == d:
                    second[k, i, j] += v
                elif i == j:
                    second[k, 0, j] += v


@inlined
def _means_prior(means, b0, root, g_means):  # type: ignore[no-untyped-def]
    """Normal(b0, B0) with root R, R'R = B0^-1, lower triangular."""
    n_components, d = means.shape
    total = 0.0
    v = np.empty(d)
    for k in range(n_components):
        for i in range(d):
            v[i] = 0.0
            for j in range(i + 1):
                v[i] += root[i, j] * (means[k, j] - b0[j])
            total += np.log(root[i, i]) - 0.5 * (_LOG_2PI + v[i] * v[i])
        for i in range(d):
            for j in range(i + 1):
                g_means[k, j] -= root[i, j] * v[i]
    return total


@jit()
def digamma(x):  # type: ignore[no-untyped-def]
    """Derivative of log Gamma, for x > 0 (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18)."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    v = 1.0 / (x * x)
    series = v * (1 / 12 - v * (1 / 120 - v * (1 / 252 - v * (1 / 240 - v * (1 / 132)))))
    return total + np.log(x) - 0.5 / x - series


# Addresses and lengths of what `log_posterior` takes besides z, then its own address.
_SIZES, _NUMBERS, _DATA, _WEIGHTS, _ADDRESS = 0, 2, 4, 6, 8
_P = nb.types.CPointer(nb.float64)
DENSITY = _I(nb.uint64, _P, _P, _P, nb.types.voidptr)
COPY = _I(nb.uint64, nb.uint64, _P, _P, nb.types.voidptr)


def density(size, z, gradient, value, where):  # type: ignore[no-untyped-def]
    """What nutpie calls: 0 where there is a density, 3 or 4 where there is none."""
    table = nb.carray(where, (9,), np.int64)
    g = nb.carray(gradient, (size,))
    total = _call_log_posterior(
        table[_ADDRESS],
        (
            nb.carray(z, (size,)), g,
            array_at(table[_SIZES], table[_SIZES + 1], np.int64(0)),
            array_at(table[_NUMBERS], table[_NUMBERS + 1], 0.0),
            array_at(table[_DATA], table[_DATA + 1], 0.0),
            array_at(table[_WEIGHTS], table[_WEIGHTS + 1], 0.0),
        ),
    )  # fmt: skip
    nb.carray(value, (1,))[0] = total
    for v in g:
        if not np.isfinite(v):
            return 3
    return 0 if np.isfinite(total) else 4


def copy(size, size_out, z, out, where):  # type: ignore[no-untyped-def]
    """What nutpie stores of a point: the point."""
    for i in range(size):
        out[i] = z[i]
    return 0
