"""Plots of predictive checks: the rows beside new data sets from the posterior."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..posterior.posterior import Posterior
from ..utils.types import FloatArray
from ..utils.validation import check_integer
from .backends import checked_backend
from .canvas import Figure, Place, panel
from .chains import panelled
from .style import (
    BEST,
    COLOURS,
    despine,
    footnote,
    literal_text,
    named,
    separating_columns,
    units_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from arviz_plots import PlotCollection

_MOST_COLUMNS, _ACROSS = 8, 4
# Height of a dot's line, how many dots have wide lines, and how many have lines of their own; those
# with thin lines, and those beyond, share the height of at most so many.
_APART, _WIDE, _LINES = 0.115, 6, 12
_SHARED = (8, 14)
# Inches that a page has room for.
_TALLEST = 11.0
# Dots farther than so many standard deviations are drawn at the edge, with their distance.
_EDGE = 6.0
# Characters of a dot's name, beyond which its middle is left out; one's share of the panel's width.
_LONGEST, _A_CHARACTER = 24, 0.012
# Room for names beside the dots, as a share of the reach.
_ROOM = 1.3
# Dots of one statistic that are named, the farthest of those outside.
_NAMED = 4


def plot_predictive(
    posterior: Posterior,
    *,
    n_draws: int = 50,
    random_seed: int | np.random.Generator | None = None,
    backend: str | None = None,
    **options: Any,
) -> PlotCollection:
    """The rows' distribution by column, among those of new data sets (ArviZ's `plot_ppc_dist`).

    Distribution functions, which show every step: the usual kernel estimates smooth a mixture's
    narrow components away (`kind="kde"` gives them all the same). What the rows miss is drawn from
    the posterior, once.

    Parameters
    ----------
    posterior : Posterior
        Draws.
    n_draws : int
        New data sets.
    random_seed : int or Generator, optional
        Seed of the new data sets.
    backend : str, optional
        As for `plot_trace`.
    **options
        Of `arviz_plots.plot_ppc_dist`; if it names no `coords`, the eight columns are shown in
        which the components differ most.

    Returns
    -------
    arviz_plots.PlotCollection

    Examples
    --------
    >>> posterior.plot_predictive(random_seed=1)  # doctest: +SKIP
    """
    from arviz_plots import plot_ppc_dist

    backend = checked_backend(backend)  # before new data sets are drawn
    mixture = posterior.fit.mixture
    coords = dict(options.pop("coords", None) or {})
    shown = [mixture.names[j] for j in separating_columns(mixture, _MOST_COLUMNS)]
    coords.setdefault("feature", shown)
    n_chains = posterior.tree["posterior"].sizes["chain"]
    n_draws = max(check_integer("n_draws", n_draws, 1), n_chains)
    new = posterior.predictive(n_draws=n_draws, random_seed=random_seed)
    tree = posterior.with_group("posterior_predictive", new).tree
    observed = tree["observed_data"].to_dataset().assign_coords(feature=list(mixture.names))
    incomplete = bool(np.isnan(observed["y"]).any())
    if incomplete:
        observed["y"] = observed["y"].dims, posterior.impute(draws=1, random_seed=random_seed)[0]
    tree["observed_data"] = tree["observed_data"].__class__(observed)
    there = tree["posterior_predictive"].sizes
    asked = {
        "coords": coords, "backend": backend, "cols": ["feature"], "sample_dims": ["chain", "draw"],
        "kind": "ecdf",
        "num_samples": min(n_draws, there["chain"] * there["draw"]), **options,
    }  # fmt: skip
    drawn = plot_ppc_dist(tree, **panelled(asked, len(np.atleast_1d(coords["feature"]))))
    if backend == "matplotlib":
        units = units_of(posterior, None)
        for ax in drawn.viz["figure"].item().axes:  # its titles are the columns' names
            ax.set_title(literal_text(named(ax.get_title(), units)))
        for ax in drawn.viz["figure"].item().axes[::_ACROSS]:
            ax.set_ylabel("share of rows below")
        if incomplete:
            footnote(drawn.viz["figure"].item(), "What rows miss was drawn from the posterior.")
    return drawn


def plot_check(
    posterior: Posterior,
    statistics: str | Sequence[str] | Mapping[str, Callable[[FloatArray], Any]] | None = None,
    *,
    ci_prob: float = 0.89,
    n_draws: int | None = 500,
    random_seed: int | np.random.Generator | None = None,
    **place: Unpack[Place],
) -> Figure:
    """Statistics of the rows among those of new data sets, in predictive standard deviations.

    A line is the predictive interval of a statistic (of a column, or of a pair), a dot the rows'
    own value. Dots outside their interval are edged, and the farthest of them named.

    Parameters
    ----------
    posterior : Posterior
        Draws.
    statistics, ci_prob, n_draws, random_seed
        As for `Posterior.predictive_check`.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> posterior.plot_check(["sd", "skewness"], random_seed=1)  # doctest: +SKIP
    """
    table = posterior.predictive_check(
        statistics, ci_prob=ci_prob, n_draws=n_draws, random_seed=random_seed
    )
    return plot_of_checks(table, ci_prob, **place)


def outside_interval(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which statistics of a predictive check lie outside their predictive interval."""
    value = table["observed"].to_numpy()
    return (value < table["lower"].to_numpy()) | (value > table["upper"].to_numpy())


def plot_of_checks(table: pd.DataFrame, ci_prob: float, **place: Unpack[Place]) -> Figure:
    """The plot of a table by `Posterior.predictive_check`."""
    sd = table["sd"].to_numpy()
    sd = np.where(sd > 0, sd, 1.0)
    z, low, high = ((table[c].to_numpy() - table["mean"].to_numpy()) / sd
                    for c in ("observed", "lower", "upper"))  # fmt: skip
    of = table.index.get_level_values("of").to_numpy()
    names = list(dict.fromkeys(table.index.get_level_values("statistic")))
    counts = [int(np.sum(table.index.get_level_values("statistic") == name)) for name in names]
    heights = [_APART * min(count, _SHARED[count > _LINES]) + 0.16 for count in counts]
    figure, ax = panel((8, min(1.3 + 1.15 * sum(heights), _TALLEST)), place)
    start, y, ticks, needed = 0, 0.0, [], 0.0
    for i, (count, height) in enumerate(zip(counts, heights, strict=True)):
        mine = slice(start, start + count)
        at = y + height * (np.arange(count) + 0.5) / count
        ticks.append(y + height / 2)
        if i % 2:
            ax.axhspan(y, y + height, color="0.96", lw=0, zorder=0)
        _dots(ax, at, z[mine], low[mine], high[mine], of[mine])
        for j, text in _farthest(z[mine], low[mine], high[mine], of[mine]):
            share = _A_CHARACTER * len(text)  # of the panel, from the dot to its edge
            needed = max(needed, min(abs(z[start + j]), _EDGE) / (1 - 2 * share))
        start, y = start + count, y + height
    outside = int(np.sum(outside_interval(table)))
    reach = max(2.6, _ROOM * min(_EDGE, float(np.abs(np.concatenate([z, low, high])).max())))
    reach = max(reach, needed)
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set(
        yticks=ticks, yticklabels=[literal_text(name) for name in names], ylim=(y, 0),
        xlim=(-reach, reach),
        xlabel="distance from the predictive mean, in predictive standard deviations",
        title=f"{len(z) - outside} of {len(z)} statistics within their {ci_prob:.0%} interval",
    )  # fmt: skip
    ax.tick_params(axis="y", length=0)
    despine(ax)
    if "of" in table.index.names and len(z) > len(names):
        footnote(figure, "One line for every column or pair of columns, from above.")
    return figure


def _short(name: str) -> str:
    """A name on one line: its beginning and its end, where it is long."""
    long = len(name) > _LONGEST
    return literal_text(f"{name[: _LONGEST // 2]}...{name[-_LONGEST // 3 :]}" if long else name)


def _farthest(
    z: FloatArray, low: FloatArray, high: FloatArray, of: Sequence[str]
) -> list[tuple[int, str]]:
    """The dots of one statistic that are named, and their names: some that lie outside."""
    order = np.argsort(-np.abs(z))[:_NAMED].tolist()
    return [
        (i, _short(f"{of[i]}") + (f" ({z[i]:.1f})" if abs(z[i]) > _EDGE else ""))
        for i in order
        if z[i] < low[i] or z[i] > high[i]
    ]


def _dots(
    ax: Any, at: FloatArray, z: FloatArray, low: FloatArray, high: FloatArray, of: Sequence[str]
) -> None:
    """Intervals and dots of one statistic; of many, the intervals are one band."""
    few = len(at) <= _LINES
    if few:
        lw = 3.0 if len(at) <= _WIDE else 2.0
        ax.hlines(at, low, high, color="0.78", lw=lw, zorder=1)
    else:
        ax.fill_betweenx(at, low, high, color="0.84", lw=0, zorder=1)
    outside = (z < low) | (z > high)
    shown = np.clip(z, -_EDGE, _EDGE)
    ms = 5.0 if len(at) <= _WIDE else 3.6 if few else 3.0
    ax.plot(shown[~outside], at[~outside], "o", color=COLOURS[0], ms=ms, mew=0, zorder=2)
    ax.plot(shown[outside], at[outside], "D", color=BEST, mec="black", mew=0.7, ms=ms, zorder=3)
    for i, text in _farthest(z, low, high, of):
        ax.annotate(
            text, (shown[i], at[i]), xytext=(7 if z[i] > 0 else -7, 0), fontsize=8,
            textcoords="offset points", ha="left" if z[i] > 0 else "right", va="center",
        )  # fmt: skip
