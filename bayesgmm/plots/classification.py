"""Plots of rows by component, a strip or pairs of columns with ellipses, and of uncertainty."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..data.data import Data
from ..em.result import Fit
from ..mixture.classification import classify
from ..mixture.mixture import Mixture, mixture_of
from ..utils.types import FloatArray, IntArray
from .style import (
    SIZES,
    Figure,
    Units,
    colour,
    component_legend,
    density_panel,
    ellipse,
    grid_along,
    labelled,
    marginal_panel,
    marker,
    note_on_missing,
    sample,
    separating_columns,
    units_of,
)

_DOUBTFUL = 0.2
_TITLE = "Rows by most probable component"


def plot_classification(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit | Mixture,
    *,
    units: Units = None,
) -> Figure:
    """Rows coloured by component with 95 % ellipses; larger points are less certain.

    One column gives its density over a strip of the rows, more a matrix of pairs; beyond five
    columns those in which the components differ most are shown. Of more than 5000 rows, 5000
    evenly spaced ones are drawn.

    Parameters
    ----------
    X : array-like (n, d)
        Rows.
    fit : Fit or Mixture
        The mixture whose components colour the rows.
    units : mapping of column name to unit, optional
        For the labels; those of `X.attrs["units"]` if left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        Rows that do not fit the mixture's columns.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> figure = plots.plot_classification(X, bayesgmm.fit(X, 2, random_seed=1))
    >>> figure.axes[0].get_xlabel()
    'eruptions (min)'
    """
    mixture, data, names = _prepared(X, fit, units)
    if mixture.d == 1:
        return _strip(data, mixture, names[0])
    shown = separating_columns(mixture)
    x, resp = sample(data, mixture)
    x = x[:, shown]
    size = len(shown)
    if size == 2:
        figure = Figure(figsize=(7.6, 4.8), layout="constrained")
        _pair(figure.subplots(), x, resp, mixture, shown, 1, 0, names)
        figure.axes[0].set_title(_TITLE)
        component_legend(figure, mixture, "outside right upper", SIZES)
        note_on_missing(figure, data, shown)
        return figure
    side = max(7.5, 2.0 * size)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots(size, size)
    for i in range(size):
        for j in range(size):
            ax = axes[i, j]
            if i == j:
                marginal_panel(ax, x[:, i], mixture, shown[i])
                ax.set_yticks([])
            elif i > j:
                _pair(ax, x, resp, mixture, shown, i, j, names)
            else:
                ax.set_axis_off()
                continue
            ax.set_xlabel(names[shown[j]] if i == size - 1 else "")
            ax.set_ylabel(names[shown[i]] if j == 0 and i > 0 else "")
            ax.tick_params(labelbottom=i == size - 1, labelleft=j == 0 and i > 0, labelsize=8)
    figure.align_ylabels(axes[:, 0])
    figure.suptitle(_TITLE)
    few = f"{size} of {mixture.d} columns, those in\nwhich components differ most"
    component_legend(figure, mixture, "upper right", *([few] if size < mixture.d else []), SIZES)
    note_on_missing(figure, data, *combinations_with_replacement(shown, 2))
    return figure


def plot_uncertainty(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit | Mixture,
    *,
    units: Units = None,
) -> Figure:
    """How uncertain the rows' components are: all rows in order, and where uncertain ones lie.

    Uncertainty is 1 - max_k r_ik. With two columns the map's shade is the uncertainty a row would
    have there; with more, the two columns in which the components differ most are shown.

    Parameters
    ----------
    X : array-like (n, d)
        Rows.
    fit : Fit or Mixture
        The mixture whose components colour the rows.
    units : mapping of column name to unit, optional
        For the labels; those of `X.attrs["units"]` if left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        Rows that do not fit the mixture's columns.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> figure = plots.plot_uncertainty(X, bayesgmm.fit(X, 2, random_seed=1))
    >>> figure.axes[1].get_xlabel()
    'eruptions (min)'
    """
    mixture, data, names = _prepared(X, fit, units)
    x, resp = sample(data, mixture)
    labels, uncertainty = _most_probable(resp)
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = np.argsort(uncertainty, kind="stable")
    share = (np.arange(len(order)) + 0.5) / len(order)
    for k in range(mixture.n_components):
        mine = labels[order] == k
        left.plot(
            100 * share[mine], uncertainty[order][mine], marker(k), ms=4, mew=0, color=colour(k),
            alpha=0.7,
        )  # fmt: skip
    doubtful = np.mean(classify(data, mixture)["uncertainty"] > _DOUBTFUL)  # of all rows
    left.axhline(_DOUBTFUL, color="0.6", lw=0.8, zorder=0)
    left.text(
        1, _DOUBTFUL + 0.01, f"{doubtful:.1%} of the rows lie above", color="0.3",
        fontsize=9, va="bottom",
    )  # fmt: skip
    top = max(0.5, 1.05 * uncertainty.max())
    left.set(
        xlabel="rows in order, %", ylabel="uncertainty, 1 - largest responsibility",
        xlim=(0, 100), ylim=(-0.02 * top, top), title="How doubtful the rows are",
    )  # fmt: skip
    if mixture.d == 1:
        _uncertainty_curve(right, x[:, 0], labels, uncertainty, mixture, names)
    else:
        _uncertainty_map(right, x, labels, uncertainty, mixture, names)
    component_legend(figure, mixture, "outside right upper")
    note_on_missing(figure, data, separating_columns(mixture, 2))
    return figure


def _prepared(x: Any, fit: Fit | Mixture, units: Units) -> tuple[Mixture, Data, tuple[str, ...]]:
    """The mixture, the rows with its columns, and the columns' labels."""
    mixture = mixture_of(fit)
    return mixture, mixture.rows(x), labelled(mixture.names, units_of(x, units))


def _most_probable(resp: FloatArray) -> tuple[IntArray, FloatArray]:
    """The rows' most probable components, and how uncertain these are."""
    return np.argmax(resp, axis=1), 1 - resp.max(axis=1)


def _pair(
    ax: Axes,
    x: FloatArray,
    resp: FloatArray,
    mixture: Mixture,
    shown: list[int],
    i: int,
    j: int,
    names: tuple[str, ...],
) -> None:
    labels, uncertainty = _most_probable(resp)
    for k in range(mixture.n_components):
        mine = labels == k
        ax.scatter(
            x[mine, j], x[mine, i], s=9 + 60 * uncertainty[mine], alpha=0.6, linewidths=0,
            marker=marker(k), color=colour(k),
        )  # fmt: skip
        ax.add_patch(ellipse(mixture, k, shown[j], shown[i]))
    ax.set(xlabel=names[shown[j]], ylabel=names[shown[i]])


def _strip(data: Data, mixture: Mixture, name: str) -> Figure:
    """One column: its density, and below it the rows, a line for each component."""
    figure = Figure(figsize=(7.6, 4.4 + 0.16 * mixture.n_components), layout="constrained")
    top, bottom = figure.subplots(
        2, 1, sharex=True, height_ratios=(3.2, 0.5 + 0.2 * mixture.n_components)
    )
    x, resp = sample(data, mixture)
    labels, uncertainty = _most_probable(resp)
    density_panel(top, x[:, 0], mixture)
    for k in range(mixture.n_components):
        mine = labels == k
        bottom.scatter(
            x[mine, 0], np.full(np.sum(mine), k), s=12 + 60 * uncertainty[mine], alpha=0.5,
            linewidths=0, marker=marker(k), color=colour(k),
        )  # fmt: skip
    bottom.set(
        xlabel=name, ylabel="component", yticks=range(mixture.n_components),
        ylim=(mixture.n_components - 0.4, -0.6),
    )  # fmt: skip
    bottom.tick_params(axis="y", labelsize=8)
    figure.align_ylabels([top, bottom])
    top.set_title(_TITLE)
    component_legend(figure, mixture, "outside right upper", "dashed: the mixture", SIZES)
    note_on_missing(figure, data, [0])
    return figure


def _uncertainty_curve(
    ax: Axes,
    x: FloatArray,
    labels: IntArray,
    uncertainty: FloatArray,
    mixture: Mixture,
    names: tuple[str, ...],
) -> None:
    grid = grid_along(x, mixture)
    ax.plot(grid, 1 - mixture.predict_proba(grid[:, None]).max(axis=1), color="0.5", lw=1)
    for k in range(mixture.n_components):
        mine = labels == k
        ax.plot(x[mine], uncertainty[mine], marker(k), ms=4, mew=0, color=colour(k), alpha=0.7)
    ax.set(xlabel=names[0], ylabel="uncertainty", title="Where the doubtful rows lie")


def _uncertainty_map(
    ax: Axes,
    x: FloatArray,
    labels: IntArray,
    uncertainty: FloatArray,
    mixture: Mixture,
    names: tuple[str, ...],
) -> None:
    a, b = separating_columns(mixture, 2)
    for k in range(mixture.n_components):
        mine = labels == k
        doubtful = mine & (uncertainty > _DOUBTFUL)
        ax.scatter(
            x[mine, a], x[mine, b], s=9, alpha=0.35, linewidths=0, marker=marker(k),
            color=colour(k),
        )  # fmt: skip
        ax.scatter(
            x[doubtful, a], x[doubtful, b], s=30 + 60 * uncertainty[doubtful], marker=marker(k),
            color=colour(k), edgecolors="black", linewidths=0.8,
        )  # fmt: skip
        ax.add_patch(ellipse(mixture, k, a, b))
    if mixture.d == 2:
        u, v = np.linspace(*ax.get_xlim(), 160), np.linspace(*ax.get_ylim(), 160)
        plane = np.column_stack([c.ravel() for c in np.meshgrid(u, v)])
        shade = 1 - mixture.predict_proba(plane).max(axis=1)
        ax.pcolormesh(
            u, v, shade.reshape(160, 160), cmap="Greys", vmin=0, vmax=1, shading="nearest",
            zorder=0, rasterized=True,
        )  # fmt: skip
    title = f"Edged in black: uncertainty above {_DOUBTFUL:g}"
    ax.set(xlabel=names[a], ylabel=names[b], title=title)
