"""The analysis behind a report: selection, posteriors of the best fits, checks, comparison."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..comparison.compare import compare
from ..comparison.rows import Model
from ..comparison.table import Comparison
from ..data.by_name import by_name
from ..data.chunks import are_in_chunks
from ..data.data import Data, as_data
from ..data.units import units_in
from ..em.noisy_fit import SUFFIX
from ..em.result import Fit
from ..em.standard_errors.result import StandardErrors
from ..em.standard_errors.standard_errors import standard_errors
from ..families import simplest_name
from ..mixture.certainty import Certainty
from ..mixture.draws import RowDraws
from ..mixture.merging import Merging, merge
from ..mixture.of_results import noise_of
from ..mixture.prior import Prior
from ..posterior.components import ComponentsPosterior
from ..posterior.evidence.evidence import Method
from ..posterior.posterior import Posterior
from ..sampling.registry import sampler_named
from ..selection.select import select
from ..selection.selection import Selection
from ..utils.errors import ConvergenceAdvice, InterruptionAdvice
from ..utils.progress import announce, stages, waiting
from ..utils.types import FloatArray
from .labels import LabelReport
from .missing import MissingRates
from .noise import NoiseReport
from .request import Given, ReportRequest

if TYPE_CHECKING:
    import pandas as pd

# Free parameters up to which the information is computed: beyond, it takes long.
_MOST_PARAMETERS = 300
# New data sets of the predictive check.
_CHECKED = 500
# Fits shown beside those of the posteriors.
_RUNNERS_UP = 3
# A difference of BIC beyond which a number of components is not sampled beside the best.
_FAR = 10.0
# Samplers whose time is told beforehand.
_TIMED = frozenset({"auto", "nutpie", "gibbs"})
# Seconds of sampling from which on an approximation is offered.
_LONG = 90.0
# Seconds for all posteriors after which nothing longer is begun, if not said.
_FOR_ALL = 40.0


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything computed for a report; nothing is computed while it is written.

    Attributes
    ----------
    data : Data
    selection : Selection
    posteriors : dict of name to Posterior
        Of the chosen fit first; empty if none was sampled.
    prior : Prior
        Of the posteriors.
    comparison : Comparison
        The best fits and the posteriors, these with their evidences.
    checks : DataFrame or None
        The predictive check of the chosen fit's posterior.
    errors : StandardErrors or None
        Of the chosen fit; None where the information gives none.
    certainty : Certainty
        How certain the rows' components are under the chosen fit.
    merging : Merging or None
        Its components merged to clusters; None for a single one.
    request : ReportRequest
    missing : MissingRates or None
        What is missing, by column and component; None where nothing is.
    units : dict of column to unit
        Those that are known.
    noise : NoiseReport or None
        The chosen fit's noise; None where it has none.
    labels : LabelReport or None
        The rows' known classes; None where there are none.
    """

    data: Data
    selection: Selection
    posteriors: dict[str, Posterior]
    prior: Prior
    comparison: Comparison
    checks: pd.DataFrame | None
    errors: StandardErrors | None
    certainty: Certainty
    merging: Merging | None
    request: ReportRequest
    missing: MissingRates | None = None
    units: dict[str, str] = field(default_factory=dict)
    noise: NoiseReport | None = None
    labels: LabelReport | None = None

    @cached_property
    def fit(self) -> Fit:
        """The chosen fit."""
        return chosen(self.selection, self.posteriors)

    @property
    def noise_share(self) -> float:
        """The share of noise of the chosen fit, 0 without."""
        return noise_of(self.fit)[1]

    @property
    def component_shares(self) -> FloatArray:
        """The estimated shares of the components, (K,), of all rows: noise has the rest."""
        return (1 - self.noise_share) * self.fit.weights

    @property
    def posterior(self) -> Posterior | None:
        """The posterior of the chosen fit, if there is one."""
        return next(iter(self.posteriors.values()), None)

    @property
    def own_model(self) -> bool:
        """Whether the posterior is of a user's PyMC model, which has its own priors."""
        return self.posterior is not None and self.posterior.prior is None

    @property
    def title(self) -> str:
        """The title of the report."""
        return self.request.title or "Gaussian mixture report"

    @property
    def question(self) -> str:
        """The question of the report; by default how many components there are."""
        return self.request.question or _question(self.data)

    @property
    def families(self) -> list[str]:
        """The families tried, by name."""
        names = [family for family, _ in [*self.selection.fits, *self.selection.failures]]
        return sorted({name.removesuffix(SUFFIX) for name in names})

    @property
    def component_titles(self) -> list[str]:
        """What tables call the components: their names, or "component 0" and so on."""
        fit = self.fit
        return list(fit.component_names) or [f"component {k}" for k in range(fit.n_components)]


def analyse(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    request: ReportRequest | None = None,
    results: Any = None,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    progressbar: bool = True,
) -> Analysis:
    """The analysis of a table: selection, posteriors of the best fits, comparison.

    The grid is fitted by maximum likelihood; the request's prior (or `Prior.from_data(X)`) is the
    posteriors'. Results that are given are not computed again.
    """
    request, given = request or ReportRequest(), Given.of(results)
    selection, posteriors = given.selection, dict(given.posteriors)
    columns = request.columns if selection is None else _columns(selection)
    missing = request.missing if selection is None else selection.best.mixture.missing
    columns, sample_weight, labels = by_name(X, columns, sample_weight, labels)
    data = as_data(X, columns, sample_weight, missing)
    if selection is None:
        selection = select(
            data, request.ks, request.covariance_type, n_init=request.n_init,
            criterion=request.criterion, random_seed=request.random_seed, progressbar=progressbar,
            noise=request.noise, labels=labels,
        )  # fmt: skip
    theirs = (p.prior for p in posteriors.values() if p.prior is not None)  # not of user's models
    prior = next(theirs, request.prior or Prior.from_data(data))
    selection = _named(selection, request.component_names)
    if request.refine and not posteriors and not selection.interrupted and data.weights is None:
        posteriors = _sampled(data, selection, prior, request, progressbar)
    elif request.component_names and posteriors:
        posteriors = _first_named(posteriors, request.component_names)
    fit = chosen(selection, posteriors)
    with stages(progressbar) as begin:
        begin("Predictive check")
        checks = _checks(posteriors, request)
        begin("Evidence and leave-one-out")
        comparison = compared(selection, posteriors, request.random_seed, given.sampled)
        begin("Standard errors")
        errors = _errors(fit, data)
        begin("Clusters")
        merging = merge(data, fit) if fit.n_components > 1 else None
        begin("Noise")
        noise = NoiseReport.of(data, fit)
    return Analysis(
        data=data,
        selection=selection,
        posteriors=posteriors,
        prior=prior,
        comparison=comparison,
        checks=checks,
        errors=errors,
        certainty=Certainty.of(data, fit),
        merging=merging,
        request=request,
        missing=MissingRates.of(data, fit),
        units={name: unit for name, unit in units_in(X).items() if name in data.names},
        noise=noise,
        labels=LabelReport.of(data, fit),
    )


def chosen(selection: Selection, posteriors: dict[str, Posterior]) -> Fit:
    """The fit that the report is about: of the first posterior, or the grid's best."""
    first = next(iter(posteriors.values()), None)
    return selection.best if first is None else first.fit


def model_of(fit: Fit) -> tuple[str, int]:
    """What a grid's models are told by: families are one model where nothing can vary."""
    return simplest_name(fit.model_name, fit.n_components), fit.n_components


def fits_to_sample(selection: Selection, most: int, far: float = _FAR) -> list[Fit]:
    """The best fit, and the best of other numbers of components whose BIC is not far behind."""
    ranked = selection.top(len(selection.sound))
    of_k: dict[int, Fit] = {}
    for fit in ranked:
        of_k.setdefault(fit.n_components, fit)
    return [fit for fit in of_k.values() if fit.bic - ranked[0].bic < far][:most]


def _sampled(
    data: Data, selection: Selection, prior: Prior, request: ReportRequest, progressbar: bool
) -> dict[str, Posterior]:
    """The posteriors of the best fits; after Ctrl-C no further one is begun."""
    from ..sampling.refine import refine  # xarray and nutpie take a second to import

    found: dict[str, Posterior] = {}
    fits = fits_to_sample(selection, request.n_posteriors)
    max_time = request.max_time
    if max_time is None and sampler_named(request.sampler).chooses:
        max_time = _FOR_ALL / len(fits)
    for i, fit in enumerate(fits, start=1):
        which = f"{fit.model_name}, K = {fit.n_components} ({i} of {len(fits)})"
        with waiting(f"Expected time of the posterior of {which}", progressbar):
            cost = "" if are_in_chunks(data) else _cost(data, fit, prior, request)
        announce(f"Posterior of {which}{cost}", progressbar)
        with warnings.catch_warnings():  # the report has a place for them
            warnings.simplefilter("ignore", ConvergenceAdvice)
            warnings.simplefilter("default", InterruptionAdvice)
            posterior = refine(
                data, fit, prior=prior, draws=request.draws, tune=request.tune,
                chains=request.chains, sampler=request.sampler, random_seed=request.random_seed,
                max_time=max_time, progressbar=progressbar,
            )  # fmt: skip
        found[f"Posterior {fit.model_name}, K = {fit.n_components}"] = posterior
        if posterior.interrupted:
            break
    return found


def _cost(data: Data, fit: Fit, prior: Prior, request: ReportRequest) -> str:
    """How long the sampling will take, in words, and what to do if that is too long."""
    from ..sampling.expected_time import seconds_expected

    if request.sampler not in _TIMED:
        return ""  # an approximation, or a model to be compiled
    seconds = seconds_expected(
        data, fit, prior, draws=request.draws, tune=request.tune, chains=request.chains
    )
    if seconds < _LONG:
        return f": about {seconds:.0f} s"
    return (
        f": about {seconds / 60:.1f} minutes. The sampler 'laplace' approximates it in a fraction "
        "of that: to have it, stop by Ctrl-C and ask for it"
    )


def _named(selection: Selection, names: Sequence[str] | None) -> Selection:
    """The grid whose best fit has names for its components, if there are as many."""
    best = selection.best
    if not names or best.n_components != len(names):
        return selection
    cell = (best.model_name, best.n_components)
    return replace(selection, fits=selection.fits | {cell: best.with_component_names(names)})


def _first_named(posteriors: dict[str, Posterior], names: Sequence[str]) -> dict[str, Posterior]:
    """The posteriors, of which the first has names for its components, if there are as many."""
    title, first = next(iter(posteriors.items()))
    if first.fit.n_components != len(names):
        return posteriors
    return posteriors | {title: first.with_component_names(names)}


def compared(
    selection: Selection,
    posteriors: dict[str, Posterior],
    random_seed: int,
    sampled: dict[str, ComponentsPosterior],
) -> Comparison:
    """The best fits and the posteriors in one table; its conclusion has the warnings as well."""
    of_models: dict[tuple[str, int], Fit] = {}  # with K = 1 families are one model
    for fit in selection.ranked.values():
        of_models.setdefault(model_of(fit), fit)
    best = list(of_models.values())[: 1 + _RUNNERS_UP]
    fits = [*best, *(p.fit for p in posteriors.values())]
    models: dict[str, Model | Selection] = {
        f"EM {f.model_name}, K = {f.n_components}": f for f in fits
    }
    models |= posteriors
    models |= sampled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return compare(models, evidence=_evidence(posteriors), random_seed=random_seed)


def _evidence(posteriors: dict[str, Posterior]) -> Method | None:
    """How the evidences are computed; None where each would take minutes of passes over chunks."""
    in_chunks = any(posterior.rows is not None for posterior in posteriors.values())
    return "bridge" if posteriors and not in_chunks else None


def _checks(posteriors: dict[str, Posterior], request: ReportRequest) -> pd.DataFrame | None:
    first = next(iter(posteriors.values()), None)
    if first is None or isinstance(first.draws, RowDraws):  # rows without one density of all
        return None
    return checked(first, request.random_seed, request.ci_prob)


def checked(posterior: Posterior, random_seed: int, ci_prob: float = 0.89) -> pd.DataFrame | None:
    """The predictive check with every built-in statistic; None of noise that cannot be drawn."""
    noise = getattr(posterior.draws, "noise", None)
    if noise is not None and not noise.estimated:
        return None
    with warnings.catch_warnings():  # the diagnostics report chains in different modes
        warnings.simplefilter("ignore", ConvergenceAdvice)
        n_draws = max(_CHECKED, posterior.tree["posterior"].sizes["chain"])
        return posterior.predictive_check(ci_prob=ci_prob, n_draws=n_draws, random_seed=random_seed)


def _errors(fit: Fit, data: Data) -> StandardErrors | None:
    """Standard errors by the information, or None where there are none."""
    if fit.n_parameters > _MOST_PARAMETERS:
        return None
    try:
        return standard_errors(data, fit, "information")
    except ValueError:  # at the edge of the parameters' range, or not positive definite
        return None


def _columns(selection: Selection) -> list[str] | None:
    """The columns of a grid's fits, by name where they have names."""
    fit = selection.best
    return list(fit.names) if fit.mixture.named else None


def _question(data: Data) -> str:
    columns = " and ".join(
        [", ".join(data.names[:-1]), data.names[-1]] if data.d > 1 else data.names
    )
    columns = columns if data.d <= 6 else f"{data.d} variables"
    return (
        f"How many Gaussian components describe {columns} (n = {data.n}), and with which "
        "covariance structure?"
    )
