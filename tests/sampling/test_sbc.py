"""Simulation-based calibration: parameters from the prior are like draws of their posterior.

Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv 1804.06788: the rank of the true value
among draws of the posterior of data simulated from it is uniform. What no labels change is ranked.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chisquare, kstest

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.density.mode import mode_near
from bayesgmm.families import FAMILIES as ALL_FAMILIES
from bayesgmm.families import get_family
from bayesgmm.mixture.noise import Noise
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.compiled.gibbs import gibbs
from bayesgmm.sampling.compiled.nuts import nuts
from bayesgmm.sampling.problem import PosteriorProblem
from bayesgmm.sampling.run.settings import Settings
from tests.synthetic import known_fit

D, K, N = 2, 2, 60
REPLICATES, DRAWS = 200, 99
#: Groups mostly apart, both with rows: a posterior of one mode, but for the labels.
PRIOR = Prior([0.0, 1.0], [[40.0, 10.0], [10.0, 60.0]], 10, [[7.0, 3.0], [3.0, 12.0]], 4.0)
#: The side of the square in which noise lies: outside it there is next to nothing of the prior.
SIDE = 80.0
FAMILIES = list(ALL_FAMILIES)
QUANTITIES = 7
#: How DRAWS nearly independent draws are made: the engine, draws for each that is kept, sweeps for
#: each draw, and draws before the first.
SAMPLERS = {"gibbs": (gibbs, 1, 20, 20), "nutpie": (nuts, 8, 1, 300)}
#: All tests together fail by chance in one run of 1000.
LEVEL = 1e-3 / (2 * QUANTITIES * (len(FAMILIES) + 2) * len(SAMPLERS))


def from_prior(name, seed):
    """Independent draws of the prior: weights, means, covariances, REPLICATES of each."""
    family = get_family(name, D)
    draws = PRIOR.sample(K, family, REPLICATES, seed)
    sigma = draws.covariances
    if family.diagonal:
        sigma = sigma[..., None] * np.eye(D)
    return draws.weights, draws.means, sigma


def log_densities(x, weights, means, covariances):
    """Of what each row has under each draw, (draws, n)."""
    out, seen = np.zeros((len(weights), len(x))), ~np.isnan(x)
    for pattern in np.unique(seen, axis=0):
        rows, [o] = (seen == pattern).all(axis=1), np.nonzero(pattern)
        sigma = covariances[..., o, :][..., o]
        delta = x[rows][None, None][..., o] - means[:, :, None, o]
        lengths = np.einsum("skni,sknj,skij->skn", delta, delta, np.linalg.inv(sigma))
        logs = np.linalg.slogdet(sigma)[1] + len(o) * np.log(2 * np.pi)
        terms = np.log(weights)[..., None] - 0.5 * (lengths + logs[..., None])
        out[:, rows] = logsumexp(terms, axis=1)
    return out


def quantities(x, weights, means, covariances):
    """What is ranked, (QUANTITIES, draws)."""
    logs = np.linalg.slogdet(covariances)[1]
    mean = np.einsum("sk,ski->si", weights, means)
    apart = means - mean[:, None]
    within = np.einsum("sk,skij->sij", weights, covariances)
    overall = within + np.einsum("sk,ski,skj->sij", weights, apart, apart)
    rows = np.concatenate([x, np.ones((1, D))])  # and a point that is always the same
    log_density = log_densities(rows, weights, means, covariances)
    return np.array([
        log_density[:, :-1].sum(axis=1),
        log_density[:, -1],
        np.linalg.slogdet(overall)[1],
        -np.sum(weights * np.log(weights), axis=1),
        np.sum(weights * logs, axis=1),
        within[:, 0, 1] if np.any(within[:, 0, 1]) else within[:, 0, 0],
        mean[:, 0],
    ])  # fmt: skip


def rank(name, sampler, truth, seed, share=None, missing=0.0):
    """Ranks of the truth among draws of the posterior of rows made from it.

    With a share of noise, that of the share comes last.
    """
    rng = np.random.default_rng(seed)
    weights, means, covariances = truth
    x = bayesgmm.Mixture(weights, means, covariances).sample(N, rng)[0]
    noise = None
    if share is not None:
        strays = rng.random(N) < share
        x[strays] = rng.uniform(-SIDE / 2, SIDE / 2, (strays.sum(), D))
        noise = Noise(-D * np.log(SIDE), False, np.outer([-0.5, 0.5], np.full(D, SIDE)))
    if missing:
        x[rng.random(x.shape) < missing] = np.nan
    data = as_data(x, missing="marginalize")
    mixture = bayesgmm.Mixture(weights, means, covariances, data.names)
    known = PosteriorProblem.of(data, known_fit(data, mixture, get_family(name, D), PRIOR))
    problem = replace(known, noise=noise)
    form = problem.parametrisation
    density = LogPosterior(data, form, PRIOR, noise=problem.noise)
    start = density.space.free(problem.initial_values(problem.fitted, form))
    mode = mode_near(density, start)
    engine, every, thin, tune = SAMPLERS[sampler]
    seed = int(rng.integers(2**31))
    vectors, _ = engine(
        density, mode, Settings(DRAWS * every, tune, 1, seed, 0.8, 1, False, thin=thin)
    )
    values = density.space.values(vectors[0, ::every])
    sigma = form.covariances(values, PRIOR.inverse_wishart)
    drawn = quantities(x, values["pi"], values["mu"], sigma)
    true = quantities(x, *(v[None] for v in truth))
    if share is not None:
        drawn, true = np.vstack([drawn, values["noise_share"]]), np.vstack([true, [share]])
    return np.sum(drawn < true, axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", list(SAMPLERS))
@pytest.mark.parametrize("name", FAMILIES)
def test_ranks_are_uniform(name, sampler):
    """Ten bins of equal chance by chi-squared, and the distribution function by Kolmogorov's test.

    A prior of Psi half as large again, or of 3 degrees of freedom more, than what made the rows is
    found out.
    """
    ranks_are_uniform(name, sampler)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", list(SAMPLERS))
@pytest.mark.parametrize("name", ["VVV", "VVI"])
def test_ranks_are_uniform_with_missing_values(name, sampler):
    """The same of rows without 15 % of their values."""
    ranks_are_uniform(name, sampler, missing=0.15)


def ranks_are_uniform(name, sampler, missing=0.0):
    truths = zip(*from_prior(name, seed=1), strict=True)
    ranks = np.array([
        rank(name, sampler, truth, [FAMILIES.index(name), i], missing=missing)
        for i, truth in enumerate(truths)
    ])  # fmt: skip
    assert ranks.shape == (REPLICATES, QUANTITIES)
    assert_uniform(ranks)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_ranks_are_uniform_with_noise(sampler):
    """Of the share of noise too, which is uniform a priori."""
    ranks_are_uniform_with_noise(sampler)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_ranks_are_uniform_with_noise_and_missing_values(sampler):
    """The same of rows without 15 % of their values."""
    ranks_are_uniform_with_noise(sampler, missing=0.15)


def ranks_are_uniform_with_noise(sampler, missing=0.0):
    truths = zip(*from_prior("VVV", seed=2), strict=True)
    shares = np.random.default_rng(3).random(REPLICATES)
    ranks = np.array([
        rank("VVV", sampler, truth, [50, i], share, missing)
        for i, (truth, share) in enumerate(zip(truths, shares, strict=True))
    ])  # fmt: skip
    assert ranks.shape == (REPLICATES, QUANTITIES + 1)
    assert_uniform(ranks)


def assert_uniform(ranks):
    """Each column of the ranks is, by two tests."""
    jitter = np.random.default_rng(0).random(ranks.shape)
    for of_one, u in zip(ranks.T, ((ranks + jitter) / (DRAWS + 1)).T, strict=True):
        counts = np.histogram(of_one, bins=10, range=(0, DRAWS + 1))[0]
        assert chisquare(counts).pvalue > LEVEL, counts
        assert kstest(u, "uniform").pvalue > LEVEL, counts
