"""`bayesgmm refine`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..result import Fit
from ..selection import Selection
from . import options
from .outcome import print_json, told
from .saved import load

_EPILOG = """Examples:

bayesgmm refine eruptions.csv two.npz --out two.nc

bayesgmm refine eruptions.csv grid.npz --cell EEE,3 --draws 2000 --out three.nc

bayesgmm refine eruptions.csv two.npz --sampler laplace"""


class _Sampler(StrEnum):
    """The engines of `refine`, named here so that help needs no import of them."""

    nutpie = "nutpie"
    laplace = "laplace"
    pymc = "pymc"
    numpyro = "numpyro"
    blackjax = "blackjax"
    advi = "advi"
    fullrank_advi = "fullrank_advi"
    pathfinder = "pathfinder"
    smc = "smc"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("refine", epilog=_EPILOG)(_refine)


def _refine(
    data: options.Table,
    saved: Annotated[
        Path,
        typer.Argument(
            metavar="SAVED", exists=True, dir_okay=False, help="A fit or grid kept by --out."
        ),
    ],
    cell: Annotated[
        str, typer.Option(help="Family and K of a grid's cell, such as VVV,3; its best if not.")
    ] = "",
    draws: options.Draws = 1000,
    tune: options.TuneIfGiven = None,
    chains: options.Chains = 4,
    sampler: Annotated[_Sampler, typer.Option(help="The engine.")] = _Sampler.nutpie,
    seed: options.Seed = 0,
    out: Annotated[Path | None, options.out("Where to keep the posterior (.nc).")] = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Sample the posterior of a fit, every chain started at the fit."""
    with told():
        fit = _chosen(load(saved), saved, cell)
        rows = options.rows(data, ",".join(fit.names))
        from ..refinement import refine  # xarray and nutpie take a second to import

        posterior = refine(
            rows, fit, draws=draws, tune=tune, chains=chains, sampler=sampler.value,
            random_seed=seed, progressbar=not (quiet or json),
        )  # fmt: skip
        if out is not None:
            posterior.save(out)
        text = repr(posterior)
        table = posterior.diagnostics.table
    if json:
        d = posterior.diagnostics
        figures = ("rhat", "rhat_invariant", "ess_bulk", "ess_tail", "divergences", "problems")
        summary = posterior.tree["posterior"].to_dataset()
        print_json(
            {
                "data": str(data),
                "family": fit.family.name,
                "K": fit.n_components,
                "chains": d.chains,
                "draws": d.draws,
                "sampler": sampler.value,
                "label_moves": posterior.relabelled_draws,
                **{name: getattr(d, name) for name in figures},
                "mean": {
                    v: summary[v].mean(("chain", "draw")).values for v in ("pi", "mu", "Sigma")
                },
                "sd": {v: summary[v].std(("chain", "draw")).values for v in ("pi", "mu", "Sigma")},
                "quantities": table.rename_axis("name").reset_index().to_dict(orient="records"),
                "saved": out and str(out),
            }
        )
        return
    typer.echo(text)
    if out is not None:
        typer.echo(f"Posterior saved to {out}")


def _chosen(found: object, path: Path, cell: str) -> Fit:
    """The fit of the file: itself, or a cell of the grid."""
    if isinstance(found, Fit):
        if cell:
            raise typer.BadParameter(f"{path} holds one fit.", param_hint="--cell")
        return found
    if not isinstance(found, Selection):
        raise typer.BadParameter(f"{path} holds a posterior already: pass a fit or a grid.")
    if not cell:
        return found.best
    family, _, number = cell.partition(",")
    name = family.strip().upper(), int(number) if number.strip().isdigit() else 0
    if name not in found.sound:
        reason = found.failures.get(name, f"the grid has {', '.join(map(_cell, found.sound))}")
        raise typer.BadParameter(f"no fit of {cell}: {reason}", param_hint="--cell")
    return found.sound[name]


def _cell(name: tuple[str, int]) -> str:
    return f"{name[0]},{name[1]}"
