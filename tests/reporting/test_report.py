"""The report and its pictures: complete, self-contained, true to the figures."""

from __future__ import annotations

import hashlib
import re
import shlex
import struct
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm.cli.app import app
from bayesgmm.data.data import as_data
from bayesgmm.mixture.prior import Prior
from bayesgmm.posterior.steps import Step, with_steps
from bayesgmm.reporting import Analysis, ReportRequest, analyse, render, repeat, tables, verdict
from bayesgmm.reporting.analysis import _cost, fits_to_sample
from bayesgmm.reporting.figures import figures_of
from bayesgmm.reporting.report import format_of, write
from bayesgmm.reporting.verdict import describe
from bayesgmm.sampling.expected_time import seconds_expected
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
    request = ReportRequest(list(ks), refine=False, n_init=3, **arguments)
    analysis = analyse(x, request, progressbar=False)
    if not with_posterior:
        return analysis
    posterior = make_posterior(analysis.data, analysis.fit)
    results = {"grid": analysis.selection, "Posterior": posterior}
    return analyse(x, replace(request, refine=True), results, progressbar=False)


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
    assert len(images) == len(figures_of(faithful)) == 11
    assert len({i["alt"] for i in images}) == len(images)
    assert all(i["src"].startswith("data:image/png;base64,") and len(i["alt"]) > 20 for i in images)
    assert not [tag for tag, _ in parsed.seen if tag in ("script", "link", "iframe", "details")]
    assert {"nav", "main", "header", "h1"} <= {tag for tag, _ in parsed.seen}
    links = [t[1:] for t in parsed.targets]
    headings = [attrs["id"] for tag, attrs in parsed.seen if tag == "h2"]
    assert links == headings  # the table of contents has every section, in order
    frames = [attrs for _, attrs in parsed.seen if attrs.get("class") == "scroll"]
    ours = [f for f in frames if f.get("role") == "region"]
    assert len(ours) > 10 and all(f["tabindex"] == "0" and f["aria-label"] for f in ours)
    text = re.sub(r"base64,[\w+/=]+", "", page)  # letters of a picture may say anything
    assert "http" not in text.replace("http-equiv", "")


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
    order = ["Question.", "By BIC the data", "Selection: number", "Comparison", "Data", "Prior",
             "Reproducibility", "Versions"]  # fmt: skip
    places = [text.index(words, text.index("Question.")) for words in order[:3]]
    places += [text.rindex(words) for words in order[3:]]
    assert places == sorted(places)
    assert repeat.fingerprint(faithful) in text


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
    assert "Models without an estimate" in page
    assert "linearly dependent" in page
    assert "models of the grid have no estimate" in page
    assert page.count("linearly dependent") == 1  # one reason, all its cells


def test_reasons_of_one_kind_are_listed_once():
    """They differ in names and numbers only; cells are listed by K."""
    spurious = "component {} holds {} rows with a value of {!r}, too few."
    failures = {
        ("EII", 1): "too many classes", ("VVV", 1): "too many classes",
        ("VVV", 5): spurious.format(3, 2.0, "a"), ("VVE", 5): spurious.format(1, 3.7, "b"),
        ("VVV", 6): spurious.format(2, 2.5, "a"), ("EEE", 6): "family EEE: no estimate",
        ("VVE", 6): "family VVE: no estimate",
    }  # fmt: skip
    fits = {("EEE", 1): None, ("VVE", 1): None}
    selection = SimpleNamespace(fits=fits, failures=failures)
    assert tables.failures_of(SimpleNamespace(selection=selection)) == {
        "too many classes": ["EII, VVV with K = 1"],
        spurious.format(3, 2.0, "a")
        + " (Of VVV, K = 5; the others differ in names and numbers.)": [
            "VVV, VVE with K = 5", "VVV with K = 6",
        ],
        "the family: no estimate": ["EEE, VVE with K = 6"],
    }  # fmt: skip


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
    assert (
        f"{second['family']} with K = {second['K']}, whose BIC is {gap:.1f} higher: {word}"
        in sentences
    )
    resp = faithful.fit.predict_proba(bayesgmm.datasets.load_faithful())
    assert f"{np.mean(resp.max(axis=1) > 0.9):.0%} of the rows are classified" in sentences
    by_icl = table.loc[table["icl"].idxmin()]
    assert (f"prefers {by_icl['family']} with K = {by_icl['K']}" in sentences) == (by_icl.name != 0)
    assert "K = 3 is the largest number tried" in sentences


def test_one_component_is_said_to_be_one():
    """A single Gaussian is not called a mixture."""
    x = np.random.default_rng(1).normal(size=(200, 2))
    sentences = " ".join(verdict.conclusion(analysis_of(x, (1, 2))))
    assert "a single Gaussian: there is no evidence for more" in sentences
    sentences = " ".join(verdict.conclusion(analysis_of(x, (1,))))
    assert "a single Gaussian, the only number of components tried" in sentences


def test_a_single_gaussian_is_not_compared_with_itself():
    """Eight families are one model with K = 1, and what speaks for K = 1 is true of the grid."""
    x = np.random.default_rng(1).normal(size=(200, 2))
    analysis = analysis_of(x, (1, 2))
    sentences = " ".join(verdict.conclusion(analysis))
    other = analysis.selection.table.query("K > 1 or n_parameters != @analysis.fit.n_parameters")
    assert f"The next best model is {other['family'].iloc[0]} with K = {other['K'].iloc[0]}," in (
        sentences
    )
    assert "each with its own" not in sentences and "prefers" not in sentences
    assert len({(m.K, m.n_parameters) for m in analysis.comparison.itertuples()}) > 1
    few = np.random.default_rng(5).normal(size=(5, 4))
    sentences = " ".join(verdict.conclusion(analysis_of(few, (1, 2), covariance_type="VVV")))
    assert "a single Gaussian: no mixture of more components has an estimate" in sentences
    skewed = np.random.default_rng(4).gamma(3, size=(150, 1))
    found = analysis_of(skewed, (1, 2), criterion="icl")
    assert found.fit.n_components == 1 and found.selection.top(1, "bic")[0].n_components == 2
    assert "no evidence" not in " ".join(verdict.conclusion(found))


@pytest.mark.parametrize(
    ("centers", "said"),
    [
        ([0.0, 12.0, 24.0], ""),
        ([0.0, 2.5, 24.0], " overlap most."),
        ([0.0, 2.5, 24.0, 40.0], "the components make 3 clusters"),
    ],
)
def test_merging_is_proposed_where_components_overlap(centers, said):
    """Nothing where all rows are certain; no number for three, whose elbow can only be at 2."""
    rng = np.random.default_rng(0)
    x = rng.normal(np.repeat(centers, 200)[:, None], 1.0)
    analysis = analysis_of(x, (len(centers),), with_posterior=False, covariance_type="E")
    sentences = " ".join(verdict.conclusion(analysis))
    if said:
        assert said in sentences
    else:
        assert "overlap" not in sentences and "clusters" not in sentences


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


OLD_FAITHFUL = bayesgmm.datasets.load_faithful()
OWN_PRIOR = bayesgmm.Prior([3.5, 70.0], [1.0, 200.0], dof=10, scale=[3.5, 500.0], concentration=4)


def test_python_repeats_the_report(tmp_path, monkeypatch):
    """The code runs and finds the same, with a question and a prior of one's own, in it alone."""
    monkeypatch.chdir(tmp_path)
    OLD_FAITHFUL.to_csv("faithful.csv", index=False)
    question = 'Is "long" one kind of eruption?'
    analysis = analysis_of(
        OLD_FAITHFUL, (1, 2), False, source="faithful.csv", prior=OWN_PRIOR, question=question
    )
    exec(repeat.python_code(analysis), {})
    text = (tmp_path / "report.html").read_text()
    assert f"BIC {analysis.fit.bic:.1f}" in text
    assert repeat.fingerprint(analysis) in text
    assert "Dirichlet(4, ..., 4)" in text
    assert "Is &#34;long&#34; one kind of eruption?" in text
    assert repeat.shell_command(analysis) == ""
    assert "In a terminal" not in text


@pytest.mark.parametrize(
    ("ks", "choices"),
    [
        ((1, 2), None),
        ((1, 2), {"concentration": 0.1 + 0.2, "random_scale": True}),
        ((1, 2), {"conjugate": True, "random_scale": True}),
        ((2,), {"conjugate": True, "n_components": 2}),
    ],
)
def test_the_command_repeats_the_report(ks, choices, tmp_path, monkeypatch):
    """The command for the terminal is one that the program takes: same fit, prior and question."""
    monkeypatch.chdir(tmp_path)
    OLD_FAITHFUL.to_csv("faithful.csv", index=False)
    prior = None if choices is None else bayesgmm.Prior.from_data(OLD_FAITHFUL, **choices)
    question = 'Don\'t "short" eruptions differ?'
    analysis = analysis_of(
        OLD_FAITHFUL, ks, False, source="faithful.csv", prior=prior, question=question
    )
    words = shlex.split(repeat.shell_command(analysis).replace("\\\n", " "))
    result = CliRunner().invoke(app, [*words[1:], "--out", "report.md", "--quiet"])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report.md").read_text()
    assert f"BIC {analysis.fit.bic:.1f}" in text
    assert question in text
    assert tables.markdown_table(tables.prior_table(analysis), "Prior") in text
    assert repeat.shell_command(analysis) in text


@pytest.mark.parametrize(
    "prior",
    [
        OWN_PRIOR,
        bayesgmm.Prior.from_data(OLD_FAITHFUL, concentration=bayesgmm.Gamma(10, 20)),
        bayesgmm.Prior.from_data(OLD_FAITHFUL, conjugate=True, n_components=2),
    ],
)
def test_no_command_for_a_prior_that_it_cannot_ask_for(prior):
    """Written out, with a random concentration, or conjugate for one of several K."""
    analysis = analysis_of(OLD_FAITHFUL, (1, 2), False, prior=prior)
    assert repeat.shell_command(analysis) == ""


def test_fingerprint_is_of_the_values(faithful):
    """That of the hash of the values, whatever their layout."""
    values = bayesgmm.datasets.load_faithful().to_numpy()
    expected = hashlib.sha256(b"".join(struct.pack("<2d", *row) for row in values)).hexdigest()
    assert repeat.fingerprint(faithful) == expected[:16]


def test_markdown_tells_the_same(faithful, tmp_path):
    """Every sentence of the answer, every picture as a file, headings that its contents name."""
    path = tmp_path / "r.md"
    write(faithful, path, format_of(path))
    text = path.read_text()
    read = re.sub(r"\\(?=[^\w\s])", "", text)  # as a reader sees what is escaped
    for sentence in verdict.conclusion(faithful):
        assert sentence in read
    pictures = re.findall(r"^!\[(.{20,})\]\((.*)\)$", text, re.MULTILINE)
    assert len(pictures) == 11
    for _, target in pictures:
        assert (tmp_path / target).read_bytes().startswith(b"\x89PNG")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    contents = re.findall(r"\[([^]]*)\]\(#([^)]*)\)", text)
    assert [name for name, _ in contents] == headings[3:]
    assert all(anchor == name.lower().replace(" ", "-") for name, anchor in contents)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    table = faithful.selection.table
    assert sum(f"{table['bic'][0]:.2f}" in row for row in rows) == 1
    assert "<" not in re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"\bnan\b|None", text)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.md", "r_figures"]


def test_reports_are_html_or_markdown(tmp_path):
    """Told by the name, before any work."""
    with pytest.raises(ValueError, match="r.pdf ends neither in .html nor in .md"):
        bayesgmm.report(bayesgmm.datasets.load_faithful(), tmp_path / "r.pdf")


def test_evidence_is_told_or_why_it_is_not(faithful):
    """As the comparison has it; a reason for draws that have none."""
    x = bayesgmm.datasets.load_faithful()
    [reason] = verdict.evidence(faithful)
    assert reason.startswith("Posterior: the log evidence is not known: the draws fill no volume")
    [none] = verdict.evidence(analysis_of(x, (1, 2), False))
    assert "not known: no posterior was sampled" in none
    few = make_posterior(x, bayesgmm.fit(x, 2, "VVV", random_seed=0), n_chains=2, n_draws=15)
    [why] = verdict.evidence(analyse(x, ReportRequest(2), few, progressbar=False))
    assert "30 draws are too few" in why


def quick_posterior(x, fit):
    """A posterior whose evidence can be computed."""
    return bayesgmm.refine(x, fit, sampler="laplace", draws=250, random_seed=1, progressbar=False)


def test_several_posteriors_are_compared(tmp_path):
    """By evidence and leave-one-out, with what a disagreement means; the first is the answer's."""
    x = bayesgmm.datasets.load_faithful()
    fits = [bayesgmm.fit(x, k, "VVV", random_seed=0) for k in (1, 2)]
    named = {f"K = {fit.n_components}": quick_posterior(x, fit) for fit in fits[1::-1]}
    analysis = analyse(x, ReportRequest(), named, progressbar=False)
    assert analysis.fit is named["K = 2"].fit
    table = analysis.comparison.loc[list(named)]
    said = " ".join(verdict.conclusion(analysis))
    share = table["probability"]
    assert f"K = 1 has {share['K = 1']:.0%} and K = 2 has {share['K = 2']:.0%}" in said
    assert "Leave-one-out prefers K = 2 (VVV)" in said
    assert "by bridge sampling" in verdict.evidence(analysis)[0]
    assert share.idxmax() == "K = 2" and "indifferent to components" not in said
    turned = dict(reversed(named.items()))
    said = " ".join(verdict.conclusion(analyse(x, ReportRequest(), turned, progressbar=False)))
    assert "a single Gaussian" in said and "indifferent to components" in said
    path = bayesgmm.report(x, tmp_path / "r.html", results=named, progressbar=False)
    assert "Leave-one-out prefers K = 2" in path.read_text()


def test_results_of_the_wrong_kind():
    """Are named, with what may be passed."""
    x = bayesgmm.datasets.load_faithful()
    with pytest.raises(TypeError, match="results has a int: pass a Fit, a Selection"):
        analyse(x, results={"a": 3})
    with pytest.raises(ValueError, match="ci_prob is 89"):
        ReportRequest(ci_prob=89)


def test_the_best_of_several_numbers_are_sampled():
    """One fit of each K, the best first, none whose BIC is far from it."""
    x = bayesgmm.datasets.load_faithful()
    grid = bayesgmm.select(x, range(1, 6), random_seed=0, progressbar=False)
    fits = fits_to_sample(grid, 3)
    assert fits[0] is grid.best and len({fit.n_components for fit in fits}) == 3
    for fit in fits:
        rivals = [f for f in grid.sound.values() if f.n_components == fit.n_components]
        assert fit.bic == min(f.bic for f in rivals)
        assert fit.bic - grid.best.bic < 10
    assert [f.bic for f in fits] == sorted(f.bic for f in fits)
    assert fits_to_sample(grid, 1) == [grid.best]


def test_checks_are_told_as_they_are(faithful):
    """The number outside counted here, the farthest named."""
    table = faithful.checks.copy()
    table["observed"] = table["mean"]
    table.loc[("max", "waiting"), "observed"] = table.loc[("max", "waiting"), "upper"] + 1
    table.loc[("sd", "waiting"), "observed"] = table.loc[("sd", "waiting"), "upper"] + 100
    parts = {f: getattr(faithful, f) for f in Analysis.__dataclass_fields__}
    text = verdict.checks(Analysis(**parts | {"checks": table}))
    assert f"Of {len(table)} statistics of the rows 2 lie outside" in text
    assert "misses a feature of the data: the sd of waiting lies" in text
    table.loc[("sd", "waiting"), "observed"] = table.loc[("sd", "waiting"), "upper"] * 1.01
    text = verdict.checks(Analysis(**parts | {"checks": table}))
    assert "farthest is the" in text and "predictive standard deviations away" in text
    table["observed"] = table["mean"]
    text = verdict.checks(Analysis(**parts | {"checks": table}))
    assert "rows 0 lie outside" in text and "look like these" in text


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
    request = ReportRequest(2, covariance_type=name, refine=False)
    analysis = analyse(x, request, progressbar=False)
    assert words in describe(analysis)


@pytest.mark.slow
def test_report_of_a_family_with_axes(tmp_path):
    """VEV's constant is an integral: its posterior and its evidence are told."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    path = bayesgmm.report(
        x, tmp_path / "r.html", n_components=[2], covariance_type=["VEV", "EEE"],
        draws=100, tune=100, chains=2, progressbar=False,
    )  # fmt: skip
    text = path.read_text()
    assert "family VEV" in text
    assert "The log evidence" in text and "not known" not in text


@pytest.mark.filterwarnings("ignore:column .* is rounded to multiples")
def test_missing_values_are_told_by_component(tmp_path):
    """Shares of each component by hand; what differs is named, in both formats and the commands."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    rng = np.random.default_rng(1)
    setosa = x.iloc[:, 2] < 2.5
    x = x.mask(rng.random(x.shape) < 0.05)
    x.loc[setosa & (rng.random(150) < 0.6), x.columns[1]] = np.nan
    x.iloc[7] = np.nan
    for name in ("report.md", "report.html"):
        bayesgmm.report(
            x, tmp_path / name, n_components=2, covariance_type="VEV", refine=False,
            missing="marginalize", progressbar=False,
        )  # fmt: skip
    text = (tmp_path / "report.md").read_text()
    assert "missing at random" in text
    assert "1 without any value" in text
    assert "--missing marginalize" in text
    fit = bayesgmm.fit(x, 2, "VEV", missing="marginalize", random_seed=0)
    rows = x.notna().any(axis=1)
    resp, lacking = fit.predict_proba(x)[rows], x[rows].isna().to_numpy()
    share = resp.T @ lacking[:, 1] / resp.sum(axis=0)
    k = int(np.argmax(share))
    assert f"Of the rows of component {k} {share[k]:.0%} lack sepal_width, of all" in text
    of_column = [v for v in text.splitlines() if v.startswith("| sepal_width | ") and "%" in v]
    row = of_column[0]
    assert [f"{v:.1%}" for v in (lacking[:, 1].mean(), *share)] == row.strip("| ").split(" | ")[1:]
    page = (tmp_path / "report.html").read_text()
    assert "Shares of missing values" in page and f"{share[k]:.1%}" in page


def test_sections_logo_template_and_names(tmp_path):
    """What a person may choose of the page; the answer is always there."""
    x = bayesgmm.datasets.load_faithful()
    logo, template = tmp_path / "logo.svg", tmp_path / "own.html"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    template.write_text(
        '{% extends "report.html" %}{% block style %}h1 { color: teal }{% endblock %}'
        "{% block fit %}<p>Ours.</p>{{ super() }}{% endblock %}"
    )
    shown = {
        "n_components": 2, "covariance_type": "VVV", "refine": False, "progressbar": False,
        "random_seed": 1, "sections": ["fit", "repeat"], "component_names": ["long", "short <i>"],
    }  # fmt: skip
    bayesgmm.report(x, tmp_path / "r.html", logo=logo, template=template, **shown)
    page = (tmp_path / "r.html").read_text()
    assert re.findall(r'<h2 id="(\w+)"', page) == ["fit", "repeat"]
    assert re.findall(r'href="#(\w+)"', page) == ["fit", "repeat"]
    assert "h1 { color: teal }" in page and "<p>Ours.</p>" in page
    assert "data:image/svg+xml;base64," in page
    assert "The components long and short &lt;i&gt; have" in page and "component 0" not in page
    assert "component_names=[" in page and "--component-names " in page
    bayesgmm.report(x, tmp_path / "r.md", logo=logo, **shown)
    text = (tmp_path / "r.md").read_text()
    assert re.findall(r"^## (.*)$", text, re.M)[-2:] == ["The chosen fit", "Reproducibility"]
    assert "](r_figures/logo.svg)" in text and (tmp_path / "r_figures" / "logo.svg").exists()
    for wrong, error in (
        ({"sections": ["fits"]}, ValueError), ({"sections": "fit"}, TypeError),
        ({"logo": template}, ValueError), ({"template": tmp_path / "no.html"}, FileNotFoundError),
        ({"max_time": 3, "sampler": "gibbs"}, ValueError),
    ):  # fmt: skip
        with pytest.raises(error, match=next(iter(wrong))):
            bayesgmm.report(x, tmp_path / "no.html", **shown | wrong)


def test_rows_with_weights_and_names_that_do_not_fit(tmp_path):
    """Sizes are sums of weights; what could not be done is said."""
    x = bayesgmm.datasets.load_faithful()
    weights = np.where(np.arange(272) < 100, 2.0, 1.0)
    bayesgmm.report(
        x, tmp_path / "r.md", n_components=2, covariance_type="VVV", sample_weight=weights,
        component_names=["a", "b", "c"], progressbar=False, random_seed=1,
    )  # fmt: skip
    text = (tmp_path / "r.md").read_text()
    assert "of the 372 rows" in text and "which a posterior cannot have" in text
    assert "Names were given for 3 components (a, b and c)" in text
    fit = bayesgmm.fit(x, 2, sample_weight=weights, random_seed=1)
    sizes = np.bincount(fit.predict(x), weights)
    assert all(f"{size:.0f} ({size / 372:.0%})" in text for size in sizes)


def test_time_is_told_beforehand():
    """In proportion to what is asked for; minutes come with a faster way."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=1)
    few = seconds_expected(x, fit, draws=10, tune=10)
    many = seconds_expected(x, fit, draws=1_000_000, tune=10)
    assert 0 < few < 30 and many > 50 * few
    data, prior = as_data(x), Prior.from_data(x)
    assert re.fullmatch(r": about \d+ s", _cost(data, fit, prior, ReportRequest()))
    long = ReportRequest(draws=100_000_000)
    assert "'laplace' approximates it" in _cost(data, fit, prior, long)
    laplace = ReportRequest(sampler="laplace")
    assert _cost(data, fit, prior, laplace) == ""


def test_time_is_divided_among_the_posteriors(monkeypatch):
    """40 s for all if not said; what did not reach its target in it says so."""
    x = bayesgmm.datasets.load_faithful()
    given = []

    def quick(data, fit, **settings):
        given.append(settings["max_time"])
        posterior = make_posterior(data, fit)
        step = Step("nutpie", 4, 100, 1, "r-hat of mu[0, waiting] 1.234")
        return replace(posterior, tree=with_steps(posterior.tree, [step]))

    monkeypatch.setattr("bayesgmm.sampling.refine.refine", quick)
    analysis = analyse(x, ReportRequest([2, 3], n_init=3), progressbar=False)
    assert len(given) == len(analysis.posteriors) == 2 and given == [20.0, 20.0]
    said = verdict.sampling(analysis)
    assert "not enough (r-hat of mu[0, waiting] 1.234)" in said and "raise max_time" in said
    analyse(x, ReportRequest(2, n_init=3, max_time=7.0), progressbar=False)
    analyse(x, ReportRequest(2, n_init=3, sampler="laplace"), progressbar=False)
    assert given[2:] == [7.0, None]


def test_what_the_prior_says_is_said(monkeypatch):
    """In sentences of their own; a feature that is missed may be the prior's doing."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(200, 1))
    x = np.hstack([first, first + 1e-3 * rng.normal(size=(200, 1))])
    analysis = analyse(x, ReportRequest(1, n_init=1, sampler="laplace"), progressbar=False)
    said = " ".join(verdict.conclusion(analysis))
    assert "The prior makes components wider in the narrowest direction than their rows" in said
    assert "misses a feature of the data" in said and "The cause may be the prior." in said
    weak = replace(analysis.posterior.prior_influence, widening=np.ones(1), some_few_rows=0.4)
    monkeypatch.setitem(vars(analysis.posterior), "prior_influence", weak)
    said = " ".join(verdict.conclusion(analysis))
    assert "In 40% of the draws a component has fewer than two rows" in said
    assert "The cause may be the prior." not in said
