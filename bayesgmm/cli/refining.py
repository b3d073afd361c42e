"""`bayesgmm refine`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..posterior.labels.methods import Method
from ..sampling.registry import SamplerName, names_where
from . import options, priors
from .outcome import errors_as_text, print_json, print_text
from .saved import Cell, SavedFit, load_fit
from .tables import Source, reads_table

if TYPE_CHECKING:
    from ..posterior.posterior import Posterior

_EPILOG = """Examples:

bayesgmm refine eruptions.csv two.npz --out two.nc

bayesgmm refine eruptions.csv grid.npz --cell EEE,3 --draws 2000 --out three.nc

bayesgmm refine eruptions.csv two.npz --sampler laplace

bayesgmm refine eruptions.csv three.npz --sampler gibbs --thin 50 --n-modes 2

bayesgmm refine eruptions.csv two.npz --target-accept 0.95 --relabel stephens

bayesgmm refine eruptions.csv four.npz --concentration 0.01"""


_SWEEPING = " or ".join(names_where(lambda sampler: sampler.has_sweeps))
_OF_DENSITY = " or ".join(names_where(lambda sampler: sampler.starts_in_modes))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("refine", epilog=_EPILOG)(_refine)


@reads_table
def _refine(
    data: Source,
    saved: SavedFit,
    cell: Cell = "",
    weights: options.Weights = "",
    draws: options.Draws = 1000,
    tune: options.TuneIfGiven = None,
    chains: options.Chains = 4,
    sampler: Annotated[SamplerName, typer.Option(help="The sampler.")] = "auto",
    min_ess: Annotated[
        int | None,
        typer.Option(min=1, help="Effective draws to reach, of --sampler auto. Default: 400."),
    ] = None,
    max_time: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Seconds after which nothing longer is begun, of --sampler auto. Default: 100.",
        ),
    ] = None,
    thin: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Gibbs sweeps per retained draw, of --sampler {_SWEEPING}. Default: 10."
        ),
    ] = None,
    n_modes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Look for other modes, and run --chains chains in each of so many; of "
            f"--sampler {_OF_DENSITY}.",
        ),
    ] = 1,
    relabel: Annotated[Method, typer.Option(help="How draws are relabelled.")] = "ecr",
    target_accept: Annotated[
        float,
        typer.Option(help="Acceptance rate of NUTS, below 1: higher, fewer divergences."),
    ] = 0.8,
    concentration: priors.Concentration = None,
    random_scale: priors.RandomScale = False,
    conjugate: priors.Conjugate = False,
    seed: options.Seed = 0,
    out: Annotated[Path | None, options.out("Where to keep the posterior (.nc).")] = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Sample the posterior of a fit, every chain started at the fit.

    Its prior is the fit's own, or the default, unless the options under "Prior" choose another.
    """
    options.spare_inputs(out, data.path, saved)
    with errors_as_text() as end:
        fit = load_fit(saved, cell)
        rows = data.weighted_rows_of(fit.mixture, weights)
        prior = None
        if priors.any_given(concentration, random_scale, conjugate):
            prior = priors.prior_from_options(
                rows, concentration, random_scale, conjugate, fit.n_components
            )
        from ..sampling.refine import refine  # xarray and nutpie take a second to import

        posterior = refine(
            rows, fit, draws=draws, tune=tune, chains=chains, prior=prior, sampler=sampler,
            min_ess=min_ess, max_time=max_time, n_modes=n_modes, thin=thin, relabel=relabel,
            target_accept=target_accept, weights="counts" if weights else None,
            random_seed=seed, progressbar=not (quiet or json),
        )  # fmt: skip
        if out is not None:
            posterior.save(out)
        text = repr(posterior)  # which may warn
        fields = {"data": str(data), "sampler": sampler, **_fields(posterior)}
    if json:
        print_json({**fields, "saved": out and str(out)})
    else:
        print_text(text)
        if out is not None:
            print_text(f"Posterior saved to {out}")
    end.check()


def _fields(posterior: Posterior) -> dict[str, Any]:
    """The fields of a posterior in JSON."""
    d, fit = posterior.diagnostics, posterior.fit
    figures = ("rhat", "rhat_invariant", "ess_bulk", "ess_tail", "divergences", "problems")
    draws = posterior.tree["posterior"].to_dataset()
    names = ("pi", "mu", "Sigma", *posterior.own_variables)
    return {
        "family": fit.family.name,
        "K": fit.n_components,
        "chains": d.chains,
        "draws": d.draws,
        "steps": [asdict(step) for step in posterior.steps],
        "interrupted": posterior.interrupted,
        "relabel": posterior.relabelling.method,
        "label_moves": posterior.relabelled_draws,
        **{name: getattr(d, name) for name in figures},
        "modes": [
            {"chains": chains, "log_posterior": height}
            for chains, height in zip(d.modes.groups, d.modes.log_posterior, strict=True)
        ],
        "mean": {v: draws[v].mean(("chain", "draw")).values for v in names},
        "sd": {v: draws[v].std(("chain", "draw")).values for v in names},
        "few_rows": posterior.prior_influence.few_rows,
        "widening": posterior.prior_influence.widening,
        "prior": None if posterior.prior is None else posterior.prior.to_dict(),
        "quantities": d.table.rename_axis("name").reset_index().to_dict(orient="records"),
    }
