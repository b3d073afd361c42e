"""The report as one HTML file that contains its figures, or as Markdown with figures beside it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..comparison.table import Comparison
from ..data.chunks import are_in_chunks
from ..families import FamilyName
from ..mixture.prior import Prior
from ..sampling.registry import SamplerName
from ..sampling.run.interruption import interruptions_raised
from ..selection.criteria import CriterionName, criterion_of
from ..utils.archive import atomic, write_text
from ..utils.validation import check_path
from . import repeat, tables, verdict
from .analysis import Analysis, analyse
from .figures import ReportFigure, figures_of, html_figure, markdown_figure
from .request import LOGOS, ReportRequest, Results, Section
from .versions import versions

type Format = Literal["html", "markdown"]
_SUFFIXES: dict[str, Format] = {
    ".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown",
}  # fmt: skip


def report(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    path: str | Path = "report.html",
    *,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: FamilyName | str | Iterable[str] | None = None,
    columns: Sequence[str] | None = None,
    prior: Prior | None = None,
    refine: bool = True,
    n_posteriors: int = 3,
    criterion: CriterionName = "bic",
    sampler: SamplerName = "auto",
    results: Results | None = None,
    n_init: int | None = None,
    draws: int = 1000,
    tune: int = 200,
    chains: int = 4,
    ci_prob: float = 0.89,
    random_seed: int = 0,
    title: str = "",
    question: str = "",
    source: str = "",
    reading: str = "",
    missing: Literal["refuse", "marginalize"] = "refuse",
    component_names: Sequence[str] | None = None,
    sample_weight: Any = None,
    sections: Sequence[Section] | None = None,
    logo: str | Path | None = None,
    template: str | Path | None = None,
    max_time: float | None = None,
    noise: Any = None,
    labels: Any = None,
    progressbar: bool = True,
) -> Path:
    """Write a report of a selection, a posterior and a comparison: the answer first, then why.

    Parameters
    ----------
    X : array-like (n, d)
        Data, as for `fit`. Units in `X.attrs["units"]` are shown.
    path : str or Path
        The file to write: HTML that contains everything (.html), or Markdown (.md) with its figures
        in a folder beside it, `report_figures` for `report.md`.
    n_components, covariance_type, columns, n_init, random_seed
        As for `select`; the grid is fitted by maximum likelihood and ranked by BIC.
    prior : Prior, optional
        Prior of the posterior; `Prior.from_data(X)` if left out.
    refine : bool
        Sample posteriors.
    n_posteriors : int
        How many at most: of the best model, and of the best with other numbers of components whose
        BIC is less than 10 above. They are compared by leave-one-out and by their evidence.
    criterion : {"bic", "icl", "aic", "cv"}
        What the grid is ranked by, as for `select`.
    sampler, draws, tune, chains
        As for `refine`.
    results : Fit, Selection, Posterior, ComponentsPosterior, or mapping of names to them, optional
        Results of these data, reported in place of new ones: a grid is not searched again, and no
        posterior is sampled where there is one. The first posterior's fit is then the chosen one.
    ci_prob : float
        Probability of the posterior's intervals. 0.89 as a reminder that no such number is
        special (McElreath 2020, Statistical Rethinking), and with fewer draws needed in the tails
        than 0.95.
    title, question, source : str
        Title of the report, what is asked, and the file that the data come from.
    reading : str
        Options of the command line with which that file is read, for the section that says how to
        repeat the report.
    missing : {"refuse", "marginalize"}
        As for `fit`; results that are given say themselves what they did. The report compares how
        much the components miss, and says what is assumed.
    component_names : sequence of str, optional
        What the chosen fit's components are called, in their order, where they are as many: in all
        tables and figures. `Fit.with_component_names` names those of given results.
    sample_weight : array-like (n,) or str, optional
        What each row counts for, as for `select`. Rows with weights have no posterior.
    sections : sequence of str, optional
        Those to write: "selection", "fit", "posterior", "check", "diagnostics", "comparison",
        "data", "method", "prior", "repeat", "versions". All if left out; the answer always.
    logo : str or Path, optional
        An image for the head of the report.
    template : str or Path, optional
        A Jinja template of yours that extends "report.html" (or "report.md"), whose blocks have the
        names of the sections, and "head", "style", "header", "answer", "contents", "footer".
    max_time : float, optional
        For sampler "auto": seconds for each posterior, as for `refine`; if left out, 40 s divided
        among them. How long the sampling will take is said before it begins.
    noise : bool or float, optional
        Also fit every cell beside noise, as `select` does. The report says how much the noise rests
        on its density.
    labels : array-like (n,) or (n, K), or str, optional
        What is known of the rows' components, as for `select`. Components are called by their
        classes, and the report says how many rows would be called another.
    progressbar : bool
        Show progress on standard error.

    Returns
    -------
    Path
        The file written. After Ctrl-C during the search or the sampling it reports what there is,
        and says so first; the rest is not begun.

    Raises
    ------
    DataError
        Data that cannot be used.
    FileNotFoundError
        No such directory, logo or template.
    ValueError
        A name that ends neither in .html nor in .md; no cell with an estimate.
    KeyboardInterrupt
        Interrupted before there was anything, or a second time; no file is written.

    Warns
    -----
    InterruptionAdvice
        Interrupted; the message says what there is.

    See Also
    --------
    select : All covariance structures with every number of components.
    refine : The posterior of the same mixture.
    compare : Fits, grids and posteriors in one table.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_galaxies()
    >>> bayesgmm.report(X, "report.html", n_components=range(1, 7))  # doctest: +SKIP
    PosixPath('report.html')
    """
    path = check_path(path)
    form = format_of(path)
    if not path.parent.is_dir():  # before minutes of work, not after
        raise FileNotFoundError(f"no directory {path.parent} to write {path.name} to.")
    request = ReportRequest(
        n_components, covariance_type, columns, prior, refine, n_posteriors, criterion, sampler,
        n_init, draws, tune, chains, ci_prob, random_seed, title, question, source, reading,
        missing, component_names, sections, logo, template, max_time, noise,
    )  # fmt: skip
    analysis = analyse(
        X, request, results, sample_weight=sample_weight, labels=labels, progressbar=progressbar
    )
    write(analysis, path, form, progressbar)
    return path


@dataclass(frozen=True, slots=True)
class _Form:
    """How a report is written: its template, tables and figures, and where these are."""

    template: str
    table: Callable[[Any, str], str]
    figure: Callable[[ReportFigure, str], str]
    comparison: Callable[[Comparison], str | None]
    escape: bool
    figures_beside: bool


_FORMS: dict[Format, _Form] = {
    "html": _Form(
        "report.html",
        tables.html_table,
        html_figure,
        Comparison.to_html,
        escape=True,
        figures_beside=False,
    ),
    "markdown": _Form(
        "report.md", tables.markdown_table, markdown_figure, str, escape=False, figures_beside=True
    ),
}


def format_of(path: Path) -> Format:
    """The format of a file of this name."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"{path.name} ends neither in .html nor in .md: name it as HTML or Markdown."
        )
    return _SUFFIXES[path.suffix.lower()]


def write(analysis: Analysis, path: Path, form: Format, progressbar: bool = False) -> None:
    """Write the report of an analysis; the file is replaced when it is complete."""
    folder = path.with_name(f"{path.stem}_figures")
    with interruptions_raised():
        figures = figures_of(analysis, progressbar)
        text = render(analysis, form, figures, folder.name)
    if _FORMS[form].figures_beside:
        _write_figures(figures, folder)
        if (logo := analysis.request.logo) is not None:
            shutil.copyfile(logo, folder / _logo_file(Path(logo)))
    write_text(path, text)


def _write_figures(figures: dict[str, ReportFigure], folder: Path) -> None:
    """Write the figures to a folder; those of an earlier report there are replaced."""
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        with atomic(folder / f"{name}.png") as partial:
            partial.write_bytes(figure.png)


def render(
    analysis: Analysis,
    form: Format = "html",
    figures: dict[str, ReportFigure] | None = None,
    folder: str = "report_figures",
) -> str:
    """The report of an analysis as text.

    Parameters
    ----------
    analysis : Analysis
        The analysis to report.
    form : {"html", "markdown"}
        HTML contains the figures, Markdown refers to them as files of the folder.
    figures : dict, optional
        The figures by `figures_of`, if they exist already.
    folder : str
        The folder of Markdown's figures.
    """
    kind = _FORMS[form]
    environment = Environment(  # noqa: S701 - Markdown has an escape of its own
        loader=PackageLoader("bayesgmm.reporting"), autoescape=kind.escape,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"md": tables.markdown_text, "fenced": tables.fenced}
    own, logo = analysis.request.template, analysis.request.logo
    template = (
        environment.get_template(kind.template)
        if own is None
        else environment.from_string(Path(own).read_text(encoding="utf-8"))
    )
    drawn = figures_of(analysis) if figures is None else figures
    table = kind.table
    posterior, titles = analysis.posterior, analysis.component_titles
    return template.render(
        a=analysis,
        answer=verdict.conclusion(analysis),
        family=verdict.describe(analysis),
        evidence=verdict.evidence(analysis),
        sampling="" if posterior is None else verdict.sampling(analysis),
        sizes=tables.sizes_table(analysis),
        criterion=criterion_of(analysis.selection.criterion).label,
        figure=lambda key: Markup(kind.figure(drawn[key], folder)) if key in drawn else "",
        logo=None if logo is None else _logo(Path(logo), folder if kind.figures_beside else ""),
        sections=_sections(analysis),
        table=table,
        columns=tables.columns_table(analysis),
        missing=[] if analysis.missing is None else analysis.missing.sentences(titles),
        missing_rates=None if analysis.missing is None else analysis.missing.table(titles),
        labels=[] if analysis.labels is None else analysis.labels.sentences(),
        labels_table=None if analysis.labels is None else analysis.labels.table,
        noise=[] if analysis.noise is None else analysis.noise.sentences(),
        noise_table=None if analysis.noise is None else analysis.noise.shown(),
        selection=tables.selection_table(analysis),
        n_cells=len(analysis.selection.table),
        most_rows=tables.MOST_ROWS,
        failures=tables.failures_of(analysis),
        estimates=tables.estimates_table(analysis),
        summary=None if posterior is None else tables.summary_table(analysis),
        diagnostics=None if posterior is None else tables.diagnostics_table(analysis),
        comparison=kind.comparison(analysis.comparison),
        meanings=tables.meanings_of(analysis.comparison),
        prior=tables.prior_table(analysis),
        shell=repeat.shell_command(analysis),
        python=repeat.python_code(analysis),
        fingerprint=repeat.fingerprint(analysis),
        in_chunks=are_in_chunks(analysis.data),
        versions=versions(),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def _sections(analysis: Analysis) -> set[Section]:
    """The sections of the report of this analysis: those asked for that have something to say."""
    sampled: set[Section] = {"posterior", "check", "diagnostics"}
    shown = {*analysis.request.shown} - (sampled if analysis.posterior is None else set())
    shown -= {"check"} if analysis.checks is None else set()
    return shown - ({"prior"} if analysis.own_model else set())


def _logo_file(logo: Path) -> str:
    return f"logo{logo.suffix.lower()}"


def _logo(logo: Path, folder: str) -> str:
    """Where the logo is: in the folder, or, if that is "", in the page itself."""
    if folder:
        return f"{folder}/{_logo_file(logo)}"
    data = base64.b64encode(logo.read_bytes()).decode()
    return f"data:{LOGOS[logo.suffix.lower()]};base64,{data}"
