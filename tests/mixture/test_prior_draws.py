"""The prior's own draws, PyMC's forward draws and NUTS without the likelihood: one distribution."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from arviz_stats.base import array_stats
from scipy import stats

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.draws import Draws
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.pymc.likelihood.means import BartlettNormalRV
from bayesgmm.sampling.pymc.model import build_model, initial_point
from bayesgmm.sampling.pymc.sample import add_covariances, sample
from tests.synthetic import known_fit

K = 2
CASES = [("E", 1), ("V", 1), *((name, 2) for name in ("EII", "VII", "EEI", "VVI", "EEE", "VVV"))]
#: Kinds of prior; many degrees of freedom, so that fourth moments of Sigma exist.
KINDS = ("plain", "random scale", "random concentration", "conjugate")
FAST = {("V", 1, "plain"), ("VVV", 2, "plain"), ("VVV", 2, "random scale"), ("VVV", 2, "conjugate")}
ALL = [
    pytest.param(*case, kind, marks=[] if (*case, kind) in FAST else pytest.mark.slow)
    for case in CASES
    for kind in KINDS
]


def prior_of(kind, d):
    rng = np.random.default_rng(d)
    spread, psi = (root @ root.T for root in rng.standard_normal((2, d, d + 2)))
    hyper = {"mean_covariance": spread, "scale": psi, "concentration": 1.5}
    if kind == "conjugate":
        hyper |= {"mean_covariance": None, "mean_strength": 0.3}
    if kind == "random scale":
        hyper["scale"] = Gamma(6.0, [1.5, 0.02][:d])
    if kind == "random concentration":
        hyper["concentration"] = Gamma(8.0, 4.0)
    return Prior(mean=rng.standard_normal(d), dof=d + 11, **hyper)


def model_of(prior, family, **arguments):
    """The model of a few rows, and its starting point."""
    d, weights = prior.d, np.array([0.4, 0.6])
    sigma = np.broadcast_to(np.diag(np.diagonal(prior.expected_scale)) / 10, (K, d, d))
    mixture = bayesgmm.Mixture(weights, prior.mean + np.arange(K)[:, None], sigma)
    x = mixture.sample(7, 1)[0]
    fit = known_fit(x, mixture, family, prior)
    model = build_model(x, fit, **arguments)
    return model, initial_point(model, fit)


def quantities(draws):
    """Every number of (pi, mu, Sigma) that varies, (numbers, draws)."""
    sigma = draws.covariances
    if sigma.ndim == 4:
        i, j = np.tril_indices(sigma.shape[-1])
        sigma = sigma[..., i, j]
    parts = [draws.weights[:, :-1], *(v.reshape(len(v), -1) for v in (draws.means, sigma))]
    columns = np.concatenate(parts, axis=1).T
    return columns[np.ptp(columns, axis=1) > 0]


def assert_same_distribution(draws, shape, exact):
    """Means, variances and quantiles agree within 5 Monte Carlo errors of both."""
    for x, y in zip(quantities(draws), quantities(exact), strict=True):
        mean = y.mean()
        levels = np.quantile(y, [0.05, 0.25, 0.5, 0.75, 0.95])
        for of in (
            lambda v: v,
            lambda v: (v - mean) ** 2,  # noqa: B023 - called at once
            *(lambda v, level=level: (v <= level).astype(float) for level in levels),
        ):
            a, b = of(x.reshape(shape)), of(y)
            ess = array_stats.ess(a, method="mean")
            error = np.hypot(a.std() / np.sqrt(ess), b.std() / np.sqrt(b.size))
            assert abs(a.mean() - b.mean()) < 5 * error


def as_draws(group, family, prior):
    """The draws of a group of PyMC's, with their shape."""
    tree = xr.DataTree.from_dict({"posterior": group.to_dataset()})
    posterior = add_covariances(tree, family, prior)["posterior"].to_dataset()
    shape = posterior.sizes["chain"], posterior.sizes["draw"]
    return Draws.from_dataset(posterior, family), shape


@pytest.mark.parametrize(("name", "d", "kind"), ALL)
def test_nuts_without_the_likelihood_returns_the_prior(name, d, kind):
    """Four chains of NUTS on `build_model(..., likelihood=False)` against NumPy's draws."""
    prior, family = prior_of(kind, d), get_family(name, d)
    model, start = model_of(prior, family, likelihood=False)
    assert not model.observed_RVs
    tree = sample(model, start, draws=2000, tune=1000, random_seed=3, progressbar=False)
    draws, shape = as_draws(tree["posterior"], family, prior)
    assert_same_distribution(draws, shape, prior.sample(K, family, 20_000, random_seed=4))


@pytest.mark.filterwarnings("ignore:np.dot.. is faster on contiguous")  # PyMC's own MvNormal
@pytest.mark.parametrize(("name", "d", "kind"), ALL)
def test_pymc_s_forward_draws_are_the_prior_s(name, d, kind):
    """Parameters, and rows given them: `pm.sample_prior_predictive` against NumPy's."""
    prior, family = prior_of(kind, d), get_family(name, d)
    tree = pm.sample_prior_predictive(3000, model=model_of(prior, family)[0], random_seed=5)
    draws, shape = as_draws(tree["prior"], family, prior)
    assert_same_distribution(draws, shape, prior.sample(K, family, 20_000, random_seed=6))
    theirs = tree["prior_predictive"]["y"].to_numpy()[0, :, 0]
    ours = prior.predictive(1, K, family, draws=6000, random_seed=7)[:, 0]
    for column in range(d):
        assert stats.ks_2samp(theirs[:, column], ours[:, column]).pvalue > 1e-4


@pytest.mark.parametrize("d", [1, 3])
def test_draws_are_scipy_s(rng, d):
    """Sigma of VVV by Bartlett's variables against `scipy.stats.invwishart`, mu and pi too."""
    prior = prior_of("plain", d)
    draws = prior.sample(K, "VVV", 4000, rng)
    wishart = stats.invwishart(prior.dof, prior.scale).rvs(4000, random_state=rng)
    matrices = draws.covariances[:, 1], wishart.reshape(-1, d, d)
    directions = rng.standard_normal((3, d))
    for v in directions:
        ours, theirs = (np.einsum("i,sij,j->s", v, sigma, v) for sigma in matrices)
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-4
        marginal = stats.norm(v @ prior.mean, np.sqrt(v @ prior.mean_covariance @ v))
        assert stats.kstest(draws.means[:, 0] @ v, marginal.cdf).pvalue > 1e-4
    assert stats.kstest(draws.weights[:, 0], stats.beta(1.5, 1.5).cdf).pvalue > 1e-4


def test_random_hyperparameters_are_integrated_out(rng):
    """sigma^2 = beta / g with g ~ Gamma(alpha, 1); pi_1 a beta mixed over its concentration."""
    prior = Prior.univariate(0, 1, shape=3, scale=Gamma(2, 5), concentration=Gamma(2, 1))
    draws = prior.sample(K, "E", 5000, rng)
    ratio = stats.betaprime(2, 3, scale=1 / 5)  # of Gamma(2, 5) over Gamma(3, 1)
    assert stats.kstest(draws.covariances[:, 0, 0, 0], ratio.cdf).pvalue > 1e-4
    a = rng.gamma(2, 1, 20_000)
    assert stats.ks_2samp(draws.weights[:, 0], rng.beta(a, a)).pvalue > 1e-4
    np.testing.assert_array_equal(draws.covariances[:, 0], draws.covariances[:, 1])


def test_a_seed_gives_the_same_draws():
    """And a generator goes on from where it is."""
    prior = prior_of("random scale", 2)
    first, again = (prior.sample(3, "VVI", 5, random_seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.covariances, again.covariances)
    assert first.covariances.shape == (5, 3, 2)
    generator = np.random.default_rng(1)
    a, b = (prior.predictive(4, 3, draws=5, random_seed=generator) for _ in range(2))
    assert a.shape == (5, 4, 2) and not np.any(a == b)


def test_sparse_proportions_are_drawn():
    """A concentration near 0 leaves one component, and no NaN."""
    prior = Prior.univariate(0, 1, 3, 1, concentration=1e-3)
    weights = prior.sample(5, "V", 200, random_seed=0).weights
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert np.mean(weights.max(axis=1) > 0.999) > 0.9


@pytest.mark.parametrize("number", ["n_rows", "n_components", "draws"])
def test_nothing_cannot_be_drawn(number):
    """Each number is named with its value."""
    numbers = {"n_rows": 3, "n_components": 2, "draws": 2} | {number: 0}
    with pytest.raises(ValueError, match=f"{number} is 0: pass a whole number of at least 1"):
        prior_of("plain", 2).predictive(**numbers)


def test_means_given_bartlett_s_variables(rng):
    """In NumPy, with a precision each and with one for all: whitened by it, standard normals."""
    d, k, n = 3, 2, 3000
    root = np.triu(rng.uniform(0.5, 2, (d, d)))
    for size in ((k, d), (d,)):
        chi2, lower = rng.chisquare(9, size), rng.standard_normal(size)
        rows = BartlettNormalRV.rng_fn(rng, np.arange(d), chi2, lower, root, (n, k))
        triangle = np.zeros((*chi2.shape, d))
        triangle[..., np.arange(d), np.arange(d)] = np.sqrt(chi2)
        triangle[..., *np.tril_indices(d, -1)] = lower
        z = (rows - np.arange(d))[..., None, :] @ (root @ triangle)
        for column in z.reshape(n, -1).T:
            assert stats.kstest(column, "norm").pvalue > 1e-5
