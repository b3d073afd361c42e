"""Plot of components merged to clusters: the entropies with their elbow, and the tree."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from ..mixture.merging import AGAINST, Cluster, Merging
from ..utils.types import FloatArray
from .canvas import Figure, Place, canvas
from .style import BEST, colour, component_labels, despine, marker


def plot_merging(
    merging: Merging,
    against: str = "rows",
    **place: Unpack[Place],
) -> Figure:
    """Entropy at every number of clusters with the fitted elbow, and the tree of merges.

    Parameters
    ----------
    merging : Merging
    against : {"rows", "clusters"}
        What the elbow is fitted against, as for `Merging.suggest`.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        A single component.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> merging = bayesgmm.merge(X, bayesgmm.fit(X, 4, random_seed=1))
    >>> plots.plot_merging(merging, "clusters").axes[0].get_xlabel()
    'number of clusters'
    """
    k = merging.n_components
    if k == 1:
        raise ValueError("plot_merging() got a single component: there is nothing to merge.")
    figure = canvas((max(10, 5 + 0.32 * k), max(4.2, 1.6 + 0.3 * k)), place)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    n_clusters = merging.suggest(against)
    y = np.array(merging.entropies[::-1])
    x, label = AGAINST[against].points(merging), AGAINST[against].label
    fitted = y
    if k > 2:
        (a1, b1), (a2, b2) = merging.elbow(against).lines
        bend = n_clusters - 1
        for ends, intercept, slope in (([0, bend], a1, b1), ([bend, k - 1], a2, b2)):
            left.plot(x[ends], intercept + slope * x[ends], color=BEST, lw=1.4, zorder=1)
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


def _tree(ax: Axes, merging: Merging, n_clusters: int) -> None:
    """Draw the merges from the components at the bottom to one cluster at the top, step by step."""
    k = merging.n_components
    order, names = _leaves(merging), component_labels(merging.mixture)
    at: dict[Cluster, tuple[float, int]] = {(c,): (order.index(c), k) for c in range(k)}
    for c, (a, b) in zip(range(k - 1, 0, -1), merging.merges, strict=True):
        (xa, ya), (xb, yb) = at[a], at[b]
        ax.plot([xa, xa, xb, xb], [ya, c, c, yb], color="0.3", lw=1.3, solid_joinstyle="miter")
        at[tuple(sorted(a + b))] = ((xa + xb) / 2, c)
    for c in range(k):
        ax.plot(order.index(c), k, marker(c), ms=8, color=colour(c), clip_on=False, zorder=3)
    if n_clusters < k:
        ax.axhline(n_clusters - 0.5, color=BEST, lw=1.2, ls="--")
        ax.annotate(
            f"{n_clusters} clusters", (1, n_clusters - 0.5), xycoords=("axes fraction", "data"),
            xytext=(4, 0), textcoords="offset points", fontsize=8, color=BEST, va="center",
        )  # fmt: skip
    drop = -np.diff(merging.entropies)
    for c, decrease in zip(range(k - 1, 0, -1), drop, strict=True):
        ax.annotate(
            f"{decrease:.3g}", (1, c), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", fontsize=8, color="0.3", va="center",
        )  # fmt: skip
    ax.set(
        xticks=range(k), xticklabels=[names[c] for c in order], xlabel="component",
        xlim=(-0.5, k - 0.5),
        yticks=range(1, k + 1), ylim=(k + 0.4, 0.6), ylabel="number of clusters",
        title="Tree of merges (right: drop in entropy)",
    )  # fmt: skip
    if merging.mixture.component_names:
        ax.tick_params(axis="x", labelrotation=90 if k > 4 else 0)
    despine(ax)


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
