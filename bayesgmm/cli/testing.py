"""`bayesgmm bootstrap` and `bayesgmm errors`: a test of K, and standard errors of a fit."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from . import options
from .outcome import errors_as_text, print_json, print_text
from .saved import Cell, SavedFit, load_fit
from .table_out import TableOut, write_table
from .tables import Source, reads_table

_BOOTSTRAP_EPILOG = """Examples:

bayesgmm bootstrap eruptions.csv

bayesgmm bootstrap plants.csv --family EEE --columns height,weight --n-boot 199

bayesgmm bootstrap eruptions.csv --noise volume --max-k 3

bayesgmm bootstrap eruptions.csv --family VVV --max-k 4 --all --json"""
_ERRORS_EPILOG = """Examples:

bayesgmm errors eruptions.csv two.npz

bayesgmm errors eruptions.csv grid.npz --cell EEE,3 --method weighted --n-boot 199 --level 0.9"""

_Boot = Annotated[int, typer.Option(min=2, help="Bootstrap replicates.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("bootstrap", epilog=_BOOTSTRAP_EPILOG)(_bootstrap)
    app.command("errors", epilog=_ERRORS_EPILOG)(_errors)


@reads_table
def _bootstrap(
    data: Source,
    family: options.FamilyName = "",
    columns: options.Columns = "",
    missing: options.Missing = "refuse",
    noise: options.Noise = "",
    labels: options.Labels = "",
    max_k: Annotated[int, typer.Option(min=2, help="Most components of an alternative.")] = 9,
    n_boot: _Boot = 999,
    level: Annotated[float, typer.Option(help="Tests go on until a p-value exceeds it.")] = 0.05,
    all_tests: Annotated[
        bool, typer.Option("--all", help="Make every test up to --max-k in any case.")
    ] = False,
    n_init: options.Starts = None,
    seed: options.Seed = 0,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Test K components against K + 1 by the parametric bootstrap, for growing K."""
    from ..selection.bootstrap_lrt import bootstrap_lrt

    with errors_as_text() as end:
        rows = data.weighted_rows(columns, "", str(missing), labels)
        family = family or ("V" if rows.d == 1 else "VVV")
        options.families(family, rows.d, "--family")
        test = bootstrap_lrt(
            rows, family, max_components=max_k, n_boot=n_boot, level=level, all_tests=all_tests,
            n_init=n_init, random_seed=seed, progressbar=not (quiet or json),
            noise=options.noise(noise), labels=data.classes(labels),
        )  # fmt: skip
    if json:
        print_json({
            "data": str(data), "family": family, "n_components": test.n_components,
            "conclusion": test.conclusion, "interrupted": test.interrupted,
            "tests": test.table.reset_index().to_dict(orient="records"),
        })  # fmt: skip
    else:
        print_text(repr(test))
    end.check()


@reads_table
def _errors(
    data: Source,
    saved: SavedFit,
    cell: Cell = "",
    method: Annotated[
        Literal["bootstrap", "weighted", "parametric", "information", "sandwich"],
        typer.Option(help="Three bootstraps, the inverse of the information, or the sandwich."),
    ] = "bootstrap",
    weights: options.Weights = "",
    weights_are: Annotated[
        Literal["counts", "pseudo"] | None,
        typer.Option(help="For the sandwich: rows stand so many times, or survey weights."),
    ] = None,
    n_boot: _Boot = 999,
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
    seed: options.Seed = 0,
    out: TableOut = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Standard errors and confidence intervals of a fit's parameters."""
    from ..em.standard_errors.standard_errors import standard_errors

    options.spare_inputs(out, data.path, saved)
    with errors_as_text() as end:
        fit = load_fit(saved, cell)
        rows = data.weighted_rows_of(fit.mixture, weights)
        errors = standard_errors(
            rows, fit, method, weights=weights_are, n_boot=n_boot, random_seed=seed,
            progressbar=not (quiet or json),
        )  # fmt: skip
        table = errors.to_frame(level)
        if out is not None:
            write_table(table, out)
    if json:
        print_json({
            "data": str(data), "method": method, "level": level, "advice": errors.advice,
            "interrupted": errors.interrupted,
            "parameters": table.reset_index().to_dict(orient="records"), "saved": out and str(out),
        })  # fmt: skip
    else:
        print_text(errors.to_text(level))
        if out is not None:
            print_text(f"Table written to {out}")
    end.check()
