"""Huang & Wand's prior: its law, its density, EM under it, and its posterior by two samplers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import gamma, invwishart, kstest
from scipy.stats import t as student

import bayesgmm
from bayesgmm import Prior
from bayesgmm.families import FAMILIES, get_family
from bayesgmm.kernels.e_step.contract import Parameters
from tests.two_samplers import agreeing

SPHERICAL = ("EII", "VII")


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.mark.parametrize(("nu", "d"), [(1.0, 2), (2.0, 3)])
def test_deviations_are_half_t_and_correlations_of_their_law(nu, d):
    """Theorem 2 of the paper (a Kolmogorov test each), here of 20 000 draws."""
    widths = np.array([0.5, 1.0, 30.0][:d])
    rows = np.random.default_rng(1).standard_normal((50, d))
    prior = Prior.huang_wand(rows, nu=nu, widths=widths)
    sigma = prior.sample(1, "VVV", draws=20_000, random_seed=2).covariances[:, 0]
    sd = np.sqrt(np.einsum("sjj->sj", sigma))
    for j in range(d):
        assert kstest(sd[:, j] / widths[j], lambda v: 2 * student.cdf(v, nu) - 1).pvalue > 1e-4
    rho = sigma[:, 0, 1] / (sd[:, 0] * sd[:, 1])
    law = {"uniform": (-1, 2)} if nu == 2 else {"arcsine": (-1, 2)}
    [(name, arguments)] = law.items()
    assert kstest(rho, name, args=arguments).pvalue > 1e-4


@pytest.mark.parametrize(("family", "distinct"), [("VVV", 2), ("EEE", 1)])
def test_its_density_is_the_integral_over_the_scale(x, family, distinct):
    """SciPy's inverse Wisharts at a grid of two log psi, summed: the log density's differences."""
    prior = Prior.huang_wand(x)
    log_psi = np.stack(np.meshgrid(*[np.linspace(-9, 14, 231)] * 2), axis=-1).reshape(-1, 2)
    psi = np.exp(log_psi)
    weight = gamma.logpdf(psi, prior.scale.shape, scale=1 / prior.scale.rate).sum(axis=1)
    rng = np.random.default_rng(5)
    ours, theirs = [], []
    for _ in range(3):
        root = rng.standard_normal((2, 2, 4)) * [[[1.0], [8.0]]]
        sigma = root @ root.mT
        sigma = sigma if distinct == 2 else np.stack([sigma[0]] * 2)
        logs = weight + log_psi.sum(axis=1)
        for one in sigma[:distinct]:
            logs = logs + log_inverse_wishart(one, prior.dof, psi)
        theirs.append(logsumexp(logs))
        at = Parameters(np.full(2, 0.5), np.zeros((2, 2)), sigma)
        ours.append(prior.log_density(at, get_family(family, 2), np.zeros(2)))
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), atol=1e-8)


def log_inverse_wishart(sigma, dof, psi):
    """SciPy's at Psi = I, with what a diagonal Psi changes."""
    at_unit = invwishart.logpdf(sigma, dof, np.eye(2))
    precision = np.diagonal(np.linalg.inv(sigma))
    return at_unit + 0.5 * dof * np.log(psi).sum(axis=1) - 0.5 * (psi - 1) @ precision


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in SPHERICAL])
def test_em_climbs_to_a_maximum_of_the_integrated_density(x, family):
    """Monotone without long steps; no direction of the parameters leads up from where it ends."""
    prior = Prior.huang_wand(x)
    fit = bayesgmm.fit(
        x, 2, family, prior=prior, accelerate=False, n_init=3, random_seed=1, tol=1e-12
    )
    history = np.array(fit.history)
    assert np.all(np.diff(history) >= -1e-9 * np.abs(history[1:]))
    at = fit.mixture.parameters_about(np.zeros(2))
    full = fit.covariances
    top = fit.loglik + prior.log_density(at, fit.family, np.zeros(2))
    assert top == pytest.approx(history[-1], abs=1e-8)
    for factor in (0.98, 1.02):  # all volumes; one weight; one mean
        for weights, means, sigma in (
            (fit.weights, fit.means, factor * full),
            ([fit.weights[0] * factor, 1 - fit.weights[0] * factor], fit.means, full),
            (fit.weights, fit.means * [[factor, 1], [1, 1]], full),
        ):
            other = bayesgmm.Mixture(weights, means, sigma, fit.names)
            near = Parameters(other.weights, other.means, sigma)
            value = other.log_density(x).sum() + prior.log_density(near, fit.family, np.zeros(2))
            assert value < top


def test_the_posterior_by_two_samplers_and_its_evidence(x):
    """NUTS and Gibbs sampling within 4.5 errors; bridge and importance sampling agree."""
    prior = Prior.huang_wand(x)
    fit = bayesgmm.fit(x, 2, "VVV", prior=prior, random_seed=1)
    agreeing(x, fit)


def test_what_it_refuses(x):
    with pytest.raises(ValueError, match="only a Gamma is random"):
        Prior([0.0], [1.0], 3.0, [1.0], integrate_scale=True)
    with pytest.raises(ValueError, match="cannot be integrated out for VII of several columns"):
        bayesgmm.fit(x, 2, "VII", prior=Prior.huang_wand(x))
    with pytest.raises(ValueError, match="widths is"):
        Prior.huang_wand(x, widths=[1.0, -1.0])
    prior = Prior.huang_wand(x)
    assert Prior(**prior.to_dict()).to_dict() == prior.to_dict()
