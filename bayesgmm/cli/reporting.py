"""`bayesgmm report` and `bayesgmm demo`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..sampling.registry import SamplerName
from ..selection.criteria import CriterionName
from . import options, priors
from .outcome import errors_as_text, print_json, print_text
from .tables import Source, reads_table

if TYPE_CHECKING:
    import pandas as pd

    from ..data.data import Data

_REPORT_EPILOG = """Examples:

bayesgmm report eruptions.csv

bayesgmm report plants.csv -k 1:6 --columns height,weight

bayesgmm report eruptions.csv -k 1:4 --no-refine --out quick.html

bayesgmm report eruptions.csv --out report.md

bayesgmm report eruptions.csv --question "Are there two kinds of eruption?"

bayesgmm report eruptions.csv --concentration 2 --random-scale

bayesgmm report eruptions.csv -k 2 --component-names long,short --logo logo.png

bayesgmm report flowers.csv -k 3 --labels species

bayesgmm report eruptions.csv --sections selection,fit,posterior"""
_SECTIONS = (
    "selection, fit, posterior, check, diagnostics, comparison, data, method, prior, repeat, "
    "versions"
)
_DEMO_EPILOG = """Example:

bayesgmm demo --out demo.html"""
_PAGE = options.out("The file to write: .html, or .md with its figures in a folder beside it.")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("report", epilog=_REPORT_EPILOG)(_report)
    app.command("demo", epilog=_DEMO_EPILOG)(_demo)


@reads_table
def _report(
    data: Source,
    k: options.Components = "1:9",
    families: options.Families = "",
    columns: options.Columns = "",
    missing: options.Missing = "refuse",
    noise: options.Noise = "",
    labels: options.Labels = "",
    question: Annotated[
        str, typer.Option(help="Question printed at its head. Default: how many components.")
    ] = "",
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="Sample the best fit's posterior.")
    ] = True,
    n_posteriors: Annotated[
        int,
        typer.Option(
            min=1,
            help="Posteriors at most: of the best model, and for other numbers of components.",
        ),
    ] = 3,
    criterion: Annotated[CriterionName, typer.Option(help="What the grid is ranked by.")] = "bic",
    sampler: Annotated[SamplerName, typer.Option(help="The sampler.")] = "auto",
    n_init: options.Starts = None,
    draws: options.Draws = 1000,
    tune: options.Tune = 200,
    chains: options.Chains = 4,
    ci_prob: Annotated[
        float, typer.Option(help="Probability of the posterior's intervals.")
    ] = 0.89,
    title: Annotated[str, typer.Option(help="Title. Default: named after the file.")] = "",
    source: Annotated[str, typer.Option(help="Source of the data. Default: the file's name.")] = "",
    weights: options.Weights = "",
    component_names: options.ComponentNames = "",
    sections: Annotated[
        str, typer.Option(metavar="NAMES", help=f"Sections to write. Default: {_SECTIONS}.")
    ] = "",
    logo: Annotated[Path | None, typer.Option(help="An image for the head of the report.")] = None,
    template: Annotated[
        Path | None, typer.Option(help="A Jinja template that extends report.html or report.md.")
    ] = None,
    max_time: Annotated[
        float | None, typer.Option(help="Seconds for each posterior, of the sampler auto.")
    ] = None,
    concentration: priors.Concentration = None,
    random_scale: priors.RandomScale = False,
    conjugate: priors.Conjugate = False,
    seed: options.Seed = 0,
    out: Annotated[Path, _PAGE] = Path("report.html"),
    json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Select a mixture for the rows of a file, refine it, and write a report."""
    options.spare_inputs(out, data.path)
    numbers = options.numbers(k)
    with errors_as_text() as end:
        rows = data.weighted_rows(columns, weights, str(missing), labels)
        table = rows if data.in_chunks else data.frame[list(rows.names)]
        prior = None
        if priors.any_given(concentration, random_scale, conjugate):
            k_of_all = numbers[0] if len(numbers) == 1 else None
            prior = priors.prior_from_options(
                rows, concentration, random_scale, conjugate, k_of_all
            )
        _write(
            table, out, json, quiet, source=source or data.name,
            reading=" ".join([data.options] * bool(data.options) + _named(weights, labels)),
            title=title or f"Gaussian mixture of {data.stem}", question=question,
            n_components=numbers, covariance_type=options.families(families, rows.d), prior=prior,
            refine=refine, n_posteriors=n_posteriors, criterion=criterion, sampler=sampler,
            n_init=n_init, draws=draws, tune=tune, chains=chains, ci_prob=ci_prob,
            random_seed=seed, missing=str(missing), sample_weight=rows.weights,
            component_names=options.listed(component_names),
            sections=options.listed(sections), logo=logo, template=template, max_time=max_time,
            noise=options.noise(noise), labels=data.classes(labels),
        )  # fmt: skip
    end.check()


def _named(weights: str, labels: str) -> list[str]:
    """The options that name the columns of weights and of labels, as they are typed."""
    columns = {"--weights": weights, "--labels": labels}
    return [f"{option} {shlex.quote(name)}" for option, name in columns.items() if name]


def _demo(
    out: Annotated[Path, _PAGE] = Path("report.html"),
    seed: options.Seed = 0,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a report on Old Faithful's eruptions, a data set that comes with the package."""
    from ..datasets import load_faithful

    with errors_as_text() as end:
        _write(
            load_faithful(), out, json, quiet, source="faithful.csv",
            title="Old Faithful: how many kinds of eruption?", random_seed=seed,
        )  # fmt: skip
    end.check()


def _write(
    table: pd.DataFrame | Data, out: Path, json: bool, quiet: bool, **arguments: Any
) -> None:
    from ..reporting import report  # takes a second: wrong options should not have to wait

    path = report(table, out, progressbar=not (quiet or json), **arguments).resolve()
    if json:
        print_json({"report": str(path), "source": arguments["source"]})
    else:
        print_text(f"Report written to {path}")
