"""Cross-validated log-likelihood, that of rows to which a mixture was not fitted.

Smyth (2000), Statistics and Computing 10, 63-72. Folds are made by weights: the rows left out
count 0 in the fit, so that all folds share one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..data.data import Data
from ..em.multistart import SearchOptions, run_starts
from ..em.problem import Problem
from ..em.result import Fit
from ..em.starts.sample import Start
from ..em.starts.starts import generators
from ..families import Family
from ..kernels.e_step.e_step import evaluate
from ..utils.errors import DataError, DegenerateComponentError
from ..utils.progress import track
from ..utils.types import FloatArray
from ..utils.validation import Seed, check_integer


def check_folds(n_folds: int, data: Data) -> None:
    """Refuse a number of folds that the rows cannot be divided into."""
    check_integer("cv", n_folds, 2)
    if n_folds > data.n:
        raise DataError(f"cv = {n_folds} folds of {data.n} rows: pass at most as many as rows.")


def cross_validate[Cell](
    problem: Problem,
    data: Data,
    fits: Mapping[Cell, Fit],
    n_folds: int,
    random_seed: Seed,
    options: SearchOptions,
    progressbar: bool = False,
) -> dict[Cell, tuple[float, float]]:
    """Held-out log-likelihood per row of each fit's model, and its standard error.

    In every fold EM starts at the fit to all rows and converges on the rows that are left, so that
    all folds are about the same optimum; the rows held out influence only the choice of that
    optimum. A cell in which some fold has no sound estimate gets NaN.

    Parameters
    ----------
    problem : Problem
        What the fits maximise, for any family.
    data : Data
        All rows.
    fits : mapping of names to Fit
        Fits to these rows.
    n_folds : int
    random_seed : Seed
        Divides the rows; the same for all cells.
    options : SearchOptions
        When EM stops.
    """
    rng = generators(random_seed, 1)[0]
    fold = rng.permutation(np.arange(data.n) % n_folds)
    weights = np.ones(data.n) if data.counted is None else data.counted
    whole = problem.of_rows(data)
    problems: dict[tuple[Family, int], Problem] = {}
    for f in range(n_folds):
        kept = replace(data, weights=np.where(fold == f, 0.0, weights))
        for family in {fit.family for fit in fits.values()}:
            problems[family, f] = replace(whole, rows=kept, family=family)
    scores = {}
    for name, fit in track(list(fits.items()), "Cross-validating", progressbar):
        start = Start(fit.mixture.parameters_about(data.center), guess=True)
        held_out = np.empty(data.n)
        for f in range(n_folds):
            held_out[fold == f] = _held_out(
                problems[fit.family, f], data, fold == f, start, options
            )
        mean = float(weights @ held_out) / data.total
        spread = float(weights @ (held_out - mean) ** 2) / data.total
        scores[name] = mean, float(np.sqrt(spread / data.total))
    return scores


def _held_out(
    problem: Problem, data: Data, out: np.ndarray, start: Start, options: SearchOptions
) -> FloatArray | float:
    """Log densities of the rows left out, or NaN where the others give no sound estimate."""
    try:
        result = run_starts(problem, data, [start], options).results[0]
    except DegenerateComponentError:
        return np.nan
    if not result.status.sound:
        return np.nan
    rows = replace(data.take(np.flatnonzero(out)), weights=None)
    return evaluate(rows, result.parameters)[0]
