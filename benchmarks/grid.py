"""A grid of families and numbers of components, beside R's mclust.

`bayesgmm.select(X, range(1, 10))` against `Mclust(X)`, in turn, mclust inside one R process by R's
own clock, after a run of each that is not counted. mclust makes one start a cell, its
hierarchical partition; bayesgmm makes that one and 10 more, and its cells start from each other's
results. Then cell by cell who ended higher, mclust's log-likelihood recomputed from its BIC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import bayesgmm

from . import machine, page, real
from .command import main
from .mclust import Logliks, Mclust
from .timing import Timing, busiest, in_turn, one_thread, stopwatch

SEEDS = range(5)
OURS, ALONE, THEIRS = "bayesgmm", "bayesgmm, 1 thread", "mclust"
_NONE = "not installed"


@dataclass(frozen=True, slots=True)
class Case:
    """One grid."""

    title: str
    x: np.ndarray
    ks: Sequence[int]
    families: tuple[str, ...] = ()

    def select(self, seed: int) -> bayesgmm.Selection:
        return bayesgmm.select(
            self.x, self.ks, self.families or None, random_seed=seed, progressbar=False
        )

    def alone(self, seed: int) -> bayesgmm.Selection:
        with one_thread():
            return self.select(seed)


def simulate(n: int, d: int, k: int, seed: int = 0) -> np.ndarray:
    """Rows of a mixture whose components overlap and have orientations of their own."""
    rng = np.random.default_rng(seed)
    means = 3.0 / np.sqrt(d) * rng.standard_normal((k, d))
    roots = rng.uniform(0.5, 1.5, (k, d, 1)) * np.linalg.qr(rng.standard_normal((k, d, d)))[0]
    labels = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, 5.0)))
    x = rng.standard_normal((n, d))
    for j in range(k):
        x[labels == j] = means[j] + x[labels == j] @ roots[j]
    return x


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cells in which our log-likelihood is higher, equal or lower, and those of one side only."""

    higher: list[str]
    equal: list[str]
    lower: list[str]
    ours_only: list[str]
    theirs_only: list[str]

    @classmethod
    def of(cls, found: bayesgmm.Selection, theirs: Logliks) -> Comparison:
        ours = {cell: fit.loglik for cell, fit in found.sound.items()}
        out = cls([], [], [], [], [])
        for cell in [*found.fits, *(c for c in found.failures if c not in found.fits)]:
            name = f"{cell[0]}, K = {cell[1]}"
            if cell in ours and cell in theirs:
                gain = ours[cell] - theirs[cell]
                group = out.higher if gain > real.SAME else out.equal
                group = out.lower if gain < -real.SAME else group
                group.append(name if abs(gain) <= real.SAME else f"{name} ({gain:+.3f})")
            elif cell in ours:
                out.ours_only.append(name)
            elif cell in theirs:
                out.theirs_only.append(name)
        return out

    def counts(self) -> list[str]:
        groups = self.higher, self.equal, self.lower, self.ours_only, self.theirs_only
        return [str(len(group)) for group in groups]


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of one grid, and what both found."""

    case: Case
    times: dict[str, Timing]
    ours: dict[int, bayesgmm.Selection]
    theirs: Logliks | None
    version: str

    def time_row(self) -> list[str]:
        ours, alone = self.times[OURS], self.times[ALONE]
        row = [self.case.title, str(len(self.ours[0].fits)), _NONE, page.seconds(ours.median)]
        row += [page.seconds(alone.median), *[_NONE] * 3]
        if THEIRS in self.times:
            theirs = self.times[THEIRS]
            each = sorted(b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True))
            row[2] = page.seconds(theirs.median)
            row[5] = f"{theirs.median / ours.median:.2f}"
            row[6] = f"{each[0]:.2f} to {each[-1]:.2f}"
            row[7] = f"{theirs.median / alone.median:.2f}"
        return row

    def comparisons(self) -> dict[int, Comparison]:
        assert self.theirs is not None
        return {seed: Comparison.of(found, self.theirs) for seed, found in self.ours.items()}


def measure(case: Case, seeds: Sequence[int], rounds: int, patience: float) -> Measured:
    with Mclust.over(case.x, case.ks, case.families) as rival:
        rivals = {
            OURS: stopwatch(lambda: case.select(0)),
            ALONE: stopwatch(lambda: case.alone(0)),
        }
        if rival is not None:
            rivals[THEIRS] = rival.seconds
        for run in rivals.values():
            run()
        times = in_turn(rivals, rounds=rounds, most=2 * rounds, patience=patience)
        theirs = None if rival is None else rival.logliks()
        version = "" if rival is None else rival.version
    found = {seed: case.select(seed) for seed in seeds}
    return Measured(case, times, found, theirs, version)


TIME_COLUMNS = (
    "grid", "cells", "mclust, s", "bayesgmm, s", "bayesgmm on 1 thread, s", "ratio",
    "ratio by round", "ratio on 1 thread",
)  # fmt: skip
CELL_COLUMNS = (
    "grid", "seed", "higher", "equal", "lower", "only bayesgmm has it", "only mclust has it",
    "which are lower, by how much",
)  # fmt: skip


def cell_rows(measured: Measured) -> list[list[str]]:
    return [
        [measured.case.title, str(seed), *found.counts(), "; ".join(found.lower) or "none"]
        for seed, found in measured.comparisons().items()
    ]


def only_theirs(measured: Sequence[Measured]) -> str:
    """Names the cells that mclust reports and bayesgmm does not."""
    said = []
    for m in measured:
        cells = sorted({cell for c in m.comparisons().values() for cell in c.theirs_only})
        if cells:
            said.append(f"{m.case.title}: {'; '.join(cells)}")
    if not said:
        return ""
    return (
        "Cells that only mclust has, with some seed: bayesgmm gives no estimate where EM ends at "
        "a singular covariance or at a component of hardly more rows than it must have, and where "
        "a family ends below a smaller one whose estimate leads it into a singularity. "
        f"{'. '.join(said)}.\n\n"
    )


def side_by_side(measured: Measured) -> str:
    """Both log-likelihoods of every cell."""
    fits = measured.ours[0].sound
    theirs = measured.theirs or {}
    rows = []
    for family, k in sorted(measured.ours[0].fits, key=lambda cell: (cell[1], cell[0])):
        mine, other = fits.get((family, k)), theirs.get((family, k))
        rows.append([str(k), family])
        rows[-1].append("none" if mine is None else f"{mine.loglik:.3f}")
        rows[-1].append("none" if other is None else f"{other:.3f}")
        both = mine is not None and other is not None
        rows[-1].append(f"{mine.loglik - other:+.3f}" if both else "")  # type: ignore[union-attr]
    columns = ("K", "family", "bayesgmm", "mclust", "difference")
    return page.table("Log-likelihoods over many rows", columns, rows)


def run(*, rounds: int = 7, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    whole = range(1, 10)
    full = [
        measure(Case(name, real.rows(name), whole), SEEDS, rounds, patience)
        for name in ("iris", "faithful")
    ]
    n = 5_000 if small else 100_000
    shown = page.count(n)
    many = measure(
        Case(f"n = {shown}, d = 8", simulate(n, 8, 5), range(1, 5),
             ("EII", "EEI", "EEE", "VVI", "VVV")),
        range(1), min(rounds, 3), patience,
    )  # fmt: skip
    everything = [*full, many]
    text = page.table("Grids", TIME_COLUMNS, [m.time_row() for m in everything])
    load = busiest([timing for m in full for timing in m.times.values()])
    load_many = busiest(list(many.times.values()))
    text += (
        f"\nMedians of {rounds} rounds ({min(rounds, 3)} over many rows), in each of which all ran "
        "in turn; a ratio above 1 means that bayesgmm is faster. mclust runs on one core. Other "
        f"processes used at most {load:.0%} of the machine in any round that counts, over many "
        f"rows {load_many:.0%}.\n\n"
    )
    if many.theirs is not None:
        cells = page.table("Cell by cell", CELL_COLUMNS, [r for m in full for r in cell_rows(m)])
        text += (
            "### Cell by cell\n\n"
            f"Higher and lower mean by more than {real.SAME} of log-likelihood. mclust's M-step "
            "for VVE does not maximise the likelihood, so its VVE is lower than it could be, and "
            f"it stops earlier (relative tolerance 1e-5).\n\n{cells}\n{only_theirs(full)}"
        )
    else:
        text += "R with mclust is not installed here, so there was nothing to compare with.\n\n"
    text += (
        f"### Many rows\n\n{shown} simulated rows of 5 components in 8 columns: proportions from a "
        "Dirichlet distribution, means 3/sqrt(8) times standard normal, covariances with "
        "uniformly random axes and standard deviations uniform in 0.5 to 1.5 along them. bayesgmm "
        "searches on a sample of the rows and runs every cell on over all; mclust's hierarchical "
        f"partition is of 2000 of the rows (its own default).\n\n{side_by_side(many)}\n"
    )
    if not write:
        return
    facts = machine.description("numpy", "scipy", "numba")
    facts += [f"Other side: {many.version}."] if many.version else []
    page.write_section(
        "grid",
        "## A grid of families and numbers of components\n\n"
        f"`python -m benchmarks.grid`. {page.prose(__doc__)}\n\n"
        f"{text}" + "\n\n".join(facts),
    )


if __name__ == "__main__":
    main(run, __doc__)
