"""Both samplers against published posteriors, and what a sampler's user relies on."""

from __future__ import annotations

import _thread
import logging
import signal
import warnings

import arviz as az
import numpy as np
import nutpie
import pymc as pm
import pytest

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.pymc.model import build_model, initial_point
from bayesgmm.sampling.pymc.sample import add_covariances, sample
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.faithful import POSTERIOR, PRIOR

STATS = {
    "diverging": bool, "tree_depth": np.int64, "reached_max_treedepth": bool, "n_steps": np.int64,
    "energy": float, "acceptance_rate": float, "step_size": float, "lp": float,
}  # fmt: skip
GALAXY_PRIOR = Prior.univariate(mean=20, variance=100, shape=3, scale=20)


def check_means(tree, published, own_error):
    """Means within 4 Monte Carlo errors: ours, the reference's own, and its rounding."""
    table = az.summary(tree, var_names=["pi", "mu", "Sigma"], round_to="none").astype(float)
    for name, (mean, sd) in published.items():
        row = table.loc[name]
        rounding = 0.5 * 10.0 ** -len(mean.partition(".")[2])
        error = np.hypot(row["mcse_mean"], own_error * sd)
        assert abs(row["mean"] - float(mean)) < 4 * error + rounding, name
    return table


def sampled(x, fit, prior, **options):
    model = build_model(x, fit, prior)
    options = {"draws": 1000, "tune": 500, "chains": 4, "progressbar": False} | options
    tree = sample(model, initial_point(model, fit, prior), **options)
    return model, add_covariances(tree, fit.family, prior)


@pytest.fixture(scope="module", params=["nutpie", "pymc"])
def tree(request, model, fit):
    cores = 1 if request.param == "pymc" else 2  # pytest's threads and fork do not go together
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = sample(
            model, initial_point(model, fit), draws=1000, tune=500, chains=4, random_seed=1,
            sampler=request.param, cores=cores, progressbar=False,
        )  # fmt: skip
    return add_covariances(tree, fit.family, PRIOR)


def test_old_faithful(tree):
    """The published posterior; r-hat below 1.01, no divergences, standard deviations to 15 %."""
    table = check_means(tree, POSTERIOR, own_error=0.02)
    assert np.nanmax(table["r_hat"]) < 1.01
    assert table["ess_bulk"].min() > 1000
    assert not tree["sample_stats"]["diverging"].any()
    for name, (_, sd) in POSTERIOR.items():
        assert table.loc[name, "sd"] == pytest.approx(sd, rel=0.15), name


def test_one_form_for_both_samplers(tree):
    """Groups, dims, coordinates, names and types of the statistics."""
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data"}
    posterior = tree["posterior"]
    assert list(posterior.data_vars) == ["pi", "mu", "bartlett_chi2", "bartlett_normal", "Sigma"]
    assert posterior["mu"].dims == ("chain", "draw", "component", "feature")
    assert posterior["mu"].shape == (4, 1000, 2, 2)
    assert posterior["component"].values.tolist() == [0, 1]
    assert posterior["feature"].values.tolist() == ["eruptions", "waiting"]
    assert {k: v.dtype for k, v in tree["sample_stats"].data_vars.items()} == STATS
    assert np.all(np.isfinite(tree["sample_stats"]["lp"]))
    assert tree["observed_data"]["y"].dims == ("obs_id", "feature")
    assert posterior.attrs["inference_library"] in ("nutpie", "pymc")
    assert posterior.attrs["sampling_time"] > 0
    assert posterior.attrs["tuning_steps"] == 500


def test_log_density_is_the_model_s(tree, model, fit):
    """lp, of either sampler, is the model's log density in unconstrained space."""
    function = model.compile_logp(mode="FAST_COMPILE")
    for draw in (0, 500):
        point = {}
        for rv in model.free_RVs:
            value = tree["posterior"][rv.name].values[1, draw]
            transform = model.rvs_to_transforms[rv]
            if transform is not None:
                value = transform.forward(value, *rv.owner.inputs).eval(mode="FAST_COMPILE")
            point[model.rvs_to_values[rv].name] = value
        assert tree["sample_stats"]["lp"].values[1, draw] == pytest.approx(function(point))


def test_chains_keep_the_fit_s_labels(tree, fit):
    """Every chain has the short eruptions first."""
    means = tree["posterior"]["mu"].mean("draw").values
    np.testing.assert_allclose(means, np.broadcast_to(fit.means, means.shape), rtol=0.02)


def test_arviz_s_functions_take_the_tree(tree):
    """Summary, diagnostics, energy and tree depth among them."""
    problems, details = az.diagnose(tree, show_diagnostics=False, return_diagnostics=True)
    assert not problems
    assert set(details) == {"divergent", "treedepth", "bfmi", "ess", "rhat"}


def test_sigma_is_symmetric_positive_definite(tree):
    """Sigma of every draw, with its own name for the second feature axis."""
    sigma = tree["posterior"]["Sigma"]
    assert sigma.dims == ("chain", "draw", "component", "feature", "feature_bis")
    assert sigma["feature_bis"].values.tolist() == ["eruptions", "waiting"]
    values = sigma.values
    np.testing.assert_allclose(values, np.swapaxes(values, -1, -2))
    assert np.linalg.eigvalsh(values).min() > 0


def test_adding_sigma_leaves_the_tree_alone(model, fit):
    """A new tree is returned."""
    tree = sample(
        model, initial_point(model, fit), draws=5, tune=5, chains=1, random_seed=0,
        progressbar=False,
    )  # fmt: skip
    added = add_covariances(tree, fit.family, PRIOR)
    assert "Sigma" in added["posterior"] and "Sigma" not in tree["posterior"]


def test_the_same_seed_gives_the_same_draws(model, fit):
    """To 1e-6 over 30 draws: another compilation sums in another order; other seeds differ."""
    start = initial_point(model, fit)
    options = {"draws": 30, "tune": 30, "chains": 2, "progressbar": False}
    a, b, c = (
        sample(model, start, random_seed=seed, cores=cores, **options)["posterior"]["mu"].values
        for seed, cores in ((5, 1), (5, 2), (6, 2))
    )
    np.testing.assert_allclose(a, b, rtol=1e-6)
    assert np.abs(a - c).max() > 1e-3
    assert np.abs(a[0] - a[1]).max() > 1e-3


@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_silence(model, fit, sampler, capfd, caplog):
    """progressbar=False prints nothing: no bar, no log line."""
    caplog.set_level(logging.INFO)
    capfd.readouterr()
    sample(
        model, initial_point(model, fit), draws=10, tune=10, chains=1, random_seed=0, cores=1,
        sampler=sampler, progressbar=False,
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")
    assert [r for r in caplog.records if r.name.startswith("pymc")] == []


def test_an_unknown_sampler(model):
    """Named, with those there are."""
    with pytest.raises(ValueError, match="'stan': choose among 'nutpie', 'pymc'"):
        sample(model, {}, sampler="stan")


def interrupted(monkeypatch, draws):
    """Let nutpie's next run be interrupted from the keyboard when two chains have so many draws.

    Nearly as many each, so that the largest rectangle is of both, whichever thread was first.
    """
    original = nutpie.sample
    # A shell's job in the background is started with interruptions ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(*arguments, **options):
        run = original(*arguments, **options)
        if options.get("blocking", True):  # the check that nutpie takes compiled densities
            return run
        wait = run.wait

        def interrupted_wait(**how):
            if not pressed and (draws == 0 or second() >= draws):
                pressed.append(True)
                _thread.interrupt_main()
            return wait(**how)

        run.wait = interrupted_wait
        runs.append(run)
        return run

    def second():
        """The draws of the second chain, if it is not far behind the first."""
        with warnings.catch_warnings():  # of more chains than draws
            warnings.simplefilter("ignore", UserWarning)
            logs = [run.inspect()["sample_stats"]["logp"].to_numpy() for run in runs]
        made = np.sort(np.concatenate([np.isfinite(log).sum(axis=1) for log in logs]))
        return made[-2] if made[-2] > 0.8 * made[-1] else 0

    runs = []
    pressed = []
    monkeypatch.setattr(nutpie, "sample", start)


def test_an_interruption_keeps_the_draws(model, fit, monkeypatch):
    """Ctrl-C: a full rectangle of the draws made so far, and a warning that says how many."""
    interrupted(monkeypatch, draws=100)
    with pytest.warns(ConvergenceAdvice, match="interrupted: .* draws of . chains"):
        tree = sample(
            model, initial_point(model, fit), draws=10**6, tune=50, chains=4, cores=2,
            random_seed=0, progressbar=False,
        )  # fmt: skip
    posterior = tree["posterior"]
    assert 0 < posterior.sizes["draw"] < 10**6
    assert np.all(np.isfinite(posterior["mu"])) and np.all(posterior["pi"] > 0)
    assert tree["sample_stats"]["lp"].shape == (posterior.sizes["chain"], posterior.sizes["draw"])


def test_an_interruption_without_draws(model, fit, monkeypatch):
    """Ctrl-C during warm-up leaves nothing to return."""
    interrupted(monkeypatch, draws=0)
    with pytest.raises(KeyboardInterrupt):
        sample(
            model, initial_point(model, fit), draws=10, tune=10**7, chains=2, random_seed=0,
            progressbar=False,
        )  # fmt: skip


def test_an_edited_model_is_sampled(x, fit):
    """A term the user adds counts: mu[1, waiting] is drawn to 70 by a tight potential."""
    model = build_model(x, fit)
    with model:
        pm.Potential("pull", -0.5 * ((model["mu"][1, 1] - 70.0) / 0.01) ** 2)
    tree = sample(
        model, initial_point(model, fit), draws=300, tune=500, chains=2, random_seed=1,
        progressbar=False,
    )  # fmt: skip
    pulled = tree["posterior"]["mu"].values[..., 1, 1]
    assert pulled.mean() == pytest.approx(70, abs=0.05)
    assert pulled.std() == pytest.approx(0.01, rel=0.3)


def test_one_component(x):
    """K = 1: no free proportions, and a posterior close to conjugate theory's."""
    fit = bayesgmm.fit(x, 1, prior=PRIOR)
    _, tree = sampled(x, fit, PRIOR, random_seed=4)
    assert np.all(tree["posterior"]["pi"] == 1)
    mean = tree["posterior"]["mu"].values.reshape(-1, 2)
    # the prior of mu weighs less than one row in 272
    error = np.sqrt(np.diag(fit.covariances[0]) / 272)
    np.testing.assert_array_less(np.abs(mean.mean(axis=0) - x.mean().to_numpy()), 0.2 * error)
    np.testing.assert_allclose(mean.std(axis=0), error, rtol=0.1)
    # E Sigma = (W + Psi) / (n + nu - d - 2), nearly: mu's prior is nearly flat
    scatter = 271 * np.cov(x.to_numpy().T) + PRIOR.scale
    expected = scatter / (271 + 6 - 3)
    sigma = tree["posterior"]["Sigma"].mean(("chain", "draw")).values[0]
    np.testing.assert_allclose(sigma, expected, rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EII", "VII", "EEI", "VVI", "EEE", "VVV"])
def test_every_family_on_easy_data(name):
    """Well separated groups of the family: the posterior holds the truth, nothing diverges."""
    rng = np.random.default_rng(3)
    family, k, d = get_family(name, 3), 2, 3
    root = rng.standard_normal((k, d, d)) + 2 * np.eye(d)
    covariances = root @ np.swapaxes(root, 1, 2)
    if family.common:
        covariances[:] = covariances[0]
    if family.diagonal:
        covariances = covariances * np.eye(d)
    if family.spherical:
        covariances = covariances[:, :1, :1] * np.eye(d)
    truth = bayesgmm.Mixture([0.4, 0.6], [[0.0] * d, [20.0] * d], covariances)
    x, labels = truth.sample(600, rng)
    fit = bayesgmm.fit(x, k, name, start=labels)
    _, tree = sampled(x, fit, Prior.from_data(x), random_seed=2)
    assert not tree["sample_stats"]["diverging"].any()
    free = [v for v in tree["posterior"].data_vars if v != "Sigma"]  # whose zeros have no r-hat
    rhat = az.rhat(tree["posterior"].to_dataset()[free])
    assert max(float(v.max()) for v in rhat.data_vars.values()) < 1.02
    for variable, true in (("pi", truth.weights), ("mu", truth.means), ("Sigma", covariances)):
        draws = tree["posterior"][variable]
        # ten numbers or so: 4 standard deviations, and the prior's pull of a few per cent
        allowed = 4 * draws.std(("chain", "draw")).values + 0.03 * np.abs(true).max()
        assert np.all(np.abs(draws.mean(("chain", "draw")).values - true) < allowed)


@pytest.fixture(scope="module")
def galaxies():
    return bayesgmm.datasets.load_galaxies() / 1000


def elpd(model, tree):
    tree = pm.compute_log_likelihood(tree, model=model, progressbar=False)
    return az.loo(tree)


@pytest.mark.slow
def test_galaxies_with_three_equal_variances(galaxies):
    """Posterior means of the reference (its Monte Carlo error is below 0.005), and its elpd."""
    start = np.digitize(galaxies.to_numpy()[:, 0], [15, 28])
    fit = bayesgmm.fit(galaxies, 3, "E", start=start, prior=GALAXY_PRIOR)
    model, tree = sampled(galaxies, fit, GALAXY_PRIOR, draws=2500, random_seed=7)
    posterior = tree["posterior"].to_dataset()
    mcse = az.mcse(posterior[["pi", "mu", "variance"]])
    for name, published, digit in (
        ("mu", [9.848, 21.393, 32.504], 5e-4),
        ("pi", [0.0952, 0.8549, 0.0499], 5e-5),
        ("variance", 4.74, 5e-3),
    ):
        mean = posterior[name].mean(("chain", "draw")).values.squeeze()
        error = np.hypot(mcse[name].values.squeeze(), 0.005 if name != "pi" else 5e-4)
        np.testing.assert_array_less(np.abs(mean - published), 4 * error + digit)
    loo = elpd(model, tree)
    # both estimates have a Monte Carlo error of about 0.05
    assert loo.elpd == pytest.approx(-218.36, abs=0.25)
    assert loo.p == pytest.approx(4.59, abs=0.25)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("k", "family", "published"), [(1, "E", (-243.15, 3.24)), (2, "V", (-225.11, 3.86))]
)
def test_galaxies_loo(galaxies, k, family, published):
    """elpd_loo and p_loo of R's loo on the same model, to 0.25 (Monte Carlo error 0.05 each)."""
    fit = bayesgmm.fit(galaxies, k, family, prior=GALAXY_PRIOR, random_seed=0)
    model, tree = sampled(galaxies, fit, GALAXY_PRIOR, draws=2500, random_seed=8)
    loo = elpd(model, tree)
    assert (loo.elpd, loo.p) == (
        pytest.approx(published[0], abs=0.25),
        pytest.approx(published[1], abs=0.25),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("k", "published"), [(1, (-1294.31, 4.0)), (2, (-1141.40, 10.9))])
def test_faithful_loo(x, k, published):
    """elpd_loo and p_loo of Old Faithful by R's loo, to 0.3."""
    fit = bayesgmm.fit(x, k, prior=PRIOR, random_seed=0)
    model, tree = sampled(x, fit, PRIOR, random_seed=9)
    loo = elpd(model, tree)
    assert loo.elpd == pytest.approx(published[0], abs=0.3)
    assert loo.p == pytest.approx(published[1], abs=0.5)


@pytest.mark.slow
def test_two_hundred_variables():
    """Too many for a low-rank mass matrix: the diagonal one takes over, and converges."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=1200)
    roots = 0.3 * rng.standard_normal((4, 8, 8)) + np.eye(8)
    z = rng.standard_normal((1200, 8))
    x = 4.0 * rng.standard_normal((4, 8))[labels] + np.einsum("nij,nj->ni", roots[labels], z)
    fit = bayesgmm.fit(x, 4, start=labels)
    _, tree = sampled(x, fit, Prior.from_data(x), draws=500, random_seed=1)
    assert not tree["sample_stats"]["diverging"].any()
    assert float(az.rhat(tree["posterior"]["mu"]).max()) < 1.03
