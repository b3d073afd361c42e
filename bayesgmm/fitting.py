"""Fitting one mixture: data, family, starts and EM in, a `Fit` out."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import xlogy

from .data import Data, as_data
from .em import EMResult, Problem, Status, run_em
from .errors import DataError, DegenerateFitWarning
from .families import Family, get_family
from .kernels import DegenerateComponentError, Parameters, evaluate, expected_statistics
from .mixture import Mixture
from .prior import Prior
from .result import Fit
from .start import Seed, Start, make_starts

# Two runs whose objectives differ by less than this per row ended at the same optimum.
_SAME_OPTIMUM = 1e-6
# Below this the correlation matrix is singular to rounding.
_SMALLEST_CORRELATION_EIGENVALUE = 1e-13
# Rows beyond the fewest possible below which a component's likelihood is that of a coincidence.
_ROOM = 0.25
_BLOCK = 65_536


def fit(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    n_components: int,
    covariance_type: str | Family = "VVV",
    *,
    prior: Prior | None = None,
    start: Any = "kmeans",
    n_init: int = 10,
    max_iter: int = 1000,
    tol: float = 1e-8,
    random_seed: Seed = None,
    columns: Sequence[str] | None = None,
    ridge: float = 0.0,
) -> Fit:
    """Fit a Gaussian mixture by EM: maximum likelihood, or maximum a posteriori with a prior.

    Parameters
    ----------
    X : array-like (n, d) or (n,)
        NumPy array, pandas, polars or pyarrow table, xarray object, or nested list.
    n_components : int
        Number of components K.
    covariance_type : str
        Family of the covariances: EII, VII, EEI, VVI, EEE, VVV, for one column E or V, or
        scikit-learn's "spherical", "diag", "tied", "full".
    prior : Prior, optional
        Maximise the posterior density instead of the likelihood.
    start : str, array, Mixture or Fit
        "kmeans" (k-means++ and k-means on standardised columns), "random" (random
        responsibilities), n labels, responsibilities (n, K), or a known mixture. From labels or
        responsibilities EM takes one M-step first.
    n_init : int
        Number of starts; the best result is kept. One is made where `start` leaves no choice.
    max_iter : int
        Most EM iterations per start; 0 returns the start's parameters and their log-likelihood.
    tol : float
        Stop when at most `tol` of log-likelihood *per row* is left to gain (extrapolated), which
        depends neither on n nor on the units of the columns.
    random_seed : int, Generator, SeedSequence or None
        Seed of the starts; the same seed gives the same fit on any number of threads.
    columns : sequence of str, optional
        Use only these columns of a table.
    ridge : float
        Added to every variance after each M-step, in squared data units (scikit-learn's
        reg_covar). 0, the default, regularises nothing; with more, EM is not monotone.

    Returns
    -------
    Fit
        Estimates, log-likelihood, criteria, and how EM ended (`status`, `advice`).

    Raises
    ------
    DataError
        Data that cannot be used: the message names the column or value and the cure.
    ValueError
        An argument out of range.

    Warns
    -----
    DegenerateFitWarning
        Every start ran into a singular covariance (the fit then holds the last regular
        parameters), or to a spurious maximum beside one.

    Examples
    --------
    >>> import bayesgmm
    >>> fit = bayesgmm.fit(bayesgmm.datasets.load_faithful(), 2, random_seed=1)
    >>> fit.weights.round(3).tolist(), round(fit.loglik, 3)
    ([0.644, 0.356], -1130.264)
    """
    check_options(n_init, max_iter, tol, ridge)
    data = as_data(X, columns)
    family = get_family(covariance_type, data.d)
    check_problem(data, n_components, family, prior, ridge)
    starts = make_starts(start, data, n_components, n_init, random_seed)
    problem = Problem(data, family, prior, ridge)
    result = best_fit(problem, data, starts, max_iter=max_iter, tol=tol)
    if not result.status.sound:
        warnings.warn(result.advice, DegenerateFitWarning, stacklevel=2)
    return result


def check_options(n_init: int, max_iter: int, tol: float, ridge: float = 0.0) -> None:
    """Refuse options out of range, before any work starts."""
    whole("n_init", n_init, 1)
    whole("max_iter", max_iter, 0)
    for name, value in (("tol", tol), ("ridge", ridge)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value!r}: pass a number that is at least 0.")


def check_problem(
    data: Data, n_components: int, family: Family, prior: Prior | None, ridge: float = 0.0
) -> None:
    """Refuse a number of components, a family or a prior that cannot go with the data."""
    whole("n_components", n_components, 1)
    if prior is not None:
        if prior.d != data.d:
            raise ValueError(f"the prior is for {prior.d} columns, the data have {data.d}.")
        if prior.concentration < 1:
            raise ValueError(
                f"the prior's concentration is {prior.concentration}: below 1 the posterior has "
                "its maximum at an empty component; use at least 1 for fit()."
            )
    needed = n_components if prior is not None or ridge else n_components + 1
    if not data.has_distinct_rows(needed):
        distinct = next(m for m in range(needed, 0, -1) if data.has_distinct_rows(m))
        most, cure = distinct, ""
        if needed > n_components:
            most, cure = max(distinct - 1, 1), ", or pass a prior"
        raise DataError(
            f"the data have {distinct} distinct rows (n_samples = {data.n}), too few for "
            f"n_components = {n_components}: ask for at most {most}{cure}."
        )
    if prior is None and not ridge and not (family.diagonal or family.spherical):
        refuse_dependent_columns(data, family)


def refuse_dependent_columns(data: Data, family: Family) -> None:
    """A linear relation between columns makes every full covariance singular: name it."""
    if data.n <= data.d:
        raise DataError(
            f"{data.n} rows cannot determine a covariance of {data.d} columns (family "
            f"{family.name}): use fewer columns, a diagonal family (VVI, EEI), or pass a prior."
        )
    whole = Parameters(np.ones(1), np.zeros((1, data.d)), np.diag(data.scale**2)[None])
    scatter = expected_statistics(data, whole)[1].scatters[0]
    correlation = scatter / (data.n * np.outer(data.sd, data.sd))
    eigenvalues, vectors = np.linalg.eigh(correlation)
    if eigenvalues[0] > _SMALLEST_CORRELATION_EIGENVALUE:
        return
    involved = np.flatnonzero(np.abs(vectors[:, 0]) > 0.01)
    names = " and ".join(repr(data.names[j]) for j in involved)
    what = "carry the same information" if len(involved) == 2 else "are linearly dependent"
    raise DataError(
        f"columns {names} {what}: every covariance of family {family.name} is then singular; "
        "drop one, use a diagonal family (VVI, EEI), or pass a prior."
    )


def best_fit(
    problem: Problem, data: Data, starts: Sequence[Start], *, max_iter: int, tol: float
) -> Fit:
    """Run EM from every start and keep the best result, a sound one if there is any.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    best: EMResult | None = None
    objectives = []
    for start in starts:
        try:
            first = start.parameters(problem, data)
            result = run_em(problem, first, max_iter=max_iter, tol=tol)
        except DegenerateComponentError as error:
            failure = error
            continue
        result = _mark_spurious(result, problem)
        if result.status.sound:
            objectives.append(result.objective)
        if best is None or _rank(result) > _rank(best):
            best = result
    if best is None:
        raise DegenerateComponentError(failure.component, _start_advice(failure, problem.family))
    if starts[0].guess:
        best = _by_weight(best)
    near = [o for o in objectives if best.objective - o <= _SAME_OPTIMUM * data.n]
    return _as_fit(best, problem, data, (len(starts), len(objectives), len(near)))


def _rank(result: EMResult) -> tuple[bool, bool, float]:
    """Sound results before spurious ones before degenerate ones, then by the objective."""
    return result.status.sound, result.status is Status.SPURIOUS, result.objective


def _mark_spurious(result: EMResult, problem: Problem) -> EMResult:
    """Mark a maximum that owes its height to a component of hardly more rows than it must have.

    As the rows of such a component come closer its likelihood grows without bound, so every few
    neighbours make a local maximum: McLachlan & Peel (2000), Finite Mixture Models, section 3.10.
    """
    weights = result.parameters.weights
    if problem.prior is not None or problem.ridge or len(weights) == 1 or not result.status.sound:
        return result
    fewest = problem.family.fewest_rows(result.parameters.means.shape[1])
    which = int(np.argmin(weights))
    if fewest and weights[which] * len(problem.rows.values) < fewest + _ROOM:
        return replace(result, status=Status.SPURIOUS, component=which)
    return result


def _by_weight(result: EMResult) -> EMResult:
    """Components in the order of their proportions, largest first: the same for every seed."""
    p = result.parameters
    order = np.argsort(-p.weights, kind="stable")
    which = None if result.component is None else int(np.argmax(order == result.component))
    return replace(
        result,
        parameters=Parameters(p.weights[order], p.means[order], p.covariances[order]),
        component=which,
    )


def _start_advice(error: DegenerateComponentError, family: Family) -> str:
    return (
        f"the start gives component {error.component} a singular covariance (family "
        f"{family.name}): it holds too few different rows. Pass another start, fewer components, "
        "a family with fewer parameters, or a prior."
    )


def _as_fit(result: EMResult, problem: Problem, data: Data, starts: tuple[int, int, int]) -> Fit:
    p = result.parameters
    entropy, log_map = _classification(problem, data, result)
    return Fit(
        mixture=Mixture(p.weights, p.means + data.center, p.covariances, data.names),
        family=problem.family,
        n=data.n,
        loglik=result.loglik,
        objective=result.objective,
        entropy=entropy,
        log_map=log_map,
        history=result.history,
        status=result.status,
        degenerate_component=result.component,
        prior=problem.prior,
        starts=starts,
    )


def _classification(problem: Problem, data: Data, result: EMResult) -> tuple[float, float]:
    """Entropy of the responsibilities, and log of the largest one, summed over the rows."""
    if len(result.parameters.weights) == 1:
        return 0.0, 0.0
    entropy = log_map = 0.0
    for i in range(0, data.n, _BLOCK):
        block = replace(data, values=data.values[i : i + _BLOCK])
        resp = evaluate(block, result.parameters, responsibilities=True)[1]
        entropy -= float(np.sum(xlogy(resp, resp)))
        log_map += float(np.sum(np.log(resp.max(axis=1))))
    return entropy, log_map


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least that much, or a ValueError that names it."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}: pass a whole number.") from None
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}: pass a whole number of at least {least}.")
    return number
