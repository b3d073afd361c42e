"""The analysis behind a report: selection, best fit, posterior, checks, evidence, comparison."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..comparison.compare import compare
from ..comparison.table import Comparison
from ..data.data import Data, as_data
from ..em.result import Fit
from ..em.standard_errors.result import StandardErrors
from ..em.standard_errors.standard_errors import standard_errors
from ..mixture.prior import Prior
from ..posterior.evidence.evidence import Evidence
from ..posterior.posterior import Posterior
from ..selection.select import select
from ..selection.selection import Selection
from ..utils.errors import ConvergenceAdvice, InterruptionAdvice
from ..utils.validation import whole_seed

if TYPE_CHECKING:
    import pandas as pd

# Free parameters up to which the information is computed: beyond, it takes long.
_MOST_PARAMETERS = 300
# New data sets of the predictive check.
_CHECKED = 500
# Fits shown beside the chosen one.
_RUNNERS_UP = 3


@dataclass(frozen=True, slots=True, eq=False)
class ReportRequest:
    """The options of a report; the parameters are those of `report`."""

    n_components: int | Iterable[int] = range(1, 10)
    covariance_type: str | Iterable[str] | None = None
    columns: Sequence[str] | None = None
    prior: Prior | None = None
    refine: bool = True
    n_init: int | None = None
    draws: int = 1000
    tune: int = 200
    chains: int = 4
    random_seed: int = 0
    title: str = ""
    question: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Keep the numbers of components as a list, which is read more than once."""
        if isinstance(self.n_components, Iterable):
            object.__setattr__(self, "n_components", list(self.n_components))
        object.__setattr__(self, "random_seed", whole_seed(self.random_seed) or 0)

    @property
    def ks(self) -> list[int]:
        """The numbers of components."""
        ks = self.n_components
        return list(ks) if isinstance(ks, Iterable) else [ks]


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything computed for a report; nothing is computed while it is written.

    request has its options; units are those of columns, where known; evidence is a reason where
    there is none; errors is None where the information gives no standard errors.
    """

    data: Data
    selection: Selection
    fit: Fit
    posterior: Posterior | None
    prior: Prior
    comparison: Comparison
    evidence: Evidence | str
    checks: pd.DataFrame | None
    errors: StandardErrors | None
    request: ReportRequest
    units: dict[str, str] = field(default_factory=dict)

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
        return sorted({family for family, _ in [*self.selection.fits, *self.selection.failures]})


def analyse(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    request: ReportRequest | None = None,
    *,
    progressbar: bool = True,
) -> Analysis:
    """The analysis of a table: selection by BIC, posterior of the best fit, comparison.

    The grid is fitted by maximum likelihood; the request's prior (or `Prior.from_data(X)`) is the
    posterior's.
    """
    request = request or ReportRequest()
    data = as_data(X, request.columns)
    selection = select(
        data, request.ks, request.covariance_type, n_init=request.n_init,
        random_seed=request.random_seed, progressbar=progressbar,
    )  # fmt: skip
    prior = request.prior or Prior.from_data(data)
    posterior = None
    if request.refine and not selection.interrupted:  # after Ctrl-C nothing more is begun
        posterior = _sampled(data, selection.best, prior, request, progressbar)
    return Analysis(
        data=data,
        selection=selection,
        fit=selection.best,
        posterior=posterior,
        prior=prior,
        comparison=_compared(selection, posterior),
        evidence=evidence_or_reason(posterior, request.random_seed),
        checks=None if posterior is None else checked(posterior, request.random_seed),
        errors=_errors(selection.best, data),
        request=request,
        units=_units(X, data),
    )


def _compared(selection: Selection, posterior: Posterior | None) -> Comparison:
    """The best cells and the posterior in one table; its conclusion has the warnings as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return compare(_shown(selection, posterior))


def _sampled(
    data: Data, fit: Fit, prior: Prior, request: ReportRequest, progressbar: bool
) -> Posterior:
    """The posterior of the chosen fit."""
    from ..sampling.refine import refine  # xarray and nutpie take a second to import

    with warnings.catch_warnings():  # the report has a place for them
        warnings.simplefilter("ignore", ConvergenceAdvice)
        warnings.simplefilter("default", InterruptionAdvice)
        return refine(
            data, fit, prior=prior, draws=request.draws, tune=request.tune, chains=request.chains,
            random_seed=request.random_seed, progressbar=progressbar,
        )  # fmt: skip


def _shown(
    selection: Selection, posterior: Posterior | None
) -> dict[str, Fit | Posterior | Selection]:
    """What the report compares: the best cells, and the posterior."""
    models: dict[str, Fit | Posterior | Selection] = {
        f"EM {f.family.name}, K = {f.n_components}": f for f in selection.top(1 + _RUNNERS_UP)
    }
    if posterior is not None:
        name = f"{posterior.fit.family.name}, K = {posterior.fit.n_components}"
        models[f"Posterior {name}"] = posterior
    return models


def evidence_or_reason(posterior: Posterior | None, random_seed: int) -> Evidence | str:
    """The log evidence of the posterior's model, or why there is none."""
    if posterior is None:
        return "no posterior was sampled."
    try:
        with warnings.catch_warnings():  # they are among its problems
            warnings.simplefilter("ignore", ConvergenceAdvice)
            return posterior.log_evidence(random_seed=random_seed)
    except (NotImplementedError, ValueError) as error:
        return str(error)


def checked(posterior: Posterior, random_seed: int) -> pd.DataFrame:
    """The predictive check with every built-in statistic."""
    with warnings.catch_warnings():  # the diagnostics report chains in different modes
        warnings.simplefilter("ignore", ConvergenceAdvice)
        n_draws = max(_CHECKED, posterior.tree["posterior"].sizes["chain"])
        return posterior.predictive_check(n_draws=n_draws, random_seed=random_seed)


def _errors(fit: Fit, data: Data) -> StandardErrors | None:
    """Standard errors by the information, or None where there are none."""
    if fit.n_parameters > _MOST_PARAMETERS:
        return None
    try:
        return standard_errors(data, fit, "information")
    except ValueError:  # at the edge of the parameters' range, or not positive definite
        return None


def _question(data: Data) -> str:
    columns = ", ".join(data.names) if data.d <= 6 else f"{data.d} columns"
    return (
        f"How many Gaussian components describe these {data.n} rows of {columns}, of which shape "
        "are they, and how sure can we be?"
    )


def _units(x: Any, data: Data) -> dict[str, str]:
    """Units a data frame brings along (`DataFrame.attrs["units"]`, as the package's data sets)."""
    units = getattr(x, "attrs", {}).get("units", {})
    return {name: str(units[name]) for name in data.names if units.get(name)}
