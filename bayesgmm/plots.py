"""Pictures of selections, fits, mergings and posteriors, as matplotlib figures.

Figures are made without pyplot: nothing is kept open, no backend is touched. Colours are Okabe &
Ito's (2008), which colour-blind readers can tell apart; components also differ by marker.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections import Counter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as _Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from .bands import tails
from .classification import classify, mixture_of
from .data import Data
from .families import FAMILIES
from .kernels.contract import FloatArray
from .merging import Cluster, Merging
from .mixture import Mixture
from .posterior import Posterior
from .result import Fit
from .selection import Selection

IntArray = NDArray[np.intp]
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8B6F00")
# One more than the colours: the pair of them repeats only after 72 components.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
_LINES = ("-", "--", "-.", ":")
# chi-square quantile with 2 degrees of freedom: an ellipse that holds 95 % of its component.
_ELLIPSE_RADIUS = float(np.sqrt(-2 * np.log(0.05)))
_MOST_POINTS = 5000
_MOST_PANELS = 5
_DOUBTFUL = 0.2
_SIZES = "larger: less certain"
_CRITERIA = {
    "bic": "BIC (lower is better; mclust's is its negative)",
    "icl": "ICL (lower is better; mclust's is its negative)",
    "aic": "AIC (lower is better)",
}
# Shape and orientation by colour and marker, volume by line (E dashed and hollow): 7 x 2 families.
_KINDS = ("II", "EI", "VI", "EE", "VE", "EV", "VV")


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

    A colour and marker stand for shape and orientation, a dashed line with hollow markers for
    equal volumes. Cells without an estimate are crosses above the picture, with the reasons below.

    Parameters
    ----------
    selection : Selection
    criterion : {"bic", "icl", "aic"}
        Lower is better for all of them.

    Raises
    ------
    ValueError
        An unknown criterion, or no cell with an estimate.
    """
    if criterion not in _CRITERIA:
        raise ValueError(f"criterion is {criterion!r}: pass one of {', '.join(_CRITERIA)}.")
    table = selection.table
    failed = table[table["status"] == "failed"]
    sound = table[(table["status"] != "failed") & table[criterion].notna()]
    if sound.empty:
        raise ValueError(f"no cell of the grid has an estimate: {_reasons(failed['note'])}.")
    grid = table.assign(**{criterion: table[criterion].where(table["status"] != "failed")})
    grid = grid.pivot(index="K", columns="family", values=criterion)  # NaN breaks a line
    families = sorted(grid.columns, key=_family_order)
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    ax = figure.subplots()
    for family in families:
        ax.plot(grid.index, grid[family], lw=1.3, ms=5, label=family, **_family_style(family))
    best = sound.loc[sound[criterion].idxmin()]
    ax.plot(best["K"], best[criterion], "o", ms=14, mfc="none", mec="black", mew=1.5)
    side = {grid.index[0]: "left", grid.index[-1]: "right"}.get(best["K"], "center")
    ax.annotate(
        f"{best['family']}, K = {best['K']}", (best["K"], best[criterion]),
        textcoords="offset points", xytext=(0, -12), ha=side if len(grid) > 1 else "center",
        va="top",
    )  # fmt: skip
    hidden = _focus(ax, sound[criterion].to_numpy())
    room = 0.5 if len(failed) else 0.3
    ax.set(
        xlabel="number of components K", ylabel=_CRITERIA[criterion], xticks=grid.index,
        xlim=(grid.index[0] - room, grid.index[-1] + room),
    )  # fmt: skip
    notes = [f"{hidden} worse cells lie above the picture."] if hidden else []
    if len(failed):
        _crosses(ax, failed, families)
        notes.append(f"x: {len(failed)} cells without an estimate ({_reasons(failed['note'])}).")
    if notes:
        figure.supxlabel(
            textwrap.fill(" ".join(notes), 110), x=0.01, ha="left", fontsize=8, color="0.3"
        )
    ax.legend(
        title="family", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5),
        ncols=1 + (len(families) > 8), handlelength=2.6, columnspacing=1.2,
    )  # fmt: skip
    return figure


def plot_classification(X: Any, fit: Fit | Mixture) -> Figure:  # noqa: N803
    """Rows coloured by component with 95 % ellipses; larger points are less certain.

    One column gives its density over a strip of the rows, more a matrix of pairs; beyond five
    columns those in which the components differ most are shown. Of more than 5000 rows, 5000
    evenly spaced ones are drawn.
    """
    mixture = mixture_of(fit)
    data = mixture.rows(X)
    if mixture.d == 1:
        return _strip(data, mixture)
    shown = _telling_columns(mixture)
    x, resp = _sample(data, mixture)
    x = x[:, shown]
    size = len(shown)
    if size == 2:
        figure = Figure(figsize=(7.6, 4.8), layout="constrained")
        _pair(figure.subplots(), x, resp, mixture, shown, 1, 0)
        _legend(figure, mixture, "outside right upper", _SIZES)
        return figure
    side = max(7.5, 2.0 * size)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots(size, size)
    for i in range(size):
        for j in range(size):
            ax = axes[i, j]
            if i == j:
                _marginal(ax, x[:, i], mixture, shown[i])
                ax.set_yticks([])
            elif i > j:
                _pair(ax, x, resp, mixture, shown, i, j)
            else:
                ax.set_axis_off()
                continue
            ax.set_xlabel(mixture.names[shown[j]] if i == size - 1 else "")
            ax.set_ylabel(mixture.names[shown[i]] if j == 0 and i > 0 else "")
            ax.tick_params(labelbottom=i == size - 1, labelleft=j == 0 and i > 0, labelsize=8)
    figure.align_ylabels(axes[:, 0])
    few = f"{size} of {mixture.d} columns, those in\nwhich components differ most"
    _legend(figure, mixture, "upper right", *([few] if size < mixture.d else []), _SIZES)
    return figure


def plot_uncertainty(X: Any, fit: Fit | Mixture) -> Figure:  # noqa: N803
    """How doubtful the rows' components are: all rows in order, and where the doubtful ones lie.

    Uncertainty is 1 - max_k r_ik. With two columns the map's shade is the uncertainty a row would
    have there; with more, the two columns in which the components differ most are shown.
    """
    mixture = mixture_of(fit)
    data = mixture.rows(X)
    x, resp = _sample(data, mixture)
    labels, uncertainty = np.argmax(resp, axis=1), 1 - resp.max(axis=1)
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = np.argsort(uncertainty, kind="stable")
    share = (np.arange(len(order)) + 0.5) / len(order)
    for k in range(mixture.n_components):
        mine = labels[order] == k
        left.plot(
            100 * share[mine], uncertainty[order][mine], _marker(k), ms=4, mew=0, color=colour(k),
            alpha=0.7,
        )  # fmt: skip
    doubtful = np.mean(classify(mixture, data)["uncertainty"] > _DOUBTFUL)  # of all rows
    left.axhline(_DOUBTFUL, color="0.6", lw=0.8, zorder=0)
    left.text(
        1, _DOUBTFUL + 0.01, f"{doubtful:.1%} of the rows lie above", color="0.3",
        fontsize=9, va="bottom",
    )  # fmt: skip
    top = max(0.5, 1.05 * uncertainty.max())
    left.set(
        xlabel="rows in order, %", ylabel="uncertainty, 1 - largest responsibility",
        xlim=(0, 100), ylim=(-0.02 * top, top),
    )  # fmt: skip
    if mixture.d == 1:
        _uncertainty_curve(right, x[:, 0], labels, uncertainty, mixture)
    else:
        _uncertainty_map(right, x, labels, uncertainty, mixture)
    _legend(figure, mixture, "outside right upper")
    return figure


def plot_merging(merging: Merging, against: str = "rows") -> Figure:
    """Entropy at every number of clusters with the fitted elbow, and the tree of merges.

    Parameters
    ----------
    merging : Merging
    against : {"rows", "clusters"}
        What the elbow is fitted against, as for `Merging.suggest`.

    Raises
    ------
    ValueError
        A single component.
    """
    k = merging.n_components
    if k == 1:
        raise ValueError("plot_merging() got a single component: there is nothing to merge.")
    figure = Figure(figsize=(max(10, 5 + 0.32 * k), max(4.2, 1.6 + 0.3 * k)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    n_clusters = merging.suggest(against)
    y = np.array(merging.entropies[::-1])
    x = np.arange(1.0, k + 1)
    label = "number of clusters"
    if against == "rows":
        x = np.concatenate([[0.0], np.cumsum(merging.rows[::-1])])
        label = "cumulative number of merged rows, from 1 cluster up"
    fitted = y
    if k > 2:
        (a1, b1), (a2, b2) = merging.elbow(against).lines
        bend = n_clusters - 1
        for ends, intercept, slope in (([0, bend], a1, b1), ([bend, k - 1], a2, b2)):
            left.plot(x[ends], intercept + slope * x[ends], color="#D55E00", lw=1.4, zorder=1)
        fitted = np.where(np.arange(k) <= bend, a1 + b1 * x, a2 + b2 * x)
    left.plot(x, y, "o", color="#0072B2", ms=6)
    left.plot(x[n_clusters - 1], y[n_clusters - 1], "o", ms=14, mfc="none", mec="black", mew=1.5)
    for c in _apart(x, y, n_clusters - 1):
        below = y[c] < fitted[c] - 1e-9 * y[-1]  # away from the line
        left.annotate(
            str(c + 1), (x[c], y[c]), textcoords="offset points", fontsize=9,
            xytext=(7, -7) if below else (-7, 7), ha="left" if below else "right",
            va="top" if below else "bottom",
        )  # fmt: skip
    left.locator_params(axis="x", nbins=6, integer=True)
    found = f"elbow at {n_clusters} clusters" if k > 2 else "2 components: no elbow"
    left.set(xlabel=label, ylabel="entropy of the clustering", title=f"Entropy ({found})")
    left.margins(0.08, 0.12)
    _tree(right, merging, n_clusters)
    return figure


def plot_density(X: Any, fit: Fit, posterior: Posterior | None = None) -> Figure:  # noqa: N803
    """Density of one column over a histogram, with the posterior's 89 % band if given."""
    if fit.d != 1:
        raise ValueError(f"plot_density() is for one column, the fit has {fit.d}.")
    data = fit.mixture.rows(X)
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    x = np.asarray(data.values[:, 0], dtype=np.float64)
    if posterior is not None:
        grid = _grid(x)
        band = posterior.log_density(grid[:, None], n_draws=500)
        ax.fill_between(
            grid, np.exp(band["lower"]), np.exp(band["upper"]), color="#56B4E9", alpha=0.45, lw=0,
            label="posterior density, 89 % band",
        )  # fmt: skip
    _density(ax, x, fit.mixture)
    ax.set_xlabel(fit.names[0])
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
    ends = tails(ci_prob)
    for ax, (title, values, estimate) in zip(axes, panels, strict=False):
        low, high = np.quantile(values, ends, axis=0)
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
    ax: Axes, x: FloatArray, resp: FloatArray, mixture: Mixture, shown: list[int], i: int, j: int
) -> None:
    labels = np.argmax(resp, axis=1)
    uncertainty = 1 - resp.max(axis=1)
    for k in range(mixture.n_components):
        mine = labels == k
        ax.scatter(
            x[mine, j], x[mine, i], s=9 + 60 * uncertainty[mine], alpha=0.6, linewidths=0,
            marker=_marker(k), color=colour(k),
        )  # fmt: skip
        ax.add_patch(_ellipse(mixture, k, shown[j], shown[i]))
    ax.set(xlabel=mixture.names[shown[j]], ylabel=mixture.names[shown[i]])


def _ellipse(mixture: Mixture, k: int, a: int, b: int) -> Ellipse:
    covariance = mixture.covariances[k][np.ix_([a, b], [a, b])]
    values, vectors = np.linalg.eigh(covariance)
    axes = 2 * _ELLIPSE_RADIUS * np.sqrt(values)
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    center = (float(mixture.means[k, a]), float(mixture.means[k, b]))
    return Ellipse(
        center, axes[1], axes[0], angle=angle, fill=False, ec=colour(k), lw=1.6, ls=_line(k)
    )


def _strip(data: Data, mixture: Mixture) -> Figure:
    """One column: its density, and below it the rows, a line for each component."""
    figure = Figure(figsize=(7.6, 4.4 + 0.16 * mixture.n_components), layout="constrained")
    top, bottom = figure.subplots(
        2, 1, sharex=True, height_ratios=(3.2, 0.5 + 0.2 * mixture.n_components)
    )
    x, resp = _sample(data, mixture)
    labels, uncertainty = np.argmax(resp, axis=1), 1 - resp.max(axis=1)
    _density(top, x[:, 0], mixture)
    for k in range(mixture.n_components):
        mine = labels == k
        bottom.scatter(
            x[mine, 0], np.full(np.sum(mine), k), s=12 + 60 * uncertainty[mine], alpha=0.5,
            linewidths=0, marker=_marker(k), color=colour(k),
        )  # fmt: skip
    bottom.set(
        xlabel=mixture.names[0], ylabel="component", yticks=range(mixture.n_components),
        ylim=(mixture.n_components - 0.4, -0.6),
    )  # fmt: skip
    bottom.tick_params(axis="y", labelsize=8)
    figure.align_ylabels([top, bottom])
    _legend(figure, mixture, "outside right upper", "dashed: the mixture", _SIZES)
    return figure


def _density(ax: Axes, x: FloatArray, mixture: Mixture) -> None:
    """The mixture's density under its components', over a histogram."""
    grid = _grid(x)
    ax.plot(
        grid, np.exp(mixture.log_density(grid[:, None])), color="black", ls="--", lw=1.2,
        label="EM fit",
    )  # fmt: skip
    _marginal(ax, x, mixture, 0)
    ax.set_ylabel("density")


def _marginal(ax: Axes, x: FloatArray, mixture: Mixture, j: int) -> None:
    """Histogram of a column and its components' weighted densities."""
    bins = min(len(np.histogram_bin_edges(x, "fd")) - 1, 80)
    ax.hist(x, bins=bins, density=True, color="0.85", zorder=0)
    grid = _grid(x)
    for k in range(mixture.n_components):
        sd = np.sqrt(mixture.covariances[k, j, j])
        z = (grid - mixture.means[k, j]) / sd
        ax.plot(
            grid, mixture.weights[k] * np.exp(-0.5 * z * z) / (sd * np.sqrt(2 * np.pi)),
            color=colour(k), lw=1.4, ls=_line(k),
        )  # fmt: skip


def _uncertainty_curve(
    ax: Axes, x: FloatArray, labels: IntArray, uncertainty: FloatArray, mixture: Mixture
) -> None:
    grid = _grid(x)
    ax.plot(grid, 1 - mixture.predict_proba(grid[:, None]).max(axis=1), color="0.5", lw=1)
    for k in range(mixture.n_components):
        mine = labels == k
        ax.plot(x[mine], uncertainty[mine], _marker(k), ms=4, mew=0, color=colour(k), alpha=0.7)
    ax.set(xlabel=mixture.names[0], ylabel="uncertainty")


def _uncertainty_map(
    ax: Axes, x: FloatArray, labels: IntArray, uncertainty: FloatArray, mixture: Mixture
) -> None:
    a, b = _telling_columns(mixture, 2)
    for k in range(mixture.n_components):
        mine = labels == k
        doubtful = mine & (uncertainty > _DOUBTFUL)
        ax.scatter(
            x[mine, a], x[mine, b], s=9, alpha=0.35, linewidths=0, marker=_marker(k),
            color=colour(k),
        )  # fmt: skip
        ax.scatter(
            x[doubtful, a], x[doubtful, b], s=30 + 60 * uncertainty[doubtful], marker=_marker(k),
            color=colour(k), edgecolors="black", linewidths=0.8,
        )  # fmt: skip
        ax.add_patch(_ellipse(mixture, k, a, b))
    if mixture.d == 2:
        u, v = np.linspace(*ax.get_xlim(), 160), np.linspace(*ax.get_ylim(), 160)
        plane = np.column_stack([c.ravel() for c in np.meshgrid(u, v)])
        shade = 1 - mixture.predict_proba(plane).max(axis=1)
        ax.pcolormesh(
            u, v, shade.reshape(160, 160), cmap="Greys", vmin=0, vmax=1, shading="nearest",
            zorder=0, rasterized=True,
        )  # fmt: skip
    title = f"edged in black: uncertainty above {_DOUBTFUL:g}"
    ax.set(xlabel=mixture.names[a], ylabel=mixture.names[b])
    ax.set_title(title, fontsize=9, color="0.3")


def _tree(ax: Axes, merging: Merging, n_clusters: int) -> None:
    """Merges from the components at the bottom to one cluster at the top, one a step."""
    k = merging.n_components
    order = _leaves(merging)
    at: dict[Cluster, tuple[float, int]] = {(c,): (order.index(c), k) for c in range(k)}
    for c, (a, b) in zip(range(k - 1, 0, -1), merging.merges, strict=True):
        (xa, ya), (xb, yb) = at[a], at[b]
        ax.plot([xa, xa, xb, xb], [ya, c, c, yb], color="0.3", lw=1.3, solid_joinstyle="miter")
        at[tuple(sorted(a + b))] = ((xa + xb) / 2, c)
    for c in range(k):
        ax.plot(order.index(c), k, _marker(c), ms=8, color=colour(c), clip_on=False, zorder=3)
    if n_clusters < k:
        ax.axhline(n_clusters - 0.5, color="#D55E00", lw=1.2, ls="--")
        ax.annotate(
            f"{n_clusters} clusters", (1, n_clusters - 0.5), xycoords=("axes fraction", "data"),
            xytext=(4, 0), textcoords="offset points", fontsize=8, color="#D55E00", va="center",
        )  # fmt: skip
    drop = -np.diff(merging.entropies)
    for c, fall in zip(range(k - 1, 0, -1), drop, strict=True):
        ax.annotate(
            f"{fall:.3g}", (1, c), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", fontsize=8, color="0.3", va="center",
        )  # fmt: skip
    ax.set(
        xticks=range(k), xticklabels=order, xlabel="component", xlim=(-0.5, k - 0.5),
        yticks=range(1, k + 1), ylim=(k + 0.4, 0.6), ylabel="number of clusters",
        title="Tree of merges (right: fall of entropy)",
    )  # fmt: skip
    for spine in ("top", "right"):
        ax.spines[spine].set_visible(False)


def _apart(x: FloatArray, y: FloatArray, wanted: int) -> list[int]:
    """Points far enough from one another for a label each, the wanted one among them."""
    u, v = x / max(np.ptp(x), 1e-300), y / max(np.ptp(y), 1e-300)
    kept = [wanted]
    for c in range(len(x)):
        if all(abs(u[c] - u[o]) > 0.04 or abs(v[c] - v[o]) > 0.035 for o in kept):
            kept.append(c)
    return kept


def _leaves(merging: Merging) -> list[int]:
    """Components in an order in which the tree's branches do not cross."""
    strings: dict[Cluster, list[int]] = {(c,): [c] for c in range(merging.n_components)}
    for a, b in merging.merges:
        strings[tuple(sorted(a + b))] = strings[a] + strings[b]
    return strings[tuple(range(merging.n_components))]


def _legend(figure: Figure, mixture: Mixture, loc: Any, *notes: str) -> None:
    """Components with their shares, under notes on how to read the picture."""
    handles = [
        Line2D(
            [], [], marker=_marker(k), ls=_line(k), lw=1.4, color=colour(k),
            label=f"{k} ({mixture.weights[k]:.0%})",
        )
        for k in range(mixture.n_components)
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc=loc, ncols=-(-len(handles) // 16), frameon=False, fontsize=9,
        title="\n".join([*notes, "component (share)"]), title_fontsize=9, handlelength=2.4,
        alignment="left",
    )  # fmt: skip


def _marker(k: int) -> str:
    return _MARKERS[k % len(_MARKERS)]


def _line(k: int) -> str:
    return _LINES[k // len(_COLOURS) % len(_LINES)]


def _telling_columns(mixture: Mixture, at_most: int = _MOST_PANELS) -> list[int]:
    """A few columns, those with the largest variance between over within components."""
    if mixture.d <= at_most:
        return list(range(mixture.d))
    between = mixture.weights @ (mixture.means - mixture.weights @ mixture.means) ** 2
    within = mixture.weights @ np.diagonal(mixture.covariances, axis1=1, axis2=2)
    return sorted(np.argsort(-between / within, kind="stable")[:at_most].tolist())


def _family_order(family: str) -> tuple[str, int]:
    names = list(FAMILIES)
    return family[:1], names.index(family) if family in names else len(names)


def _family_style(family: str) -> dict[str, Any]:
    kind = _kind(family)
    dashed = family.startswith("E")
    return {
        "color": _COLOURS[kind],
        "marker": _MARKERS[kind],
        "ls": "--" if dashed else "-",
        "mfc": "white" if dashed else _COLOURS[kind],
    }


def _kind(family: str) -> int:
    return _KINDS.index(family[1:]) if family[1:] in _KINDS else "EV".find(family) % 8


def _crosses(ax: Axes, failed: Any, families: list[str]) -> None:
    """A cross above the axes for each failed cell, families side by side, E below V."""
    above = blended_transform_factory(ax.transData, ax.transAxes)
    kinds = sorted({_kind(family) for family in families})
    for family, k in zip(failed["family"], failed["K"], strict=True):
        place = 0.1 * (kinds.index(_kind(family)) - (len(kinds) - 1) / 2)
        ax.plot(
            k + place, 1.022 if family.startswith("E") else 1.05, "x", ms=4, mew=1.3,
            color=_COLOURS[_kind(family)], transform=above, clip_on=False,
        )  # fmt: skip


def _reasons(notes: Any) -> str:
    """How often each reason for a failed cell was given, in its own first words."""
    first = (re.split(r"[:,;(]", note)[0].strip() for note in notes)
    counts = Counter(re.sub(r"\d[\d.]*", "...", words).rstrip(" .") for words in first)
    return ", ".join(
        f"{textwrap.shorten(words, 60, placeholder='...')}: {count}"
        for words, count in counts.most_common()
    )


def _focus(ax: Axes, values: FloatArray) -> int:
    """Show the better half in full: one hopeless family must not flatten all the others.

    Returns the number of values above the picture.
    """
    best, typical, worst = np.min(values), np.median(values), np.max(values)
    if worst - best > 4 * (typical - best) > 0:
        top = best + 2.0 * (typical - best)
        ax.set_ylim(best - 0.2 * (top - best), top)
        return int(np.sum(values > top))
    room = (worst - best) or 1.0
    ax.set_ylim(best - 0.2 * room, worst + 0.05 * room)
    return 0


def _grid(x: FloatArray) -> FloatArray:
    margin = 0.08 * (x.max() - x.min())
    return np.linspace(x.min() - margin, x.max() + margin, 400)


def _sample(data: Data, mixture: Mixture) -> tuple[FloatArray, FloatArray]:
    """Rows to draw, all or five thousand evenly spaced ones, and their responsibilities."""
    rows: Any = slice(None)
    if data.n > _MOST_POINTS:
        rows = np.linspace(0, data.n - 1, _MOST_POINTS).round().astype(int)
    x = np.asarray(data.values[rows], dtype=np.float64)
    return x, mixture.predict_proba(x)
