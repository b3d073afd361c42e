"""The share of a posterior with an empty component: quadrature, Gibbs sampling, alarms."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp
from scipy.stats import invgamma

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.families.log_constants import log_constant
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.compiled.empty_components import share_near_empty
from bayesgmm.sampling.compiled.gibbs import axes_state
from bayesgmm.sampling.compiled.own_parts import own_parts, own_prior
from bayesgmm.sampling.problem import PosteriorProblem
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.sampling.test_direct import refined


def triangle(seed, n, side):
    """Rows of three round components of equal weight, so many standard deviations apart."""
    rng = np.random.default_rng([seed, n, 2])
    corners = side * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    return corners[rng.integers(3, size=n)] + rng.standard_normal((n, 2))


def briefly(x, fit, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return refined(x, fit, **options)


def alarms(posterior):
    return [p for p in posterior.diagnostics.problems if "a component is empty" in p]


def expected(posterior):
    return float(posterior.tree["sample_stats"]["empty_expected"])


def log_probabilities_of_allocations(x, prior):
    """Log p(x, z), but for a constant, for all 2^n of z: two components, one variance, one column.

    By quadrature over the variance. Given that the means are normal, and the rows' sums and
    squares are all that matters.
    """
    n, a = len(x), prior.expected_concentration
    log_v = np.linspace(-7.0, 5.0, 400)
    v = np.exp(log_v)
    of_v = invgamma.logpdf(v, prior.dof / 2, scale=prior.expected_scale[0, 0] / 2) + log_v
    z = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    counts = np.stack([n - z.sum(axis=1), z.sum(axis=1)], axis=1)
    sums = np.stack([(1 - z) @ x, z @ x], axis=1)
    b0, spread = prior.mean[0], prior.mean_covariance[0, 0]
    total = of_v - 0.5 * n * np.log(v) - 0.5 * np.sum((x - b0) ** 2) / v
    precision = 1 / spread + counts[..., None] / v
    shift = (sums - counts * b0)[..., None] / v
    total = total + np.sum(0.5 * shift**2 / precision - 0.5 * np.log(spread * precision), axis=1)

    dirichlet = (
        np.sum(gammaln(a + counts) - gammaln(a), axis=1) + gammaln(2 * a) - gammaln(2 * a + n)
    )
    return logsumexp(total, axis=1) + np.log(log_v[1] - log_v[0]) + dirichlet, counts


@pytest.mark.parametrize("gap", [1.5, 3.0, 6.0])
def test_two_components_by_enumeration(gap):
    """Of ten rows in one column all allocations, summed; Laplace's evidences to a factor of 3."""
    x = np.concatenate([np.linspace(-1, 1, 5), gap + np.linspace(-1, 1, 5) ** 3])
    prior = Prior.univariate(mean=1, variance=9, shape=3, scale=1)
    logs, counts = log_probabilities_of_allocations(x, prior)
    empty = logsumexp(logs[counts.min(axis=1) == 0]) - logsumexp(logs)
    fit = bayesgmm.fit(x, 2, "E", prior=prior, start=np.repeat([0, 1], 5))
    found = expected(briefly(x[:, None], fit, prior=prior, sampler="laplace"))
    assert abs(np.log(found) - empty) < np.log(3)


@pytest.mark.parametrize(("seed", "n"), [(0, 300), (2, 300), (0, 1000), (1, 1000)])
def test_share_is_that_of_gibbs_sampling(seed, n):
    """Where 6 to 10 % are empty, to a factor of 3: Laplace's evidences of what overlaps."""
    x = triangle(seed, n, 1.8)
    fit = bayesgmm.fit(x, 3, "EII", random_seed=0)
    found = expected(briefly(x, fit, sampler="laplace"))
    gibbs = briefly(x, fit, sampler="gibbs", thin=50)
    assert expected(gibbs) == found
    share = np.mean(gibbs.occupied(n_draws=2000, random_seed=1) < 3)
    assert share / 3 < found < 3 * share


@pytest.mark.slow
@pytest.mark.parametrize("family", ["EVI", "EEV"])
def test_share_where_parts_are_shared(family):
    """4 and 0.4 % of Gibbs sampling's draws, by evidences of bridge sampling: no approximation.

    The mean of an empty component's integral is over draws of two components.
    """
    x = triangle(0, 1000, 1.8)
    prior, form = Prior.from_data(x), get_family(family, 2)
    log_share, rng = (
        gammaln(3) - gammaln(2) + gammaln(1002) - gammaln(1003),
        np.random.default_rng(0),
    )
    for k, sign in ((2, 1), (3, -1)):
        fit = bayesgmm.fit(x, k, family, prior=prior, random_seed=0)
        gibbs = briefly(x, fit, prior=prior, sampler="gibbs", thin=10 if k == 2 else 100)
        constant = log_constant(prior.inverse_wishart, form, k).value
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceAdvice)  # r-hat 1.06 of draws in order
            log_share += sign * (gibbs.log_evidence(random_seed=1).value - constant)
        if k == 2:
            psi = np.array(prior.scale)
            own, logs = own_prior(form, prior.dof, psi), []
            named = {name: gibbs.tree["posterior"][name] for name in ("volume", "shape")}
            if family == "EEV":
                named["orientation"] = gibbs.tree["posterior"]["orientation"]
            for at in rng.integers(1000, size=400):
                state = axes_state({n: v[0, at].to_numpy() for n, v in named.items()}, 2)
                logs += [own_parts(rng, own, psi, state, 0, True) for _ in range(4)]
            log_share += logsumexp(logs) - np.log(len(logs))
    drawn = gibbs.occupied(n_draws=4000, random_seed=1) < 3
    # 4 standard errors at a fifth of the draws effective, and of the evidences 0.1 each
    error = np.sqrt(drawn.mean() / 800)
    assert abs(3 * np.exp(log_share) - drawn.mean()) < 4 * error + 0.4 * drawn.mean()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("sampler", ["nutpie", "laplace"])
def test_what_no_other_check_sees(seed, sampler):
    """0.1 to 0.3 % empty, never drawn: the smallest mean's deviation is 0.14 for 0.35.

    No r-hat, effective size, divergence or Pareto k says so.
    """
    x = triangle(2, 1000, 1.8)
    fit = bayesgmm.fit(x, 3, "EII", random_seed=0)
    posterior = briefly(x, fit, random_seed=seed, sampler=sampler)
    smallest = posterior.tree["posterior"]["mu"].to_numpy()[..., 0].min(axis=-1)
    assert smallest.std() < 0.2
    [problem] = alarms(posterior)
    assert "0.0 % of the draws have one" in problem


def test_shown_is_what_draws_have():
    """Old Faithful in four: Laplace's share is 1, that of the evidences 0.26."""
    x = bayesgmm.datasets.load_faithful()
    posterior = briefly(x, bayesgmm.fit(x, 4, "VVV", random_seed=1), sampler="gibbs", draws=300)
    check = posterior.diagnostics.checks["empty_expected"]
    stats = posterior.tree["sample_stats"]
    assert float(stats["empty_expected"]) > 0.5  # far too large
    assert check.value == float(stats["empty_drawn"]) < 0.5 and not check.problem
    assert str(check).startswith("share of draws with a component as small as an empty component")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_default_goes_where_it_is_empty(seed):
    """Components 2 apart, 0.3 % of the posterior with an empty one, whose mean is 10 units away.

    NUTS has none of it, and a standard deviation of the smallest mean of 0.19; or a chain enters
    and diverges, by the processor's last bits (seeds 2 and 3 do on one machine and not on another).
    Gibbs sampling of 320 000 sweeps has 0.28 to 0.37. Forty thousand may have none either, and then
    go on.
    """
    rng = np.random.default_rng(1)
    corners = 2.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    x = corners[rng.integers(3, size=300)] + rng.standard_normal((300, 2))
    fit = bayesgmm.fit(x, 3, "EII", prior=Prior.from_data(x), random_seed=0)
    posterior = bayesgmm.refine(x, fit, random_seed=seed, progressbar=False)
    first = posterior.steps[0].missed
    assert "empty component" in first or "divergent transitions" in first
    assert posterior.sampler == "gibbs" and posterior.diagnostics.problems == []
    empty = np.mean(posterior.draws.weights.min(axis=1) < 0.0133)
    # 0.0035, of 4000 draws that are nearly independent: 4 standard errors are 0.0037
    assert 0.0 < empty < 0.0073


@pytest.mark.parametrize("family", ["EII", "VII", "EEI", "VVI", "EEE", "VVV", "EEV"])
@pytest.mark.parametrize("k", [2, 4])
def test_no_alarm_where_components_are_separated(family, k):
    """Clusters of 60 rows five standard deviations apart, three samples: less than 1e-6."""
    for seed in range(3):
        rng = np.random.default_rng([seed, k])
        centers = 5.0 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])[:k]
        x = centers[rng.integers(k, size=60 * k)] + rng.standard_normal((60 * k, 2))
        posterior = briefly(x, bayesgmm.fit(x, k, family, random_seed=0), draws=300)
        assert expected(posterior) < 1e-6
        assert not alarms(posterior)


def test_where_it_is_not_known():
    """One component, random concentrations: nothing is said."""
    x = triangle(0, 200, 4.0)
    random = Prior.from_data(x, concentration=bayesgmm.Gamma(2, 2))
    for fit, prior in ((bayesgmm.fit(x, 1), None), (bayesgmm.fit(x, 2, random_seed=0), random)):
        posterior = briefly(x, fit, prior=prior, sampler="laplace", draws=200)
        assert "empty_expected" not in posterior.tree["sample_stats"]
        assert not alarms(posterior) and "nearly empty" not in " ".join(
            posterior.diagnostics.problems
        )


def test_proportions_of_empty_components(rng):
    """What is counted as near empty are nearly all draws of Beta(a, n + (K - 1) a)."""
    x = triangle(0, 200, 4.0)
    for a in (0.2, 1.0, 3.0):
        prior = replace(Prior.from_data(x), concentration=a)
        problem = PosteriorProblem.of(x, bayesgmm.fit(x, 3, random_seed=0), prior)
        small = rng.beta(a, 200 + 2 * a, size=5000)
        weights = np.stack([small, 0.5 - small / 2, 0.5 - small / 2], axis=-1)
        assert share_near_empty(problem, weights) > 0.9
        assert share_near_empty(problem, np.full((10, 3), 1 / 3)) == 0.0
