"""EM beside uniform noise against mclust, SciPy, and laws."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import beta, multivariate_normal

import bayesgmm
from bayesgmm import DataError, Mixture
from bayesgmm.data.data import as_data
from bayesgmm.em.box_around import box_around
from bayesgmm.em.noise import NoisyRows, read_noise
from bayesgmm.mixture.share_of_noise import (
    best_share,
    best_share_of,
    log_prior_of_share,
    moments_of,
)
from tests.conftest import simulate
from tests.places import SHIPPED

MCLUST = json.loads((SHIPPED / "noise_mclust_chevron.json").read_text())
CHEVRON = np.array(MCLUST["rows"])


def test_volume_is_mclusts():
    """Its hypvol; of turned rows the box along their axes is smaller."""
    assert np.exp(box_around(as_data(CHEVRON)).log_volume) == pytest.approx(
        MCLUST["hypvol"], rel=1e-12
    )
    rng = np.random.default_rng(0)
    long = rng.uniform(size=(2000, 2)) * [100, 1] @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    assert np.exp(box_around(as_data(long)).log_volume) == pytest.approx(100, rel=0.1)


def mixture_of(parameters):
    """Their mixture of the components, and the share of noise."""
    weights = np.array(parameters["weights"])
    means, covariances = (np.array(parameters[name]) for name in ("means", "covariances"))
    return Mixture(weights[:-1] / weights[:-1].sum(), means, covariances), weights[-1]


@pytest.mark.parametrize("case", MCLUST["fits"])
def test_mclusts_values(case):
    """At its parameters its log-likelihood; EM stays there, to what mclust stopped short of.

    What is left to gain there, 3e-8 or less, is a thousandth of a standard error.
    """
    family, k = case.split()
    theirs = MCLUST["fits"][case]
    start, share = mixture_of(theirs["parameters"])
    options = {"noise": True, "start": start}
    there = bayesgmm.fit(CHEVRON, int(k), family, max_iter=0, **options)
    assert there.loglik == pytest.approx(theirs["loglik"], abs=1e-7)
    assert there.noise_density == pytest.approx(theirs["parameters"]["Vinv"], rel=1e-12)
    fit = bayesgmm.fit(CHEVRON, int(k), family, **options)
    assert fit.n_parameters == theirs["df"]
    assert fit.loglik == pytest.approx(theirs["loglik"], abs=1e-7)
    assert fit.bic == pytest.approx(-theirs["bic"], abs=1e-6)
    assert fit.noise_share == pytest.approx(share, abs=1e-5)
    np.testing.assert_allclose(fit.weights, start.weights, atol=2e-5)
    np.testing.assert_allclose(fit.means, start.means, rtol=1e-5)
    largest = np.abs(start.covariances).max()
    np.testing.assert_allclose(fit.covariances, start.covariances, atol=3e-5 * largest)
    rows = fit.noise_probability(CHEVRON[[0, 1, 1000]])
    assert rows == pytest.approx(theirs["noise_probability_rows_0_1_1000"], abs=1e-5)


@pytest.mark.parametrize("case", ["EII 1", "VVV 1", "EEI 2", "EEV 2", "VEV 2", "VVE 2"])
def test_never_below_mclusts_maxima(case):
    """From the default starts."""
    family, k = case.split()
    theirs = MCLUST["Mclust_best"] if case == "VVE 2" else MCLUST["fits"][case]
    fit = bayesgmm.fit(CHEVRON, int(k), family, noise=True, random_seed=1)
    assert fit.n_parameters == theirs["df"]
    assert fit.loglik > theirs["loglik"] - 1e-6
    if family == "VVE":  # common axes, which the projection onto the family makes exact
        assert fit.loglik == pytest.approx(-10525.428743, abs=1e-5)
        assert fit.icl == pytest.approx(-theirs["icl"], abs=0.2)


def test_finds_the_noise():
    """As mclust's best model: 51 of 350 rows called noise, 744 of 754 found."""
    fit = bayesgmm.fit(CHEVRON, 2, "VVE", noise=True, random_seed=1)
    called = pd.crosstab(np.array(MCLUST["classes"]), fit.predict(CHEVRON) == -1)
    assert called.loc["data", True] == MCLUST["Mclust_best"]["table"]["data"]["noise"]
    assert called.loc["noise", True] == MCLUST["Mclust_best"]["table"]["noise"]["noise"]
    assert "noise: share 0.7549" in repr(fit)


@pytest.mark.parametrize("family", ["VVV", "EEI", "VVE"])
def test_by_hand(rng, family):
    """Likelihood, responsibilities and criteria by SciPy; a fixed point; never a fall."""
    x, _ = simulate(rng, 150, 2, 2)
    x = np.vstack([x, rng.uniform(-12, 12, size=(50, 2))])
    fit = bayesgmm.fit(x, 2, family, noise=0.002, random_seed=0, tol=1e-12)
    parts = [
        (1 - fit.noise_share) * w * multivariate_normal(m, s).pdf(x)
        for w, m, s in zip(fit.weights, fit.means, fit.covariances, strict=True)
    ]
    joint = np.stack([*parts, np.full(len(x), fit.noise_share * 0.002)], axis=1)
    resp = joint / joint.sum(axis=1, keepdims=True)
    assert fit.loglik == pytest.approx(np.log(joint.sum(axis=1)).sum(), rel=1e-11)
    assert fit.predict_proba(x) == pytest.approx(resp, abs=1e-10)
    assert fit.score_samples(x).sum() == pytest.approx(fit.loglik, rel=1e-11)
    assert fit.noise_share == pytest.approx(resp[:, 2].mean(), abs=1e-9)
    means = resp[:, :2].T @ x / resp[:, :2].sum(axis=0)[:, None]
    assert fit.means == pytest.approx(means, abs=1e-3)
    assert fit.expected_rows == pytest.approx(resp[:, :2].sum(axis=0), abs=1e-3)
    assert fit.entropy == pytest.approx(-np.sum(resp * np.log(np.maximum(resp, 1e-300))), rel=1e-8)
    assert fit.log_map == pytest.approx(np.log(resp.max(axis=1)).sum(), rel=1e-8)
    assert fit.n_parameters == fit.family.n_parameters(2, 2) + 1
    assert np.diff(fit.history).min() > -1e-9


@pytest.mark.parametrize("seed", range(5))
def test_best_share_is_the_maximum(seed):
    """Against SciPy's search; at the ends where the maximum is there."""
    rng = np.random.default_rng(seed)
    logs, weights = rng.normal(0, 3, 60), rng.gamma(2.0, size=60)

    def loss(p):
        return -weights @ np.log((1 - p) * np.exp(logs) + p)

    found = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    assert best_share(logs, weights) == pytest.approx(found.x, abs=1e-6)
    assert best_share(np.full(9, 800.0), None) < 1e-12
    assert best_share(np.full(9, -800.0), None) > 1 - 1e-12


@pytest.mark.parametrize("n", [10, 10**5])
def test_best_share_near_an_end(n):
    """Closed form: n rows that are noise, or none, and one whose ratio is 2 n + 2 against them."""
    nearly, end = 1 / (2 * n + 1), np.full(n, 800.0)
    some = np.append(end, -np.log(2 * n + 2))
    for share in (best_share, lambda logs, w: best_share_of(moments_of(logs, np.ones(len(logs))))):
        assert share(some, None) == pytest.approx(nearly, rel=1e-9)
        assert 1 - share(-some, None) == pytest.approx(nearly, rel=1e-9)


@pytest.mark.parametrize("prior", [(1.0, 7.5), (4.0, 1.0), (3.0, 20.0)])
def test_best_share_under_a_prior(prior):
    """Against SciPy's search; from moments the same; at the prior's mode where rows say nothing."""
    rng = np.random.default_rng(1)
    logs, weights = rng.normal(0, 3, 60), rng.gamma(2.0, size=60)

    def loss(p):
        return -weights @ np.log((1 - p) * np.exp(logs) + p) - beta(*prior).logpdf(p)

    found = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    share = best_share(logs, weights, prior)
    assert share == pytest.approx(found.x, abs=1e-6)
    assert best_share_of(moments_of(logs, weights), prior) == pytest.approx(share, abs=1e-12)
    a, b = prior
    assert best_share(np.zeros(9), None, prior) == pytest.approx((a - 1) / (a + b - 2), abs=1e-12)
    assert log_prior_of_share(share, prior) == pytest.approx(beta(a, b).logpdf(share), rel=1e-12)


@pytest.mark.parametrize("family", ["VVV", "EEI"])
def test_a_prior_of_the_share_counts_rows(rng, family):
    """Beta(1 + m, 1) is worth m rows far from all others, which are noise: EM, standard errors."""
    x, _ = simulate(rng, 150, 2, 2)
    x = np.vstack([x, rng.uniform(-15, 15, size=(40, 2))])
    far = np.vstack([x, np.full((6, 2), 1e4)])
    prior = bayesgmm.Prior.from_data(x)
    known = replace(prior, noise_share=(7, 1))
    options = {"noise": 0.002, "tol": 1e-13}
    fit = bayesgmm.fit(x, 2, family, prior=known, random_seed=0, **options)
    other = bayesgmm.fit(far, 2, family, prior=prior, start=fit.mixture, **options)
    assert fit.noise_share == pytest.approx(other.noise_share, rel=1e-6)
    assert fit.means == pytest.approx(other.means, rel=1e-5)
    assert fit.weights == pytest.approx(other.weights, rel=1e-5)
    assert np.diff(fit.history).min() > -1e-9
    assert fit.loglik == pytest.approx(fit.score_samples(x).sum(), rel=1e-11)
    of_prior = prior.log_density(fit.mixture.parameters_about(np.zeros(2)), fit.family, np.zeros(2))
    of_share = beta(7, 1).logpdf(fit.noise_share)
    assert fit.objective == pytest.approx(fit.loglik + of_prior + of_share, rel=1e-11)
    errors, others = (
        bayesgmm.standard_errors(rows, of, method="information")
        for rows, of in ((x, fit), (far, other))
    )
    assert errors.noise_share == pytest.approx(others.noise_share, rel=1e-4)
    assert errors.means == pytest.approx(others.means, rel=1e-4)
    chunks = bayesgmm.in_chunks([x[:100], x[100:]])
    again = bayesgmm.fit(chunks, 2, family, prior=known, start=fit.mixture, **options)
    assert again.noise_share == pytest.approx(fit.noise_share, rel=1e-7)
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-9)
    assert again.objective == pytest.approx(fit.objective, rel=1e-9)


def test_a_sparse_prior_of_the_share_is_for_noise_only(rng):
    """Below 1 it has no maximum beside noise, and is nobody's business without."""
    x, _ = simulate(rng, 60, 2, 2)
    sparse = replace(bayesgmm.Prior.from_data(x), noise_share=(0.5, 1))
    plain = bayesgmm.fit(x, 2, prior=replace(sparse, noise_share=(1, 1)), random_seed=0)
    assert bayesgmm.fit(x, 2, prior=sparse, random_seed=0).loglik == plain.loglik
    for make in (bayesgmm.fit, bayesgmm.select):
        with pytest.raises(ValueError, match="noise_share is \\(0.5, 1"):
            make(x, 2, "VVV", prior=sparse, noise=True, random_seed=0)
    assert bayesgmm.select(x, 2, "VVV", prior=sparse, random_seed=0).best.loglik > -np.inf


def test_laws(rng):
    """Weights are repeated rows; one unit for all columns changes the density and nothing else."""
    x, _ = simulate(rng, 120, 2, 2)
    x = np.vstack([x, rng.uniform(-15, 15, size=(40, 2))])
    times = rng.integers(1, 3, size=160)
    start = bayesgmm.fit(x, 2, "VVV", noise=True, random_seed=0)
    one = bayesgmm.fit(x, 2, "VVV", noise=0.001, start=start.mixture, sample_weight=times)
    other = bayesgmm.fit(np.repeat(x, times, axis=0), 2, "VVV", noise=0.001, start=start.mixture)
    assert one.loglik == pytest.approx(other.loglik, abs=1e-5)
    assert one.entropy == pytest.approx(other.entropy, abs=1e-3)
    scaled = bayesgmm.fit(1e3 * x + 1e5, 2, "VVV", noise=True, random_seed=0)
    assert scaled.noise_share == pytest.approx(start.noise_share, abs=1e-4)
    assert scaled.loglik == pytest.approx(start.loglik - 320 * np.log(1e3), abs=1e-3)


def test_what_does_not_know_noise_refuses():
    """By name."""
    fit = bayesgmm.fit(CHEVRON, 2, "VVV", noise=True, random_seed=1)
    for use in (lambda: bayesgmm.GaussianMixture.from_fit(fit),):
        with pytest.raises(NotImplementedError, match="noise"):
            use()
    for bad in (False, -1.0, 0, "yes", np.inf):
        with pytest.raises((ValueError, DataError), match="noise"):
            bayesgmm.fit(CHEVRON, 2, noise=bad)


@pytest.mark.parametrize("density", [1.0, 1e300])
def test_a_density_that_no_component_reaches(density):
    """All rows are noise then: said so, with the cure. Few rows beside noise are fitted too."""
    x = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.warns(bayesgmm.DegenerateFitWarning, match=r"all rows are noise: .* lower density"):
        bayesgmm.fit(x, 2, noise=density, random_seed=0)
    few = np.random.default_rng(1).normal(size=(4, 6))
    fit = bayesgmm.fit(few, 1, "EII", noise=1e-12, random_seed=0)
    assert fit.loglik == pytest.approx(bayesgmm.fit(few, 1, "EII").loglik, abs=1e-4)


def test_grid_with_noise(tmp_path):
    """Rows with and without noise and one of nothing else; as mclust's; a file keeps them."""
    theirs = MCLUST["fits"]
    grid = bayesgmm.select(
        CHEVRON, [0, 1, 2], ["EII", "VVV"], noise=True, n_init=8, random_seed=1, progressbar=False
    )
    table = grid.table.set_index(["family", "K"])
    assert len(table) == 9
    for family, k in (("EII", 1), ("EII", 2), ("VVV", 1), ("VVV", 2)):
        row = table.loc[f"{family}+noise", k]
        assert row["loglik"] > theirs[f"{family} {k}"]["loglik"] - 1e-6
        assert row["loglik"] > table.loc[(family, k), "loglik"]
        assert row["n_parameters"] == table.loc[(family, k), "n_parameters"] + 2
    alone = table.loc["noise", 0]
    assert alone["loglik"] == pytest.approx(-1104 * np.log(MCLUST["hypvol"]), rel=1e-12)
    assert alone["n_parameters"] == 1
    assert table["bic"].is_monotonic_increasing
    assert grid.best.model_name == "VVV+noise" and grid.best is grid["VVV+noise", 2]
    grid.save(tmp_path / "grid.npz")
    again = bayesgmm.Selection.load(tmp_path / "grid.npz")
    assert again.table.equals(grid.table)
    assert again.best.noise_share == grid.best.noise_share
    assert "VVV+noise, K = 2" in bayesgmm.compare(grid).index
    for ks, noise in (([0], True), ([0, 1], None)):
        with pytest.raises(ValueError, match="n_components is"):
            bayesgmm.select(CHEVRON, ks, ["EII"], noise=noise, progressbar=False)
    assert grid.grid().columns.tolist() == ["EII", "VVV", "EII+noise", "VVV+noise"]
    classes = bayesgmm.classify(CHEVRON, grid, responsibilities=True)
    assert (classes["component"] == grid.best.predict(CHEVRON)).all()
    assert classes["r_noise"].to_numpy() == pytest.approx(grid.best.noise_probability(CHEVRON))


def test_only_noise_is_seen_as_such(rng):
    """Of uniform rows the model of no component has the lowest BIC, and the grid says so."""
    x = rng.uniform(size=(400, 2))
    grid = bayesgmm.select(
        x, [1, 2], ["EII"], noise=True, n_init=4, random_seed=0, progressbar=False
    )
    assert grid.table.iloc[0]["family"] == "noise" and "noise alone" in repr(grid)


def test_sensitivity_to_the_density(rng):
    """Of the same density nothing moves; of less, there is less noise."""
    x, _ = simulate(rng, 150, 2, 2)
    x = np.vstack([x, rng.uniform(-20, 20, size=(40, 2))])
    fit = bayesgmm.fit(x, 2, "EII", noise=True, random_seed=0)
    table = bayesgmm.noise_sensitivity(x, fit, [0.01, 1.0])
    assert table.loc[1.0, "moved"] == 0
    assert table.loc[1.0, "loglik"] == pytest.approx(fit.loglik, abs=1e-4)
    assert table.loc[1.0, "noise_rows"] == np.sum(fit.predict(x) == -1)
    assert table.loc[0.01, "noise_rows"] < table.loc[1.0, "noise_rows"]
    with pytest.raises(TypeError, match="noise=True"):
        bayesgmm.noise_sensitivity(x, bayesgmm.fit(x, 2, "EII", random_seed=0))


def test_memory_of_a_fit():
    """Of n rows what they count for is kept, and few other vectors of all rows."""
    n, d = 400_000, 3
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    x[: n // 2] += 6
    x[: n // 50] = rng.uniform(-6, 12, (n // 50, d))
    options = {"start": "k-means++", "n_init": 1, "random_seed": 1, "noise": True}
    bayesgmm.fit(x[:20_000], 2, max_iter=2, **options)  # compiled, as for all of them
    tracemalloc.start()
    bayesgmm.fit(x, 2, max_iter=2, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 8 * n  # five numbers a row


def test_many_rows_a_block_at_a_time():
    """The share by moments, the log-likelihood and what rows count for, as of all at once."""
    rng = np.random.default_rng(3)
    mixture = Mixture([0.3, 0.7], [[0.0, 0.0], [4.0, 4.0]], [np.eye(2)] * 2)
    x = np.vstack([mixture.sample(95_000, rng)[0], rng.uniform(-9, 9, (5_000, 2))])
    x[rng.random(x.shape) < 0.05] = np.nan
    for missing, rows in (("refuse", x[~np.isnan(x).any(axis=1)]), ("marginalize", x)):
        for weights in (None, rng.integers(0, 3, len(rows)).astype(float)):
            data = as_data(rows, sample_weight=weights, missing=missing)
            counted = np.ones(data.n) if data.counted is None else data.counted
            parameters = mixture.parameters_about(data.center)
            noisy = NoisyRows(data, read_noise(1e-3, data))
            share, step = noisy.best_share(parameters), noisy.e_step(parameters)
            of_components, of_noise = mixture.log_density(data), noisy.noise.of_rows(data)
            assert share == pytest.approx(best_share(of_components - of_noise, counted), abs=1e-13)
            both = np.logaddexp(np.log1p(-share) + of_components, np.log(share) + of_noise)
            assert step.loglik == pytest.approx(counted @ both, rel=1e-12)
            held = counted * (1 - np.exp(np.log(share) + of_noise - both))
            assert noisy.held(parameters).counted == pytest.approx(held, abs=1e-9)
