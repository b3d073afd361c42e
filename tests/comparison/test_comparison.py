"""The comparison table: right figures, defined where they should be, words true to them."""

from __future__ import annotations

import io
import pickle
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache

import arviz as az
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import bayesgmm
from bayesgmm.comparison.columns import COLUMNS
from bayesgmm.comparison.table import Comparison
from bayesgmm.comparison.verdict import strength
from bayesgmm.em.status import Status
from bayesgmm.mixture.prior import Prior
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.gibbs import gibbs_posterior
from tests.synthetic import make_posterior

PRIOR = Prior([4, 76], [3.5**2, 53**2], 6, [0.06 * 3.5**2, 0.06 * 53**2])


@cache
def posteriors():
    """Old Faithful's posteriors of K = 1, 2 and 3, from a Gibbs sampler that is not ours."""
    x = bayesgmm.datasets.load_faithful()
    return {
        f"posterior {k}": gibbs_posterior(
            x, bayesgmm.fit(x, k, random_seed=0), PRIOR, n_draws=400, seed=0
        )
        for k in (1, 2, 3)
    }


@cache
def fits():
    x = bayesgmm.datasets.load_faithful()
    return {f"fit {k}": bayesgmm.fit(x, k, random_seed=0) for k in (1, 2, 3)}


@pytest.fixture(scope="module")
def models():
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    penalised = bayesgmm.fit(x, 2, random_seed=0, prior=Prior.from_data(x))
    return {"ml": fit, "map": penalised, "posterior": make_posterior(x, fit)}


@pytest.fixture(scope="module")
def all_of_them():
    with warnings.catch_warnings():  # the draws of K = 3 change labels: the table says so
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return bayesgmm.compare(fits() | posteriors(), evidence="bridge", random_seed=1)


def test_every_figure_is_its_model_s(models):
    """Fits bring information criteria, posteriors predictive and convergence figures."""
    table = bayesgmm.compare(models)
    assert list(table.index) == ["ml", "map", "posterior"]
    assert table.loc["ml", "bic"] == models["ml"].bic
    assert table.loc["ml", "method"] == "EM, ML"
    assert table.loc["map", "method"] == "EM, MAP"
    assert table.loc["map", "loglik"] == models["map"].loglik < models["ml"].loglik
    assert table.loc["map", "bic_diff"] == models["map"].bic - models["ml"].bic
    posterior = models["posterior"]
    assert table.loc["posterior", "elpd_loo"] == posterior.loo().elpd
    assert table.loc["posterior", "r_hat"] >= posterior.diagnostics.rhat
    assert table.loc["posterior", ["aic", "bic", "icl"]].isna().all()
    assert table.loc[["ml", "map"], ["elpd_loo", "r_hat", "ess_bulk"]].isna().all(axis=None)
    assert table["K"].tolist() == [2, 2, 2]


def test_every_column_is_explained(models):
    """The metadata say what each column means and which way is better, in plain values."""
    table = bayesgmm.compare(models)
    told = table.attrs["columns"]
    assert list(told) == list(table.columns)
    assert all(told[column]["meaning"] for column in told)
    lower = {c for c in told if told[c]["better"] == "lower"}
    assert {"aic", "bic", "icl", "bic_diff", "r_hat", "divergences"} <= lower
    higher = {c for c in told if told[c]["better"] == "higher"}
    assert {"loglik", "elpd_loo", "elpd_diff", "log_evidence", "probability", "weight"} <= higher
    assert len({column.label for column in COLUMNS.values()}) == len(COLUMNS)


def test_loo_differences_and_weights_are_arviz_s(all_of_them):
    """As `az.compare` gives them on log likelihoods that SciPy computes, all rows at once."""
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    x = bayesgmm.datasets.load_faithful().to_numpy()
    trees = {}
    for name, posterior in posteriors().items():
        draws = posterior.tree["posterior"].to_dataset()
        chains, n = draws.sizes["chain"], draws.sizes["draw"]
        values = np.empty((chains * n, len(x)))
        pi, mu, sigma = (
            draws[v].to_numpy().reshape(chains * n, *draws[v].shape[2:])
            for v in ("pi", "mu", "Sigma")
        )
        for s in range(chains * n):
            parts = [
                np.log(p) + multivariate_normal.logpdf(x, m, c)
                for p, m, c in zip(pi[s], mu[s], sigma[s], strict=True)
            ]
            values[s] = logsumexp(parts, axis=0)
        trees[name] = az.from_dict(
            {
                "posterior": {"pi": draws["pi"].to_numpy()},
                "log_likelihood": {"y": values.reshape(chains, n, len(x))},
            }
        )
    expected = az.compare(trees, method="stacking", round_to="none").loc[list(trees)]
    table = all_of_them.loc[list(trees)]
    # The relative efficiency of importance sampling is estimated from other quantities.
    for ours, theirs in (("elpd_loo", "elpd"), ("elpd_se", "se"), ("elpd_diff", "elpd_diff"),
                         ("elpd_diff_se", "dse"), ("p_loo", "p")):  # fmt: skip
        np.testing.assert_allclose(table[ours], expected[theirs].astype(float), rtol=2e-3, atol=0.1)
    np.testing.assert_allclose(table["weight"], expected["weight"].astype(float), atol=0.01)
    assert table["weight"].sum() == pytest.approx(1)


def test_weights_where_densities_underflow():
    """A row's log density of -1000 has no density in double precision, but a weight."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 10))
    fits = {k: bayesgmm.fit(x, k, "EII", random_seed=0) for k in (1, 2)}
    plain = bayesgmm.compare({str(k): make_posterior(x, f) for k, f in fits.items()})
    wide = {k: bayesgmm.fit(x * 2.0**166, k, "EII", random_seed=0) for k in (1, 2)}
    far = bayesgmm.compare({str(k): make_posterior(x * 2.0**166, f) for k, f in wide.items()})
    assert (far["elpd_loo"] / 60 < -400).all()
    np.testing.assert_allclose(far["weight"], plain["weight"], atol=1e-3)
    np.testing.assert_allclose(far["elpd_diff"], plain["elpd_diff"], atol=1e-6)


def test_evidence_on_request(all_of_them):
    """The same evidences and probabilities as asked for one by one; none unasked."""
    assert bayesgmm.compare(posteriors())["log_evidence"].isna().all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        expected = bayesgmm.model_probabilities(posteriors(), random_seed=1)
    table = all_of_them.loc[list(posteriors())]
    np.testing.assert_array_equal(table["log_evidence"], expected["log_evidence"])
    np.testing.assert_array_equal(table["evidence_error"], expected["error"])
    np.testing.assert_array_equal(table["probability"], expected["probability"])
    np.testing.assert_array_equal(table["probability_high"], expected["upper"])
    # Published: -1310.30 and -1162.47 (tests/posterior/test_evidence.py).
    assert table["log_evidence"].iloc[:2].tolist() == pytest.approx([-1310.30, -1162.47], abs=0.1)


def test_evidence_that_cannot_be_had_says_why():
    """A posterior without a known evidence has a reason in its cell's place, the others theirs."""
    x = bayesgmm.datasets.load_faithful()
    odd = make_posterior(x, bayesgmm.fit(x, 2, "VVE", random_seed=1), n_chains=2, n_draws=15)
    with pytest.warns(ConvergenceAdvice, match="'odd': .* too influential"):
        table = bayesgmm.compare(
            {"odd": odd, "a": posteriors()["posterior 1"], "b": posteriors()["posterior 2"]},
            evidence="laplace",
        )
    assert np.isnan(table.loc["odd", "log_evidence"])
    assert "30 draws are too few" in table.attrs["reasons"]["odd"]["log_evidence"]
    assert "odd: no log evidence: 30 draws are too few" in repr(table).replace("\n", " ")
    assert table["probability"].notna().tolist() == [False, True, True]
    cell = re.search(r'<td[^>]*title="30 draws are too few[^>]*>-</td>', table.to_html())
    assert cell is not None
    with pytest.raises(ValueError, match="evidence is 'magic': choose among 'bridge'"):
        bayesgmm.compare(posteriors(), evidence="magic")
    with pytest.raises(ValueError, match="fits have no evidence"):
        bayesgmm.compare(fits(), evidence="bridge")


def test_fits_of_one_model_are_no_evidence_against_each_other():
    """A model is compared with others: not with itself, by another name or at another maximum."""
    x = bayesgmm.datasets.load_faithful()
    options = {"random_seed": 1, "progressbar": False}
    grid = bayesgmm.select(x, [1, 2], ["EEE", "VVV"], **options)
    lower = bayesgmm.fit(x, 2, "VVV", start=np.arange(272) % 2, max_iter=3)
    table = bayesgmm.compare({"grid": grid, "two": grid.best, "lower": lower})
    bic = table["bic"]
    gap = bic["grid: EEE, K = 2"] - bic["grid: VVV, K = 2"]
    verdicts = table["verdict"]
    assert f"BIC {gap:.1f} below the next" in verdicts["grid: VVV, K = 2"]
    assert verdicts["two"] == "The model of 'grid: VVV, K = 2'."
    less = grid.best.loglik - lower.loglik
    assert verdicts["lower"].startswith(
        f"The model of 'grid: VVV, K = 2', at a log-likelihood lower by {less:.1f}."
    )
    one = bayesgmm.select(x, 1, ["EEE", "VEV", "VVV", "EII"], **options)
    verdicts = bayesgmm.compare(one)["verdict"]
    for name in ("VEV", "VVV"):
        assert verdicts[f"{name}, K = 1"] == "The model of 'EEE, K = 1'."
    gap = one["EII", 1].bic - one["EEE", 1].bic
    assert f"Lowest BIC, ICL and AIC. BIC {gap:.1f} below the next" in verdicts["EEE, K = 1"]
    alone = bayesgmm.compare({"a": grid.best, "b": grid.best})["verdict"]
    assert alone["a"] == "Lowest BIC, ICL and AIC. There is no other model to compare it with."
    far = np.vstack([x, np.random.default_rng(0).uniform([0, 0], [10, 200], (20, 2))])
    noisy = {  # two densities of noise are two models, of one family and K
        str(c): bayesgmm.fit(far, 2, "EEE", noise=c, random_seed=1) for c in (1 / 2000, 1 / 4000)
    }
    assert "The model of" not in " ".join(bayesgmm.compare(noisy)["verdict"])


def test_verdicts_are_true_to_the_figures(all_of_them):
    """Every number and choice in a row's verdict is recomputed from the columns."""
    for name, row in all_of_them.iterrows():
        text = row["verdict"]
        if not np.isnan(row["bic"]):
            lowest = {c: all_of_them[c].idxmin() for c in ("bic", "icl", "aic")}
            for column, chosen in lowest.items():
                head = text.split(".")[0]
                said = head.startswith("Lowest") and column.upper() in head
                assert said == (chosen == name)
            if lowest["bic"] == name:
                gap = all_of_them["bic"].drop(name).min() - row["bic"]
                assert f"BIC {gap:.1f} below the next: {strength(gap)} evidence for" in text
            else:
                gap = row["bic"] - all_of_them["bic"].min()
                assert f"BIC {gap:.1f} above the lowest: {strength(gap)} evidence against" in text
        else:
            assert f"stacking weight {row['weight']:.2f}" in text
            assert f"Probability {row['probability']:.3f}" in text
            best = all_of_them["elpd_loo"].idxmax()
            assert ("Highest elpd_loo" in text) == (best == name)
            if best != name:
                behind = all_of_them.loc[best, "elpd_loo"] - row["elpd_loo"]
                assert f"elpd_loo {behind:.1f} below the highest" in text
                assert ("within one standard error" in text) == (behind <= row["elpd_diff_se"])
            assert ("Pareto k above the limit" in text) == (row["pareto_k_bad"] > 0)
            assert ("To be read with care" in text) == (not row["status"].startswith("converged"))


def test_conclusion_is_true_to_the_figures(all_of_them):
    """What each criterion prefers, and which K is within a standard error."""
    text, table = all_of_them.conclusion, all_of_them
    first = text.split(". ")[0].rstrip(".")
    clauses = {
        int(k): labels
        for labels, k in re.findall(r"([^;]+?) (?:agree on|prefers) K = (\d+)", first)
    }
    chosen = {
        "BIC": table["bic"].idxmin(),
        "ICL": table["icl"].idxmin(),
        "LOO": table["elpd_loo"].idxmax(),
        "the evidence": table["probability"].idxmax(),
    }
    for label, name in chosen.items():
        for k, labels in clauses.items():
            assert (label.lower() in labels.lower()) == (k == table.loc[name, "K"])
    close = table[(table["elpd_diff"] < 0) & (-table["elpd_diff"] <= table["elpd_diff_se"])]
    for k in (1, 2, 3):
        said = any(f"K = {k}" in s for s in text.split(". ") if "within one standard error" in s)
        assert said == (k in close["K"].tolist())


def made_up(**columns):
    """A table of made-up figures, three posteriors beside three fits."""
    n = 6
    values = dict.fromkeys(COLUMNS, np.nan) | {
        "family": ["VVV"] * n,
        "K": [1, 2, 3] * 2,
        "bic": [30.0, 10.0, 14.0] + [np.nan] * 3,
        "bic_diff": [20.0, 0.0, 4.0] + [np.nan] * 3,
        "icl": [30.0, 10.0, 14.0] + [np.nan] * 3,
        "elpd_loo": [np.nan] * 3 + [-20.0, -10.0, -11.0],
        "elpd_diff": [np.nan] * 3 + [-10.0, 0.0, -1.0],
        "elpd_diff_se": [np.nan] * 3 + [2.0, 0.0, 1.5],
        "weight": [np.nan] * 3 + [0.0, 0.7, 0.3],
        "pareto_k_max": [np.nan] * 3 + [0.3, 0.4, 0.5],
        "pareto_k_bad": [np.nan] * 3 + [0, 0, 0],
        "status": ["converged"] * n,
    }
    return Comparison(pd.DataFrame(values | columns, index=["f1", "f2", "f3", "p1", "p2", "p3"]))


@pytest.mark.parametrize(
    ("columns", "sentences"),
    [
        (
            {},
            "BIC, LOO and ICL agree on K = 2 (VVV). K = 3 is within one standard error by LOO.",
        ),
        (
            {"icl": [9.0, 10.0, 14.0] + [np.nan] * 3},
            "BIC and LOO agree on K = 2 (VVV); ICL prefers K = 1 (VVV). BIC asks which model the "
            "data support, without a prior; LOO asks which model predicts new rows best, "
            "indifferent to components that do no harm; ICL asks for components that do not "
            "overlap. K = 3 is within one standard error by LOO.",
        ),
        (
            {"elpd_diff_se": [np.nan] * 3 + [2.0, 0.0, 0.5]},
            "BIC, LOO and ICL agree on K = 2 (VVV). All other posteriors are more than one "
            "standard error behind by LOO.",
        ),
        (
            {"family": ["VVV", "EEE", "VVV"] + ["VVV"] * 3},
            "BIC, LOO and ICL agree on K = 2 (EEE by BIC, VVV by LOO, EEE by ICL). BIC asks which "
            "model the data support, without a prior; LOO asks which model predicts new rows best, "
            "indifferent to components that do no harm; ICL asks for components that do not "
            "overlap. K = 3 is within one standard error by LOO.",
        ),
        (
            {"status": ["converged"] * 5 + ["R-hat is bad."]},
            "BIC, LOO and ICL agree on K = 2 (VVV). K = 3 is within one standard error by LOO. "
            "The chains of 'p3' have problems: see the notes.",
        ),
        (
            {"status": ["no estimate: x"] + ["converged"] * 5, "K": [4, 2, 3] * 2},
            "BIC, LOO and ICL agree on K = 2 (VVV). K = 3 is within one standard error by LOO. "
            "1 of 6 models has no estimate: the notes say why.",
        ),
        (
            {"K": [1, 2, 4, 3, 2, 3]},
            "BIC, LOO and ICL agree on K = 2 (VVV). 'p3' is within one standard error by LOO. "
            "Posteriors are of K = 2 and 3 only.",
        ),
        (
            {
                "pareto_k_max": [np.nan] * 3 + [0.3, 0.4, 1.75],
                "pareto_k_bad": [np.nan] * 3 + [0, 0, 2],
            },
            "BIC, LOO and ICL agree on K = 2 (VVV). K = 3 is within one standard error by LOO. "
            "LOO may be far off for 'p3': a Pareto k of 1.75 is above the limit.",
        ),
    ],
)  # fmt: skip
def test_conclusion_by_cases(columns, sentences):
    """The words for agreement, disagreement, closeness, scope and trouble."""
    assert made_up(**columns).conclusion == sentences


def test_one_model_has_nothing_to_choose_from(models):
    """No praise for the only one."""
    table = bayesgmm.compare({k: models[k] for k in ("ml", "posterior")})
    assert table.conclusion.startswith("No criterion has two models to choose from.")
    assert table.loc["ml", "verdict"].startswith("The only fit")
    assert "The only posterior" in table.loc["posterior", "verdict"]


def test_a_selection_is_compared_cell_by_cell():
    """Cells of a grid, best BIC first; cross-validated figures come along."""
    x = bayesgmm.datasets.load_acidity()
    selection = bayesgmm.select(x, [1, 2, 3], random_seed=0, n_init=3, cv=3, progressbar=False)
    table = bayesgmm.compare(selection)
    assert len(table) == 6
    assert np.all(np.diff(table["bic"]) >= 0)
    assert table.loc["E, K = 2", "cv_loglik"] == selection.cv["E", 2][0]
    assert "cross-validation" in table.conclusion


def test_failed_cells_appear_with_reasons():
    """Cells without an estimate are rows too, last, and stay out of every choice."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    x = np.column_stack([x, x[:, 0] - 2 * x[:, 1]])  # dependent: no full covariance
    selection = bayesgmm.select(x, [1, 2], random_seed=0, n_init=2, progressbar=False)
    fit = selection.best
    table = bayesgmm.compare({"grid": selection, "one": fit})
    failed = table[table["status"].str.startswith("no estimate")]
    assert len(failed) == len(selection.failures) > 0
    assert set(failed.index) == {f"grid: {f}, K = {k}" for f, k in selection.failures}
    assert failed["bic"].isna().all()
    name = "grid: VVV, K = 2"
    assert table.loc[name, "status"] == f"no estimate: {selection.failures['VVV', 2]}"
    assert table.loc[name, "verdict"] == "No estimate: not to be compared."
    assert f"{len(failed)} of {len(table)} models have no estimate" in table.conclusion
    flat = " ".join(repr(table).split())
    assert "linearly dependent" in flat and name in flat
    assert "linearly dependent" in table.to_html()


@pytest.mark.parametrize("status", [Status.DEGENERATE, Status.SPURIOUS])
def test_a_degenerate_fit_is_no_rival(status):
    """A fit on its way into a singularity, with its high likelihood, is not the best."""
    good = {name: fits()[name] for name in ("fit 1", "fit 2")}
    bad = replace(good["fit 2"], loglik=0.0, status=status, degenerate_component=1)
    table = bayesgmm.compare({"bad": bad, **good})
    assert table.loc["bad", "status"] == f"no estimate: {bad.advice}"
    assert np.isnan(table.loc["bad", "bic_diff"])
    assert table["bic_diff"].min() == 0
    assert "1 of 3 models has no estimate" in table.conclusion


def test_a_fit_that_was_stopped_is_compared_and_said_to_be(models):
    """EM that reached max_iter has criteria, and a verdict that warns."""
    x = bayesgmm.datasets.load_faithful()
    stopped = bayesgmm.fit(x, 2, random_seed=0, max_iter=2, n_init=1)
    assert stopped.status is Status.MAX_ITER
    table = bayesgmm.compare({"stopped": stopped, "whole": models["ml"]})
    assert "EM has not converged (reached max_iter)." in table.loc["stopped", "verdict"]
    assert table.loc["stopped", "bic_diff"] == stopped.bic - models["ml"].bic
    assert "stopped: reached max_iter" in repr(table)


def test_it_is_a_data_frame_and_parts_of_it_are_plain(models, tmp_path):
    """What pandas users do with a table works; CSV has every figure in full."""
    table = bayesgmm.compare(models)
    assert isinstance(table, pd.DataFrame)
    assert type(table[["bic"]]) is type(table[table["K"] == 2]) is pd.DataFrame
    assert table[["bic"]].attrs["columns"]["bic"]["better"] == "lower"
    again = pickle.loads(pickle.dumps(table))
    pd.testing.assert_frame_equal(again, table)
    assert again.conclusion == table.conclusion
    table.to_csv(tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv", index_col="model")
    assert list(back.columns) == list(table.columns)
    for column in ("bic", "elpd_loo", "entropy", "r_hat"):
        np.testing.assert_allclose(back[column], table[column], rtol=1e-15)
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "t.parquet"),
        pd.DataFrame(table),
        check_dtype=False,
        check_index_type=False,
    )


def test_it_prints_as_a_rich_table(all_of_them):
    """Every part that has figures, the conclusion, a verdict per model; nothing cut off."""
    text = repr(all_of_them)
    flat = " ".join(text.split())
    assert all(len(line) <= 120 for line in text.splitlines())
    assert "…" not in text and "nan" not in text and "<NA>" not in text
    assert all_of_them.conclusion in flat
    for name, verdict in all_of_them["verdict"].items():
        assert f"{name}: {verdict}" in flat
    for label in ("BIC diff", "elpd diff", "weight", "p(model | data)", "r-hat", "relabelled"):
        assert label in text
    fits_only = repr(bayesgmm.compare(fits()))
    assert "r-hat" not in fits_only and "elpd" not in fits_only
    console = Console(file=(coloured := io.StringIO()), width=120, force_terminal=True)
    console.print(all_of_them)
    assert "\x1b[1m" in coloured.getvalue()  # the best figures are bold


def test_narrow_terminals_and_long_names_cut_nothing(all_of_them):
    """Lines are broken instead."""
    console = Console(file=(text := io.StringIO()), width=70)
    console.print(all_of_them)
    assert "…" not in text.getvalue()
    name = "a/very/long/path/" * 8 + "fit.npz"
    shown = repr(bayesgmm.compare({name: fits()["fit 2"], "b": fits()["fit 1"]}))
    assert "…" not in shown and "2322.19" in shown
    verdict = shown[shown.rindex("Lowest BIC") - 400 : shown.rindex("Lowest BIC")]
    assert name in "".join(verdict.split())


def test_what_was_changed_in_place_still_shows():
    """A column dropped in place leaves an ordinary table."""
    table = bayesgmm.compare(fits())
    del table["icl"]
    assert repr(table) == repr(pd.DataFrame(table))
    assert "<table" in table._repr_html_()
    Console(file=(text := io.StringIO()), width=120).print(table)
    assert "fit 3" in text.getvalue()


def test_html_and_latex(all_of_them, tmp_path):
    """HTML is well formed and escaped, with meanings; LaTeX compiles to balanced tables."""
    from tests.reporting.test_report import Page

    html = all_of_them.to_html()
    page = Page(html)
    assert page.open == [] and all_of_them._repr_html_() == html
    titles = [attrs["title"] for tag, attrs in page.seen if tag == "th" and "title" in attrs]
    assert any("lower is better" in title for title in titles)
    best = f"<b>{all_of_them['bic'].min():.2f}</b>"
    assert best in html
    odd = bayesgmm.compare({"<b> & _x_": fits()["fit 1"]})
    assert "<b> &" not in odd.to_html() and "&lt;b&gt; &amp;" in odd.to_html()
    assert r"<b> \& \_x\_" in odd.to_latex()
    all_of_them.to_latex(tmp_path / "t.tex")
    text = (tmp_path / "t.tex").read_text()
    assert text == all_of_them.to_latex()
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 4
    for row in re.findall(r"^(.* & .*) \\\\$", text, re.MULTILINE):
        assert "_" not in row.replace(r"\_", "")
    all_of_them.to_html(buffer := io.StringIO())
    assert buffer.getvalue() == html


def test_text_stays_text_in_a_notebook(monkeypatch):
    """Rich, where it finds itself in Jupyter, shows HTML at once, and the text would be empty."""
    table = bayesgmm.compare(fits())
    text = repr(table)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert repr(table) == text and "Models and information criteria" in text


def test_many_models_are_shown_in_part():
    """A large grid prints its best, and says how many more there are."""
    selection = bayesgmm.select(
        bayesgmm.datasets.load_faithful(), [1, 2], random_seed=0, n_init=1, progressbar=False
    )
    table = bayesgmm.compare(selection)
    text = repr(table)
    assert f"... and {len(table) - 12} more models" in text
    assert table.index[11] in text
    assert text.count(f"{table.index[12]}:") == 0


def test_advice_names_the_model(models):
    """Chains in different modes: the warning says whose."""
    x = bayesgmm.datasets.load_faithful()
    fit = fits()["fit 2"]
    posterior = make_posterior(x, fit)
    draws = posterior.tree["posterior"].to_dataset()
    shift = np.where(draws["chain"] < 2, 0.0, 3.0)
    moved = draws.assign(mu=draws["mu"] + 5 * shift[:, None, None, None])
    from tests.synthetic import posterior_of

    parted = posterior_of(x, fit, moved)
    with pytest.warns(ConvergenceAdvice, match="'parted': ") as found:
        table = bayesgmm.compare({"parted": parted, "whole": posterior})
    assert found[0].filename == __file__
    assert "To be read with care" in table.loc["parted", "verdict"]


def test_refusals(models):
    """Nothing, foreign objects, and models of different data are refused by name."""
    with pytest.raises(ValueError, match="nothing to compare"):
        bayesgmm.compare({})
    with pytest.raises(TypeError, match="'x' is a int"):
        bayesgmm.compare({"x": 3})
    other = bayesgmm.fit(bayesgmm.datasets.load_acidity(), 2, random_seed=0, n_init=1)
    with pytest.raises(ValueError, match="same data only"):
        bayesgmm.compare({"a": models["ml"], "b": other})


@pytest.mark.parametrize("kind", ["ml", "map", "posterior"])
def test_other_rows_of_the_same_columns_are_refused(models, kind):
    """The same number of rows and the same names, one value changed in the last digits."""
    x = bayesgmm.datasets.load_faithful()
    changed = x.copy()
    changed.iloc[7, 1] += 1
    arguments = {"prior": Prior.from_data(x)} if kind == "map" else {}
    other = bayesgmm.fit(changed, 2, random_seed=0, n_init=1, **arguments)
    if kind == "posterior":
        other = make_posterior(changed, other)
    for pair in ({"a": models["ml"], "b": other}, {"a": other, "b": models["posterior"]}):
        with pytest.raises(ValueError, match="not the same data: column 'waiting' has mean"):
            bayesgmm.compare(pair)


def test_the_same_rows_in_another_form_are_the_same(models, tmp_path):
    """Other memory, another order of the rows, and a way through a file change nothing."""
    x = bayesgmm.datasets.load_faithful()
    order = np.random.default_rng(0).permutation(len(x))
    others = {
        "Fortran": bayesgmm.fit(x.iloc[order].copy(), 1, random_seed=0),
        "C": bayesgmm.fit(dict_frame(x), 1, random_seed=0),
    }
    models["ml"].save(tmp_path / "fit.npz")
    models["posterior"].save(tmp_path / "posterior.nc")
    others["saved"] = bayesgmm.Fit.load(tmp_path / "fit.npz")
    others["saved posterior"] = bayesgmm.Posterior.load(tmp_path / "posterior.nc")
    table = bayesgmm.compare(others | models)
    assert len(table) == 7
    assert table.loc["saved", "bic"] == table.loc["ml", "bic"]


def dict_frame(x):
    """The same columns from a C-contiguous array."""
    return pd.DataFrame(np.ascontiguousarray(x.to_numpy()), columns=x.columns)


def test_comparing_fits_loads_no_sampler():
    """A table of fits does not wait for PyMC."""
    code = """
import sys, bayesgmm
bayesgmm.compare({"a": bayesgmm.fit([[0.], [1.], [3.], [7.], [8.]], 1)})
print([m for m in ("pymc", "pytensor", "nutpie", "matplotlib") if m in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_evidence_words_follow_kass_and_raftery():
    """The limits 2, 6 and 10."""
    words = [strength(v) for v in (0, 2, 2.1, 6, 6.1, 10, 10.1)]
    assert words == ["hardly any"] * 2 + ["positive"] * 2 + ["strong"] * 2 + ["very strong"]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_long_grid_hides_no_posterior(monkeypatch, width):
    """Posteriors are printed however many fits stand before them, within the terminal's width."""
    x = bayesgmm.datasets.load_faithful()
    grid = bayesgmm.select(x, range(1, 4), n_init=1, random_seed=0, progressbar=False)
    named = {"grid": grid, "two": make_posterior(x, grid["VVV", 2])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        table = bayesgmm.compare(named)
    monkeypatch.setenv("COLUMNS", str(width))
    text = repr(table)
    assert max(len(line) for line in text.splitlines()) <= width
    for part in ("Models and information criteria", "Prediction: leave-one-out", "Chains"):
        assert part in text and part in table.to_html()
    found = re.findall(r"^ (two|grid: \S+ K = \d)\b", text, re.MULTILINE)
    assert found.count("two") >= 3
    shown = {f"grid: {fit.family.name}, K = {fit.n_components}" for fit in grid.top(12)}
    assert {name for name in found if name != "two"} == shown
    assert f"... and {len(table) - 13} more models" in text
    for figure in ("BIC diff", "entropy", "elpd LOO", "ESS tail"):
        assert figure in text
