"""Time to the same converged log-likelihood, beside other programs.

All start from the same mixture, and count as arrived within 1e-9 (relative) of the highest
log-likelihood that anyone reached. bayesgmm stops by its own rule (`tol`), and its seconds are of a
whole call of `fit`. The others are told how many iterations plain EM needs to be there, which is
the same number for all of them: they pay for no iteration too many, and for no test.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

import bayesgmm

from . import machine, page
from .command import main
from .em import OTHERS
from .machine import Others
from .problem import Case, Problem
from .server import Unavailable
from .timing import Timing, busiest, in_turn, stopwatch

SAME = 1e-9
TIGHT = 1e-12
PLAIN, LONG, THEIRS = "bayesgmm, plain", "bayesgmm, accelerated (the default)", "scikit-learn"
WAYS = {LONG: True, PLAIN: False}

# In two columns the components that overlap as in `benchmarks/em.py` keep plain EM busy for many
# thousands of iterations, which the slower programs do not end today.
CASES = {
    "overlapping": (Case(200_000, 8, 16), Case(100_000, 2, 5, separation=5.0)),
    "well separated": (
        Case(200_000, 8, 16, separation=20.0),
        Case(100_000, 2, 5, separation=20.0),
    ),
}


@dataclass(frozen=True, slots=True)
class End:
    """Where one program arrived; or, instead of all numbers, why there are none."""

    name: str
    iterations: int = 0
    seconds: float = float("nan")
    loglik: float = float("nan")
    reason: str = ""

    def cells(self, first: End, best: float) -> list[str]:
        if self.reason:
            return [self.name, self.reason, "", "", "", ""]
        return [
            self.name, str(self.iterations), page.seconds(self.seconds),
            f"{self.seconds / first.seconds:.1f}", f"{self.loglik:.4f}",
            f"{(best - self.loglik) / abs(best):.0e}",
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """All programs on one mixture, ours accelerated first, and the highest log-likelihood."""

    title: str
    best: float
    ends: list[End]
    load: float
    versions: set[str]

    @property
    def rows(self) -> list[list[str]]:
        return [[self.title, *end.cells(self.ends[0], self.best)] for end in self.ends]


def measure(title: str, case: Case, rounds: int, patience: float) -> Measured:
    problem = Problem.simulate(case)
    best = problem.climb(tol=TIGHT, accelerate=True).loglik
    enough = 0.5 * SAME * abs(best) / case.n
    ends, times = ours(problem, enough, rounds, patience)
    needed = iterations_of_plain_em(problem, best)
    watch = Others()
    watch.start()
    ends.append(scikit_learn(problem, needed))
    versions = set()
    for name in ("mclust", "gmmx, float64"):
        end, version = other(name, problem, needed)
        ends.append(end)
        versions |= version
    load = max(busiest(list(times.values())), watch.share())
    return Measured(f"{title}, {case}", best, ends, load, versions)


def ours(
    problem: Problem, tol: float, rounds: int, patience: float
) -> tuple[list[End], dict[str, Timing]]:
    """Both ways of bayesgmm."""

    def climb(accelerate: bool) -> Callable[[], bayesgmm.Fit]:
        return lambda: problem.climb(tol=tol, accelerate=accelerate)

    climbs = {way: climb(accelerate) for way, accelerate in WAYS.items()}
    fits = {way: run() for way, run in climbs.items()}
    times = in_turn(
        {way: stopwatch(run) for way, run in climbs.items()},
        rounds=rounds, most=2 * rounds, patience=patience,
    )  # fmt: skip
    ends = [End(way, f.n_iter, times[way].median, f.loglik) for way, f in fits.items()]
    return ends, times


def iterations_of_plain_em(problem: Problem, best: float) -> int:
    """The fewest iterations after which plain EM has arrived; all, if it arrives elsewhere."""
    end = problem.climb(tol=0.05 * SAME * abs(best) / problem.case.n)
    arrived = np.array(end.history) >= best - SAME * abs(best)
    return max(int(np.argmax(arrived)), 1) if arrived.any() else end.n_iter


def scikit_learn(problem: Problem, iterations: int) -> End:
    """scikit-learn with one BLAS thread or with all, as it is faster."""
    ends = []
    for threads in (1, None):
        with threadpool_limits(threads, "blas"):
            begun = time.perf_counter()
            fit = problem.scikit_learn(iterations)
            seconds = time.perf_counter() - begun
        loglik = float(fit.score_samples(problem.x).sum())
        ends.append(End(THEIRS, fit.n_iter_, seconds, loglik))
    return min(ends, key=lambda end: end.seconds)


def other(name: str, problem: Problem, iterations: int) -> tuple[End, set[str]]:
    """Another program by its own clock, and its version."""
    try:
        with OTHERS[name](problem) as server:
            climb = server.climb(iterations)
            return End(name, climb.iterations, climb.seconds, climb.loglik), {server.version}
    except Unavailable as reason:
        return End(name, reason=str(reason)), set()


COLUMNS = (
    "mixture", "by", "iterations", "seconds", "times bayesgmm's", "log-likelihood",
    "short of the best by",
)  # fmt: skip


def run(*, rounds: int = 5, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    measured = []
    for title, cases in CASES.items():
        for case in cases:
            measured.append(measure(title, case.short if small else case, rounds, patience))
            print(f"{measured[-1].title}: others {measured[-1].load:.0%}", flush=True)
    text = page.table("To the same end", COLUMNS, [row for m in measured for row in m.rows])
    if not write:
        return
    versions = sorted(set().union(*(m.versions for m in measured)))
    facts = machine.description("numpy", "scikit-learn", "numba")
    facts += [f"Other programs: {'; '.join(versions)}."] if versions else []
    page.write_section(
        "convergence",
        "## Time to the same converged log-likelihood\n\n"
        f"`python -m benchmarks.convergence`. {page.prose(__doc__)}\n\n{text}\n"
        "The mixtures and the start are those of `benchmarks/problem.py`: the components' means "
        "are about 4 standard deviations apart where they overlap (7 in two columns), 28 where "
        f"they are well separated. bayesgmm's seconds are medians of {rounds} rounds on all cores, "
        "with `tol` half of those 1e-9; the others ran once, scikit-learn once with one BLAS "
        "thread and once with all, of which the faster counts; mclust runs on one core, gmmx on "
        "all, in float64 as above, compiled before the clock starts. Other processes used at most "
        f"{max(m.load for m in measured):.0%} of the machine.\n\n" + "\n\n".join(facts),
    )


if __name__ == "__main__":
    main(run, __doc__)
