"""Plot of the components' profiles: their means beside the overall mean, column by column."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from ..mixture.of_results import estimate_of, mixture_of
from .canvas import Figure, Place, panel
from .style import component_labels, literal_text, longest_line, noise_share

# Largest distance that a shade of its own shows, in standard deviations of the column.
_FARTHEST = 2.0
# Cells up to which each has its number.
_NUMBERED = 160
# Characters of a component's name that a cell is wide; longer ones are turned.
_ACROSS = 8


def plot_profiles(
    X: Any,
    fit: Any,
    **place: Unpack[Place],
) -> Figure:  # noqa: N803 - scikit-learn's name for the data
    """The components' means as a heat map, in standard deviations from each column's mean.

    What distinguishes the components, for many columns at a time: blue is below, orange above the
    mean of all rows. Shares are of all rows: beside noise they are less than 1 together.

    Parameters
    ----------
    X : array-like (n, d)
        The rows of the fit.
    fit : Fit or Mixture
        Also a fitted `GaussianMixture`, or a `Selection`, of which its best fit.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_iris(features_only=True)
    >>> figure = plots.plot_profiles(X, bayesgmm.fit(X, 3, "VEV", random_seed=1))
    >>> figure.axes[0].get_title()
    'Component means, standardised'
    """
    mixture = mixture_of(fit, beside_noise=True)
    data, noise = mixture.rows(X), noise_share(estimate_of(fit))
    z = (mixture.means - data.center) / data.sd
    names = component_labels(mixture)
    long = longest_line(names) > _ACROSS
    height = max(3.2, 1.5 + 0.3 * mixture.d) + long
    figure, ax = panel((2.6 + 0.75 * max(mixture.n_components, 4), height), place)
    image = ax.imshow(z.T, cmap="PuOr_r", vmin=-_FARTHEST, vmax=_FARTHEST, aspect="auto")
    figure.colorbar(image, ax=ax, extend="both", label="standard deviations")
    if z.size <= _NUMBERED:
        for k, j in np.ndindex(*z.shape):
            ink = "white" if abs(z[k, j]) > 0.7 * _FARTHEST else "black"
            ax.text(k, j, f"{z[k, j]:+.1f}", ha="center", va="center", fontsize=8, color=ink)
    ax.set(
        xticks=range(mixture.n_components), yticks=range(mixture.d),
        xticklabels=[
            f"{name}\n{(1 - noise) * share:.0%}"
            for name, share in zip(names, mixture.weights, strict=True)
        ],
        yticklabels=[literal_text(name, 24) for name in mixture.names],
        xlabel="component and its share",
    )  # fmt: skip
    ax.set_title("Component means, standardised")
    ax.tick_params(length=0)
    ax.tick_params(axis="x", labelrotation=90 if long else 0)
    return figure
