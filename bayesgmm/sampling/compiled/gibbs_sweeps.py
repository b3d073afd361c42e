"""Gibbs sampling of a mixture, compiled: allocations given parameters, parameters given those.

Diebolt & Robert (1994), J. R. Stat. Soc. B 56, 363-375. The allocations are drawn in a pass like
EM's, which gives the same statistics, of drawn instead of expected allocations; the parameters need
no more. Most conditional distributions are conjugate updates of the prior's, and those of volumes,
shapes and axes are in `gibbs_axes.py`; random hyperparameters without a known one are drawn by
slice sampling (Neal 2003, Ann. Stat. 31, 705-767).
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from ...kernels.cholesky import cholesky
from ...kernels.compilation import F1, F2, I1, INT, entry, inlined, jit, typed
from ...kernels.e_step.arrays import MIXTURE, VIEW, MixtureArrays, Moments, StatisticsArrays
from ...kernels.e_step.many_rows import BLOCK
from ...kernels.e_step.moments import central_moments
from ...kernels.e_step.preparation import LOSS, encode_any, prepare, workspace
from ...kernels.e_step.quadratic import decode, features, number_of_features
from ...kernels.e_step.softmax import softmax
from ...kernels.products import add_outer_product, clear_padding, padded, product
from ...utils.types import FloatArray, IntArray
from .gibbs_axes import AXES_STATE, AxesState, call_draw_axes
from .gibbs_groups import GROUPED_ROWS, call_allocate_groups
from .gibbs_lkj import call_draw_lkj
from .gibbs_noise import draw_share, weigh_noise
from .variates import choose, inverse_wishart, log_by_slice

# Places in `kinds`: properties of the family and the prior.
COMMON, SPHERICAL, CONJUGATE, RANDOM_CONCENTRATION, RANDOM_SCALE, BY_AXES, ONE_SCALE, OF_LKJ = (
    range(8)
)
# Places in `numbers`: of the concentration and of Psi's diagonal, where they are random, the
# gamma's shape (and rate); the means' strength; the degrees of freedom, or the gammas' shape; for
# volumes, shapes and axes the power of the volumes' measure; and that of Psi in the constant.
CONCENTRATION_SHAPE, CONCENTRATION_RATE, SCALE_SHAPE, STRENGTH, DOF, POWER, SCALE_POWER = range(7)
DRAWN = -1
# Above this a narrow component's moments would lose digits that matter (`QUADRATIC_LIMIT`).
_MOST_LOST = 1e10


class GibbsPrior(NamedTuple):
    """The prior, in the user's units about the center: `kinds` and `numbers` as above.

    b0 (d,) and spread (d, d) are the means' prior mean and precision, rates (d,) those of Psi's
    diagonal.
    """

    kinds: IntArray
    numbers: FloatArray
    b0: FloatArray
    spread: FloatArray
    rates: FloatArray


class Hyperparameters(NamedTuple):
    """The concentration (1,), Psi (d, d), and what is known of noise.

    noise (4,) has its share, its log density in scaled coordinates, and the two numbers of the
    share's beta prior; it is empty without.
    """

    concentration: FloatArray
    psi: FloatArray
    noise: FloatArray


class CovarianceParts(NamedTuple):
    """Volumes, shapes and axes of covariances that have such; addresses of what handles them all.

    These are of `inverse_factors` and, where there are axes or shapes, of `draw_axes`, or under an
    LKJ prior, of which lkj has the numbers (`Deviations.packed`), of `draw_lkj`.
    """

    factoring: int
    drawing: int
    state: AxesState
    lkj: FloatArray


PRIOR = typed(GibbsPrior, I1, F1, F1, F2, F1)
HYPER = typed(Hyperparameters, F1, F2, F1)
PARTS = typed(CovarianceParts, INT, INT, AXES_STATE, F1)


@entry(
    lambda x: INT(x, VIEW, nb.types.npy_rng, INT, GROUPED_ROWS, PARTS, PRIOR, HYPER, MIXTURE, F1)
)
def gibbs_sweeps(  # type: ignore[no-untyped-def]
    x, view, rng, sweeps, grouped, parts, prior, hyper, mixture, counts
):
    """Move hyperparameters, parts of the covariances and mixture by so many sweeps.

    x (n, d) are rows as they are, of which there are none where `grouped` has them; the mixture is
    in the user's units about the center. counts (K,) become the rows of the components in the last
    sweep, given which the mixture has been drawn.
    Returns DRAWN, or the first k whose covariance is too narrow for double precision.
    """
    n, d = x.shape
    n_components, rows, _ = mixture.covariances.shape
    diagonal = rows < d
    n_features = number_of_features(d, diagonal)
    scale = 1.0 / view.inverse_scale
    n_all = n_components + (1 if len(hyper.noise) > 0 else 0)
    beside_noise = np.empty(n_all)
    components, precision = workspace(n_all, mixture.covariances)
    result = np.empty(3)
    theta = np.empty((n_all, n_features))
    sums = np.empty((n_all, n_features))
    statistics = StatisticsArrays(
        counts, np.empty((n_components, d)), np.empty((n_components, rows, d))
    )
    moments = Moments(statistics.counts, np.empty((n_components, d)), statistics.scatters)
    nowhere = np.zeros((n_components, d))
    phi = np.empty((n_features, padded(BLOCK)))
    chosen = np.empty((n_all, padded(BLOCK)))
    scratch = np.empty((3, BLOCK))
    for _ in range(sweeps):
        weigh_noise(hyper.noise, mixture.weights, beside_noise)
        seen = MixtureArrays(beside_noise, mixture.means, mixture.covariances)
        bad = prepare(parts.factoring, scale, seen, components, precision, result)
        if bad >= 0 or result[LOSS] > _MOST_LOST:
            return max(bad, 0)
        encode_any(components, precision, theta)
        for k in range(n_all):
            for f in range(n_features):
                sums[k, f] = 0.0
        if grouped.allocating != 0:
            call_allocate_groups(
                grouped.allocating, (rng, grouped.values, view, theta, grouped.packed, sums)
            )
        for start in range(0, n, BLOCK):
            m = min(BLOCK, n - start)
            features(x, start, m, view, diagonal, phi)
            product(theta, phi, m, chosen)
            softmax(chosen, m, scratch[0], scratch[1], scratch[2])
            choose(rng, chosen, m, scratch[0])
            clear_padding(chosen, m)
            add_outer_product(chosen, phi, m, sums)
        decode(sums, diagonal, moments.first, moments.second)
        for k in range(n_components):
            moments.counts[k] = sums[k, 0]
        central_moments(moments, nowhere, scale, statistics.means, statistics.scatters)
        for k in range(n_components):  # the prior's precision is in the user's units
            for i in range(rows):
                for j in range(d):
                    precision[k, i, j] /= scale[j] * scale[j if diagonal else i]
        _draw_proportions(rng, prior, statistics.counts, hyper, components.log_weights, mixture)
        draw_share(rng, statistics.counts, sums, hyper.noise)
        draw_scale(rng, prior, precision[:n_components], hyper.psi)
        draw_means(rng, prior, statistics, precision[:n_components], mixture)
        if prior.kinds[BY_AXES] > 0:
            draw_parts(rng, prior, hyper.psi, statistics, parts, mixture)
        elif prior.kinds[OF_LKJ] > 0:
            _draw_by_lkj(rng, prior, statistics, parts, mixture)
        else:
            draw_covariances(rng, prior, hyper.psi, statistics, mixture)
    return DRAWN


@jit()
def log_gamma_draw(rng, shape):  # type: ignore[no-untyped-def]
    """The logarithm of a gamma variable, which itself may underflow."""
    if shape >= 1.0:
        return np.log(rng.standard_gamma(shape))
    return np.log(rng.standard_gamma(shape + 1.0)) + np.log(1.0 - rng.random()) / shape


@inlined
def _draw_proportions(rng, prior, counts, hyper, log_weights, mixture):  # type: ignore[no-untyped-def]
    """Draw the proportions given the counts, then the concentration if it is random."""
    weights, concentration, numbers = mixture.weights, hyper.concentration, prior.numbers
    n_components = len(counts)
    peak = -np.inf
    for k in range(n_components):
        log_weights[k] = log_gamma_draw(rng, concentration[0] + counts[k])
        peak = max(peak, log_weights[k])
    total = 0.0
    for k in range(n_components):
        total += np.exp(log_weights[k] - peak)
    log_total = peak + np.log(total)
    log_sum = 0.0
    for k in range(n_components):
        log_weights[k] -= log_total
        log_sum += log_weights[k]
        weights[k] = np.exp(log_weights[k])
    if prior.kinds[RANDOM_CONCENTRATION] > 0:
        concentration[0] = np.exp(
            log_by_slice(
                rng, np.log(concentration[0]), numbers[CONCENTRATION_SHAPE],
                numbers[CONCENTRATION_RATE] - log_sum, float(n_components), 0.0, 0.0,
            )
        )  # fmt: skip


@inlined
def draw_scale(rng, prior, precision, psi):  # type: ignore[no-untyped-def]
    """Draw Psi's diagonal given the components' precisions (K, d, d) or (K, 1, d)."""
    kinds, numbers, rates = prior.kinds, prior.numbers, prior.rates
    n_components, rows, d = precision.shape
    if kinds[RANDOM_SCALE] > 0:
        distinct = 1 if kinds[COMMON] > 0 else n_components
        power, total = numbers[DOF] * distinct * (1.0 if rows < d else 0.5), 1.0
        if kinds[BY_AXES] > 0:
            power = numbers[SCALE_POWER]
        for j in range(d):
            rate = rates[j]
            for k in range(distinct):
                rate += 0.5 * (precision[k, 0, j] if rows < d else precision[k, j, j])
            if kinds[ONE_SCALE] > 0:
                total += rate / rates[j] - 1.0
            elif kinds[SPHERICAL] > 0:
                rest = 0.0
                for i in range(d):
                    if i != j:
                        rest += psi[i, i]
                psi[j, j] = np.exp(
                    log_by_slice(
                        rng, np.log(psi[j, j]), numbers[SCALE_SHAPE], rate, 0.0, power, rest
                    )
                )
            else:
                psi[j, j] = rng.standard_gamma(numbers[SCALE_SHAPE] + power) / rate
        if kinds[ONE_SCALE] > 0:
            t = rng.standard_gamma(numbers[SCALE_SHAPE] + d * power) / total
            for j in range(d):
                psi[j, j] = t / rates[j]


@inlined
def draw_means(rng, prior, statistics, precision, mixture):  # type: ignore[no-untyped-def]
    """Draw the means given the covariances and the rows' statistics."""
    kinds, numbers, b0, spread, _ = prior
    counts, centers, _ = statistics
    means, covariances = mixture.means, mixture.covariances
    n_components, rows, d = precision.shape
    strength = numbers[STRENGTH]
    of_k = np.empty((d, d))
    lower = np.empty((d, d))
    for k in range(n_components):
        v = means[k]
        if kinds[CONJUGATE] > 0:
            total = strength + counts[k]
            for i in range(d):
                for j in range(d):
                    of_k[i, j] = 0.0
                    if rows == d:
                        of_k[i, j] = covariances[k, i, j] / total
                    elif i == j:
                        of_k[i, j] = covariances[k, 0, j] / total
            cholesky(of_k, lower)
            noise = np.empty(d)
            for i in range(d):
                noise[i] = rng.standard_normal()
            for i in range(d):
                v[i] = (strength * b0[i] + counts[k] * centers[k, i]) / total
                for j in range(i + 1):
                    v[i] += lower[i, j] * noise[j]
        else:
            for i in range(d):
                v[i] = 0.0
                for j in range(d):
                    p = 0.0
                    if rows == d:
                        p = counts[k] * precision[k, i, j]
                    elif i == j:
                        p = counts[k] * precision[k, 0, j]
                    of_k[i, j] = p + spread[i, j]
                    v[i] += spread[i, j] * b0[j] + p * centers[k, j]
            cholesky(of_k, lower)
            # The mean and the noise in one: (L L')^-1 right + L'^-1 noise.
            for i in range(d):
                for j in range(i):
                    v[i] -= lower[i, j] * v[j]
                v[i] /= lower[i, i]
            for i in range(d):
                v[i] += rng.standard_normal()
            for i in range(d - 1, -1, -1):
                for j in range(i + 1, d):
                    v[i] -= lower[j, i] * v[j]
                v[i] /= lower[i, i]


@jit()
def _fill_scale(psi, scale):  # type: ignore[no-untyped-def]
    """Write Psi (d, d), or its diagonal (1, d)."""
    rows, d = scale.shape
    for i in range(rows):
        for j in range(d):
            scale[i, j] = psi[j, j] if rows < d else psi[i, j]


@jit()
def _add_scatter(k, prior, statistics, means, scale):  # type: ignore[no-untyped-def]
    """Add component k's scatter about its mean, its pseudo-row's too; return the count of both."""
    rows, d = scale.shape
    counts, centers, scatters = statistics
    conjugate, strength, b0 = prior.kinds[CONJUGATE] > 0, prior.numbers[STRENGTH], prior.b0
    for i in range(rows):
        for j in range(d):
            i_ = j if rows < d else i
            a, b = centers[k, i_] - means[k, i_], centers[k, j] - means[k, j]
            scale[i, j] += scatters[k, i, j] + counts[k] * a * b
            if conjugate:
                a, b = means[k, i_] - b0[i_], means[k, j] - b0[j]
                scale[i, j] += strength * a * b
    return counts[k] + (1.0 if conjugate else 0.0)


@inlined
def draw_parts(rng, prior, psi, statistics, parts, mixture):  # type: ignore[no-untyped-def]
    """Draw volumes, shapes and axes given the means and the rows' statistics."""
    covariances = mixture.covariances
    n_components, _, d = covariances.shape
    weights = np.empty(n_components)
    scales = np.empty(covariances.shape)
    for k in range(n_components):
        _fill_scale(psi, scales[k])
        weights[k] = prior.numbers[DOF] + d + 1.0
        weights[k] += _add_scatter(k, prior, statistics, mixture.means, scales[k])
    power = prior.numbers[POWER]
    call_draw_axes(parts.drawing, (rng, power, weights, scales, parts.state, covariances))


@inlined
def _draw_by_lkj(rng, prior, statistics, parts, mixture):  # type: ignore[no-untyped-def]
    """Draw the covariances under an LKJ prior given the means and the rows' statistics."""
    covariances = mixture.covariances
    n_components, rows, d = covariances.shape
    distinct = 1 if prior.kinds[COMMON] > 0 else n_components
    for k in range(distinct):
        count, scatter = 0.0, np.zeros((rows, d))
        for q in range(n_components):
            if distinct == 1 or q == k:
                count += _add_scatter(q, prior, statistics, mixture.means, scatter)
        call_draw_lkj(parts.drawing, (rng, parts.lkj, count, scatter, covariances[k]))
    _copy_shared(distinct, covariances)


@jit()
def _copy_shared(distinct, covariances):  # type: ignore[no-untyped-def]
    """Copy a covariance that all share to those of the other components."""
    n_components, rows, d = covariances.shape
    for k in range(distinct, n_components):
        for i in range(rows):
            for j in range(d):
                covariances[k, i, j] = covariances[0, i, j]


@inlined
def draw_covariances(rng, prior, psi, statistics, mixture):  # type: ignore[no-untyped-def]
    """Draw the covariances given the means and the rows' statistics."""
    kinds, numbers = prior.kinds, prior.numbers
    covariances = mixture.covariances
    n_components, rows, d = covariances.shape
    distinct = 1 if kinds[COMMON] > 0 else n_components
    scale = np.empty((rows, d))
    for k in range(distinct):
        _fill_scale(psi, scale)
        count = 0.0
        for q in range(n_components):
            if distinct == 1 or q == k:
                count += _add_scatter(q, prior, statistics, mixture.means, scale)
        new = covariances[k]
        if rows < d:
            if kinds[SPHERICAL] > 0:
                total = 0.0
                for j in range(d):
                    total += scale[0, j]
                v = 0.5 * total / rng.standard_gamma(numbers[DOF] + 0.5 * d * count)
                for j in range(d):
                    new[0, j] = v
            else:
                for j in range(d):
                    new[0, j] = 0.5 * scale[0, j] / rng.standard_gamma(numbers[DOF] + 0.5 * count)
        else:
            inverse_wishart(rng, numbers[DOF] + count, scale, new)
    _copy_shared(distinct, covariances)
