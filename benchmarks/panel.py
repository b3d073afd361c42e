"""How often `refine(X, fit)` converges, and how long it takes, on six real data sets.

Cells are families by K = 2 to 5: E and V for one column, EEE, VVV, VVI, VEV and EVE for more. Each
is refined from `fit(X, K, family)`; a cell without a sound fit is left out. A cell has converged
if r-hat is below 1.01 and the bulk and tail effective sample sizes are above 400 for every
element of pi, mu and Sigma. Seconds are of the whole call, in a process that has compiled already.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import bayesgmm

from . import machine, page, real
from .command import main

# Cells measured, by sampler: a run goes on where the last one stopped.
KEPT = Path(__file__).parent / "panel.json"
MOST_RHAT, LEAST_ESS = 1.01, 400
ONE_COLUMN, MORE_COLUMNS = ("E", "V"), ("EEE", "VVV", "VVI", "VEV", "EVE")
COMPONENTS = range(2, 6)


@dataclass(frozen=True, slots=True)
class Cell:
    """How one posterior came out; rhat and ess are the worst of pi, mu and Sigma."""

    rhat: float
    ess: float
    seconds: float
    problems: str

    @property
    def converged(self) -> bool:
        """Whether it meets the target."""
        return self.rhat < MOST_RHAT and self.ess > LEAST_ESS


def cells() -> Iterator[tuple[str, str, int]]:
    """Data set, family and K of each cell."""
    for name in real.NAMES:
        families = ONE_COLUMN if real.rows(name).shape[1] == 1 else MORE_COLUMNS
        yield from ((name, family, k) for family in families for k in COMPONENTS)


def measured(name: str, family: str, k: int, sampler: str) -> Cell | None:
    """One cell; None where there is no fit to refine."""
    x = real.rows(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = bayesgmm.fit(x, k, family, random_seed=1)
        except bayesgmm.DegenerateComponentError:
            return None
        if not fit.status.sound:
            return None
        begun = time.perf_counter()
        posterior = bayesgmm.refine(x, fit, sampler=sampler, random_seed=1, progressbar=False)
        seconds = time.perf_counter() - begun
    found = posterior.diagnostics
    parameters = [q for q in found.quantities if not q.invariant]
    return Cell(
        max(q.rhat for q in parameters), min(q.ess for q in parameters), seconds,
        " ".join(found.problems),
    )  # fmt: skip


def kept() -> dict[str, dict[str, dict[str, object] | None]]:
    """What has been measured, by sampler and cell."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}


def run(*, sampler: str = "auto", data: str = "", again: bool = False, write: bool = True) -> None:
    for compiling in {sampler, "gibbs"}:
        bayesgmm.refine(*_small(), sampler=compiling, progressbar=False, random_seed=1)
    done = kept()
    of_sampler = done.setdefault(sampler, {})
    for name, family, k in cells():
        title = f"{name} {family} {k}"
        if data in ("", name) and (again or title not in of_sampler):
            cell = measured(name, family, k, sampler)
            of_sampler[title] = None if cell is None else asdict(cell)
            KEPT.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
            print(title, cell, flush=True)
    text = page.table("The panel", COLUMNS, [row(s, list(of.values())) for s, of in done.items()])
    if write:
        page.write_section(
            "panel",
            f"## Posteriors of real data\n\n`python -m benchmarks.panel`. {page.prose(__doc__)}"
            f"\n\n{text}\n{left(done['auto'])}\n\n"
            + "\n\n".join(machine.description("numpy", "numba", "nutpie")),
        )


def _small() -> tuple[np.ndarray, bayesgmm.Fit]:
    x = real.rows("faithful")
    return x, bayesgmm.fit(x, 2, random_seed=1)


COLUMNS = (
    "sampler", "cells", "converged", "share", "median seconds", "longest", "over 120 s",
)  # fmt: skip


def row(sampler: str, found: list[dict[str, object] | None]) -> list[str]:
    """A row of the table."""
    there = [Cell(**cell) for cell in found if cell is not None]  # type: ignore[arg-type]
    seconds = [cell.seconds for cell in there]
    converged = sum(cell.converged for cell in there)
    return [
        sampler, str(len(there)), str(converged), f"{converged / len(there):.0%}",
        page.seconds(float(np.median(seconds))), page.seconds(max(seconds)),
        str(sum(s > 120 for s in seconds)),
    ]  # fmt: skip


def left(found: dict[str, dict[str, object] | None]) -> str:
    """The cells in which the default did not converge, in words."""
    there = [(title, Cell(**cell)) for title, cell in found.items() if cell is not None]  # type: ignore[arg-type]
    those = [
        f"{title} (r-hat {cell.rhat:.3f}, ESS {cell.ess:.0f}, {page.seconds(cell.seconds)} s)"
        for title, cell in there
        if not cell.converged
    ]
    return f'Where `"auto"` did not converge: {", ".join(those) or "nowhere"}.'


if __name__ == "__main__":
    main(run, __doc__)
