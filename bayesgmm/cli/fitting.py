"""`bayesgmm fit`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..em.starts.starts import STARTS
from . import options, priors
from .outcome import FAILED, errors_as_text, fit_fields, print_json, print_text
from .tables import Source, reads_table

_EPILOG = """Examples:

bayesgmm fit eruptions.csv -k 2

bayesgmm fit plants.parquet -k 3 --family EEE --columns height,weight

bayesgmm fit eruptions.csv -k 2 --out two.npz --json

bayesgmm fit counted.csv -k 2 --weights times

bayesgmm fit eruptions.csv -k 3 --start hc --tol 1e-10 --max-iter 5000

bayesgmm fit eruptions.csv -k 2 --prior --concentration 2

bayesgmm fit eruptions.csv -k 2 --noise volume --out noisy.npz

bayesgmm fit flowers.csv -k 3 --labels species --out labelled.npz"""


if TYPE_CHECKING:
    _Start = str
else:
    _Start = StrEnum("_Start", {name: name for name in STARTS})


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("fit", epilog=_EPILOG)(_fit)


@reads_table
def _fit(
    data: Source,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of components.")],
    family: options.FamilyName = "",
    columns: options.Columns = "",
    weights: options.Weights = "",
    missing: options.Missing = "refuse",
    labels: options.Labels = "",
    noise: options.Noise = "",
    start: Annotated[
        _Start,
        typer.Option(
            help="Where EM starts: hc is a hierarchical partition, auto this and random ones."
        ),
    ] = "auto",
    n_init: options.Starts = None,
    max_iter: Annotated[int, typer.Option(min=0, help="Maximum EM iterations per start.")] = 1000,
    tol: Annotated[
        float, typer.Option(help="Convergence tolerance: remaining gain in log-likelihood per row.")
    ] = 1e-8,
    prior: Annotated[
        bool,
        typer.Option(
            "--prior",
            help="Maximise the posterior instead of the likelihood, under the "
            "default prior or that of the next options.",
            rich_help_panel=priors.PANEL,
        ),
    ] = False,
    concentration: priors.Concentration = None,
    random_scale: priors.RandomScale = False,
    conjugate: priors.Conjugate = False,
    component_names: options.ComponentNames = "",
    seed: options.Seed = 0,
    out: Annotated[
        Path | None, options.out("Where to keep the fit, for `compare` and `refine` (.npz).")
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Fit one mixture by EM, and print its estimates."""
    from ..em.fit import fit

    if priors.any_given(concentration, random_scale, conjugate) and not prior:
        raise typer.BadParameter(
            "--concentration, --random-scale and --conjugate choose a prior: add --prior."
        )
    options.spare_inputs(out, data.path)
    with errors_as_text():
        rows = data.weighted_rows(columns, weights, str(missing), labels)
        family = family or ("V" if rows.d == 1 else "VVV")
        options.families(family, rows.d, "--family")
        under = (
            priors.prior_from_options(rows, concentration, random_scale, conjugate, k)
            if prior
            else None
        )
        result = fit(
            rows, k, family, prior=under, start=str(start), n_init=n_init, max_iter=max_iter,
            tol=tol, random_seed=seed, labels=data.classes(labels), noise=options.noise(noise),
        )  # fmt: skip
        if component_names:
            result = result.with_component_names(options.listed(component_names) or [])
        if out is not None:
            result.save(out)
    if json:
        print_json({"data": str(data), **fit_fields(result), "saved": out and str(out)})
    else:
        print_text(repr(result))
        if out is not None:
            print_text(f"Fit saved to {out}")
    if not result.status.sound:
        raise typer.Exit(FAILED)
