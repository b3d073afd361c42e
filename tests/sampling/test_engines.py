"""Every engine gives the posterior that NUTS gives, or says that it does not."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from importlib.util import find_spec
from types import SimpleNamespace

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr

import bayesgmm
from bayesgmm.posterior.diagnostics.engine_checks import engine_checks
from bayesgmm.sampling import registry
from bayesgmm.sampling.pymc import jax_nuts, smc
from bayesgmm.sampling.pymc.model import initial_point
from bayesgmm.sampling.pymc.points import Points
from bayesgmm.sampling.pymc.sample import add_covariances, sample
from bayesgmm.sampling.run.importance import corrected
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.faithful import POSTERIOR, PRIOR
from tests.jax_runs import edited
from tests.places import ROOT
from tests.sampling.test_sampling import check_means

with_jax = pytest.mark.skipif(find_spec("jaxlib") is None, reason="JAX is not installed")


@pytest.fixture(scope="module")
def advi(x, fit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its Pareto k is good here
        return bayesgmm.refine(x, fit, sampler="advi", random_seed=1, progressbar=False)


def run(folder, *jobs):
    """Do jobs of jax_runs.py in another process, and read what it leaves."""
    strict = ["-W", "error", "-W", "ignore:Importing:DeprecationWarning"]
    subprocess.run(
        [sys.executable, *strict, str(ROOT / "tests" / "jax_runs.py"), str(folder), *jobs],
        check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    numbers = {f.stem: json.loads(f.read_text()) for f in folder.glob("*.json")}
    return numbers | {f.stem: xr.load_datatree(f, engine="h5netcdf") for f in folder.glob("*.nc")}


@pytest.fixture(scope="module")
def by_jax(tmp_path_factory):
    return run(tmp_path_factory.mktemp("jax"), "gradients", "numpyro")


@pytest.fixture(scope="module")
def more_by_jax(tmp_path_factory):
    jobs = ("all_gradients", "other_priors", "by_blocks", "weighted_rows", "own_models", "blackjax",
            "numpyro_on_one_core", "pathfinder", "edited_numpyro", "edited_blackjax",
            "through_pymc")  # fmt: skip
    return run(tmp_path_factory.mktemp("more_jax"), *jobs)


def check_lp(tree, model):
    """The statistic lp is the model's log density in unconstrained space."""
    function = model.compile_logp(mode="FAST_COMPILE")
    for draw in (0, tree["posterior"].sizes["draw"] - 1):
        point = {}
        for rv in model.free_RVs:
            value = tree["posterior"][rv.name].values[1, draw]
            transform = model.rvs_to_transforms[rv]
            if transform is not None:
                value = transform.forward(value, *rv.owner.inputs).eval(mode="FAST_COMPILE")
            point[model.rvs_to_values[rv].name] = value
        assert tree["sample_stats"]["lp"].values[1, draw] == pytest.approx(function(point))


def check_form(tree, draws, chains=4):
    """Groups, dims and coordinates are those of NUTS."""
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data"}
    posterior = tree["posterior"]
    assert list(posterior.data_vars)[:4] == ["pi", "mu", "bartlett_chi2", "bartlett_normal"]
    assert posterior["mu"].dims == ("chain", "draw", "component", "feature")
    assert posterior["mu"].shape == (chains, draws, 2, 2)
    assert posterior["feature"].values.tolist() == ["eruptions", "waiting"]
    assert tree["sample_stats"]["lp"].dims == ("chain", "draw")
    assert set(tree["sample_stats"].coords) == {"chain", "draw"}
    assert posterior.attrs["sampling_time"] > 0


def check_gradients(numbers):
    """Both sum about 300 terms, in another order: 1e-13 is some hundred roundings."""
    for model, errors in numbers.items():
        assert max(errors) < 1e-13, model


@pytest.mark.slow
@with_jax
def test_jax_computes_what_numba_does(by_jax):
    """Log density and gradient, at points around the start."""
    check_gradients(by_jax["gradients"])


@with_jax
def test_numpyro(by_jax, model, fit):
    """The published posterior, with all statistics of NUTS."""
    tree = by_jax["numpyro"]
    check_form(tree, 1000)
    check_lp(tree, model)
    assert set(tree["sample_stats"].data_vars) == {
        "diverging", "tree_depth", "reached_max_treedepth", "n_steps", "energy",
        "acceptance_rate", "step_size", "lp",
    }  # fmt: skip
    assert tree["sample_stats"]["tree_depth"].dtype == np.int64
    table = check_means(add_covariances(tree, fit.family, PRIOR), POSTERIOR, 0.02)
    assert np.nanmax(table["r_hat"]) < 1.01
    for name, (_, sd) in POSTERIOR.items():
        assert table.loc[name, "sd"] == pytest.approx(sd, rel=0.15), name


@with_jax
@pytest.mark.slow
def test_pathfinder(more_by_jax, model, fit):
    """Corrected draws have the published means; every path had a Pareto k that allows it."""
    tree = more_by_jax["pathfinder"]
    check_form(tree, 1000)
    check_lp(tree, model)
    assert tree["sample_stats"]["corrected"].all()
    table = check_means(add_covariances(tree, fit.family, PRIOR), POSTERIOR, 0.02)
    for name, (_, sd) in POSTERIOR.items():  # of effective draws there are some hundred
        assert table.loc[name, "sd"] == pytest.approx(sd, rel=0.25), name


@with_jax
@pytest.mark.slow
@pytest.mark.parametrize(
    "job", ["all_gradients", "other_priors", "by_blocks", "weighted_rows", "own_models"]
)
def test_jax_computes_what_numba_does_in_all_its_forms(more_by_jax, job):
    """Every family and prior, rows by blocks, weighted rows."""
    check_gradients(more_by_jax[job])


@with_jax
@pytest.mark.slow
def test_rows_with_missing_values_and_labels_in_jax(tmp_path):
    """JAX calls the pass that Numba compiled: the same densities and gradients, and posterior."""
    found = run(tmp_path, "incomplete", "numpyro_of_labelled_rows")
    check_gradients(found["incomplete"])
    posterior = found["numpyro_of_labelled_rows"]
    assert max(map(abs, posterior["z"])) < 4
    assert posterior["sd"] == pytest.approx([1] * 6, abs=0.3)  # of some hundred effective draws


@with_jax
@pytest.mark.slow
def test_blackjax(more_by_jax, model, fit):
    """As NumPyro; BlackJAX does not tell the step size."""
    tree = more_by_jax["blackjax"]
    check_form(tree, 1000)
    check_lp(tree, model)
    table = check_means(add_covariances(tree, fit.family, PRIOR), POSTERIOR, 0.02)
    assert np.nanmax(table["r_hat"]) < 1.01
    assert not tree["sample_stats"]["diverging"].any()


@with_jax
@pytest.mark.slow
def test_jax_on_one_core(more_by_jax):
    """Chains as one batch instead of on devices of their own: another way to the same form."""
    check_form(more_by_jax["numpyro_on_one_core"], 200, chains=2)


def check_edit(tree):
    pulled = tree["posterior"]["mu"].values[..., 1, 1]
    assert pulled.mean() == pytest.approx(70, abs=0.05)
    assert pulled.std() == pytest.approx(0.01, rel=0.3)
    assert "pi" not in tree["posterior"].data_vars or np.all(tree["posterior"]["pi"][..., 0] == 0.2)


@with_jax
@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["numpyro", "blackjax"])
def test_an_edited_model_in_jax(more_by_jax, sampler):
    """A potential added and the proportions fixed: both are seen by the sampler."""
    check_edit(more_by_jax[f"edited_{sampler}"])


@with_jax
@pytest.mark.slow
def test_pymc_s_own_door_to_jax(more_by_jax, fit):
    """pm.sample(nuts_sampler="numpyro") works on the model without us."""
    means = more_by_jax["through_pymc"]["posterior"]["mu"].mean(("chain", "draw"))
    np.testing.assert_allclose(means, fit.means, rtol=0.01)  # 1 % is 1.5 posterior sd at least


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nutpie", "pymc", "fullrank_advi"])
def test_an_edited_model(sampler):
    """The same edits for the engines that need no JAX."""
    check_edit(edited(sampler, cores=1))


def test_advi(advi, model):
    """The means of NUTS within Monte Carlo error, its spread within 25 %: k is good here."""
    tree = advi.tree
    stats = tree["sample_stats"]
    check_lp(tree, model)
    assert stats["pareto_k"].dims == ("chain",) and stats["corrected"].all()
    table = check_means(tree, POSTERIOR, 0.02)
    for name, (_, sd) in POSTERIOR.items():
        assert table.loc[name, "sd"] == pytest.approx(sd, rel=0.25), name
    # repeated draws cost effective ones
    assert advi.diagnostics.ess_bulk < 0.9 * advi.diagnostics.chains * advi.diagnostics.draws


def test_a_posterior_that_is_no_chain_s(advi, tmp_path):
    """Text, HTML, summary, diagnostics, files and comparisons know no divergences."""
    d = advi.diagnostics
    assert set(d.checks) == {"pareto_k"} and d.divergences is None
    assert d.checks["pareto_k"].value == float(advi.tree["sample_stats"]["pareto_k"].max())
    for text in (repr(advi), advi._repr_html_()):
        assert "largest Pareto k" in text and "divergent" not in text and "sampler advi" in text
    assert len(advi.summary()) == 14
    advi.save(tmp_path / "p.nc")
    assert repr(bayesgmm.Posterior.load(tmp_path / "p.nc")) == repr(advi)
    table = bayesgmm.compare({"advi": advi})
    assert table["divergences"].isna().all() and table.loc["advi", "method"] == "posterior (advi)"
    assert np.isfinite(advi.loo().elpd)


RHO = 0.98


@pytest.fixture(scope="module")
def correlated():
    """A normal posterior of correlation 0.98, its columns in units 10^4 and 10^-4."""
    covariance = np.array([[1e8, RHO], [RHO, 1e-8]])
    with pm.Model() as model:
        pm.MvNormal("v", [3e4, -2e-4], cov=covariance)
    return model


SD = np.array([1e4, 1e-4])
START = {"v": np.array([3.5e4, -1.5e-4])}


def test_what_mean_field_misses_is_said(correlated):
    """Its standard deviations are sigma (1 - rho^2)^(1/2), known exactly, and k says they lie."""
    tree = sample(correlated, START, sampler="advi", random_seed=0, progressbar=False)
    stats, v = tree["sample_stats"], tree["posterior"]["v"].values.reshape(-1, 2)
    assert (stats["pareto_k"] > 0.7).all() and not stats["corrected"].any()
    # 4000 independent draws know a standard deviation to 1.1 %, the search's last step is 0.1 %
    np.testing.assert_allclose(v.std(axis=0), SD * np.sqrt(1 - RHO**2), rtol=0.08)
    # along the ridge the search is slow: a tenth of the posterior's own spread
    np.testing.assert_allclose((v.mean(axis=0) - [3e4, -2e-4]) / SD, 0.0, atol=0.1)
    [problem] = [c.problem for c in engine_checks(stats.to_dataset()).values()]
    assert (
        "Pareto k is" in problem
        and "could not be corrected" in problem
        and "sampler='auto'" in problem
    )


def test_what_mean_field_misses_full_rank_has(correlated):
    """The whole covariance, to the error of so many draws: a standard deviation to 2 %."""
    tree = sample(correlated, START, sampler="fullrank_advi", random_seed=0, progressbar=False)
    assert tree["sample_stats"]["corrected"].all()
    v = tree["posterior"]["v"].values.reshape(-1, 2)
    np.testing.assert_allclose(v.std(axis=0), SD, rtol=0.08)
    assert np.corrcoef(v.T)[0, 1] == pytest.approx(RHO, abs=0.005)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weights_correct_a_wide_approximation(seed):
    """Draws of N(0.5, 1.5^2) in three columns become draws of N(0, 1)."""
    with pm.Model() as model:
        pm.Normal("v", shape=3)
    points = Points(model, {"v": np.full(3, 0.1)})
    np.testing.assert_allclose(points.widths(), 1.0, rtol=0.2)
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((4, 1000, 3))
    log_q = -0.5 * (z**2).sum(axis=2) - 3 * np.log(1.5 * np.sqrt(2 * np.pi))
    tree = corrected(points, 0.5 + 1.5 * z, log_q, rng, shared=True)
    table = az.summary(tree, round_to="none").astype(float)
    assert (np.abs(table["mean"]) < 4 * table["mcse_mean"]).all()
    assert (np.abs(table["sd"] - 1) < 4 * table["mcse_sd"]).all()
    assert (table["r_hat"] < 1.02).all()
    # The error of v's weighted mean, from the exact weights; ArviZ sees it in the repetitions.
    v = 0.5 + 1.5 * z
    weights = np.exp(0.5 * (z**2).sum(axis=2) - 0.5 * (v**2).sum(axis=2))
    weights /= weights.sum()
    expected = 1 / (weights[:, :, None] ** 2 * v**2).sum(axis=(0, 1))
    # of chains of 1000 ArviZ knows it to a tenth
    np.testing.assert_allclose(table["ess_bulk"], expected, rtol=0.3)
    lp = tree["sample_stats"]["lp"].values
    np.testing.assert_allclose(
        lp, -0.5 * (tree["posterior"]["v"].values ** 2).sum(axis=2) - 1.5 * np.log(2 * np.pi)
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("sd", "sound"), [(1.0, True), (0.8, True), (0.4, False), (0.15, False)])
def test_a_narrow_approximation_is_found_out(sd, sound, seed):
    """Of N(0, 1): k = 1 - sd^2 exactly, known to 0.1 or so from 4000 draws."""
    with pm.Model() as model:
        pm.Normal("v", shape=2)
    points = Points(model, {"v": np.full(2, 0.1)})
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((4, 1000, 2))
    log_q = -0.5 * (z**2).sum(axis=2) - 2 * np.log(sd * np.sqrt(2 * np.pi))
    stats = corrected(points, sd * z, log_q, rng, shared=True)["sample_stats"]
    assert stats["corrected"].all() == sound
    assert np.all((stats["pareto_k"] <= 0.7) == sound)
    if 0.15 < sd < 1:
        assert stats["pareto_k"].values[0] == pytest.approx(1 - sd**2, abs=0.2)


def test_widths_are_conditional_deviations_in_any_unit():
    """Of a normal density, and of a coordinate whose scale PyMC has transformed."""
    covariance = np.array([[1e8, 0.6], [0.6, 1e-8]])
    with pm.Model() as model:
        pm.MvNormal("v", [0.0, 0.0], cov=covariance)
        pm.Gamma("g", 100.0, 1e-7)  # log g: mode at log(1e9), about a tenth wide
    points = Points(model, {"v": np.zeros(2), "g": np.array(1e9)})
    expected = [*np.sqrt(1 / np.diagonal(np.linalg.inv(covariance))), 0.1]
    np.testing.assert_allclose(points.widths(), expected, rtol=0.25)


@pytest.fixture(scope="module")
def few_particles(x, fit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return bayesgmm.refine(
            x, fit, sampler="smc", draws=150, chains=2, random_seed=0, progressbar=False
        )


def test_smc_s_form_and_checks(few_particles, model):
    """lp, evidence by chain, the gap between them; labels are settled to the fit's."""
    check_lp(few_particles.tree, model)  # which does not depend on the labels
    stats = few_particles.tree["sample_stats"]
    assert stats["log_marginal_likelihood"].dims == ("chain",)
    check = few_particles.diagnostics.checks["log_marginal_likelihood"]
    assert check.value == pytest.approx(np.ptp(stats["log_marginal_likelihood"].values))
    assert few_particles.diagnostics.problems  # 150 particles do not do
    assert few_particles.relabelled_draws > 0
    means = few_particles.tree["posterior"]["mu"].mean(("chain", "draw"))
    np.testing.assert_allclose(means, few_particles.fit.means, rtol=0.03)


@pytest.mark.slow
def test_smc(x, fit):
    """From the prior to the published posterior, its labels settled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        posterior = bayesgmm.refine(x, fit, sampler="smc", random_seed=2, progressbar=False)
    table = posterior.summary().astype(float)
    for name, (mean, sd) in POSTERIOR.items():
        # particles are not independent: a fifth of a posterior sd is what chains differ by
        assert abs(table.loc[name, "mean"] - float(mean)) < 0.2 * sd, name
        assert table.loc[name, "sd"] == pytest.approx(sd, rel=0.25), name


def test_a_gap_between_evidences_is_a_problem():
    """More than 1 apart is reported, less is not."""
    for gap, bad in ((0.9, False), (1.1, True)):
        stats = xr.Dataset({"log_marginal_likelihood": ("chain", [-7.0, -7.0 + gap])})
        [check] = engine_checks(stats).values()
        assert bool(check.problem) == bad
        if bad:
            assert "raise draws" in check.problem


@pytest.mark.parametrize(
    ("sampler", "missing"), [("numpyro", "jax"), ("blackjax", "blackjax"), ("pathfinder", "jax")]
)
def test_a_missing_library_is_named_with_the_cure(model, fit, monkeypatch, sampler, missing):
    """Before anything is compiled."""
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(
        ModuleNotFoundError,
        match=rf"'{sampler}' requires.*{missing}.*pip install 'bayesgmm\[jax\]'",
    ):
        sample(model, initial_point(model, fit), sampler=sampler)


@pytest.mark.parametrize(("known", "error"), [(False, ImportError), (True, TypeError)])
def test_a_blackjax_that_pymc_does_not_know(model, fit, monkeypatch, known, error):
    """The error of pymc-devs/pymc issue 8367 says what to install; another one stays itself."""

    def refuse(*arguments):
        raise TypeError("kernel() got an unexpected keyword argument")

    def older(algorithm, logdensity_fn, progress_bar=False, **extra):
        """As of BlackJAX 1.5."""

    def newer(algorithm, logdensity_fn, **extra):
        """As of BlackJAX 1.6."""

    library = SimpleNamespace(window_adaptation=older if known else newer, __spec__=object())
    monkeypatch.setitem(sys.modules, "blackjax", library)
    monkeypatch.setattr(jax_nuts, "_sampled", refuse)
    with pytest.raises(error, match="unexpected keyword" if known else r"so new a BlackJAX: pip"):
        sample(model, initial_point(model, fit), sampler="blackjax")


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def interrupt_pymc(monkeypatch, at, stop=press_ctrl_c):
    original = pm.sample

    def watch(trace, draw):
        if (draw.chain, draw.draw_idx) == at:
            stop()

    monkeypatch.setattr(pm, "sample", lambda *a, **k: original(*a, callback=watch, **k))


def test_an_interruption_of_pymc_keeps_the_draws(model, fit, monkeypatch):
    """Ctrl-C in the second of two chains: as many draws of both as it has."""
    interrupt_pymc(monkeypatch, at=(1, 50 + 80))
    with pytest.warns(ConvergenceAdvice, match="interrupted: 8. draws of 2 chains are kept"):
        tree = sample(
            model, initial_point(model, fit), draws=100, tune=50, chains=2, cores=1,
            random_seed=0, progressbar=False, sampler="pymc",
        )  # fmt: skip
    assert np.all(np.isfinite(tree["posterior"]["mu"]))


def test_an_interruption_of_pymc_without_draws(model, fit, monkeypatch):
    """Ctrl-C during warm-up leaves nothing to return."""
    interrupt_pymc(monkeypatch, at=(0, 10))
    with pytest.raises(KeyboardInterrupt, match="before a chain had 4 draws"):
        sample(
            model, initial_point(model, fit), draws=100, tune=50, chains=1, cores=1,
            random_seed=0, progressbar=False, sampler="pymc",
        )  # fmt: skip


def test_an_error_of_pymc_is_no_interruption(model, fit, monkeypatch):
    """Of the same type, and in the warm-up too: it is told as it is, and Ctrl-C works as before."""

    def stop():
        raise ValueError("Not enough samples to build a trace.")

    interrupt_pymc(monkeypatch, (0, 10), stop)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="Not enough samples"):
        sample(
            model, initial_point(model, fit), draws=100, tune=50, chains=1, cores=1,
            random_seed=0, progressbar=False, sampler="pymc",
        )  # fmt: skip
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interruption_of_advi_uses_what_was_found(correlated, monkeypatch):
    """Ctrl-C in the search: a warning that says after how many steps, and draws."""
    original = pm.fit

    def stop(approximation, losses, step):
        if step == 50:
            raise KeyboardInterrupt

    def interrupted(*arguments, callbacks, **options):
        return original(*arguments, callbacks=[*callbacks, stop], **options)

    monkeypatch.setattr(pm, "fit", interrupted)
    with pytest.warns(ConvergenceAdvice, match="interrupted after 50 of 10000 steps"):
        tree = sample(
            correlated, START, sampler="advi", draws=50, chains=2, random_seed=0, progressbar=False
        )
    assert tree["posterior"]["v"].shape == (2, 50, 2)


def test_an_interruption_of_smc_keeps_complete_chains(correlated, monkeypatch):
    """Ctrl-C in the third chain keeps two; in the first, nothing."""
    original, calls = smc._run, []

    def interrupted(kernel):
        calls.append(kernel)
        if len(calls) > n_complete:
            raise KeyboardInterrupt
        return original(kernel)

    monkeypatch.setattr(smc, "_run", interrupted)
    n_complete = 2
    options = {"sampler": "smc", "draws": 50, "chains": 4, "random_seed": 0, "progressbar": False}
    with pytest.warns(ConvergenceAdvice, match="interrupted: 50 draws of 2 chains are kept"):
        tree = sample(correlated, START, **options)
    assert tree["posterior"]["v"].shape == (2, 50, 2)
    calls.clear()
    n_complete = 0
    with pytest.raises(KeyboardInterrupt, match="before a chain was complete"):
        sample(correlated, START, **options)


@pytest.mark.parametrize("sampler", ["advi", "smc"])
def test_silence(correlated, sampler, capfd, caplog):
    """progressbar=False prints nothing: no bar, no log line."""
    caplog.set_level(logging.INFO)
    capfd.readouterr()
    sample(
        correlated, START, sampler=sampler, draws=20, tune=5, chains=2, random_seed=0,
        progressbar=False,
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")
    assert [r for r in caplog.records if r.name.startswith("pymc")] == []
