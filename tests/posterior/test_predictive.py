"""New data from a posterior: their distribution, and checks against the observed rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest, norm, skew

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.mixture.draws import Draws
from bayesgmm.posterior.posterior import Posterior
from bayesgmm.posterior.summaries import predictive_checks as checks
from bayesgmm.posterior.summaries.mixture_draws import MixtureDraws
from tests.synthetic import make_posterior


@pytest.fixture(scope="module", params=["VVV", "VVI"])
def posterior(x, request):
    return make_posterior(x, bayesgmm.fit(x, 2, request.param, random_seed=0))


def same_draws(mixture, n_draws):
    """A posterior that knows the parameters: every draw is this mixture."""
    arrays = (mixture.weights, mixture.means, mixture.covariances)
    return MixtureDraws(
        Draws(*(np.repeat(a[None], n_draws, axis=0) for a in arrays)),
        mixture.names,
        np.arange(1),
        np.arange(n_draws),
    )


def test_new_rows_are_the_mixtures(posterior, rng):
    """Every column of all new rows together has the distribution function of the draws' mean."""
    new = posterior.predictive(40, n_draws=100, random_seed=rng)["y"]
    assert new.dims == ("chain", "draw", "obs_id", "feature")
    assert new.shape == (4, 25, 40, 2)
    d = posterior.mixture_draws.thinned(100).to_dataset()
    for j, name in enumerate(posterior.fit.names):
        mu = d["mu"].sel(feature=name)
        sd = np.sqrt(d["Sigma"].sel(feature=name, feature_bis=name))

        def cdf(values, mu=mu, sd=sd):
            parts = norm.cdf(values[:, None, None, None], mu, sd) * d["pi"].to_numpy()
            return parts.sum(axis=3).mean(axis=(1, 2))

        assert kstest(new[..., j].to_numpy().ravel(), cdf).pvalue > 1e-3


def test_sizes_seeds_and_bounds(posterior, x):
    """As many rows as the data; the same seed, the same rows; no array beyond 1 GiB."""
    new = posterior.predictive(n_draws=4, random_seed=1)
    assert new["y"].shape == (4, 1, len(x), 2)
    again = posterior.predictive(n_draws=4, random_seed=1)
    np.testing.assert_array_equal(new["y"], again["y"])
    with pytest.raises(ValueError, match=r"400 data sets of 1000000 rows .* GiB"):
        posterior.predictive(10**6)
    with pytest.raises(ValueError, match="n_rows is 0"):
        posterior.predictive(0)
    with pytest.raises(ValueError, match="n_draws is 2"):
        posterior.predictive(n_draws=2)


def test_group_for_arviz(posterior, tmp_path):
    """ArviZ's predictive checks take the tree, before and after a file; the first is unchanged."""
    import arviz as az

    with_new = posterior.with_predictive(n_draws=40, random_seed=1)
    assert "posterior_predictive" not in posterior.tree
    with_new.save(tmp_path / "posterior.nc")
    back = Posterior.load(tmp_path / "posterior.nc")
    np.testing.assert_array_equal(
        back.tree["posterior_predictive"]["y"], with_new.tree["posterior_predictive"]["y"]
    )
    az.plot_ppc_dist(back.tree, num_samples=20, backend="none")


def test_table_is_what_the_new_data_say(posterior, x):
    """Observed values, means, intervals and p-values, from the same new data by hand."""
    table = posterior.predictive_check(n_draws=60, ci_prob=0.8, random_seed=3)
    new = posterior.predictive(n_draws=60, random_seed=3)["y"].to_numpy().reshape(60, len(x), 2)
    rows = x.to_numpy()
    log_density = [posterior.fit.mixture.log_density(y).max() for y in new]
    by_hand = {
        ("mean", "waiting"): (rows[:, 1].mean(), new[:, :, 1].mean(axis=1)),
        ("skewness", "eruptions"): (skew(rows[:, 0]), skew(new[:, :, 0], axis=1)),
        ("quantile 0.95", "eruptions"): (
            np.quantile(rows[:, 0], 0.95),
            np.quantile(new[:, :, 0], 0.95, axis=1),
        ),
        ("correlation", "eruptions, waiting"): (
            np.corrcoef(rows.T)[0, 1],
            np.array([np.corrcoef(y.T)[0, 1] for y in new]),
        ),
        ("log density", "max"): (
            posterior.fit.mixture.log_density(rows).max(),
            np.array(log_density),
        ),
    }
    for which, (observed, values) in by_hand.items():
        row = table.loc[which]
        assert row["observed"] == pytest.approx(observed)
        assert row["mean"] == pytest.approx(values.mean())
        assert row["sd"] == pytest.approx(values.std())
        assert row["lower"] == pytest.approx(np.quantile(values, 0.1))
        assert row["upper"] == pytest.approx(np.quantile(values, 0.9))
        tail = min(np.mean(values >= observed), np.mean(values <= observed))
        assert row["p_value"] == pytest.approx(min(1, 2 * tail))


def test_p_values_are_uniform_where_the_parameters_are_known(rng):
    """Data from the mixture that makes the new data: p-values of their skewness are uniform."""
    mixture = bayesgmm.Mixture([0.3, 0.7], [[0.0], [3.0]], [[[1.0]], [[2.0]]])
    mixtures = same_draws(mixture, 49)
    statistics = checks.chosen(["skewness"], mixture)
    p = [
        checks.check_table(
            as_data(mixture.sample(30, rng)[0]), mixtures, statistics, 0.9, rng
        )["p_value"].iloc[0]
        for _ in range(40)
    ]  # fmt: skip
    assert kstest(p, "uniform").pvalue > 1e-3


def test_a_wrong_model_is_noticed():
    """Heavy tails under one normal: kurtosis and extremes are not reproduced, mean and sd are."""
    x = np.random.default_rng(0).standard_t(2, size=(300, 1))
    table = make_posterior(x, bayesgmm.fit(x, 1)).predictive_check(random_seed=0)["p_value"]
    assert table["kurtosis"].item() == 0
    assert table["log density"]["min"] == 0
    assert table["mean"].item() > 0.2


def test_own_statistics(posterior):
    """Numbers, arrays over columns and any others are named in the table."""
    table = posterior.predictive_check(
        {
            "long": lambda x: np.mean(x[:, 0] > 3),
            "range": lambda x: np.ptp(x, axis=0),
            "corners": lambda x: np.array([x[:, 0].min(), x[:, 1].min(), x.max()]),
        },
        n_draws=8,
    )
    assert table.index.tolist() == [
        ("long", ""), ("range", "eruptions"), ("range", "waiting"),
        ("corners", "0"), ("corners", "1"), ("corners", "2"),
    ]  # fmt: skip
    assert posterior.predictive_check("median", n_draws=4).shape == (2, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"statistics": "mode"}, "no statistic 'mode': choose from mean, sd"),
        ({"statistics": {"a": 1.0}}, "statistic 'a' is 1.0: pass a function"),
        ({"statistics": {"a": lambda x: "b"}}, "the function gave 'b' for a"),
        ({"statistics": {"a": lambda x: np.nan}}, "a is NaN"),
        ({"statistics": []}, "name at least one"),
        ({"statistics": {}}, "name at least one"),
        ({"ci_prob": 1.0}, "ci_prob is 1.0"),
        ({"n_draws": 0}, "n_draws is 0"),
    ],
)
def test_bad_checks_are_named(posterior, arguments, message):
    with pytest.raises(ValueError, match=message):
        posterior.predictive_check(**({"n_draws": 4} | arguments))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["VVV", "EEI"])
def test_pymc_draws_the_same_data(x, family):
    """New rows of PyMC's own model from the same draws have the same distribution."""
    import pymc as pm

    fit = bayesgmm.fit(x, 2, family, random_seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
        posterior = bayesgmm.refine(
            x, fit, draws=100, tune=100, chains=2, random_seed=1, progressbar=False
        )
    model = bayesgmm.build_model(x, fit, posterior.prior)
    theirs = pm.sample_posterior_predictive(
        posterior.tree, model=model, random_seed=2, progressbar=False
    )["posterior_predictive"]["y"]
    ours = posterior.predictive(random_seed=3)["y"]
    assert ours.dims == theirs.dims and ours.shape == theirs.shape
    for function in (np.asarray, lambda y: y.prod("feature")):
        a, b = (np.asarray(function(y)).reshape(200 * len(x), -1) for y in (ours, theirs))
        for j in range(a.shape[1]):
            assert ks_2samp(a[::10, j], b[::10, j]).pvalue > 1e-3
