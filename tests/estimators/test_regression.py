"""Mixture regression against least squares, integration, and draws one by one."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import check_estimator

import bayesgmm
from bayesgmm import Regression
from tests.conftest import simulate
from tests.synthetic import make_posterior

GEYSER = bayesgmm.datasets.load_faithful()


def test_passes_scikit_learns_checks():
    """None is failed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(Regression([1, 2], ["EII", "VVV"]), on_skip=None, on_fail=None)
    assert len(found) > 50
    assert not {r["check_name"] for r in found if r["status"] == "failed"}


def test_one_component_is_least_squares(rng):
    """With its residual variance, divided by n, for an interval."""
    x, _ = simulate(rng, 80, 3, 2)
    fit = bayesgmm.fit(x, 1, "VVV")
    line = LinearRegression().fit(x[:, [0, 2]], x[:, 1])
    found = fit.regression(1, x[:, [0, 2]], ci_prob=0.95)
    expected = line.predict(x[:, [0, 2]])
    sd = np.sqrt(np.mean((x[:, 1] - expected) ** 2))
    assert found["mean"].to_numpy() == pytest.approx(expected, abs=1e-8)
    assert found["sd"].to_numpy() == pytest.approx(np.full(80, sd), rel=1e-8)
    assert (found["upper"] - found["mean"]).to_numpy() == pytest.approx(1.959963985 * sd, rel=1e-8)
    model = Regression(1, "VVV").fit(x[:, [0, 2]], x[:, 1])
    assert model.predict(x[:, [0, 2]]) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("family", ["VVV", "VVI", "EVE"])
def test_same_as_integrating_the_conditional_density(family):
    """Mean, sd and quantiles, between the components too, where the density has two peaks."""
    fit = bayesgmm.fit(GEYSER, 2, family, random_seed=1)
    table = fit.regression("waiting", pd.DataFrame({"eruptions": [2.0, 3.0, 4.5]}), ci_prob=0.8)
    y = np.linspace(0, 150, 300_001)
    for at, row in zip([2.0, 3.0, 4.5], table.itertuples(), strict=True):
        density = np.exp(fit.conditional({"eruptions": at}).log_density(y))
        share = density / density.sum()
        mean = share @ y
        assert row.mean == pytest.approx(mean, abs=1e-6)
        assert row.sd == pytest.approx(np.sqrt(share @ (y - mean) ** 2), abs=1e-6)
        assert np.interp([row.lower, row.upper], y, share.cumsum()) == pytest.approx(
            [0.1, 0.9],
            abs=1e-4,  # the steps of the grid
        )


def test_columns_by_name_and_given(rng):
    """A table may have more columns and any order; some columns alone may be given."""
    x, _ = simulate(rng, 100, 3, 2)
    table = pd.DataFrame(x, columns=list("abc"), index=range(100, 200))
    fit = bayesgmm.fit(table, 2, "VVV", random_seed=1)
    whole = fit.regression("b", table)
    assert whole.index.equals(table.index)
    assert whole.to_numpy() == pytest.approx(fit.regression(1, x[:, [0, 2]]).to_numpy())
    some = fit.regression("b", table, given=["c"])
    assert some.to_numpy() == pytest.approx(fit.regression("b", x[:, 2], given="c").to_numpy())
    by_hand = fit.marginal(["b", "c"]).conditional({"c": x[0, 2]})
    assert some["mean"].iloc[0] == pytest.approx(float(by_hand.weights @ by_hand.means[:, 0]))
    with pytest.raises(ValueError, match="'b' is the response"):
        fit.regression("b", table, given=["b"])
    with pytest.raises(ValueError, match="no column 'q'"):
        fit.regression("q", table)
    with pytest.raises(ValueError, match="ci_prob is 2"):
        fit.regression("b", table, ci_prob=2)


def test_far_from_zero(rng):
    """An offset of 1e6 changes nothing but the offset."""
    x, _ = simulate(rng, 200, 2, 2)
    shift = np.array([1e6, -3e6])
    one = bayesgmm.fit(x, 2, "VVV", random_seed=0).regression(0, x[:, 1])
    other = bayesgmm.fit(x + shift, 2, "VVV", random_seed=0).regression(0, x[:, 1] + shift[1])
    # 1e6 has 1e-10 of a unit left for the data, EM's tolerance leaves 1e-4 of a standard error
    assert other["mean"].to_numpy() - 1e6 == pytest.approx(one["mean"].to_numpy(), abs=1e-3)
    assert other["sd"].to_numpy() == pytest.approx(one["sd"].to_numpy(), abs=1e-3)


def test_posterior_is_the_mixture_of_its_draws():
    """The band as of conditionals one by one, the prediction as of all draws' components."""
    fit = bayesgmm.fit(GEYSER, 2, random_seed=1)
    posterior = make_posterior(GEYSER, fit)
    table = posterior.regression("waiting", [[2.0], [3.0]], n_draws=40, ci_prob=0.8)
    mixtures = posterior.mixture_draws.thinned(40)
    y = np.linspace(0, 150, 100_001)
    for at, row in zip([2.0, 3.0], table.itertuples(), strict=True):
        given = mixtures.conditional({"eruptions": at})
        mean = given.mean(0.8)
        assert row.mean == pytest.approx(float(mean["mean"][0]), rel=1e-9)
        band = float(mean["lower"][0]), float(mean["upper"][0])
        assert (row.mean_lower, row.mean_upper) == pytest.approx(band, rel=1e-9)
        density = np.mean([np.exp(m.log_density(y)) for m in given.mixtures()], axis=0)
        share = density / density.sum()
        assert row.sd == pytest.approx(np.sqrt(share @ (y - row.mean) ** 2), rel=1e-6)
        assert np.interp([row.lower, row.upper], y, share.cumsum()) == pytest.approx(
            [0.1, 0.9], abs=1e-3
        )


def test_estimator_and_fit_agree():
    """The estimator's fit is one of the table of both, in which the response has its name."""
    model = Regression(2, "VVV", random_state=0).fit(GEYSER[["eruptions"]], GEYSER["waiting"])
    assert model.fit_.names == ("eruptions", "waiting") and model.response_ == "waiting"
    found, ends = model.predict_interval(GEYSER[["eruptions"]], ci_prob=0.5)
    table = bayesgmm.fit(GEYSER, 2, "VVV", random_seed=0).regression("waiting", GEYSER, ci_prob=0.5)
    assert found == pytest.approx(table["mean"].to_numpy(), abs=1e-3)  # EM's tolerance
    assert ends == pytest.approx(table[["lower", "upper"]].to_numpy(), abs=1e-3)
    other = Regression(1).fit(pd.DataFrame({"y": [0.0, 1, 2, 5]}), [1.0, 0, 3, 4])
    assert other.response_ == "y_"


def test_rows_that_miss_values(rng):
    """The estimator fits and predicts what rows have; it says so in its tags; y has to be there."""
    x, _ = simulate(rng, 200, 3, 2)
    y = x[:, 1].copy()
    x = x[:, [0, 2]]
    x[rng.random(x.shape) < 0.2] = np.nan
    model = Regression([1, 2], "VVV", missing="marginalize", random_state=0).fit(x, y)
    found = model.predict(x)
    for i in np.flatnonzero(np.isnan(x).sum(axis=1) == 1)[:5]:
        [o] = np.nonzero(~np.isnan(x[i]))
        given = model.fit_.conditional({f"x{o[0]}": x[i, o[0]]}).marginal("y")
        assert found[i] == pytest.approx(given.weights @ given.means[:, 0], rel=1e-9)
    assert model.__sklearn_tags__().input_tags.allow_nan
    assert not Regression().__sklearn_tags__().input_tags.allow_nan
    with pytest.raises(ValueError, match="NaN.*missing='marginalize'"):
        Regression(1).fit(x, y)
    with pytest.raises(ValueError, match="y contains NaN"):
        Regression(1, missing="marginalize").fit(x, np.where(np.arange(200) == 3, np.nan, y))
