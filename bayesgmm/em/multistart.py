"""EM from many starts: short runs from all of them, of which the best are continued.

Biernacki, Celeux & Govaert (2003), Comput. Stat. Data Anal. 41, 561-575 ("small EM"). Spurious
maxima are marked and rank below any sound one; from a saddle EM goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..data.data import Data
from ..kernels.e_step.chunks import in_chunks, map_together
from ..kernels.e_step.contract import Parameters
from ..utils.errors import DegenerateComponentError
from ..utils.types import FloatArray
from .problem import Problem
from .run import EMResult, Run
from .saddle import beyond_saddles
from .spurious import mark_spurious, of_few_rows
from .starts.sample import Start
from .status import Status

# A short run that is continued is expected to gain at most so many times its last gain.
_PATIENCE = 50
# Two runs whose objectives differ by less than this per row reached the same optimum.
SAME_OPTIMUM = 1e-6


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Options of a search: iterations of a short run, how many are continued, when EM stops."""

    max_iter: int
    tol: float
    short: int = 10
    keep: int = 5
    accelerate: bool = True

    def run(self, problem: Problem, n_components: int) -> Run:
        """The arrays that EM runs in."""
        return Run(problem, n_components, self.max_iter, self.tol, self.accelerate)

    @property
    def to_the_end(self) -> SearchOptions:
        """The options without short runs: EM runs to convergence from every start."""
        return replace(self, short=0)


@dataclass(frozen=True, slots=True)
class _ShortRun:
    """A short run as it was left: its rank, its point and its history."""

    rank: tuple[bool, bool, float]
    point: FloatArray
    history: FloatArray

    def hopeless(self, bar: float) -> bool:
        """Whether even many gains like the last one would leave it below the bar."""
        last = self.history[-1] - self.history[-2] if len(self.history) > 1 else np.inf
        return bool(self.history[-1] + _PATIENCE * last < bar)


@dataclass(frozen=True, slots=True)
class Search:
    """The outcome of EM from some starts: results, best first, and how many gave no estimate.

    unsound: those that ran to or beside a singularity, short runs included.
    """

    results: list[EMResult]
    unsound: int

    @property
    def sound(self) -> list[EMResult]:
        """The results that are estimates."""
        return [result for result in self.results if result.status.sound]


def run_starts(
    problem: Problem,
    starts: Sequence[Start],
    options: SearchOptions,
    first: Problem | None = None,
    bar: float = -np.inf,
) -> Search:
    """Results from these starts, best first: sound ones before spurious before degenerate.

    Short runs are made of `first`, a smaller problem of the same kind, if there is one. Those far
    below `bar`, an objective to beat (up to the prior's constant), are not continued. If the best
    result is a saddle, EM goes on from there.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    found = _StartRunner(problem, options, first, bar).search(starts)
    if not found.sound:
        return found
    beyond = partial(_best_beyond, problem, replace(options, short=10, keep=1))
    best, enough = found.results[0], options.tol * problem.total
    found.results[0] = beyond_saddles(problem, best, enough, beyond)
    return found


def _best_beyond(
    problem: Problem, options: SearchOptions, starts: Sequence[Start]
) -> EMResult | None:
    """The best sound result from some starts, saddles among them."""
    try:
        found = _StartRunner(problem, options, None, -np.inf).search(starts)
    except DegenerateComponentError:
        return None
    return found.sound[0] if found.sound else None


class _StartRunner:
    """EM from one start after the other: short runs first, the best of them to convergence."""

    def __init__(
        self,
        problem: Problem,
        options: SearchOptions,
        first: Problem | None,
        bar: float,
    ) -> None:
        self.problem, self.options, self.first, self.bar = problem, options, first, bar
        self.failure = DegenerateComponentError(0)
        self.done: list[EMResult] = []
        self.unsound = 0

    def search(self, starts: Sequence[Start]) -> Search:
        """The results of EM from these starts."""
        run = self.options.run(self.problem, starts[0].n_components)
        candidates: list[_ShortRun | Start] = list(starts)
        enough, skipped = len(starts), False
        if self.options.short and len(starts) > 1:
            enough = self.options.keep
            sure = [start for start in starts if start.sure]
            candidates = [*sure, *self._short_runs(run, [s for s in starts if not s.sure])]
        left = deque(candidates)
        while left and (lacking := enough - self.n_sound):
            together = min(lacking, len(left)) if self._together else 1
            batch = [left.popleft() for _ in range(together)]
            hopeful = [one for one in batch if not _is_hopeless(one, self.bar)]
            skipped |= len(hopeful) < len(batch)
            self._to_the_end(run, hopeful)
        if not (self.done or skipped):
            raise self.failure
        return Search(sorted(self.done, key=rank, reverse=True), self.unsound)

    def _short_runs(self, run: Run, starts: Sequence[Start]) -> list[_ShortRun]:
        """Short runs from the starts as they were left, best first."""
        short = run if self.first is None else self.options.run(self.first, run.shape[0])
        most = min(self.options.short, self.options.max_iter)
        left: list[_ShortRun] = []
        for start in starts:
            try:
                _begin(short, self.problem.data, start, most)
            except DegenerateComponentError as error:
                self.failure = error
                self.unsound += 1
                continue
            history = short.history[: short.n_iter + 1].copy()
            left.append(_ShortRun(_rank(short), short.new.copy(), history))
            self.unsound += not left[-1].rank[0]
        return sorted(left, key=lambda short: short.rank, reverse=True)

    @property
    def n_sound(self) -> int:
        """The number of sound results."""
        return sum(result.status.sound for result in self.done)

    @property
    def _together(self) -> bool:
        """Whether runs share sweeps over chunks, which they can if none says how far others go."""
        return self.first is not None and in_chunks(self.problem.data)

    def _to_the_end(self, run: Run, candidates: Sequence[_ShortRun | Start]) -> None:
        """Run EM to convergence from starts, or from where short runs were left."""
        if len(candidates) < 2:
            ended = [self._ended(run, one) for one in candidates]
        else:
            new = partial(self.options.run, self.problem, run.shape[0])
            ended = map_together(self.problem.data, lambda one: self._ended(new(), one), candidates)
        for candidate, (result, objective) in zip(candidates, ended, strict=True):
            self._take(candidate, result, objective)

    def _ended(
        self, run: Run, candidate: _ShortRun | Start
    ) -> tuple[EMResult | DegenerateComponentError, float]:
        """Where EM ends, or why it does not, and its objective."""
        before = None
        try:
            if isinstance(candidate, Start):
                _begin(run, self.problem.data, candidate, self.options.max_iter)
            else:
                run.resume(candidate.point)
                before = candidate.history if self.first is None else None
                run.iterate(self.options.max_iter - (0 if before is None else len(before) - 1))
        except DegenerateComponentError as error:
            return error, -np.inf
        return mark_spurious(run.result(before), self.problem), run.objective

    def _take(
        self,
        candidate: _ShortRun | Start,
        result: EMResult | DegenerateComponentError,
        objective: float,
    ) -> None:
        """Keep a result, and count those that are no estimates."""
        if isinstance(result, DegenerateComponentError):
            self.failure = result
            self.unsound += isinstance(candidate, Start)
            return
        self.done.append(result)
        if result.status.sound and self.first is None:
            self.bar = max(self.bar, objective)
        if not result.status.sound and (isinstance(candidate, Start) or candidate.rank[0]):
            self.unsound += 1


def _is_hopeless(candidate: _ShortRun | Start, bar: float) -> bool:
    return isinstance(candidate, _ShortRun) and candidate.hopeless(bar)


def _begin(run: Run, data: Data, start: Start, max_iter: int) -> None:
    """EM from a start; a guess with a singular covariance is shrunk towards the overall one."""
    if isinstance(start.given, Parameters):
        run.load(start.given, thorough=not start.guess)
        run.iterate(max_iter)
        return
    packed = start.diagonal if run.problem.family.diagonal else start.full
    run.load_packed(packed, thorough=not start.guess)
    try:
        run.iterate(max_iter)
    except DegenerateComponentError:
        if not start.guess:
            raise
        run.load(start.shrunk(data, run.problem.family.diagonal), thorough=False)
        run.iterate(max_iter)


def rank(result: EMResult) -> tuple[bool, bool, float]:
    """Sound results before spurious ones before degenerate ones, then by the objective."""
    return result.status.sound, result.status is Status.SPURIOUS, result.objective


def _rank(run: Run) -> tuple[bool, bool, float]:
    """The same for a run that has just ended."""
    spurious = run.regular and of_few_rows(run.problem, run.parameters()) is not None
    return run.regular and not spurious, run.regular, run.objective
