"""Passes and time to the end of EM, with plain steps and with longer ones.

Both run from the same start until at most 1e-8 of log-likelihood per row is left to gain
(`accelerate=False` and `True`): the real data sets, every family, K = 2, 3, 5, 7, two k-means++
starts each; then one large mixture whose components overlap, from one start, where scikit-learn's
GaussianMixture makes the iterations that plain EM needs for the same log-likelihood.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

import bayesgmm
from bayesgmm.data import as_data
from bayesgmm.em import EMResult, Features, Problem
from bayesgmm.families import get_family
from bayesgmm.kernels import DegenerateComponentError
from bayesgmm.search import Effort, follow
from bayesgmm.start import Start, make_starts

from . import em, machine, page, real
from .machine import Others
from .timing import Timing, busiest, in_turn, stopwatch

KS = (2, 3, 5, 7)
N_STARTS = 2
TOLERANCE = 1e-8
MAX_ITER = 100_000
# Relative difference of log-likelihoods that counts as the same on the large mixture.
SAME = 1e-9
LARGE = em.Case(200_000, 8, 16)
PLAIN, LONG = "plain", "accelerated"


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs on one data set."""

    name: str
    problems: list[tuple[Problem, Start]]

    @classmethod
    def of(cls, name: str) -> Runs:
        data = as_data(real.rows(name))
        features = Features(data)
        families = bayesgmm.FAMILIES if data.d > 1 else ("E", "V")
        starts = [s for k in KS for s in make_starts("k-means++", data, k, N_STARTS, 0)]
        problems = [
            (Problem(data, get_family(family, data.d), features=features), start)
            for family in families
            for start in starts
        ]
        return cls(name, problems)

    def run(self, accelerate: bool) -> list[EMResult | None]:
        """Where each ended; None where its start could not be used."""
        effort = Effort(MAX_ITER, TOLERANCE, accelerate=accelerate).to_the_end
        out: list[EMResult | None] = []
        for problem, start in self.problems:
            data = problem.rows
            try:
                out.append(follow(problem, data, [start], effort)[0])  # type: ignore[arg-type]
            except DegenerateComponentError:
                out.append(None)
        return out


@dataclass(frozen=True, slots=True)
class Measured:
    """What both found on one data set, and how long all of it took."""

    name: str
    pairs: list[tuple[EMResult, EMResult]]
    times: dict[str, Timing]


def measure(name: str, rounds: int, patience: float) -> Measured:
    runs = Runs.of(name)
    both = zip(runs.run(False), runs.run(True), strict=True)
    pairs = [(a, b) for a, b in both if a is not None and b is not None]
    rivals = {
        PLAIN: stopwatch(lambda: runs.run(False)),
        LONG: stopwatch(lambda: runs.run(True)),
    }
    times = in_turn(rivals, rounds=rounds, most=2 * rounds, patience=patience)
    return Measured(name, pairs, times)


def row(name: str, pairs: Sequence[tuple[EMResult, EMResult]], seconds: list[float]) -> list[str]:
    sound = [(a, b) for a, b in pairs if a.status.sound and b.status.sound]
    passes = np.array([[result.n_passes for result in pair] for pair in sound])
    steps = np.array([[result.n_iter for result in pair] for pair in sound])
    gain = np.array([b.loglik - a.loglik for a, b in sound])
    only = [sum(x.status.sound and not y.status.sound for x, y in pairs)]
    only.append(sum(y.status.sound and not x.status.sound for x, y in pairs))
    return [
        name, str(len(sound)),
        *(f"{v:.0f}" for v in np.median(passes, axis=0)), *(str(v) for v in passes.sum(axis=0)),
        *(str(v) for v in steps.sum(axis=0)),
        *(page.seconds(s) for s in seconds), f"{seconds[0] / seconds[1]:.2f}",
        str(np.sum(gain > real.SAME)), str(np.sum(gain < -real.SAME)), *map(str, only),
    ]  # fmt: skip


COLUMNS = (
    "data", "runs", "median passes, plain", "accelerated", "passes, plain", "accelerated",
    "iterations, plain", "accelerated", "plain, s", "accelerated, s", "ratio",
    "accelerated higher", "lower", "sound only plain", "only accelerated",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Large:
    """Iterations, seconds and log-likelihood to the end on the large mixture."""

    name: str
    n_iter: int
    n_passes: str
    seconds: float
    loglik: float

    def row(self, plain: Large) -> list[str]:
        return [
            self.name, str(self.n_iter), self.n_passes, page.seconds(self.seconds),
            f"{plain.seconds / self.seconds:.2f}", f"{self.loglik:.4f}",
            f"{(self.loglik - plain.loglik) / abs(plain.loglik):.0e}",
        ]  # fmt: skip


def large(case: em.Case, rounds: int, patience: float) -> tuple[list[Large], float]:
    """Both ways of bayesgmm, and scikit-learn once."""
    problem = em.Problem.simulate(case)
    start = bayesgmm.Mixture(problem.weights, problem.means, problem.covariances)
    data = as_data(problem.x)
    ours = Problem(data, get_family(case.covariance_type, data.d))
    given = Start(start.parameters_about(data.center))

    def climb(accelerate: bool) -> EMResult:
        effort = Effort(MAX_ITER, TOLERANCE, accelerate=accelerate).to_the_end
        return follow(ours, data, [given], effort)[0]

    results = {PLAIN: climb(False), LONG: climb(True)}
    times = in_turn(
        {PLAIN: stopwatch(lambda: climb(False)), LONG: stopwatch(lambda: climb(True))},
        rounds=rounds, most=2 * rounds, patience=patience,
    )  # fmt: skip
    out = [
        Large(f"bayesgmm, {name}", r.n_iter, str(r.n_passes), times[name].median, r.loglik)
        for name, r in results.items()
    ]
    # Plain EM is the same in both programs: the iterations that ours needs are those it needs.
    history = np.array(results[PLAIN].history)
    enough = int(np.argmax(history >= history[-1] - 0.5 * SAME * abs(history[-1])))
    load = busiest(list(times.values()))
    theirs = []
    for blas_threads in (1, None):
        with threadpool_limits(blas_threads, "blas"):
            others = Others()
            others.start()
            begun = time.perf_counter()
            fit = problem.scikit_learn(enough)
            seconds = time.perf_counter() - begun
        load = max(load, others.share())
        loglik = float(fit.score_samples(problem.x).sum())
        theirs.append(Large("scikit-learn", fit.n_iter_, "", seconds, loglik))
    out.append(min(theirs, key=lambda end: end.seconds))
    return out, load


LARGE_COLUMNS = (
    "by", "iterations", "passes", "seconds", "times faster than plain", "log-likelihood",
    "relative to plain",
)  # fmt: skip


def run(*, rounds: int = 5, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    measured = [measure(name, rounds, patience) for name in real.NAMES]
    rows = [row(m.name, m.pairs, [m.times[w].median for w in (PLAIN, LONG)]) for m in measured]
    total = [sum(m.times[way].median for m in measured) for way in (PLAIN, LONG)]
    rows.append(row("all", [pair for m in measured for pair in m.pairs], total))
    text = page.table("Plain and long steps", COLUMNS, rows)
    load = busiest([timing for m in measured for timing in m.times.values()])
    case = LARGE.short if small else LARGE
    ends, load_large = large(case, min(rounds, 3), patience)
    ends_text = page.table("One large mixture", LARGE_COLUMNS, [end.row(ends[0]) for end in ends])
    if not write:
        return
    page.write_section(
        "acceleration",
        "## Long steps\n\n"
        f"`python -m benchmarks.acceleration`. {__doc__.split(chr(10), 2)[2].strip()}\n\n{text}\n"
        "A pass is one E-step over the rows, also of a step that was taken back; counts and "
        "log-likelihoods are of the runs that ended at a sound maximum both ways, seconds of all, "
        f"one after the other on one core, medians of {rounds} rounds in turn. Higher and lower "
        f"mean by more than {real.SAME}. Other processes used at most {load:.0%} of the machine "
        "in any round that counts.\n\n"
        f"The large mixture: {case}, made and started as in `benchmarks/em.py`.\n\n{ends_text}\n"
        f"bayesgmm's seconds are medians of {min(rounds, 3)} rounds in turn on all cores, "
        "scikit-learn's the faster of two runs, with one BLAS thread and with all. It was told the "
        f"number of iterations after which plain EM is within {0.5 * SAME:.0e} (relative) of its "
        f"end. Other processes used at most {load_large:.0%} of the machine.\n\n"
        + "\n\n".join(machine.description("numpy", "scikit-learn", "numba")),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for quiet")
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows, to try it")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
