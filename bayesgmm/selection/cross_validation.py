"""Cross-validated log-likelihood, that of rows to which a mixture was not fitted.

Smyth (2000), Statistics and Computing 10, 63-72. Folds are made by weights: the rows left out
count 0 in the fit, so that all folds share one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.data import Data
from ..em.labelled_fit import LabelledFit
from ..em.multistart import SearchOptions, run_starts
from ..em.noise import NoisyRows
from ..em.noisy_fit import NoisyFit
from ..em.problem import Problem
from ..em.result import Fit
from ..em.starts.sample import Start
from ..em.starts.starts import generators
from ..kernels.e_step.e_step import evaluate
from ..mixture.noise import mixed
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
        What the fits maximise, for any family, with all rows.
    fits : mapping of names to Fit
        Fits to these rows.
    n_folds : int
    random_seed : Seed
        Divides the rows; the same for all cells.
    options : SearchOptions
        When EM stops.
    """
    rng, data = generators(random_seed, 1)[0], problem.data
    fold = rng.permutation(np.arange(data.n) % n_folds)
    weights = np.ones(data.n) if data.counted is None else data.counted
    kept = [np.where(fold == f, 0.0, weights) for f in range(n_folds)]
    folds = _Folds(problem.of_rows(data), kept)
    scores = {}
    for name, fit in track(list(fits.items()), "Cross-validating", progressbar):
        start = Start(fit.mixture.parameters_about(data.center), guess=True)
        held_out = np.empty(data.n)
        for f in range(n_folds):
            held_out[fold == f] = _held_out(folds.problem(fit, f), fold == f, start, options)
        mean = float(weights @ held_out) / data.total
        spread = float(weights @ (held_out - mean) ** 2) / data.total
        scores[name] = mean, float(np.sqrt(spread / data.total))
    return scores


class _Folds:
    """The problems of all fits in all folds: one for a family, and K where rows have labels.

    The noise's density stays that of all rows.
    """

    def __init__(self, whole: Problem, weights: list[FloatArray]) -> None:
        self.whole, self.weights = whole, weights
        self._known: dict[tuple[Any, ...], Problem] = {}

    def problem(self, fit: Fit, fold: int) -> Problem:
        """The problem of a fit without the rows of a fold."""
        key = fit.family, fit.apart, fit.n_components if fit.apart else 0, fold
        if key not in self._known:
            self._known[key] = self._made(fit, fold)
        return self._known[key]

    def _made(self, fit: Fit, fold: int) -> Problem:
        seen, problem = self.whole.data, self.whole
        if isinstance(fit, LabelledFit):
            seen = fit.labels.seen_in(seen)
            problem = problem.of_rows(seen)
        kept = replace(seen, weights=self.weights[fold])
        special = None
        if isinstance(fit, NoisyFit):
            special = NoisyRows(kept, fit.noise, problem.prior)
        return replace(problem, data=kept, family=fit.family, special=special)


def _held_out(
    problem: Problem, out: np.ndarray, start: Start, options: SearchOptions
) -> FloatArray | float:
    """Log densities of the rows left out, or NaN where the others give no sound estimate.

    Those of rows with labels are joint ones of both, as in the likelihood.
    """
    try:
        result = run_starts(problem, [start], options).results[0]
    except DegenerateComponentError:
        return np.nan
    if not result.status.sound:
        return np.nan
    rows = replace(problem.data.take(np.flatnonzero(out)), weights=None)
    of_components = evaluate(rows, result.parameters)[0]
    if problem.special is None:
        return of_components
    share = problem.special.best_share(result.parameters)
    return mixed(of_components, problem.special.noise.of_rows(rows), share)[0]
