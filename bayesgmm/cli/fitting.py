"""`bayesgmm fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .outcome import FAILED, fit_facts, print_json, told

_EPILOG = """Examples:

bayesgmm fit eruptions.csv -k 2

bayesgmm fit plants.parquet -k 3 --family EEE --columns height,weight

bayesgmm fit eruptions.csv -k 2 --out two.npz --json"""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("fit", epilog=_EPILOG)(_fit)


def _fit(
    data: options.Table,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of components.")],
    family: options.FamilyName = "",
    columns: options.Columns = "",
    prior: Annotated[
        bool,
        typer.Option("--prior", help="Maximise the posterior under the default prior instead."),
    ] = False,
    n_init: options.Starts = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None, options.out("Where to keep the fit, for `compare` and `refine` (.npz).")
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Fit one mixture by EM, and print its estimates."""
    from ..fitting import fit
    from ..prior import Prior

    with told():
        rows = options.checked(options.rows(data, columns))
        family = family or ("V" if rows.d == 1 else "VVV")
        options.families(family, rows.d, "--family")
        result = fit(
            rows, k, family, prior=Prior.from_data(rows) if prior else None, n_init=n_init,
            random_seed=seed,
        )  # fmt: skip
        if out is not None:
            result.save(out)
    if json:
        print_json({"data": str(data), **fit_facts(result), "saved": out and str(out)})
    else:
        typer.echo(repr(result))
        if out is not None:
            typer.echo(f"Fit saved to {out}")
    if not result.status.sound:
        raise typer.Exit(FAILED)
