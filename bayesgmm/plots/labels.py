"""Plot of labels before and after relabelling, draw by draw."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.lines import Line2D

from ..posterior.posterior import Posterior
from ..utils.types import FloatArray, IntArray
from .canvas import Figure, Place, canvas, saying
from .style import (
    Units,
    component_labels,
    despine,
    line,
    literal_text,
    marker,
    named,
    separating_columns,
    shade,
    units_of,
)

# Most draws shown: more points only cover one another.
_MOST_DRAWS = 4000
# Characters that a panel is high.
_BESIDE = 26
# Components up to which points alone can be followed; more have lines of medians, over so many
# stretches of the draws.
_FOLLOWED, _STRETCHES = 4, 120
# Shares of draws beyond the axis, of few components and of many, some of which may be empty.
_FARTHEST = (0.001, 0.02)


def plot_label_moves(
    posterior: Posterior,
    column: str | int | None = None,
    *,
    units: Units = None,
    **place: Unpack[Place],
) -> Figure:
    """The means in one column draw by draw, under the sampler's labels and after relabelling.

    The strip between them shows, for every draw, which relabelled component each of the sampler's
    became: bands of one colour mean that nothing moved. Chains stand one after another.

    Parameters
    ----------
    posterior : Posterior
        Draws, relabelled by `refine` or `Posterior.relabel`.
    column : str or int, optional
        The column of the means; that in which the components differ most if left out.
    units : mapping of column name to unit, optional
        For the label; those of the table that `refine` was given if left out.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        An unknown column.

    Examples
    --------
    >>> posterior.plot_label_moves("waiting")  # doctest: +SKIP
    """
    fit = posterior.fit
    if fit.n_components == 1:
        return saying("Labels of the draws", "A single component: there is one label.", place)
    j = separating_columns(fit.mixture, 1)[0] if column is None else _position(column, fit.names)
    done = posterior.relabelling
    relabelled, permutations = posterior.draws.means[:, :, j], done.permutations
    sampled = np.empty_like(relabelled)
    np.put_along_axis(sampled, permutations, relabelled, axis=1)
    became = np.argsort(permutations, axis=1)  # of every sampled component, the relabelled one
    total, k = relabelled.shape
    shown = np.unique(np.linspace(0, total - 1, min(total, _MOST_DRAWS)).round().astype(int))
    label = literal_text(f"mu: {named(fit.names[j], units_of(posterior, units))}", _BESIDE)
    figure = canvas((9, 5.6 + 0.12 * k), place)
    top, strip, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(3, 0.4 + 0.22 * k, 3))
    _points(top, shown, sampled[shown])
    _points(bottom, shown, relabelled[shown])
    _moves(strip, became[shown], total)
    for ax in (top, bottom):
        ax.set_ylabel(label)
        ax.set_ylim(*_range(relabelled))
        despine(ax)
    _chains(figure, posterior.tree["posterior"].sizes["chain"], total)
    top.set_title("As sampled, by the sampler's labels")
    strip.set_title(
        f"What each became: {done.relabelled_draws} of {total} draws relabelled ({done.method})"
        + (f", {done.ambiguous_draws} ambiguous" if done.ambiguous_draws else "")
    )
    bottom.set_title("After relabelling")
    bottom.set_xlabel("draw (chains one after another)")
    handles = [
        Line2D([], [], color=shade(c), marker=marker(c), ls="", label=label)
        for c, label in enumerate(component_labels(fit.mixture))
    ]
    figure.legend(handles=handles, loc="outside right upper", title="component", frameon=False)
    return figure


def _position(column: str | int, names: tuple[str, ...]) -> int:
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, int) and 0 <= column < len(names):
        return column
    raise ValueError(f"column is {column!r}: choose one of {list(names)}, or its position.")


def _points(ax: Axes, at: IntArray, means: FloatArray) -> None:
    """Means (draws, K) draw by draw; of many components as lines of medians before the draws."""
    many = means.shape[1] > _FOLLOWED
    faint: dict[str, Any] = {"ms": 1.2, "alpha": 0.15} if many else {"ms": 2.2, "alpha": 0.5}
    for k in range(means.shape[1]):
        ax.plot(at, means[:, k], marker(k), color=shade(k), mew=0, rasterized=True, **faint)
    if not many:
        return
    parts = np.array_split(np.arange(len(at)), min(_STRETCHES, len(at)))
    middle = np.array([at[part].mean() for part in parts])
    medians = np.array([np.median(means[part], axis=0) for part in parts])
    for k in range(means.shape[1]):
        ax.plot(middle, medians[:, k], color="white", lw=2.6)
        ax.plot(middle, medians[:, k], color=shade(k), lw=1.5, ls=line(k))


def _range(means: FloatArray) -> tuple[float, float]:
    """All but the farthest draws, which would flatten the rest."""
    far = _FARTHEST[means.shape[1] > _FOLLOWED]
    low, high = np.quantile(means, [far, 1 - far])
    margin = 0.06 * (high - low)
    return low - margin, high + margin


def _moves(ax: Axes, became: IntArray, total: int) -> None:
    """A row for each sampled component, coloured by what it became."""
    k = became.shape[1]
    colours = ListedColormap([shade(c) for c in range(k)])
    ax.imshow(
        became.T, aspect="auto", interpolation="nearest", cmap=colours,
        norm=BoundaryNorm(np.arange(k + 1) - 0.5, k), extent=(-0.5, total - 0.5, k - 0.5, -0.5),
    )  # fmt: skip
    ax.set(ylabel="sampled", yticks=range(k))
    ax.tick_params(axis="y", labelsize=8 if k > 6 else 9)


def _chains(figure: Figure, n_chains: int, total: int) -> None:
    """Lines between chains."""
    for ax in figure.axes:
        for c in range(1, n_chains):
            ax.axvline(c * total / n_chains - 0.5, color="white", lw=2.4)
            ax.axvline(c * total / n_chains - 0.5, color="0.4", lw=0.8)
        ax.set_xlim(-0.5, total - 0.5)
