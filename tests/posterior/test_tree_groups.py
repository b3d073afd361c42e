"""What ArviZ's functions find in a posterior's tree: log-likelihoods, log prior densities."""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import logsumexp

import bayesgmm
from bayesgmm.families import FAMILIES
from bayesgmm.mixture.prior import Prior
from tests.faithful import PRIOR, short_first
from tests.synthetic import make_posterior

X = bayesgmm.datasets.load_faithful().iloc[:60]


def draws_of(posterior):
    """The parameters of every draw, chain after chain."""
    d = posterior.draws
    full = d.covariances if d.covariances.ndim == 4 else d.covariances[..., None] * np.eye(2)
    return list(zip(d.weights, d.means, full, strict=True))


def flat(values):
    """An array over chain and draw as one over all draws."""
    return values.to_numpy().reshape(-1, *values.shape[2:])


def test_log_likelihoods_are_scipys(posterior, x):
    group = posterior.with_log_likelihood().tree["log_likelihood"]["y"]
    assert group.dims == ("chain", "draw", "obs_id")
    for value, (pi, mu, sigma) in zip(flat(group)[::17], draws_of(posterior)[::17], strict=True):
        terms = [
            np.log(p) + stats.multivariate_normal(m, s).logpdf(x)
            for p, m, s in zip(pi, mu, sigma, strict=True)
        ]
        np.testing.assert_allclose(value, logsumexp(terms, axis=0), rtol=1e-9)


@pytest.mark.parametrize("family", ["VVV", "EEE", "VVI", "EII"])
@pytest.mark.parametrize("conjugate", [False, True])
def test_log_priors_are_scipys(family, conjugate):
    """Of Dirichlet, normal, inverse Wishart or inverse gamma, once for what components share."""
    prior = Prior.from_data(X, conjugate=conjugate, n_components=2, concentration=2.5)
    posterior = make_posterior(X, bayesgmm.fit(X, 2, family, prior=prior, random_seed=0))
    group = posterior.with_log_prior().tree["log_prior"]
    names = ("pi", "mu", "Sigma")
    for pi, mu, sigma, found in zip(
        *map(np.array, zip(*draws_of(posterior), strict=True)),
        np.stack([flat(group[name]) for name in names], axis=1),
        strict=True,
    ):
        spread = sigma / prior.mean_strength if conjugate else [prior.mean_covariance] * 2
        distinct = sigma[:1] if FAMILIES[family].common else sigma
        if FAMILIES[family].diagonal:
            shape, scale = prior.inverse_wishart.inverse_gamma(FAMILIES[family])
            variances = [np.diag(s)[: len(scale)] for s in distinct]
            of_sigma = stats.invgamma(shape, scale=scale).logpdf(variances).sum()
        else:
            of_sigma = sum(stats.invwishart(prior.dof, prior.scale).logpdf(s) for s in distinct)
        expected = [
            stats.dirichlet([2.5, 2.5]).logpdf(pi),
            sum(
                stats.multivariate_normal(prior.mean, s).logpdf(m)
                for m, s in zip(mu, spread, strict=True)
            ),
            of_sigma,
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_random_hyperparameters_are_integrated_out():
    """Of one column, by quadrature over the concentration and over the scale."""
    x = bayesgmm.datasets.load_acidity().iloc[:40]
    gamma = bayesgmm.Gamma
    prior = Prior.univariate(5, 4, 3, gamma(2.0, 1.5), concentration=gamma(3.0, 2.0))
    plain = Prior.univariate(5, 4, 3, 1.0)
    posterior = make_posterior(x, bayesgmm.fit(x, 2, "V", prior=plain, random_seed=0))
    posterior = type(posterior)(posterior.tree, posterior.fit, prior)
    group, draws = posterior.with_log_prior().tree["log_prior"], posterior.draws
    for s in (0, 7):
        variances = draws.covariances[s].ravel()

        def of_pi(a, s=s):
            mixed = stats.gamma(3.0, scale=1 / 2.0).pdf(a)
            return mixed * stats.dirichlet([a, a]).pdf(draws.weights[s])

        def of_sigma(psi, variances=variances):
            shape, scale = plain.inverse_wishart.inverse_gamma(
                posterior.fit.family, np.array([psi])
            )
            rate = prior.scale.rate if np.isscalar(prior.scale.rate) else prior.scale.rate[0]
            mixed = stats.gamma(prior.scale.shape, scale=1 / rate).pdf(psi)
            return mixed * np.prod(stats.invgamma(shape, scale=scale).pdf(variances))

        for name, density in (("pi", of_pi), ("Sigma", of_sigma)):
            value = quad(density, 0, np.inf, epsabs=0, epsrel=1e-10)[0]
            assert flat(group[name])[s] == pytest.approx(np.log(value), rel=1e-6)


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
def test_arviz_s_functions_take_the_tree(posterior):
    """Leave-one-out as `loo` has it, comparison, one row's term, predictive checks."""
    whole = posterior.with_log_likelihood().with_log_prior().with_predictive(random_seed=1)
    ours, theirs = posterior.loo(), az.loo(whole.tree)
    assert theirs.elpd == pytest.approx(ours.elpd, abs=0.05)  # another relative efficiency
    assert theirs.p == pytest.approx(ours.p, abs=0.05)
    table = az.compare({"a": whole.tree, "b": whole.tree})
    assert list(table["elpd_diff"]) == [0.0, 0.0]
    assert az.loo_i(0, whole.tree).n_data_points == 1
    az.plot_ppc_dist(whole.tree)
    assert "log_likelihood" not in posterior.tree


def test_groups_are_kept_by_save(posterior, tmp_path):
    whole = posterior.with_log_likelihood().with_log_prior()
    whole.save(tmp_path / "p.nc")
    read = bayesgmm.Posterior.load(tmp_path / "p.nc").tree
    for name in ("log_likelihood", "log_prior"):
        assert read[name].to_dataset().identical(whole.tree[name].to_dataset())


def test_a_strong_prior_is_told_from_a_weak_one():
    """ArviZ's limit is 0.05: above it where the prior draws means off the rows, else below."""
    x = bayesgmm.datasets.load_faithful()
    fit = short_first(x)
    strong = Prior(mean=[3, 60], mean_covariance=[0.05, 12.0], dof=PRIOR.dof, scale=PRIOR.scale)
    tables = {
        name: bayesgmm.refine(
            x, fit, prior=prior, sampler="laplace", random_seed=1, progressbar=False
        ).prior_sensitivity("mu")
        for name, prior in (("weak", PRIOR), ("strong", strong))
    }
    assert list(tables["weak"].index) == list(tables["strong"].index)
    assert (tables["weak"]["prior"] < 0.05).all()
    assert (tables["strong"]["prior"] > 0.05).all()
    with pytest.raises(ValueError, match="var_names is empty: choose among pi"):
        make_posterior(x, fit).summary(var_names=[])
    with pytest.raises(ValueError, match="var_names is 'beta'"):
        make_posterior(x, fit).prior_sensitivity("beta")


def test_more_than_fits_is_refused(posterior, monkeypatch):
    monkeypatch.setattr("bayesgmm.posterior.log_groups._LIMIT", 1000)
    with pytest.raises(ValueError, match=r"GiB: use posterior\.loo"):
        posterior.with_log_likelihood()
