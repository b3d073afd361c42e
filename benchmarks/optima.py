"""How often the best log-likelihood known is found: by a grid, and by single fits.

Six real data sets, every family with up to 5 components. The best value known of a cell is the
highest sound log-likelihood that anyone found (bayesgmm, mclust, another exact EM from mclust's
starts and from many random ones); a cell counts as found within 0.001 of it. `select` is the
default grid (K = 1 to 9), `fit` one call a cell.
"""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import bayesgmm

from . import machine, page, real
from .command import main
from .machine import Others

SEEDS = range(5)
MOST = 5

type Cells = dict[tuple[str, int], float]


def by_select(x: np.ndarray, seed: int, cells: Sequence[tuple[str, int]]) -> Cells:
    """Log-likelihoods of the default grid, as far as they are estimates."""
    found = bayesgmm.select(x, random_seed=seed, progressbar=False)
    return {cell: fit.loglik for cell, fit in found.sound.items()}


def by_fit(x: np.ndarray, seed: int, cells: Sequence[tuple[str, int]]) -> Cells:
    """The same of one `fit` a cell."""
    out: Cells = {}
    for family, k in cells:
        with warnings.catch_warnings():  # cells without an estimate are counted, not told
            warnings.simplefilter("ignore", bayesgmm.DegenerateFitWarning)
            try:
                fit = bayesgmm.fit(x, k, family, random_seed=seed)
            except bayesgmm.DegenerateComponentError:
                continue
        if fit.status.sound:
            out[family, k] = fit.loglik
    return out


WAYS: dict[str, Callable[[np.ndarray, int, Sequence[tuple[str, int]]], Cells]] = {
    "select": by_select,
    "fit": by_fit,
}


@dataclass(slots=True)
class Score:
    """Cells found of those with a known best value, and those below EM from mclust's start."""

    cells: int = 0
    found: int = 0
    below: int = 0
    seconds: float = 0.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.cells + other.cells, self.found + other.found,
            self.below + other.below, self.seconds + other.seconds,
        )  # fmt: skip


type Misses = dict[tuple[str, str], list[float]]


def score(way: str, name: str, seed: int, misses: Misses) -> Score:
    """Compare one way's log-likelihoods with what is known; `misses` gets those that are lower."""
    known = real.known(name, MOST)
    x = real.rows(name)
    begun = time.perf_counter()
    found = WAYS[way](x, seed, [(cell.family, cell.k) for cell in known])
    out = Score(seconds=time.perf_counter() - begun)
    for cell in known:
        loglik = found.get((cell.family, cell.k), -np.inf)
        if cell.best is not None:
            out.cells += 1
            reached = loglik >= cell.best - real.SAME
            out.found += reached
            if not reached:
                misses[way, f"{name} {cell.family}, K = {cell.k}"].append(loglik - cell.best)
        if cell.start is not None and loglik < cell.start - 1e-6 * max(1, abs(cell.start) / 100):
            out.below += 1
    return out


def span(values: Sequence[float], form: str) -> str:
    """The smallest and largest of some values."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def row(way: str, title: str, scores: Sequence[Score]) -> list[str]:
    total = sum(scores, Score())
    return [
        way, title, str(scores[0].cells), f"{total.found / total.cells:.1%}",
        span([s.found / s.cells for s in scores], ".1%"), span([s.below for s in scores], "d"),
        page.seconds(float(np.median([s.seconds for s in scores]))),
    ]  # fmt: skip


COLUMNS = (
    "by", "data", "cells", "found", "found, by seed", "below EM from mclust's start, by seed",
    "seconds a seed",
)  # fmt: skip


def worst(way: str, misses: Misses) -> str:
    """The cells missed most often."""
    mine = {cell: gaps for (w, cell), gaps in misses.items() if w == way}
    order = sorted(mine, key=lambda cell: (-len(mine[cell]), min(mine[cell])))
    return "; ".join(f"{cell} ({len(mine[cell])}, {min(mine[cell]):.3f})" for cell in order)


def run(*, seeds: int = len(SEEDS), write: bool = True) -> None:
    if not real.REFERENCE.exists():
        print(f"skipped: the best values known are not here ({real.REFERENCE})")
        return
    misses: Misses = defaultdict(list)
    rows, others = [], Others()
    others.start()
    for way in WAYS:
        WAYS[way](real.rows("faithful"), 0, [("VVV", 2)])
        by_name = {
            name: [score(way, name, seed, misses) for seed in range(seeds)] for name in real.NAMES
        }
        rows += [row(way, name, scores) for name, scores in by_name.items()]
        each = [sum(scores, Score()) for scores in zip(*by_name.values(), strict=True)]
        rows.append(row(way, "all", each))
    load = others.share()
    text = page.table("Best log-likelihoods known that were found", COLUMNS, rows)
    told = {way: worst(way, misses) for way in WAYS}
    for way, cells in told.items():
        print(f"missed by {way}: {cells}")
    if not write:
        return
    page.write_section(
        "optima",
        "## How often the best optimum known is found\n\n"
        f"`python -m benchmarks.optima`. {page.prose(__doc__)}\n\n{text}\n"
        f"Seeds 0 to {seeds - 1}. A cell is below EM from mclust's start when it ends lower than "
        "EM does at a tight tolerance from mclust's own hierarchical partition. Seconds are of "
        f"one run each, not of a quiet machine: other processes used {load:.0%} of it.\n\n"
        f"Missed by `select`, with the number of seeds and the largest shortfall: "
        f"{told['select'] or 'none'}.\n\n"
        f"Missed by `fit`: {told['fit'] or 'none'}.\n\n"
        + "\n\n".join(machine.description("numpy", "numba")),
    )


if __name__ == "__main__":
    main(run, __doc__)
