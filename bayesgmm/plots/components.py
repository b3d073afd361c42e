"""Plot of the number of components before and after the data."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from ..posterior.components import ComponentsPosterior
from ..utils.types import FloatArray
from .canvas import Figure, Place, canvas
from .style import BEST, QUIET, despine

# Numbers of components are drawn as far as this much of a prior or posterior is left there.
_LEFT = 0.01
_ERRORS = 2.0


def plot_components(
    posterior: ComponentsPosterior,
    **place: Unpack[Place],
) -> Figure:
    """Prior and posterior probabilities of K, and of the number K+ of components that hold rows.

    Bars are p(K | data), with two Monte Carlo errors; dots the prior, which for K+ is what the
    priors of K and the proportions imply.

    Parameters
    ----------
    posterior : ComponentsPosterior
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> posterior.plot.components()  # doctest: +SKIP
    """
    table = posterior.table
    figure = canvas((9, 3.6), place)
    left, right = figure.subplots(1, 2, sharey=True)
    for ax, name, label in (
        (left, "K", "components K"),
        (right, "filled", "components that hold rows, K+"),
    ):
        prior, values, errors = (
            table[f"{name}_{column}"].to_numpy() for column in ("prior", "posterior", "mcse")
        )
        _draw(ax, prior, values, errors)
        ax.set(xlabel=label)
        despine(ax)
    left.set(ylabel="probability")
    left.legend(frameon=False)
    return figure


def _draw(ax: Axes, prior: FloatArray, values: FloatArray, errors: FloatArray) -> None:
    """Bars and dots as far as either has mass."""
    tail = np.cumsum(values[::-1])[::-1]
    shown = int(np.sum(tail > _LEFT))
    numbers = np.arange(1, shown + 1)
    ax.bar(
        numbers, values[:shown], yerr=_ERRORS * errors[:shown], width=0.7, alpha=0.8, ecolor=QUIET,
        label="posterior",
    )  # fmt: skip
    ax.plot(numbers, prior[:shown], "o--", color=BEST, ms=4, lw=0.8, label="prior")
    ax.set_xticks(numbers[:: 1 + shown // 16])
