"""The prior: SciPy's densities, EM's modes, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import bayesgmm
from bayesgmm import Prior
from bayesgmm.families import get_family
from bayesgmm.kernels import Parameters
from tests.conftest import families_for


def random_prior(rng, d):
    a, b = rng.standard_normal((2, d, d + 2))
    return Prior(rng.standard_normal(d), a @ a.T, d + 3.5, b @ b.T, concentration=2.5)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_full_density_is_scipy_s(rng, d):
    """VVV and EEE: inverse Wishart, once per distinct matrix, with everything normalised."""
    k = 3
    prior = random_prior(rng, d)
    roots = rng.standard_normal((k, d, d + 2))
    sigma = roots @ np.swapaxes(roots, 1, 2)
    weights, means, center = (
        rng.dirichlet(np.ones(k)),
        rng.standard_normal((k, d)),
        rng.standard_normal(d),
    )
    common = stats.dirichlet.logpdf(weights, np.full(k, 2.5)) + np.sum(
        stats.multivariate_normal(prior.mean, prior.mean_covariance).logpdf(means)
    )
    for name, matrices in (("VVV", sigma), ("EEE", np.repeat(sigma[:1], k, axis=0))):
        family = get_family(name, d)
        distinct = matrices[:1] if name == "EEE" else matrices
        expected = common + sum(
            stats.invwishart(prior.dof, prior.scale).logpdf(np.squeeze(s)) for s in distinct
        )
        parameters = Parameters(weights, means - center, matrices)
        assert prior.log_density(parameters, family, center) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["EII", "VII", "EEI", "VVI"])
def test_restricted_density_is_the_kernel_normalised(rng, name):
    """Diagonal and spherical: inverse gammas with the restricted kernel, for all scales."""
    d, k = 3, 2
    prior = random_prior(rng, d)
    family = get_family(name, d)
    shape, scale = prior.inverse_gamma(family)
    variances = rng.gamma(2, 1, (k, d))
    if family.spherical:
        variances = np.repeat(variances[:, :1], d, axis=1)
    if family.common:
        variances = np.repeat(variances[:1], k, axis=0)
    parameters = Parameters(np.full(k, 0.5), np.zeros((k, d)), variances)
    ours = prior.log_density(parameters, family, np.zeros(d))
    base = prior.log_density(
        Parameters(np.full(k, 0.5), np.zeros((k, d)), np.ones((k, d))), family, np.zeros(d)
    )
    distinct = variances[:1] if family.common else variances
    entries = distinct[:, :1] if family.spherical else distinct
    expected = np.sum(stats.invgamma(shape, scale=scale).logpdf(entries))
    at_one = np.sum(stats.invgamma(shape, scale=scale).logpdf(np.ones_like(entries)))
    assert ours - base == pytest.approx(expected - at_one, rel=1e-10)
    # the kernel |Sigma|^-(nu+d+1)/2 exp(-tr(Psi Sigma^-1)/2) itself
    kernel = sum(
        -0.5 * (prior.dof + d + 1) * np.sum(np.log(v)) - 0.5 * np.sum(np.diagonal(prior.scale) / v)
        for v in distinct
    )
    flat = len(distinct) * -0.5 * np.trace(prior.scale)
    assert ours - base == pytest.approx(kernel - flat, rel=1e-10)


def test_one_column_is_inverse_gamma():
    """Prior.univariate states mu ~ N(20, 100), sigma^2 ~ IG(3, 20), for E and for V."""
    prior = Prior.univariate(mean=20, variance=100, shape=3, scale=20)
    for name, k in (("E", 1), ("V", 2)):
        shape, scale = prior.inverse_gamma(get_family(name, 1))
        assert (shape, scale.tolist()) == (3, [20])
        sigma = np.linspace(2, 5, 2)[:, None, None] if name == "V" else np.full((2, 1, 1), 4.0)
        ours = prior.log_density(
            Parameters(np.full(2, 0.5), np.zeros((2, 1)), sigma), get_family(name, 1), np.zeros(1)
        )
        expected = 2 * stats.norm(20, 10).logpdf(0) + np.sum(
            stats.invgamma(3, scale=20).logpdf(sigma[:k])
        )
        assert ours == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("d", "name"), [(d, f) for d in (1, 2) for f in families_for(d)])
def test_map_is_a_stationary_point(rng, d, name):
    """At the MAP the penalised log-likelihood falls in every direction of the parameters."""
    x = np.vstack([rng.normal(0, 1, (60, d)), rng.normal(3, 0.7, (50, d))])
    prior = random_prior(rng, d)
    fit = bayesgmm.fit(x, 2, name, prior=prior, random_seed=0, tol=1e-13, max_iter=20_000, n_init=3)
    family = fit.family

    def objective(weights, means, covariances):
        covariances = np.diagonal(covariances, axis1=1, axis2=2) if family.diagonal else covariances
        mixture = bayesgmm.Mixture(weights, means, covariances)
        parameters = Parameters(weights, means, np.array(covariances))
        return mixture.log_density(x).sum() + prior.log_density(parameters, family, np.zeros(d))

    best = objective(fit.weights, fit.means, fit.covariances)
    assert best == pytest.approx(fit.objective, rel=1e-10)
    for _ in range(30):
        h = 1e-3
        step = h * rng.standard_normal(2)
        weights = fit.weights * np.exp(step) / np.sum(fit.weights * np.exp(step))
        means = fit.means + h * rng.standard_normal(fit.means.shape)
        factor = np.exp(h * rng.standard_normal(1 if family.volume == "E" else 2))
        covariances = fit.covariances * np.broadcast_to(factor, 2)[:, None, None]
        assert objective(weights, means, covariances) <= best + 1e-7


def test_default_prior_covers_the_data():
    """Midrange, squared range, and a covariance of 2 % of the squared range on average."""
    x = bayesgmm.datasets.load_faithful()
    prior = Prior.from_data(x)
    ranges = x.max() - x.min()
    np.testing.assert_allclose(prior.mean, (x.max() + x.min()) / 2)
    np.testing.assert_allclose(np.diagonal(prior.mean_covariance), ranges**2)
    np.testing.assert_allclose(np.diagonal(prior.scale) / (prior.dof - 3), 0.02 * ranges**2)


def test_words_and_numbers_of_a_prior():
    """It prints, and its dictionary makes it again."""
    prior = Prior.from_data(bayesgmm.datasets.load_faithful())
    assert "InverseWishart(6, diag(" in repr(prior)
    assert "Dirichlet(1" in repr(prior)
    again = Prior(**prior.to_dict())
    np.testing.assert_array_equal(again.scale, prior.scale)
    assert "InverseGamma(3, 20)" in repr(Prior.univariate(20, 100, 3, 20))
    assert "[" in repr(Prior([0, 0], [[2, 1], [1, 2]], 4, [1, 1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0, np.nan]}, "prior mean"),
        ({"mean_covariance": [1, -1]}, "mean_covariance is not symmetric positive definite"),
        (
            {"mean_covariance": [[1, 2], [2, 1]]},
            "mean_covariance is not symmetric positive definite",
        ),
        ({"scale": [[1, 0.5], [0.2, 1]]}, "scale is not symmetric"),
        ({"scale": [1, 1, 1]}, r"scale has shape \(3,\)"),
        ({"dof": 1.0}, "dof is 1.0: it must exceed d - 1 = 1"),
        ({"concentration": 0}, "concentration is 0"),
    ],
)
def test_bad_hyperparameters_are_named(change, message):
    """Each with its value and what it must be."""
    good = {"mean": [0, 0], "mean_covariance": [1, 1], "dof": 4, "scale": [1, 1]}
    with pytest.raises(ValueError, match=message):
        Prior(**(good | change))


def test_a_prior_must_fit_the_data():
    """Number of columns, and a concentration that has a mode."""
    x = bayesgmm.datasets.load_faithful()
    with pytest.raises(ValueError, match="prior is for 1 columns, the data have 2"):
        bayesgmm.fit(x, 2, prior=Prior.univariate(0, 1, 3, 1))
    prior = Prior.from_data(x)
    sparse = Prior(**(prior.to_dict() | {"concentration": 0.5}))
    with pytest.raises(ValueError, match="concentration is 0.5"):
        bayesgmm.fit(x, 2, prior=sparse)
