"""Plot of the responsibilities of all rows."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ..em.result import Fit
from ..mixture.mixture import Mixture
from ..mixture.of_results import estimate_of, mixture_of
from ..posterior.posterior import Posterior
from ..utils.types import FloatArray
from ..utils.validation import check_probability
from .canvas import Figure, Place, beside, canvas, legend_of, panel, saying
from .style import (
    CERTAIN,
    COLOURS,
    NOISE,
    colour,
    component_labels,
    despine,
    noise_share,
    some_rows,
)

# Hatches over the colours when these are used again.
_HATCHES = ("", "////", "....", "xxxx")
# Rows, and draws of a posterior, beyond which the plot would look the same.
_MOST_ROWS = 2000
_MOST_DRAWS = 400


def plot_responsibilities(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit | Mixture | Posterior,
    *,
    ci_prob: float = 0.89,
    **place: Unpack[Place],
) -> Figure:
    """Every row as a column of its responsibilities, which add up to 1.

    Rows are sorted by their most probable component, and within it from certain to doubtful. Of a
    posterior the responsibilities' means are shown, and below them the interval of the most
    probable component's. Of more than 2000 rows, 2000 evenly spaced ones are drawn.

    Parameters
    ----------
    X : array-like (n, d), or None
        Rows; None for a posterior's own.
    fit : Fit, Mixture or Posterior
        The mixture whose responsibilities are shown.
    ci_prob : float
        Probability of a posterior's interval.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        X is None and there is no posterior.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_faithful()
    >>> figure = plots.plot_responsibilities(X, bayesgmm.fit(X, 2, random_seed=1))
    >>> figure.axes[0].get_ylabel()
    'responsibility'
    """
    ci_prob = check_probability("ci_prob", ci_prob)
    found = fit.fit if isinstance(fit, Posterior) else estimate_of(fit)
    mixture = mixture_of(found, beside_noise=True)
    if X is None and not isinstance(fit, Posterior):
        raise TypeError("X is None: pass the rows; only a posterior has rows of its own.")
    noisy = noise_share(found) > 0
    if mixture.n_components == 1 and not noisy:
        return saying("Responsibilities of the rows", CERTAIN, place)
    data = fit.data if X is None and isinstance(fit, Posterior) else mixture.rows(X)
    rows = some_rows(data, _MOST_ROWS)
    if isinstance(fit, Posterior):
        figure = canvas((9, 5.6), place)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        intervals = fit.responsibilities(rows, ci_prob=ci_prob, n_draws=_MOST_DRAWS)
        resp = intervals["mean"].to_numpy()
        order = _order(resp)
        low, high = intervals["lower"].to_numpy(), intervals["upper"].to_numpy()
        _intervals(bottom, resp[order], low[order], high[order], ci_prob, noisy)
    else:
        figure, top = panel((9, 4.2), place)
        bottom = top
        resp = (found if noisy else mixture).predict_proba(rows)
        order = _order(resp)
    _stack(top, resp[order], noisy)
    whose = "Posterior mean responsibilities" if isinstance(fit, Posterior) else "Responsibilities"
    top.set(ylabel="responsibility", ylim=(0, 1), xlim=(0, 100), title=f"{whose} of the rows")
    bottom.set_xlabel("rows by most probable component, from certain to doubtful, %")
    handles = [_patch(k, label) for k, label in enumerate(component_labels(mixture))]
    handles += [Patch(label="noise", lw=0, facecolor=NOISE)] if noisy else []
    legend_of(figure, top, place if bottom is top else {}).legend(
        handles=handles, loc=beside(place if bottom is top else {}), title="component",
        frameon=False,
    )  # fmt: skip
    return figure


def _order(resp: FloatArray) -> Any:
    """Rows by most probable component, and within it from certain to doubtful."""
    return np.lexsort((-resp.max(axis=1), np.argmax(resp, axis=1)))


def _edges(n: int) -> FloatArray:
    return np.linspace(0, 100, n + 1)


def _stack(ax: Axes, resp: FloatArray, noisy: bool) -> None:
    """Steps on top of one another; the frame stays above them."""
    floor = np.zeros(len(resp))
    x = _edges(len(resp))
    for k in range(resp.shape[1]):
        top = floor + resp[:, k]
        ax.fill_between(
            x, np.append(floor, floor[-1]), np.append(top, top[-1]), step="post", lw=0,
            **({"facecolor": NOISE} if noisy and k == resp.shape[1] - 1 else _look(k)),
        )  # fmt: skip
        floor = top


def _look(k: int) -> dict[str, Any]:
    hatch = _HATCHES[k // len(COLOURS) % len(_HATCHES)]
    return {"facecolor": colour(k), "hatch": hatch, "edgecolor": "white"}


def _patch(k: int, label: str) -> Patch:
    return Patch(label=label, lw=0, **_look(k))


def _intervals(
    ax: Axes, resp: FloatArray, low: FloatArray, high: FloatArray, ci_prob: float, noisy: bool
) -> None:
    """The most probable component's responsibility, with its interval."""
    labels = np.argmax(resp, axis=1)
    x = _edges(len(resp))
    i = np.arange(len(resp))
    for k in np.unique(labels):
        mine = i[labels == k]  # neighbours, as the rows are sorted
        at = x[mine[0] : mine[-1] + 2]
        lower, upper = (np.append(v[mine, k], v[mine[-1], k]) for v in (low, high))
        of_k = NOISE if noisy and k == resp.shape[1] - 1 else colour(int(k))
        ax.fill_between(at, lower, upper, step="post", lw=0, alpha=0.4, color=of_k)
        ax.step(at, np.append(resp[mine, k], resp[mine[-1], k]), where="post", lw=1.2, color=of_k)
    ax.set(ylabel=f"of the most\nprobable, {ci_prob:.0%}", ylim=(0, 1.03))
    despine(ax)
