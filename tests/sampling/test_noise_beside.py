"""The posterior of noise beside missing values and labels against SciPy, and between samplers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.mixture.noise import Noise
from bayesgmm.sampling.problem import PosteriorProblem
from tests.conftest import simulate
from tests.density_cases import gradient_is_of_differences

# Some posteriors are of few draws; where convergence counts it is looked at.
pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")


def with_holes(rng, n, d, k=2):
    """Groups and strays, a sixth of the values missing, one row empty; and classes of some rows."""
    x, classes = simulate(rng, n, d, k)
    x = np.vstack([x, rng.uniform(-12, 12, size=(n // 4, d))])
    x[rng.random(x.shape) < 1 / 6] = np.nan
    x[7] = np.nan
    known = np.concatenate([np.where(rng.random(n) < 0.3, classes, -1), np.full(n // 4, -1)])
    return x, known


def log_joint(x, mixture, share, known, log_ranges):
    """Log of what components and noise contribute to each row's density, (n, K + 1), by SciPy."""
    weights, means, covariances = mixture
    out = np.empty((len(x), len(weights) + 1))
    for i, row in enumerate(x):
        o = ~np.isnan(row)
        for k, (w, m, s) in enumerate(zip(weights, means, covariances, strict=True)):
            density = multivariate_normal(m[o], s[np.ix_(o, o)]).logpdf(row[o]) if o.any() else 0.0
            out[i, k] = np.log((1 - share) * w) + density if known[i] in (-1, k) else -np.inf
        noise = -x.shape[1] * np.log(24.0) + log_ranges[~o].sum() if o.any() else 0.0
        out[i, -1] = np.log(share) + noise if known[i] == -1 else -np.inf
    return out


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "family", "narrow"),
    [(160, 2, "VVV", 1), (160, 4, "VVI", 1), (400, 4, "EVV", 1), (160, 2, "VEE", 1e-4),
     (160, 3, "VVI", 1e-5)],
)  # fmt: skip
def test_density_and_gradient(rng, n, d, family, narrow, labelled):
    """Likelihood by SciPy, prior as without rows; frequent and rare groups, narrow components."""
    x, known = with_holes(rng, n, d)
    labels = {"labels": known} if labelled else {}
    fit = bayesgmm.fit(
        x, 2, family, missing="marginalize", noise=24.0**-d, max_iter=2, **labels,
        start=(np.nan_to_num(x[:, 0]) > 0).astype(int),
    )  # fmt: skip
    problem = PosteriorProblem.of(x, fit)
    p = problem.fitted
    p = type(p)(p.weights, p.means, p.covariances * narrow**2)
    form = problem.parametrisation_at(p)
    assert isinstance(problem.noise, Noise)
    density = LogPosterior(problem.data, form, problem.prior, noise=problem.noise)
    alone = LogPosterior(problem.data, form, problem.prior, likelihood=False)
    values = problem.initial_values(p, form) | {"noise_share": np.array(0.3)}
    u = density.space.free(values)
    value = density(u)[0]
    sigma = [np.diag(s) if s.ndim == 1 else s for s in p.covariances]
    mixture = p.weights, p.means + problem.data.center, sigma
    known = known if labelled else np.full(len(x), -1)
    log_ranges = np.log(np.nanmax(x, axis=0) - np.nanmin(x, axis=0))
    joint = log_joint(x, mixture, 0.3, known, log_ranges)
    counted = ~np.isnan(x).all(axis=1) | (known >= 0)
    expected = logsumexp(joint, axis=1)[counted].sum() + np.log(0.21)
    expected += alone(alone.space.free(values))[0]
    assert value == pytest.approx(expected, rel=1e-11)
    gradient_is_of_differences(density, u, 1e-5 * density.units() * narrow)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(4)
    return with_holes(rng, 120, 2)


def test_samplers_agree(table):
    """NUTS, Gibbs sampling and the rows by hand, with labels and holes; files keep it all."""
    x, known = table
    fit = bayesgmm.fit(
        x, 2, "VVV", noise=24.0**-2, labels=known, missing="marginalize", random_seed=0
    )
    found = {
        sampler: bayesgmm.refine(
            x, fit, sampler=sampler, draws=500, thin=4 if sampler == "gibbs" else None,
            random_seed=1, progressbar=False,
        )
        for sampler in ("nutpie", "gibbs")
    }  # fmt: skip
    one, other = (p.summary() for p in found.values())
    error = np.hypot(one["mcse_mean"], other["mcse_mean"])
    assert np.all(np.abs(one["mean"] - other["mean"]) < 4.5 * error + 1e-12)
    spread = (one["sd"] / other["sd"])[one["sd"] > 0]
    assert np.all((spread > 0.85) & (spread < 1.18))
    posterior = found["gibbs"]
    d = posterior.draws.at(np.arange(0, 2000, 100))
    log_ranges = np.log(np.nanmax(x, axis=0) - np.nanmin(x, axis=0))
    some = found["gibbs"].draws
    joint = np.array([
        log_joint(x, (d.weights[s], d.means[s], d.covariances[s]), d.noise_share[s], known,
                  log_ranges)
        for s in range(len(d))
    ])  # fmt: skip
    resp = np.exp(joint - logsumexp(joint, axis=2, keepdims=True))
    from bayesgmm.mixture.evaluation import responsibilities

    ours = np.array(list(responsibilities(posterior.data, d)))
    assert ours == pytest.approx(resp, abs=1e-9)
    assert len(some) == 2000
    rows = posterior.noise_probability()
    assert np.all(rows["mean"][known >= 0] == 0) and rows["mean"].max() > 0.9
    evidence = [p.log_evidence(random_seed=1) for p in found.values()]
    away = evidence[0].value - evidence[1].value
    assert abs(away) < 5 * np.hypot(evidence[0].error, evidence[1].error) + 1e-3
    loo = [p.loo().elpd for p in found.values()]
    assert loo[0] == pytest.approx(loo[1], abs=0.5)


@pytest.mark.slow
def test_samplers_agree_beside_counts():
    """Missing values, noise, labels and counts at once, several tables: no difference stands out.

    Of one table the largest of many differences is large by chance; over tables they are as many
    normal numbers, whose mean square is 1.
    """
    away = []
    for seed in range(4):
        rng = np.random.default_rng(100 + seed)
        x, known = with_holes(rng, 100, 3)
        times = rng.integers(1, 4, size=len(x))
        fit = bayesgmm.fit(
            x, 2, "VVV", noise=True, labels=known, missing="marginalize", sample_weight=times,
            random_seed=0,
        )  # fmt: skip
        tables = [
            bayesgmm.refine(
                x, fit, sampler=sampler, sample_weight=times, weights="counts", draws=2000,
                random_seed=seed, progressbar=False,
            ).summary()
            for sampler in ("nutpie", "gibbs")
        ]  # fmt: skip
        one, other = (table[table["sd"] > 0] for table in tables)
        for name in ("mean", "sd"):
            error = np.hypot(one[f"mcse_{name}"], other[f"mcse_{name}"])
            away.append(((one[name] - other[name]) / error).to_numpy())
    z = np.concatenate(away)
    assert np.all(np.abs(z) < 4.5)
    # Elements of a covariance go together: as many as a third of them are free.
    assert np.mean(z**2) < 1 + 4 * np.sqrt(2 / (len(z) / 3))
