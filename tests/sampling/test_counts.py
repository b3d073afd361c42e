"""The posterior of rows that count several times is that of the repeated table."""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from bayesgmm import DataError, Posterior
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.mixture.noise import Noise
from bayesgmm.sampling.problem import PosteriorProblem
from tests.conftest import simulate


@pytest.fixture(scope="module")
def tables():
    """Rows with counts, and the same rows repeated; fits of both."""
    rng = np.random.default_rng(8)
    x, _ = simulate(rng, 70, 2, 2)
    times = rng.integers(0, 4, size=70)
    repeated = np.repeat(x, times, axis=0)
    start = bayesgmm.fit(repeated, 2, random_seed=0)
    counted = bayesgmm.fit(x, 2, start=start.mixture, sample_weight=times)
    return x, times, counted, repeated, start


@pytest.mark.parametrize("noise", [None, 0.01])
def test_density(tables, noise):
    """To rounding, with noise too, and the gradient."""
    x, times, counted, repeated, fit = tables
    one = PosteriorProblem.of(x, counted, sample_weight=times)
    other = PosteriorProblem.of(repeated, fit)
    for name in ("mean", "mean_covariance", "scale"):
        assert getattr(one.prior, name) == pytest.approx(getattr(other.prior, name), rel=1e-12)
    form, beside = other.parametrisation, noise and Noise(np.log(noise), False)
    a, b = (
        LogPosterior(p.data, form, other.prior, noise=beside) for p in (one, other)
    )  # fmt: skip
    values = other.initial_values(other.fitted, form) | {"noise_share": np.array(0.2)}
    u = b.space.free(values)
    (value, slope), (expected, gradient) = a(u), b(u)
    assert value == pytest.approx(expected, rel=1e-12)
    assert slope == pytest.approx(gradient, abs=1e-9 * np.abs(gradient).max() + 1e-9)


@pytest.mark.parametrize("sampler", ["nutpie", "gibbs"])
def test_posterior(tables, sampler, tmp_path):
    """Means, leave-one-out and evidence within Monte Carlo error; a file keeps the counts."""
    x, times, counted, repeated, fit = tables
    how = {"sampler": sampler, "progressbar": False}
    one = bayesgmm.refine(x, counted, sample_weight=times, weights="counts", random_seed=1, **how)
    other = bayesgmm.refine(repeated, fit, random_seed=2, **how)
    a, b = one.summary(), other.summary()
    error = np.hypot(a["mcse_mean"], b["mcse_mean"])
    assert (np.abs(a["mean"] - b["mean"]) < 4.5 * error + 1e-12).all()
    assert one.loo().n_data_points == times.sum()
    assert one.loo().elpd == pytest.approx(other.loo().elpd, abs=0.5)
    assert one.mean_loglik == pytest.approx(other.mean_loglik, abs=0.5)
    found, expected = one.log_evidence(random_seed=1), other.log_evidence(random_seed=1)
    assert found.value == pytest.approx(
        expected.value, abs=4 * np.hypot(found.error, expected.error)
    )
    with pytest.raises(NotImplementedError, match=r"np\.repeat"):
        one.partition()
    assert len(one.partition(X=repeated, n_draws=50, random_seed=1).labels) == times.sum()
    one.save(tmp_path / "counts.nc")
    again = Posterior.load(tmp_path / "counts.nc")
    assert (again.data.weights == times).all() and again.mean_loglik == one.mean_loglik


def test_what_has_to_be_said(tables):
    x, times, counted, repeated, fit = tables
    with pytest.raises(ValueError, match="weights='counts'"):
        bayesgmm.refine(x, counted, sample_weight=times)
    with pytest.raises(ValueError, match="has none"):
        bayesgmm.refine(repeated, fit, weights="counts")
    with pytest.raises(DataError, match="weights"):
        bayesgmm.refine(x, counted, weights="counts")
    with pytest.raises(ValueError, match="weights='counts'"):
        bayesgmm.build_model(x, counted, sample_weight=times)
    with pytest.raises(NotImplementedError, match="pseudo-posterior"):
        bayesgmm.refine(x, counted, sample_weight=times, weights="pseudo", sampler="pymc")
    with pytest.raises(ValueError, match="as they stand in the model"):
        bayesgmm.refine(x, counted, model=bayesgmm.build_model(repeated, fit))
    half = bayesgmm.fit(x, 2, sample_weight=times + 0.5, random_seed=0)
    how = {"sample_weight": times + 0.5, "weights": "counts", "progressbar": False}
    for sampler in ("gibbs", "pymc"):
        with pytest.raises(DataError, match="whole"):
            bayesgmm.refine(x, half, sampler=sampler, **how)
    posterior = bayesgmm.refine(x, half, sampler="nutpie", random_seed=0, **how)
    with pytest.raises(DataError, match="whole"):
        posterior.loo()


def test_survey_weights(rng):
    """Of one Gaussian: the pseudo-posterior's centre and width are those of the weighted mean."""
    n = 400
    x = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    weights = 7 * rng.gamma(1.0, size=n)  # whose scale means nothing
    fit = bayesgmm.fit(x, 1, sample_weight=weights)
    posterior = bayesgmm.refine(
        x, fit, sample_weight=weights, weights="pseudo", sampler="nutpie", random_seed=0,
        progressbar=False,
    )  # fmt: skip
    w = weights / weights.sum()
    mean = w @ x
    sandwich = np.sqrt(w**2 @ (x - mean) ** 2)
    drawn = posterior.draws.means[:, 0]
    assert drawn.std(axis=0) == pytest.approx(sandwich, rel=0.06)  # 3 % of it is Monte Carlo error
    assert drawn.std(axis=0).min() > 1.25 * x.std(axis=0).min() / np.sqrt(n)
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.1 * sandwich.min())
    assert "Pseudo-posterior" in repr(posterior)
    errors = bayesgmm.standard_errors(x, fit, "sandwich", sample_weight=weights, weights="pseudo")
    sigma = posterior.draws.covariances[:, 0].std(axis=0)
    assert sigma == pytest.approx(errors.covariances[0], rel=0.15)
    for ask in (posterior.loo, posterior.log_evidence):
        with pytest.raises(ValueError, match="pseudo-posterior has no"):
            ask()
