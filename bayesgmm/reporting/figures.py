"""The figures of a report, each with its caption and a description."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import plots
from ..plots.backends import as_png
from ..plots.checks import outside_interval, plot_of_checks
from ..posterior.posterior import Posterior
from ..selection.criteria import criterion_of
from ..utils.errors import ConvergenceAdvice
from .analysis import Analysis

_DPI = 130
# Columns up to which a table of the estimates shows the profiles well enough.
_FEW_COLUMNS = 3


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


def figures_of(analysis: Analysis) -> dict[str, ReportFigure]:
    """All figures by name."""
    made = [*_of_fit(analysis)]
    if analysis.posterior is not None:
        with warnings.catch_warnings():  # the diagnostics report chains in different modes
            warnings.simplefilter("ignore", ConvergenceAdvice)
            made += _of_posterior(analysis, analysis.posterior)
    return {figure.name: figure for figure in made}


def _of_fit(analysis: Analysis) -> Iterator[ReportFigure]:
    fit, data, units = analysis.fit, analysis.data, analysis.units
    k = fit.n_components
    what = f"{fit.family.name} with {_components(k)}"
    label = criterion_of(analysis.selection.criterion).label
    if len(analysis.selection.table) > 1:
        yield ReportFigure.of(
            "bic", plots.plot_bic(analysis.selection, analysis.selection.criterion),
            f"Line chart of {label} by number of components, a line for each family. The BIC of "
            f"{what} is {fit.bic:.1f}.",
            f"{label} of every model of the grid; the best is ringed.",
        )  # fmt: skip
    shares = ", ".join(f"{w:.0%}" for w in fit.weights)
    yield ReportFigure.of(
        "classification", plots.plot_classification(data, fit, units=units),
        f"{_layout(fit.d)} of the rows, coloured by component of {what}, with "
        + ("the components' densities" if fit.d == 1 else "an ellipse for each component")
        + (f"; the components hold {shares} of the rows." if k > 1 else "."),
        "Rows by most probable component; a larger point is less certain."
        + ("" if fit.d == 1 else " An ellipse holds 95 % of its component.")
        + (" The columns shown are those that differ most." if fit.d > 5 else ""),
    )  # fmt: skip
    if k > 1 and fit.d > _FEW_COLUMNS:
        yield ReportFigure.of(
            "profiles", plots.plot_profiles(data, fit),
            f"Heat map of the standardised means of {_components(k)} in {fit.d} columns.",
            "What distinguishes the components: their means, in standard deviations from the "
            "mean of all rows.",
        )  # fmt: skip
    if k > 1:
        doubtful = float(np.mean(analysis.classes["uncertainty"] > 0.2))
        yield ReportFigure.of(
            "uncertainty", plots.plot_uncertainty(data, fit, units=units),
            "Left, the rows' uncertainty in order; right, where the doubtful rows lie. "
            f"{doubtful:.1%} of the rows have an uncertainty above 0.2.",
            "Uncertainty is 1 minus the largest responsibility: 0 for a row that is certain.",
        )  # fmt: skip
    yield ReportFigure.of(
        "convergence", plots.plot_convergence(fit),
        f"Line charts of EM's objective over {fit.n_iter} iterations, up to {fit.objective:.3f}, "
        "and of its distance from there.",
        "EM, best start: the objective never falls.",
    )  # fmt: skip


def _components(k: int) -> str:
    return "1 component" if k == 1 else f"{k} components"


def _layout(d: int) -> str:
    return {1: "Strip", 2: "Scatter chart"}.get(d, "Matrix of scatter charts")


def _of_posterior(analysis: Analysis, posterior: Posterior) -> Iterator[ReportFigure]:
    for condition, make in _POSTERIOR:
        if condition(posterior):
            yield make(analysis, posterior)


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
        "chance.",
    )  # fmt: skip


def _predictive(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    seed = analysis.request.random_seed
    return ReportFigure.of(
        "predictive", plots.plot_predictive(posterior, random_seed=seed, backend="matplotlib"),
        "Distribution functions by column: the rows' in black among those of 50 new data sets.",
        "Distribution of each column: the rows (black) and 50 new data sets from the posterior.",
    )  # fmt: skip


def _trace(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    return ReportFigure.of(
        "trace", plots.plot_trace(posterior, backend="matplotlib"),
        f"Traces of {posterior.diagnostics.chains} chains; the largest r-hat is "
        f"{posterior.diagnostics.rhat:.3f}.",
        "Traces: chains that mix look like the same noise, without trends or jumps.",
    )  # fmt: skip


def _rank(analysis: Analysis, posterior: Posterior) -> ReportFigure:
    return ReportFigure.of(
        "rank", plots.plot_rank(posterior, backend="matplotlib"),
        "Differences of each chain's ranks from the uniform distribution, by parameter.",
        "Ranks of each chain's draws among all, less what is expected: near 0 if the chains agree, "
        "black where they differ by more than chance.",
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


def _several(posterior: Posterior) -> bool:
    return posterior.fit.n_components > 1


def _always(posterior: Posterior) -> bool:
    return True


def _chains(posterior: Posterior) -> bool:
    return posterior.tree["posterior"].sizes["chain"] > 1


_POSTERIOR: tuple[
    tuple[Callable[[Posterior], bool], Callable[[Analysis, Posterior], ReportFigure]], ...
] = (
    (_always, _estimates),
    (_always, _density),
    (_several, _together),
    (_always, _check),
    (_always, _predictive),
    (_always, _trace),
    (_chains, _rank),
    (lambda p: p.relabelled_draws > 0, _labels),
)
