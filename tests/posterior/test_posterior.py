"""What a posterior says of its draws, without sampling: the draws are made up."""

from __future__ import annotations

import json

import arviz as az
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm.data.data import as_data
from bayesgmm.kernels.e_step.e_step import evaluate
from bayesgmm.mixture.evaluation import occupied
from bayesgmm.posterior.diagnostics.chain_modes import ChainModes
from bayesgmm.posterior.diagnostics.diagnostics import Diagnostics, Quantity, diagnose
from bayesgmm.posterior.posterior import Posterior


def by_scipy(posterior, rows):
    """Log joint density of rows and components, (draws, n, K)."""
    d = posterior.draws
    sigma = (
        posterior.tree["posterior"]["Sigma"]
        .to_numpy()
        .reshape(-1, *posterior.fit.covariances.shape)
    )
    return np.array(
        [
            np.column_stack(
                [
                    np.log(d.weights[s, k])
                    + multivariate_normal(d.means[s, k], sigma[s, k]).logpdf(rows)
                    for k in range(d.n_components)
                ]
            )
            for s in range(len(d))
        ]
    )


def test_responsibilities_are_posterior_means(posterior, x):
    """The mean over draws of each draw's responsibilities, by SciPy's densities."""
    rows = x.to_numpy()[:40]
    logs = by_scipy(posterior, rows)
    expected = np.exp(logs - logsumexp(logs, axis=2, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(posterior.predict_proba(rows), expected, atol=1e-12)
    np.testing.assert_allclose(posterior.predict_proba().sum(axis=1), 1, atol=1e-12)


def test_log_density_and_band(posterior, x):
    """Log of the mean density, and quantiles over the draws of its log."""
    rows = x.to_numpy()[:40]
    logs = logsumexp(by_scipy(posterior, rows), axis=2)
    table = posterior.log_density(rows, ci_prob=0.8)
    expected = logsumexp(logs, axis=0) - np.log(len(logs))
    np.testing.assert_allclose(table["log_density"], expected, rtol=1e-12)
    np.testing.assert_allclose(table["lower"], np.quantile(logs, 0.1, axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["upper"], np.quantile(logs, 0.9, axis=0), rtol=1e-12)
    assert (posterior.log_density(rows, n_draws=10)["upper"] >= table["lower"].min()).any()
    with pytest.raises(ValueError, match="ci_prob is 1.5"):
        posterior.log_density(ci_prob=1.5)


def test_loo_is_arviz_own(posterior):
    """Our blocks give what ArviZ gives from a stored log-likelihood."""
    logs = logsumexp(by_scipy(posterior, posterior.data.values), axis=2)
    values = logs.reshape(4, -1, logs.shape[1])
    tree = posterior.tree.copy()
    tree["log_likelihood"] = az.from_dict({"log_likelihood": {"y": values}})["log_likelihood"]
    theirs = az.loo(tree, reff=posterior_efficiency(posterior), pointwise=True)
    ours = posterior.loo()
    assert ours.elpd == pytest.approx(theirs.elpd, abs=1e-8)
    assert ours.se == pytest.approx(theirs.se, rel=1e-8)
    assert ours.p == pytest.approx(theirs.p, abs=1e-8)
    np.testing.assert_allclose(ours.pareto_k, theirs.pareto_k, atol=1e-8)
    assert posterior.mean_loglik == pytest.approx(logs.sum(axis=1).mean(), rel=1e-12)


def posterior_efficiency(posterior):
    from bayesgmm.posterior.diagnostics.diagnostics import relative_efficiency

    return relative_efficiency(posterior.tree["posterior"].to_dataset(), posterior.fit)


def test_blocks_do_not_change_loo(posterior, monkeypatch):
    """However few rows fit in a block, the result is the same."""
    from bayesgmm.posterior.diagnostics import loo

    whole = posterior.loo()
    monkeypatch.setattr("bayesgmm.data.blocks.MEMORY", 7 * len(posterior.draws))
    parts = loo.psis_loo(posterior.data, posterior.draws, 4, posterior_efficiency(posterior))
    assert parts.elpd == pytest.approx(whole.elpd, rel=1e-12)


def test_arviz_reads_the_tree(posterior):
    """Any az function takes the tree; comparison takes our LOO."""
    table = az.summary(posterior.tree, var_names=["pi", "mu"])
    assert "mu[1, waiting]" in table.index
    assert az.ess(posterior.tree)["Sigma"].sizes["feature_bis"] == 2
    ranking = az.compare({"a": posterior.loo(), "b": posterior.loo()})
    assert set(ranking.index) == {"a", "b"}


def test_summary_matches_the_draws(posterior):
    """Means of the summary are means of the draws."""
    table = posterior.summary()
    pi = posterior.tree["posterior"]["pi"].mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(table.loc[["pi[0]", "pi[1]"], "mean"].astype(float), pi)


def test_occupied_components_are_counted(posterior, x):
    """On average the sum over components of 1 - prod_i (1 - r_ik); every row in one component."""
    rows = as_data(x.head(4))
    draws = posterior.draws
    numbers = occupied(rows, draws, np.random.default_rng(1))
    resp = [evaluate(rows, p, responsibilities=True)[1] for p in draws.parameters(rows.center)]
    held = 1 - np.prod(1 - np.array(resp), axis=1)
    error = np.sqrt(np.sum(held * (1 - held)) * draws.n_components) / len(draws)
    assert abs(numbers.mean() - held.sum(axis=1).mean()) < 5 * error + 1e-12
    np.testing.assert_array_equal(posterior.occupied(random_seed=0), 2)
    assert len(posterior.occupied(n_draws=7)) == 7


def test_save_and_load_keep_everything(posterior, tmp_path):
    """A saved posterior comes back bit for bit, with its fit and prior, without pickle."""
    path = tmp_path / "posterior.nc"
    posterior.save(path)
    back = Posterior.load(path)
    for name in ("pi", "mu", "Sigma"):
        np.testing.assert_array_equal(
            back.tree["posterior"][name], posterior.tree["posterior"][name]
        )
    np.testing.assert_array_equal(back.fit.means, posterior.fit.means)
    assert back.fit.bic == posterior.fit.bic
    assert back.fit.history == posterior.fit.history
    assert json.dumps(back.prior.to_dict()) == json.dumps(posterior.prior.to_dict())
    assert back.loo().elpd == posterior.loo().elpd
    assert repr(back) == repr(posterior)


def test_loading_something_else_says_so(tmp_path):
    """A missing, foreign or broken file gets a clear error."""
    with pytest.raises(FileNotFoundError, match=r"nothing\.nc"):
        Posterior.load(tmp_path / "nothing.nc")
    (tmp_path / "text.nc").write_text("not netcdf")
    import xarray as xr

    tree = xr.DataTree(xr.Dataset({"a": 1}))
    tree.to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    for name in ("text.nc", "other.nc"):
        with pytest.raises(
            ValueError, match="is not a posterior saved by this version of bayesgmm"
        ):
            Posterior.load(tmp_path / name)
    with pytest.raises(ValueError, match="the tree has format None, not"):
        Posterior.from_tree(tree)


def test_repr_names_the_essentials(posterior):
    """Text and HTML say family, chains, convergence and labels."""
    for text in (repr(posterior), posterior._repr_html_()):
        assert posterior.fit.family.name in text
        assert "r-hat" in text
        assert "relabelled" in text


def diagnose_with(posterior, **changes):
    import xarray as xr

    stats = posterior.tree["sample_stats"].to_dataset()
    stats = stats.assign({k: (("chain", "draw"), v) for k, v in changes.items()})
    assert isinstance(stats, xr.Dataset)
    return diagnose(posterior.tree["posterior"].to_dataset(), stats, posterior.fit)


def test_each_problem_is_reported_with_advice(posterior):
    """Every check can fail, and says what to do."""
    size = posterior.tree["sample_stats"]["lp"].shape
    flag = np.zeros(size, dtype=bool)
    flag[0, :3] = True
    assert diagnose_with(posterior).divergences == 0
    assert "3 divergent" in " ".join(diagnose_with(posterior, diverging=flag).problems)
    assert "tree depth" in " ".join(diagnose_with(posterior, reached_max_treedepth=flag).problems)
    apart = np.random.default_rng(0).standard_normal(size) + np.arange(size[0])[:, None]
    assert "R-hat of log posterior is" in " ".join(diagnose_with(posterior, lp=apart).problems)
    walk = np.cumsum(0.01 * np.random.default_rng(0).standard_normal(size), axis=1)
    assert "E-FMI" in " ".join(diagnose_with(posterior, energy=walk).problems)
    numbers = tuple(Quantity(n, n == "lp", 1.0, 2000, 2000) for n in ("lp", "pi[0]"))
    modes = ChainModes(((0, 1, 2, 3),), (0.0,))
    assert Diagnostics(4, 1000, numbers, modes, {}).problems == []


def test_rhat_and_ess_are_arviz_own(posterior):
    """The worst values over all elements are those of az.summary."""
    with np.errstate(invalid="ignore"):  # elements that are always 0
        table = az.summary(posterior.tree, var_names=["pi", "mu", "Sigma"], round_to="none")
    table = table[table["sd"].astype(float) > 0]
    d = posterior.diagnostics
    assert d.rhat == pytest.approx(table["r_hat"].astype(float).max(), abs=1e-12)
    lowest = table["ess_bulk"].astype(float).min()
    assert d.ess_bulk <= lowest + 1e-9
