"""Plots of chains, by ArviZ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from ..mixture.draws import NoisyDraws
from ..mixture.mixture import Mixture
from ..posterior.posterior import Posterior
from .backends import checked_backend, figure_size
from .style import COLOURS, literal_text, separating_columns

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

# Most panels of a plot, and how many stand side by side.
_MOST = 24
_ACROSS = 4
_PANEL = (2.9, 1.9)


def plot_trace(
    posterior: Posterior,
    var_names: str | Sequence[str] | None = None,
    *,
    backend: str | None = None,
    **options: Any,
) -> PlotCollection:
    """Traces of the parameters: chains that mix look like the same noise.

    Parameters
    ----------
    posterior : Posterior
        Draws.
    var_names : str or sequence of str, optional
        Variables of `posterior.tree`; if left out pi, the share of noise where there is some, and
        mu, of so few columns (those in which the components differ most) that 24 panels hold them.
    backend : str, optional
        "matplotlib", "bokeh" or "plotly" (`pip install 'arviz-plots[plotly]'`); ArviZ's
        `plot.backend` if left out.
    **options
        Of `arviz_plots.plot_trace`.

    Returns
    -------
    arviz_plots.PlotCollection

    Examples
    --------
    >>> posterior.plot_trace("mu", coords={"feature": "waiting"})  # doctest: +SKIP
    """
    from arviz_plots import plot_trace as draw

    return _tidied(draw(posterior.tree, **_arguments(posterior, var_names, backend, options)))


def plot_rank(
    posterior: Posterior,
    var_names: str | Sequence[str] | None = None,
    *,
    backend: str | None = None,
    **options: Any,
) -> PlotCollection:
    """Ranks of each chain's draws among those of all: lines near zero if the chains agree.

    Differences to the uniform distribution function, black where they are too large for chance
    (Säilynoja, Bürkner & Vehtari 2022, Stat. Comput. 32, 32).

    Parameters
    ----------
    posterior : Posterior
        Draws.
    var_names, backend
        As for `plot_trace`.
    **options
        Of `arviz_plots.plot_rank`.

    Returns
    -------
    arviz_plots.PlotCollection

    Examples
    --------
    >>> posterior.plot_rank()  # doctest: +SKIP
    """
    from arviz_plots import plot_rank as draw

    return _tidied(draw(posterior.tree, **_arguments(posterior, var_names, backend, options)))


def plot_energy(
    posterior: Posterior, *, backend: str | None = None, **options: Any
) -> PlotCollection:
    """Energies of the chains and of their transitions: alike if the chains explore well.

    Parameters
    ----------
    posterior : Posterior
        Draws by a Hamiltonian sampler.
    backend : str, optional
        As for `plot_trace`.
    **options
        Of `arviz_plots.plot_energy`.

    Returns
    -------
    arviz_plots.PlotCollection

    Raises
    ------
    ValueError
        The draws are from a sampler that has no energy.

    Examples
    --------
    >>> posterior.plot_energy()  # doctest: +SKIP
    """
    if "energy" not in posterior.tree["sample_stats"].data_vars:
        raise ValueError(
            f"the sampler {posterior.tree.attrs['sampler']!r} has no energy: only Hamiltonian "
            "ones have, such as 'nutpie'."
        )
    from arviz_plots import plot_energy as draw

    backend = checked_backend(backend)
    size = {"figure_kwargs": figure_size(backend, 3 * _PANEL[0], 1.5 * _PANEL[1])}
    return draw(posterior.tree, backend=backend, **size | options)


def _tidied(drawn: PlotCollection) -> PlotCollection:
    """The same plot: of matplotlib's panels, only the lowest of a column names its x axis."""
    figure = drawn.viz["figure"].item()
    if isinstance(figure, Figure):
        panels = [ax for ax in figure.axes if ax.axison and ax.get_subplotspec() is not None]
        for ax in panels:
            if any(_right_below(other, ax) for other in panels):
                ax.set_xlabel("")
    return drawn


def _right_below(other: Any, ax: Any) -> bool:
    a, b = ax.get_subplotspec(), other.get_subplotspec()
    return bool(a.colspan == b.colspan and b.rowspan.start == a.rowspan.stop)


def _arguments(
    posterior: Posterior,
    var_names: str | Sequence[str] | None,
    backend: str | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Arguments of ArviZ's function: the variables to show, and the size of the panels."""
    mixture = posterior.fit.mixture
    coords = dict(options.pop("coords", None) or {})
    if var_names is None:
        first = ["pi"] if mixture.n_components > 1 else []
        first += ["noise_share"] if isinstance(posterior.draws, NoisyDraws) else []
        var_names = [*first, "mu"]
        room = _MOST - ("noise_share" in first)
        coords.setdefault("feature", _columns(mixture, room))
    names = [var_names] if isinstance(var_names, str) else list(var_names)
    chosen = posterior.tree["posterior"].to_dataset()[names]
    present = {name: at for name, at in coords.items() if name in chosen.dims}
    picked = chosen.sel({n: at if isinstance(at, list) else [at] for n, at in present.items()})
    count = sum(v.size for v in picked.isel(chain=0, draw=0).data_vars.values())
    asked_backend = checked_backend(backend)
    asked = {
        "var_names": names, "coords": present or None, "backend": asked_backend,
        "labeller": _labeller(asked_backend), "color": list(COLOURS), **options,
    }  # fmt: skip
    return panelled(asked, count)


def panelled(asked: dict[str, Any], count: int) -> dict[str, Any]:
    """Arguments with a size and a layout for so many panels, unless they have their own."""
    across = min(_ACROSS, count)
    down = -(-count // across)
    size = figure_size(asked["backend"], _PANEL[0] * max(across, 2), _PANEL[1] * down)
    return {"figure_kwargs": size, "col_wrap": across} | asked


def _labeller(backend: str) -> Any:
    """Titles on one line, as the summary's names: pi[0], mu[0, waiting]."""
    from arviz_base.labels import BaseLabeller

    class Flat(BaseLabeller):
        make_label_vert = BaseLabeller.make_label_flat

        def dim_coord_to_str(self, dim: Any, coord_val: Any, coord_idx: Any) -> str:
            text = str(super().dim_coord_to_str(dim, coord_val, coord_idx))
            return literal_text(text) if backend == "matplotlib" else text

    return Flat()


def _columns(mixture: Mixture, room: int) -> list[str]:
    """Columns in which the components differ most, as many as have room for their means."""
    k = mixture.n_components
    fit_in = max(1, (room - k * (k > 1)) // k)
    return [mixture.names[j] for j in separating_columns(mixture, fit_in)]
