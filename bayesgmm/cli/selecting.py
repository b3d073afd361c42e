"""`bayesgmm select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..selection.criteria import CriterionName
from . import options
from .outcome import errors_as_text, fit_fields, print_json, print_text
from .saved import load
from .tables import Source, reads_table

_EPILOG = """Examples:

bayesgmm select eruptions.csv

bayesgmm select plants.csv -k 1:6 --families EEE,VVV --columns height,weight

bayesgmm select eruptions.csv -k 1:4 --criterion icl --out grid.npz

bayesgmm select eruptions.csv -k 1:4 --noise volume

bayesgmm select eruptions.csv -k 1:9 --resume grid.npz --out grid.npz"""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("select", epilog=_EPILOG)(_select)


@reads_table
def _select(
    data: Source,
    k: options.Components = "1:9",
    families: options.Families = "",
    columns: options.Columns = "",
    weights: options.Weights = "",
    missing: options.Missing = "refuse",
    labels: options.Labels = "",
    noise: options.Noise = "",
    criterion: Annotated[
        CriterionName, typer.Option(help="What the grid is ranked by (cv: cross-validation).")
    ] = "bic",
    n_init: options.Starts = None,
    seed: options.Seed = 0,
    resume: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="An earlier grid of these data, to go on."),
    ] = None,
    out: Annotated[
        Path | None, options.out("Where to keep the grid, for `compare` and `refine` (.npz).")
    ] = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit every family with every number of components, and rank them."""
    from ..selection.select import select
    from ..selection.selection import Selection

    options.spare_inputs(out, data.path)
    numbers = options.numbers(k)
    with errors_as_text() as end:
        earlier = None if resume is None else load(resume)
        if earlier is not None and not isinstance(earlier, Selection):
            raise typer.BadParameter(f"{resume} does not hold a grid.", param_hint="--resume")
        rows = data.weighted_rows(columns, weights, str(missing), labels)
        grid = select(
            rows, numbers, options.families(families, rows.d), criterion=criterion,
            n_init=n_init, random_seed=seed, resume=earlier, progressbar=not (quiet or json),
            labels=data.classes(labels), noise=options.noise(noise),
        )  # fmt: skip
        if out is not None:
            grid.save(out)
        best = grid.best  # no cell with an estimate is an error
    if json:
        table = grid.table.to_dict(orient="records")
        saved = out and str(out)
        print_json({
            "data": str(data), "interrupted": grid.interrupted, "best": fit_fields(best),
            "table": table, "saved": saved,
        })  # fmt: skip
    else:
        print_text(repr(grid))
        if out is not None:
            print_text(f"Grid saved to {out}")
    end.check()
