"""Which of many starts to follow: short runs of EM from all of them, the best run on.

Biernacki, Celeux & Govaert (2003), Comput. Stat. Data Anal. 41, 561-575 ("small EM"). A maximum
that rests on a coincidence of few rows is marked, and loses to any sound one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.data import Data
from ..kernels.e_step.contract import Parameters
from ..utils.errors import DegenerateComponentError
from ..utils.types import FloatArray
from .iteration import DEGENERATE, N_ITER
from .problem import Problem
from .run import EMResult, Run
from .starts.sample import Start
from .status import Status

# Rows beyond the fewest possible below which a component's likelihood is that of a coincidence.
_ROOM = 0.25
# So many times its last gain a short run may rise when it is run on.
_PATIENCE = 50
# Two runs whose objectives differ by less than this per row ended at the same optimum.
SAME_OPTIMUM = 1e-6


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a search: iterations of a short run, how many of them run on, when EM stops."""

    max_iter: int
    tol: float
    short: int = 10
    keep: int = 5
    accelerate: bool = True

    def run(self, problem: Problem, n_components: int) -> Run:
        """Arrays to run EM in."""
        return Run(problem, n_components, self.max_iter, self.tol, self.accelerate)

    @property
    def to_the_end(self) -> Effort:
        """Every start runs to the end."""
        return replace(self, short=0)


@dataclass(frozen=True, slots=True)
class _Left:
    """Where a short run was left: how good it is, the point, and its history."""

    rank: tuple[bool, bool, float]
    point: FloatArray
    history: FloatArray

    def hopeless(self, bar: float) -> bool:
        """Whether many gains like the last one would not lift it over the bar."""
        last = self.history[-1] - self.history[-2] if len(self.history) > 1 else np.inf
        return bool(self.history[-1] + _PATIENCE * last < bar)


def follow(
    problem: Problem,
    data: Data,
    starts: Sequence[Start],
    effort: Effort,
    first: Problem | None = None,
    bar: float = -np.inf,
) -> list[EMResult]:
    """Results from these starts, best first: sound ones before spurious before degenerate.

    Short runs are made of `first`, a smaller problem of the same kind, if there is one. Those far
    below `bar`, an objective to beat (up to the prior's constant), are not run on.

    Raises
    ------
    DegenerateComponentError
        No start gives sound parameters to begin with.
    """
    failure = DegenerateComponentError(0)
    n_components = len(starts[0].given.means)
    run = effort.run(problem, n_components)
    candidates: list[_Left | Start] = list(starts)
    enough = len(starts)
    if effort.short and len(starts) > 1:
        enough = effort.keep
        short = run if first is None else effort.run(first, n_components)
        left: list[_Left] = []
        for start in starts:
            try:
                _begin(short, data, start, min(effort.short, effort.max_iter))
            except DegenerateComponentError as error:
                failure = error
                continue
            history = short.history[: short.whole[N_ITER] + 1].copy()
            left.append(_Left(_rank(short), short.new.copy(), history))
        left.sort(key=lambda place: place.rank, reverse=True)
        candidates = [place for place in left if not place.hopeless(bar)]
        if left and not candidates:
            return []
    done: list[EMResult] = []
    n_sound = 0
    for candidate in candidates:
        if n_sound == enough:
            break
        before = None
        try:
            if isinstance(candidate, Start):
                _begin(run, data, candidate, effort.max_iter)
            else:
                run.take_up(candidate.point)
                before = candidate.history if first is None else None
                run.go(effort.max_iter - (0 if before is None else len(before) - 1))
        except DegenerateComponentError as error:
            failure = error
            continue
        done.append(mark_spurious(run.result(before), problem))
        n_sound += done[-1].status.sound
    if not done:
        raise failure
    return sorted(done, key=rank, reverse=True)


def _begin(run: Run, data: Data, start: Start, max_iter: int) -> None:
    """EM from a start; a guess with a singular covariance is shrunk towards the overall one."""
    if isinstance(start.given, Parameters):
        run.load(start.given, thorough=not start.guess)
        run.go(max_iter)
        return
    packed = start.diagonal if run.problem.family.diagonal else start.full
    run.load_packed(packed, thorough=not start.guess)
    try:
        run.go(max_iter)
    except DegenerateComponentError:
        if not start.guess:
            raise
        run.load(start.shrunk(data), thorough=False)
        run.go(max_iter)


def rank(result: EMResult) -> tuple[bool, bool, float]:
    """Sound results before spurious ones before degenerate ones, then by the objective."""
    return result.status.sound, result.status is Status.SPURIOUS, result.objective


def _rank(run: Run) -> tuple[bool, bool, float]:
    """The same for a run that has just ended."""
    spurious = _coincidence(run.problem, run.weights) is not None
    regular = run.status != DEGENERATE
    return regular and not spurious, regular, run.objective


def mark_spurious(result: EMResult, problem: Problem) -> EMResult:
    """Mark a maximum that owes its height to a component of hardly more rows than it must have.

    As the rows of such a component come closer its likelihood grows without bound, so every few
    neighbours make a local maximum: McLachlan & Peel (2000), Finite Mixture Models, section 3.10.
    """
    which = _coincidence(problem, result.parameters.weights)
    if which is None or not result.status.sound:
        return result
    return replace(result, status=Status.SPURIOUS, component=which)


def _coincidence(problem: Problem, weights: FloatArray) -> int | None:
    """The component of too few rows, if there is one."""
    if problem.bounded or len(weights) == 1:
        return None
    fewest = problem.family.fewest_rows(len(problem.rows.scale))
    which = int(weights.argmin())
    return which if fewest and weights[which] * problem.total < fewest + _ROOM else None
