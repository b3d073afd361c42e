"""Columns' names meet neither the library's own, nor matplotlib's, nor Markdown's."""

from __future__ import annotations

import io
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm import plots
from bayesgmm.cli.comparing import _csv
from bayesgmm.posterior.parameter_table import without_copies
from bayesgmm.posterior.posterior import Posterior
from bayesgmm.reporting.tables import fenced, markdown_table, markdown_text
from bayesgmm.utils.display import visible
from tests.synthetic import make_posterior

NASTY = [
    ["mean", "sd", "lower"], ["upper", "point", "component"], ["a, b", "b", "a"],
    ["a, a", "a", "b, a"], ["_private", "$x$", "a_b"], ["price_$", "cost_$", "pi"],
    ["mu", "Sigma", "chain"], ["draw", "feature", "feature_bis"], ["obs_id", "index", "size"],
    ["uncertainty", "log_density", "name"], ["x1", "x0", "x2"], ["", " ", "__class__"],
    ["\\frac{", "a\nb", "{0}"], ["%s", "<script>", "=1+1"], ["long " * 80, "\x1b[31mred", "ünï"],
    ["0", "nan", "K"], ["$", "\\", "_"], ["$$", "^", "<"], ["#", "&", "~"], ["{", "%", "\u202e"],
]  # fmt: skip


def sparsely(cases):
    """Every third is quick."""
    return [pytest.param(c, marks=[pytest.mark.slow] * (i % 3 > 0)) for i, c in enumerate(cases)]


def table(names, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.vstack([rng.normal(0, 1, (40, len(names))), rng.normal(5, 1, (25, len(names)))])
    return pd.DataFrame(rows, columns=list(names))


def drawn(figure):
    """The picture, really drawn: mathematics is read only then."""
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    return figure


@pytest.mark.parametrize("names", sparsely(NASTY), ids=lambda names: ascii(names)[:40])
def test_tables_of_nasty_names(names, tmp_path):
    """Each has as many rows and columns as under plain names, with the same numbers."""
    x, plain = table(names), table(["u", "v", "w"])
    fit, same = (bayesgmm.fit(t, 2, "VVV", start="hc") for t in (x, plain))
    np.testing.assert_array_equal(fit.to_frame(), same.to_frame())
    assert fit.to_frame().columns.is_unique
    assert fit.names == tuple(names)
    posterior, other = make_posterior(x, fit), make_posterior(plain, same)
    a, b = (without_copies(p.summary(), p.fit) for p in (posterior, other))
    np.testing.assert_array_equal(a.iloc[:, :4].astype(float), b.iloc[:, :4].astype(float))
    np.testing.assert_array_equal(posterior.diagnostics.table, other.diagnostics.table)
    np.testing.assert_array_equal(
        posterior.predictive_check(random_seed=1), other.predictive_check(random_seed=1)
    )
    given, plainly = posterior.density(columns=[0]), other.density(columns=[0])
    for statistic in ("mean", "sd", "lower", "upper"):
        np.testing.assert_array_equal(given[statistic], plainly[statistic])
    bayesgmm.classify(x, fit, responsibilities=True)
    fit.save(tmp_path / "a.npz")
    assert bayesgmm.Fit.load(tmp_path / "a.npz").names == fit.names
    posterior.save(tmp_path / "a.nc")
    assert Posterior.load(tmp_path / "a.nc").fit.names == fit.names
    assert all(isinstance(r, str) for r in (repr(fit), fit._repr_html_(), repr(posterior)))
    assert "<script>" not in fit._repr_html_()


MATHEMATICS = [
    ("$x$", "price_$"), ("mean", r"\frac{"), ("long " * 80, "a\nb_$"), ("lower", "$\\bad$"),
    ("$", "\\"), ("_", "<"), ("$$", "^"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Glyph|.*constrained_layout not applied:UserWarning")
@pytest.mark.parametrize("names", sparsely(MATHEMATICS), ids=lambda names: ascii(names)[:40])
def test_pictures_of_nasty_names(names):
    """Each can be drawn, and shows the dollars that the name has."""
    x = table(names)
    fit = bayesgmm.fit(x, 2, "VVV", start="hc")
    posterior = make_posterior(x, fit)
    drawn(plots.plot_classification(x, fit, units={names[0]: "$"}))
    drawn(plots.plot_uncertainty(x, fit))
    figure = drawn(plots.plot_density(x, fit))
    label = figure.axes[0].xaxis.label
    assert label.get_text().count("$") == names[0].count("$")
    assert label.get_text().count(r"\$") == names[0].count("$")
    drawn(plots.plot_density(x, fit, columns=0))
    drawn(plots.plot_density(x, fit, posterior))
    drawn(plots.plot_density(x, fit, posterior, columns=1))
    drawn(plots.plot_posterior(posterior))
    drawn(plots.plot_label_moves(posterior))
    drawn(plots.plot_check(posterior, n_draws=50))
    traces = plots.plot_trace(posterior, backend="matplotlib")
    predicted = plots.plot_predictive(posterior, n_draws=20, backend="matplotlib")
    for collection in (traces, predicted):
        drawn(collection.viz["figure"].item())


def test_markdown_shows_texts_letter_by_letter():
    """By a parser of Markdown that is not ours: the text and nothing else."""
    markdown = pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"linkify": False})
    texts = [
        "<script>alert(1)</script>", "[x](javascript:alert(1))", "# heading", "a_b", "_em_",
        "__st__", "3 * 4 *x*", "`code`", "![a](b)", "- item", "1. item", "> quote", "a | b",
        "~~gone~~", "&lt;", "--- ", "\\*", "a\n\n# b", "<javascript:alert(1)>", "x_", "=1", "+1",
        "[a]: http://b",
    ]  # fmt: skip
    for text in texts:
        html = markdown.render(markdown_text(text))
        assert re.fullmatch(r"<p>[^<]*</p>\n", html), (text, html)
        shown = unescape(html[3:-5])
        assert shown == " ".join(text.split()), (text, html)


def test_markdown_tables_keep_their_columns():
    frame = pd.DataFrame([["1", "2"]], columns=["a|b", "<b>"], index=["x\n| y"])
    lines = markdown_table(frame, "c").splitlines()[2:]
    assert len(lines) == 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    assert "<b>" not in "".join(lines)


def test_no_text_closes_a_block_of_code():
    assert fenced("a\n```\nb").splitlines()[0] == "````"


def test_terminals_are_not_steered():
    assert visible("a\x1b[31mb\rc\nd\x07é") == "a\\x1b[31mb\\rc\nd\\x07é"


def test_spreadsheets_run_no_formulas():
    x = table(["u", "v"])
    fits = {name: bayesgmm.fit(x, 1, "EII") for name in ("=cmd()", "@a", "+b", "-c", "plain")}
    compared = bayesgmm.compare(fits)
    back = pd.read_csv(io.StringIO(_csv(compared)), index_col=0)
    assert sorted(back.index) == sorted(["'=cmd()", "'@a", "'+b", "'-c", "plain"])
    np.testing.assert_allclose(back["loglik"], compared["loglik"], rtol=1e-12)
    assert not [c for c in back.to_numpy().ravel() if str(c)[:1] in "=+@"]


def test_a_name_twice_is_refused():
    with pytest.raises(bayesgmm.DataError, match="two columns are named"):
        bayesgmm.fit(table(["a", "a"]), 1)


@pytest.mark.parametrize("half", ["\ud800", "a\udcff", "\udc00b"])
def test_half_a_character_is_refused(half):
    """No file, table or picture can be made of it: at the door, with what to do."""
    x = table(["u", "v"])
    x.columns = pd.Index(["u", half], dtype=object)
    for make in (
        lambda: bayesgmm.fit(x, 1),
        lambda: bayesgmm.select(x, [1]),
        lambda: bayesgmm.Mixture([1.0], [[0.0, 0.0]], [np.eye(2)], ("u", half)),
        lambda: bayesgmm.Prior(
            mean=[0, 0], mean_covariance=np.eye(2), dof=4, scale=np.eye(2), names=["u", half]
        ),
    ):
        with pytest.raises(ValueError, match="half of a character: rename it"):
            make()
