"""The posterior beside uniform noise against SciPy, quadrature, and laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.special import betaln, gammaln, logsumexp, xlog1py, xlogy
from scipy.stats import beta, multivariate_normal, norm

import bayesgmm
from bayesgmm import DataError, Posterior, Prior
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.families import get_family
from bayesgmm.mixture.noise import Noise
from bayesgmm.sampling.problem import PosteriorProblem
from tests.conftest import simulate
from tests.density_cases import gradient_is_of_differences

DENSITY = 0.01
# Some posteriors are of few draws; where convergence counts it is looked at.
pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")


def with_noise(rng, n, d, k=2):
    x, _ = simulate(rng, n, d, k)
    return np.vstack([x, rng.uniform(-12, 12, size=(n // 4, d))])


def log_joint(x, weights, means, covariances, share, density):
    """Log of what components and noise contribute to each row's density, (n, K + 1)."""
    parts = [
        np.log((1 - share) * w) + multivariate_normal(m, s).logpdf(x)
        for w, m, s in zip(weights, means, covariances, strict=True)
    ]
    return np.stack([*parts, np.full(len(x), np.log(share * density))], axis=1)


@pytest.mark.parametrize(
    ("n", "d", "family", "narrow"),
    [(80, 2, "VVV", 1), (80, 3, "VVI", 1), (9000, 4, "EVV", 1), (80, 2, "VEE", 1e-4),
     (12_000, 5, "VVI", 1e-5)],
)  # fmt: skip
def test_density_and_gradient(rng, n, d, family, narrow):
    """Likelihood and prior of the share by SciPy, the rest as without rows; in every form."""
    x = with_noise(rng, n, d)
    labels = (x[:, 0] > np.median(x[:, 0])).astype(int)
    fit = bayesgmm.fit(x, 2, family, start=labels, max_iter=2)
    problem = PosteriorProblem.of(x, fit)
    prior = replace(problem.prior, noise_share=(2.0, 5.5))
    p = problem.fitted
    p = type(p)(p.weights, p.means, p.covariances * narrow**2)
    form = problem.parametrisation_at(p)
    density = LogPosterior(problem.data, form, prior, noise=Noise(np.log(DENSITY), False))
    alone = LogPosterior(problem.data, form, problem.prior, likelihood=False)
    values = problem.initial_values(p, form) | {"noise_share": np.array(0.3)}
    u = density.space.free(values)
    value = density(u)[0]
    sigma = [np.diag(s) if s.ndim == 1 else s for s in p.covariances]
    rows = log_joint(x, p.weights, p.means + problem.data.center, sigma, 0.3, DENSITY)
    expected = logsumexp(rows, axis=1).sum() + alone(alone.space.free(values))[0]
    expected += beta(2.0, 5.5).logpdf(0.3) + np.log(0.3 * 0.7)
    assert value == pytest.approx(expected, rel=1e-12)
    gradient_is_of_differences(density, u, 1e-5 * density.units() * narrow)


@pytest.fixture(scope="module")
def small():
    """One column, one component: 25 rows of it and 8 of noise, and a prior of three numbers."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(1.0, 0.7, 25), rng.uniform(-5, 5, 8)])[:, None]
    prior = Prior([0.5], [[4.0]], 5.0, [[2.0]], 1.0)
    return x, prior, bayesgmm.fit(x, 1, "V", noise=0.1, prior=prior, random_seed=0)


@pytest.fixture(scope="module")
def exact(small):
    """Evidence, and posterior means, the share being uniform a priori."""
    return by_quadrature(*small[:2])


def by_quadrature(x, prior, a=1.0, b=1.0):
    """By Simpson's rule over mean, log variance and share, whose prior is Beta(a, b)."""
    mu, t, p = np.linspace(-1, 3, 121), np.linspace(-3.5, 2.5, 121), np.linspace(1e-9, 1, 201)
    m, s = np.meshgrid(mu, np.exp(t / 2), indexing="ij")
    components = norm(m[..., None], s[..., None]).pdf(x[:, 0])
    shape, rate = 0.5 * prior.dof, 0.5 * prior.scale[0, 0]
    log_prior = norm(0.5, 2.0).logpdf(m) - 2 * shape * np.log(s) - rate / s**2  # of log variance
    log_prior += shape * np.log(rate) - gammaln(shape)
    tables = {name: np.empty((121, 121, 201)) for name in ("log", "first", "last")}
    for i, share in enumerate(p):
        all_rows = (1 - share) * components + share * 0.1
        of_share = xlogy(a - 1, share) + xlog1py(b - 1, -share) - betaln(a, b)
        tables["log"][..., i] = np.log(all_rows).sum(axis=2) + log_prior + of_share
        tables["first"][..., i] = share * 0.1 / all_rows[..., 0]
        tables["last"][..., i] = share * 0.1 / all_rows[..., -1]
    peak = tables["log"].max()
    mass = np.exp(tables["log"] - peak)

    def integral(values):
        return simpson(simpson(simpson(values, x=p), x=t), x=mu)

    total = integral(mass)
    mean = integral(mass * p) / total
    return {
        "evidence": np.log(total) + peak,
        "share": mean,
        "sd": np.sqrt(integral(mass * p**2) / total - mean**2),
        "mu": integral(mass * m[..., None]) / total,
        "noise": [integral(mass * tables[name]) / total for name in ("first", "last")],
    }


@pytest.mark.parametrize("sampler", ["nutpie", "gibbs"])
def test_posterior_is_exact(small, exact, sampler):
    """Share, mean, rows' probabilities and evidence, as quadrature has them."""
    x, _, fit = small
    posterior = bayesgmm.refine(x, fit, sampler=sampler, random_seed=1, progressbar=False)
    assert not posterior.diagnostics.problems
    table = posterior.summary()
    share = table.loc["noise_share"]
    assert share["mean"] == pytest.approx(exact["share"], abs=4 * share["mcse_mean"])
    assert share["sd"] == pytest.approx(exact["sd"], abs=4 * share["mcse_sd"])
    mu = table[table.index.str.startswith("mu")].iloc[0]
    assert mu["mean"] == pytest.approx(exact["mu"], abs=4 * mu["mcse_mean"])
    rows = posterior.noise_probability()
    for i, expected in zip((0, -1), exact["noise"], strict=True):
        error = 4 * rows["sd"].iloc[i] / np.sqrt(share["ess_bulk"] / 4)
        assert rows["mean"].iloc[i] == pytest.approx(expected, abs=error)
    evidence = posterior.log_evidence(random_seed=1)
    assert evidence.value == pytest.approx(exact["evidence"], abs=4 * evidence.error + 1e-3)


@pytest.mark.parametrize(
    "sampler",
    ["nutpie", "gibbs", pytest.param("pymc", marks=pytest.mark.slow),
     pytest.param("smc", marks=pytest.mark.slow)],
)  # fmt: skip
def test_another_prior_of_the_share(small, sampler):
    """A Beta(1, 4), as a uniform prior of noise and four components gives it: by quadrature."""
    x, prior, fit = small
    expected = by_quadrature(x, prior, 1.0, 4.0)
    other = replace(prior, noise_share=(1, 4))
    posterior = bayesgmm.refine(
        x, fit, prior=other, sampler=sampler, random_seed=1, progressbar=False
    )
    share = posterior.summary().loc["noise_share"]
    assert share["mean"] == pytest.approx(expected["share"], abs=4 * share["mcse_mean"])
    assert share["sd"] == pytest.approx(expected["sd"], abs=4 * share["mcse_sd"])
    assert abs(expected["share"] - by_quadrature(x, prior)["share"]) > 8 * share["mcse_mean"]
    evidence = posterior.log_evidence(random_seed=1)
    assert evidence.value == pytest.approx(expected["evidence"], abs=4 * evidence.error + 1e-3)
    group = posterior.with_log_prior().tree["log_prior"]["noise_share"]
    shares = posterior.tree["posterior"]["noise_share"]
    assert group.to_numpy() == pytest.approx(beta(1, 4).logpdf(shares), abs=1e-12)


def test_prior_of_the_share_below_one_is_for_the_posterior(small):
    """As a sparse one of the proportions: the fit refuses it, `refine` samples it."""
    x, prior, fit = small
    sparse = replace(prior, noise_share=(0.5, 1.5))
    with pytest.raises(ValueError, match=r"noise_share is \(0.5, 1.5\): below 1"):
        bayesgmm.fit(x, 1, "V", noise=0.1, prior=sparse)
    posterior = bayesgmm.refine(x, fit, prior=sparse, random_seed=1, progressbar=False)
    expected = by_quadrature(x, prior, 0.5, 1.5)
    share = posterior.summary().loc["noise_share"]
    assert share["mean"] == pytest.approx(expected["share"], abs=4 * share["mcse_mean"])


@pytest.fixture(scope="module")
def posterior():
    rng = np.random.default_rng(5)
    x = with_noise(rng, 120, 2)
    fit = bayesgmm.fit(x, 2, "VVV", noise=True, random_seed=0)
    return bayesgmm.refine(x, fit, draws=200, random_seed=1, progressbar=False)


def test_rows_by_hand(posterior):
    """Responsibilities, noise, log densities and leave-one-out from every draw's density."""
    x, c = posterior.data.values, posterior.fit.noise_density
    d = posterior.draws
    logs = np.array(
        [
            log_joint(x, w, m, s, p, c)
            for w, m, s, p in zip(d.weights, d.means, d.covariances, d.noise_share, strict=True)
        ]
    )
    density = logsumexp(logs, axis=2)
    resp = np.exp(logs - density[..., None])
    assert posterior.predict_proba() == pytest.approx(resp.mean(axis=0), abs=1e-10)
    noise = posterior.noise_probability(ci_prob=0.9)
    assert noise["mean"].to_numpy() == pytest.approx(resp[..., 2].mean(axis=0), abs=1e-10)
    ends = np.quantile(resp[..., 2], [0.05, 0.95], axis=0)
    assert noise[["lower", "upper"]].to_numpy().T == pytest.approx(ends, abs=1e-10)
    group = posterior.with_log_likelihood().tree["log_likelihood"]["y"].to_numpy()
    assert group.reshape(density.shape) == pytest.approx(density, abs=1e-9)
    raw = -logsumexp(-density, axis=0) + np.log(len(density))  # importance sampling, not smoothed
    assert posterior.loo().elpd == pytest.approx(raw.sum(), abs=0.5)
    together = np.einsum("snk,smk->nm", resp[..., :2], resp[..., :2]) / len(resp)
    np.fill_diagonal(together, 1)
    assert posterior.coclustering().to_numpy() == pytest.approx(together, abs=1e-10)
    other = posterior.predict_proba(x[:5])
    assert other == pytest.approx(posterior.predict_proba()[:5], abs=1e-12)


def test_file_and_what_noise_has_no_place_in(posterior, tmp_path):
    posterior.save(tmp_path / "noise.nc")
    again = Posterior.load(tmp_path / "noise.nc")
    assert again.noise_probability().equals(posterior.noise_probability())
    posterior.fit.save(tmp_path / "fit.npz")
    fit = bayesgmm.Fit.load(tmp_path / "fit.npz")
    assert fit.noise_share == posterior.fit.noise_share and fit.n_parameters == 13
    with pytest.raises(NotImplementedError, match="without_noise"):
        posterior.density(columns="x0")
    alone = posterior.without_noise
    assert alone.density(columns="x0")["mean"].shape == (200,)
    with pytest.raises(NotImplementedError, match="without_noise"):
        posterior.regression("x1", [[0.5]])
    # the mean and its band by hand, draw by draw
    d, at = alone.draws, 0.5
    variances, slopes = d.covariances[:, :, 0, 0], d.covariances[:, :, 1, 0]
    shares = d.weights * norm(d.means[..., 0], np.sqrt(variances)).pdf(at)
    shares /= shares.sum(axis=1, keepdims=True)
    lines = d.means[..., 1] + slopes / variances * (at - d.means[..., 0])
    by_draw = np.sum(shares * lines, axis=1)
    found = alone.regression("x1", [[at]]).iloc[0]
    assert found["mean"] == pytest.approx(by_draw.mean(), rel=1e-9)
    ends = np.quantile(by_draw, [0.055, 0.945])
    assert found[["mean_lower", "mean_upper"]].to_numpy() == pytest.approx(ends, rel=1e-9)
    plain = bayesgmm.fit(posterior.data, 2, random_seed=0)
    quick = bayesgmm.refine(
        posterior.data, plain, sampler="laplace", random_seed=0, progressbar=False
    )
    with pytest.raises(ValueError, match="no noise"):
        quick.noise_probability()
    many = bayesgmm.fit(posterior.data, 1, noise=1e-290, random_seed=0)
    with pytest.raises(DataError, match="double precision"):
        bayesgmm.refine(posterior.data, many, sampler="laplace")


def test_map_is_a_maximum(small):
    """Of likelihood times prior, the share uniform: no step in any parameter raises it."""
    x, prior, fit = small
    assert np.diff(fit.history).min() > -1e-9

    def objective(mu, variance, share):
        rows = log_joint(x, [1.0], [[mu]], [[[variance]]], share, 0.1)
        mixture = bayesgmm.Mixture([1.0], [[mu]], [[variance]])
        at = mixture.parameters_about(np.zeros(1))
        return logsumexp(rows, axis=1).sum() + prior.log_density(at, get_family("V", 1), [0.0])

    found = fit.means[0, 0], fit.covariances[0, 0, 0], fit.noise_share
    best = objective(*found)
    for i in range(3):
        for step in (-0.01, 0.01):
            there = list(found)
            there[i] += step
            assert objective(*there) < best
