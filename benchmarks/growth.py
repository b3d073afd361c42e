"""How the time of one EM iteration grows with rows, columns and components.

An iteration is measured as in `benchmarks/em.py`, with full covariances, and so is scikit-learn's
(with one BLAS thread or with all, as it is faster) at the sizes where it takes less than about a
second. Nanoseconds are per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import machine, page
from .command import main
from .em import OURS, REST, THEIRS, THEIRS_ALONE
from .problem import Case, Problem
from .timing import Timing, alone, busiest, in_turn

# Flop of an iteration over which so many columns are looked at, while there are rows enough.
WORK = 4e8
BUDGET = 15.0
# scikit-learn is left out above this many seconds an iteration.
PATIENT = 1.0
BLUE, ORANGE = "#0072B2", "#D55E00"


def columns(d: int) -> Case:
    """About the same work at every number of columns, but rows enough for every covariance."""
    k = 8
    n = WORK / Case(1, d, k).flops
    return Case(int(min(max(n, 3 * d * k), 1_000_000)), d, k)


def components(k: int) -> Case:
    return Case(100_000, 8, k)


CURVES: dict[str, Sequence[Case]] = {
    "n": [
        Case(n, 8, 8)
        for n in (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
    ],
    "d": [columns(d) for d in (2, 4, 8, 16, 32, 64, 100, 128, 256, 512)],
    "K": [components(k) for k in (1, 2, 5, 10, 20, 50, 100, 200)],
}
LABELS = {
    "n": "rows n (d = 8, K = 8)",
    "d": "columns d (K = 8)",
    "K": "components K (n = 100 000, d = 8)",
}

TICKS = {
    "n": (1_000, 10_000, 100_000, 1_000_000),
    "d": (2, 8, 32, 128, 512),
    "K": (1, 2, 5, 10, 20, 50, 100, 200),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One size; no times of scikit-learn's where it is too slow."""

    case: Case
    times: dict[str, Timing]

    @property
    def ours(self) -> float:
        return self.times[OURS].median

    @property
    def theirs(self) -> float | None:
        known = [self.times[way].median for way in (THEIRS, THEIRS_ALONE) if way in self.times]
        return min(known, default=None)

    def row(self) -> list[str]:
        case, theirs = self.case, self.theirs
        cells = [page.count(case.n), str(case.d), str(case.k), page.milliseconds(self.ours)]
        cells += [f"{1e9 * self.ours / case.n:.1f}", f"{1e-9 * case.flops / self.ours:.1f}"]
        if theirs is None:
            return [*cells, "", "", ""]
        cells += [page.milliseconds(theirs), f"{1e9 * theirs / case.n:.1f}"]
        return [*cells, f"{theirs / self.ours:.1f}"]


def short(cases: Sequence[Case]) -> list[Case]:
    """The quick ones with few rows."""
    return [case.short for case in cases if case.d <= 64]


def measure(case: Case, both: bool, rounds: int, patience: float) -> Point:
    problem = Problem.simulate(case)
    rivals = {OURS: problem.bayesgmm_per_iteration}
    if both:
        rivals[THEIRS_ALONE] = alone(problem.scikit_learn_per_iteration)
        rivals[THEIRS] = problem.scikit_learn_per_iteration
    if case.flops < 10 * WORK:  # else a round is long enough to warm up in
        for run_once in rivals.values():
            run_once()
    times = in_turn(
        rivals, rounds=rounds, most=2 * rounds, patience=patience, budget=BUDGET, rest=REST
    )
    return Point(case, times)


def curve(cases: Sequence[Case], rounds: int, patience: float) -> list[Point]:
    """The points of one curve; scikit-learn's as long as the last one foretells no long wait."""
    points: list[Point] = []
    both = True
    for case in cases:
        if points and both:
            last = points[-1]
            assert last.theirs is not None
            both = last.theirs * max(case.flops / last.case.flops, 1.0) < PATIENT
        points.append(measure(case, both, rounds, patience))
        print(f"{case}: {page.milliseconds(points[-1].ours)} ms", flush=True)
    return points


COLUMNS = (
    "n", "d", "K", "bayesgmm, ms", "ns a row", "GFlop/s", "scikit-learn, ms", "ns a row", "ratio",
)  # fmt: skip


def draw(curves: dict[str, list[Point]], path: Path) -> None:
    """Write the figure: a panel a curve, both axes logarithmic."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullLocator, StrMethodFormatter

    figure, panels = plt.subplots(1, len(curves), figsize=(12, 4.2), layout="constrained")
    for panel, (name, points) in zip(panels, curves.items(), strict=True):
        per_row = name == "d"  # the rows differ from point to point
        for label, style, color in (("bayesgmm", "o-", BLUE), ("scikit-learn", "s--", ORANGE)):
            seconds = [(p.case, p.ours if label == "bayesgmm" else p.theirs) for p in points]
            shown = [
                (getattr(case, name.lower()), s * (1e9 / case.n if per_row else 1e3))
                for case, s in seconds
                if s is not None
            ]
            panel.plot(*zip(*shown, strict=True), style, color=color, lw=2, label=label)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks(TICKS[name], [page.count(size) for size in TICKS[name]])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.set_xlabel(LABELS[name])
        panel.set_ylabel("nanoseconds a row" if per_row else "milliseconds")
        panel.grid(True, which="major", color="0.88")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    figure.suptitle("One EM iteration, full covariances")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def run(*, rounds: int = 5, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    curves = {
        name: curve(short(cases) if small else cases, rounds, patience)
        for name, cases in CURVES.items()
    }
    tables = {
        name: page.table(f"Growth in {name}", COLUMNS, [point.row() for point in points])
        for name, points in curves.items()
    }
    if not write:
        return
    figure = page.PAGE.parent / "figures" / "growth.png"
    draw(curves, figure)
    load = busiest([t for points in curves.values() for p in points for t in p.times.values()])
    shown = "\n".join(f"### In {LABELS[name]}\n\n{text}" for name, text in tables.items())
    page.write_section(
        "growth",
        "## Growth in n, d and K\n\n"
        f"`python -m benchmarks.growth`. {page.prose(__doc__)} GFlop/s count as the table of the "
        "machine's limit above does.\n\n"
        "![Time of one EM iteration over rows, columns and components, both axes logarithmic, "
        "for bayesgmm and scikit-learn](figures/growth.png)\n\n"
        f"{shown}\nMedians of {rounds} rounds (fewer once a size has taken "
        f"{BUDGET:.0f} s), bayesgmm on all cores. Other processes used at most {load:.0%} of the "
        "machine in any round that counts.\n\n"
        + "\n\n".join(machine.description("numpy", "scikit-learn", "numba")),
    )


if __name__ == "__main__":
    main(run, __doc__)
