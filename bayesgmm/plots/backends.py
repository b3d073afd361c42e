"""Backends of ArviZ's plots: the libraries they need, and their units of size."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Any

#: The libraries of each. "none" draws nothing and records what it would draw.
LIBRARIES = {
    "matplotlib": ("matplotlib",),
    "bokeh": ("bokeh",),
    "plotly": ("plotly", "webcolors"),
    "none": (),
}
_DOTS_AN_INCH = 100
# Plotly's margins around the panels, in dots across and down, whatever the size.
_MARGINS = {"plotly": (160, 180)}


def checked_backend(backend: str | None) -> str:
    """The backend's name, ArviZ's `plot.backend` for None.

    Raises
    ------
    ValueError
        An unknown backend.
    ModuleNotFoundError
        A library that it needs is not installed.
    """
    if backend is None:
        from arviz_base import rcParams

        backend = str(rcParams["plot.backend"])
    if backend not in LIBRARIES:
        names = ", ".join(map(repr, LIBRARIES))
        raise ValueError(f"backend is {backend!r}: choose one of {names}.")
    missing = [library for library in LIBRARIES[backend] if find_spec(library) is None]
    if missing:
        raise ModuleNotFoundError(
            f"backend {backend!r} needs {' and '.join(missing)}: "
            f"pip install 'arviz-plots[{backend}]', or choose 'matplotlib'."
        )
    return backend


def figure_size(backend: str, width: float, height: float) -> dict[str, Any]:
    """Arguments for a figure of so many inches, in the units of the backend."""
    if backend == "matplotlib":
        inches = (width, height)
        return {"figsize": inches, "figsize_units": "inches", "layout": "constrained"}
    across, down = _MARGINS.get(backend, (0, 0))
    dots = (round(width * _DOTS_AN_INCH) + across, round(height * _DOTS_AN_INCH) + down)
    return {"figsize": dots, "figsize_units": "dots"}


def as_png(drawn: Any, dpi: int) -> bytes:
    """A matplotlib figure, or the one of an ArviZ PlotCollection, as PNG; it is then closed."""
    figure = drawn.viz["figure"].item() if hasattr(drawn, "viz") else drawn
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    if figure is not drawn:  # ArviZ draws through pyplot, which keeps figures
        import matplotlib.pyplot as plt

        plt.close(figure)
    return buffer.getvalue()
