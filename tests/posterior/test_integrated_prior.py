"""Hyperparameters integrated out: quadrature by SciPy, means over draws, closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad, simpson
from scipy.special import gammaln, logsumexp

from bayesgmm.families import get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.draws import Draws
from bayesgmm.mixture.prior import Prior
from bayesgmm.posterior.evidence.marginal_prior import log_correction

FAMILIES = ["EII", "VII", "EEI", "VVI", "EEE", "VVV"]
# Columns in units of their own, and rates far apart: gammas whose sum is no gamma.
FIXED = Prior([4, 76], [12, 2800], 6, [0.7, 170])
RATES = [2.0, 0.01]
N_HYPER = 2000


def log_density_of(prior, family, draws):
    return np.array([
        prior.log_density(p, family, np.zeros(prior.d)) for p in draws.parameters(np.zeros(prior.d))
    ])  # fmt: skip


def integrated(prior, family, draws):
    return log_density_of(prior, family, draws) + log_correction(prior, family, draws)


@pytest.mark.parametrize("family", ["E", "V", *FAMILIES])
def test_nothing_random_changes_nothing(family):
    """Zeros, exactly."""
    d = len(family) // 3 + 1
    prior = FIXED if d == 2 else Prior.univariate(20, 100, 3, 20)
    draws = prior.sample(3, family, 5, random_seed=1)
    assert not log_correction(prior, get_family(family, d), draws).any()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("k", [1, 3])
def test_random_scale_is_the_mean_over_its_draws(family, k):
    """Within 4 Monte Carlo errors of the mean density under scales drawn from their gammas."""
    prior = replace(FIXED, scale=Gamma(4.0, RATES))
    draws = prior.sample(k, family, 6, random_seed=2)
    psi = prior.scale.draw(np.random.default_rng(3), N_HYPER)
    family = get_family(family, 2)
    logs = np.array([log_density_of(replace(prior, scale=row), family, draws) for row in psi])
    peak = logs.max(axis=0)
    terms = np.exp(logs - peak)
    error = terms.std(axis=0) / terms.mean(axis=0) / np.sqrt(N_HYPER)
    expected = peak + np.log(terms.mean(axis=0))
    found = integrated(prior, family, draws)
    assert np.all(np.abs(found - expected) < 4 * error)
    assert error.max() < 0.2


def sum_of_two(power, rate, shape, rates):
    """Log E[(x + y)^power exp(-rate (x + y))] by Simpson's rule over the log odds of x's share.

    The share has a beta density; over the sum it is a gamma integral.
    """
    odds = np.linspace(-60 / shape - 40, 60 / shape + 40, 100_001)
    log_share, log_rest = -np.logaddexp(0, -odds), -np.logaddexp(0, odds)
    pull = np.exp(log_share) * rates[0] + np.exp(log_rest) * rates[1] + rate
    logs = (
        shape * (log_share + log_rest) - 2 * gammaln(shape)
        + gammaln(2 * shape + power) - (2 * shape + power) * np.log(pull)
        + shape * np.log(rates).sum()
    )  # fmt: skip
    return logs.max() + np.log(simpson(np.exp(logs - logs.max()), x=odds))


@pytest.mark.parametrize("shape", [0.3, 1.0, 7.5])
@pytest.mark.parametrize("rates", [(1.0, 1.0), (2.0, 0.01), (50.0, 1e-3)])
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("dof", [2.5, 6.0])
def test_spherical_covariances_by_quadrature(shape, rates, k, dof):
    """A sum of gammas of other rates: another integral, by another rule."""
    prior = Prior([0, 0], [1, 1], dof, Gamma(shape, rates))
    family = get_family("VII", 2)
    draws = prior.sample(k, "VII", 4, random_seed=5)
    power = k * prior.inverse_wishart.inverse_gamma(family)[0]
    rate = 0.5 * np.sum(1 / draws.covariances[:, :, 0], axis=1)
    mean = prior.scale.mean.sum()
    expected = [
        sum_of_two(power, r, shape, np.array(rates)) - power * np.log(mean) + r * mean for r in rate
    ]
    np.testing.assert_allclose(
        log_correction(prior, family, draws), expected, rtol=1e-11, atol=1e-8
    )


@pytest.mark.parametrize("d", [2, 3, 6])
def test_equal_rates_have_a_closed_form(d):
    """The sum of d gammas of one rate is a gamma."""
    shape, rate0 = 0.4, 0.3
    prior = Prior(np.zeros(d), np.ones(d), d + 2.5, Gamma(shape, rate0))
    family = get_family("EII", d)
    draws = prior.sample(2, "EII", 50, random_seed=7)
    power = prior.inverse_wishart.inverse_gamma(family)[0]
    rate = 0.5 / draws.covariances[:, 0, 0]
    mean = d * shape / rate0
    expected = (
        gammaln(d * shape + power) - gammaln(d * shape) + d * shape * np.log(rate0)
        - (d * shape + power) * np.log(rate0 + rate) - power * np.log(mean) + rate * mean
    )  # fmt: skip
    np.testing.assert_allclose(
        log_correction(prior, family, draws), expected, rtol=1e-11, atol=1e-9
    )


@pytest.mark.parametrize("family", ["E", "V"])
def test_one_column_by_quadrature(family):
    """Richardson & Green's prior of variances, integrated over beta."""
    beta = Gamma(0.2, 0.016)
    prior = Prior.univariate(20, 625, 2, beta)
    draws = prior.sample(3, family, 20, random_seed=4)
    variances = draws.covariances[:, :, 0, 0]
    if family == "E":
        variances = variances[:, :1]
    expected = []
    for row in variances:

        def joint(log_b, row=row):
            b = np.exp(log_b)
            return b * stats.gamma.pdf(b, 0.2, scale=1 / 0.016) * np.prod(
                stats.invgamma.pdf(row, 2, scale=b)
            )  # fmt: skip

        middle = np.log((0.2 + 2 * len(row)) / (0.016 + np.sum(1 / row)))
        total = sum(
            quad(joint, *ends, epsabs=0, epsrel=1e-11, limit=200)[0]
            for ends in ((middle - 60, middle), (middle, middle + 10))
        )
        expected.append(np.log(total))
    rest = replace(prior, scale=[2.0])
    given = np.sum(np.log(stats.invgamma.pdf(variances, 2, scale=1.0)), axis=1)
    univariate = get_family(family, 1)
    other = log_density_of(rest, univariate, draws) - given  # what pi and mu have
    np.testing.assert_allclose(integrated(prior, univariate, draws), expected + other, rtol=1e-9)


@pytest.mark.parametrize("hyper", [Gamma(1, 20), Gamma(10, 40), Gamma(0.5, 1e-3), Gamma(400, 2)])
@pytest.mark.parametrize("k", [2, 5])
def test_random_concentration_by_quadrature(hyper, k):
    """SciPy's Dirichlet over the gamma; sparse, even and absurd proportions."""
    prior = replace(FIXED, concentration=hyper)
    draws = prior.sample(k, "EII", 10, random_seed=6)
    weights = np.maximum(draws.weights, 1e-300)
    weights[0] = 1 / k
    weights[1] = [1 - (k - 1) * 1e-9, *[1e-9] * (k - 1)]
    draws = replace(draws, weights=weights)
    expected = [reference_proportions(row, hyper) for row in weights]
    mean = hyper.mean
    given_pi = gammaln(k * mean) - k * gammaln(mean) + (mean - 1) * np.log(weights).sum(axis=1)
    np.testing.assert_allclose(
        log_correction(prior, get_family("EII", 2), draws),
        expected - given_pi,
        rtol=1e-9,
        atol=1e-8,
    )


def reference_proportions(weights, hyper):
    """Log of the mean Dirichlet density by Simpson's rule on a very wide and fine grid."""
    k = len(weights)
    log_a = np.linspace(-60, 15, 150_001)
    a = np.exp(log_a)
    logs = (
        gammaln(k * a) - k * gammaln(a) + (a - 1) * np.log(weights).sum()
        + stats.gamma.logpdf(a, hyper.shape, scale=1 / hyper.rate) + log_a
    )  # fmt: skip
    return logs.max() + np.log(simpson(np.exp(logs - logs.max()), x=log_a))


def test_concentration_of_one_component_is_of_no_matter():
    """The proportion is 1 whatever the concentration."""
    prior = replace(FIXED, concentration=Gamma(0.01, 1))
    draws = prior.sample(1, "VVV", 5, random_seed=1)
    assert not log_correction(prior, get_family("VVV", 2), draws).any()


def test_integrated_density_is_one():
    """One column, one component: it integrates to 1 over its mean and variance."""
    prior = Prior.univariate(0, 1, 2, Gamma(0.6, 0.5))
    log_v = np.linspace(-30, 40, 4001)
    size = len(log_v)
    draws = Draws(np.ones((size, 1)), np.zeros((size, 1, 1)), np.exp(log_v)[:, None, None, None])
    logs = integrated(prior, get_family("V", 1), draws) + log_v + 0.5 * np.log(2 * np.pi)
    assert logsumexp(logs) + np.log(log_v[1] - log_v[0]) == pytest.approx(0, abs=1e-6)
