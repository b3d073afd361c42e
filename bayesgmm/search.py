"""Which of many starts to follow: short runs of EM from all of them, the best run on.

Biernacki, Celeux & Govaert (2003), Comput. Stat. Data Anal. 41, 561-575 ("small EM"). A maximum
that rests on a coincidence of few rows is marked, and loses to any sound one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .data import Data
from .em import EMResult, Problem, Status, run_em
from .kernels import DegenerateComponentError, Parameters
from .start import Start

# Rows beyond the fewest possible below which a component's likelihood is that of a coincidence.
_ROOM = 0.25
# Two runs whose objectives differ by less than this per row ended at the same optimum.
SAME_OPTIMUM = 1e-6


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a search: iterations of a short run, how many of them run on, when EM stops."""

    max_iter: int
    tol: float
    short: int = 10
    keep: int = 5

    @property
    def to_the_end(self) -> Effort:
        """Every start runs to the end."""
        return replace(self, short=0)


def follow(
    problem: Problem, data: Data, starts: Sequence[Start], effort: Effort, first: Problem | None = None
) -> list[EMResult]:
    """Results from these starts, best first: sound ones before spurious before degenerate.

    Short runs are made of `first`, a smaller problem of the same kind, if there is one.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    failure = DegenerateComponentError(0)
    candidates: list[EMResult | Start] = list(starts)
    if effort.short and len(starts) > 1:
        tried: list[EMResult] = []
        for start in starts:
            try:
                tried.append(_begin(first or problem, data, start, effort.short, effort))
            except DegenerateComponentError as error:
                failure = error
        candidates = sorted(tried, key=rank, reverse=True)
    enough = effort.keep if effort.short else len(starts)
    done: list[EMResult] = []
    for candidate in candidates:
        if sum(result.status.sound for result in done) >= enough:
            break
        try:
            if isinstance(candidate, Start):
                result = _begin(problem, data, candidate, effort.max_iter, effort)
            elif candidate.status is Status.CONVERGED and first is None:
                result = candidate
            else:
                result = _go_on(problem, candidate, effort, first is None)
        except DegenerateComponentError as error:
            failure = error
            continue
        done.append(mark_spurious(result, problem))
    if not done:
        raise failure
    return sorted(done, key=rank, reverse=True)


def rank(result: EMResult) -> tuple[bool, bool, float]:
    """Sound results before spurious ones before degenerate ones, then by the objective."""
    return result.status.sound, result.status is Status.SPURIOUS, result.objective


def _begin(problem: Problem, data: Data, start: Start, max_iter: int, effort: Effort) -> EMResult:
    """EM from a start; a guess with a singular covariance is shrunk towards the overall one."""
    max_iter = min(max_iter, effort.max_iter)
    try:
        result = run_em(
            problem, start.given, max_iter=max_iter, tol=effort.tol, thorough=not start.guess
        )
    except DegenerateComponentError:
        if not start.guess or isinstance(start.given, Parameters):
            raise
        given = start.shrunk(data)
        result = run_em(problem, given, max_iter=max_iter, tol=effort.tol, thorough=False)
    return mark_spurious(result, problem)


def _go_on(problem: Problem, short: EMResult, effort: Effort, same_rows: bool) -> EMResult:
    """A short run continued to the end."""
    left = effort.max_iter - (short.n_iter if same_rows else 0)
    result = run_em(problem, short.parameters, max_iter=max(left, 0), tol=effort.tol, thorough=False)
    if not same_rows:
        return result
    return replace(result, history=short.history + result.history[1:])


def mark_spurious(result: EMResult, problem: Problem) -> EMResult:
    """Mark a maximum that owes its height to a component of hardly more rows than it must have.

    As the rows of such a component come closer its likelihood grows without bound, so every few
    neighbours make a local maximum: McLachlan & Peel (2000), Finite Mixture Models, section 3.10.
    """
    weights = result.parameters.weights
    if problem.prior is not None or problem.ridge or len(weights) == 1 or not result.status.sound:
        return result
    fewest = problem.family.fewest_rows(result.parameters.means.shape[1])
    which = int(np.argmin(weights))
    if fewest and weights[which] * problem.total < fewest + _ROOM:
        return replace(result, status=Status.SPURIOUS, component=which)
    return result
