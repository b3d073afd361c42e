"""Rows in float32: time of a pass and of a fit, and what the log-likelihood loses.

The same rows in float64 and rounded to float32. bayesgmm reads float32 as it is, without a copy,
and computes in float64. Seconds of a pass are those of one EM iteration, as in `benchmarks/em.py`;
the fit starts where that does, and stops at the default `tol`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

import bayesgmm

from . import machine, page
from .command import main
from .problem import Case, Problem
from .timing import Timing, busiest, in_turn, stopwatch

CASES = (Case(1_000_000, 2, 5, separation=5.0), Case(200_000, 8, 16), Case(50_000, 32, 20))
TOLERANCE = 1e-8
DOUBLE, SINGLE = "float64", "float32"


@dataclass(frozen=True, slots=True)
class Measured:
    """One case in both precisions."""

    case: Case
    passes: dict[str, Timing]
    fits: dict[str, Timing]
    iterations: dict[str, int]
    logliks: dict[str, float]

    def row(self) -> list[str]:
        cells = [page.count(self.case.n), str(self.case.d), str(self.case.k)]
        for times in (self.passes, self.fits):
            double, single = times[DOUBLE].median, times[SINGLE].median
            cells += [page.milliseconds(double), page.milliseconds(single)]
            cells.append(f"{double / single:.2f}")
        cells += [str(self.iterations[kind]) for kind in (DOUBLE, SINGLE)]
        lost = (self.logliks[SINGLE] - self.logliks[DOUBLE]) / self.case.n
        return [*cells, f"{lost:+.0e}"]


def climb(problem: Problem) -> bayesgmm.Fit:
    return problem.climb(tol=TOLERANCE, accelerate=True)


def measure(case: Case, rounds: int, patience: float) -> Measured:
    double = Problem.simulate(case)
    problems = {DOUBLE: double, SINGLE: replace(double, x=double.x.astype(np.float32))}
    fits = {kind: climb(problem) for kind, problem in problems.items()}
    passes = in_turn(
        {kind: problem.bayesgmm_per_iteration for kind, problem in problems.items()},
        rounds=rounds, most=2 * rounds, patience=patience,
    )  # fmt: skip
    whole = in_turn(
        {kind: stopwatch(partial(climb, problem)) for kind, problem in problems.items()},
        rounds=rounds, most=2 * rounds, patience=patience,
    )  # fmt: skip
    return Measured(
        case, passes, whole, {kind: f.n_iter for kind, f in fits.items()},
        {kind: f.loglik for kind, f in fits.items()},
    )  # fmt: skip


COLUMNS = (
    "n", "d", "K", "pass, float64, ms", "float32, ms", "ratio", "fit, float64, ms", "float32, ms",
    "ratio", "iterations, float64", "float32", "log-likelihood per row, float32 less float64",
)  # fmt: skip


def run(*, rounds: int = 7, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    measured = [measure(case.short if small else case, rounds, patience) for case in CASES]
    text = page.table("float32 and float64", COLUMNS, [m.row() for m in measured])
    if not write:
        return
    load = busiest([t for m in measured for t in (*m.passes.values(), *m.fits.values())])
    page.write_section(
        "float32",
        "## Rows in float32\n\n"
        f"`python -m benchmarks.float32`. {page.prose(__doc__)}\n\n{text}\n"
        f"Medians of {rounds} rounds on all cores; above 1 float32 is faster. Other processes used "
        f"at most {load:.0%} of the machine in any round that counts.\n\n"
        + "\n\n".join(machine.description("numpy", "numba")),
    )


if __name__ == "__main__":
    main(run, __doc__)
