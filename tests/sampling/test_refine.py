"""Refinement end to end: published posteriors, both samplers, labels, warnings, silence."""

from __future__ import annotations

import warnings

import arviz as az
import numpy as np
import pytest

import bayesgmm
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.prior import Prior
from bayesgmm.posterior.posterior import Posterior
from bayesgmm.utils.errors import ConvergenceAdvice, DataError
from tests.faithful import POSTERIOR, PRIOR, short_first


@pytest.fixture(scope="module")
def posterior(x):
    return bayesgmm.refine(
        x, short_first(x), prior=PRIOR, draws=2500, random_seed=11, progressbar=False
    )


def test_old_faithful_moments(posterior):
    """Posterior means within 4 Monte Carlo errors, plus half a digit of the printed table."""
    table = posterior.summary().astype(float)
    for name, (mean, sd) in POSTERIOR.items():
        row = table.loc[name]
        # the reference has about 72 000 sweeps; 0.01 sd is its own Monte Carlo error
        digits = 0.5 * 10.0 ** -len(mean.partition(".")[2])
        assert (
            abs(row["mean"] - float(mean)) < 4 * np.hypot(row["mcse_mean"], 0.01 * sd) + digits
        ), name
        assert row["sd"] == pytest.approx(sd, rel=0.12), name


def test_old_faithful_diagnostics(posterior):
    """r-hat below 1.01, no divergences, nothing to complain of, nothing relabelled."""
    d = posterior.diagnostics
    assert d.rhat < 1.01 and d.rhat_invariant < 1.01
    assert d.divergences == 0
    assert d.problems == []
    assert posterior.relabelled_draws == 0
    assert (d.chains, d.draws) == (4, 2500)


def test_old_faithful_loo(posterior):
    """elpd_loo -1141.40 and p_loo 10.9 (R loo), within 0.3; every Pareto k is good."""
    loo = posterior.loo()
    assert loo.elpd == pytest.approx(-1141.40, abs=0.3)
    assert loo.p == pytest.approx(10.9, abs=0.5)
    assert np.all(loo.pareto_k < loo.good_k)


def test_tree_is_arviz_s(posterior):
    """Coordinates, groups, and az functions on it."""
    tree = posterior.tree
    group = tree["posterior"]
    assert group["Sigma"].dims == ("chain", "draw", "component", "feature", "feature_bis")
    assert group["feature"].values.tolist() == ["eruptions", "waiting"]
    assert set(tree.children) >= {"posterior", "sample_stats", "observed_data", "em_fit"}
    assert az.rhat(tree)["mu"].max() < 1.01
    assert az.summary(tree, var_names=["pi"]).shape[0] == 2
    np.testing.assert_array_equal(tree["observed_data"]["y"], posterior.data.values)


def test_saved_and_loaded(posterior, tmp_path):
    """The file holds all that is needed to go on."""
    posterior.save(tmp_path / "p.nc")
    back = Posterior.load(tmp_path / "p.nc")
    assert back.loo().elpd == posterior.loo().elpd
    assert back.diagnostics == posterior.diagnostics
    np.testing.assert_array_equal(
        back.predict_proba(n_draws=50), posterior.predict_proba(n_draws=50)
    )


def test_prediction_follows_the_fit(posterior, x):
    """With 272 rows the posterior mean responsibilities are close to the fit's."""
    assert np.abs(posterior.predict_proba() - posterior.fit.predict_proba(x)).max() < 0.2
    band = posterior.log_density(x.head(20))
    assert np.all(band["lower"] < band["upper"])
    inside = (band["lower"] < band["log_density"]) & (band["log_density"] < band["upper"])
    assert inside.all()


def test_pymc_s_own_sampler_agrees(x, posterior):
    """The same posterior by the other NUTS: means within 4 Monte Carlo errors of each other."""
    other = bayesgmm.refine(
        x, short_first(x), prior=PRIOR, random_seed=3, sampler="pymc", draws=500,
        progressbar=False,
    )  # fmt: skip
    assert other.tree.attrs["sampler"] == "pymc"
    a, b = posterior.summary().astype(float), other.summary().astype(float)
    error = np.hypot(a["mcse_mean"], b["mcse_mean"])
    assert (np.abs(a["mean"] - b["mean"]) < 4.5 * error).all()


@pytest.mark.parametrize("k", [2, 3])
def test_galaxies_with_equal_variances(k):
    """LOO of K = 3 and component means, under the prior of the published evidences.

    For K = 2 a second mode (the smaller component within the larger) has a thousandth of the mass:
    a visit there costs 1000 draws most of their effective size.
    """
    x = bayesgmm.datasets.load_galaxies() / 1000
    prior = Prior.univariate(mean=20, variance=100, shape=3, scale=20)
    fit = bayesgmm.fit(x, k, "E", random_seed=0)
    posterior = bayesgmm.refine(x, fit, prior=prior, draws=4000, random_seed=5, progressbar=False)
    assert posterior.diagnostics.rhat < 1.01
    if k == 3:
        order = np.argsort(fit.means[:, 0])
        table = posterior.summary().astype(float)
        # reference: R, 4000 draws and more, Monte Carlo error below 0.005
        for j, mu, pi in zip(order, (9.848, 21.393, 32.504), (0.0952, 0.8549, 0.0499), strict=True):
            name = fit.names[0]
            error = table.loc[f"mu[{j}, {name}]", "mcse_mean"]
            assert abs(table.loc[f"mu[{j}, {name}]", "mean"] - mu) < 4 * error + 0.01
            assert (
                abs(table.loc[f"pi[{j}]", "mean"] - pi)
                < 4 * table.loc[f"pi[{j}]", "mcse_mean"] + 0.002
            )
        sigma2 = table.loc[f"Sigma[0, {name}, {name}]"]
        assert abs(sigma2["mean"] - 4.74) < 4 * sigma2["mcse_mean"] + 0.01
        assert posterior.loo().elpd == pytest.approx(-218.36, abs=0.3)


@pytest.mark.parametrize(
    ("family", "k"), [("EEE", 3), ("VVI", 2), ("EEI", 2), ("VII", 2), ("EII", 1), ("VVV", 1)]
)
def test_every_family_has_a_posterior(x, family, k):
    """Means close to the estimates, Sigma of the family's form, one component too."""
    fit = bayesgmm.fit(x, k, family, random_seed=0, n_init=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)  # few draws
        posterior = bayesgmm.refine(x, fit, draws=300, chains=2, random_seed=0, progressbar=False)
    draws = posterior.tree["posterior"]
    mean = draws["mu"].mean(("chain", "draw"))
    sd = draws["mu"].std(("chain", "draw"))
    assert np.all(np.abs(mean - fit.means) < 1.5 * sd + 1e-9)
    sigma = draws["Sigma"].to_numpy()
    assert np.all(np.linalg.eigvalsh(sigma) > 0)
    if fit.family.common:
        np.testing.assert_array_equal(sigma, np.broadcast_to(sigma[:, :, :1], sigma.shape))
    if fit.family.diagonal:
        assert np.all(sigma[..., 0, 1] == 0)
    if fit.family.spherical:
        np.testing.assert_array_equal(sigma[..., 0, 0], sigma[..., 1, 1])
    assert np.all(draws["pi"].sum("component") == pytest.approx(1))
    if k == 1:
        assert np.all(draws["pi"] == 1)


@pytest.mark.parametrize("method", ["stephens", "pra"])
def test_labels_by_another_method(x, method):
    """Separated components are settled the same way by all, and the method is on record."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)  # few draws
        posterior = bayesgmm.refine(
            x, short_first(x), draws=100, chains=2, random_seed=0, relabel=method,
            progressbar=False,
        )  # fmt: skip
    assert posterior.relabelling.method == posterior.tree.attrs["relabelling"] == method
    assert posterior.relabelled_draws == 0
    assert posterior.relabelling.ambiguous_draws == 0


def test_conjugate_posterior_of_one_component(x):
    """Normal-inverse-Wishart: moments of mu and Sigma known exactly, within 4.5 errors."""
    (n, d), rows = x.shape, x.to_numpy()
    prior = Prior([3.0, 75.0], None, 8, [[0.5, 2.0], [2.0, 90.0]], mean_strength=40.0)
    posterior = bayesgmm.refine(
        x, bayesgmm.fit(x, 1, "VVV"), prior=prior, random_seed=2, progressbar=False
    )
    shift = rows.mean(axis=0) - prior.mean
    psi = prior.scale + (n - 1) * np.cov(rows.T) + n * 40 / (n + 40) * np.outer(shift, shift)
    sigma = psi / (prior.dof + n - d - 1)
    table = posterior.summary().astype(float)
    mu = prior.mean + n / (n + 40) * shift
    exact = [1.0, *mu, *sigma.ravel()]
    assert np.all(np.abs(table["mean"] - exact) <= 4.5 * table["mcse_mean"].fillna(0))
    sd = np.sqrt(np.diagonal(sigma) / (n + 40))
    np.testing.assert_allclose(table["sd"].iloc[1:3], sd, rtol=0.08)


def test_random_hyperparameters_are_sampled_and_kept(x, tmp_path):
    """They are in the posterior, its summary, and its file; the sparse prior's allocations too."""
    prior = Prior.from_data(x, concentration=Gamma(10, 40), random_scale=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)  # few draws
        posterior = bayesgmm.refine(
            x, short_first(x), prior=prior, draws=200, chains=2, random_seed=0, progressbar=False
        )
    assert posterior.tree["posterior"]["concentration"].shape == (2, 200)
    assert posterior.tree["posterior"]["scale"].dims == ("chain", "draw", "feature")
    assert list(posterior.summary(var_names=("concentration", "scale")).index) == [
        "concentration", "scale[eruptions]", "scale[waiting]",
    ]  # fmt: skip
    assert set(posterior.occupied(n_draws=20)) == {2}
    posterior.save(tmp_path / "p.nc")
    assert repr(Posterior.load(tmp_path / "p.nc").prior) == repr(prior)


def test_seed_gives_the_same_draws(x):
    """Bit for bit, on any number of cores; other seeds and other chains differ."""
    fit = short_first(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)  # few draws
        a, b, c = (
            bayesgmm.refine(
                x, fit, draws=100, chains=2, random_seed=seed, cores=cores, progressbar=False
            ).tree["posterior"]["mu"].to_numpy()
            for seed, cores in ((8, 1), (8, 2), (9, 2))
        )  # fmt: skip
    np.testing.assert_array_equal(a, b)
    assert np.all(a != c) and np.all(a[0] != a[1])


def test_chains_that_have_not_converged_are_reported(x):
    """Too few draws: a warning that says what to do, and the same in .diagnostics."""
    with pytest.warns(ConvergenceAdvice, match="raise draws"):
        posterior = bayesgmm.refine(
            x, short_first(x), draws=20, tune=50, chains=2, random_seed=0, progressbar=False
        )
    assert posterior.diagnostics.problems


def test_silence_and_progress(x, capfd):
    """progressbar=False prints nothing at all."""
    fit = short_first(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        bayesgmm.refine(x, fit, draws=50, chains=2, random_seed=0, progressbar=False)
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_refined_is_refused(x):
    """Degenerate fits, other data, and arguments out of range."""
    fit = short_first(x)
    with pytest.raises(DataError, match="the fit has 2"):
        bayesgmm.refine(x[["waiting"]].to_numpy(), fit)
    with pytest.raises(ValueError, match="sampler is 'stan'"):
        bayesgmm.refine(x, fit, sampler="stan")
    with pytest.raises(ValueError, match="relabelling method is 'sjw': choose among 'ecr'"):
        bayesgmm.refine(x, fit, relabel="sjw")
    for bad in ({"draws": 0}, {"tune": -1}, {"chains": 0}, {"draws": 10.5}, {"target_accept": 1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            bayesgmm.refine(x, fit, **bad)
    with pytest.raises(ValueError, match="prior is for 1 columns"):
        bayesgmm.refine(x, fit, prior=Prior.univariate(0, 1, 3, 1))
    data = np.r_[np.random.default_rng(0).normal(size=(50, 2)), np.full((20, 2), 4.0)]
    with pytest.warns(bayesgmm.DegenerateFitWarning):
        collapsed = bayesgmm.fit(data, 2, "VVI", random_seed=0)
    with pytest.raises(ValueError, match="cannot be refined: degenerate"):
        bayesgmm.refine(data, collapsed)
