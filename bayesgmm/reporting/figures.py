"""The figures of a report, each with its caption and a description."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from .. import plots
from ..data.chunks import are_in_chunks
from ..em.result import Fit
from ..plots.backends import as_png
from ..plots.checks import outside_interval, plot_of_checks
from ..plots.style import separating_columns
from ..posterior.posterior import Posterior
from ..selection.criteria import criterion_of
from ..utils.errors import ConvergenceAdvice
from ..utils.progress import track
from .analysis import Analysis
from .request import Section
from .tables import markdown_text

_DPI = 130
# Columns up to which a table of the estimates shows the profiles well enough.
_FEW_COLUMNS = 3
# Beyond so many columns rows are projected.
_MOST_DIRECT = 4
_PROJECTED = " Seen in the two directions that separate the components best."
# Panels of traces and of ranks.
_PANELS = 12


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A figure as PNG, with its caption and a description for readers who cannot see it."""

    name: str
    png: bytes
    alt: str
    caption: str

    @classmethod
    def of(cls, name: str, drawn: Any, alt: str, caption: str) -> ReportFigure:
        """The report's figure of a matplotlib figure or an ArviZ PlotCollection."""
        return cls(name, as_png(drawn, _DPI), alt, caption)

    @property
    def source(self) -> str:
        """The figure as a data URL, for a page that contains all its figures."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def html_figure(figure: ReportFigure, folder: str) -> str:
    """A figure that the page contains, with its caption."""
    caption, alt = escape(figure.caption), escape(figure.alt)
    return (
        '<figure>\n<span class="sideways" aria-hidden="true">swipe the figure sideways to see all '
        f'of it</span>\n<div class="scroll" role="region" tabindex="0" aria-label="Figure: '
        f'{caption}"><img class="wide" src="{figure.source}" alt="{alt}"></div>\n'
        f"<figcaption>{caption}</figcaption>\n</figure>\n"
    )


def markdown_figure(figure: ReportFigure, folder: str) -> str:
    """A figure in a folder beside the text, with its caption."""
    return (
        f"\n![{markdown_text(figure.alt)}]({folder}/{figure.name}.png)\n\n"
        f"{markdown_text(figure.caption)}\n"
    )


def figures_of(analysis: Analysis, progressbar: bool = False) -> dict[str, ReportFigure]:
    """The figures of the sections asked for, by name."""
    kinds = [k for k in _KINDS if k.section in analysis.request.shown and k.applies(analysis)]
    with warnings.catch_warnings():  # the diagnostics report chains in different modes
        warnings.simplefilter("ignore", ConvergenceAdvice)
        made = [kind.make(analysis) for kind in track(kinds, "Drawing the figures", progressbar)]
    return {figure.name: figure for figure in made}


def _bic(analysis: Analysis) -> ReportFigure:
    fit, selection = analysis.fit, analysis.selection
    label = criterion_of(selection.criterion).label
    return ReportFigure.of(
        "bic", plots.plot_bic(selection, selection.criterion),
        f"Line chart of {label} by number of components, a line for each family. The BIC of "
        f"{_what(fit)} is {fit.bic:.1f}.",
        f"{label} of every model of the grid; the best is ringed.",
    )  # fmt: skip


def _classification(analysis: Analysis) -> ReportFigure:
    fit, k = analysis.fit, analysis.fit.n_components
    shares = ", ".join(f"{share:.0%}" for share in analysis.component_shares)
    return ReportFigure.of(
        "classification",
        plots.plot_classification(analysis.data, fit, units=analysis.units),
        f"{_layout(fit.d)} of the rows, coloured by component of {_what(fit)}, with "
        + ("the components' densities" if fit.d == 1 else "an ellipse for each component")
        + (f"; the components hold {shares} of the rows." if k > 1 else "."),
        f"Rows by most probable component; {_how_drawn(analysis)}."
        + ("" if fit.d == 1 else " An ellipse holds 95 % of its component.")
        + (
            " Seen in the two directions that separate the components best."
            if k > 1 and fit.d > 4
            else ""
        ),
    )


def _how_drawn(analysis: Analysis) -> str:
    if are_in_chunks(analysis.data):
        return "a darker cell has more of them, on a logarithmic scale"
    return "a larger point is less certain"


def _profiles(analysis: Analysis) -> ReportFigure:
    fit, of = analysis.fit, _components(analysis.fit.n_components)
    return ReportFigure.of(
        "profiles", plots.plot_profiles(analysis.data, fit),
        f"Heat map of the standardised means of {of} in {fit.d} columns.",
        "What distinguishes the components: their means, in standard deviations from the "
        "mean of all rows.",
    )  # fmt: skip


def _uncertainty(analysis: Analysis) -> ReportFigure:
    doubtful = analysis.certainty.doubtful
    return ReportFigure.of(
        "uncertainty", plots.plot_uncertainty(analysis.data, analysis.fit, units=analysis.units),
        "Left, the rows' uncertainty in order; right, where the uncertain rows lie. "
        f"{doubtful:.1%} of the rows have an uncertainty above 0.2.",
        "Uncertainty is 1 minus the largest responsibility: 0 for a row that is certain.",
    )  # fmt: skip


def _convergence(analysis: Analysis) -> ReportFigure:
    fit = analysis.fit
    return ReportFigure.of(
        "convergence", plots.plot_convergence(fit),
        f"Line charts of EM's objective over {fit.n_iter} iterations, up to {fit.objective:.3f}, "
        "and of its distance from there.",
        "EM, best start: the objective never falls.",
    )  # fmt: skip


def _what(fit: Fit) -> str:
    return f"{fit.model_name} with {_components(fit.n_components)}"


def _components(k: int) -> str:
    return "1 component" if k == 1 else f"{k} components"


def _layout(d: int) -> str:
    return {1: "Strip", 2: "Scatter chart"}.get(d, "Matrix of scatter charts")


def _estimates(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    k = posterior.fit.n_components
    mine = posterior.fit is analysis.fit and analysis.errors is not None
    level = analysis.request.ci_prob
    low, high = np.quantile(posterior.draws.weights, [(1 - level) / 2, (1 + level) / 2], axis=0)
    widest = f"{np.max(high - low):.2f}"
    return ReportFigure.of(
        "posterior",
        plots.plot_posterior(
            posterior, analysis.request.ci_prob, standard_errors=analysis.errors if mine else None,
            units=analysis.units,
        ),
        f"Intervals of the parameters of {_components(k)}: posterior {level:.0%} intervals beside "
        "the EM estimates."
        + (f" The widest interval of a proportion is {widest} wide." if k > 1 else ""),
        f"Posterior mean and {level:.0%} interval of each component in colour; x marks the EM "
        "estimate" + (", with the interval that the observed information gives." if mine else "."),
    )  # fmt: skip


def _density(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    fit = posterior.fit
    level = analysis.request.ci_prob
    drawn = plots.plot_density(analysis.data, fit, posterior, ci_prob=level, units=analysis.units)
    if fit.d == 1:
        return ReportFigure.of(
            "density", drawn,
            f"Histogram of {fit.names[0]} under the fitted density, its components, and the "
            "posterior's band.",
            "The data and the density; coloured lines are the components, the blue band is the "
            f"posterior's {level:.0%} interval.",
        )  # fmt: skip
    return ReportFigure.of(
        "density", drawn,
        "Contours of the posterior mean density of two columns over the rows, with the 95 % "
        "regions of the EM fit and of single draws.",
        "Shades: the regions of highest posterior mean density. Where the thin lines spread, the "
        "posterior is unsure of the shape.",
    )  # fmt: skip


def _together(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    return ReportFigure.of(
        "coclustering", plots.plot_coclustering(posterior),
        "Heat map of the probability that two rows belong to the same component; dark squares "
        f"along the diagonal are the {_components(posterior.fit.n_components)}.",
        "Rows sorted by component. Shade between two squares: their components may be one.",
    )  # fmt: skip


def _check(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    assert analysis.checks is not None
    outside = int(np.sum(outside_interval(analysis.checks)))
    return ReportFigure.of(
        "check", plot_of_checks(analysis.checks, analysis.request.ci_prob),
        f"Statistics of the rows beside their predictive intervals: {outside} of "
        f"{len(analysis.checks)} lie outside.",
        "Each dot is a statistic of the rows, each bar its interval in new data sets from the "
        f"posterior. About {1 - analysis.request.ci_prob:.0%} are expected to lie outside by "
        "chance." + _sampled_rows(posterior),
    )  # fmt: skip


def _predictive(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    seed = analysis.request.random_seed
    return ReportFigure.of(
        "predictive", plots.plot_predictive(posterior, random_seed=seed, backend="matplotlib"),
        "Distribution functions by column: the rows' in black among those of 50 new data sets.",
        "Distribution of each column: the rows (black) and 50 new data sets from the posterior."
        + _sampled_rows(posterior),
    )  # fmt: skip


def _sampled_rows(posterior: Posterior) -> str:
    """What rows are meant where they are a sample."""
    n = posterior.rows_at_hand.n
    return "" if posterior.rows is None else f" The rows are a random sample of {n}."


def _trace(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    return ReportFigure.of(
        "trace", plots.plot_trace(posterior, backend="matplotlib", coords=_few(posterior)),
        f"Traces of {posterior.diagnostics.chains} chains; the largest r-hat is "
        f"{posterior.diagnostics.rhat:.3f}.",
        "Traces: chains that mix look like the same noise, without trends or jumps.",
    )  # fmt: skip


def _few(posterior: Posterior) -> dict[str, list[str]]:
    """Columns whose means are shown draw by draw: those in which the components differ most."""
    k = posterior.fit.n_components
    most = max(1, (_PANELS - k * (k > 1)) // k)
    columns = separating_columns(posterior.fit.mixture, most)
    return {"feature": [posterior.fit.names[j] for j in columns]}


def _rank(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    return ReportFigure.of(
        "rank", plots.plot_rank(posterior, backend="matplotlib", coords=_few(posterior)),
        "Differences of each chain's ranks from the uniform distribution, by parameter.",
        "Differences of the rank ECDFs by chain: near 0 if the chains agree, black where they "
        "differ by more than chance.",
    )  # fmt: skip


def _labels(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    done = posterior.relabelling
    return ReportFigure.of(
        "labels", plots.plot_label_moves(posterior, units=analysis.units),
        f"Means draw by draw before and after relabelling, which moved {done.relabelled_draws} "
        "draws.",
        "Means draw by draw under the sampler's labels and after relabelling; the strip shows what "
        "each of the sampler's components became.",
    )  # fmt: skip


def _of(
    make: Callable[[Analysis, Posterior], ReportFigure],
) -> Callable[[Analysis], ReportFigure]:
    """What makes a figure of the analysis's posterior."""

    def made(analysis: Analysis) -> ReportFigure:
        assert analysis.posterior is not None
        return make(analysis, analysis.posterior)

    return made


def _always(analysis: Analysis) -> bool:
    return True


def _several(analysis: Analysis) -> bool:
    return analysis.fit.n_components > 1


def _sampled(analysis: Analysis) -> bool:
    return analysis.posterior is not None


def _checked(analysis: Analysis) -> bool:
    return analysis.checks is not None


def _several_sampled(analysis: Analysis) -> bool:
    return analysis.posterior is not None and analysis.posterior.fit.n_components > 1


def _chains(analysis: Analysis) -> bool:
    return analysis.posterior is not None and analysis.posterior.diagnostics.chains > 1


def _moved(analysis: Analysis) -> bool:
    return analysis.posterior is not None and analysis.posterior.relabelled_draws > 0


@dataclass(frozen=True, slots=True)
class _Kind:
    """A figure: the section it is in, whether an analysis has it, and what makes it."""

    section: Section
    applies: Callable[[Analysis], bool]
    make: Callable[[Analysis], ReportFigure]


_KINDS = (
    _Kind("selection", lambda a: len(a.selection.table) > 1, _bic),
    _Kind("fit", _always, _classification),
    _Kind("fit", lambda a: a.fit.n_components > 1 and a.fit.d > _FEW_COLUMNS, _profiles),
    _Kind("fit", _several, _uncertainty),
    _Kind("fit", _always, _convergence),
    _Kind("posterior", _sampled, _of(_estimates)),
    _Kind("posterior", _checked, _of(_density)),
    _Kind("posterior", _several_sampled, _of(_together)),
    _Kind("check", _checked, _of(_check)),
    _Kind("check", _checked, _of(_predictive)),
    _Kind("diagnostics", _sampled, _of(_trace)),
    _Kind("diagnostics", _chains, _of(_rank)),
    _Kind("diagnostics", _moved, _of(_labels)),
)
