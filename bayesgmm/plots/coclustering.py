"""Plot of the co-clustering probabilities of all pairs of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from ..posterior.posterior import Posterior
from .canvas import Figure, Place, panel, saying
from .style import CERTAIN, NOISE, NOISE_MARKER, colour, component_labels, marker

_MOST_ROWS = 400
_MOST_DRAWS = 200


def plot_coclustering(
    posterior: Posterior,
    *,
    rows: int | Sequence[int] | None = None,
    n_draws: int | None = _MOST_DRAWS,
    random_seed: int | np.random.Generator | None = 0,
    **place: Unpack[Place],
) -> Figure:
    """The probabilities that two rows belong to the same component, as a heat map.

    Rows are sorted by their most probable component of the EM fit, and within it from certain to
    doubtful: separate groups are dark squares, light bands doubtful rows, and shade between two
    squares means that their components may be one. The shades do not depend on the labels. Rows
    that are most probably noise come last; two of them are in no component together.

    Parameters
    ----------
    posterior : Posterior
        Draws.
    rows : int or sequence of int, optional
        Only these rows, by position, or so many random ones: 400 of more if left out.
    n_draws : int, optional
        Use only so many draws, evenly spaced; all if None.
    random_seed : int or Generator, optional
        Draws the rows.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> posterior.plot_coclustering(rows=200)  # doctest: +SKIP
    """
    if posterior.fit.n_components == 1:
        return saying("Posterior similarity matrix", CERTAIN, place)
    n = posterior.data.n
    if rows is None and n > _MOST_ROWS:
        rows = _MOST_ROWS
    matrix = posterior.coclustering(rows=rows, n_draws=n_draws, random_seed=random_seed)
    resp = posterior.fit.predict_proba(
        np.asarray(posterior.data.values[matrix["obs_id"].to_numpy()])
    )
    labels = np.argmax(resp, axis=1)
    order = np.lexsort((-resp.max(axis=1), labels))
    shown, size = matrix.to_numpy()[np.ix_(order, order)], len(order)
    figure, ax = panel((6.8, 5.6), place)
    image = ax.imshow(shown, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=ax, label="probability of the same component", shrink=0.85)
    counts = np.bincount(labels, minlength=resp.shape[1])
    ends, names = np.cumsum(counts), [*component_labels(posterior.fit.mixture), "noise"]
    for k in np.flatnonzero(counts).tolist():
        start, middle = ends[k] - counts[k] - 0.5, ends[k] - counts[k] / 2 - 0.5
        edge = -0.035 * size
        noise = k == posterior.fit.n_components
        ink, mark = (NOISE, NOISE_MARKER) if noise else (colour(k), marker(k))
        ax.plot([start, ends[k] - 0.5], [edge / 2, edge / 2], color=ink, lw=4,
                clip_on=False, solid_capstyle="butt")  # fmt: skip
        ax.plot([edge / 2, edge / 2], [start, ends[k] - 0.5], color=ink, lw=4,
                clip_on=False, solid_capstyle="butt")  # fmt: skip
        ax.plot(edge * 1.6, middle, mark, color=ink, ms=6, clip_on=False)
        ax.text(edge * 2.4, middle, names[k], ha="right", va="center", fontsize=9)
    ax.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xticks=[], yticks=[])
    which = f"{size} of {n} rows" if size < n else f"all {n} rows"
    ax.set_xlabel(f"{which}, by their component of the EM fit")
    ax.set_title("Posterior similarity matrix", pad=14)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return figure
