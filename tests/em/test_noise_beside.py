"""Noise together with missing values, with labels, and with both, in EM and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import bayesgmm
from tests.conftest import quick_with_one_seed, simulate

DENSITY = 0.002


@pytest.fixture
def table(rng):
    """Two groups and strays, 200 rows; a sixth of the values missing, one row without any."""
    x, classes = simulate(rng, 150, 2, 2)
    x = np.vstack([x, rng.uniform(-12, 12, size=(50, 2))])
    x[rng.random(x.shape) < 1 / 6] = np.nan
    x[7] = np.nan
    known = np.array([str(c) for c in classes] + [None] * 50, dtype=object)
    known[rng.random(200) < 0.7] = None
    return x, known


def by_hand(fit, x, allowed, beside):
    """The joint densities (n, K + 1) of each row with what it can be, by SciPy."""
    ranges = np.nanmax(x, axis=0) - np.nanmin(x, axis=0)
    out = np.zeros((len(x), fit.n_components + 1))
    for i, row in enumerate(x):
        o = ~np.isnan(row)
        for k in range(fit.n_components):
            density = 1.0
            if o.any():
                sigma = fit.covariances[k][np.ix_(o, o)]
                density = multivariate_normal(fit.means[k][o], sigma).pdf(row[o])
            out[i, k] = allowed[i, k] * (1 - fit.noise_share) * fit.weights[k] * density
        of_noise = fit.noise_density * np.prod(ranges[~o]) if o.any() else 1.0
        out[i, -1] = beside[i] * fit.noise_share * of_noise
    return out


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("family", ["VVV", "EEI"])
def test_by_hand(table, family, labelled):
    """Likelihood, share and M-step by SciPy, row by row; EM never falls."""
    x, known = table
    labels = known if labelled else None
    fit = bayesgmm.fit(
        x, 2, family, noise=DENSITY, labels=labels, missing="marginalize", random_seed=0, tol=1e-12
    )
    allowed, beside = np.ones((200, 2), dtype=bool), np.ones(200, dtype=bool)
    if labelled:
        unknown = np.array([name is None for name in known])
        allowed[~unknown] = np.array(fit.classes)[None] == known[~unknown, None]
        beside = unknown
    joint = by_hand(fit, x, allowed, beside)
    counted = ~np.isnan(x).all(axis=1) | ~allowed.all(axis=1)
    total = joint.sum(axis=1)
    assert fit.loglik == pytest.approx(np.log(total[counted]).sum(), rel=1e-11)
    resp = joint / total[:, None]
    assert fit.noise_share == pytest.approx(resp[counted, 2].mean(), abs=1e-9)
    of_components = resp[counted, :2].sum(axis=0)
    assert fit.expected_rows == pytest.approx(of_components, abs=1e-3)
    logs = np.log(np.where(resp > 0, resp, 1))[counted]
    assert fit.entropy == pytest.approx(-np.sum(resp[counted] * logs), rel=1e-8)
    assert np.diff(fit.history).min() > -1e-9
    assert fit.n == counted.sum()
    assert fit.n_parameters == fit.family.n_parameters(2, 2) + 1
    # new rows have no label
    free = by_hand(fit, x, np.ones((200, 2)), np.ones(200))
    assert fit.noise_probability(x) == pytest.approx(free[:, 2] / free.sum(axis=1), abs=1e-9)
    assert np.log(free.sum(axis=1)) == pytest.approx(fit.score_samples(x), abs=1e-9)


@quick_with_one_seed
def test_complete_rows_and_unknown_labels_change_nothing(rng):
    """No value missing: the fit of today; an empty row, and w = 2 for a row twice, likewise."""
    x, _ = simulate(rng, 120, 2, 2)
    x = np.vstack([x, rng.uniform(-15, 15, size=(40, 2))])
    ranges = np.ptp(x, axis=0)
    start = bayesgmm.fit(x, 2, "VVV", noise=float(1 / np.prod(ranges)), random_seed=0)
    options = {"noise": True, "missing": "marginalize", "start": start.mixture}
    same = bayesgmm.fit(x, 2, "VVV", **options)
    assert same.loglik == pytest.approx(start.loglik, abs=1e-6)
    with_empty = bayesgmm.fit(np.vstack([x, [[np.nan, np.nan]]]), 2, "VVV", **options)
    assert with_empty.loglik == pytest.approx(same.loglik, abs=1e-7)
    assert with_empty.n == same.n == 160
    x[rng.random(x.shape) < 0.1] = np.nan
    times = rng.integers(1, 3, size=160)
    one = bayesgmm.fit(x, 2, "VVV", sample_weight=times, **options)
    other = bayesgmm.fit(np.repeat(x, times, axis=0), 2, "VVV", **options)
    assert one.loglik == pytest.approx(other.loglik, abs=1e-5)
    assert one.noise_share == pytest.approx(other.noise_share, abs=1e-4)
    scaled = bayesgmm.fit(1e3 * x + 1e5, 2, "VVV", noise=True, missing="marginalize", random_seed=0)
    plain = bayesgmm.fit(x, 2, "VVV", noise=True, missing="marginalize", random_seed=0)
    log_unit = np.log(1e3) * np.sum(~np.isnan(x))
    assert scaled.loglik == pytest.approx(plain.loglik - log_unit, abs=1e-3)


@quick_with_one_seed
def test_predictions_files_and_grid(table, tmp_path):
    """Names of classes and "noise"; a file keeps all; every cell with noise and without."""
    x, known = table
    fit = bayesgmm.fit(x, 2, "VVV", noise=True, labels=known, missing="marginalize", random_seed=0)
    assert set(fit.predict(x)) == {"0", "1", "noise"}
    assert {"noise", "labels"} <= {name for name, _ in fit._lines()}
    numbered = np.array([-1 if name is None else int(name) for name in known])
    other = bayesgmm.fit(
        x, 2, "VVV", noise=True, labels=numbered, missing="marginalize", random_seed=0
    )
    assert other.loglik == fit.loglik
    assert set(other.predict(x).tolist()) == {0, 1, -1}
    fit.save(tmp_path / "fit.npz")
    again = bayesgmm.Fit.load(tmp_path / "fit.npz")
    assert type(again) is type(fit)
    np.testing.assert_array_equal(again.predict_proba(x), fit.predict_proba(x))
    assert again.ranges == fit.ranges and again.classes == fit.classes
    grid = bayesgmm.select(
        x, [1, 2, 3], ["EEE", "VVV"], noise=True, labels=known, missing="marginalize",
        n_init=4, random_seed=0, cv=5, progressbar=False,
    )  # fmt: skip
    assert grid.best.model_name.endswith("+noise")
    assert grid["VVV+noise", 2].loglik >= fit.loglik - 1e-4
    assert set(grid.cv) == set(grid.sound)


def test_cross_validation_by_hand(rng):
    """Folds fitted one by one from the whole fit; with labels, noise and neither."""
    from bayesgmm.em.starts.starts import generators

    x, classes = simulate(rng, 90, 2, 2)
    x = np.vstack([x, rng.uniform(-12, 12, size=(20, 2))])
    known = np.concatenate([np.where(rng.random(90) < 0.5, classes, -1), np.full(20, -1)])
    fold = generators(3, 1)[0].permutation(np.arange(110) % 4)
    for labels, noise in ((known, None), (None, 0.002), (known, 0.002)):
        given = {} if labels is None else {"labels": labels}
        grid = bayesgmm.select(
            x, 2, "EEE", noise=noise, **given, cv=4, random_seed=3, progressbar=False
        )
        name = "EEE" if noise is None else "EEE+noise"
        fit, scores = grid[name, 2], np.empty(110)
        for f in range(4):
            out = fold == f
            part = {} if labels is None else {"labels": labels[~out]}
            beside = {} if noise is None else {"noise": noise}
            own = bayesgmm.fit(x[~out], 2, "EEE", start=fit.mixture, **part, **beside)
            joint = np.stack([
                w * multivariate_normal(m, s).pdf(x[out])
                for w, m, s in zip(own.weights, own.means, own.covariances, strict=True)
            ], axis=1)  # fmt: skip
            allowed = np.ones((out.sum(), 2))
            if labels is not None:
                allowed = (labels[out, None] == np.arange(2)) | (labels[out, None] == -1)
            density = (joint * allowed).sum(axis=1)
            if noise is not None:
                free = allowed.all(axis=1)
                density = (1 - own.noise_share) * density + free * own.noise_share * noise
            scores[out] = np.log(density)
        assert grid.cv[name, 2][0] == pytest.approx(scores.mean(), abs=2e-5)
        assert grid.cv[name, 2][1] == pytest.approx(scores.std() / np.sqrt(110), rel=1e-3)


def test_strays_with_holes_are_found():
    """Strays of which some lack a value: no worse than by their other value alone."""
    rng = np.random.default_rng(5)
    x = np.vstack([rng.normal(0, 1, (200, 3)), rng.uniform(-30, 30, (60, 3))])
    stray = np.arange(260) >= 200
    x[rng.random(x.shape) < 0.15] = np.nan
    fit = bayesgmm.fit(x, 1, "VVV", noise=True, missing="marginalize", random_seed=0)
    called = fit.predict(x) == -1
    assert called[stray].mean() > 0.85 and called[~stray].mean() < 0.02
    assert np.abs(fit.means).max() < 0.3 and abs(fit.noise_share - 60 / 260) < 0.06


def test_one_gaussian_of_rows_with_labels_and_holes(table):
    """The default prior, and what starts are made from, do not depend on labels."""
    from bayesgmm.em.labels import read_labels
    from bayesgmm.kernels.e_step.e_step import evaluate
    from bayesgmm.mixture.imputation import completed

    x, known = table
    data = bayesgmm.fit(x, 1, missing="marginalize").mixture.rows(x)
    seen = read_labels(known, 200, 3).seen_in(data)
    ours, theirs = bayesgmm.Prior.from_data(seen), bayesgmm.Prior.from_data(data)
    assert ours.scale == pytest.approx(theirs.scale, rel=1e-6)
    assert completed(seen).values == pytest.approx(completed(data).values, abs=1e-4)
    with pytest.raises(ValueError, match="not for 2 components"):
        evaluate(seen, bayesgmm.fit(data, 2, random_seed=0).mixture.parameters_about(seen.center))


def test_imputed_by_hand(table):
    """Means of what is missing, by SciPy; draws have them, and noise fills the columns' ranges."""
    x, _ = table
    fit = bayesgmm.fit(x, 2, "VVV", noise=DENSITY, missing="marginalize", random_seed=0)
    joint = by_hand(fit, x, np.ones((200, 2)), np.ones(200))
    resp = joint / joint.sum(axis=1, keepdims=True)
    low, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
    expected = x.copy()
    for i in np.flatnonzero(np.isnan(x).any(axis=1)):
        m = np.isnan(x[i])
        means = np.empty((3, 2))
        means[2] = (low + high) / 2
        for k in range(2):
            mean, cov = fit.means[k], fit.covariances[k]
            slope = cov[np.ix_(m, ~m)] @ np.linalg.inv(cov[np.ix_(~m, ~m)])
            means[k, m] = mean[m] + slope @ (x[i, ~m] - mean[~m])
        expected[i, m] = resp[i] @ means[:, m]
    filled = fit.impute(x)
    np.testing.assert_allclose(filled, expected, atol=1e-9)
    draws = fit.impute(x, draws=400, random_seed=1)
    missing = np.isnan(x)
    error = draws.std(axis=0)[missing] / np.sqrt(400)
    assert (np.abs(draws.mean(axis=0) - filled)[missing] < 5 * error).all()
    assert (draws[:, ~missing] == x[~missing]).all()
    stray = np.argmax(np.where(missing.sum(axis=1) == 1, resp[:, 2], 0))
    column = int(np.flatnonzero(missing[stray])[0])
    assert resp[stray, 2] > 0.9
    spread = np.ptp(draws[:, stray, column])
    assert 0.9 < spread / (high - low)[column] <= 1.1


@pytest.mark.parametrize("noise", [True, DENSITY])
def test_parts_of_a_noisy_mixture(table, noise):
    """p(x) = p(x_o) p(x_m | x_o); the marginal is the integral; a file keeps all of it."""
    x, _ = table
    fit = bayesgmm.fit(x, 2, "VVV", noise=noise, missing="marginalize", random_seed=0)
    x = x[~np.isnan(x).any(axis=1)]
    first = fit.marginal("x0")
    for row in x[:5]:
        rest = fit.conditional({"x0": row[0]})
        whole = first.log_density(row[:1])[0] + rest.log_density(row[1:])[0]
        assert fit.score_samples(row[None])[0] == pytest.approx(whole, abs=1e-10)
    low, high = fit.noise.ends[:, 1]
    y = np.linspace(low, high, 20_001)
    points = np.column_stack([np.full(len(y), 1.0), y])
    integral = np.trapezoid(np.exp(fit.score_samples(points)), y)
    beyond = fit.mixture.conditional({"x0": 1.0}).cdf([low, high]) @ [1, -1] + 1
    of_components = np.exp(fit.mixture.marginal("x0").log_density([[1.0]])[0])
    integral += beyond * (1 - fit.noise_share) * of_components
    assert np.exp(first.log_density([[1.0]])[0]) == pytest.approx(integral, rel=1e-6)


def test_drawn_rows(rng, tmp_path):
    """Strays in their share, -1, uniform in the box; the rest is the mixture's; by the file too."""
    x, _ = simulate(rng, 120, 2, 2)
    x = np.vstack([x @ [[1, 0.9], [0, 0.2]], rng.uniform(-9, 9, size=(40, 2)) @ [[1, 1], [0, 0.2]]])
    fit = bayesgmm.fit(x, 2, noise=True, random_seed=0)
    assert not fit.noise.box.along_columns
    rows, component = fit.sample(40_000, random_seed=1)
    strays = component == -1
    error = np.sqrt(fit.noise_share * (1 - fit.noise_share) / 40_000)
    assert strays.mean() == pytest.approx(fit.noise_share, abs=4 * error)
    along = (rows[strays] - fit.noise.box.center) @ fit.noise.box.axes.T
    at = (along - fit.noise.box.low) / (fit.noise.box.high - fit.noise.box.low)
    assert np.ptp(at, axis=0) == pytest.approx(1, abs=0.01)
    n = strays.sum()
    assert at.mean(axis=0) == pytest.approx(0.5, abs=4 / np.sqrt(12 * n))
    for k in range(2):
        mine = rows[component == k]
        error = np.sqrt(np.diag(fit.covariances[k]) / len(mine))
        assert (np.abs(mine.mean(axis=0) - fit.means[k]) < 4.5 * error).all()
    fit.save(tmp_path / "fit.npz")
    again = bayesgmm.Fit.load(tmp_path / "fit.npz")
    np.testing.assert_array_equal(
        again.sample(50, random_seed=2)[0], fit.sample(50, random_seed=2)[0]
    )
    with pytest.raises(NotImplementedError, match="principal axes"):
        fit.marginal(0)
    given = bayesgmm.fit(x, 2, noise=0.01, random_seed=0)
    with pytest.raises(NotImplementedError, match="where it ends"):
        given.sample(5)
    with pytest.raises(NotImplementedError, match="principal axes"):
        fit.regression(0, x[:, 1])


def test_regression_beside_noise():
    """Mean, sd and ends of one column given the other are those of its conditional's draws."""
    rng = np.random.default_rng(1)
    x, _ = simulate(rng, 120, 2, 2)
    x = np.vstack([x, rng.uniform(-12, 12, size=(40, 2))])
    fit = bayesgmm.fit(x, 2, noise=True, missing="marginalize", random_seed=0)
    at = np.array([x[0, 0], 11.0, np.nan])
    found = fit.regression("x1", at)
    n = 40_000
    for row, value in zip(found.itertuples(), at, strict=True):
        other = fit.marginal("x1") if np.isnan(value) else fit.conditional({"x0": value})
        draws = other.sample(n, random_seed=2)[0][:, 0]
        assert row.mean == pytest.approx(draws.mean(), abs=4.5 * row.sd / np.sqrt(n))
        assert row.sd == pytest.approx(draws.std(), rel=0.03)
        for end, p in ((row.lower, 0.055), (row.upper, 0.945)):
            error = np.sqrt(p * (1 - p) / n)
            assert np.mean(draws < end) == pytest.approx(p, abs=4.5 * error)


def test_sensitivity_counts_what_is_known(table):
    """Rows with a class are no noise; weight 2 is a row twice; other rows are refused."""
    x, known = table
    times = np.arange(len(x)) % 3
    options = {"missing": "marginalize", "noise": DENSITY}
    fit = bayesgmm.fit(x, 2, labels=known, sample_weight=times, random_seed=0, **options)
    found = bayesgmm.noise_sensitivity(x, fit, [1.0, 20.0], sample_weight=times)
    repeated, of_all = np.repeat(x, times, axis=0), np.repeat(known, times)
    again = bayesgmm.fit(repeated, 2, labels=of_all, start=fit.mixture, **options)
    expected = bayesgmm.noise_sensitivity(repeated, again, [1.0, 20.0])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for factor in (1.0, 20.0):
        other = bayesgmm.fit(
            repeated, 2, labels=of_all, start=again.mixture, missing="marginalize",
            noise=factor * DENSITY,
        )  # fmt: skip
        free = np.array([name is None for name in of_all])
        strays = other.noise_probability(repeated) > other.predict_proba(repeated)[:, :2].max(1)
        assert expected.loc[factor, "noise_rows"] == np.sum(strays & free)
    assert np.sum(strays & ~free) > 0  # which their values alone would call noise
    with pytest.raises(bayesgmm.DataError, match="not the same data"):
        bayesgmm.noise_sensitivity(x, fit)
