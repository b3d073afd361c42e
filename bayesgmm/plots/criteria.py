"""Plot of a criterion over a grid of fits, by family and number of components."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from ..em.noisy_fit import SUFFIX
from ..families import FAMILIES
from ..selection.criteria import CRITERIA, criterion_of
from ..selection.selection import Selection
from ..utils.types import FloatArray
from .canvas import Figure, Place, panel
from .style import COLOURS, MARKERS, NOISE, footnote

_LOWER_IS_BETTER = [name for name, criterion in CRITERIA.items() if criterion.sign > 0]
# Shape and orientation by colour and marker, volume by line (E dashed and hollow): 7 x 2 families.
_KINDS = ("II", "EI", "VI", "EE", "VE", "EV", "VV")


def plot_bic(
    selection: Selection,
    criterion: str = "bic",
    **place: Unpack[Place],
) -> Figure:
    """A criterion by number of components, one line a family; the best cell is ringed.

    A colour and marker stand for shape and orientation, a dashed line with hollow markers for
    equal volumes. Cells without an estimate are crosses above the axes, with the reasons below.

    Parameters
    ----------
    selection : Selection
    criterion : {"bic", "icl", "aic"}
        Lower is better for all of them.
    **place : Place
        `ax`, an Axes or SubFigure of yours to draw in; or `figsize`, in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        An unknown criterion, or no cell with an estimate.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm import plots
    >>> X = bayesgmm.datasets.load_galaxies()
    >>> selection = bayesgmm.select(X, range(1, 4), n_init=2, random_seed=1, progressbar=False)
    >>> plots.plot_bic(selection, "icl").axes[0].get_xlabel()
    'number of components K'
    """
    if criterion not in _LOWER_IS_BETTER:
        raise ValueError(f"criterion is {criterion!r}: pass one of {', '.join(_LOWER_IS_BETTER)}.")
    shown, table = criterion_of(criterion), selection.table
    without = table["bic"].isna()  # cells without an estimate
    failed, sound = table[without], table[~without & table[criterion].notna()]
    if sound.empty:
        raise ValueError(f"no cell of the grid has an estimate: {_reasons(failed['note'])}.")
    grid = table.pivot(index="K", columns="family", values=criterion)  # NaN breaks a line
    families = sorted(grid.columns, key=_family_order)
    figure, ax = panel((8, 4.8), place)
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
        xlabel="number of components K", ylabel=shown.axis, xticks=grid.index,
        xlim=(grid.index[0] - room, grid.index[-1] + room),
    )  # fmt: skip
    larger = f"with larger {shown.label} not shown."
    notes = [f"{hidden} model{'s' * (hidden > 1)} {larger}"] if hidden else []
    if len(failed):
        _crosses(ax, failed, families)
        notes.append(f"x: {len(failed)} models without an estimate ({_reasons(failed['note'])}).")
    if notes:
        footnote(figure, textwrap.fill(" ".join(notes), 110))
    ax.set_title(
        f"{shown.label} by family and number of components",
        pad=20 if len(failed) else None,  # above the crosses
    )
    ax.legend(
        title="family", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5),
        ncols=1 + (len(families) > 8), handlelength=2.6, columnspacing=1.2,
    )  # fmt: skip
    return figure


def _family_order(family: str) -> tuple[str, int]:
    names, base = list(FAMILIES), _base(family)
    place = names.index(base) if base in names else len(names)
    return f"{base != family}{family[:1]}", place


def _base(family: str) -> str:
    """The family without what says that there is noise."""
    return family.removesuffix(SUFFIX)


def _family_style(family: str) -> dict[str, Any]:
    if family == SUFFIX[1:]:  # of no component
        return {"color": "grey", "marker": "s", "ls": "none"}
    kind = _kind(_base(family))
    dashed, noisy = family.startswith("E"), _base(family) != family
    return {
        "color": COLOURS[kind],
        "marker": MARKERS[kind],
        "ls": ":" if noisy else "--" if dashed else "-",
        "mfc": NOISE if noisy else "white" if dashed else COLOURS[kind],
    }


def _kind(family: str) -> int:
    return _KINDS.index(family[1:]) if family[1:] in _KINDS else "EV".find(family) % 8


def _crosses(ax: Axes, failed: Any, families: list[str]) -> None:
    """A cross above the axes for each failed cell, families side by side, E below V."""
    above = blended_transform_factory(ax.transData, ax.transAxes)
    kinds = sorted({_kind(_base(family)) for family in families})
    for family, k in zip(failed["family"], failed["K"], strict=True):
        family = _base(family)
        place = 0.1 * (kinds.index(_kind(family)) - (len(kinds) - 1) / 2)
        ax.plot(
            k + place, 1.022 if family.startswith("E") else 1.05, "x", ms=4, mew=1.3,
            color=COLOURS[_kind(family)], transform=above, clip_on=False,
        )  # fmt: skip


def _reasons(notes: Any) -> str:
    """The reasons for failed cells, by their first words, with their counts."""
    first = (re.split(r"[:,;(]", note)[0].strip() for note in notes)
    counts = Counter(re.sub(r"\d[\d.]*", "...", words).rstrip(" .") for words in first)
    return ", ".join(
        f"{textwrap.shorten(words, 60, placeholder='...')}: {count}"
        for words, count in counts.most_common()
    )


def _focus(ax: Axes, values: FloatArray) -> int:
    """Show the better half in full, lest one very bad family flatten all the others.

    Returns the number of values above the plot.
    """
    best, typical, worst = np.min(values), np.median(values), np.max(values)
    if worst - best > 4 * (typical - best) > 0:
        top = best + 2.0 * (typical - best)
        ax.set_ylim(best - 0.2 * (top - best), top)
        return int(np.sum(values > top))
    room = (worst - best) or 1.0
    ax.set_ylim(best - 0.2 * room, worst + 0.05 * room)
    return 0
