"""The command line, as a user types it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm.cli.app import app
from bayesgmm.data.files import read_table
from tests.synthetic import make_posterior

COMMANDS = (
    "fit", "select", "classify", "merge", "bootstrap", "errors", "refine", "compare", "plot",
    "report", "demo",
)  # fmt: skip


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "eruptions.csv"
    bayesgmm.datasets.load_faithful().to_csv(path, index=False)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def error_of(result):
    """What stands on standard error, without the frame that typer draws."""
    return " ".join(result.stderr.replace("│", " ").split())


# ---- fit ----


def test_missing_values_are_fitted_if_asked_for(tmp_path):
    """`--missing marginalize` fits what is there, as Python does; the default names the column."""
    path = tmp_path / "holes.csv"
    path.write_text("a,b\n1,2\n2,\n3,5\n4,4\n,7\n6,9\n")
    found = json.loads(run("fit", path, "-k", 1, "--missing", "marginalize", "--json").stdout)
    x = [[1, 2], [2, None], [3, 5], [4, 4], [None, 7], [6, 9]]
    assert found["loglik"] == pytest.approx(bayesgmm.fit(x, 1, missing="marginalize").loglik)
    assert "missing='marginalize'" in error_of(run("fit", path, "-k", 1))


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
def test_columns_never_together(tmp_path):
    """The error names both and the cure; a diagonal family, or a prior, does with them."""
    path = tmp_path / "apart.csv"
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f}," for a in rng.normal(size=30)] + [f",{b:.3f}" for b in rng.normal(size=30)]
    path.write_text("height,width\n" + "\n".join(rows) + "\n")
    options = ["--missing", "marginalize", "--json"]
    result = run("fit", path, "-k", 1, *options)
    assert result.exit_code != 0
    for word in ("'height' and 'width'", "0 rows", "VVI", "prior"):
        assert word in error_of(result)
    out = tmp_path / "fit.npz"
    assert run("fit", path, "-k", 1, "--family", "VVI", *options).exit_code == 0
    assert run("fit", path, "-k", 1, "--prior", *options, "--out", out).exit_code == 0
    found = json.loads(run("select", path, "-k", 1, *options).stdout)
    status = {row["family"]: row["status"] for row in found["table"]}
    assert status["VVI"] == "converged" and status["EEE"] == "failed"
    x = pd.read_csv(path)
    posterior = bayesgmm.refine(
        x, bayesgmm.Fit.load(out), sampler="gibbs", draws=500, random_seed=1, progressbar=False
    )
    sigma = posterior.draws.covariances[:, 0]
    correlation = sigma[:, 0, 1] / np.sqrt(sigma[:, 0, 0] * sigma[:, 1, 1])
    assert abs(correlation.mean()) < 0.2 and correlation.std() > 0.4  # as the prior has it


def test_labels_and_noise(csv, tmp_path):
    """`--labels COLUMN` and `--noise` as in Python; `refine` and `select` go on from them."""
    x = bayesgmm.datasets.load_faithful()
    table = x.assign(kind=["short" if e < 2 else "long" if e > 4.5 else None for e in x.eruptions])
    path = tmp_path / "kinds.csv"
    table.to_csv(path, index=False)
    out = tmp_path / "labelled.npz"
    found = json.loads(run("fit", path, "-k", 2, "--labels", "kind", "--out", out, "--json").stdout)
    fit = bayesgmm.fit(x, 2, labels=table["kind"], random_seed=0)
    assert found["loglik"] == pytest.approx(fit.loglik) and found["classes"] == ["long", "short"]
    refined = json.loads(
        run(
            "refine", path, out, "--sampler", "laplace", "--json", "--out", tmp_path / "p.nc"
        ).stdout
    )
    assert np.array(refined["mean"]["mu"]) == pytest.approx(fit.means, rel=0.05)
    assert bayesgmm.Posterior.load(tmp_path / "p.nc").fit.classes == ("long", "short")
    how = ("--family", "EEE", "--max-k", 3, "--n-boot", 3, "--n-init", 2, "--seed", 1, "-q")
    for option, of in (("--labels", {"labels": table["kind"]}), ("--noise", {"noise": True})):
        columns = (
            "--columns",
            "eruptions,waiting",
            option,
            {"--noise": "volume"}.get(option, "kind"),
        )
        tested = run("bootstrap", path, *how, *columns).stdout
        assert tested.strip() == repr(bayesgmm.bootstrap_lrt(
            x, "EEE", max_components=3, n_boot=3, n_init=2, random_seed=1, progressbar=False, **of
        ))  # fmt: skip
    noisy = json.loads(run("fit", csv, "-k", 1, "--noise", "volume", "--json").stdout)
    share = bayesgmm.fit(x, 1, noise=True, random_seed=0).noise_share
    assert noisy["noise_share"] == pytest.approx(share, abs=1e-6)
    options = ("-k", "1:2", "--families", "EII", "--n-init", 4, "--quiet", "--json")
    grid = json.loads(run("select", csv, *options, "--noise", "0.001").stdout)
    assert {row["family"] for row in grid["table"]} == {"EII", "EII+noise", "noise"}
    for table_of, wrong, says in (
        (csv, ("--noise", "much"), "is no density"),
        (csv, ("--labels", "knd"), "no column 'knd'"),
        (path, ("--labels", "kind", "--columns", "kind"), "column of the labels"),
    ):
        failed = run("fit", table_of, "-k", 2, *wrong)
        assert failed.exit_code == 2 and says in error_of(failed)


def test_fit_prints_what_python_prints(csv, tmp_path):
    """The same estimates as from Python, and the fit kept."""
    out = tmp_path / "two.npz"
    result = run("fit", csv, "-k", 2, "--out", out)
    assert result.exit_code == 0, result.output
    expected = bayesgmm.fit(pd.read_csv(csv), 2, random_seed=0)
    assert result.stdout == f"{expected!r}\nFit saved to {out}\n"
    assert bayesgmm.Fit.load(out).loglik == expected.loglik


def test_fit_as_json(csv):
    """One JSON value on standard output, with every estimate."""
    result = run("fit", csv, "-k", 2, "--family", "EEE", "--prior", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    x = pd.read_csv(csv)
    fit = bayesgmm.fit(x, 2, "EEE", prior=bayesgmm.Prior.from_data(x), random_seed=0)
    assert found["family"] == "EEE" and found["K"] == 2 and found["status"] == "converged"
    assert found["bic"] == fit.bic
    np.testing.assert_array_equal(found["means"], fit.means)
    np.testing.assert_array_equal(found["covariances"], fit.covariances)
    assert found["saved"] is None
    assert result.stderr == ""


def test_one_column_takes_the_family_of_one_column(csv):
    """No family named: V for one column."""
    found = json.loads(run("fit", csv, "-k", 2, "--columns", "waiting", "--json").stdout)
    assert found["family"] == "V" and found["columns"] == ["waiting"]


def test_a_degenerate_fit_is_exit_code_1(tmp_path):
    """The fit is printed, the warning told, and scripts can see that it is none."""
    path = tmp_path / "x.csv"
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=30), [9.0, 9.0 + 1e-9, 9.0 - 1e-9]])
    pd.DataFrame({"x": x}).to_csv(path, index=False)
    result = run("fit", path, "-k", 2, "--n-init", 3)
    assert result.exit_code == 1
    assert "bayesgmm: warning: " in result.stderr
    assert "fewer components" in error_of(result)
    found = run("fit", path, "-k", 2, "--n-init", 3, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["status"] in ("degenerate", "spurious")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("--start", "hc", "--tol", "1e-3"), {"start": "hc", "tol": 1e-3}),
        (("--start", "k-means++", "--n-init", 2), {"start": "k-means++", "n_init": 2}),
        (("--max-iter", 1, "--n-init", 2), {"max_iter": 1, "n_init": 2}),
    ],
)
def test_fit_ends_and_starts_as_it_is_told(csv, arguments, options):
    """The same iterations as from Python."""
    result = run("fit", csv, "-k", 3, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    expected = bayesgmm.fit(pd.read_csv(csv), 3, random_seed=0, **options)
    assert (found["loglik"], found["n_iter"]) == (expected.loglik, expected.n_iter)
    assert found["status"] == expected.status.value


def test_starts_are_those_of_fit():
    """The command names all of them."""


@pytest.mark.parametrize(
    ("arguments", "prior"),
    [
        (("--concentration", 3), {"concentration": 3}),
        (("--random-scale",), {"random_scale": True}),
        (("--conjugate",), {"conjugate": True, "n_components": 2}),
    ],
)
def test_fit_under_a_chosen_prior(csv, tmp_path, arguments, prior):
    """`Prior.from_data` with the same choices."""
    out = tmp_path / "fit.npz"
    result = run("fit", csv, "-k", 2, "--prior", *arguments, "--out", out)
    assert result.exit_code == 0, result.output
    expected = bayesgmm.Prior.from_data(pd.read_csv(csv), **prior)
    assert bayesgmm.Fit.load(out).prior.to_dict() == expected.to_dict()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--start", "best"), 2, "'k-means++'"),
        (("--tol", -1), 1, "tol is -1.0: pass a number of at least 0"),
        (("--max-iter", -1), 2, "--max-iter"),
        (("--concentration", 2), 2, "add --prior"),
        (("--random-scale",), 2, "add --prior"),
        (("--prior", "--concentration", 0.5), 1, "use at least 1 for fit()"),
        (("--prior", "--concentratoin", 2), 2, "--concentration"),
    ],
)
def test_fit_refuses_what_python_refuses(csv, arguments, code, message):
    """In one line."""
    result = run("fit", csv, "-k", 2, *arguments)
    assert result.exit_code == code
    assert message in error_of(result)
    assert result.stdout == "" and "Traceback" not in result.output


# ---- weights ----


@pytest.fixture
def counted(tmp_path):
    """Old Faithful's rows, equal ones once, with their number."""
    path = tmp_path / "counted.csv"
    bayesgmm.datasets.load_faithful().value_counts().reset_index(name="times").to_csv(
        path, index=False
    )
    return path


@pytest.mark.parametrize("columns", [(), ("--columns", "eruptions,waiting")])
def test_a_column_of_weights_is_no_data(csv, counted, columns):
    """Rows that count as often as they were there give what those rows give."""
    all_rows = json.loads(run("fit", csv, "-k", 2, "--json").stdout)
    found = json.loads(
        run("fit", counted, "-k", 2, "--weights", "times", *columns, "--json").stdout
    )
    assert found["columns"] == ["eruptions", "waiting"]
    assert found["n"] == all_rows["n"] == 272
    assert found["bic"] == pytest.approx(all_rows["bic"], abs=1e-4)
    options = ("-k", 2, "--families", "EEE", "--n-init", 1, "-q", "--json")
    grid = json.loads(run("select", counted, "--weights", "times", *columns, *options).stdout)
    every = json.loads(run("select", csv, *options).stdout)
    assert grid["best"]["bic"] == pytest.approx(every["best"]["bic"], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("tims",), 2, "no column 'tims' in counted.csv (did you mean 'times'?); it has"),
        (("times", "--columns", "waiting,times"), 2, "'times' is the column of the weights"),
    ],
)
def test_a_column_that_cannot_be_the_weights(counted, arguments, code, message):
    """It is not there, or is data too."""
    result = run("fit", counted, "-k", 2, "--weights", *arguments)
    assert result.exit_code == code
    assert message in error_of(result)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-2, "the weight 'times' is -2.0 in row 3"),
        (np.nan, "the weight 'times' is missing in row 3"),
        (np.inf, "the weight 'times' is inf in row 3"),
        ("often", "the weight 'times' is 'often' in row 3"),
    ],
)
def test_weights_that_cannot_be_used(counted, value, message):
    """The column, the value and the row are named, with the cure."""
    table = pd.read_csv(counted)
    table["times"] = table["times"].astype(object if isinstance(value, str) else float)
    table.loc[3, "times"] = value
    table.to_csv(counted, index=False)
    result = run("fit", counted, "-k", 2, "--weights", "times")
    assert result.exit_code == 1
    assert f"{message}: pass finite numbers of at least 0" in error_of(result)
    assert result.stdout == ""


def test_dates_are_no_weights(counted, tmp_path):
    """Though pandas has them as numbers."""
    table = pd.read_csv(counted)
    table["times"] = pd.date_range("2020-01-01", periods=len(table))
    table.to_parquet(tmp_path / "x.parquet")
    result = run("fit", tmp_path / "x.parquet", "-k", 2, "--weights", "times")
    assert result.exit_code == 1
    assert "the weight 'times' is 2020-01-01 00:00:00 in row 0" in error_of(result)


# ---- select, refine, compare ----


def test_select_keeps_a_grid_and_takes_it_up(csv, tmp_path):
    """The grid is printed, kept, and started from."""
    out = tmp_path / "grid.npz"
    options = ("--families", "EEE,VVV", "--n-init", 2, "-q")
    result = run("select", csv, "-k", "1:2", *options, "--criterion", "icl", "--out", out)
    assert result.exit_code == 0, result.output
    grid = bayesgmm.Selection.load(out)
    assert result.stdout == f"{grid!r}\nGrid saved to {out}\n"
    assert grid.criterion == "icl" and len(grid.fits) == 4
    assert result.stderr == ""
    again = run("select", csv, "-k", "1:3", *options, "--resume", out, "--json")
    found = json.loads(again.stdout)
    assert len(found["table"]) == 6
    assert found["best"]["bic"] == min(row["bic"] for row in found["table"])
    fit = tmp_path / "fit.npz"
    run("fit", csv, "-k", 1, "--out", fit)
    refused = run("select", csv, "--resume", fit)
    assert refused.exit_code == 2 and "does not hold a grid" in error_of(refused)


def test_progress_is_on_standard_error(csv):
    """Displayed unless --quiet; standard output stays clean."""
    result = run("select", csv, "-k", 1, "--families", "EEE")
    assert "Fitting the grid" in result.stderr
    assert "Fitting the grid" not in result.stdout


def test_a_grid_without_an_estimate_is_exit_code_1(tmp_path):
    """Every cell failed: the reasons, and no traceback."""
    path = tmp_path / "x.csv"
    x = np.random.default_rng(0).normal(size=(30, 2))
    frame = pd.DataFrame(np.column_stack([x, x.sum(axis=1)]), columns=["a", "b", "both"])
    frame.to_csv(path, index=False)
    result = run("select", path, "-k", 1, "--families", "VVV", "-q")
    assert result.exit_code == 1
    assert "no cell of the grid has an estimate: columns" in error_of(result)
    assert result.stdout == ""


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")  # so few draws
def test_from_data_to_comparison(csv, tmp_path):
    """A grid, the posterior of one of its cells, and one table of both."""
    grid, posterior = tmp_path / "grid.npz", tmp_path / "two.nc"
    run("select", csv, "-k", "1:2", "--families", "EEE,VVV", "--n-init", 2, "-q", "--out", grid)
    result = run(
        "refine", csv, grid, "--cell", "VVV,2", "--draws", 100, "--tune", 150, "--chains", 2,
        "--out", posterior, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    kept = bayesgmm.Posterior.load(posterior)
    assert (found["family"], found["K"], found["draws"]) == ("VVV", 2, 100)
    np.testing.assert_allclose(found["mean"]["mu"], kept.draws.means.mean(axis=0), rtol=1e-12)
    assert found["problems"] == kept.diagnostics.problems
    for problem in found["problems"]:  # usable with care: advice, but no failure
        assert problem in error_of(result)
    table = json.loads(run("compare", grid, posterior, "--json").stdout)
    assert len(table["models"]) == 5
    assert table["models"][-1]["elpd_loo"] == pytest.approx(kept.loo().elpd)
    assert table["models"][-1]["bic"] is None
    assert table["columns"]["bic"]["better"] == "lower"
    assert table["conclusion"].startswith("BIC ")


def test_engines_are_those_of_refine(csv, saved, monkeypatch):
    """The command names all of them; one that is not installed is one line, no traceback."""
    monkeypatch.setitem(sys.modules, "numpyro", None)
    result = run("refine", csv, saved / "fit.npz", "--sampler", "numpyro", "-q")
    assert result.exit_code == 1
    assert "bayesgmm[jax]" in error_of(result)
    result = run("refine", csv, saved / "fit.npz", "--sampler", "laplace", "-q", "--json")
    assert json.loads(result.stdout)["sampler"] == "laplace"


def test_refine_by_gibbs_in_several_modes(csv, saved):
    """Sweeps to a draw, chains in each mode and the labels' method as Python's refine has them."""
    result = run(
        "refine", csv, saved / "fit.npz", "--sampler", "gibbs", "--thin", 3, "--n-modes", 2,
        "--relabel", "stephens", "--draws", 60, "--tune", 20, "--chains", 2, "--json",
        "--out", saved / "two.nc",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["sampler"], found["relabel"], found["draws"]) == ("gibbs", "stephens", 60)
    x, fit = pd.read_csv(csv), bayesgmm.Fit.load(saved / "fit.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
        expected = bayesgmm.refine(
            x, fit, sampler="gibbs", thin=3, n_modes=2, relabel="stephens", draws=60, tune=20,
            chains=2, random_seed=0, progressbar=False,
        )  # fmt: skip
    kept = bayesgmm.Posterior.load(saved / "two.nc")
    np.testing.assert_array_equal(kept.draws.means, expected.draws.means)
    assert found["chains"] == expected.diagnostics.chains
    assert [tuple(mode["chains"]) for mode in found["modes"]] == list(expected.chain_modes.groups)
    assert found["widening"] == pytest.approx(expected.prior_influence.widening)
    assert found["few_rows"] == pytest.approx(expected.prior_influence.few_rows)


@pytest.mark.parametrize(
    ("arguments", "prior"),
    [
        ((), {}),
        (("--concentration", 0.5), {"concentration": 0.5}),
        (("--random-scale",), {"random_scale": True}),
        (("--conjugate", "--concentration", 2),
         {"conjugate": True, "concentration": 2, "n_components": 2}),
    ],
)  # fmt: skip
def test_refine_under_a_chosen_prior(csv, saved, arguments, prior):
    """`Prior.from_data` with the same choices; the fit's own prior, or the default, without."""
    result = run(
        "refine", csv, saved / "fit.npz", *arguments, "--sampler", "gibbs", "--draws", 50,
        "--tune", 20, "--chains", 2, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    expected = bayesgmm.Prior.from_data(pd.read_csv(csv), **prior)
    assert json.loads(result.stdout)["prior"] == expected.to_dict()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--thin", 5), 1, "thin is 5: only sampler='gibbs' has sweeps"),
        (("--thin", 0), 2, "--thin"),
        (("--n-modes", 2, "--sampler", "pymc"), 1, "n_modes is 2: sampler 'pymc' starts in one"),
        (("--n-modes", 0), 2, "--n-modes"),
        (("--relabel", "best"), 2, "'stephens'"),
        (("--target-accept", 1), 1, "target_accept is 1.0: pass a probability between 0 and 1"),
        (("--concentration", 0), 1, "concentration is 0"),
        (("--concentration", "x"), 2, "--concentration"),
        (("--sampler", "gibs"), 2, "'gibbs'"),
    ],
)
def test_refine_refuses_what_python_refuses(csv, saved, arguments, code, message):
    """In one line, before any sampling."""
    result = run("refine", csv, saved / "fit.npz", *arguments)
    assert result.exit_code == code
    assert message in error_of(result)
    assert result.stdout == "" and "Traceback" not in result.output


@pytest.fixture
def saved(csv, tmp_path):
    """A saved grid, a fit and a made-up posterior."""
    x = pd.read_csv(csv)
    grid = bayesgmm.select(x, [1, 2], ["EEE"], n_init=1, random_seed=0, progressbar=False)
    grid.save(tmp_path / "grid.npz")
    grid.best.save(tmp_path / "fit.npz")
    make_posterior(x, grid.best).save(tmp_path / "posterior.nc")
    return tmp_path


def test_compare_prints_and_writes(saved):
    """Text on standard output; CSV, HTML and LaTeX by the file's ending."""
    paths = [saved / "grid.npz", saved / "fit.npz", saved / "posterior.nc"]
    for ending in ("csv", "html", "tex"):
        result = run("compare", *paths, "--out", saved / f"table.{ending}")
        assert result.exit_code == 0, result.output
    text = result.stdout
    for name in ("grid: EEE, K = 2", "fit", "posterior", "stacking"):
        assert name in text or name == "stacking"
    assert pd.read_csv(saved / "table.csv", index_col="model").index.tolist() == [
        "grid: EEE, K = 2", "grid: EEE, K = 1", "fit", "posterior"
    ]  # fmt: skip
    from tests.reporting.test_report import Page

    page = Page((saved / "table.html").read_text())
    assert page.open == [] and "Verdicts" in "".join(page.text)
    assert r"\begin{tabular}" in (saved / "table.tex").read_text()
    alone = run("compare", saved / "grid.npz").stdout
    assert " EEE, K = 2 " in alone and "grid:" not in alone
    wrong = run("compare", *paths, "--out", saved / "table.doc")
    assert wrong.exit_code == 2 and ".csv, .html, .tex" in error_of(wrong)


def test_files_of_one_name_are_told_apart(saved):
    """two.npz and two.nc are two models."""
    (saved / "fit.nc").write_bytes((saved / "posterior.nc").read_bytes())
    found = json.loads(run("compare", saved / "fit.npz", saved / "fit.nc", "--json").stdout)
    names = [model["model"] for model in found["models"]]
    assert names == [str(saved / "fit.npz"), str(saved / "fit.nc")]


def test_evidence_of_a_posterior_that_has_none(saved):
    """The reason is in the result, which is still one."""
    result = run("compare", saved / "posterior.nc", "--evidence", "bridge", "--json")
    assert result.exit_code == 0, result.output
    assert "volume" in json.loads(result.stdout)["reasons"]["posterior"]["log_evidence"]
    fits = run("compare", saved / "fit.npz", "--evidence", "bridge")
    assert fits.exit_code == 1 and "fits have no evidence" in error_of(fits)


def test_refine_says_what_it_can_be_given(csv, saved):
    """A cell that is not there, a posterior, a file of something else."""
    refused = run("refine", csv, saved / "grid.npz", "--cell", "VVV,2")
    assert refused.exit_code == 2 and "the grid has EEE,1, EEE,2" in error_of(refused)
    assert run("refine", csv, saved / "fit.npz", "--cell", "EEE,2").exit_code == 2
    refused = run("refine", csv, saved / "posterior.nc")
    assert refused.exit_code == 2 and "holds a posterior already" in error_of(refused)
    refused = run("refine", csv, csv)
    assert refused.exit_code == 1 and "is not a fit, grid or posterior" in error_of(refused)


@pytest.mark.parametrize("name", ["grid.npz", "fit.npz", "posterior.nc"])
def test_damaged_files_are_one_line(saved, name):
    """Cut short anywhere: exit code 1, the file's name, no traceback."""
    path = saved / name
    whole = path.read_bytes()
    for part in (0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(part * len(whole))])
        result = run("compare", path)
        assert result.exit_code == 1, result.output
        assert name in result.stderr and "Traceback" not in result.output


# ---- report ----


def test_report_from_csv(csv, tmp_path):
    """A CSV file in, an HTML file out, its name printed."""
    out = tmp_path / "out.html"
    result = run(
        "report", csv, "-k", "1:3", "--families", "EEE, VVV", "--columns", "waiting,eruptions",
        "--no-refine", "--n-init", 2, "--out", out, "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Report written to {out}\n"
    page = out.read_text()
    assert "Gaussian mixture of eruptions" in page
    assert "--families EEE,VVV" in page
    assert "--columns waiting,eruptions" in page
    found = run("report", csv, "-k", 1, "--families", "EEE", "--no-refine", "--out", out, "--json")
    assert json.loads(found.stdout) == {"report": str(out), "source": "eruptions.csv"}


def test_report_asks_the_question_under_the_prior_chosen(csv, tmp_path):
    """Both are in the report, and in the command that repeats it."""
    out = tmp_path / "out.md"
    result = run(
        "report", csv, "-k", 2, "--families", "EEE", "--no-refine", "--n-init", 2, "-q",
        "--question", "Two kinds?", "--concentration", 3, "--conjugate", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    page = out.read_text()
    assert "## Question\n\nTwo kinds?\n" in page
    assert "Dirichlet(3, 3)" in page or "Dirichlet(3, ..., 3)" in page
    assert "--question 'Two kinds?'" in page
    assert "--concentration 3.0 --conjugate" in page


def test_report_has_one_conjugate_prior_for_one_number(csv, tmp_path, monkeypatch):
    """Several numbers of components have several; nothing is written."""
    monkeypatch.chdir(tmp_path)
    result = run("report", csv, "-k", "1:2", "--conjugate", "-q")
    assert result.exit_code == 2 and "give one with -k, or add --random-scale" in error_of(result)
    assert list(tmp_path.iterdir()) == [csv]


# ---- data and usage ----


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3,x\n4,5\n", "column 'b' holds text ('x' in row 1): correct that value, or "
         "name the others with --columns a."),
        ("a,b\nu,2\nv,x\n", "column 'a' holds text ('u' in row 0): correct that value, or convert "
         "it."),
        ("a,b\n1,2\n3,\n4,5\n", "column 'b' has 1 missing value"),
        ("a,b\n1,2\n3,2\n", "column 'b' is constant"),
        ("", "not a CSV file"),
        ("a,b\n1,2\n1,2,3\n", "not a CSV file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [("fit", "-k", 1), ("select",), ("report", "--no-refine")])
def test_bad_data_are_one_line_and_exit_code_1(tmp_path, monkeypatch, command, content, message):
    """Problems with the data name the column or value; there is no traceback, and no file."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.csv"
    path.write_text(content)
    result = run(command[0], path, *command[1:])
    assert result.exit_code == 1
    assert message in error_of(result)
    assert result.stdout == "" and "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--columns", "waitng"], "no column 'waitng' in eruptions.csv (did you mean 'waiting'?); "
         "it has eruptions, waiting."),
        (["--columns", "Zzz"], "no column 'Zzz' in eruptions.csv; it has"),
        (["--families", "VVX"], "unknown covariance_type 'VVX'"),
        (["--families", "V"], "'V'"),
        (["-k", "0:3"], "'0:3' names no numbers of components"),
        (["-k", "a"], "write 1:9, 3, or 1,2,5"),
        (["-k", "5:2"], "write 1:9"),
        (["-k", ""], "write 1:9"),
        (["--n-init", "0"], "--n-init"),
        (["--seed", "x"], "--seed"),
        (["--out", "no/such/file"], "no directory no/such to write file to"),
        (["--out", "."], "is a directory"),
        (["--frobnicate"], "No such option"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["select", "report"])
def test_a_wrong_command_line_is_exit_code_2(csv, command, arguments, message):
    """What was typed is named, with what could have been meant."""
    result = run(command, csv, "-q", *arguments)
    assert result.exit_code == 2
    assert message in error_of(result)
    assert result.stdout == ""


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "demo"])
def test_a_missing_file_is_exit_code_2(tmp_path, command):
    """And named."""
    result = run(command, tmp_path / "no.csv", *(["-k", 1] if command == "fit" else []))
    assert result.exit_code == 2
    assert "no.csv' does not exist" in error_of(result)


def test_every_kind_of_file_gives_the_same_rows(csv, tmp_path):
    """CSV, TSV, compressed CSV, Parquet and Feather."""
    x = pd.read_csv(csv)
    x.to_csv(tmp_path / "x.tsv", sep="\t", index=False)
    x.to_csv(tmp_path / "x.csv.gz", index=False)
    x.to_parquet(tmp_path / "x.parquet")
    x.to_feather(tmp_path / "x.feather")
    for path in tmp_path.iterdir():
        pd.testing.assert_frame_equal(read_table(path), x)
        found = run("fit", path, "-k", 1, "--json")
        assert json.loads(found.stdout)["loglik"] == bayesgmm.fit(x, 1, random_seed=0).loglik


def test_files_that_are_not_what_they_seem(csv, tmp_path, monkeypatch):
    """Another content, an unknown ending, and pyarrow that is not there: each says the cure."""
    for ending in ("parquet", "feather"):
        wrong = tmp_path / f"x.{ending}"
        wrong.write_bytes(csv.read_bytes())
        result = run("fit", wrong, "-k", 1)
        assert result.exit_code == 1
        assert f"x.{ending} is not a {ending} file" in error_of(result)
    other = tmp_path / "x.xlsx"
    other.write_bytes(b"PK")
    result = run("fit", other, "-k", 1)
    assert result.exit_code == 1
    assert "x.xlsx ends in '.xlsx': pass a table in a file that ends in .csv" in error_of(result)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("fit", tmp_path / "x.parquet", "-k", 1)
    assert result.exit_code == 1
    assert "install bayesgmm[parquet], or save the table as CSV" in error_of(result)


# ---- answers by row, and pictures ----


@pytest.fixture
def grid(csv, tmp_path):
    """A saved grid, and the same from Python."""
    path = tmp_path / "grid.npz"
    found = bayesgmm.select(
        pd.read_csv(csv), [1, 2, 3], ["EEE", "VVV"], random_seed=0, progressbar=False
    )
    found.save(path)
    return path, found


@pytest.fixture
def posterior(csv, grid, tmp_path):
    """A saved posterior, and the same from Python."""
    path, x = tmp_path / "two.nc", pd.read_csv(csv)
    found = make_posterior(x, grid[1]["VVV", 2])
    found.save(path)
    return path, found


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "feather"])
def test_classify_writes_what_python_returns(csv, grid, tmp_path, ending):
    """Component, uncertainty and responsibilities of every row, beside the columns to keep."""
    path, out = grid[0], tmp_path / f"classes.{ending}"
    result = run(
        "classify", csv, path, "--cell", "VVV,2", "--responsibilities", "--keep", "waiting",
        "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    x = pd.read_csv(csv)
    expected = bayesgmm.classify(x, grid[1]["VVV", 2], responsibilities=True)
    table = read_table(out)
    assert list(table) == ["row", "waiting", *expected]
    assert table["row"].tolist() == list(range(len(x)))
    assert table["waiting"].tolist() == x["waiting"].tolist()
    pd.testing.assert_frame_equal(table[list(expected)], expected, check_dtype=False, rtol=1e-15)
    sizes = expected["component"].value_counts()
    assert f"(0: {sizes[0]}, 1: {sizes[1]}) written" in result.stdout


def test_classify_prints_csv_and_json(csv, grid):
    """Without --out on standard output; the best model without --cell."""
    expected = bayesgmm.classify(pd.read_csv(csv), grid[1])
    result = run("classify", csv, grid[0])
    found = pd.read_csv(io.StringIO(result.stdout))
    assert found["component"].tolist() == expected["component"].tolist()
    found = json.loads(run("classify", csv, grid[0], "--json").stdout)
    assert [row["component"] for row in found["rows"]] == expected["component"].tolist()


def test_classify_by_a_posterior(csv, posterior):
    """Probabilities are means over its draws."""
    result = run("classify", csv, posterior[0], "--responsibilities")
    assert result.exit_code == 0, result.output
    found = pd.read_csv(io.StringIO(result.stdout))
    expected = posterior[1].predict_proba(pd.read_csv(csv))
    np.testing.assert_allclose(found[["r_0", "r_1"]], expected, rtol=1e-12)


def test_classify_refuses_what_it_cannot_keep(csv, grid, tmp_path):
    """A column that there is not, one that has a name of the result, an unknown ending."""
    wrong = run("classify", csv, grid[0], "--keep", "name")
    assert wrong.exit_code == 2 and "no column 'name' in eruptions.csv" in error_of(wrong)
    wrong = run("classify", csv, grid[0], "--out", tmp_path / "x.xls")
    assert wrong.exit_code == 2 and "x.xls ends in none of .csv" in error_of(wrong)
    x = pd.read_csv(csv).assign(component=1)
    x.to_csv(csv, index=False)
    wrong = run("classify", csv, grid[0], "--keep", "component")
    assert wrong.exit_code == 2 and "'component' is a column of the result" in error_of(wrong)


def test_merge_prints_and_writes_clusters(csv, grid, tmp_path):
    """What `merge` says, and the cluster of each row."""
    out = tmp_path / "clusters.csv"
    result = run("merge", csv, grid[0], "--cell", "EEE,3", "--clusters", 2, "--out", out)
    assert result.exit_code == 0, result.output
    x = pd.read_csv(csv)
    merging = bayesgmm.merge(x, grid[1]["EEE", 3])
    assert repr(merging) in result.stdout
    assert pd.read_csv(out)["cluster"].tolist() == merging.predict(x, 2).tolist()
    found = json.loads(run("merge", csv, grid[0], "--cell", "EEE,3", "--json").stdout)
    assert found["n_clusters"] == merging.suggest() and len(found["clusters"]) == 2


def test_commands_take_columns_with_commas_in_their_names(tmp_path):
    """Of a saved fit: its columns are not read as a list."""
    x = bayesgmm.datasets.load_faithful().set_axis(["length, min", "wait, min"], axis=1)
    x.to_csv(path := tmp_path / "x.csv", index=False)
    bayesgmm.fit(x, 2, random_seed=0).save(saved := tmp_path / "two.npz")
    for command in (["merge"], ["errors", "--method", "information"], ["classify"]):
        result = run(command[0], path, saved, *command[1:])
        assert result.exit_code == 0, result.output


def test_errors_and_bootstrap_print_what_python_prints(csv, grid, tmp_path):
    """Standard errors at a level, and the test of K."""
    out = tmp_path / "errors.csv"
    result = run(
        "errors", csv, grid[0], "--cell", "VVV,2", "--method", "information", "--level", 0.9,
        "--out", out,
    )  # fmt: skip
    x = pd.read_csv(csv)
    errors = bayesgmm.standard_errors(x, grid[1]["VVV", 2], "information")
    assert result.stdout.startswith(errors.to_text(0.9))
    pd.testing.assert_frame_equal(pd.read_csv(out), errors.to_frame(0.9))
    result = run("bootstrap", csv, "--columns", "waiting", "--n-boot", 39, "-q", "--max-k", 2)
    test = bayesgmm.bootstrap_lrt(
        x["waiting"], "V", max_components=2, n_boot=39, random_seed=0, progressbar=False
    )
    assert result.stdout == f"{test!r}\n"


@pytest.mark.parametrize(
    ("kind", "ending", "magic"),
    [("bic", "svg", b"<?xml"), ("classification", "png", b"\x89PNG"), ("merging", "pdf", b"%PDF")],
)
def test_plot_writes_a_picture(csv, grid, tmp_path, kind, ending, magic):
    """Of the grid, its best fit, and its merged components."""
    out = tmp_path / f"x.{ending}"
    result = run("plot", csv, grid[0], kind, "--units", "waiting=min", "--out", out)
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(magic)


@pytest.mark.parametrize("kind", ["posterior", "trace"])
def test_plot_of_a_posterior(csv, posterior, tmp_path, kind):
    """Ours, and ArviZ's."""
    out = tmp_path / "x.png"
    result = run("plot", csv, posterior[0], kind, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"\x89PNG")


def test_plot_names_the_kinds_there_are(csv, grid):
    """A kind that there is not, and a unit that is none."""
    wrong = run("plot", csv, grid[0], "densty")
    assert wrong.exit_code == 2
    assert "grid.npz has no plot 'densty' (did you mean 'density'?): choose" in error_of(wrong)
    wrong = run("plot", csv, grid[0], "density", "--units", "min")
    assert wrong.exit_code == 2 and "'min' has no unit: write column=unit" in error_of(wrong)


# ---- help ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_parse(command):
    """Every example of a command is of that command, and its options exist."""
    result = run(command, "--help")
    assert result.exit_code == 0
    examples = re.findall(rf"^ *(bayesgmm {command}.*?) *$", result.stdout, re.MULTILINE)
    assert examples
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", result.stdout.split("Example")[0]))
    for example in examples:
        for option in re.findall(r"(?<= )--?[a-z][a-z-]*", example):
            assert option in known, f"{option} in {example}"


def test_help_and_version():
    """--help lists the commands, --version and --versions the versions."""
    assert bayesgmm.__version__ in run("--version").output
    text = run("--help").output
    assert all(f" {command} " in text for command in COMMANDS)
    assert "--install-completion" in text
    assert "numpy" in run("--versions").stdout
    assert run().exit_code == 2  # no command is no use


def test_the_package_runs_as_a_module():
    """`python -m bayesgmm` is the same program."""
    result = subprocess.run(
        [sys.executable, "-m", "bayesgmm", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == run("--version").stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bayesgmm re", ["refine", "report"]),
        ("bayesgmm select x.csv --families EEE,VV", ["EEE,VVI", "EEE,VVE", "EEE,VVV"]),
        pytest.param("bayesgmm select x.csv --criterion c", ["cv"], marks=pytest.mark.slow),
        pytest.param(
            "bayesgmm fit x.csv --start k", ["kmeans", "k-means++"], marks=pytest.mark.slow
        ),
        pytest.param("bayesgmm refine x.csv x.npz --sampler g", ["gibbs"], marks=pytest.mark.slow),
        pytest.param(
            "bayesgmm refine x.csv x.npz --relabel e",
            ["ecr", "ecr-iterative-1", "ecr-iterative-2"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_shell_completion(line, expected):
    """What bash would be offered."""
    script = "import sys; sys.argv[0] = 'bayesgmm'; from bayesgmm.cli.app import main; main()"
    environment = os.environ | {
        "_BAYESGMM_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == expected


def test_a_wrong_path_does_not_wait_for_pymc():
    """Usage errors and help come before the heavy imports."""
    code = """
import sys
from typer.testing import CliRunner
from bayesgmm.cli.app import app
CliRunner().invoke(app, ["refine", "no.csv", "no.npz"])
CliRunner().invoke(app, ["refine", "--help"])
print([m for m in ("pymc", "pytensor", "matplotlib", "arviz") if m in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


# ---- Ctrl-C ----


def test_an_interrupted_grid(csv, tmp_path, monkeypatch):
    """What there was is printed and kept and says so; exit code 130."""

    def stop(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesgmm.selection.grid.Grid.enforce_nesting", stop)
    out = tmp_path / "grid.npz"
    arguments = ("select", csv, "-k", "1:2", "--families", "EEE,VVV", "--quiet", "--out", out)
    result = run(*arguments)
    assert result.exit_code == 130
    assert "INTERRUPTED" in result.stdout and "bayesgmm: warning: interrupted: " in result.stderr
    assert bayesgmm.Selection.load(out).interrupted
    result = run(*arguments, "--json")
    assert result.exit_code == 130 and json.loads(result.stdout)["interrupted"] is True


def test_an_interruption_that_leaves_nothing(csv, tmp_path, monkeypatch):
    """One line, exit code 130, and an old file stays."""

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    out = tmp_path / "two.npz"
    assert run("fit", csv, "-k", 2, "--out", out).exit_code == 0
    before = out.read_bytes()
    monkeypatch.setattr("bayesgmm.em.fit.fit", stop)
    result = run("fit", csv, "-k", 2, "--out", out)
    assert result.exit_code == 130
    assert result.stderr == "bayesgmm: interrupted, nothing is kept\n" and not result.stdout
    assert out.read_bytes() == before


def test_a_report_on_an_interrupted_grid(csv, tmp_path, monkeypatch):
    """The report says so first, nothing is sampled any more, and the exit code is 130."""

    def stop(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesgmm.selection.grid.Grid.enforce_nesting", stop)
    out = tmp_path / "report.md"
    result = run("report", csv, "-k", "1:2", "--families", "EEE,VVV", "--quiet", "--out", out)
    assert result.exit_code == 130, result.output
    text = out.read_text()
    assert text.split("## Answer")[1].strip().startswith("**Interrupted: the search over the grid")
    assert "no posterior was sampled" in text and "## Posterior" not in text
    assert "bayesgmm: warning: interrupted: " in result.stderr
