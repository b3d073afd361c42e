"""Very many rows as counts by cell, where points would hide each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from ..mixture.binned import Binned
from ..utils.types import FloatArray
from .style import NOISE, colour

#: What a legend says of cells.
CELLS = "shade: log of the number of rows"
# Neighbouring cells that are one where lines are drawn about them.
_JOINED = 2
# Opacity of the cell with the fewest and with the most rows.
_PALE, _DENSE = 0.12, 0.95


def draw_cells(ax: Axes, binned: Binned, i: int, j: int) -> None:
    """The rows in direction i over direction j, in the colours of their components."""
    extent = (*binned.edges[j][[0, -1]], *binned.edges[i][[0, -1]])
    _draw(ax, binned.pairs[i, j], extent, _hues(binned))


def draw_strip(ax: Axes, binned: Binned) -> None:
    """The rows in one direction, a line for each component."""
    counts, hues = binned.marginals[0], _hues(binned)
    for k in range(len(counts)):
        alone = np.zeros((len(counts), 1, counts.shape[1]))
        alone[k, 0] = counts[k]
        _draw(ax, alone, (*binned.edges[0][[0, -1]], k - 0.35, k + 0.35), hues)


def outline_doubtful(ax: Axes, binned: Binned, least: float) -> None:
    """A line about the cells whose rows' mean uncertainty is above this."""
    uncertainty = binned.uncertainty[1, 0]
    if uncertainty.max() > least > uncertainty.min():
        ax.contour(
            *(_centres(binned.edges[j]) for j in (0, 1)), uncertainty, levels=[least],
            colors="black", linewidths=0.8,
        )  # fmt: skip


def mesh_of(binned: Binned) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """Centres of larger cells in two directions, and the rows in them (second, first)."""
    counts = binned.pairs[1, 0].sum(axis=0)
    n = len(counts) // _JOINED
    counts = counts.reshape(n, _JOINED, n, _JOINED).sum(axis=(1, 3))
    axes = _centres(binned.edges[0][::_JOINED]), _centres(binned.edges[1][::_JOINED])
    return axes, counts


def marginal_cells(ax: Axes, binned: Binned, j: int) -> None:
    """The histogram of all rows in a direction, as a density."""
    counts, edges = binned.marginals[j].sum(axis=0), binned.edges[j]
    heights = counts / max(counts.sum(), 1e-300) / np.diff(edges)
    ax.stairs(heights, edges, fill=True, color="0.85", zorder=0)


def _centres(edges: FloatArray) -> FloatArray:
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _hues(binned: Binned) -> FloatArray:
    """The components' colours (K, 3), that of noise last."""
    k = binned.marginals.shape[1] - binned.with_noise
    names = [*(colour(c) for c in range(k)), *([NOISE] if binned.with_noise else [])]
    return np.array([to_rgb(name) for name in names])


def _draw(ax: Axes, counts: FloatArray, extent: Any, hues: FloatArray) -> None:
    """Counts (K, rows, columns) as an image: hue by component, opacity by their number."""
    total = counts.sum(axis=0)
    image = np.zeros((*total.shape, 4))
    image[..., :3] = np.tensordot(counts, hues, (0, 0)) / np.maximum(total, 1e-300)[..., None]
    shade = np.log1p(total) / max(float(np.log1p(total.max())), 1e-300)
    image[..., 3] = np.where(total > 0, _PALE + (_DENSE - _PALE) * shade, 0.0)
    ax.imshow(
        np.clip(image, 0, 1), origin="lower", extent=extent, aspect="auto",
        interpolation="nearest", zorder=0.5,
    )  # fmt: skip
