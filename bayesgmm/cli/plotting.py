"""`bayesgmm plot`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..em.result import Fit
from ..mixture.merging import merge
from ..utils.archive import atomic
from ..utils.validation import did_you_mean
from . import options
from .outcome import errors_as_text, print_json, print_text
from .saved import Cell, SavedResult, fit_of, load, model_of
from .tables import Source, reads_table

_EPILOG = """Examples:

bayesgmm plot eruptions.csv grid.npz bic --out bic.png

bayesgmm plot eruptions.csv grid.npz classification --cell EEE,3 --out classes.svg

bayesgmm plot eruptions.csv two.npz density --units eruptions=min,waiting=min --out density.pdf

bayesgmm plot eruptions.csv two.nc posterior --out posterior.png"""
_FORMATS = (".png", ".svg", ".pdf")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("plot", epilog=_EPILOG)(_plot)


def _checked(path: Path) -> Path | None:
    if path.suffix.lower() not in _FORMATS:
        raise typer.BadParameter(f"{path.name} ends in none of {', '.join(_FORMATS)}.")
    return options.writable(path)


@reads_table
def _plot(
    data: Source,
    saved: SavedResult,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="bic of a grid; classification, uncertainty, density, responsibilities, "
            "convergence or merging of a fit; posterior, density, check, trace and others of a "
            "posterior. A kind that there is not lists those of the result.",
        ),
    ],
    cell: Cell = "",
    units: Annotated[
        str, typer.Option(metavar="COLUMN=UNIT,...", help="Units of columns, for the axes.")
    ] = "",
    out: Annotated[
        Path,
        typer.Option("--out", "-o", callback=_checked, help=f"The file: {', '.join(_FORMATS)}."),
    ] = Path("plot.png"),
    json: options.AsJson = False,
) -> None:
    """Draw a plot of a fit, a grid or a posterior."""
    options.spare_inputs(out, data.path, saved)
    with errors_as_text():
        kinds = dict(_kinds(data, saved, cell, _units(units)))
        if kind not in kinds:
            raise typer.BadParameter(
                f"{saved.name} has no plot {kind!r}{did_you_mean(kind, list(kinds))}: choose among "
                f"{', '.join(kinds)}.",
                param_hint="KIND",
            )
        figure = kinds[kind]()
        with atomic(out) as path:
            figure.savefig(path, format=out.suffix[1:].lower())
    if json:
        print_json({"data": str(data), "kind": kind, "saved": str(out)})
    else:
        print_text(f"Plot written to {out}")


def _kinds(
    data: Source, saved: Path, cell: str, units: dict[str, str] | None
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The plots that there are of a saved result, by name, each to be called without arguments."""
    found = load(saved)
    model = model_of(found, saved, cell)

    def rows() -> Any:
        return data.rows_of(fit_of(model).mixture)

    for result in (found, model):
        yield from _of(result, rows, units)
    if isinstance(model, Fit):
        yield "merging", lambda: merge(rows(), model).plot.merging()


def _of(
    result: Any, rows: Callable[[], Any], units: dict[str, str] | None
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The plots of a result, with the rows where they need them, and units where they take them."""
    plots = result.plot
    for name in (name for name in dir(plots) if not name.startswith("_")):
        method = getattr(plots, name)
        parameters = inspect.signature(method).parameters
        with_units = {"units": units} if "units" in parameters else {}
        first = next(iter(parameters.values()), None)
        if first is not None and first.name == "X" and first.default is first.empty:
            yield name, partial(_with_rows, method, rows, with_units)
        else:
            yield name, partial(method, **with_units)


def _with_rows(method: Callable[..., Any], rows: Callable[[], Any], options: Any) -> Any:
    return method(rows(), **options)


def _units(text: str) -> dict[str, str] | None:
    """The units written as column=unit."""
    pairs = [pair.partition("=") for pair in options.listed(text) or []]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise typer.BadParameter(
            f"{wrong[0]!r} has no unit: write column=unit.", param_hint="--units"
        )
    return {name.strip(): unit.strip() for name, _, unit in pairs} or None
