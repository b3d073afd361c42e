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
from .em import EMResult, Problem
from .errors import DataError, DegenerateFitWarning
from .families import FAMILIES, Family, get_family
from .kernels import (
    DegenerateComponentError,
    Parameters,
    Statistics,
    expected_log_joint,
    expected_statistics,
)
from .kernels.ready import Features
from .mixture import Mixture, responsibility_blocks
from .prior import Prior, check_columns
from .result import Fit
from .search import SAME_OPTIMUM, Effort, follow
from .start import Sample, Seed, Start, make_starts, named_starts, subset_rng

# A named start is made from, and its short runs are run on, so many features of rows at most
# (what stays in the processor's cache), but on no fewer rows than this for every parameter.
_SEARCHED = 2**17
_ROWS_PER_PARAMETER = 5
# Below this the correlation matrix is singular to rounding.
_SMALLEST_CORRELATION_EIGENVALUE = 1e-13
# Rows that usually settle it.
_FIRST_ROWS = 4096
# Rounding of an entropy, per row, that is too little to matter.
_DIGITS = 1e-9


def fit(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    n_components: int,
    covariance_type: str | Family = "VVV",
    *,
    prior: Prior | None = None,
    start: Any = "auto",
    n_init: int | None = None,
    max_iter: int = 1000,
    tol: float = 1e-8,
    random_seed: Seed = None,
    columns: Sequence[str] | None = None,
    sample_weight: Any = None,
    ridge: float = 0.0,
    max_ratio: float | None = None,
    accelerate: bool = True,
) -> Fit:
    """Fit a Gaussian mixture by EM: maximum likelihood, or maximum a posteriori with a prior.

    Parameters
    ----------
    X : array-like (n, d) or (n,)
        NumPy array, pandas, polars or pyarrow table, xarray object, or nested list.
    n_components : int
        Number of components K.
    covariance_type : str
        Family of the covariances: EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV
        (volume, shape and orientation, each equal, variable or identity), for one column E or V,
        or scikit-learn's "spherical", "diag", "tied", "full" (VII, VVI, EEE, VVV).
    prior : Prior, optional
        Maximise the posterior density instead of the likelihood.
    start : str, array, Mixture or Fit
        "auto": a hierarchical partition and `n_init` partitions around random seeds (k-means++,
        on standardised and on sphered columns) are run for 10 iterations, and the best 5 of them
        to the end. "hc": the hierarchical partition alone (mclust's start). "kmeans", "k-means++",
        "random_from_data", "random": every one of `n_init` is run to the end. Or n labels,
        responsibilities (n, K), or a known mixture. From a partition EM takes one M-step first.
    n_init : int, optional
        Number of random starts: 30 for "auto", else 10, unless given. The best result is kept.
    max_iter : int
        Most EM iterations per start; 0 returns the start's parameters and their log-likelihood.
    tol : float
        Stop when at most `tol` of log-likelihood *per row* is left to gain (extrapolated), which
        depends neither on n nor on the units of the columns.
    random_seed : int, Generator, SeedSequence or None
        Seed of the starts; the same seed gives the same fit on any number of threads.
    columns : sequence of str, optional
        Use only these columns of a table.
    sample_weight : array-like (n,), optional
        What each row counts for: 2 as if it stood there twice, 0 as if it did not.
    ridge : float
        Added to every variance after each M-step, in squared data units (scikit-learn's
        reg_covar). 0, the default, regularises nothing; with more, EM is not monotone.
    max_ratio : float, optional
        Bound on the ratio of any two eigenvalues of any two covariances (Hathaway 1985), at least
        1: no component can then collapse, and EM stays monotone. In the columns' own units, so
        standardise columns whose units differ. For EII VII EEI VVI EEE EEV VVV, E and V.
    accelerate : bool
        Make longer steps than EM's where they raise the objective (`em/acceleration.py`): the
        same maxima, of which it may find another than plain EM from the same start.

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
    data = as_data(X, columns, sample_weight)
    family = get_family(covariance_type, data.d)
    check_problem(data, n_components, family, prior, ridge, max_ratio)
    problem = Problem(data, family, prior, ridge, max_ratio, Features(data))
    effort = Effort(max_iter, tol, accelerate=accelerate)
    result = fit_from(start, problem, data, n_components, n_init, random_seed, effort)
    if not result.status.sound:
        warnings.warn(result.advice, DegenerateFitWarning, stacklevel=2)
    return result


def check_options(n_init: int | None, max_iter: int, tol: float, ridge: float = 0.0) -> None:
    """Refuse options out of range, before any work starts."""
    if n_init is not None:
        whole("n_init", n_init, 1)
    whole("max_iter", max_iter, 0)
    for name, value in (("tol", tol), ("ridge", ridge)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value!r}: pass a number that is at least 0.")


def check_problem(
    data: Data,
    n_components: int,
    family: Family,
    prior: Prior | None,
    ridge: float = 0.0,
    max_ratio: float | None = None,
) -> None:
    """Refuse a number of components, a family or a prior that cannot go with the data."""
    whole("n_components", n_components, 1)
    check_bounds(data, prior, max_ratio)
    bounded = prior is not None or ridge > 0 or max_ratio is not None
    check_family(data, family, max_ratio, bounded)
    check_number(data, n_components, bounded)


def check_bounds(data: Data, prior: Prior | None, max_ratio: float | None) -> None:
    """Refuse a prior that EM cannot maximise under, and a ratio below 1."""
    if prior is not None:
        check_columns(prior, data)
        if prior.expected_concentration < 1:
            raise ValueError(
                f"the prior's concentration is {prior.concentration}: below 1 (on average, if it "
                "is random) the posterior has its maximum at an empty component; use at least 1 "
                "for fit(), and pass this prior to refine()."
            )
    if max_ratio is not None and not (math.isfinite(max_ratio) and max_ratio >= 1):
        raise ValueError(f"max_ratio is {max_ratio!r}: pass a number of at least 1.")


def check_number(data: Data, n_components: int, bounded: bool) -> None:
    """Refuse more components than there are rows for."""
    needed = n_components if bounded else n_components + 1
    if data.has_distinct_rows(needed):
        return
    distinct = next(m for m in range(needed, 0, -1) if data.has_distinct_rows(m))
    most, cure = distinct, ""
    if needed > n_components:
        most, cure = max(distinct - 1, 1), ", or pass a prior"
    raise DataError(
        f"the data have {distinct} distinct rows (n_samples = {data.n}), too few for "
        f"n_components = {n_components}: ask for at most {most}{cure}."
    )


def check_family(data: Data, family: Family, max_ratio: float | None, bounded: bool) -> None:
    """Refuse a family whose covariances these columns, or the bound, do not allow."""
    if max_ratio is not None and not family.boundable:
        names = ", ".join(name for name, f in FAMILIES.items() if f.boundable)
        raise ValueError(
            f"max_ratio cannot bound family {family}, whose eigenvalues are tied to each other: "
            f"choose among {names}, or pass a prior."
        )
    if not bounded and not (family.diagonal or family.spherical):
        refuse_dependent_columns(data, family)


def refuse_dependent_columns(data: Data, family: Family) -> None:
    """A linear relation between columns makes every full covariance singular: name it."""
    n = data.n if data.weights is None else int(np.count_nonzero(data.weights))
    if n <= data.d:
        raise DataError(
            f"{n} rows cannot determine a covariance of {data.d} columns (family "
            f"{family.name}): use fewer columns, a diagonal family (VVI, EEI), or pass a prior."
        )
    if _independent(data):
        return
    whole = Parameters(np.ones(1), np.zeros((1, data.d)), np.diag(data.scale**2)[None])
    scatter = expected_statistics(data, whole)[1].scatters[0]
    correlation = scatter / (data.total * np.outer(data.sd, data.sd))
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


def _independent(data: Data) -> bool:
    """Whether the first rows alone show that no column depends on the others.

    What later rows add to the columns' correlations has no negative eigenvalue.
    """
    first = data.part(0, _FIRST_ROWS)
    z = (first.values - data.center) / data.sd
    weighted = z if first.weights is None else first.weights[:, None] * z
    least = np.linalg.eigvalsh(weighted.T @ z / data.total)[0]
    return bool(least > _SMALLEST_CORRELATION_EIGENVALUE)


def fit_from(
    start: Any,
    problem: Problem,
    data: Data,
    n_components: int,
    n_init: int | None,
    random_seed: Seed,
    effort: Effort,
) -> Fit:
    """Make starts of that kind, and the best of the fits from them.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    if not (isinstance(start, str) and start == "auto"):
        starts = make_starts(start, data, n_components, n_init, random_seed)
        return best_fit(problem, data, starts, effort.to_the_end)
    sample = search_sample(data, n_components, random_seed)
    starts = named_starts(start, sample, n_components, n_init, random_seed)
    first = None
    if sample.data.n < data.n:
        rows = sample.data
        first = replace(problem, rows=rows, features=Features(rows))
    return best_fit(problem, data, starts, effort, first)


def search_sample(data: Data, n_components: int, random_seed: Seed) -> Sample:
    """The rows that "auto" starts are made from and run on for a while: all, unless many."""
    n_features = (data.d + 1) * (data.d + 2) // 2
    at_most = max(_SEARCHED // n_features, _ROWS_PER_PARAMETER * n_components * n_features)
    return Sample(data, at_most, subset_rng(random_seed))


def best_fit(
    problem: Problem,
    data: Data,
    starts: Sequence[Start],
    effort: Effort,
    first: Problem | None = None,
) -> Fit:
    """The best result of EM from these starts, a sound one if there is any.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    try:
        results = follow(problem, data, starts, effort, first)
    except DegenerateComponentError as error:
        message = start_advice(error, problem.family)
        raise DegenerateComponentError(error.component, message) from None
    best = by_weight(results[0]) if starts[0].guess else results[0]
    sound = [result.objective for result in results if result.status.sound]
    near = [o for o in sound if best.objective - o <= SAME_OPTIMUM * problem.total]
    return as_fit(best, problem, data, (len(starts), len(sound), len(near)))


def by_weight(result: EMResult) -> EMResult:
    """Components in the order of their proportions, largest first: the same for every seed.

    Proportions that are equal but for rounding leave it to the means of the first column.
    """
    p, s = result.parameters, result.statistics
    order = np.lexsort((p.means[:, 0], -np.round(p.weights, 9)))
    which = None if result.component is None else int(np.argmax(order == result.component))
    return replace(
        result,
        parameters=Parameters(p.weights[order], p.means[order], p.covariances[order]),
        statistics=Statistics(s.counts[order], s.means[order], s.scatters[order]),
        component=which,
    )


def start_advice(error: DegenerateComponentError, family: Family) -> str:
    """What a start that cannot be used says."""
    return (
        f"the start gives component {error.component} a singular covariance (family "
        f"{family.name}): it holds too few different rows. Pass another start, fewer components, "
        "a family with fewer parameters, or a prior."
    )


def as_fit(result: EMResult, problem: Problem, data: Data, starts: tuple[int, int, int]) -> Fit:
    """What EM found, in the user's coordinates."""
    p = result.parameters
    return Fit(
        mixture=Mixture(p.weights, p.means + data.center, p.covariances, data.names, data.scale),
        family=problem.family,
        n=data.n if data.weights is None else data.total,
        loglik=result.loglik,
        objective=result.objective,
        entropy=_entropy(result, data),
        log_map=result.log_certainty,
        history=result.history,
        status=result.status,
        degenerate_component=result.component,
        prior=problem.prior,
        starts=starts,
        moments=np.array([data.center, data.sd]),
        weighted=data.weights is not None,
    )


def _entropy(result: EMResult, data: Data) -> float:
    """Entropy of the responsibilities, summed over the rows: log-likelihood less EM's Q.

    (Hathaway 1986, Stat. Prob. Lett. 4, 53-56.) Narrow components leave the difference no digits:
    then row by row.
    """
    p = result.parameters
    if len(p.weights) == 1:
        return 0.0
    joint, rounding = expected_log_joint(p, result.statistics, data.scale)
    if rounding < _DIGITS * data.total:
        return max(result.loglik - joint, 0.0)
    entropy = 0.0
    for block, resp in responsibility_blocks(data, p):
        of_rows = -np.sum(xlogy(resp, resp), axis=1)
        weights = data.weights
        entropy += float(of_rows.sum() if weights is None else weights[block] @ of_rows)
    return entropy


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least that much, or a ValueError that names it."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}: pass a whole number.") from None
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}: pass a whole number of at least {least}.")
    return number
