"""Passes and time to the end of EM, with plain steps and with longer ones.

Both run from the same start until at most 1e-8 of log-likelihood per row is left to gain
(`accelerate=False` and `True`): the real data sets, every family, K = 2, 3, 5, 7, two k-means++
starts each. (Large simulated mixtures are in `benchmarks/convergence.py`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.em.multistart import SearchOptions, run_starts
from bayesgmm.em.problem import Problem
from bayesgmm.em.run import EMResult
from bayesgmm.em.starts.sample import Start
from bayesgmm.em.starts.starts import make_starts
from bayesgmm.families import get_family
from bayesgmm.kernels.e_step.few_rows import Features
from bayesgmm.utils.errors import DegenerateComponentError

from . import machine, page, real
from .command import main
from .timing import Timing, busiest, in_turn, stopwatch

KS = (2, 3, 5, 7)
N_STARTS = 2
TOLERANCE = 1e-8
MAX_ITER = 100_000
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
        effort = SearchOptions(MAX_ITER, TOLERANCE, accelerate=accelerate).to_the_end
        out: list[EMResult | None] = []
        for problem, start in self.problems:
            try:
                out.append(run_starts(problem, [start], effort).results[0])
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


def run(*, rounds: int = 5, patience: float = 0.0, write: bool = True) -> None:
    measured = [measure(name, rounds, patience) for name in real.NAMES]
    rows = [row(m.name, m.pairs, [m.times[w].median for w in (PLAIN, LONG)]) for m in measured]
    total = [sum(m.times[way].median for m in measured) for way in (PLAIN, LONG)]
    rows.append(row("all", [pair for m in measured for pair in m.pairs], total))
    text = page.table("Plain and long steps", COLUMNS, rows)
    load = busiest([timing for m in measured for timing in m.times.values()])
    if not write:
        return
    page.write_section(
        "acceleration",
        "## Long steps\n\n"
        f"`python -m benchmarks.acceleration`. {page.prose(__doc__)}\n\n{text}\n"
        "A pass is one E-step over the rows, also of a step that was taken back; counts and "
        "log-likelihoods are of the runs that ended at a sound maximum both ways, seconds of all, "
        f"one after the other on one core, medians of {rounds} rounds in turn. Higher and lower "
        f"mean by more than {real.SAME}. Other processes used at most {load:.0%} of the machine "
        "in any round that counts.\n\n" + "\n\n".join(machine.description("numpy", "numba")),
    )


if __name__ == "__main__":
    main(run, __doc__)
