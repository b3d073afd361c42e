"""Standard errors of a fit: three bootstraps, jackknife, observed information and sandwich.

    bootstrap    rows drawn with replacement (as multinomial weights)
    weighted     Dirichlet weights for the rows; no row is ever left out entirely
    parametric   new rows from the fitted mixture
    jackknife    each row left out once
    information  the curvature of the log-likelihood at the fit, and the delta method
    sandwich     the same curvature, and the spread of the rows' own scores

O'Hagan, Murphy, Scrucca & Gormley (2019), Comput. Stat. 34, 1779-1813. Every replicate's EM
starts at the fit itself, and its components are given the fit's labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...data.data import Data, as_data
from ...data.same_data import refuse_other_data
from ...kernels.e_step.contract import Parameters
from ...utils.errors import (
    InterruptionAdvice,
)
from ...utils.types import FloatArray
from ...utils.validation import MOST_STEPS, Seed, check_choice, check_integer, check_seed
from ...utils.warnings import warn
from ..checks import as_fit, check_options
from ..labelled_fit import LabelledFit
from ..noisy_fit import NoisyFit
from ..result import Fit
from ..starts.starts import generators
from .information import Beside, LocalCoordinates, inverse, observed_information
from .replicates import REPLICATES, Replicate, labels_of_fit, refits
from .result import Estimates, StandardErrors
from .sandwich import WEIGHTS, spread_of_scores

# Eigenvalue of the information, scaled to a unit diagonal, below which some combination of
# parameters is hardly known.
_NEARLY_SINGULAR = 1e-3
# Rows per free parameter of a component below which its log-likelihood is not quadratic.
_ROWS_PER_PARAMETER = 5
# Rows of noise, or of anything else, without which its share is at the end of its range.
_LEAST_NOISE = 0.1
# Distance from the maximum, in standard errors, that is no longer rounding.
_OFF_MAXIMUM = 0.1
# Replicates below which an interrupted bootstrap has no result: a standard error of so many has a
# relative error of 16 %.
_FEWEST = 20


def standard_errors(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: Fit,
    method: str = "bootstrap",
    *,
    sample_weight: Any = None,
    weights: str | None = None,
    n_boot: int = 999,
    max_iter: int = 1000,
    tol: float = 1e-8,
    random_seed: Seed = None,
    progressbar: bool = True,
) -> StandardErrors:
    """Standard errors and confidence intervals of a fit's parameters.

    Parameters
    ----------
    X : array-like (n, d)
        The rows of the fit.
    fit : Fit
        A sound fit. Also a fitted `GaussianMixture`, or a `Selection`, of which its best fit.
    method : str
        "bootstrap" (rows drawn with replacement), "weighted" (weighted-likelihood bootstrap:
        Dirichlet weights, of which none is 0, so that fewer replicates degenerate), "parametric"
        (rows drawn from the fit), "jackknife" (every row left out once: as many refits as there are
        rows, and no random numbers) or "information" (inverse of the observed information: no
        replicates, but right only if the model is and its components have rows enough). Of a MAP
        fit the replicates show how the estimates vary with the data, the information (of the log
        posterior) how wide the posterior is, which is more. "sandwich" needs no replicates either
        and is right also where the model is not, if rows are many: of the parameters to which the
        estimates then tend.
    sample_weight : array-like (n,) or str, optional
        The weights of the rows, if they had some when fitted; taken for frequencies.
    weights : {"counts", "pseudo"}, optional
        For "sandwich", what these weights are, which has to be said: the number of times that a row
        stands, or survey weights, of which each belongs to one observation.
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
        `.weights`, `.means`, `.covariances`, `.interval()`, `.to_frame()`, `.advice`. Ctrl-C: of
        the replicates made so far (`.interrupted`), if they are at least 20.

    Raises
    ------
    DataError
        Rows that cannot be used.
    ValueError
        An unknown method; a fit that is not an estimate; rows that are not the fit's; an
        information that is not positive definite; every replicate failed.
    KeyboardInterrupt
        Interrupted before 20 replicates were made.

    Warns
    -----
    InterruptionAdvice
        Interrupted; the message says how many replicates there are.

    See Also
    --------
    refine : The posterior of the same mixture.
    bootstrap_lrt : A test of the number of components.

    References
    ----------
    O'Hagan, Murphy, Scrucca & Gormley (2019), Comput. Stat. 34, 1779-1813; McLachlan & Peel
    (2000), sections 2.15 and 2.16; White (1982), Econometrica 50, 1-25 (sandwich).

    Examples
    --------
    >>> import numpy as np
    >>> import bayesgmm
    >>> from bayesgmm import standard_errors
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, random_seed=1)
    >>> standard_errors(X, fit, "information").weights.round(3).tolist()
    [0.029, 0.029]
    >>> se = standard_errors(X, fit, n_boot=99, random_seed=1, progressbar=False)
    >>> low, high = se.interval(0.95)
    >>> bool(np.all((low.means < fit.means) & (fit.means < high.means)))
    True
    """
    check_choice("method", method, METHODS)
    fit, make = as_fit(fit, apart=True), REPLICATES.get(method)
    options = check_options(1, max_iter, tol)
    n_boot = check_integer("n_boot", n_boot, 2, MOST_STEPS)
    seed = check_seed(random_seed)
    if not fit.status.sound:
        raise ValueError(f"the fit has no standard errors, it is not an estimate: {fit.advice}")
    squared = _meaning_of_weights(method, fit, weights)
    data = _rows_of(fit, X, sample_weight)
    if method in _WITHOUT_REFITS:
        return _by_information(fit, data, method, squared)
    if make is None:
        return _by_jackknife(fit, data, options.max_iter, options.tol, progressbar)
    streams = generators(seed, n_boot)
    return _by_replicates(
        fit, data, method, make, streams, options.max_iter, options.tol, progressbar
    )


def _meaning_of_weights(method: str, fit: Fit, weights: str | None) -> bool | None:
    """Whether the squares of the rows' weights count, for the sandwich; None for other methods."""
    if method in _OF_MEANING:
        if not fit.weighted and weights is None:
            return False
        if weights is None:
            raise ValueError(
                "the fit is of rows with weights, and the sandwich depends on what they are: pass "
                "weights='counts' if rows stand so many times, 'pseudo' for survey weights."
            )
        return WEIGHTS[check_choice("weights", weights, WEIGHTS)]
    if weights is not None:
        raise ValueError(
            f"weights is {weights!r}: only method='sandwich' asks what the weights are; leave it "
            "out (they are frequencies)."
        )
    return None


def _rows_of(fit: Fit, x: Any, sample_weight: Any) -> Data:
    """The data, checked to be those of the fit."""
    data = as_data(fit.mixture.rows(x, sample_weight), fit.names)
    cure = "pass the rows (and sample_weight) that it was fitted to, or fit these first."
    refuse_other_data(fit.fingerprint, data.fingerprint, cure)
    return fit.labels.seen_in(data) if isinstance(fit, LabelledFit) else data


def _by_information(fit: Fit, data: Data, method: str, squared: bool | None) -> StandardErrors:
    """The delta method at the fit, whose parameters are functions of free coordinates.

    squared: whether the squares of weights count in the sandwich; None for the information alone.
    """
    if np.any(fit.weights <= 0):
        k = int(np.argmin(fit.weights))
        raise ValueError(f"component {k} of the fit is empty: use fewer components.")
    p = fit.mixture.parameters_about(data.center)
    estimates = Parameters(p.weights, p.means, fit.covariances)
    beside = _noise_of(fit)
    local = LocalCoordinates(data, fit.family, estimates, beside)
    information, gradient = observed_information(data, local, fit.family, fit.prior)
    bread, smallest = inverse(information)
    covariance = bread
    if squared is not None:
        spread = spread_of_scores(data, estimates, local.tangents, squared, beside)
        covariance = bread @ spread @ bread

    def delta(derivatives: FloatArray) -> FloatArray:
        flat = derivatives.reshape(local.size, -1)
        variance = np.einsum("iq,ij,jq->q", flat, covariance, flat, optimize=True)
        return np.sqrt(np.maximum(variance, 0.0)).reshape(derivatives.shape[1:])

    se = Estimates(*(delta(derivatives) for derivatives in local.tangents))
    notes = _information_notes(fit, data, smallest, float(gradient @ bread @ gradient))
    return StandardErrors(fit, method, se, notes=notes)


def _noise_of(fit: Fit) -> Beside | None:
    """The noise of a fit that has some.

    Raises
    ------
    ValueError
        Its share is at the end of its range.
    """
    if not isinstance(fit, NoisyFit):
        return None
    if min(fit.noise_share, 1 - fit.noise_share) * fit.n < _LEAST_NOISE:
        raise ValueError(
            f"the share of noise is {fit.noise_share:.3g}, at the end of its range, where there is "
            "no normal theory: fit without noise, or use method='bootstrap'."
        )
    return Beside(fit.noise, fit.noise_share)


def _information_notes(fit: Fit, data: Data, smallest: float, decrement: float) -> tuple[str, ...]:
    """Reasons to doubt normal theory at this fit."""
    notes = []
    away = math.sqrt(max(decrement, 0.0))
    if away > _OFF_MAXIMUM:
        notes.append(
            f"The fit is {away:.2g} standard errors from its maximum: fit with a smaller tol."
        )
    if smallest < _NEARLY_SINGULAR:
        notes.append(
            f"The information is nearly singular (eigenvalue {smallest:.2g}, scaled to a unit "
            "diagonal): the log-likelihood is not quadratic over so wide a range, prefer "
            "method='bootstrap'."
        )
    own = fit.n_parameters / fit.n_components
    k = int(np.argmin(fit.weights))
    count = fit.expected_rows[k]
    if count < _ROWS_PER_PARAMETER * own:
        notes.append(
            f"Component {k} holds {count:.0f} rows, few for {own:.0f} parameters a component: "
            "normal theory is doubtful, prefer method='bootstrap'."
        )
    return tuple(notes)


# Methods that need nothing but the fit.
_WITHOUT_REFITS = ("information", "sandwich")
METHODS = (*REPLICATES, "jackknife", *_WITHOUT_REFITS)
# Methods to which it makes a difference what the rows' weights are.
_OF_MEANING = frozenset({"sandwich"})


def _warn_of_interruption(made: int, asked: int) -> None:
    """Warn of fewer replicates than were asked for, or raise if they are too few."""
    if made < min(_FEWEST, asked):
        raise KeyboardInterrupt(
            f"stopped after {made} replicates: at least {_FEWEST} make standard errors"
        )
    warn(
        f"interrupted: the standard errors are of {made} replicates, not {asked}.",
        InterruptionAdvice,
    )


def _by_jackknife(
    fit: Fit, data: Data, max_iter: int, tol: float, progressbar: bool
) -> StandardErrors:
    """Standard errors from refits without each of the rows, of which weights are counts."""
    counted = np.ones(data.n) if data.counted is None else np.asarray(data.counted)
    rows = np.flatnonzero(counted > 0)

    def without(row: int) -> Replicate:
        left = counted.copy()
        left[row] = max(left[row] - 1.0, 0.0)
        return as_data(data, sample_weight=left), labels_of_fit(fit)

    found, interrupted = refits(
        fit, data, without, rows.tolist(), max_iter, tol, "Rows left out", progressbar
    )
    if interrupted:
        raise KeyboardInterrupt("stopped before every row had been left out")
    sound = [i for i, result in enumerate(found) if result is not None]
    if len(sound) < 2:
        raise ValueError("without a row there is no sound fit: use method='information'.")
    estimates, stopped, moved = zip(*(found[i] for i in sound if found[i] is not None), strict=True)
    parts = Estimates(*(np.array(part) for part in zip(*estimates, strict=True)))
    times, total = counted[rows[sound]], float(counted.sum())

    def error(values: FloatArray) -> FloatArray:
        away = values - np.average(values, axis=0, weights=times)
        return np.sqrt((total - 1) / total * np.tensordot(times, away**2, axes=1))

    failed = len(rows) - len(sound)
    notes = (f"{failed} rows could not be left out: without one there is no sound fit.",)
    return StandardErrors(
        fit, "jackknife", parts.map(error), None, failed, sum(stopped), sum(moved),
        notes if failed else (),
    )  # fmt: skip


def _by_replicates(
    fit: Fit,
    data: Data,
    method: str,
    make: Callable[[Fit, Data, np.random.Generator], Replicate],
    streams: list[np.random.Generator],
    max_iter: int,
    tol: float,
    progressbar: bool,
) -> StandardErrors:
    """Standard errors from refits of every replicate, started at the fit, in its labels."""
    found, interrupted = refits(
        fit, data, lambda rng: make(fit, data, rng), streams, max_iter, tol,
        "Bootstrap replicates", progressbar,
    )  # fmt: skip
    if interrupted:
        _warn_of_interruption(len(found), len(streams))
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
    return StandardErrors(
        fit, method, se, replicates, failed, sum(stopped), sum(moved), interrupted=interrupted
    )
