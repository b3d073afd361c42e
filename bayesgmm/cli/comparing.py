"""`bayesgmm compare`."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..posterior.evidence.evidence import Method
from ..selection.selection import Selection
from ..utils.archive import write_text
from . import options
from .outcome import FAILED, errors_as_text, print_error, print_json, print_text
from .saved import load

if TYPE_CHECKING:
    from ..comparison.table import Comparison

_EPILOG = """Examples:

bayesgmm compare grid.npz

bayesgmm compare two.npz two.nc three.nc --out comparison.html

bayesgmm compare two.nc three.nc --evidence bridge --json"""

# Characters with which a spreadsheet takes a text for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1rem auto;
padding: 0 1rem; }} table {{ font-size: 0.9rem; font-variant-numeric: tabular-nums; }}</style>
</head>
<body><h1>{title}</h1>{body}</body>
</html>
"""


def _checked_ending(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in _AS_TEXT:
        raise typer.BadParameter(f"{path.name} ends in none of {', '.join(_AS_TEXT)}.")
    return options.writable(path)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("compare", epilog=_EPILOG)(_compare)


def _compare(
    saved: Annotated[
        list[Path],
        typer.Argument(
            metavar="SAVED...",
            exists=True,
            dir_okay=False,
            help="Fits, grids and posteriors kept by --out.",
        ),
    ],
    evidence: Annotated[
        Method | None, typer.Option(help="Compute the posteriors' evidences this way.")
    ] = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write the table: .csv, .html or .tex.",
            callback=_checked_ending,
        ),
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Compare fits, grids and posteriors of the same data in one table."""
    options.spare_inputs(out, *saved)
    with errors_as_text():
        models: dict[str, Any] = {}
        for path, name in zip(saved, _names(saved), strict=True):
            models[name] = load(path)
        from ..comparison.compare import compare

        only = next(iter(models.values()))
        grid = only if len(models) == 1 and isinstance(only, Selection) else None
        table = compare(grid or models, evidence=evidence, random_seed=seed)
        if out is not None:
            write_text(out, _AS_TEXT[out.suffix.lower()](table))
    if json:
        print_json(
            {
                "conclusion": table.conclusion,
                "models": table.reset_index().to_dict(orient="records"),
                "columns": table.attrs["columns"],
                "reasons": table.attrs["reasons"],
                "saved": out and str(out),
            }
        )
    else:
        print_text(repr(table))
        if out is not None:
            print_text(f"Table written to {out}")
    if table["status"].str.startswith("no estimate").all():
        print_error("none of the models has an estimate.")
        raise typer.Exit(FAILED)


def _names(paths: list[Path]) -> list[str]:
    """Names of files without their endings, or whole paths where these are equal."""
    stems = [path.stem for path in paths]
    return [
        stem if stems.count(stem) == 1 else str(path)
        for stem, path in zip(stems, paths, strict=True)
    ]


def _page(table: Comparison) -> str:
    """The table as a page of HTML."""
    title = escape("Comparison of Gaussian mixtures")
    return _PAGE.format(title=title, body=table.to_html())


def _csv(table: Comparison) -> str:
    """The table, with texts that a spreadsheet would run as formulas marked as texts."""
    safe = table.map(_no_formula).rename(index=_no_formula)
    return str(safe.to_csv())


def _no_formula(cell: Any) -> Any:
    """A text after an apostrophe if it begins like a formula; else the cell as it is."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


_AS_TEXT = {
    ".csv": _csv,
    ".html": _page,
    ".tex": lambda table: table.to_latex(),
}
