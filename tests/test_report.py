"""The report and its pictures: complete, self-contained, true to the figures."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import bayesgmm
from bayesgmm import plots
from bayesgmm.comparison import compare
from bayesgmm.reporting import Analysis, analyse, render, verdict
from bayesgmm.reporting.verdict import describe
from tests.synthetic import make_posterior


class Page(HTMLParser):
    """Collects tags, links and text, and checks that tags close."""

    VOID = {"meta", "img", "br", "hr", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.ids, self.targets, self.text = [], [], set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.seen.append((tag, attrs))
        self.ids.add(attrs.get("id"))
        if tag == "a":
            self.targets.append(attrs["href"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def analysis_of(x, ks=(1, 2, 3), with_posterior=True, **arguments):
    """An analysis whose posterior is made up, so that nothing is sampled."""
    analysis = analyse(
        x, n_components=list(ks), with_posterior=False, n_init=3, progressbar=False, **arguments
    )
    if not with_posterior:
        return analysis
    posterior = make_posterior(analysis.data, analysis.fit)
    parts = {f: getattr(analysis, f) for f in Analysis.__dataclass_fields__}
    parts["posterior"] = posterior
    parts["settings"] = analysis.settings | {"with_posterior": True}
    parts["comparison"] = compare({"EM": analysis.fit, "Posterior": posterior})
    return Analysis(**parts)


@pytest.fixture(scope="module")
def faithful():
    return analysis_of(bayesgmm.datasets.load_faithful(), source="faithful.csv")


def test_page_is_whole_and_self_contained(faithful):
    """Tags close, links lead somewhere, pictures are inside and described, nothing is fetched."""
    page = render(faithful)
    parsed = Page(page)
    assert parsed.open == []
    assert all(t.startswith("#") and t[1:] in parsed.ids for t in parsed.targets)
    images = [attrs for tag, attrs in parsed.seen if tag == "img"]
    assert len(images) == 4
    assert all(i["src"].startswith("data:image/png;base64,") and len(i["alt"]) > 20 for i in images)
    assert not [tag for tag, _ in parsed.seen if tag in ("script", "link", "iframe")]
    assert "http" not in page.replace("http-equiv", "")


def test_page_tells_what_was_found(faithful):
    """The chosen cell, its BIC, the prior, the versions, the seed and the command are there."""
    text = " ".join("".join(Page(render(faithful)).text).split())
    fit = faithful.fit
    assert f"The chosen fit: {fit.family.name}, K = {fit.n_components}" in text
    assert f"{fit.bic:.1f}" in text
    assert "InverseWishart" in text and "Dirichlet" in text
    assert "pymc" in text and bayesgmm.__version__ in text
    assert "bayesgmm report faithful.csv -k 1:3" in text
    assert "--seed 0" in text
    assert (
        bayesgmm.datasets.load_faithful().attrs["units"]["waiting"] in text
    )  # the units that came with the data
    assert not re.search(r"\bnan\b|None|<NA>", text)


@pytest.mark.parametrize(
    ("d", "ks", "with_posterior"),
    [(1, (1, 2), True), (1, (1,), False), (10, (1, 2), True), (30, (2,), False)],
)
def test_any_size_of_data(d, ks, with_posterior):
    """One, ten and thirty columns; one component; no posterior."""
    rng = np.random.default_rng(d)
    x = np.vstack([rng.normal(0, 1, (120, d)), rng.normal(4, 1, (90, d))])
    analysis = analysis_of(x, ks, with_posterior)
    page = render(analysis)
    assert Page(page).open == []
    assert ("Diagnostics" in page) == with_posterior


def test_failed_cells_are_listed_with_reasons():
    """A grid with impossible cells still makes a report that says which and why."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    x = np.column_stack([x, x[:, 0] - 2 * x[:, 1]])  # dependent: no full covariance
    page = render(analysis_of(x, (1, 2), with_posterior=False))
    assert "Cells without an estimate" in page
    assert "linearly dependent" in page
    assert "cells of the grid have no estimate" in page


def test_conclusion_is_true_to_the_figures(faithful):
    """Every claim of the conclusion is recomputed here from the table."""
    table = faithful.selection.table
    sentences = " ".join(verdict.conclusion(faithful))
    best, second = table.iloc[0], table.iloc[1]
    assert f"family {best['family']}" in sentences
    assert f"mixture of {best['K']} Gaussian" in sentences
    gap = second["bic"] - best["bic"]
    word = (
        "hardly any" if gap <= 2 else "positive" if gap <= 6 else "strong" if gap <= 10 else "very"
    )
    assert f"{second['family']} with K = {second['K']}, {gap:.1f} behind: {word}" in sentences
    resp = faithful.fit.predict_proba(bayesgmm.datasets.load_faithful())
    assert f"{np.mean(resp.max(axis=1) > 0.9):.0%} of the rows belong" in sentences
    by_icl = table.loc[table["icl"].idxmin()]
    assert (f"prefers {by_icl['family']} with K = {by_icl['K']}" in sentences) == (by_icl.name != 0)
    assert "K = 3 is the largest number tried" in sentences


def test_one_component_is_said_to_be_one():
    """A single Gaussian is not called a mixture."""
    x = np.random.default_rng(1).normal(size=(200, 2))
    sentences = " ".join(verdict.conclusion(analysis_of(x, (1, 2))))
    assert "a single Gaussian" in sentences


def test_a_report_is_not_started_where_it_cannot_be_written(tmp_path):
    """A missing directory is noticed before the work."""
    with pytest.raises(FileNotFoundError, match="no directory"):
        bayesgmm.report(bayesgmm.datasets.load_faithful(), tmp_path / "no" / "report.html")


def test_report_writes_the_file(tmp_path):
    """The public function, without a posterior, end to end."""
    path = bayesgmm.report(
        bayesgmm.datasets.load_acidity(), tmp_path / "r.html", n_components=[1, 2], n_init=2,
        refine=False, progressbar=False,
    )  # fmt: skip
    assert "a mixture of 2 Gaussian components" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("k", [1, 4, 12])
def test_pictures_for_few_and_many_components(k):
    """Figures draw for 1 to 12 components, and say what their axes are."""
    rng = np.random.default_rng(k)
    x = np.vstack([rng.normal(5 * i, 1, (60, 3)) for i in range(k)])
    fit = bayesgmm.fit(x, k, "EII", n_init=2, random_seed=0)
    figures = [
        plots.plot_classification(x, fit),
        plots.plot_posterior(make_posterior(x, fit, n_draws=20)),
        plots.plot_trace(make_posterior(x, fit, n_draws=20)),
    ]
    for figure in figures:
        figure.canvas.draw()
        assert any(ax.get_xlabel() or ax.get_title() for ax in figure.axes)


def test_density_plot_is_for_one_column(faithful):
    """A clear refusal for more."""
    with pytest.raises(ValueError, match="one column"):
        plots.plot_density(faithful.data, faithful.fit)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("EII", "round clouds, the same for all"),
        ("VII", "round clouds, each with its own size"),
        ("EEI", "ellipses along the columns' axes, the same for all"),
        ("VEV", "any direction, each with its own volume and direction, with shape in common"),
        ("EVE", "any direction, each with its own shape, with volume and direction in common"),
        ("VVV", "any direction, each with its own volume, shape and direction"),
    ],
)
def test_families_in_words(name, words):
    """What the letters say."""
    x = bayesgmm.datasets.load_faithful()
    analysis = analyse(x, n_components=2, covariance_type=name, with_posterior=False,
                       progressbar=False)  # fmt: skip
    assert words in describe(analysis)


@pytest.mark.slow
def test_best_family_without_a_posterior(tmp_path):
    """The best that can be sampled is, and the report says whose posterior it is."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    path = bayesgmm.report(
        x, tmp_path / "r.html", n_components=[2], covariance_type=["VEV", "EEE", "VVV"],
        draws=100, tune=100, chains=2, progressbar=False,
    )  # fmt: skip
    text = path.read_text()
    assert "No posterior of VEV can be sampled yet: what follows is of VVV with K = 2" in text
