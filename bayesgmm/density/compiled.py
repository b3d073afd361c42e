"""The log posterior density of a mixture in free coordinates, and its gradient, compiled.

One function serves every n, d, K, family and prior: the differences are passed as numbers, and as
addresses of parts that are compiled when they are first needed (`kernels/calls.py`). Nothing is
compiled for a model. The coordinates are those that PyMC has for `build_model`'s variables, but
for the means (`space.py`).

`sizes` (whole numbers), `numbers` and `data` are laid out by `LogPosterior`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np

from ..kernels.calls import caller
from ..kernels.compilation import F1, I1, inlined, jit, part
from ..kernels.e_step.arrays import MixtureArrays, PassParts, StatisticsArrays
from ..kernels.e_step.few_rows import FewRows, call_few_rows_pass
from ..kernels.e_step.many_rows import ManyRows, call_many_rows_pass
from ..kernels.e_step.preparation import LOGLIK, MADE, NO_CENTRED
from ..utils.types import FloatArray
from .maps import COVARIANCES, GRADIENTS, Coordinates, RowMoments, Slopes, call_map
from .random_hyperparameters import hyperparameters, pull_back_shares

_I, _F = nb.int64, nb.float64
LOG_POSTERIOR = _F(F1, F1, I1, F1, F1, F1)
call_log_posterior = caller(LOG_POSTERIOR)
# Places in `sizes`.
(
    N, D, K, ROWS, FREE, SHARED, MAP_ADDRESS, FACTORING, PASS, CENTRED, BLOCKS, BLOCK, FEATURES,
    RANDOM_CONCENTRATION, RANDOM_SCALE, CONJUGATE, WHITENED, ASKED_FOR_CENTRED, MAP_FIXED,
    QUADRATIC, OWNED, SCALE_BY_SHARES, NOISE, N_SIZES,
) = range(24)  # fmt: skip
_LOG_2PI = math.log(2.0 * math.pi)


class _Numbers(NamedTuple):
    """Views of `numbers`: what `LogPosterior` lays out one after another.

    of_noise (5,) is the noise's log density in scaled coordinates, the rows' total weight, and a, b
    and log B(a, b) of the share's beta prior.
    of_concentration (2,) and of_psi (1 + d,) are a gamma's shape and rates, or a 0 or a value in
    their places; b0 (d,), strength and root (d, d) the means' prior; fixed the covariances' own;
    origin (P,) and whitening (P, P) are empty where the coordinates are not whitened.
    """

    scale: FloatArray
    center: FloatArray
    log_unit: FloatArray
    of_noise: FloatArray
    of_concentration: FloatArray
    of_psi: FloatArray
    b0: FloatArray
    strength: FloatArray
    root: FloatArray
    fixed: FloatArray
    origin: FloatArray
    whitening: FloatArray


@inlined
def _numbers_at(numbers, d, n_fixed, n_white):  # type: ignore[no-untyped-def]
    center = d
    log_unit = center + d
    of_noise = log_unit + 1
    of_concentration = of_noise + 5
    of_psi = of_concentration + 2
    b0 = of_psi + 1 + d
    strength = b0 + d
    root = strength + 1
    fixed = root + d * d
    origin = fixed + n_fixed
    whitening = origin + n_white
    return _Numbers(
        numbers[:center], numbers[center:log_unit], numbers[log_unit:of_noise],
        numbers[of_noise:of_concentration],
        numbers[of_concentration:of_psi], numbers[of_psi:b0], numbers[b0:strength],
        numbers[strength:root], numbers[root:fixed].reshape((d, d)), numbers[fixed:origin],
        numbers[origin:whitening], numbers[whitening:].reshape((n_white, n_white)),
    )  # fmt: skip


class _Variables(NamedTuple):
    """Views of the coordinates (P,), or of a gradient in them, by the variable they stand for."""

    concentration: FloatArray
    scale: FloatArray
    pi: FloatArray
    share: FloatArray
    mu: FloatArray
    of_covariances: FloatArray


@inlined
def _variables(u, sizes):  # type: ignore[no-untyped-def]
    d, n_components = sizes[D], sizes[K]
    scale = 1 if sizes[RANDOM_CONCENTRATION] > 0 else 0
    pi = scale + sizes[RANDOM_SCALE]
    share = pi + n_components - 1
    mu = share + sizes[NOISE]
    of_covariances = mu + n_components * d
    return _Variables(
        u[:scale],
        u[scale:pi],
        u[pi:share],
        u[share:mu],
        u[mu:of_covariances].reshape((n_components, d)),
        u[of_covariances:],
    )


@part(LOG_POSTERIOR, level=1)
def log_posterior(z, gradient, sizes, numbers, data, row_weights):  # type: ignore[no-untyped-def]
    """The log density at z (P,), to a constant that does not depend on z, and its gradient.

    z are whitened coordinates where sizes[WHITENED], u = origin + root z; root (P, P) is lower
    triangular. Not a number where the density is not defined.
    """
    d, n_components, rows, free = sizes[D], sizes[K], sizes[ROWS], sizes[FREE]
    given = _numbers_at(numbers, d, sizes[MAP_FIXED], free if sizes[WHITENED] > 0 else 0)
    u = np.empty(free)
    if sizes[WHITENED] > 0:
        _whiten(z, given.origin, given.whitening, u)
    else:
        _copied(z, u)
    g = np.zeros(free)
    at, slope = _variables(u, sizes), _variables(g, sizes)
    psi, g_psi = np.empty(d), np.zeros(d)
    concentration, total = hyperparameters(sizes[SCALE_BY_SHARES] > 0, given, at, slope, psi)

    weights = np.empty(n_components)
    log_sum = _softmax(at.pi, weights)
    covariances = np.empty((n_components, rows, d))
    of_rows = RowMoments(
        np.zeros(n_components), np.zeros((n_components, d)), np.zeros((n_components, rows, d)),
        np.zeros(n_components), np.zeros((n_components, rows, d)),
    )  # fmt: skip
    coordinates = Coordinates(at.of_covariances, sizes[SHARED], given.fixed, psi)
    slopes = Slopes(slope.of_covariances, slope.mu, g_psi)
    call_map(sizes[MAP_ADDRESS], (COVARIANCES, coordinates, covariances, of_rows, slopes))
    if sizes[PASS] > 0:
        of_all = _beside_noise(weights, at.share, given.of_noise[0])
        loglik = _see_rows(sizes, given, data, row_weights, of_all, at.mu, covariances, of_rows)
        if np.isnan(loglik):
            return np.nan
        total += loglik
    # Between the same branches as ever: LLVM may reorder a sum where they are elsewhere, and a
    # density that differs in its last digit makes other draws of the same seed.
    in_all = 0.0
    for k in range(n_components):
        in_all += of_rows.counts[k]
    total += _proportions(concentration, weights, log_sum)
    if n_components > 1:
        _slope_of_proportions(concentration, weights, of_rows.counts, in_all, slope.pi)
    if sizes[NOISE] > 0:
        total += _share_of_noise(at.share[0], given.of_noise, in_all, sizes[PASS], slope.share)
    if sizes[RANDOM_CONCENTRATION] > 0:
        of_log_sum = log_sum + n_components * (
            digamma(n_components * concentration) - digamma(concentration)
        )
        slope.concentration[0] += concentration * of_log_sum
    if sizes[CONJUGATE] > 0:
        total = _add_pseudo_rows(total, given.strength[0], given.b0, at.mu, of_rows)
    total += call_map(sizes[MAP_ADDRESS], (GRADIENTS, coordinates, covariances, of_rows, slopes))
    if sizes[CONJUGATE] == 0:
        total += _means_prior(at.mu, given.b0, given.root, slope.mu)
    if len(slope.scale) > 0:
        for j in range(d):
            slope.scale[j if len(slope.scale) == d else 0] += g_psi[j]
    if sizes[SCALE_BY_SHARES] > 0:
        pull_back_shares(psi, slope.scale)
    if sizes[WHITENED] > 0:
        _pull_back_whitening(g, given.whitening, gradient)
    else:
        _copied(g, gradient)
    return total


@inlined
def _beside_noise(weights, share, log_noise):  # type: ignore[no-untyped-def]
    """The weights of the components beside noise, and the noise's, as a pass reads them."""
    if len(share) == 0:
        return weights
    n_components = len(weights)
    out = np.empty(n_components + 1)
    p = 1.0 / (1.0 + np.exp(-share[0]))
    for k in range(n_components):
        out[k] = weights[k] / (1.0 + np.exp(share[0]))
    out[n_components] = p * np.exp(log_noise)
    return out


@inlined
def _share_of_noise(t, of_noise, in_all, seen, out):  # type: ignore[no-untyped-def]
    """The log density of the share's logit t; its slope, the rows' too."""
    n_rows, a, b = of_noise[1], of_noise[2], of_noise[3]
    p = 1.0 / (1.0 + np.exp(-t))
    out[0] = a - (a + b) * p
    if seen > 0:
        out[0] += (n_rows - in_all) - n_rows * p
    of_both = np.log1p(np.exp(-np.abs(t)))
    return a * min(t, 0.0) - b * max(t, 0.0) - (a + b) * of_both - of_noise[4]


@inlined
def _see_rows(  # type: ignore[no-untyped-def]
    sizes, given, data, row_weights, weights, means, covariances, of_rows
):
    """Write the rows' moments about the means; return their log-likelihood, or not a number."""
    n, d, n_components = sizes[N], sizes[D], sizes[K]
    n_owned = sizes[OWNED]  # features of the rows that a component has to itself
    mixture = MixtureArrays(weights, means, covariances)
    statistics = StatisticsArrays(of_rows.counts, np.empty((n_components, d)), of_rows.second)
    parts = PassParts(sizes[FACTORING], sizes[QUADRATIC], sizes[CENTRED])
    result = np.empty(3)
    if sizes[BLOCKS] > 0:
        phi = data.reshape((sizes[BLOCKS], sizes[FEATURES], sizes[BLOCK]))
        few = FewRows(phi, n, row_weights, given.scale, given.log_unit[0])
        made = call_few_rows_pass(sizes[PASS], (parts, few, mixture, statistics, result))
    else:
        segments = sizes[N_SIZES:]
        many = ManyRows(
            data[: n * d].reshape((n, d)),
            data[n * d :].reshape((n_components if n_owned > 0 else 0, n_owned)),
            segments.reshape((len(segments) // (3 + n_components), 3 + n_components)),
            given.center, given.scale, row_weights, given.log_unit[0],
        )  # fmt: skip
        made = call_many_rows_pass(sizes[PASS], (parts, many, mixture, statistics, result))
    if made != MADE:
        if made == NO_CENTRED:
            sizes[ASKED_FOR_CENTRED] = 1
        return np.nan
    _about_means(of_rows.counts, statistics.means, means, of_rows.first, of_rows.second)
    return result[LOGLIK]


@inlined
def _slope_of_proportions(concentration, weights, counts, in_all, out):  # type: ignore[no-untyped-def]
    """The gradient in the K - 1 coordinates of the proportions, of the rows and of the prior."""
    n_components = len(weights)
    last = counts[n_components - 1] - in_all * weights[n_components - 1]
    last += concentration * (1.0 - n_components * weights[n_components - 1])
    for k in range(n_components - 1):
        of_k = counts[k] - in_all * weights[k]
        of_k += concentration * (1.0 - n_components * weights[k])
        out[k] = of_k - last


@inlined
def _add_pseudo_rows(total, strength, b0, means, of_rows):  # type: ignore[no-untyped-def]
    """Add the conjugate prior of the means, Normal(b0, Sigma_k / strength), as a row of each.

    Returns the total with the terms of its log density that do not depend on the covariances.
    """
    n_components, rows, d = of_rows.pseudo.shape
    for k in range(n_components):
        total += 0.5 * d * (np.log(strength) - _LOG_2PI)
        of_rows.pseudo_counts[k] = 1.0
        of_rows.counts[k] += 1.0
        for i in range(d):
            of_i = strength * (means[k, i] - b0[i])
            of_rows.first[k, i] -= of_i
            for j in range(d):
                v = of_i * (means[k, j] - b0[j])
                if rows == d:
                    of_rows.pseudo[k, i, j] = v
                    of_rows.second[k, i, j] += v
                elif i == j:
                    of_rows.pseudo[k, 0, j] = v
                    of_rows.second[k, 0, j] += v
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
    """Turn second moments about the centres into those about the means; write the first ones."""
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
    """Log density of Normal(b0, B0), R'R = B0^-1 with lower triangular root R; adds gradients."""
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
