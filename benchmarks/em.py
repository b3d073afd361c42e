"""Seconds per EM iteration: how close to the machine's limit, and beside other programs.

All start from the same weights, means and covariances and make the same number of iterations (tol
= 0, steps not accelerated; nothing added to the variances, but where a component has fewer rows
than columns: there both add the same). What an iteration costs is the time of 12 iterations less
the time of 2, over 10 (3 less 1 where they are slow): checks, start and final pass drop out for
all. Before anything is timed, all must reach the same log-likelihood. scikit-learn runs twice, with
as many BLAS threads as it takes by itself and with one (BLAS threads wait in a loop, which costs
more than it gains when cores are shared): the faster of the two counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from . import gmmx, machine, mclust, page, peak
from .command import main
from .problem import Case, Problem
from .server import EMServer, Unavailable
from .timing import Timing, alone, busiest, in_turn

TOLERANCE = 1e-8
# What two programs in different precisions may differ by.
SINGLE = 1e-4
# Seconds after which no more rounds of a case begin.
BUDGET, BUDGET_OF_OTHERS = 120.0, 20.0
REST = 0.2
OURS, OURS_ALONE = "bayesgmm", "bayesgmm, 1 thread"
THEIRS, THEIRS_ALONE = "scikit-learn", "scikit-learn, 1 BLAS thread"
PEAK, PEAK_ALONE = "matrix product", "matrix product, 1 thread"

CASES = (
    Case(100_000, 2, 5),
    Case(1_000_000, 2, 5),
    Case(200_000, 8, 16),
    Case(50_000, 32, 20),
    Case(20_000, 100, 10),
    Case(5_000, 784, 10, ridge=0.01),
    Case(1_000_000, 8, 16, "diag"),
    Case(1_000_000, 8, 16, "spherical"),
)
# mclust, and gmmx in two precisions.
OTHERS: dict[str, Callable[[Problem], EMServer]] = {
    "mclust": mclust.em,
    "gmmx, float64": lambda problem: gmmx.em(problem, "float64"),
    "gmmx, float32": lambda problem: gmmx.em(problem, "float32"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """All that is known of one case; others has a reason where a program gave no number."""

    case: Case
    relative: float
    times: dict[str, Timing]
    others: dict[str, Timing | str]
    versions: set[str]

    @property
    def rival(self) -> Timing:
        """scikit-learn as it is faster."""
        return min((self.times[THEIRS], self.times[THEIRS_ALONE]), key=lambda t: t.median)

    @property
    def load(self) -> float:
        """What other processes used of the machine, at most."""
        others = [timing for timing in self.others.values() if isinstance(timing, Timing)]
        return busiest([*self.times.values(), *others])


def measure(case: Case, rounds: int, patience: float) -> Measured:
    problem = Problem.simulate(case)
    relative = difference(problem)
    times = in_turn(
        {
            OURS: problem.bayesgmm_per_iteration,
            OURS_ALONE: alone(problem.bayesgmm_per_iteration),
            THEIRS_ALONE: alone(problem.scikit_learn_per_iteration),
            PEAK_ALONE: alone(peak.matrix_product),
            THEIRS: problem.scikit_learn_per_iteration,
            PEAK: peak.matrix_product,
        },
        rounds=rounds, most=3 * rounds, patience=patience, budget=BUDGET, rest=REST,
    )  # fmt: skip
    others, versions = measure_others(problem, min(rounds, 3), patience)
    return Measured(case, relative, times, others, versions)


def difference(problem: Problem) -> float:
    """Relative difference of the log-likelihoods after the same iterations from the same start."""
    long = problem.case.iterations[1]
    ours, theirs = problem.bayesgmm(long), problem.scikit_learn(long)
    if ours.n_iter != long or theirs.n_iter_ != long:
        raise AssertionError(f"{problem.case}: {ours.n_iter} and {theirs.n_iter_} iterations")
    reference = float(theirs.score_samples(problem.x).sum())
    return agreement(THEIRS, ours.loglik, reference, TOLERANCE)


def agreement(name: str, ours: float, theirs: float, tolerance: float) -> float:
    """Relative difference of two log-likelihoods, which must be small."""
    relative = abs(ours - theirs) / abs(theirs)
    if not relative < tolerance:
        raise AssertionError(f"log-likelihood {ours!r}, {name}'s {theirs!r}")
    return relative


def measure_others(
    problem: Problem, rounds: int, patience: float
) -> tuple[dict[str, Timing | str], set[str]]:
    """Times of the other programs and ours in the same rounds, or why there are none; versions."""
    found: dict[str, Timing | str] = {}
    with ExitStack() as stack:
        rivals: dict[str, Callable[[], float]] = {OURS: problem.bayesgmm_per_iteration}
        versions = set()
        for name, start in OTHERS.items():
            try:
                server = stack.enter_context(start(problem))
                check(name, problem, server)
            except Unavailable as reason:
                found[name] = str(reason)
                continue
            rivals[name] = server.per_iteration
            versions.add(server.version)
        if len(rivals) > 1:
            found |= in_turn(
                rivals, rounds=rounds, most=2 * rounds, patience=patience,
                budget=BUDGET_OF_OTHERS, rest=REST,
            )  # fmt: skip
    return found, versions


def check(name: str, problem: Problem, server: EMServer) -> None:
    """Three iterations by the other program end where three of ours do."""
    theirs = server.climb(3)
    tolerance = SINGLE if name.endswith("float32") else TOLERANCE
    agreement(name, problem.bayesgmm(3).loglik, theirs.loglik, tolerance)


def head(case: Case) -> list[str]:
    return [page.count(case.n), str(case.d), str(case.k), case.covariance_type]


HEAD = ("n", "d", "K", "covariance")
COLUMNS = (
    *HEAD, "scikit-learn, ms", "bayesgmm, ms", "bayesgmm on 1 thread, ms", "ratio",
    "ratio by round", "ratio on 1 thread", "log-likelihoods differ by",
)  # fmt: skip


def row(m: Measured) -> list[str]:
    ours, solo, theirs = m.times[OURS].median, m.times[OURS_ALONE].median, m.rival
    each = sorted(b / a for a, b in zip(m.times[OURS].seconds, theirs.seconds, strict=True))
    return [
        *head(m.case), page.milliseconds(theirs.median), page.milliseconds(ours),
        page.milliseconds(solo), f"{theirs.median / ours:.1f}",
        f"{each[0]:.1f} to {each[-1]:.1f}", f"{theirs.median / solo:.1f}", f"{m.relative:.0e}",
    ]  # fmt: skip


LIMIT_COLUMNS = (
    *HEAD, "flop an iteration", "bayesgmm, GFlop/s", "peak, GFlop/s", "of the peak",
    "bayesgmm on 1 thread, GFlop/s", "peak on 1 thread, GFlop/s", "of that peak",
    "scikit-learn, of the peak",
)  # fmt: skip


def limit_row(m: Measured) -> list[str]:
    cells = [*head(m.case), f"{m.case.flops:.1e}"]
    for ours, product in ((OURS, PEAK), (OURS_ALONE, PEAK_ALONE)):
        speed = m.case.flops / m.times[ours].median
        most = peak.FLOPS / m.times[product].median
        cells += [f"{1e-9 * speed:.1f}", f"{1e-9 * most:.1f}", f"{speed / most:.0%}"]
    theirs = m.case.flops / m.rival.median / (peak.FLOPS / m.times[PEAK].median)
    return [*cells, f"{theirs:.1%}"]


OTHER_COLUMNS = (
    *HEAD, "bayesgmm, ms", *(cell for name in OTHERS for cell in (f"{name}, ms", "ratio"))
)  # fmt: skip


def other_row(m: Measured) -> list[str]:
    ours = m.others.get(OURS, m.times[OURS])
    assert isinstance(ours, Timing)
    cells = [*head(m.case), page.milliseconds(ours.median)]
    for name in OTHERS:
        found = m.others[name]
        if isinstance(found, str):
            cells += [found, ""]
        else:
            cells += [page.milliseconds(found.median), f"{found.median / ours.median:.1f}"]
    return cells


LIMIT = """\
### How close to the machine's limit

Counted is the textbook minimum of floating-point operations for each row and component. With a
full covariance, d (d + 1) for the quadratic form (by a triangular factor or by symmetric features:
d (d + 1)/2 multiplications and as many additions) and d (d + 1) for the scatter; with a diagonal or
spherical one, 2 d and 2 d. Nothing is counted for the exponentials and logarithms, for normalising,
or for reading the rows, which is most of the work when d is small: no program could come near the
peak there. The peak is what NumPy's product of two 2048 x 2048 float64 matrices reaches on as many
threads, measured in the same rounds."""

OTHERS_TEXT = """\
### Beside mclust and gmmx

mclust is Fortran under R (`em` with a fixed number of iterations, one core), gmmx is JAX (all
cores, compiled before the clock starts). gmmx refuses float64 in a check of its own, so it runs in
float32 as it is, and in float64 with that check turned off. A ratio above 1 means that bayesgmm, in
float64 on all cores, is faster; its times here are of the same rounds as theirs."""


def report(measured: Sequence[Measured], rounds: int) -> str:
    """The section, which is also printed."""
    one = page.table("One EM iteration", COLUMNS, [row(m) for m in measured])
    limit = page.table("Close to the limit", LIMIT_COLUMNS, [limit_row(m) for m in measured])
    others = page.table("Beside others", OTHER_COLUMNS, [other_row(m) for m in measured])
    facts = machine.description("numpy", "scipy", "scikit-learn", "numba")
    versions = sorted(set().union(*(m.versions for m in measured)))
    facts += [f"Other programs: {'; '.join(versions)}."] if versions else []
    return (
        "## One EM iteration\n\n"
        f"`python -m benchmarks.em`. {page.prose(__doc__)}\n\n{one}\n"
        f"Medians of {rounds} rounds (fewer once a case has taken {BUDGET:.0f} s), in "
        "each of which all ran in turn; a ratio above 1 means that bayesgmm is faster. bayesgmm "
        "used all cores, or one where the column says so. Other processes used at most "
        f"{max(m.load for m in measured):.0%} of the machine in any round that counts.\n\n"
        f"{LIMIT}\n\n{limit}\n{OTHERS_TEXT}\n\n{others}\n" + "\n\n".join(facts)
    )


def run(*, rounds: int = 7, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    measured = []
    for case in CASES:
        measured.append(m := measure(case.short if small else case, rounds, patience))
        spread = ", ".join(f"{name} {page.milliseconds(t.median)}" for name, t in m.times.items())
        print(f"{m.case}: {spread} ms; others {m.load:.0%}", flush=True)
    text = report(measured, rounds)
    if write:
        page.write_section("em", text)


if __name__ == "__main__":
    main(run, __doc__)
