"""Plot of the posterior of pi, mu and Sigma beside the EM estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from ..em.result import Fit
from ..em.standard_errors.result import Estimates, StandardErrors
from ..mixture.draws import NoisyDraws
from ..posterior.posterior import Posterior
from ..utils.matrices import as_full
from ..utils.types import FloatArray
from ..utils.validation import tail_probabilities
from .canvas import Figure, Place, canvas
from .style import (
    NOISE,
    QUIET,
    Units,
    colour,
    component_labels,
    despine,
    literal_text,
    longest_line,
    marker,
    named,
    separating_columns,
    units_of,
)

# Ends of intervals by component.
type _Pair = tuple[FloatArray, FloatArray] | None

# Columns of which every covariance gets a panel, and of which every variance does.
_WITH_COVARIANCES = 3
_WITH_VARIANCES = 4
# Columns whose means are shown beyond that.
_MOST_MEANS = 10
# Characters on a line of a title.
_TITLE = 28
# Characters of components' names for which there is room, and the width of a further one, inches.
_SHORT, _A_CHARACTER = 4, 0.07
# Places of the two intervals, above and below a component's line.
_APART = 0.17


@dataclass(frozen=True, slots=True)
class _Panel:
    """A parameter of every component: its values (..., K) among all estimates.

    Its interval has the values of the ends as its ends where it rises with a single parameter.
    """

    title: str
    of: Callable[[Estimates], FloatArray]
    rises: bool = True


def _means(estimates: Estimates, j: int) -> FloatArray:
    return estimates.means[..., j]


def _deviations(estimates: Estimates, j: int) -> FloatArray:
    return np.sqrt(estimates.covariances[..., j, j])


def _correlations(estimates: Estimates, i: int, j: int) -> FloatArray:
    product = _deviations(estimates, i) * _deviations(estimates, j)
    return np.asarray(estimates.covariances[..., i, j] / product)


def plot_posterior(
    posterior: Posterior,
    ci_prob: float = 0.89,
    *,
    standard_errors: StandardErrors | None = None,
    units: Units = None,
    **place: Unpack[Place],
) -> Figure:
    """Posterior of pi, mu, standard deviations and correlations, beside the EM estimates.

    A bar is the equal-tailed interval and a mark on it the posterior mean; a cross is the EM
    estimate, with its confidence interval of the same probability if standard errors are given.
    Noise has its share in a panel of its own.
    Of more than three columns the correlations are left out, of more than four the standard
    deviations, of more than ten the means of those in which the components differ least.

    Parameters
    ----------
    posterior : Posterior
        Draws.
    ci_prob : float
        Probability of the intervals.
    standard_errors : StandardErrors, optional
        Of the posterior's fit, by a bootstrap or by the information.
    units : mapping of column name to unit, optional
        For the titles; those of the table that `refine` was given if left out.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Standard errors of a fit of another shape; ci_prob out of range.

    Examples
    --------
    >>> se = bayesgmm.standard_errors(X, fit, "information")  # doctest: +SKIP
    >>> plots.plot_posterior(posterior, standard_errors=se)  # doctest: +SKIP
    """
    fit, draws = posterior.fit, posterior.draws
    ends = tail_probabilities(ci_prob)
    theirs = None if standard_errors is None else _interval(standard_errors, fit, ci_prob)
    drawn = Estimates(draws.weights, draws.means, as_full(draws.covariances, leading=2))
    estimate = Estimates.of(fit)
    panels, noisy = _panels(fit, units_of(posterior, units)), isinstance(draws, NoisyDraws)
    across = min(3, len(panels) + noisy)
    down = -(-(len(panels) + noisy) // across)
    height = 0.75 + down * (0.75 + 0.3 * fit.n_components)
    labels = component_labels(fit.mixture)
    width = 2.9 + _A_CHARACTER * max(longest_line(labels) - _SHORT, 0)
    figure = canvas((width * across + 0.6, max(height, 2.6)), place)
    axes = np.atleast_1d(figure.subplots(down, across)).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        pair: _Pair = None
        if theirs is not None and panel.rises:
            pair = (panel.of(theirs[0]), panel.of(theirs[1]))
        _bars(ax, panel.of(drawn), ends, pair is not None)
        _crosses(ax, panel.of(estimate), pair)
        k = fit.n_components
        ax.set(title=panel.title, yticks=range(k), ylim=(k - 0.4, -0.6))
        ax.set_yticklabels(labels)
        _tidy(ax)
    if isinstance(draws, NoisyDraws):
        pair = None if theirs is None else (theirs[0].noise, theirs[1].noise)
        _share(axes[len(panels)], draws.noise_share, estimate.noise, ends, pair)
    for ax in axes[len(panels) + noisy :]:
        ax.set_axis_off()
    for i in range(down):
        axes[i * across].set_ylabel("component")
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine) and isinstance(figure, Figure):
        engine.set(h_pad=0.08)
    figure.suptitle(f"Posterior and EM estimates: {fit.model_name}, K = {fit.n_components}")
    legend = figure.legend(
        handles=_entries(ci_prob, standard_errors), loc="outside lower center", ncols=2,
        frameon=False, fontsize=9, title=_left_out(fit) or None, title_fontsize=8.5,
    )  # fmt: skip
    legend.get_title().set_color(QUIET)  # a note below the plot would lie under the legend
    return figure


def _interval(errors: StandardErrors, fit: Fit, ci_prob: float) -> tuple[Estimates, Estimates]:
    if errors.fit.means.shape != fit.means.shape or errors.fit.names != fit.names:
        raise ValueError(
            f"the standard errors are of {errors.fit.n_components} components in "
            f"{', '.join(errors.fit.names)}, the posterior of {fit.n_components} in "
            f"{', '.join(fit.names)}: pass those of posterior.fit."
        )
    if len(Estimates.of(errors.fit).noise) != len(Estimates.of(fit).noise):
        raise ValueError(
            f"the standard errors are of {errors.fit.model_name}, the posterior of "
            f"{fit.model_name}: pass those of posterior.fit."
        )
    return errors.interval(ci_prob)


def _panels(fit: Fit, units: Mapping[str, str]) -> list[_Panel]:
    panels = [_Panel("pi, proportion", lambda e: e.weights)] if fit.n_components > 1 else []
    panels += [
        _Panel(
            literal_text(f"mu: {named(fit.names[j], units)}", _TITLE),
            partial(_means, j=j),
        )
        for j in separating_columns(fit.mixture, _MOST_MEANS)
    ]
    if fit.d > _WITH_VARIANCES:
        return panels
    panels += [
        _Panel(literal_text(f"sd: {named(name, units)}", _TITLE), partial(_deviations, j=j))
        for j, name in enumerate(fit.names)
    ]
    if fit.d > _WITH_COVARIANCES or fit.family.diagonal:
        return panels
    return panels + [
        _Panel(
            literal_text(f"corr: {fit.names[i]}, {fit.names[j]}", _TITLE),
            partial(_correlations, i=i, j=j), rises=False,
        )
        for i, j in combinations(range(fit.d), 2)
    ]  # fmt: skip


def _left_out(fit: Fit) -> str:
    """What the plot does not show, in words; "" if it shows all."""
    left = [
        *(["means of some columns"] if fit.d > _MOST_MEANS else []),
        *(["standard deviations"] if fit.d > _WITH_VARIANCES else []),
        *(["correlations"] if fit.d > _WITH_COVARIANCES and not fit.family.diagonal else []),
    ]
    return f"Not shown: {', '.join(left)} (Posterior.summary has all)." if left else ""


def _bars(ax: Axes, values: FloatArray, ends: tuple[float, float], two: bool) -> None:
    """Interval and mean of draws (S, K), a line for each component."""
    low, high = np.quantile(values, ends, axis=0)
    for k in range(values.shape[1]):
        y = k - _APART * two
        ax.plot([low[k], high[k]], [y, y], color=colour(k), lw=3, solid_capstyle="butt")
        ax.plot(values[:, k].mean(), y, marker(k), color=colour(k), ms=6, mec="white", mew=0.6)


def _share(
    ax: Axes, draws: FloatArray, share: FloatArray, ends: tuple[float, float], pair: _Pair
) -> None:
    """The share of noise, in the noise's grey."""
    low, high = np.quantile(draws, ends)
    y = 0 if pair is None else -_APART
    ax.plot([low, high], [y, y], color=NOISE, lw=3, solid_capstyle="butt")
    ax.plot(draws.mean(), y, "o", color=NOISE, ms=6, mec="white", mew=0.6)
    _crosses(ax, share, pair)
    ax.set(title="share of noise", yticks=[0], yticklabels=["noise"], ylim=(0.6, -0.6))
    _tidy(ax)


def _tidy(ax: Axes) -> None:
    ax.title.set_fontsize(10)
    ax.locator_params(axis="x", nbins=5)
    ax.tick_params(labelsize=9)
    despine(ax)


def _crosses(ax: Axes, estimate: FloatArray, pair: _Pair) -> None:
    """The EM estimates, each with its interval if there is one."""
    for k, value in enumerate(estimate):
        y = k if pair is None else k + _APART
        if pair is not None:
            ax.plot([pair[0][k], pair[1][k]], [y, y], color="black", lw=1)
        ax.plot(value, y, "x", color="black", ms=6, mew=1.4)


def _entries(ci_prob: float, errors: StandardErrors | None) -> list[Line2D]:
    em = "EM estimate"
    if errors is not None:
        em += f", {ci_prob:.0%} interval ({errors.method})"
    return [
        Line2D([], [], color="0.45", marker="o", lw=3, mec="white",
               label=f"posterior mean, {ci_prob:.0%} interval"),
        Line2D([], [], color="black", marker="x", ls="" if errors is None else "-", lw=1, label=em),
    ]  # fmt: skip
