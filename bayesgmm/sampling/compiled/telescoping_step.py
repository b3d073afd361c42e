"""The number of components given the rows' allocation, compiled: the telescoping sampler's step.

Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Anal. 16, 1279-1307, algorithm 1: K
given how many components hold rows and how many rows each, then the concentration, empty components
from the prior, and the proportions. Their parameters summed out, empty components cost nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np

from ...kernels.cholesky import call_inverse_factors, precisions
from ...kernels.compilation import F1, I1, INT, inlined, jit, part, typed
from ...kernels.e_step.arrays import MIXTURE, MixtureArrays, StatisticsArrays
from ...utils.types import FloatArray
from .gibbs_sweeps import (
    COMMON,
    CONJUGATE,
    HYPER,
    PRIOR,
    RANDOM_SCALE,
    GibbsPrior,
    draw_covariances,
    draw_means,
    draw_scale,
    log_gamma_draw,
)

# Places in `numbers`: whether the Dirichlet's concentration is alpha / K, and the shape and rate of
# alpha's gamma prior (0 where alpha is known).
DYNAMIC, ALPHA_SHAPE, ALPHA_RATE = range(3)
# Places in `sizes`: the number of components, and of those that hold rows, which come first.
COMPONENTS, FILLED = range(2)
# Metropolis steps of log alpha to a sweep, and their standard deviation.
_TRIES, _WIDTH = 3, 1.0


class PriorOfComponents(NamedTuple):
    """log p(K) (M,) of K = 1, ..., M, and `numbers` as above."""

    log_prior: FloatArray
    numbers: FloatArray


_OF_K = typed(PriorOfComponents, F1, F1)
_STEP = nb.void(nb.types.npy_rng, INT, PRIOR, _OF_K, F1, I1, F1, HYPER, MIXTURE, F1)


@part(_STEP, from_python=True)
def telescoping_step(  # type: ignore[no-untyped-def]
    rng, factoring, prior, of_k, counts, sizes, alpha, hyper, mixture, probabilities
):
    """Draw K, alpha, the empty components and the proportions given the filled components.

    counts (M,) and mixture have room for M components, of which those before sizes[COMPONENTS] are
    there; they are reordered so that filled ones come first. p(K | allocation) is added to
    probabilities (M,).
    """
    filled = _bring_forward(counts, sizes[COMPONENTS], mixture)
    n_components = _draw_number(rng, of_k, counts, filled, alpha[0], probabilities)
    if of_k.numbers[ALPHA_SHAPE] > 0.0:
        alpha[0] = _moved_alpha(rng, of_k.numbers, n_components, counts, filled, alpha[0])
    sizes[COMPONENTS], sizes[FILLED] = n_components, filled
    hyper.concentration[0] = _concentration(of_k.numbers, n_components, alpha[0])
    if prior.kinds[RANDOM_SCALE] > 0:
        held = mixture.covariances[:filled]
        precision = np.empty(held.shape)
        factors = np.empty(held.shape)
        call_inverse_factors(factoring, (held, 0.0, factors, np.empty(filled)))
        if held.shape[1] < held.shape[2]:
            precision[:] = factors * factors
        else:
            precisions(factors, precision)
        draw_scale(rng, prior, precision, hyper.psi)
    for k in range(filled, n_components):
        counts[k] = 0.0
    if n_components > filled:
        _draw_empty(rng, prior, hyper.psi, filled, n_components, mixture)
    _draw_weights(rng, hyper.concentration[0], counts, n_components, mixture.weights)


@inlined
def _bring_forward(counts, n_components, mixture):  # type: ignore[no-untyped-def]
    """Move components that hold rows before those that do not; return how many do."""
    filled = 0
    for k in range(n_components):
        if counts[k] > 0.0:
            counts[filled] = counts[k]
            mixture.means[filled] = mixture.means[k]
            mixture.covariances[filled] = mixture.covariances[k]
            filled += 1
    return filled


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
def _draw_number(rng, of_k, counts, filled, alpha, probabilities):  # type: ignore[no-untyped-def]
    """Draw K given the counts, which K! / (K - filled)! allocations to components share."""
    most = len(of_k.log_prior)
    shares = np.zeros(most)
    peak = -np.inf
    for i in range(filled - 1, most):
        shares[i] = of_k.log_prior[i]
        if shares[i] > -np.inf:
            a = _concentration(of_k.numbers, i + 1, alpha)
            shares[i] += _log_allocation(a, i + 1, counts, filled)
            shares[i] += math.lgamma(i + 2.0) - math.lgamma(i + 2.0 - filled)
        peak = max(peak, shares[i])
    total = 0.0
    for i in range(filled - 1, most):
        shares[i] = np.exp(shares[i] - peak)
        total += shares[i]
    for i in range(filled - 1, most):
        probabilities[i] += shares[i] / total
    left = rng.random() * total
    last = filled
    for i in range(filled - 1, most):
        if shares[i] > 0.0:
            last = i + 1
            left -= shares[i]
            if left < 0.0:
                break
    return last


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
def _draw_empty(rng, prior, psi, filled, n_components, mixture):  # type: ignore[no-untyped-def]
    """Draw the components filled, ..., K - 1 from the prior, given what all components share."""
    empty = MixtureArrays(
        mixture.weights[filled:n_components],
        mixture.means[filled:n_components],
        mixture.covariances[filled:n_components],
    )
    number, rows, d = empty.covariances.shape
    nothing = StatisticsArrays(np.zeros(number), np.zeros((number, d)), np.zeros((number, rows, d)))
    if prior.kinds[COMMON] > 0:
        for k in range(number):
            empty.covariances[k] = mixture.covariances[0]
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
