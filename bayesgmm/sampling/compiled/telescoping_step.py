"""The number of components given the rows' allocation, compiled: the telescoping sampler's step.

Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Anal. 16, 1279-1307, algorithm 1: K
given how many components hold rows and how many rows each, then the concentration, empty components
from the prior, and the proportions. Their parameters summed out, empty components cost nothing.

Where components share some of volume, shape and axes, and not all, the prior of what they share
depends on K: p(K | allocation) has a factor g^(K - K+) / Z_K then, where g is the integral of an
empty component's density over what is its own (`own_parts.py`), and Z_K that of all components'.
Of own axes g is estimated, and neither are they drawn exactly: K and the empty components are
proposed, and taken or not by Metropolis & Hastings.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np

from ...families.matrices import VARIABLE
from ...kernels.cholesky import call_inverse_factors, precisions
from ...kernels.compilation import F1, I1, inlined, jit, part, typed
from ...kernels.e_step.arrays import MIXTURE, MixtureArrays, StatisticsArrays
from ...utils.types import FloatArray, IntArray
from .gibbs_axes import AXES_STATE, AxesState, compose_covariance
from .gibbs_sweeps import (
    BY_AXES,
    COMMON,
    CONJUGATE,
    HYPER,
    OF_LKJ,
    PARTS,
    PRIOR,
    RANDOM_SCALE,
    SCALE_POWER,
    GibbsPrior,
    draw_covariances,
    draw_means,
    draw_scale,
    log_gamma_draw,
)
from .lkj_draws import draw_lkj_prior
from .own_parts import OWN, OwnPrior, call_own_parts, drawn_exactly

# Places in `numbers`: whether the Dirichlet's concentration is alpha / K, and the shape and rate of
# alpha's gamma prior (0 where alpha is known), and log |Psi| at which log_shared is.
DYNAMIC, ALPHA_SHAPE, ALPHA_RATE, LOG_PSI = range(4)
# Places in `sizes`: the number of components, and of those that hold rows, which come first.
COMPONENTS, FILLED = range(2)
# Metropolis steps of log alpha to a sweep, and their standard deviation.
_TRIES, _WIDTH = 3, 1.0
# Draws of own parts by which g is estimated, and proposals to a sweep.
_ESTIMATING, _PROPOSALS = 8, 4


class PriorOfComponents(NamedTuple):
    """log p(K) (M,) of K = 1, ..., M, and `numbers` as above.

    Where components share some parts of their covariances log_shared (M,) has -log Z_K at a Psi,
    and powers (M,) those of |Psi| in 1 / Z_K; else both are 0.
    """

    log_prior: FloatArray
    numbers: FloatArray
    log_shared: FloatArray
    powers: FloatArray
    own: OwnPrior


class Present(NamedTuple):
    """The components that are there: the first ones of arrays that have room for M.

    counts (M,) are their rows, sizes how many there are, alpha (1,) the concentration. `own` has
    the parts of covariances, with room for 2 M in what components do not share: the second half is
    for what is proposed.
    """

    counts: FloatArray
    sizes: IntArray
    alpha: FloatArray
    own: AxesState
    mixture: MixtureArrays


_OF_K = typed(PriorOfComponents, F1, F1, F1, F1, OWN)
_PRESENT = typed(Present, F1, I1, F1, AXES_STATE, MIXTURE)
_STEP = nb.void(nb.types.npy_rng, PARTS, PRIOR, _OF_K, HYPER, _PRESENT, F1)


@part(_STEP, from_python=True)
def telescoping_step(rng, parts, prior, of_k, hyper, present, probabilities):  # type: ignore[no-untyped-def]
    """Draw K, alpha, the empty components and the proportions given the filled components.

    Components are reordered so that filled ones come first. p(K | allocation) is added to
    probabilities (M,).
    """
    counts, sizes, alpha, state, mixture = present
    filled = _bring_forward(of_k.own, present)
    shares = np.zeros(len(of_k.log_prior))
    if prior.kinds[BY_AXES] > 0:
        n_components = _draw_together(
            rng, prior, of_k, hyper.psi, present, filled, shares, probabilities
        )
        prior.numbers[SCALE_POWER] = of_k.powers[n_components - 1]
    else:
        _fill_shares(of_k, counts, filled, alpha[0], 0.0, 0.0, shares)
        for i in range(filled - 1, len(shares)):
            probabilities[i] += shares[i]
        n_components = _drawn_number(rng, shares, filled)
    if of_k.numbers[ALPHA_SHAPE] > 0.0:
        alpha[0] = _moved_alpha(rng, of_k.numbers, n_components, counts, filled, alpha[0])
    sizes[COMPONENTS], sizes[FILLED] = n_components, filled
    hyper.concentration[0] = _concentration(of_k.numbers, n_components, alpha[0])
    if prior.kinds[RANDOM_SCALE] > 0 and prior.kinds[BY_AXES] == 0:
        held = mixture.covariances[:filled]
        precision = np.empty(held.shape)
        factors = np.empty(held.shape)
        call_inverse_factors(parts.factoring, (held, 0.0, factors, np.empty(filled)))
        if held.shape[1] < held.shape[2]:
            precision[:] = factors * factors
        else:
            precisions(factors, precision)
        draw_scale(rng, prior, precision, hyper.psi)
    for k in range(filled, n_components):
        counts[k] = 0.0
    if n_components > filled:
        _draw_empty(rng, prior, hyper.psi, parts.lkj, filled, n_components, state, mixture)
    _draw_weights(rng, hyper.concentration[0], counts, n_components, mixture.weights)


@inlined
def _bring_forward(own, present):  # type: ignore[no-untyped-def]
    """Move components that hold rows before those that do not; return how many do.

    Own parts of those that do not take the places that become free.
    """
    counts, sizes, _, state, mixture = present
    filled = 0
    for k in range(sizes[COMPONENTS]):
        if counts[k] > 0.0:
            counts[filled] = counts[k]
            mixture.means[filled] = mixture.means[k]
            mixture.covariances[filled] = mixture.covariances[k]
            _swap_own(own, state, filled, k)
            filled += 1
    return filled


@jit()
def _swap_own(own, state, i, k):  # type: ignore[no-untyped-def]
    """Let two components change places in what is their own."""
    volumes, log_shapes, axes = state
    d = log_shapes.shape[1]
    if own.letters.volume == VARIABLE:
        volumes[i], volumes[k] = volumes[k], volumes[i]
    for j in range(d):
        if own.letters.shape == VARIABLE:
            log_shapes[i, j], log_shapes[k, j] = log_shapes[k, j], log_shapes[i, j]
        if own.letters.orientation == VARIABLE:
            for q in range(d):
                axes[i, j, q], axes[k, j, q] = axes[k, j, q], axes[i, j, q]


@inlined
def _concentration(numbers, n_components, alpha):  # type: ignore[no-untyped-def]
    """The Dirichlet's concentration under K components."""
    return alpha / n_components if numbers[DYNAMIC] > 0.0 else alpha


@jit()
def _log_allocation(concentration, n_components, counts, filled):  # type: ignore[no-untyped-def]
    """Log probability of an allocation into K components with those counts, to a constant."""
    total = 0.0
    value = math.lgamma(concentration * n_components)
    for k in range(filled):
        total += counts[k]
        value += math.lgamma(counts[k] + concentration) - math.lgamma(concentration)
    return value - math.lgamma(total + concentration * n_components)


@inlined
def _fill_shares(of_k, counts, filled, alpha, log_empty, log_psi, shares):  # type: ignore[no-untyped-def]
    """Write p(K | allocation), which K! / (K - filled)! allocations to components share.

    log_empty is log g, and log_psi that of |Psi|.
    """
    most = len(of_k.log_prior)
    peak = -np.inf
    for i in range(filled - 1, most):
        shares[i] = of_k.log_prior[i]
        if shares[i] > -np.inf:
            a = _concentration(of_k.numbers, i + 1, alpha)
            shares[i] += _log_allocation(a, i + 1, counts, filled)
            shares[i] += math.lgamma(i + 2.0) - math.lgamma(i + 2.0 - filled)
            shares[i] += of_k.log_shared[i] + of_k.powers[i] * log_psi
            shares[i] += (i + 1 - filled) * log_empty
        peak = max(peak, shares[i])
    total = 0.0
    for i in range(filled - 1, most):
        shares[i] = np.exp(shares[i] - peak)
        total += shares[i]
    for i in range(filled - 1, most):
        shares[i] /= total


@inlined
def _drawn_number(rng, shares, filled):  # type: ignore[no-untyped-def]
    """Draw K with those probabilities."""
    left = rng.random()
    last = filled
    for i in range(filled - 1, len(shares)):
        if shares[i] > 0.0:
            last = i + 1
            left -= shares[i]
            if left < 0.0:
                break
    return last


@inlined
def _draw_together(rng, prior, of_k, psi, present, filled, shares, probabilities):  # type: ignore[no-untyped-def]
    """Draw K with the own parts of empty components, given those that all share.

    What is proposed does not depend on the empty components there are, but for the ratio of g, as
    estimated, to their weights.
    """
    counts, sizes, alpha, state, _ = present
    n_components = sizes[COMPONENTS]
    own, most = of_k.own, len(shares)
    exact = drawn_exactly(own)
    log_psi = 0.0
    if prior.kinds[RANDOM_SCALE] > 0:
        log_psi = -of_k.numbers[LOG_PSI]
        for j in range(len(psi)):
            log_psi += np.log(psi[j, j])
    log_empty = _log_mean_weight(rng, own, psi, state, most, 1 if exact else _ESTIMATING)
    _fill_shares(of_k, counts, filled, alpha[0], log_empty, log_psi, shares)
    log_old = 0.0
    for k in range(filled, n_components):
        log_old += call_own_parts(own.drawing, (rng, own, psi, state, k, False)) - log_empty
    for _ in range(1 if exact else _PROPOSALS):
        new = _drawn_number(rng, shares, filled)
        log_new = 0.0
        for i in range(new - filled):
            place = (rng, own, psi, state, most + i, True)
            log_new += call_own_parts(own.drawing, place) - log_empty
        taken = np.exp(min(log_new - log_old, 0.0))
        if exact:
            for i in range(filled - 1, most):
                probabilities[i] += shares[i]
        else:
            probabilities[new - 1] += taken / _PROPOSALS
            probabilities[n_components - 1] += (1.0 - taken) / _PROPOSALS
        if rng.random() < taken:
            for i in range(new - filled):
                _swap_own(own, state, filled + i, most + i)
            n_components, log_old = new, log_new
    return n_components


@jit()
def _log_mean_weight(rng, own, psi, state, k, times):  # type: ignore[no-untyped-def]
    """Log g as estimated by so many draws of own parts, of which place k gets the last."""
    logs = np.empty(times)
    peak = -np.inf
    for i in range(times):
        logs[i] = call_own_parts(own.drawing, (rng, own, psi, state, k, True))
        peak = max(peak, logs[i])
    total = 0.0
    for i in range(times):
        total += np.exp(logs[i] - peak)
    return peak + np.log(total / times)


@inlined
def _moved_alpha(rng, numbers, n_components, counts, filled, alpha):  # type: ignore[no-untyped-def]
    """The next alpha given K and the counts, by Metropolis steps of its logarithm."""
    t = np.log(alpha)
    here = -np.inf
    for i in range(_TRIES + 1):
        new = t if i == 0 else t + _WIDTH * rng.standard_normal()
        v = np.exp(new)
        a = _concentration(numbers, n_components, v)
        there = numbers[ALPHA_SHAPE] * new - numbers[ALPHA_RATE] * v
        there += _log_allocation(a, n_components, counts, filled)
        if i == 0 or np.log(1.0 - rng.random()) < there - here:
            t, here = new, there
    return np.exp(t)


@inlined
def _draw_empty(rng, prior, psi, lkj, filled, n_components, state, mixture):  # type: ignore[no-untyped-def]
    """Draw the components filled, ..., K - 1 from the prior, given what all components share."""
    empty = MixtureArrays(
        mixture.weights[filled:n_components],
        mixture.means[filled:n_components],
        mixture.covariances[filled:n_components],
    )
    number, rows, d = empty.covariances.shape
    nothing = StatisticsArrays(np.zeros(number), np.zeros((number, d)), np.zeros((number, rows, d)))
    if prior.kinds[BY_AXES] > 0:
        for k in range(filled, n_components):
            compose_covariance(state, k, mixture.covariances[k])
    elif prior.kinds[COMMON] > 0:
        for k in range(number):
            empty.covariances[k] = mixture.covariances[0]
    elif prior.kinds[OF_LKJ] > 0:
        for k in range(number):
            draw_lkj_prior(rng, lkj, empty.covariances[k])
    else:
        kinds = prior.kinds.copy()
        kinds[CONJUGATE] = 0  # the covariances' own prior, whatever the means
        alone = GibbsPrior(kinds, prior.numbers, prior.b0, prior.spread, prior.rates)
        draw_covariances(rng, alone, psi, nothing, empty)
    draw_means(rng, prior, nothing, np.zeros(empty.covariances.shape), empty)


@inlined
def _draw_weights(rng, concentration, counts, n_components, weights):  # type: ignore[no-untyped-def]
    """Draw the proportions given the counts, by their logarithms."""
    peak = -np.inf
    for k in range(n_components):
        weights[k] = log_gamma_draw(rng, concentration + counts[k])
        peak = max(peak, weights[k])
    total = 0.0
    for k in range(n_components):
        weights[k] = np.exp(weights[k] - peak)
        total += weights[k]
    for k in range(n_components):
        weights[k] /= total
