"""Fitting one mixture: data, family, starts and EM in, a `Fit` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.by_name import by_name
from ..data.data import Data, as_data
from ..data.rounding import discreteness_message
from ..families import Family, FamilyName, get_family
from ..kernels.device.rows import DeviceRows
from ..kernels.e_step.chunks import in_chunks
from ..kernels.e_step.contract import Parameters, Statistics
from ..mixture.mixture import Mixture
from ..mixture.noise import Noise
from ..mixture.prior import Prior
from ..utils.errors import DataError, DataWarning, DegenerateComponentError, DegenerateFitWarning
from ..utils.validation import Seed, check_integer, check_seed
from ..utils.warnings import warn
from .checkpoint import kept_answers
from .checks import check_options, check_problem
from .coverage import undetermined
from .entropy import entropy_of
from .labelled_fit import LabelledFit, with_labels
from .labels import Labels, read_labels
from .multistart import SAME_OPTIMUM, SearchOptions, run_starts
from .noise import NoisyRows, read_noise
from .noisy_fit import NoisyFit, with_noise
from .noisy_labelled_fit import with_both
from .problem import Problem
from .remarks import set_aside, start_advice
from .result import Fit
from .run import EMResult
from .screening import screened_on, search_sample
from .starts.labelled import starts_with_labels
from .starts.sample import Start
from .starts.starts import is_screened, make_starts, named_starts
from .starts.without_noise import starts_without_noise

# If this fraction of at least so many starts leads to no estimate, the estimate is suspicious.
_MANY_STARTS, _MOST = 10, 0.9


def fit(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    n_components: int,
    covariance_type: FamilyName | str | Family = "VVV",
    *,
    prior: Prior | None = None,
    start: Any = "auto",
    n_init: int | None = None,
    max_iter: int = 1000,
    tol: float = 1e-8,
    random_seed: Seed = None,
    columns: Sequence[str] | None = None,
    sample_weight: Any = None,
    missing: str = "refuse",
    ridge: float = 0.0,
    max_ratio: float | None = None,
    accelerate: bool = True,
    labels: Any = None,
    noise: Any = None,
    checkpoint: str | Path | None = None,
) -> Fit:
    """Fit a Gaussian mixture by EM: maximum likelihood, or maximum a posteriori with a prior.

    Parameters
    ----------
    X : array-like (n, d) or (n,)
        NumPy array, pandas, polars or pyarrow table, xarray object, or nested list; or what is
        read in chunks: the path of a .npy or Parquet file or of a folder of Parquet files, a
        dataset of pyarrow's, a Zarr array, an iterable of blocks (`in_chunks`).
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
        to the end; of many rows all this but the end is done on a random sample, so large that its
        quadratic features are 131 072 numbers, or 5 rows for every parameter. "hc": the
        hierarchical partition alone (mclust's start), of 20 000 rows at most, as the following.
        "kmeans", "k-means++", "random_from_data", "random": every one of `n_init` is run to the
        end. Or n labels, responsibilities (n, K), or a known mixture. From a partition EM takes one
        M-step first.
    n_init : int, optional
        Number of random starts: 30 for "auto", else 10, unless given. The best result is kept.
    max_iter : int
        Maximum EM iterations per start; 0 returns the start's parameters and their log-likelihood.
    tol : float
        Stop when at most `tol` of log-likelihood *per row* is left to gain (extrapolated), which
        depends neither on n nor on the units of the columns.
    random_seed : int, Generator, SeedSequence or None
        Seed of the starts; the same seed gives the same fit on any number of threads.
    columns : sequence of str, optional
        Use only these columns of a table.
    sample_weight : array-like (n,) or str, optional
        Frequency weight of each row: 2 equals two identical rows, 0 as if it did not. Or the name
        of a column of X, which is then none of the data.
    missing : {"refuse", "marginalize"}
        "marginalize" fits tables with missing values (NaN, None, pandas' NA, nulls, masked ones)
        by the likelihood of the values that are there: exact if what is missing depends, given
        these, on nothing unseen (missing at random). Nothing is filled in.
    ridge : float
        Added to every variance after each M-step, in squared data units (scikit-learn's
        reg_covar). 0, the default, regularises nothing; with more, EM is not monotone.
    max_ratio : float, optional
        Bound on the ratio of any two eigenvalues of any two covariances (Hathaway 1985), at least
        1: no component can then collapse, and EM stays monotone. In the columns' own units, so
        standardise columns whose units differ. For EII VII EEI VVI EEE EEV VVV, E and V.
    accelerate : bool
        Make longer steps than EM's where they raise the objective (Anderson acceleration): the
        same maxima, of which it may find another than plain EM from the same start.
    labels : array-like (n,) or (n, K), or str, optional
        What is known of the rows' components: classes, None, NaN or -1 where none is known, of
        which the c-th in their order is component c, and components beyond them are new classes;
        or a table of bool that says which components each row can belong to; or the name of a
        column of X with classes, which is then none of the data.
    noise : bool or float, optional
        A uniform component beside the K, for rows that belong to none: True for one over the volume
        of the data (the smaller of the boxes along the columns and along the principal axes, as
        mclust; where values may be missing along the columns), or its density. Rows with a label
        are no noise. A prior has one of its share too.
    checkpoint : str or Path, optional
        A file that keeps every pass over the rows. The same call, in this process or another one,
        reads them there and goes on to the same bits; another call, other data or another version
        are refused. Passes over rows so few that they stay in the processor's cache are not kept.
        Needs a whole number as `random_seed`.

    Returns
    -------
    Fit
        Estimates, log-likelihood, criteria, and how EM ended (`status`, `advice`). With labels a
        `LabelledFit`, whose `predict` gives classes; with noise a `NoisyFit`; it can be both.

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
        parameters), or to a spurious maximum beside one; or nearly every start did.
    DataWarning
        Columns of few different values, of coarsely rounded ones, or with sentinels such as -999.

    See Also
    --------
    select, refine, classify, GaussianMixture

    Examples
    --------
    >>> import bayesgmm
    >>> fit = bayesgmm.fit(bayesgmm.datasets.load_faithful(), 2, random_seed=1)
    >>> fit.weights.round(3).tolist(), round(fit.loglik, 3)
    ([0.644, 0.356], -1130.264)
    """
    options = check_options(n_init, max_iter, tol, ridge)
    k = check_integer("n_components", n_components, 1)
    seed = check_seed(random_seed)
    columns, sample_weight, labels = by_name(X, columns, sample_weight, labels)
    data = as_data(X, columns, sample_weight, missing)
    family = get_family(covariance_type, data.d)
    check_problem(data, k, family, prior, options.ridge, max_ratio, noise is not None)
    bound = None if max_ratio is None else float(max_ratio)
    problem = Problem(data, family, prior, options.ridge, bound)
    warn_of_columns(data, k > 1 and not problem.bounded)
    search = SearchOptions(options.max_iter, options.tol, accelerate=accelerate)
    asked = {
        "n_components": k, "family": family.name, "prior": prior, "start": start,
        "n_init": options.n_init, "max_iter": options.max_iter, "tol": options.tol,
        "ridge": options.ridge, "max_ratio": bound, "accelerate": accelerate, "labels": labels,
        "noise": noise,
    }  # fmt: skip
    with kept_answers(checkpoint, data, "fit", asked, random_seed) as kept:
        problem = replace(problem, checkpoint=kept)
        result = _fitted(problem, k, start, labels, noise, options.n_init, seed, search)
    p = result.mixture.parameters_about(data.center)
    if isinstance(result, LabelledFit):
        problem = problem.of_rows(result.labels.seen_in(data))
    if isinstance(result, NoisyFit):
        problem = replace(problem, special=NoisyRows(problem.data, result.noise, prior))
    if not result.status.sound or mostly_unsound(result) or undetermined(problem, p):
        warn(result.advice, DegenerateFitWarning)
    return result


def _fitted(
    problem: Problem, k: int, start: Any, labels: Any, noise: Any,
    n_init: int | None, seed: Seed, search: SearchOptions,
) -> Fit:  # fmt: skip
    """The best fit of all rows, of rows with labels, or beside noise."""
    known = None if labels is None else read_labels(labels, problem.data.n, k)
    if noise is not None:
        beside = read_noise(noise, problem.data)
        return fit_with_noise(start, problem, k, beside, n_init, seed, search, labels=known)
    if known is None:
        return fit_from(start, problem, k, n_init, seed, search)
    return fit_with_labels(start, problem, known, n_init, seed, search)


def warn_of_columns(data: Data, collapsible: bool) -> None:
    """Warn of columns onto whose few values components can shrink."""
    text = discreteness_message(data.values, data.names, data.weights) if collapsible else ""
    if text:
        warn(text, DataWarning)


def mostly_unsound(fit: Fit) -> bool:
    """Whether the fit is an estimate although nearly all of many starts led to none."""
    made = fit.starts[0]
    return fit.status.sound and made >= _MANY_STARTS and fit.unsound >= _MOST * made


def fit_from(
    start: Any,
    problem: Problem,
    n_components: int,
    n_init: int | None,
    random_seed: Seed,
    options: SearchOptions,
) -> Fit:
    """The best fit from starts of the kind asked for.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    data = problem.data
    if not is_screened(start):
        starts = make_starts(start, data, n_components, n_init, random_seed)
        return best_fit(problem, starts, options.to_the_end)
    sample = search_sample(data, n_components, random_seed)
    starts = named_starts(start, sample, n_components, n_init, random_seed)
    first = None
    if sample.data.n < data.n:
        rows = sample.data
        first = problem.of_rows(rows)
    return best_fit(problem, starts, options, first)


def fit_with_labels(
    start: Any,
    problem: Problem,
    labels: Labels,
    n_init: int | None,
    random_seed: Seed,
    options: SearchOptions,
    others: Sequence[Start] = (),
) -> LabelledFit:
    """The best fit of rows with labels; `others` are starts to try besides.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    data = problem.data
    if isinstance(data.values, DeviceRows):
        raise DataError("rows on a GPU cannot have labels: pass a NumPy array.")
    first = screened_on(start, problem, labels.n_components, random_seed, labels)
    problem = replace(problem.of_rows(labels.seen_in(data)), checkpoint=problem.checkpoint)
    starts = [*starts_with_labels(start, data, labels, n_init, random_seed), *others]
    search = options if is_screened(start) else options.to_the_end
    return with_labels(best_fit(problem, starts, search, first), labels)


def fit_with_noise(
    start: Any,
    problem: Problem,
    n_components: int,
    noise: Noise,
    n_init: int | None,
    random_seed: Seed,
    options: SearchOptions,
    others: Sequence[Start] = (),
    labels: Labels | None = None,
) -> NoisyFit:
    """The best fit beside noise, of rows with labels if they have some.

    `others` are starts to try besides.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    data = problem.data
    seen = data if labels is None else labels.seen_in(data)
    first = screened_on(start, problem, n_components, random_seed, labels, noise)
    of_seen = problem if labels is None else problem.of_rows(seen)
    problem = replace(
        of_seen, special=NoisyRows(seen, noise, problem.prior), checkpoint=problem.checkpoint
    )
    starts = starts_without_noise(start, data, n_components, n_init, random_seed, labels)
    starts += others
    search = options if is_screened(start) else options.to_the_end
    found = with_noise(best_fit(problem, starts, search, first), seen, noise)
    return found if labels is None else with_both(found, labels)


def best_fit(
    problem: Problem,
    starts: Sequence[Start],
    options: SearchOptions,
    first: Problem | None = None,
) -> Fit:
    """The fit with the best result of EM from these starts, a sound one if there is any.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    try:
        search = run_starts(problem, starts, options, first)
    except DegenerateComponentError as error:
        message = start_advice(error, problem.family)
        raise DegenerateComponentError(error.component, message) from None
    best = search.results[0]
    if starts[0].guess and not problem.labelled:  # whose order has a meaning
        best = by_weight(best)
    near = [r for r in search.sound if best.objective - r.objective <= SAME_OPTIMUM * problem.total]
    counts = len(starts), len(search.sound), len(near)
    remark = set_aside(search.results, search.unsound, len(starts))
    if first is not None and in_chunks(problem.data):
        drawn = f"the starts were made and screened on {first.data.n} rows drawn from all"
        remark = "; ".join(text for text in (remark, drawn) if text)
    return as_fit(best, problem, counts, search.unsound, remark)


def by_weight(result: EMResult) -> EMResult:
    """The result with components by their proportions, largest first: the same for every seed.

    Proportions that are equal but for rounding are ordered by the means of the first column.
    """
    p, s = result.parameters, result.statistics
    order = np.lexsort((p.means[:, 0], -np.round(p.weights, 9)))
    component = None if result.component is None else int(np.argmax(order == result.component))
    return replace(
        result,
        parameters=Parameters(p.weights[order], p.means[order], p.covariances[order]),
        statistics=Statistics(s.counts[order], s.means[order], s.scatters[order]),
        component=component,
    )


def as_fit(
    result: EMResult,
    problem: Problem,
    starts: tuple[int, int, int],
    unsound: int = 0,
    remark: str = "",
) -> Fit:
    """The `Fit` of an EM result, in the user's coordinates; remark: a note on an estimate."""
    p, data = result.parameters, problem.data
    if result.status.sound:
        remark = "; ".join(text for text in (remark, undetermined(problem, p)) if text)
    return Fit(
        mixture=Mixture(
            p.weights,
            p.means + data.center,
            p.covariances,
            data.names,
            data.scale,
            data.named,
            data.missing,
        ),  # fmt: skip
        family=problem.family,
        n=data.size,
        loglik=result.loglik,
        objective=result.objective,
        entropy=entropy_of(result, data),
        log_map=result.log_certainty,
        history=result.history,
        status=result.status,
        degenerate_component=result.component,
        prior=problem.prior,
        starts=starts,
        fingerprint=data.fingerprint,
        unsound=unsound,
        remark=remark if result.status.sound else result.reason,
    )
