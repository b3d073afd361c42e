"""Distribution functions, quantiles and regions of highest density, by SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

import bayesgmm
from bayesgmm import Mixture


def on_a_line(seed, k):
    """A mixture of one column, with wide and narrow components."""
    rng = np.random.default_rng(seed)
    sd = np.exp(rng.normal(0, 1, k))
    return Mixture(rng.dirichlet(np.full(k, 3.0)), rng.normal(0, 4, (k, 1)), (sd**2)[:, None, None])


@pytest.mark.parametrize(("seed", "k"), [(0, 1), (1, 2), (2, 3), (3, 6)])
def test_cdf_and_quantile_are_scipy_s(seed, k):
    """Sums of normal distribution functions, and their inverse far into both tails."""
    m = on_a_line(seed, k)
    parts = stats.norm(m.means[:, 0], np.sqrt(m.covariances[:, 0, 0]))
    x = np.linspace(-20, 20, 41)
    np.testing.assert_allclose(m.cdf(x), parts.cdf(x[:, None]) @ m.weights, rtol=1e-13)
    p = np.array([1e-12, 1e-3, 0.2, 0.5, 0.9, 1 - 1e-10])
    np.testing.assert_allclose(m.cdf(m.quantile(p)), p, rtol=1e-10)
    assert m.quantile([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    if k == 1:
        np.testing.assert_allclose(m.quantile(p), parts.ppf(p), rtol=1e-10)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("prob", [0.05, 0.5, 0.95])
def test_region_has_its_probability_and_one_density_at_its_ends(seed, prob):
    """And no other set of intervals with that probability is shorter: the density says so."""
    m = on_a_line(seed, 4)
    region = m.highest_density_region(prob)
    level = m.density_level(prob)
    np.testing.assert_allclose(np.exp(m.log_density(region.reshape(-1, 1))), level, rtol=1e-6)

    def density(v):
        return float(np.exp(m.log_density([[v]]))[0])

    mass = sum(integrate.quad(density, low, high, limit=200)[0] for low, high in region)
    assert mass == pytest.approx(prob, abs=1e-7)
    x = np.linspace(-15, 15, 4001)
    inside = np.any((region[:, :1] <= x) & (x <= region[:, 1:]), axis=0)
    dense = np.exp(m.log_density(x[:, None]))
    assert dense[inside].min() >= level * (1 - 1e-6) and dense[~inside].max() <= level * (1 + 1e-6)


def test_region_of_a_normal_distribution():
    """Symmetric about its mean."""
    m = Mixture([1.0], [[3.0]], [[[4.0]]])
    z = stats.norm.ppf(0.945)
    np.testing.assert_allclose(m.highest_density_region(0.89), [[3 - 2 * z, 3 + 2 * z]], rtol=1e-9)


def test_level_in_several_columns():
    """Of one normal component it is a chi-squared quantile's; within four Monte Carlo errors."""
    m = Mixture([1.0], [[0.0, 0.0, 0.0]], [np.diag([1.0, 4.0, 9.0])])
    exact = stats.multivariate_normal(np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    level = m.density_level(0.8, n_draws=40_000, random_seed=3)
    share = stats.chi2(3).cdf(2 * (exact.logpdf(np.zeros(3)) - np.log(level)))
    assert share == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / 40_000))


def test_columns_of_a_fit():
    """A fit answers for one column, the others integrated out; it asks which."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=1)
    alone = fit.marginal("waiting")
    assert fit.cdf(70.0, "waiting") == alone.cdf(70.0)
    assert fit.quantile(0.3, "waiting") == alone.quantile(0.3)
    np.testing.assert_array_equal(
        fit.highest_density_region(0.5, 1), alone.highest_density_region(0.5)
    )
    for wrong in (fit.cdf, fit.quantile):
        with pytest.raises(ValueError, match="name one of eruptions, waiting"):
            wrong(0.5)
    with pytest.raises(ValueError, match="probabilities from 0 to 1"):
        alone.quantile(1.2)
    with pytest.raises(ValueError, match="prob"):
        alone.highest_density_region(1.5)
