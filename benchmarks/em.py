"""Seconds per EM iteration, beside scikit-learn's GaussianMixture.

Both start from the same weights, means and covariances and make the same number of iterations (tol
= 0, nothing added to the variances, steps not accelerated). What an iteration costs is the time of
12 iterations less the time of 2, over 10: checks, start and final pass drop out for both. Before
anything is timed, both must reach the same log-likelihood. scikit-learn runs twice, with as many
BLAS threads as it takes by itself and with one (BLAS threads wait in a loop, which costs more than
it gains when cores are shared): the faster of the two counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

import bayesgmm

from . import machine, page
from .timing import Timing, busiest, in_turn, one_thread

SHORT, LONG = 2, 12
TOLERANCE = 1e-8
OURS, OURS_ALONE = "bayesgmm", "bayesgmm, 1 thread"
THEIRS, THEIRS_ALONE = "scikit-learn", "scikit-learn, 1 BLAS thread"


@dataclass(frozen=True, slots=True)
class Case:
    """One size of problem."""

    n: int
    d: int
    k: int
    covariance_type: str = "full"

    def __str__(self) -> str:
        return f"n = {self.n}, d = {self.d}, K = {self.k}, {self.covariance_type}"

    @property
    def short(self) -> Case:
        """The same shape with few rows."""
        return Case(max(self.n // 20, 50 * self.k * self.d), self.d, self.k, self.covariance_type)


CASES = (
    Case(100_000, 2, 5),
    Case(1_000_000, 2, 5),
    Case(200_000, 8, 16),
    Case(50_000, 32, 20),
    Case(20_000, 100, 10),
    Case(1_000_000, 8, 16, "diag"),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows of an overlapping mixture, and a start some way off: EM stays busy for 12 iterations."""

    case: Case
    x: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def simulate(cls, case: Case, seed: int = 0) -> Problem:
        rng = np.random.default_rng(seed)
        n, d, k = case.n, case.d, case.k
        centers = 3.0 / np.sqrt(d) * rng.standard_normal((k, d))
        sd = rng.uniform(0.5, 1.5, (k, d))
        labels = rng.integers(k, size=n)
        x = centers[labels] + sd[labels] * rng.standard_normal((n, d))
        start = centers + 0.5 / np.sqrt(d) * rng.standard_normal((k, d))
        identity = np.repeat(np.eye(d)[None], k, axis=0)
        return cls(case, x, np.full(k, 1 / k), start, identity)

    def bayesgmm(self, iterations: int) -> bayesgmm.Fit:
        start = bayesgmm.Mixture(self.weights, self.means, self.covariances)
        return bayesgmm.fit(
            self.x, self.case.k, self.case.covariance_type, start=start, max_iter=iterations,
            tol=0.0, accelerate=False,
        )  # fmt: skip

    def scikit_learn(self, iterations: int) -> GaussianMixture:
        diagonal = self.case.covariance_type == "diag"
        precisions = np.ones_like(self.means) if diagonal else self.covariances
        with warnings.catch_warnings():  # it says that it did not converge, as was asked for
            warnings.simplefilter("ignore")
            return GaussianMixture(
                self.case.k, covariance_type=self.case.covariance_type, tol=0.0, reg_covar=0.0,
                max_iter=iterations, weights_init=self.weights, means_init=self.means,
                precisions_init=precisions,
            ).fit(self.x)  # fmt: skip


def difference(problem: Problem) -> float:
    """Relative difference of the log-likelihoods after the same iterations from the same start."""
    ours, theirs = problem.bayesgmm(LONG), problem.scikit_learn(LONG)
    if ours.n_iter != LONG or theirs.n_iter_ != LONG:
        raise AssertionError(f"{problem.case}: {ours.n_iter} and {theirs.n_iter_} iterations")
    reference = float(theirs.score_samples(problem.x).sum())
    relative = abs(ours.loglik - reference) / abs(reference)
    if not relative < TOLERANCE:
        raise AssertionError(
            f"{problem.case}: log-likelihood {ours.loglik!r}, scikit-learn's {reference!r}"
        )
    return relative


def per_iteration(fit: Callable[[int], object]) -> float:
    """Seconds of one iteration."""
    seconds = []
    for iterations in (LONG, SHORT):
        start = time.perf_counter()
        fit(iterations)
        seconds.append(time.perf_counter() - start)
    return (seconds[0] - seconds[1]) / (LONG - SHORT)


def scikit_learn_alone(problem: Problem) -> float:
    with threadpool_limits(1, "blas"):
        return per_iteration(problem.scikit_learn)


def bayesgmm_alone(problem: Problem) -> float:
    with one_thread():
        return per_iteration(problem.bayesgmm)


def measure(case: Case, rounds: int, patience: float) -> tuple[float, dict[str, Timing]]:
    problem = Problem.simulate(case)
    relative = difference(problem)
    return relative, in_turn(
        {
            OURS: lambda: per_iteration(problem.bayesgmm),
            THEIRS: lambda: per_iteration(problem.scikit_learn),
            OURS_ALONE: lambda: bayesgmm_alone(problem),
            THEIRS_ALONE: lambda: scikit_learn_alone(problem),
        },
        rounds=rounds,
        most=3 * rounds,
        patience=patience,
    )


def rival(times: dict[str, Timing]) -> Timing:
    """scikit-learn as it is faster."""
    return min((times[THEIRS], times[THEIRS_ALONE]), key=lambda timing: timing.median)


def row(case: Case, relative: float, times: dict[str, Timing]) -> list[str]:
    ours, alone, theirs = times[OURS].median, times[OURS_ALONE].median, rival(times)
    each = sorted(b / a for a, b in zip(times[OURS].seconds, theirs.seconds, strict=True))
    return [
        f"{case.n:,}".replace(",", " "), str(case.d), str(case.k), case.covariance_type,
        page.milliseconds(theirs.median), page.milliseconds(ours), page.milliseconds(alone),
        f"{theirs.median / ours:.1f}", f"{each[0]:.1f} to {each[-1]:.1f}",
        f"{theirs.median / alone:.1f}", f"{relative:.0e}",
    ]  # fmt: skip


COLUMNS = (
    "n", "d", "K", "covariance", "scikit-learn, ms", "bayesgmm, ms", "bayesgmm on 1 thread, ms",
    "ratio", "ratio by round", "ratio on 1 thread", "log-likelihoods differ by",
)  # fmt: skip


def run(*, rounds: int = 7, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    rows, load = [], 0.0
    for case in CASES:
        case = case.short if small else case
        relative, times = measure(case, rounds, patience)
        rows.append(row(case, relative, times))
        load = max(load, busiest(list(times.values())))
        spread = ", ".join(f"{name} {page.milliseconds(t.median)}" for name, t in times.items())
        print(f"{case}: {spread} ms; others {busiest(list(times.values())):.0%}", flush=True)
    text = page.table("One EM iteration", COLUMNS, rows)
    if not write:
        return
    facts = machine.description("numpy", "scipy", "scikit-learn", "numba")
    page.write_section(
        "em",
        "## One EM iteration\n\n"
        f"`python -m benchmarks.em`. {__doc__.split(chr(10), 2)[2].strip()}\n\n"
        f"{text}\n"
        f"Medians of {rounds} rounds, in each of which all ran in turn; a ratio above 1 means that "
        "bayesgmm is faster. bayesgmm used all cores, or one where the column says so. Other "
        f"processes used at most {load:.0%} of the machine in any round that counts.\n\n"
        + "\n\n".join(facts),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for quiet")
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows, to try it")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
