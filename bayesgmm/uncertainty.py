"""Standard errors of a fit: three bootstraps, and the observed information.

    bootstrap    rows drawn with replacement (as multinomial weights)
    weighted     Dirichlet weights for the rows; no row is ever left out entirely
    parametric   new rows from the fitted mixture
    information  the curvature of the log-likelihood at the fit, and the delta method

O'Hagan, Murphy, Scrucca & Gormley (2019), Comput. Stat. 34, 1779-1813. Every replicate's EM
starts at the fit itself, and its components are given the fit's labels.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtri

from .data import Data, as_data, as_rows_like
from .em import Status
from .errors import DataError, DegenerateFitWarning
from .fitting import check_options, whole
from .fitting import fit as refit
from .information import Chart, inverse, observed_information
from .kernels import DegenerateComponentError, Parameters, evaluate, expected_statistics
from .kernels.contract import FloatArray
from .progress import progress
from .result import Fit
from .start import Seed, generators

if TYPE_CHECKING:
    import pandas as pd

type IntArray = NDArray[np.intp]

_BLOCK = 65_536
# Eigenvalue of the information, scaled to a unit diagonal, below which some combination of
# parameters is hardly known.
_NEARLY_SINGULAR = 1e-3
# Rows per free parameter of a component below which its likelihood is no parabola.
_ROWS_PER_PARAMETER = 5
# Distance from the maximum, in standard errors, that is no longer rounding.
_OFF_MAXIMUM = 0.1
# Share of the replicates that may fail, move or not converge without more words.
_MANY = 0.05
# A standard deviation so many times what the quartiles say rests on a few replicates.
_HEAVY = 1.5
_QUARTILES = 1.349


class Estimates(NamedTuple):
    """One number for each parameter: weights (K,), means (K, d), covariances (K, d, d).

    Axes may lead, as those of replicates do.
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    def map(self, function: Callable[..., FloatArray], *others: Estimates) -> Estimates:
        """The function of each array (and of the others' array of that name)."""
        return Estimates(*(function(*arrays) for arrays in zip(self, *others, strict=True)))


@dataclass(frozen=True, eq=False)
class StandardErrors:
    """Standard errors of a fit's parameters.

    Attributes
    ----------
    fit : Fit
        The estimates.
    method : str
        "bootstrap", "weighted", "parametric" or "information".
    se : Estimates
        Standard errors of proportions (K,), means (K, d) and covariances (K, d, d), in the units
        of these; also as `weights`, `means` and `covariances`.
    replicates : Estimates or None
        The replicates' estimates, (B, K), (B, K, d) and (B, K, d, d), in the fit's labels; None
        for the information.
    failed : int
        Replicates that ended at or beside a singular covariance; they are in none of the numbers.
    unconverged : int
        Replicates stopped by max_iter; they are in the numbers.
    moved : int
        Replicates whose components came out in another order than the fit's, and were put back.
    notes : tuple of str
        Reasons for care that the information gave; `advice` has all.
    """

    fit: Fit
    method: str
    se: Estimates
    replicates: Estimates | None = None
    failed: int = 0
    unconverged: int = 0
    moved: int = 0
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> FloatArray:
        """Standard errors of the proportions, (K,)."""
        return self.se.weights

    @property
    def means(self) -> FloatArray:
        """Standard errors of the means, (K, d)."""
        return self.se.means

    @property
    def covariances(self) -> FloatArray:
        """Standard errors of the covariances, (K, d, d); 0 where the family fixes them."""
        return self.se.covariances

    def interval(self, level: float = 0.95) -> tuple[Estimates, Estimates]:
        """Lower and upper ends of the confidence intervals, each parameter for itself.

        Percentiles of the replicates; for the information normal ones, of the proportions on the
        logit and of the variances on the log scale.

        Raises
        ------
        ValueError
            A level outside (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"level is {level!r}: pass a number between 0 and 1, such as 0.95.")
        tails = (0.5 * (1 - level), 0.5 * (1 + level))
        if self.replicates is not None:
            low, high = (
                self.replicates.map(lambda a, q=q: np.asarray(np.quantile(a, q, axis=0)))
                for q in tails
            )
            return low, high
        low, high = (self._normal(float(ndtri(q))) for q in tails)
        return low, high

    def _normal(self, z: float) -> Estimates:
        """Estimates moved by z standard errors, within their ranges."""
        pi, variances = self.fit.weights, np.diagonal(self.fit.covariances, axis1=1, axis2=2)
        spread = np.where(pi < 1, pi * (1 - pi), 1.0)
        odds = np.exp(z * self.weights / spread)
        weights = pi * odds / (1 - pi + pi * odds)
        covariances = self.fit.covariances + z * self.covariances
        i = np.arange(self.fit.d)
        covariances[:, i, i] = variances * np.exp(z * self.covariances[:, i, i] / variances)
        return Estimates(weights, self.fit.means + z * self.means, covariances)

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row per parameter: estimate, standard error and ends of the interval.

        Columns: component, parameter ("pi", "mean waiting", "var waiting", "cov eruptions,
        waiting"), estimate, se, low, high.
        """
        import pandas as pd

        fit, (low, high) = self.fit, self.interval(level)
        arrays = [Estimates(fit.weights, fit.means, fit.covariances), self.se, low, high]
        rows = [
            [k, name, *(getattr(array, field)[k, *index] for array in arrays)]
            for k in range(fit.n_components)
            for name, field, index in self._parameters()
        ]
        columns = ["component", "parameter", "estimate", "se", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def _parameters(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Name, array and place in it of every parameter of a component."""
        names, d = self.fit.names, self.fit.d
        out: list[tuple[str, str, tuple[int, ...]]] = [("pi", "weights", ())]
        out += [(f"mean {name}", "means", (j,)) for j, name in enumerate(names)]
        out += [(f"var {name}", "covariances", (j, j)) for j, name in enumerate(names)]
        if not (self.fit.family.diagonal or self.fit.family.spherical):
            pairs = ((i, j) for i in range(d) for j in range(i + 1, d))
            out += [(f"cov {names[i]}, {names[j]}", "covariances", (i, j)) for i, j in pairs]
        return out

    @property
    def advice(self) -> str:
        """What to be careful of; empty if nothing was seen."""
        notes = list(self.notes)
        if self.replicates is None:
            return " ".join(notes)
        made = len(self.replicates.weights) + self.failed
        if self.failed:
            note = f"{self.failed} of {made} replicates had no sound fit and are left out"
            if self.failed > _MANY * made:
                note += (
                    ": the rest understate the spread, so do not rely on these standard errors; "
                    "use fewer components, a family with fewer parameters, or a prior"
                )
            notes.append(note + ".")
        if self.unconverged > _MANY * made:
            notes.append(
                f"{self.unconverged} of {made} replicates were stopped by max_iter: raise it."
            )
        if self.moved > _MANY * made:
            notes.append(
                f"{self.moved} of {made} replicates had their components in another order: they "
                "are hard to tell apart, and parameters of single components mean little."
            )
        heavy = self._heavy()
        if heavy:
            notes.append(
                f"The standard errors of {heavy} rest on few replicates far from the others: "
                "use the intervals."
            )
        return " ".join(notes)

    def _heavy(self) -> str:
        """The component with the parameter whose replicates have the longest tails, if long."""
        if self.replicates is None or len(self.replicates.weights) < 20:
            return ""
        worst, what = _HEAVY, ""
        for k in range(self.fit.n_components):
            for name, field, index in self._parameters():
                values = getattr(self.replicates, field)[:, k, *index]
                q1, q3 = np.quantile(values, [0.25, 0.75])
                ratio = np.std(values) * _QUARTILES / (q3 - q1) if q3 > q1 else 0.0
                if ratio > worst:
                    worst, what = float(ratio), f"component {k} (first among them: {name})"
        return what

    def _title(self) -> str:
        fit = self.fit
        text = f"Standard errors by {self.method}, {fit.family.name}, K = {fit.n_components}"
        if self.replicates is not None:
            text += f", {len(self.replicates.weights)} replicates"
        return text

    def __repr__(self) -> str:
        lines = [self._title(), self.advice, ""]
        table = self.to_frame().to_string(index=False, float_format=lambda v: f"{v:.4g}")
        return "\n".join(line for line in lines if line) + "\n" + str(table)

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, border=0, float_format=lambda v: f"{v:.4g}")
        advice = f"<p>{escape(self.advice)}</p>" if self.advice else ""
        return f"<p><b>{escape(self._title())}</b></p>{advice}{table}"


def standard_errors(
    fit: Fit,
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    method: str = "bootstrap",
    *,
    n_boot: int = 999,
    max_iter: int = 1000,
    tol: float = 1e-8,
    random_seed: Seed = None,
    progressbar: bool = True,
) -> StandardErrors:
    """Standard errors and confidence intervals of a fit's parameters.

    Parameters
    ----------
    fit : Fit
        A sound fit.
    X : array-like (n, d)
        The rows it was fitted to; a `Data` with weights if these were, whose weights are taken
        for frequencies.
    method : str
        "bootstrap" (rows drawn with replacement), "weighted" (weighted-likelihood bootstrap:
        Dirichlet weights, of which none is 0, so that fewer replicates degenerate), "parametric"
        (rows drawn from the fit) or "information" (inverse of the observed information: no
        replicates, but right only if the model is and its components have rows enough). Of a MAP
        fit the replicates tell how the estimates vary with the data, the information (of the log
        posterior) how far the posterior reaches, which is more.
    n_boot : int
        Replicates. A standard error then has a relative error of 1 / sqrt(2 n_boot), or more
        where the estimates have long tails.
    max_iter, tol
        Of every replicate's EM, as for `fit`.
    random_seed : int, Generator, SeedSequence or None
        Seed of the replicates.
    progressbar : bool
        Show progress on standard error.

    Returns
    -------
    StandardErrors
        `.weights`, `.means`, `.covariances`, `.interval()`, `.to_frame()`, `.advice`.

    Raises
    ------
    DataError
        Rows that cannot be used.
    ValueError
        An unknown method; a fit that is no estimate; rows that are not the fit's; an information
        that is not positive definite; every replicate failed.

    References
    ----------
    O'Hagan, Murphy, Scrucca & Gormley (2019), Comput. Stat. 34, 1779-1813; McLachlan & Peel
    (2000), sections 2.15 and 2.16.

    Examples
    --------
    >>> import numpy as np
    >>> import bayesgmm
    >>> from bayesgmm import standard_errors
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, random_seed=1)
    >>> standard_errors(fit, X, "information").weights.round(3).tolist()
    [0.029, 0.029]
    >>> se = standard_errors(fit, X, n_boot=99, random_seed=1, progressbar=False)
    >>> low, high = se.interval(0.95)
    >>> bool(np.all((low.means < fit.means) & (fit.means < high.means)))
    True
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose among {', '.join(METHODS)}.")
    check_options(1, max_iter, tol)
    whole("n_boot", n_boot, 2)
    if not fit.status.sound:
        raise ValueError(f"the fit has no standard errors, it is no estimate: {fit.advice}")
    data = _rows_of(fit, X)
    make = REPLICATES.get(method)
    if make is None:
        return _by_information(fit, data)
    streams = generators(random_seed, n_boot)
    return _by_replicates(fit, data, method, make, streams, max_iter, tol, progressbar)


def _rows_of(fit: Fit, x: Any) -> Data:
    """The data of the fit, checked to be that."""
    given = as_rows_like(x, fit.names, np.zeros(fit.d), np.ones(fit.d))
    data = as_data(given, fit.names)
    loglik = expected_statistics(data, fit.mixture.parameters_about(data.center))[0]
    if abs(loglik - fit.loglik) > 1e-6 * (data.total + abs(fit.loglik)):
        raise ValueError(
            f"these rows have a log-likelihood of {loglik:.6g} under the fit, its own have "
            f"{fit.loglik:.6g}: pass the rows (and weights) that it was fitted to."
        )
    return data


def _by_information(fit: Fit, data: Data) -> StandardErrors:
    """The delta method at the fit, whose parameters are functions of the chart's coordinates."""
    if np.any(fit.weights <= 0):
        k = int(np.argmin(fit.weights))
        raise ValueError(f"component {k} of the fit is empty: use fewer components.")
    p = fit.mixture.parameters_about(data.center)
    chart = Chart(fit.family, Parameters(p.weights, p.means, fit.covariances))
    information, gradient = observed_information(data, chart, fit.family, fit.prior)
    covariance, smallest = inverse(information)
    tangents = chart.at(np.zeros(chart.size))[1]

    def delta(derivatives: FloatArray) -> FloatArray:
        flat = derivatives.reshape(chart.size, -1)
        variance = np.einsum("iq,ij,jq->q", flat, covariance, flat, optimize=True)
        return np.sqrt(np.maximum(variance, 0.0)).reshape(derivatives.shape[1:])

    se = Estimates(*(delta(derivatives) for derivatives in tangents))
    notes = _information_notes(fit, data, smallest, float(gradient @ covariance @ gradient))
    return StandardErrors(fit, "information", se, notes=notes)


def _information_notes(fit: Fit, data: Data, smallest: float, decrement: float) -> tuple[str, ...]:
    """What speaks against normal theory at this fit."""
    notes = []
    away = math.sqrt(max(decrement, 0.0))
    if away > _OFF_MAXIMUM:
        notes.append(
            f"The fit is {away:.2g} standard errors from its maximum: fit with a smaller tol."
        )
    if smallest < _NEARLY_SINGULAR:
        notes.append(
            f"The information is nearly singular (eigenvalue {smallest:.2g}, scaled to a unit "
            "diagonal): the log-likelihood is no parabola over so wide a range, prefer "
            "method='bootstrap'."
        )
    own = fit.n_parameters / fit.n_components
    k = int(np.argmin(fit.weights))
    count = fit.weights[k] * data.total
    if count < _ROWS_PER_PARAMETER * own:
        notes.append(
            f"Component {k} holds {count:.0f} rows, few for {own:.0f} parameters a component: "
            "normal theory is doubtful, prefer method='bootstrap'."
        )
    return tuple(notes)


def _resampled(fit: Fit, data: Data, rng: np.random.Generator) -> Data:
    """Rows drawn with replacement: as many, each as often as a multinomial number says."""
    share = None if data.weights is None else data.weights / data.weights.sum()
    p = np.full(data.n, 1.0 / data.n) if share is None else share
    return as_data(data, sample_weight=rng.multinomial(round(data.total), p))


def _reweighted(fit: Fit, data: Data, rng: np.random.Generator) -> Data:
    """Weights n Dirichlet(1, ..., 1); Dirichlet(w) for rows that stand for w of them."""
    if data.weights is None:
        gamma = rng.standard_exponential(data.n)
    else:
        gamma = rng.standard_gamma(data.weights)
    return as_data(data, sample_weight=gamma * (data.total / gamma.sum()))


def _simulated(fit: Fit, data: Data, rng: np.random.Generator) -> Data:
    """As many rows from the fitted mixture."""
    return as_data(fit.sample(round(data.total), rng)[0])


REPLICATES: dict[str, Callable[[Fit, Data, np.random.Generator], Data]] = {
    "bootstrap": _resampled,
    "weighted": _reweighted,
    "parametric": _simulated,
}
METHODS = (*REPLICATES, "information")


def _by_replicates(
    fit: Fit,
    data: Data,
    method: str,
    make: Callable[[Fit, Data, np.random.Generator], Data],
    streams: list[np.random.Generator],
    max_iter: int,
    tol: float,
    progressbar: bool,
) -> StandardErrors:
    """Refit every replicate from the fit, and take its components by the fit's labels."""
    allocation = _allocation(fit, data)
    found: list[tuple[Estimates, bool, bool] | None] = []
    with (
        warnings.catch_warnings(),
        progress("Bootstrap replicates", len(streams), progressbar) as tick,
    ):
        warnings.simplefilter("ignore", DegenerateFitWarning)  # counted
        for rng in streams:
            try:
                other = refit(
                    make(fit, data, rng), fit.n_components, fit.family, prior=fit.prior,
                    start=fit, max_iter=max_iter, tol=tol,
                )  # fmt: skip
            except (DataError, DegenerateComponentError):
                found.append(None)
            else:
                found.append(_matched(fit, other, data, allocation))
            tick()
    sound = [result for result in found if result is not None]
    failed = len(found) - len(sound)
    if len(sound) < 2:
        raise ValueError(
            f"{failed} of {len(found)} replicates had no sound fit: use fewer components, a "
            "family with fewer parameters, a prior, or method='information'."
        )
    estimates, stopped, moved = zip(*sound, strict=True)
    replicates = Estimates(*(np.array(part) for part in zip(*estimates, strict=True)))
    se = replicates.map(lambda values: np.std(values, axis=0, ddof=1))
    return StandardErrors(fit, method, se, replicates, failed, sum(stopped), sum(moved))


def _matched(
    fit: Fit, other: Fit, data: Data, allocation: IntArray
) -> tuple[Estimates, bool, bool] | None:
    """A replicate's estimates in the fit's labels, whether it was stopped, and whether moved."""
    if not other.status.sound:
        return None
    order = _labels(other, data, allocation)
    parts = (other.weights, other.means, other.covariances)
    estimates = Estimates(*(part[order] for part in parts))
    moved = bool(np.any(order != np.arange(fit.n_components)))
    return estimates, other.status is Status.MAX_ITER, moved


def _allocation(fit: Fit, data: Data) -> IntArray:
    """The rows' most probable components under the fit, (n,)."""
    p = fit.mixture.parameters_about(data.center)
    blocks = [data.part(i, i + _BLOCK) for i in range(0, data.n, _BLOCK)]
    return np.concatenate(
        [np.argmax(evaluate(block, p, responsibilities=True)[1], axis=1) for block in blocks]
    )


def _labels(other: Fit, data: Data, allocation: IntArray) -> IntArray:
    """The other fit's component for each of the fit's: most of the rows' allocations agree (ECR).

    Papastamoulis & Iliopoulos (2010), J. Comput. Graph. Stat. 19, 313-331; as `labels.ecr` does
    for draws.
    """
    n_components = other.n_components
    agreement = np.zeros((n_components, n_components))
    p = other.mixture.parameters_about(data.center)
    for i in range(0, data.n, _BLOCK):
        block = data.part(i, i + _BLOCK)
        member = np.eye(n_components)[allocation[i : i + _BLOCK]]
        if block.weights is not None:
            member *= block.weights[:, None]
        agreement += member.T @ evaluate(block, p, responsibilities=True)[1]
    return np.asarray(linear_sum_assignment(agreement, maximize=True)[1])
