"""Plots of densities: a curve with its pointwise interval over one column, contours over two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from ..data.chunks import are_in_chunks
from ..data.data import Data
from ..em.result import Fit
from ..mixture.binned import Binned
from ..mixture.mixture import Mixture
from ..mixture.of_results import estimate_of, mixture_of
from ..posterior.posterior import Posterior
from ..posterior.summaries.mixture_draws import MixtureDraws
from ..utils.types import FloatArray
from ..utils.validation import check_probability
from .canvas import Figure, Place, beside, legend_of, panel
from .cells import mesh_of
from .style import (
    BAND,
    BEST,
    NOISE,
    NOISE_MARKER,
    Units,
    colour,
    density_panel,
    despine,
    grid_along,
    labelled,
    literal_text,
    marker,
    noise_share,
    note_on_missing,
    separating_columns,
    some_rows,
    units_of,
    with_narrow,
)

# Shares of the probability that the regions of highest density hold, widest first.
_SHARES = (0.95, 0.75, 0.5, 0.25)
_SHADES = ("#E3EEF7", "#B9D6EA", "#7FB4D8", "#3F8BBF")
_MESH = 120
_POSTERIOR_MESH = 70
_BAND_DRAWS = 500
_OUTLINES = 30


def plot_density(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit | Mixture,
    posterior: Posterior | None = None,
    *,
    columns: Sequence[str | int] | str | int | None = None,
    ci_prob: float = 0.89,
    units: Units = None,
    **place: Unpack[Place],
) -> Figure:
    """The density of one column with its interval, or of two as contours, over the rows.

    One column: the mixture (dashed) and its components over a histogram, and the posterior's
    pointwise interval as a band. Beside noise all three are of what is not noise, times its share
    in the fit, or in each draw.
    Two: regions of highest density that hold 25, 50, 75 and 95 %, of the posterior mean density if
    a posterior is given; then thin lines are the 95 % regions of 30 draws, and the dashed line is
    that of EM. The other columns are integrated out, exactly.

    Parameters
    ----------
    X : array-like (n, d)
        Rows.
    fit : Fit or Mixture
        The estimates.
    posterior : Posterior, optional
        A posterior of the same columns.
    columns : one or two of str or int, optional
        The columns to show; all of one or two, otherwise the two in which the components differ
        most.
    ci_prob : float
        Probability of the band.
    units : mapping of column name to unit, optional
        For the labels; those of `X.attrs["units"]` if left out.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Unknown columns, or more than two.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, random_seed=1)
    >>> plots.plot_density(X, fit).axes[0].get_ylabel()
    'waiting (min)'
    >>> plots.plot_density(X, fit, columns="waiting").axes[0].get_ylabel()
    'density'
    """
    ci_prob = check_probability("ci_prob", ci_prob)
    mixture, noise = mixture_of(fit, beside_noise=True), noise_share(estimate_of(fit))
    data = mixture.rows(X)
    part = mixture.marginal(separating_columns(mixture, 2) if columns is None else columns)
    if part.d > 2:
        raise ValueError(
            f"columns is {list(part.names)}: a plot of a density has one or two, name these."
        )
    places = [mixture.names.index(name) for name in part.names]
    rows = some_rows(data)[:, places]
    labels = labelled(part.names, units_of(X, units))
    if part.d == 1:
        figure = _curve(rows[:, 0], part, posterior, labels[0], ci_prob, noise, place)
    else:
        seen = None
        if are_in_chunks(data):
            seen = Binned.of(data, mixture, np.eye(mixture.d)[:, places], np.zeros(mixture.d))
        figure = _contours(rows, part, posterior, labels, place, seen)
    if noise:
        _mark_noise(figure.axes[0] if place.get("ax") is None else place["ax"], rows, fit, data)
    if place.get("ax") is None:
        note_on_missing(figure, data, places)
    return figure


def _mark_noise(ax: Any, rows: FloatArray, fit: Any, data: Data) -> None:
    """Crosses over rows that are most probably noise; in one column on its axis."""
    noise = estimate_of(fit).noise_probability(some_rows(data)) > 0.5
    y = rows[noise, 1] if rows.shape[1] > 1 else np.zeros(noise.sum())
    share = noise_share(estimate_of(fit))
    ax.scatter(
        rows[noise, 0], y, s=18, marker=NOISE_MARKER, color=NOISE, linewidths=1.0, clip_on=False,
        zorder=4,
    )  # fmt: skip
    ax.set_title(f"{ax.get_title()}\nwithout the noise (crosses), a share of {share:.2g}")


def _curve(
    x: FloatArray, mixture: Mixture, posterior: Posterior | None, label: str, ci_prob: float,
    noise: float, place: Place,
) -> Figure:  # fmt: skip
    figure, ax = panel((7.4, 4.2), place)
    if posterior is not None:
        grid = grid_along(x, mixture)
        band = _of_all_rows(posterior).density(
            {mixture.names[0]: grid}, ci_prob=ci_prob, n_draws=_BAND_DRAWS
        )
        ax.fill_between(
            grid, band["lower"], band["upper"], color=BAND, alpha=0.45, lw=0,
            label=f"posterior density, {ci_prob:.0%} band",
        )  # fmt: skip
    density_panel(ax, x, mixture, noise)
    for k in range(mixture.n_components):
        center = mixture.means[k, 0]
        ax.plot(center, 0, marker(k), color=colour(k), ms=7, clip_on=False, zorder=4)
    ax.set(xlabel=label, title=f"Density of {label}")
    ax.set_ylim(bottom=0)
    handles, _ = ax.get_legend_handles_labels()
    handles.append(
        Line2D([], [], color="0.45", marker="o", lw=1.4, label="components, and their means")
    )
    ax.legend(handles=handles, frameon=False)
    despine(ax)
    return figure


def _of_all_rows(posterior: Posterior) -> MixtureDraws:
    """The draws of the components, with their shares of all rows and not of those without noise."""
    draws, part = posterior.draws, posterior.without_noise
    shares = draws.shares[:, : draws.n_components]
    return replace(part, draws=replace(part.draws, weights=shares))


def _contours(
    rows: FloatArray,
    mixture: Mixture,
    posterior: Posterior | None,
    labels: Sequence[str],
    place: Place,
    binned: Binned | None,
) -> Figure:
    figure, ax = panel((7.6, 4.9), place)
    size = _MESH if posterior is None else _POSTERIOR_MESH
    axes = [_reach(rows[:, j], mixture, j, size) for j in range(2)]
    by_em = _on_mesh(mixture, axes)
    handles: list[Artist] = [
        Patch(color=shade, label=f"{share:.0%} of the probability")
        for share, shade in zip(_SHARES, _SHADES, strict=True)
    ]
    if posterior is None:
        _fill(ax, axes, by_em)
    else:
        given: dict[str | int, ArrayLike] = dict(zip(mixture.names, axes, strict=True))
        of_components = posterior.without_noise
        mean = of_components.density(given, n_draws=_BAND_DRAWS)["mean"].to_numpy().T
        _fill(ax, axes, mean)
        for draw in of_components.marginal(mixture.names).thinned(_draws(posterior)).mixtures():
            z = _on_mesh(draw, axes)
            widest = [_level(z, _SHARES[0], axes)]
            ax.contour(*axes, z, levels=widest, colors="0.35", linewidths=0.4)
        widest = [_level(by_em, _SHARES[0], axes)]
        ax.contour(*axes, by_em, levels=widest, colors=BEST, linewidths=1.6, linestyles="--")
        handles += [
            Line2D([], [], color="0.35", lw=0.6, label="95 % region of single draws"),
            Line2D([], [], color=BEST, lw=1.6, ls="--", label="95 % region of the EM fit"),
        ]
    if binned is None:
        ax.scatter(rows[:, 0], rows[:, 1], s=6, color="black", alpha=0.35, linewidths=0)
    else:
        handles.append(_outlines_of_rows(ax, binned))
    for k in range(mixture.n_components):
        ax.plot(*mixture.means[k], marker(k), color=colour(k), ms=9, mec="white", mew=1, zorder=5)
    handles.append(Line2D([], [], color="0.45", marker="o", ls="", label="component means"))
    whose = "Density" if posterior is None else "Posterior mean density"
    title = literal_text(f"{whose} of {mixture.names[0]} and {mixture.names[1]}")
    ax.set(xlabel=labels[0], ylabel=labels[1], title=title)
    ax.set(xlim=axes[0][[0, -1]], ylim=axes[1][[0, -1]])
    legend = legend_of(figure, ax, place)
    legend.legend(handles=handles, loc=beside(place), frameon=False, fontsize=9)
    despine(ax)
    return figure


def _outlines_of_rows(ax: Axes, binned: Binned) -> Artist:
    """The regions that hold the same shares of all rows, by cell; and the legend's entry."""
    axes, counts = mesh_of(binned)
    levels = np.unique([_level(counts, share, axes) for share in _SHARES])
    ax.contour(*axes, counts, levels=levels, colors="black", linewidths=0.8, linestyles=":")
    return Line2D([], [], color="black", lw=0.8, ls=":", label="the same shares of the rows")


def _draws(posterior: Posterior) -> int:
    """A number of draws for outlines: some of every chain."""
    return max(_OUTLINES, posterior.tree["posterior"].sizes["chain"])


def _reach(x: FloatArray, mixture: Mixture, j: int, size: int) -> FloatArray:
    """Values along a column that cover the rows and the components."""
    sd = np.sqrt(mixture.covariances[:, j, j])
    heavy = mixture.weights > 1e-3
    low = min(np.nanmin(x), float(np.min((mixture.means[:, j] - 2.6 * sd)[heavy])))
    high = max(np.nanmax(x), float(np.max((mixture.means[:, j] + 2.6 * sd)[heavy])))
    margin = 0.02 * (high - low)
    return with_narrow(np.linspace(low - margin, high + margin, size), mixture, j, size // 3)


def _on_mesh(mixture: Mixture, axes: Sequence[FloatArray]) -> FloatArray:
    """Density on a mesh, (second column, first column) as matplotlib has it."""
    mesh = np.column_stack([m.ravel() for m in np.meshgrid(*axes)])
    return np.exp(mixture.log_density(mesh)).reshape(len(axes[1]), len(axes[0]))


def _level(density: FloatArray, share: float, axes: Sequence[FloatArray]) -> float:
    """The density above which lies that share of the probability on a mesh."""
    area = np.gradient(axes[1])[:, None] * np.gradient(axes[0])
    order = np.argsort(-density, axis=None, kind="stable")
    total = np.cumsum((density * area).ravel()[order])
    return float(density.ravel()[order[np.searchsorted(total, share * total[-1])]])


def _fill(ax: Axes, axes: Sequence[FloatArray], density: FloatArray) -> None:
    levels = [_level(density, share, axes) for share in _SHARES]
    for i in range(1, len(levels)):  # equal where a component is a few points of the mesh
        levels[i] = max(levels[i], levels[i - 1] * (1 + 1e-9))
    top = 1.001 * max(density.max(), levels[-1])
    ax.contourf(*axes, density, levels=[*levels, top], colors=_SHADES)
