"""Plot of EM's convergence: the objective after every iteration."""

from __future__ import annotations

import textwrap
from typing import Unpack

import numpy as np

from ..em.result import Fit
from .canvas import Figure, Place, canvas
from .style import COLOURS, QUIET, despine, footnote

# Gains below this fraction of the objective are rounding errors.
_ROUNDING = 1e-13
# Gains below this are seen on the right only.
_FLAT = 1e-3


def plot_convergence(
    fit: Fit,
    **place: Unpack[Place],
) -> Figure:
    """EM's objective after every iteration, and its distance from the final value.

    On the right the distance has a logarithmic scale, on which EM's own steps make a straight
    line (its convergence is linear) and accelerated steps make a bend or a jump.

    Parameters
    ----------
    fit : Fit
        The fit, of which the best start is shown.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> figure = plots.plot_convergence(bayesgmm.fit(X, 2, random_seed=1))
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['log-likelihood', 'log-likelihood still to gain']
    """
    what = "log-likelihood" if fit.prior is None else "log posterior density"
    values = np.asarray(fit.history)
    iteration = np.arange(len(values))
    figure = canvas((8.4, 3.9), place)
    left, right = figure.subplots(1, 2)
    style = {"color": COLOURS[0], "marker": "o", "ms": 4 if len(values) < 60 else 0, "lw": 1.4}
    left.plot(iteration, values, **style)
    left.set(ylabel=what, title=f"{what.capitalize()}: {values[-1]:.3f} at the end")
    left.ticklabel_format(axis="y", useOffset=False)
    if np.ptp(values) < _FLAT:  # else every tick would be the same number to many digits
        left.set_ylim(values[-1] - 1, values[-1] + 1)
    gain = values[-1] - values
    above = gain > _ROUNDING * max(1.0, abs(values[-1]))
    right.plot(iteration[above], gain[above], **style)
    right.set(ylabel=f"{what} still to gain", title="Distance from the final value", yscale="log")
    if not above.any():
        right.text(0.5, 0.5, "no gain over the start", transform=right.transAxes, ha="center",
                   color=QUIET)  # fmt: skip
        right.set(yscale="linear", yticks=[])
    for ax in (left, right):
        ax.set_xlabel("iteration of EM")
        ax.set_xlim(-0.03 * max(fit.n_iter, 1), 1.03 * max(fit.n_iter, 1))
        ax.xaxis.get_major_locator().set_params(integer=True)
        despine(ax)
    name = f"{fit.model_name}, K = {fit.n_components}"
    footnote(figure, textwrap.fill(f"{name}: {fit.advice}", 120))
    return figure
