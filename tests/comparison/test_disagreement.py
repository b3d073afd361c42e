"""Acidity, where BIC, evidence, LOO and p(K) choose different K: figures, words, files, report."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm import ConvergenceAdvice, PriorOnK
from bayesgmm.cli.app import app
from bayesgmm.comparison.verdict import questions
from bayesgmm.posterior.components import ComponentsPosterior
from bayesgmm.reporting import verdict
from bayesgmm.reporting.analysis import ReportRequest, analyse


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def models():
    """A grid, posteriors of four K under Richardson & Green's prior, and K sampled under it."""
    x = bayesgmm.datasets.load_acidity()
    prior = bayesgmm.Prior.from_data(x, random_scale=True)
    grid = bayesgmm.select(x, [2, 3, 4, 6], ["V"], random_seed=1, progressbar=False)
    how = {"prior": prior, "random_seed": 1, "progressbar": False}
    with warnings.catch_warnings():  # few draws, which say so
        warnings.simplefilter("ignore", ConvergenceAdvice)
        posteriors = {
            f"K = {k}": bayesgmm.refine(x, grid["V", k], sampler="gibbs", draws=300, **how)
            for k in (2, 3, 4, 6)
        }
        sampled = bayesgmm.sample_components(
            x, grid, prior_on_k=PriorOnK.uniform(30), dynamic=False, draws=300, **how
        )
    return {"grid": grid, **posteriors, "K sampled": sampled}


@pytest.fixture(scope="module")
def table(models):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return bayesgmm.compare(models, evidence="bridge", random_seed=1)


@pytest.mark.slow
def test_they_choose_different_k_and_the_words_say_what_each_asks(table):
    """BIC 2, evidence and p(K) more (published p(K): 4 or 3, .25 each), LOO the most."""
    k_of = table["K"].astype(int)
    by_bic, by_evidence = k_of[table["bic"].idxmin()], k_of[table["log_evidence"].idxmax()]
    by_k, by_loo = k_of[table["k_probability"].idxmax()], k_of[table["elpd_loo"].idxmax()]
    assert by_bic == 2 < min(by_evidence, by_k) and max(by_evidence, by_k) <= 4 < by_loo
    text = table.conclusion
    for asks in ("BIC asks", "the evidence asks", "p(K) asks", "LOO asks", "ICL asks"):
        assert asks in text
    assert "p(K)" in text.split(". ")[0]


def test_p_of_k_is_that_of_the_sampler(models, table):
    sampled = models["K sampled"]
    known = sampled.table["K_posterior"]
    for name in ("grid: V, K = 3", "K = 3"):
        assert table.loc[name, "k_probability"] == known[3]
    assert table.loc["K sampled", "K"] == known.idxmax()
    assert "is the most probable, with p(K | data)" in table.loc["K sampled", "verdict"]
    # An evidence has no prior of K; with an even one the two are proportional.
    ratio = np.log(known[4] / known[3])
    error = np.hypot(*(sampled.table["K_mcse"][k] / known[k] for k in (3, 4)))
    away = table.loc["K = 4", "log_evidence"] - table.loc["K = 3", "log_evidence"] - ratio
    assert abs(away) < 4 * np.hypot(error, table.loc[["K = 3", "K = 4"], "evidence_error"].max())


def test_two_families_have_no_common_p_of_k(models, table):
    x = models["grid"].best.mixture.rows(models["K sampled"].data.values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        other = bayesgmm.sample_components(
            x, bayesgmm.fit(x, 2, "E"), draws=30, tune=5, progressbar=False, random_seed=1
        )
    found = bayesgmm.compare({"V": models["K sampled"], "E": other, "grid": models["grid"]})
    assert found.loc["grid: V, K = 2", "k_probability"] < found.loc["V", "k_probability"]
    assert "p(K)" not in found.conclusion


def test_questions_are_of_the_criteria_named():
    assert questions(["LOO"]).startswith("LOO asks") and "BIC" not in questions(["LOO"])


def test_saved_it_is_compared_from_the_command_line(models, tmp_path):
    models["grid"].save(tmp_path / "grid.npz")
    models["K sampled"].save(tmp_path / "k.nc")
    result = invoke("compare", tmp_path / "grid.npz", tmp_path / "k.nc")
    assert result.exit_code == 0 and "p(K | data)" in result.output, result.output
    (tmp_path / "x.csv").write_text("acidity\n1\n2\n")
    refused = invoke("classify", tmp_path / "x.csv", tmp_path / "k.nc")
    assert refused.exit_code and "only compare takes it" in " ".join(refused.output.split())
    assert isinstance(ComponentsPosterior.load(tmp_path / "k.nc"), ComponentsPosterior)


def test_the_report_has_it(models):
    some = {name: models[name] for name in ("K = 2", "K = 3", "K sampled")}
    analysis = analyse(models["K sampled"].data, ReportRequest(), some, progressbar=False)
    said = " ".join(verdict.conclusion(analysis))
    assert "Where the number of components of V was sampled as well, K = " in said
    assert analysis.comparison["k_probability"].notna().sum() > 2
