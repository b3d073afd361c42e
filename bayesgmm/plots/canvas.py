"""Where a plot is drawn: a figure of its own, or a place in a figure of the caller's."""

from __future__ import annotations

import io
from typing import Any, TypedDict, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure as _Figure
from matplotlib.figure import SubFigure


class Place(TypedDict, total=False):
    """Where a plot is drawn, and how large.

    Attributes
    ----------
    ax : Axes or SubFigure
        A place in a figure of yours. A plot of one panel is drawn in the Axes; one of several takes
        its place.
    figsize : tuple of 2 float
        Width and height in inches, of a figure of its own.
    """

    ax: Axes | SubFigure | None
    figsize: tuple[float, float] | None


class Figure(_Figure):
    """A matplotlib figure that notebooks show, though pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()

    def show(self, warn: bool = True) -> None:
        """Show the figure in a window, and wait until it is closed: for scripts.

        Parameters
        ----------
        warn : bool
            Warn where matplotlib's backend has no windows.
        """
        import matplotlib.pyplot as plt

        window = plt.figure(figsize=tuple(self.get_size_inches()))
        canvas = window.canvas
        canvas.figure = self
        self.set_canvas(canvas)
        if warn or plt.get_backend().lower() != "agg":
            plt.show()
        plt.close(window.number)


def canvas(size: tuple[float, float], place: Place) -> Figure:
    """The figure of this size in inches, if no other is asked for; or the place in another.

    Raises
    ------
    TypeError
        `ax` is neither Axes nor SubFigure.
    ValueError
        Both `ax` and `figsize`, or Axes that are not part of a grid.
    """
    ax, figsize = place.get("ax"), place.get("figsize")
    if ax is None:
        return Figure(figsize=figsize or size, layout="constrained")
    if figsize is not None:
        raise ValueError("figsize is given, and so is ax: its figure has a size; leave one out.")
    if not isinstance(ax, Axes | SubFigure):
        raise TypeError(f"ax is a {type(ax).__name__}: pass matplotlib Axes or a SubFigure.")
    root = ax.get_figure(root=True)
    assert root is not None
    if root.get_layout_engine() is None:
        root.set_layout_engine("constrained")
    if isinstance(ax, SubFigure):
        return cast(Figure, ax)
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError("ax is not part of a grid of panels: make it by plt.subplots().")
    part = cast(Any, ax.get_figure(root=False)).add_subfigure(spec)
    ax.remove()
    return cast(Figure, part)


def panel(size: tuple[float, float], place: Place) -> tuple[Figure, Axes]:
    """The figure and the axes of a plot that has one panel."""
    ax = place.get("ax")
    if isinstance(ax, Axes) and place.get("figsize") is None:
        return cast(Figure, ax.get_figure(root=False)), ax
    figure = canvas(size, place)
    return figure, figure.subplots()


def saying(title: str, text: str, place: Place) -> Figure:
    """A plot that says why there is nothing to draw."""
    figure, ax = panel((6.4, 2.2), place)
    ax.set_axis_off()
    ax.set_title(title)
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="0.3")
    return figure


def legend_of(figure: Figure, ax: Axes, place: Place) -> Any:
    """What has a plot's legend: a figure of its own beside the panel, or else the panel."""
    return ax if isinstance(place.get("ax"), Axes) else figure


def beside(place: Place) -> str:
    """Where that legend is."""
    return "best" if isinstance(place.get("ax"), Axes) else "outside right upper"
