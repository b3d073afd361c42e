"""Shared by all plots: colours, markers, lines, names with units, legends, rows to draw.

Figures are made without pyplot: nothing is kept open, no backend is touched. Colours are Okabe &
Ito's (2008), which colour-blind readers can distinguish; components also differ by marker.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from ..data.data import Data
from ..data.missing import rows_lacking
from ..data.units import units_in
from ..em.result import Fit
from ..mixture.mixture import Mixture
from ..utils.matrices import diagonals
from ..utils.types import FloatArray
from .canvas import Figure

type Units = Mapping[str, str] | None
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8B6F00")
# One more than the colours: the pair of them repeats only after 72 components.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
_LINES = ("-", "--", "-.", ":")
BEST, BAND, QUIET = "#D55E00", "#56B4E9", "0.3"
#: How noise is drawn: grey crosses.
NOISE, NOISE_MARKER = "0.55", "x"
_ROOT_2PI = np.sqrt(2 * np.pi)
# chi-square quantile with 2 degrees of freedom: an ellipse that holds 95 % of its component.
_ELLIPSE_RADIUS = float(np.sqrt(-2 * np.log(0.05)))
_MOST_POINTS = 5000
MOST_PANELS = 5
SIZES = "marker size: uncertainty"
#: What plots of uncertainty say of a single component.
CERTAIN = "A single component: every row belongs to it."
_ENTRIES = 16
# Most characters of a label, and of one of its lines.
_LONGEST, _ACROSS = 90, 48
# Standard deviations between points above which a component gets points of its own, unless its
# proportion is smaller than this.
_COARSE, _LIGHT = 1.0, 1e-3
# Most bins of a histogram, rows for each one added, least rows of a component to add some for.
_MOST_BINS, _ROWS_A_BIN, _ROWS_A_COMPONENT = 80, 6, 10


def colour(k: int) -> str:
    """Colour of component k.

    Parameters
    ----------
    k : int
        The component.

    Returns
    -------
    str
        A colour as matplotlib takes it.
    """
    return COLOURS[k % len(COLOURS)]


def shade(k: int) -> str:
    """Colour of component k where there are no markers: paler each time the colours repeat."""
    pale = 0.5 ** (k // len(COLOURS))
    red, green, blue = (1 - pale * (1 - c) for c in to_rgb(colour(k)))
    return to_hex((red, green, blue))


def marker(k: int) -> str:
    """Marker of component k."""
    return MARKERS[k % len(MARKERS)]


def line(k: int) -> str:
    """Line style of component k."""
    return _LINES[k // len(COLOURS) % len(_LINES)]


def units_of(x: Any, units: Units) -> dict[str, str]:
    """The units given, or those that the rows or the posterior bring along."""
    if units is None:
        return units_in(x)
    if not isinstance(units, Mapping):
        raise TypeError(
            f"units is {units!r}: pass a mapping of columns to units, such as {{'waiting': 'min'}}."
        )
    return {str(name): str(unit) for name, unit in units.items() if unit}


def named(name: str, units: Mapping[str, str]) -> str:
    """A column's label: its name, and its unit where that is known."""
    return f"{name} ({units[name]})" if name in units else name


def literal_text(text: str, width: int = _ACROSS) -> str:
    """A text that matplotlib shows as it is, without mathematics, shortened and wrapped to fit.

    Between dollars matplotlib would set the user's names as mathematics, or raise an error.
    """
    clean = "".join(c if c.isprintable() else " " for c in text)
    if len(clean) > _LONGEST:
        clean = f"{clean[: _LONGEST // 2]}...{clean[-_LONGEST // 3 :]}"
    return textwrap.fill(clean, width).replace("$", r"\$")


def component_label(mixture: Mixture, k: int) -> str:
    """What component k is called, as matplotlib takes it."""
    return literal_text(str(mixture.components[k]), 16)


def component_labels(mixture: Mixture) -> list[str]:
    """What the components are called, as matplotlib takes it."""
    return [component_label(mixture, k) for k in range(mixture.n_components)]


def longest_line(labels: Sequence[str]) -> int:
    """Characters of the longest line of some labels, which tell how much room these take."""
    return max(len(line) for label in labels for line in label.split("\n"))


def labelled(names: Sequence[str], units: Mapping[str, str]) -> tuple[str, ...]:
    """Labels of several columns, as matplotlib takes them."""
    return tuple(literal_text(named(name, units)) for name in names)


def separating_columns(mixture: Mixture, at_most: int = MOST_PANELS) -> list[int]:
    """A few columns, those with the largest variance between over within components."""
    if mixture.d <= at_most:
        return list(range(mixture.d))
    between = mixture.weights @ (mixture.means - mixture.weights @ mixture.means) ** 2
    within = mixture.weights @ diagonals(mixture.covariances)
    return sorted(np.argsort(-between / within, kind="stable")[:at_most].tolist())


def sample(data: Data, fit: Fit | Mixture) -> tuple[FloatArray, FloatArray]:
    """Rows to draw, all or five thousand evenly spaced ones, and their responsibilities.

    With noise these have a last column for it.
    """
    x = some_rows(data)
    return x, fit.predict_proba(x)


def noise_share(fit: Any) -> float:
    """The share of noise of a fit; 0 without."""
    return float(getattr(fit, "noise_share", 0.0))


def some_rows(data: Data, at_most: int = _MOST_POINTS) -> FloatArray:
    """All rows, or so many evenly spaced ones; missing values are NaN, which is not drawn."""
    rows: Any = slice(None)
    if data.n > at_most:
        rows = np.linspace(0, data.n - 1, at_most).round().astype(int)
    return np.asarray(data.values[rows], dtype=np.float64)


def grid_along(x: FloatArray, mixture: Mixture, j: int = 0) -> FloatArray:
    """Points at which to draw a curve over values of column j, a little beyond their range."""
    low, high = np.nanmin(x), np.nanmax(x)
    margin = 0.08 * (high - low)
    even = np.linspace(low - margin, high + margin, 400)
    return with_narrow(even, mixture, j, 60)


def with_narrow(even: FloatArray, mixture: Mixture, j: int, size: int) -> FloatArray:
    """Points along column j, and `size` more about each component that is lost between them."""
    means, sd = mixture.means[:, j, None], np.sqrt(mixture.variances[:, j, None])
    narrow = (mixture.weights > _LIGHT) & (_COARSE * sd[:, 0] < even[1] - even[0])
    about = (means + sd * np.linspace(-6, 6, size))[narrow]
    return np.unique(np.concatenate([even, about.ravel()]))


def ellipse(mixture: Mixture, k: int, a: int, b: int) -> Ellipse:
    """The outline that holds 95 % of a component, seen in columns a and b."""
    covariance = mixture.covariances[k][np.ix_([a, b], [a, b])]
    values, vectors = np.linalg.eigh(covariance)
    axes = 2 * _ELLIPSE_RADIUS * np.sqrt(values)
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    center = (float(mixture.means[k, a]), float(mixture.means[k, b]))
    return Ellipse(
        center, axes[1], axes[0], angle=angle, fill=False, ec=colour(k), lw=1.6, ls=line(k)
    )


def marginal_panel(
    ax: Axes, x: FloatArray, mixture: Mixture, j: int, noise: float = 0.0, histogram: bool = True
) -> None:
    """Draw the histogram of a column and its components' weighted densities, beside noise."""
    x = x[~np.isnan(x)]
    if histogram:
        ax.hist(x, bins=_bins(x, mixture, j), density=True, color="0.85", zorder=0)
    grid = grid_along(x, mixture, j)
    for k in range(mixture.n_components):
        sd = np.sqrt(mixture.covariances[k, j, j])
        z = (grid - mixture.means[k, j]) / sd
        ax.plot(
            grid, (1 - noise) * mixture.weights[k] * np.exp(-0.5 * z * z) / (sd * _ROOT_2PI),
            color=colour(k), lw=1.4, ls=line(k),
        )  # fmt: skip


def _bins(x: FloatArray, mixture: Mixture, j: int) -> int:
    """Freedman & Diaconis's number of bins, or more where components are much narrower."""
    usual = len(np.histogram_bin_edges(x, "fd")) - 1
    heavy = mixture.weights * len(x) >= _ROWS_A_COMPONENT
    narrow = np.sqrt(mixture.covariances[heavy, j, j]).min(initial=np.inf)
    fine = min(np.ptp(x) / narrow, len(x) / _ROWS_A_BIN) if narrow > 0 else 0
    return int(min(max(usual, fine, 1), _MOST_BINS))


def density_panel(ax: Axes, x: FloatArray, mixture: Mixture, noise: float = 0.0) -> None:
    """Draw the mixture's density of one column over its components' and a histogram.

    Beside noise it is that of what is not noise, times its share.
    """
    grid = grid_along(x, mixture)
    ax.plot(
        grid, (1 - noise) * np.exp(mixture.log_density(grid[:, None])), color="black", ls="--",
        lw=1.2, label="EM fit" if noise == 0 else "EM fit, without the noise",
    )  # fmt: skip
    marginal_panel(ax, x, mixture, 0, noise)
    ax.set_ylabel("density")


def noise_handle(share: float) -> Line2D:
    """The entry of noise in a legend."""
    label = f"noise ({share:.0%})"
    return Line2D([], [], marker=NOISE_MARKER, ls="", color=NOISE, label=label)


def component_legend(
    figure: Figure | Axes, mixture: Mixture, loc: Any, *notes: str, noise: float = 0.0
) -> None:
    """Add a legend of components with their shares, under notes on how to read the plot."""
    handles = [
        Line2D(
            [], [], marker=marker(k), ls=line(k), lw=1.4, color=colour(k),
            label=f"{component_label(mixture, k)} ({(1 - noise) * mixture.weights[k]:.0%})",
        )
        for k in range(mixture.n_components)
    ]  # fmt: skip
    handles += [noise_handle(noise)] if noise > 0 else []
    figure.legend(
        handles=handles, loc=loc, ncols=-(-len(handles) // _ENTRIES), frameon=False, fontsize=9,
        title="\n".join([*notes, "component (share)"]), title_fontsize=9, handlelength=2.4,
        alignment="left",
    )  # fmt: skip


def footnote(figure: Figure, text: str) -> None:
    """Add a note below the plot, at its left."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=8.5, color=QUIET)


def missing_note(data: Data, *panels: Sequence[int]) -> str:
    """How many rows panels of these columns cannot show, as they lack a value of theirs."""
    if data.groups is None:
        return ""
    lacking = rows_lacking(data, panels).tolist()
    low, high = int(min(lacking)), int(max(lacking))
    if high and len(panels) == 1:
        return f"{high} of {data.n} rows lack a value here, and are not shown."
    number = f"{high}" if low == high else f"{low} to {high}"
    return (
        f"A panel is without {number} of {data.n} rows, which lack a value there." if high else ""
    )


def note_on_missing(figure: Figure, data: Data, *panels: Sequence[int]) -> None:
    """Add how many rows panels of these columns cannot show."""
    if note := missing_note(data, *panels):
        footnote(figure, note)


def despine(ax: Axes) -> None:
    """Hide the frame's upper and right side."""
    for spine in ("top", "right"):
        ax.spines[spine].set_visible(False)
