"""Priors of K against SciPy's distributions; what they imply for K+ against other ways to it."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from bayesgmm import Gamma, PriorOnK


@pytest.mark.parametrize(
    ("prior", "scipy"),
    [
        (PriorOnK.geometric(0.3), stats.geom(0.3, loc=-1)),
        (PriorOnK.poisson(2.5), stats.poisson(2.5)),
        (PriorOnK.negative_binomial(2.5, 0.4), stats.nbinom(2.5, 0.4)),
        (PriorOnK.beta_negative_binomial(1, 4, 3), stats.betanbinom(1, 4, 3)),
        (PriorOnK.uniform(30), stats.randint(0, 30)),
        (PriorOnK.fixed(4), stats.randint(3, 4)),
    ],
)
def test_k_less_one_has_scipys_distribution(prior, scipy):
    k = np.arange(prior.max_components)
    expected = scipy.pmf(k)
    np.testing.assert_allclose(prior.probabilities, expected / expected.sum(), rtol=1e-10)
    assert expected.sum() == pytest.approx(1, abs=2e-5)  # what is cut off


def _by_compositions(n, k_total, a):
    """P(K+ = k): counts of all components by the Dirichlet-multinomial, summed."""
    p = np.zeros(k_total)

    def go(left, counts):
        if len(counts) == k_total - 1:
            counts = np.array([*counts, left])
            log = gammaln(n + 1) + gammaln(k_total * a) - gammaln(n + k_total * a)
            log += np.sum(gammaln(counts + a) - gammaln(a) - gammaln(counts + 1))
            p[np.sum(counts > 0) - 1] += np.exp(log)
            return
        for m in range(left + 1):
            go(left - m, [*counts, m])

    go(n, [])
    return p


@pytest.mark.parametrize("a", [0.05, 1.0, 3.0])
def test_filled_components_by_all_compositions(a):
    np.testing.assert_allclose(
        PriorOnK.fixed(4).filled(7, a), _by_compositions(7, 4, a), rtol=1e-12
    )
    mixed = 0.25 * _by_compositions(7, 4, a / 4)
    mixed[:2] += 0.75 * _by_compositions(7, 2, a / 2)
    np.testing.assert_allclose(PriorOnK([0, 3, 0, 1]).filled(7, a, dynamic=True), mixed, rtol=1e-12)


def test_filled_components_of_uniform_proportions():
    """Concentration 1: C(K, k) C(n - 1, k - 1) / C(n + K - 1, n)."""
    expected = [comb(30, k) * comb(81, k - 1) / comb(111, 82) for k in range(1, 31)]
    np.testing.assert_allclose(PriorOnK.fixed(30).filled(82), expected, rtol=1e-10)


def test_a_random_concentration_is_integrated():
    """Against an average over many draws of it."""
    a = Gamma(1.0, 2.0)
    prior = PriorOnK.poisson(1.0, max_components=6)
    draws = stats.gamma(1.0, scale=0.5).ppf((np.arange(4000) + 0.5) / 4000)
    expected = np.mean([prior.filled(20, v, dynamic=True) for v in draws], axis=0)
    np.testing.assert_allclose(prior.filled(20, a, dynamic=True), expected, atol=2e-4)
    assert prior.filled(20, a).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "wrong", [[-0.1, 1.1], [0.0, 0.0], np.ones((2, 2)), np.ones(1001), [], [np.nan]]
)
def test_what_it_refuses(wrong):
    with pytest.raises(ValueError, match="probabilities of K"):
        PriorOnK(wrong)
    with pytest.raises(ValueError, match="rate"):
        PriorOnK.poisson(-1)
