"""Posteriors of rows with missing values: imputations, checks and regression."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy.stats import ks_2samp

import bayesgmm
from bayesgmm import plots
from bayesgmm.mixture.regression import regression
from tests.synthetic import make_posterior

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@pytest.fixture(scope="module")
def rows():
    """Iris without a tenth of its values, and one row without any."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    x.columns = NAMES
    x = x.mask(np.random.default_rng(1).random(x.shape) < 0.1)
    x.iloc[5] = np.nan
    return x


@pytest.fixture(scope="module", params=["VVV", "VVI"])
def posterior(rows, request):
    fit = bayesgmm.fit(rows, 3, request.param, missing="marginalize", random_seed=1)
    return make_posterior(rows, fit, n_draws=500)


def test_imputations_are_draws_of_the_predictive_distribution(posterior, rows):
    """Of rows that miss one value: NumPy's of the conditional mixtures; what is there stays."""
    tables = posterior.impute(draws=2000, random_seed=2)
    observed = rows.to_numpy()
    seen = ~np.isnan(observed)
    assert np.all(tables[:, seen] == observed[seen])
    assert not np.isnan(tables).any()
    lacking = np.flatnonzero((~seen).sum(axis=1) == 1)
    for i in lacking[:6]:
        j = int(np.flatnonzero(~seen[i])[0])
        given = {NAMES[c]: observed[i, c] for c in range(4) if c != j}
        value = posterior.conditional(given).draws  # 2000 mixtures of one column
        sd = np.sqrt(value.covariances.reshape(value.means.shape[:2]))
        component = np.random.default_rng(i).random((2000, 1)) > value.weights.cumsum(axis=1)
        k = (np.arange(2000), component.sum(axis=1))
        theirs = np.random.default_rng(i).normal(value.means[..., 0][k], sd[k])
        assert ks_2samp(tables[:, i, j], theirs).pvalue > 1e-4


def test_means_of_missing_values(posterior, rows):
    """The mean of many imputations, and of the regression on what a row has."""
    mean = posterior.impute()
    tables = posterior.impute(draws=2000, random_seed=3)
    missing = np.isnan(rows.to_numpy())
    error = tables.std(axis=0)[missing] / np.sqrt(2000)
    z = (tables.mean(axis=0) - mean)[missing] / error
    assert np.abs(z).max() < 4.5
    for j, name in enumerate(NAMES):
        at = np.flatnonzero(missing[:, j])
        others = rows.drop(columns=name).iloc[at]
        table = posterior.regression(name, others)
        np.testing.assert_allclose(table["mean"], mean[at, j], rtol=1e-8)
        spread = tables[:, at, j].std(axis=0)
        np.testing.assert_allclose(table["sd"], spread, rtol=0.12)  # of 2000 draws


def test_regression_on_what_a_row_has(rows):
    """Each row by a regression on its own columns; one that has none by the marginal."""
    fit = bayesgmm.fit(rows, 3, "VVV", missing="marginalize", random_seed=1)
    found = fit.regression("petal_width", rows[NAMES[:3]], ci_prob=0.8)
    for i in (0, 5, *np.flatnonzero(rows[NAMES[:3]].isna().any(axis=1))[:8]):
        own = [n for n in NAMES[:3] if not np.isnan(rows.iloc[i][n])]
        if not own:
            alone = fit.marginal("petal_width")
            assert found["mean"][i] == pytest.approx(alone.weights @ alone.means[:, 0], rel=1e-12)
            continue
        alone = regression(fit.mixture, "petal_width", rows[own].iloc[[i]], own, 0.8)
        np.testing.assert_allclose(found.iloc[i], alone.iloc[0], rtol=1e-9)


def test_checks_of_rows_with_holes(posterior, rows):
    """Statistics of completed rows, which keep what is there, against those of new rows."""
    table = posterior.predictive_check(n_draws=200, random_seed=1)
    filled = posterior.impute(draws=400, random_seed=2)[:, rows.notna().any(axis=1).to_numpy()]
    for name, values in (("mean", filled.mean(axis=1)), ("sd", filled.std(axis=1))):
        error = values.std(axis=0) / np.sqrt(200)
        assert np.all(np.abs(table.loc[name]["observed"] - values.mean(axis=0)) < 5 * error)
    assert (table.loc["mean"]["p_value"] > 0.05).all()
    seen = []
    posterior.predictive_check({"rows": lambda x: seen.append(x) or x.sum()}, n_draws=8)
    counted = rows.dropna(how="all").to_numpy()
    there = ~np.isnan(counted)
    completed = [x for x in seen if np.array_equal(x[there], counted[there])]
    assert len(seen) > 16 and len(completed) >= 8
    assert not any(np.isnan(x).any() for x in seen)


@pytest.mark.parametrize("seed", range(3))
def test_values_missing_at_random_are_no_misfit(seed):
    """A column that mostly lacks where the other is large: unfilled its mean is a misfit.

    Where the model is wrong, the check still says so.
    """
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], size=400)
    hidden = rng.random(400) < 1 / (1 + np.exp(-4 * x[:, 0]))
    for skewed in (False, True):
        y = x.copy()
        if skewed:
            y[:, 0] = np.exp(1.2 * y[:, 0])
        y[hidden, 1] = np.nan
        fit = bayesgmm.fit(y, 1, "VVV", missing="marginalize")
        found = make_posterior(y, fit, n_draws=100).predictive_check(random_seed=seed)["p_value"]
        if skewed:
            assert found["skewness"]["x0"] == 0
        else:
            assert np.abs(np.nanmean(y[:, 1])) > 5 / np.sqrt(200)  # far from 0, the truth
            assert found["mean"].min() > 0.2 and found["sd"].min() > 0.2
            assert found.min() > 0.005


def test_pictures_say_what_they_do_not_show(posterior, rows):
    """Rows with both columns are drawn; a note counts the others."""
    fit = posterior.fit
    both = rows[["petal_length", "petal_width"]].notna().all(axis=1)
    figure = plots.plot_density(rows, fit, columns=["petal_length", "petal_width"])
    [points] = [c for c in figure.axes[0].collections if len(c.get_offsets()) == len(rows)]
    assert np.sum(~np.ma.getmaskarray(points.get_offsets()).any(axis=1)) == both.sum()
    assert figure.get_supxlabel() == (
        f"{np.sum(~both)} of 150 rows lack a value here, and are not shown."
    )
    assert "rows, which lack a value there" in plots.plot_classification(rows, fit).get_supxlabel()
    for function in (plots.plot_uncertainty, plots.plot_responsibilities, plots.plot_profiles):
        function(rows, fit).savefig(io.BytesIO())
    plots.plot_responsibilities(None, posterior)
    plots.plot_coclustering(posterior)
    plots.plot_density(rows, fit, posterior, columns="sepal_width")
    tree = posterior.with_predictive(n_draws=8, random_seed=1).tree
    new = tree["posterior_predictive"]["y"].to_numpy()
    np.testing.assert_array_equal(np.isnan(new), np.broadcast_to(rows.isna(), new.shape))
    plots.plot_predictive(posterior, n_draws=8, random_seed=1)
