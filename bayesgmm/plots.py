"""Pictures of selections, fits and posteriors, as matplotlib figures.

Figures are made without pyplot: nothing is kept open, no backend is touched. Colours are Okabe &
Ito's (2008), which colour-blind readers can tell apart; components also differ by marker.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as _Figure
from matplotlib.patches import Ellipse

from .kernels.contract import FloatArray
from .posterior import Posterior
from .result import Fit
from .selection import Selection

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8B6F00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# chi-square quantile with 2 degrees of freedom: an ellipse that holds 95 % of its component.
_ELLIPSE_RADIUS = float(np.sqrt(-2 * np.log(0.05)))
_MOST_POINTS = 5000
_MOST_PANELS = 5


class Figure(_Figure):
    """A matplotlib figure that notebooks show, though pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def colour(k: int) -> str:
    """Colour of component k."""
    return _COLOURS[k % len(_COLOURS)]


def plot_bic(selection: Selection, criterion: str = "bic") -> Figure:
    """A criterion by number of components, one line a family; the best cell is ringed.

    Parameters
    ----------
    selection : Selection
    criterion : {"bic", "icl", "aic"}
        Lower is better for all of them.
    """
    table = selection.table
    table = table[table["status"] != "failed"]
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    for index, (family, rows) in enumerate(table.groupby("family", sort=False)):
        rows = rows.sort_values("K")
        ax.plot(
            rows["K"], rows[criterion], marker=_MARKERS[index % len(_MARKERS)], ms=5, lw=1.2,
            color=colour(index), label=str(family),
        )  # fmt: skip
    best = table.loc[table[criterion].idxmin()]
    ax.plot(best["K"], best[criterion], "o", ms=14, mfc="none", mec="black", mew=1.5)
    ax.annotate(
        f"{best['family']}, K = {best['K']}", (best["K"], best[criterion]),
        textcoords="offset points", xytext=(0, -20), ha="center", va="top",
    )  # fmt: skip
    _focus(ax, table[criterion].to_numpy())
    ax.set(
        xlabel="number of components K",
        ylabel=f"{criterion.upper()} (lower is better)",
        xticks=sorted(table["K"].unique()),
    )
    ax.legend(title="family", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def plot_classification(X: Any, fit: Fit) -> Figure:  # noqa: N803
    """Rows coloured by component with 95 % ellipses; larger points are less certain.

    One column gives a density plot, more a matrix of pairs; beyond five columns those in which
    the components differ most are shown.
    """
    data = fit.mixture.rows(X)
    if fit.d == 1:
        return plot_density(data, fit)
    shown = _telling_columns(fit)
    rows = _subset(data.n)
    x = np.asarray(data.values[rows], dtype=np.float64)[:, shown]
    resp = fit.predict_proba(np.asarray(data.values[rows]))
    size = len(shown)
    side = 6.5 if size == 2 else max(7.5, 2.0 * size)
    if size == 2:
        figure = Figure(figsize=(side, 4.8), layout="constrained")
        _pair(figure.subplots(), x, resp, fit, shown, 1, 0)
        _legend(figure, fit)
        return figure
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots(size, size)
    for i in range(size):
        for j in range(size):
            ax = axes[i, j]
            if i == j:
                _marginal(ax, x[:, i], fit, shown[i])
                ax.set_yticks([])
            elif i > j:
                _pair(ax, x, resp, fit, shown, i, j)
            else:
                ax.set_axis_off()
                continue
            ax.set_xlabel(fit.names[shown[j]] if i == size - 1 else "")
            ax.set_ylabel(fit.names[shown[i]] if j == 0 and i > 0 else "")
            ax.tick_params(labelbottom=i == size - 1, labelleft=j == 0 and i > 0, labelsize=8)
    _legend(figure, fit)
    return figure


def plot_density(X: Any, fit: Fit, posterior: Posterior | None = None) -> Figure:  # noqa: N803
    """Density of one column over a histogram, with the posterior's 89 % band if given."""
    if fit.d != 1:
        raise ValueError(f"plot_density() is for one column, the fit has {fit.d}.")
    data = fit.mixture.rows(X)
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    x = np.asarray(data.values[:, 0], dtype=np.float64)
    grid = _grid(x)
    if posterior is not None:
        band = posterior.log_density(grid[:, None], n_draws=500)
        ax.fill_between(
            grid, np.exp(band["lower"]), np.exp(band["upper"]), color="#56B4E9", alpha=0.45, lw=0,
            label="posterior density, 89 % band",
        )  # fmt: skip
    _marginal(ax, x, fit, 0)
    ax.plot(
        grid,
        np.exp(fit.score_samples(grid[:, None])),
        color="black",
        ls="--",
        lw=1.2,
        label="EM fit",
    )
    ax.set(xlabel=fit.names[0], ylabel="density")
    ax.legend(frameon=False)
    return figure


def plot_posterior(posterior: Posterior, ci_prob: float = 0.89) -> Figure:
    """Posterior of pi and mu by component: mean, equal-tailed interval, and the EM estimate (x)."""
    draws, fit = posterior.draws, posterior.fit
    panels: list[tuple[str, FloatArray, FloatArray]] = [("pi", draws.weights, fit.weights)]
    panels += [
        (f"mu: {name}", draws.means[:, :, j], fit.means[:, j]) for j, name in enumerate(fit.names)
    ]
    panels = panels[: 1 + 2 * _MOST_PANELS]
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    height = lines * (0.9 + 0.28 * fit.n_components)
    figure = Figure(figsize=(8, max(height, 2.2)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(lines, columns)).ravel()
    tails = [(1 - ci_prob) / 2, (1 + ci_prob) / 2]
    for ax, (title, values, estimate) in zip(axes, panels, strict=False):
        low, high = np.quantile(values, tails, axis=0)
        for k in range(fit.n_components):
            ax.plot([low[k], high[k]], [k, k], color=colour(k), lw=3, solid_capstyle="butt")
            ax.plot(values[:, k].mean(), k, "o", color=colour(k), ms=6)
            ax.plot(estimate[k], k, "x", color="black", ms=7, mew=1.5)
        ax.set(title=title, yticks=range(fit.n_components), ylim=(fit.n_components - 0.5, -0.5))
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    axes[0].set_ylabel("component")
    return figure


def plot_trace(posterior: Posterior) -> Figure:
    """Traces of the proportions and of the log posterior density, chains in different greys."""
    pi = posterior.tree["posterior"]["pi"].transpose("chain", "draw", "component").to_numpy()
    lp = posterior.tree["sample_stats"]["lp"].transpose("chain", "draw").to_numpy()
    series = [("log posterior", lp, "black")]
    if posterior.fit.n_components > 1:
        series = [
            (f"pi[{k}]", pi[:, :, k], colour(k)) for k in range(min(pi.shape[2], _MOST_PANELS))
        ] + series
    figure = Figure(figsize=(8, 1.4 * len(series) + 0.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(series), 1, sharex=True))
    for ax, (title, values, ink) in zip(axes, series, strict=True):
        for chain, alpha in zip(values, np.linspace(0.9, 0.35, len(values)), strict=True):
            ax.plot(chain, lw=0.5, alpha=alpha, color=ink)
        ax.set_ylabel(title)
    axes[-1].set_xlabel("draw (chains overlaid)")
    return figure


def _pair(
    ax: Axes, x: FloatArray, resp: FloatArray, fit: Fit, shown: list[int], i: int, j: int
) -> None:
    labels = np.argmax(resp, axis=1)
    uncertainty = 1 - resp.max(axis=1)
    for k in range(fit.n_components):
        mine = labels == k
        ax.scatter(
            x[mine, j], x[mine, i], s=8 + 50 * uncertainty[mine], alpha=0.6, linewidths=0,
            marker=_MARKERS[k % len(_MARKERS)], color=colour(k),
        )  # fmt: skip
        ax.add_patch(_ellipse(fit, k, shown[j], shown[i]))
    ax.set(xlabel=fit.names[shown[j]], ylabel=fit.names[shown[i]])


def _ellipse(fit: Fit, k: int, a: int, b: int) -> Ellipse:
    covariance = fit.covariances[k][np.ix_([a, b], [a, b])]
    values, vectors = np.linalg.eigh(covariance)
    axes = 2 * _ELLIPSE_RADIUS * np.sqrt(values)
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    center = (float(fit.means[k, a]), float(fit.means[k, b]))
    return Ellipse(center, axes[1], axes[0], angle=angle, fill=False, ec=colour(k), lw=1.6)


def _marginal(ax: Axes, x: FloatArray, fit: Fit, j: int) -> None:
    """Histogram of a column and its components' weighted densities."""
    bins = min(len(np.histogram_bin_edges(x, "fd")) - 1, 80)
    ax.hist(x, bins=bins, density=True, color="0.85")
    grid = _grid(x)
    for k in range(fit.n_components):
        sd = np.sqrt(fit.covariances[k, j, j])
        z = (grid - fit.means[k, j]) / sd
        ax.plot(
            grid, fit.weights[k] * np.exp(-0.5 * z * z) / (sd * np.sqrt(2 * np.pi)),
            color=colour(k), lw=1.4,
        )  # fmt: skip


def _legend(figure: Figure, fit: Fit) -> None:
    handles: list[Any] = [
        figure.axes[0].plot(
            [], [], _MARKERS[k % len(_MARKERS)], color=colour(k),
            label=f"component {k} ({fit.weights[k]:.0%})",
        )[0]
        for k in range(fit.n_components)
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(4, len(handles)), frameon=False
    )


def _telling_columns(fit: Fit) -> list[int]:
    """At most five columns, those with the largest variance between over within components."""
    if fit.d <= _MOST_PANELS:
        return list(range(fit.d))
    between = fit.weights @ (fit.means - fit.weights @ fit.means) ** 2
    within = fit.weights @ np.diagonal(fit.covariances, axis1=1, axis2=2)
    return sorted(np.argsort(-between / within, kind="stable")[:_MOST_PANELS].tolist())


def _focus(ax: Axes, values: FloatArray) -> None:
    """Show the better half in full: one hopeless family must not flatten all the others."""
    best, typical, worst = np.min(values), np.median(values), np.max(values)
    if worst - best > 4 * (typical - best) > 0:
        top = best + 2.0 * (typical - best)
        ax.set_ylim(best - 0.2 * (top - best), top)
        hidden = int(np.sum(values > top))
        ax.set_title(f"{hidden} worse cells lie above the picture", fontsize=9, color="0.3")
    else:
        room = (worst - best) or 1.0
        ax.set_ylim(best - 0.2 * room, worst + 0.05 * room)


def _grid(x: FloatArray) -> FloatArray:
    margin = 0.08 * (x.max() - x.min())
    return np.linspace(x.min() - margin, x.max() + margin, 400)


def _subset(n: int) -> slice | np.ndarray[Any, Any]:
    """All rows, or five thousand evenly spaced ones."""
    if n <= _MOST_POINTS:
        return slice(None)
    return np.linspace(0, n - 1, _MOST_POINTS).round().astype(int)
