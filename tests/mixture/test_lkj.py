"""LKJ priors of covariances: their law, their density, EM under them, and their posteriors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import beta, invgamma, kstest, multivariate_normal
from scipy.stats import t as student

import bayesgmm
from bayesgmm import LKJ, Prior
from bayesgmm.families import get_family
from bayesgmm.kernels.e_step.contract import Parameters
from tests.two_samplers import agreeing

#: Half-t deviations and inverse gamma variances, with correlations pulled to 0 and pushed away.
KINDS = {"half-t": {"eta": 2.0, "nu": 4.0}, "inverse gamma": {"eta": 0.7, "shape": 2.5}}
FAMILIES = ("VVV", "EEE", "VVI", "EEI")


@pytest.fixture(scope="module")
def x():
    return np.asarray(bayesgmm.datasets.load_faithful(), dtype=float)


@pytest.mark.parametrize("kind", KINDS)
def test_deviations_and_correlations_are_of_their_laws(kind):
    """Lewandowski, Kurowicka & Joe (2009): each correlation is a beta variable on (-1, 1)."""
    each = np.array([0.5, 1.0, 30.0])
    given = KINDS[kind] | {"widths" if kind == "half-t" else "scale": each}
    prior = Prior(np.zeros(3), np.eye(3), lkj=LKJ(**given))
    draws = prior.sample(2, "VVV", draws=20_000, random_seed=2).covariances
    sigma = draws[:, 1]
    variances = np.einsum("sjj->sj", sigma)
    for j, size in enumerate(each):
        if kind == "half-t":
            law, values = (lambda v: 2 * student.cdf(v, 4.0) - 1), np.sqrt(variances[:, j]) / size
        else:
            law, values = invgamma(2.5, scale=size).cdf, variances[:, j]
        assert kstest(values, law).pvalue > 1e-4
    shape = given["eta"] + 0.5
    for i, j in ((1, 0), (2, 0), (2, 1)):
        rho = sigma[:, i, j] / np.sqrt(variances[:, i] * variances[:, j])
        assert kstest(0.5 + 0.5 * rho, beta(shape, shape).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(np.log(draws[:, :, 0, 0]).T)[0, 1]) < 0.03  # components are independent


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_is_scipy_s(kind):
    """Two columns: of deviations and the correlation, by the Jacobian to (S_11, S_12, S_22)."""
    given, each = KINDS[kind], np.array([0.7, 2.0])
    prior = Prior(
        np.zeros(2),
        np.eye(2),
        lkj=LKJ(**given, **{"widths" if kind == "half-t" else "scale": each}),
    )
    rng = np.random.default_rng(1)
    for _ in range(5):
        sd, rho = rng.uniform(0.2, 4.0, 2), rng.uniform(-0.95, 0.95)
        sigma = np.outer(sd, sd) * [[1, rho], [rho, 1]]
        if kind == "half-t":
            of_each = np.sum(
                np.log(2) + student.logpdf(sd / each, given["nu"]) - np.log(2 * sd * each)
            )
        else:
            of_each = invgamma.logpdf(sd**2, given["shape"], scale=each).sum()
        of_rho = beta.logpdf(0.5 + 0.5 * rho, given["eta"], given["eta"]) - np.log(2 * sd.prod())
        of_mean = multivariate_normal(cov=np.eye(2)).logpdf([0.3, 0.1])
        for family, total in (("VVV", of_each + of_rho), ("VVI", of_each)):
            part = sigma if family == "VVV" else np.diag(sd**2)
            at = Parameters(np.ones(1), np.array([[0.3, 0.1]]), part[None])
            ours = prior.log_density(at, get_family(family, 2), np.zeros(2))
            assert ours == pytest.approx(total + of_mean, rel=1e-12)


def objective(x, prior, family, free):
    """SciPy's log-likelihood and ours of the prior at (logits, means, Cholesky factors)."""
    k, d = 2, x.shape[1]
    weights = np.exp(np.append(free[: k - 1], 0.0))
    weights /= weights.sum()
    means = free[k - 1 : k - 1 + k * d].reshape(k, d)
    rest = free[k - 1 + k * d :]
    distinct = 1 if family.common else k
    if family.diagonal:
        sigma = np.exp(rest.reshape(distinct, d))[..., None] * np.eye(d)
    else:
        lower = np.zeros((distinct, d, d))
        lower[:, *np.tril_indices(d)] = rest.reshape(distinct, -1)
        sigma = lower @ lower.mT
    sigma = np.repeat(sigma, k // distinct, axis=0)
    joint = [
        np.log(p) + multivariate_normal(m, s).logpdf(x)
        for p, m, s in zip(weights, means, sigma, strict=True)
    ]
    prior_density = prior.log_density(Parameters(weights, means, sigma), family, np.zeros(d))
    return np.logaddexp(*joint).sum() + prior_density


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*FAMILIES, "V", "E"])
def test_em_climbs_to_a_maximum(x, name, kind):
    """Monotone without long steps; SciPy's optimiser, started there, finds nothing higher."""
    x = x[::3, : 1 if len(name) == 1 else 2]
    prior = Prior.lkj_from_data(x, **KINDS[kind])
    fit = bayesgmm.fit(
        x, 2, name, prior=prior, accelerate=False, n_init=3, random_seed=1, tol=1e-13, max_iter=5000
    )
    history = np.array(fit.history)
    assert np.all(np.diff(history) >= -1e-11 * np.abs(history[1:]))
    family, d = fit.family, x.shape[1]
    distinct = fit.covariances[: 1 if family.common else 2]
    if family.diagonal:
        rest = np.log(np.einsum("kjj->kj", distinct))
    else:
        rest = np.linalg.cholesky(distinct)[:, *np.tril_indices(d)]
    logit = np.log(fit.weights[:1] / fit.weights[1])
    start = np.concatenate([logit, fit.means.ravel(), rest.ravel()])
    top = objective(x, prior, family, start)
    assert top == pytest.approx(history[-1], abs=1e-8)
    found = minimize(lambda free: -objective(x, prior, family, free), start, method="BFGS")
    assert -found.fun < top + 1e-6
    accelerated = bayesgmm.fit(x, 2, name, prior=prior, start=fit.mixture)
    assert accelerated.history[-1] == pytest.approx(top, abs=1e-6)


def test_empty_and_degenerate_components_are_seen():
    """The density has no maximum, as the likelihood has none: what is said is the same."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((60, 2)), np.full((5, 2), 3.0)])
    with pytest.warns(bayesgmm.DegenerateFitWarning, match="degenerate component 1"):
        bayesgmm.fit(x, 2, prior=Prior.lkj_from_data(x), random_seed=1)
    with pytest.raises(bayesgmm.DataError, match="linearly dependent|same information"):
        bayesgmm.fit(np.c_[x, x[:, 0]], 2, prior=Prior.lkj_from_data(np.c_[x, x[:, 0]]))


def of_deviation(prior, s, k=2, narrow=1):
    """Log density of a first deviation s of the first of K components, the rest as they are."""
    d, rho = prior.d, 0.4
    sigma = np.repeat(np.eye(d)[None], k, axis=0)
    sigma[:narrow, 0, 0] = s**2
    sigma[:narrow, 0, 1] = sigma[:narrow, 1, 0] = rho * s
    at = Parameters(np.full(k, 1 / k), np.zeros((k, d)), sigma)
    return prior.log_density(at, get_family("VVV", d), np.zeros(d)) + narrow * d * np.log(s)


def test_how_far_a_prior_lets_a_component_be_narrow(x):
    """Powers of a deviation near 0, which m rows of equal values multiply by one of 1 - m."""
    x = np.c_[x, x[:, 0] + np.random.default_rng(1).standard_normal(len(x))]
    for d in (2, 3):
        for nu in (2.0, 3.5):
            for prior, k, power in (
                (Prior.lkj_from_data(x[:, :d], nu=nu), 2, 0.0),
                (Prior.huang_wand(x[:, :d], nu=nu), 1, 0.0),
                (Prior.huang_wand(x[:, :d], nu=nu), 2, nu + d - 1),
                (Prior.huang_wand(x[:, :d], nu=nu), 3, 2 * (nu + d - 1)),
            ):
                found = (of_deviation(prior, 1e-5, k) - of_deviation(prior, 1e-6, k)) / np.log(10)
                assert found == pytest.approx(power, abs=1e-3), (d, nu, k)
        random_scale = replace(Prior.from_data(x[:, :d], random_scale=True), integrate_scale=True)
        for prior, at_zero, dof in (
            (Prior.huang_wand(x[:, :d], nu=2.0), 1.0, d + 1.0),
            (random_scale, 2 * random_scale.scale.shape, random_scale.dof),
        ):
            for k, narrow in ((3, 2), (4, 2), (4, 3)):
                near, nearer = (of_deviation(prior, s, k, narrow) for s in (1e-5, 1e-6))
                power = at_zero + (k - narrow) * dof - narrow
                assert (near - nearer) / np.log(10) == pytest.approx(power, abs=1e-3)
        bounded = Prior.lkj_from_data(x[:, :d], shape=2.5)
        assert of_deviation(bounded, 1e-5) - of_deviation(bounded, 1e-6) > 1e6


@pytest.mark.parametrize("kind", [pytest.param("half-t", marks=pytest.mark.slow), "inverse gamma"])
def test_the_posterior_by_two_samplers_and_its_evidence(x, kind):
    """NUTS and Gibbs sampling within 4.5 errors; bridge and importance sampling agree."""
    prior = Prior.lkj_from_data(x, **KINDS[kind])
    fit = bayesgmm.fit(x, 2, "VVV", prior=prior, random_seed=1)
    one, other = agreeing(x, fit)
    np.testing.assert_allclose(one["sd"], other["sd"], rtol=0.15)


def test_what_it_refuses(x):
    with pytest.raises(ValueError, match="give one of the two"):
        LKJ(2.0)
    with pytest.raises(ValueError, match="give one of the two"):
        LKJ(2.0, widths=[1.0], shape=2.0, scale=[1.0])
    with pytest.raises(ValueError, match="LKJ widths is"):
        LKJ(widths=[1.0, -1.0])
    with pytest.raises(ValueError, match="give one prior of the covariances"):
        Prior([0.0], [1.0], 3.0, [1.0], lkj=LKJ(widths=[1.0]))
    with pytest.raises(ValueError, match="give mean_covariance"):
        Prior([0.0], None, mean_strength=1.0, lkj=LKJ(widths=[1.0]))
    with pytest.raises(ValueError, match="the mean 1 columns"):
        Prior([0.0], [1.0], lkj=LKJ(widths=[1.0, 2.0]))
    with pytest.raises(ValueError, match="at most 1 it has no mean"):
        Prior.lkj_from_data(x, shape=1.0)
    prior = Prior.lkj_from_data(x)
    assert Prior(**prior.to_dict()).to_dict() == prior.to_dict()
    for family in ("EII", "VEV", "EVE"):
        with pytest.raises(ValueError, match=f"family {family} has no LKJ prior"):
            bayesgmm.fit(x, 2, family, prior=prior)
    with pytest.raises(ValueError, match="max_ratio does not go with an LKJ prior"):
        bayesgmm.fit(x, 2, prior=prior, max_ratio=100)
