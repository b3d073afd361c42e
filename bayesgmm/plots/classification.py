"""Plots of rows by component, in a strip, in pairs of columns or projected; of uncertainty."""

from __future__ import annotations

import textwrap
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes

from ..data.data import Data
from ..em.result import Fit
from ..mixture.certainty import DOUBTFUL as _DOUBTFUL
from ..mixture.certainty import Certainty
from ..mixture.mixture import Mixture
from ..mixture.of_results import estimate_of, mixture_of
from ..utils.types import FloatArray, IntArray
from .canvas import Figure, Place, beside, canvas, legend_of, panel, saying
from .cells import CELLS, draw_cells, draw_strip, marginal_cells, outline_doubtful
from .style import (
    CERTAIN,
    NOISE,
    NOISE_MARKER,
    SIZES,
    Units,
    colour,
    component_labels,
    component_legend,
    density_panel,
    ellipse,
    footnote,
    grid_along,
    labelled,
    marginal_panel,
    marker,
    noise_share,
    units_of,
)
from .view import Columns, View, view

_TITLE = "Rows by most probable component"
# Columns up to which they are shown as they are.
_MOST_DIRECT = 4


def plot_classification(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit | Mixture,
    *,
    columns: Columns = None,
    units: Units = None,
    **place: Unpack[Place],
) -> Figure:
    """Rows coloured by component with 95 % ellipses; larger points are less certain.

    Rows that are most probably noise are grey crosses.

    One column gives its density over a strip of the rows, two to four a matrix of pairs. More are
    projected on the two directions that separate the components best (`Fit.projection`), where
    the note says which columns make these. Of more than 5000 rows, 5000 evenly spaced ones are
    drawn; of rows in chunks all, as shades by their number.

    Parameters
    ----------
    X : array-like (n, d)
        Rows.
    fit : Fit or Mixture
        The mixture whose components colour the rows.
    columns : sequence of str or int, optional
        The columns to show, in place of a projection.
    units : mapping of column name to unit, optional
        For the labels; those of `X.attrs["units"]` if left out.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        Rows that do not fit the mixture's columns.
    ValueError
        Unknown columns.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> figure = plots.plot_classification(X, bayesgmm.fit(X, 2, random_seed=1))
    >>> figure.axes[0].get_xlabel()
    'eruptions (min)'
    """
    fit, _, data, labels = _prepared(X, fit, units)
    seen = view(data, fit, labels, columns, _MOST_DIRECT)
    size = seen.mixture.d
    if size == 1:
        return _strip(seen, place)
    if size == 2:
        figure, ax = panel((7.6, 4.8), place)
        _pair(ax, seen, 1, 0)
        ax.set_title(_TITLE)
        legend = legend_of(figure, ax, place)
        component_legend(legend, seen.mixture, beside(place), _how(seen), noise=seen.noise)
        if seen.notes and legend is figure:
            footnote(figure, seen.notes)
        return figure
    side = max(7.5, 2.0 * size)
    figure = canvas((side, side), place)
    axes = figure.subplots(size, size)
    for i, j in np.ndindex(size, size):
        ax = axes[i, j]
        if i < j:
            ax.set_axis_off()
            continue
        if i == j:
            _marginal(ax, seen, i)
            ax.set_yticks([])
        else:
            _pair(ax, seen, i, j)
        ax.set_xlabel(seen.labels[j] if i == size - 1 else "")
        ax.set_ylabel(seen.labels[i] if j == 0 and i > 0 else "")
        ax.tick_params(labelbottom=i == size - 1, labelleft=j == 0 and i > 0, labelsize=8)
    figure.align_ylabels(axes[:, 0])
    figure.suptitle(_TITLE)
    notes = [textwrap.fill(seen.note, 26)] if seen.note else []
    component_legend(figure, seen.mixture, "upper right", *notes, _how(seen), noise=seen.noise)
    if seen.lacking:
        footnote(figure, seen.lacking)
    return figure


def plot_uncertainty(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit | Mixture,
    *,
    columns: Columns = None,
    units: Units = None,
    **place: Unpack[Place],
) -> Figure:
    """Classification uncertainty: all rows ranked by it, and where the uncertain ones lie.

    Uncertainty is 1 - max_k r_ik. With two columns the map's shade is the uncertainty a row would
    have there; more are projected on the two directions that separate the components best.

    Parameters
    ----------
    X : array-like (n, d)
        Rows.
    fit : Fit or Mixture
        The mixture whose components colour the rows.
    columns : one or two of str or int, optional
        The columns of the map, in place of a projection.
    units : mapping of column name to unit, optional
        For the labels; those of `X.attrs["units"]` if left out.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        Rows that do not fit the mixture's columns.
    ValueError
        Unknown columns, or more than two.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> figure = plots.plot_uncertainty(X, bayesgmm.fit(X, 2, random_seed=1))
    >>> figure.axes[1].get_xlabel()
    'eruptions (min)'
    """
    fit, mixture, data, labels = _prepared(X, fit, units)
    if mixture.n_components == 1 and not noise_share(fit):
        return saying("Classification uncertainty", CERTAIN, place)
    seen = view(data, fit, labels, columns, 2)
    if seen.mixture.d > 2:
        raise ValueError(
            f"columns is {list(seen.mixture.names)}: a map has one or two, name these."
        )
    figure = canvas((9.6, 4.4), place)
    left, right = figure.subplots(1, 2)
    _ranked(left, seen, Certainty.of(data, fit).doubtful)
    if seen.mixture.d == 1:
        _uncertainty_curve(right, seen, fit if mixture.d == 1 else seen.mixture)
    else:
        _uncertainty_map(right, seen, fit if mixture.d == 2 else None)
    component_legend(figure, mixture, "outside right upper", noise=seen.noise)
    if seen.notes:
        footnote(figure, seen.notes)
    return figure


def _ranked(ax: Axes, seen: View, doubtful: float) -> None:
    """The rows' uncertainties in their order, and the share of all rows beyond a line."""
    labels, uncertainty = _most_probable(seen.resp)
    order = np.argsort(uncertainty, kind="stable")
    share = (np.arange(len(order)) + 0.5) / len(order)
    for k, look in enumerate(_looks(seen)):
        mine = labels[order] == k
        ax.plot(100 * share[mine], uncertainty[order][mine], ls="", ms=4, alpha=0.7, **look)
    ax.axhline(_DOUBTFUL, color="0.6", lw=0.8, zorder=0)
    ax.text(
        1, _DOUBTFUL + 0.01, f"{doubtful:.1%} of the rows lie above", color="0.3",
        fontsize=9, va="bottom",
    )  # fmt: skip
    top = max(0.5, 1.05 * uncertainty.max())
    ax.set(
        xlabel="rows ranked, %", ylabel="uncertainty, 1 - largest responsibility",
        xlim=(0, 100), ylim=(-0.02 * top, top), title="Classification uncertainty",
    )  # fmt: skip


def _prepared(
    x: Any, fit: Any, units: Units
) -> tuple[Fit | Mixture, Mixture, Data, tuple[str, ...]]:
    """What is shown, its mixture, the rows with its columns, and the columns' labels."""
    mixture, found = mixture_of(fit, beside_noise=True), estimate_of(fit)
    labels = labelled(mixture.names, units_of(x, units))
    return found if noise_share(found) else mixture, mixture, mixture.rows(x), labels


def _looks(seen: View) -> list[dict[str, Any]]:
    """Colour and marker of the components, and of noise after them."""
    looks: list[dict[str, Any]] = [
        {"color": colour(k), "marker": marker(k), "mew": 0}
        for k in range(seen.mixture.n_components)
    ]
    return [*looks, {"color": NOISE, "marker": NOISE_MARKER, "mew": 1}]


def _add_noise(ax: Axes, seen: View, x: FloatArray, y: FloatArray, size: float = 14) -> None:
    """Rows that are most probably noise, as crosses."""
    noise = np.argmax(seen.resp, axis=1) == seen.mixture.n_components
    if noise.any() and seen.binned is None:
        ax.scatter(x[noise], y[noise], s=size, marker=NOISE_MARKER, color=NOISE, linewidths=0.9)


def _most_probable(resp: FloatArray) -> tuple[IntArray, FloatArray]:
    """The rows' most probable components, and how uncertain these are."""
    return np.argmax(resp, axis=1), 1 - resp.max(axis=1)


def _pair(ax: Axes, seen: View, i: int, j: int) -> None:
    """Column i over column j."""
    ax.set(xlabel=seen.labels[j], ylabel=seen.labels[i])
    for k in range(seen.mixture.n_components):
        ax.add_patch(ellipse(seen.mixture, k, j, i))
    if seen.binned is not None:
        draw_cells(ax, seen.binned, max(i, j), min(i, j))
        return
    labels, uncertainty = _most_probable(seen.resp)
    for k in range(seen.mixture.n_components):
        mine = labels == k
        ax.scatter(
            seen.x[mine, j], seen.x[mine, i], s=9 + 60 * uncertainty[mine], alpha=0.6, linewidths=0,
            marker=marker(k), color=colour(k),
        )  # fmt: skip
    _add_noise(ax, seen, seen.x[:, j], seen.x[:, i])


def _how(seen: View) -> str:
    """How the rows are drawn, for the legend."""
    return SIZES if seen.binned is None else CELLS


def _marginal(ax: Axes, seen: View, i: int) -> None:
    """A column's histogram, of all rows, and its components."""
    if seen.binned is not None:
        marginal_cells(ax, seen.binned, i)
    marginal_panel(ax, seen.x[:, i], seen.mixture, i, seen.noise, histogram=seen.binned is None)


def _strip(seen: View, place: Place) -> Figure:
    """One column: its density, and below it the rows, a line for each component."""
    mixture = seen.mixture
    figure = canvas((7.6, 4.4 + 0.16 * mixture.n_components), place)
    top, bottom = figure.subplots(
        2, 1, sharex=True, height_ratios=(3.2, 0.5 + 0.2 * mixture.n_components)
    )
    labels, uncertainty = _most_probable(seen.resp)
    density_panel(top, seen.x[:, 0], mixture, seen.noise)
    if seen.binned is not None:
        draw_strip(bottom, seen.binned)
    for k in range(mixture.n_components) if seen.binned is None else ():
        mine = labels == k
        bottom.scatter(
            seen.x[mine, 0], np.full(np.sum(mine), k), s=12 + 60 * uncertainty[mine], alpha=0.5,
            linewidths=0, marker=marker(k), color=colour(k),
        )  # fmt: skip
    _add_noise(bottom, seen, seen.x[:, 0], np.full(len(seen.x), mixture.n_components))
    lines = component_labels(mixture) + (["noise"] if seen.noise else [])
    bottom.set(
        xlabel=seen.labels[0], ylabel="component", yticks=range(len(lines)),
        ylim=(len(lines) - 0.4, -0.6), yticklabels=lines,
    )  # fmt: skip
    bottom.tick_params(axis="y", labelsize=8)
    figure.align_ylabels([top, bottom])
    top.set_title(_TITLE)
    dashed = "dashed: the mixture"
    component_legend(figure, mixture, "outside right upper", dashed, _how(seen), noise=seen.noise)
    if seen.notes:
        footnote(figure, seen.notes)
    return figure


def _uncertainty_curve(ax: Axes, seen: View, fit: Fit | Mixture) -> None:
    labels, uncertainty = _most_probable(seen.resp)
    grid = grid_along(seen.x, seen.mixture)
    curve = 1 - fit.predict_proba(grid[:, None]).max(axis=1)
    ax.plot(grid, curve, color="0.5", lw=1)
    for k, look in enumerate(_looks(seen)):
        mine = labels == k
        ax.plot(seen.x[mine, 0], uncertainty[mine], ls="", ms=4, alpha=0.7, **look)
    ax.set(xlabel=seen.labels[0], ylabel="uncertainty", title="Where uncertain rows lie")


def _uncertainty_map(ax: Axes, seen: View, whole: Fit | Mixture | None) -> None:
    """The rows in a plane, which is shaded where it is the `whole` space of a mixture."""
    if seen.binned is not None:
        _pair(ax, seen, 1, 0)
        outline_doubtful(ax, seen.binned, _DOUBTFUL)
        ax.set(title=f"Outlined: mean uncertainty above {_DOUBTFUL:g}")
        return
    labels, uncertainty = _most_probable(seen.resp)
    x, y = seen.x.T
    for k in range(seen.mixture.n_components):
        mine = labels == k
        doubtful = mine & (uncertainty > _DOUBTFUL)
        ax.scatter(
            x[mine], y[mine], s=9, alpha=0.35, linewidths=0, marker=marker(k), color=colour(k)
        )
        ax.scatter(
            x[doubtful], y[doubtful], s=30 + 60 * uncertainty[doubtful], marker=marker(k),
            color=colour(k), edgecolors="black", linewidths=0.8,
        )  # fmt: skip
        ax.add_patch(ellipse(seen.mixture, k, 0, 1))
    _add_noise(ax, seen, x, y)
    if whole is not None:
        u, v = np.linspace(*ax.get_xlim(), 160), np.linspace(*ax.get_ylim(), 160)
        plane = np.column_stack([c.ravel() for c in np.meshgrid(u, v)])
        shade = 1 - whole.predict_proba(plane).max(axis=1)
        ax.pcolormesh(
            u, v, shade.reshape(160, 160), cmap="Greys", vmin=0, vmax=1, shading="nearest",
            zorder=0, rasterized=True,
        )  # fmt: skip
    title = f"Edged in black: uncertainty above {_DOUBTFUL:g}"
    ax.set(xlabel=seen.labels[0], ylabel=seen.labels[1], title=title)
