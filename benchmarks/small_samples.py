"""What a grid says of small samples of one Gaussian, whose right answer is one component.

Thirty samples of 20 to 60 rows in 2 to 6 columns, every family with K = 1 to 9. A maximum on a
few rows that happen to lie close beats the truth by BIC unless it is set aside
(docs/decisions/0026-spurious-maxima.md); mclust, if it is installed, gets the same rows. Beside
them real data sets, of which a rule that sets too much aside would lose good models: the best
model of several seeds, and how many cells have an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.datasets import load_wine

import bayesgmm

from . import machine, page, real
from .command import main
from .mclust import Mclust, installed

SIZES = ((20, 2), (25, 3), (30, 4), (40, 5), (40, 6), (60, 4))
SAMPLES = range(100, 105)
SEEDS = range(3)


def sample(n: int, d: int, seed: int) -> np.ndarray:
    """Rows of one standard Gaussian."""
    return np.random.default_rng(seed).normal(size=(n, d))


def chosen(x: np.ndarray, seed: int = 0) -> bayesgmm.Selection:
    """The default grid."""
    return bayesgmm.select(x, random_seed=seed, progressbar=False)


def of_mclust(x: np.ndarray) -> int | None:
    """The number of components that mclust's own grid prefers; None where it is not installed."""
    with Mclust.over(x, range(1, 10)) as mclust:
        if mclust is None:
            return None
        mclust.seconds()
        logliks = mclust.logliks()
    n, d = x.shape
    bic = {
        (family, k): -2 * loglik + np.log(n) * bayesgmm.FAMILIES[family].n_parameters(k, d)
        for (family, k), loglik in logliks.items()
    }
    return min(bic, key=bic.__getitem__)[1]


def row_of_size(n: int, d: int) -> tuple[list[str], int]:
    """How often one component is found, and what else is."""
    best = [chosen(sample(n, d, seed)).best for seed in SAMPLES]
    theirs = [of_mclust(sample(n, d, seed)) for seed in SAMPLES]
    others = [f"{fit.family}, K = {fit.n_components}" for fit in best if fit.n_components > 1]
    right = len(best) - len(others)
    by_mclust = str(theirs.count(1)) if installed() else "not installed"
    return [f"{n} x {d}", f"{right} of {len(best)}", by_mclust, "; ".join(others)], right


def row_of_data(name: str, x: np.ndarray, seeds: Sequence[int]) -> list[str]:
    """The best model by seed, and the cells with an estimate."""
    grids = [chosen(x, seed) for seed in seeds]
    best = {f"{g.best.family}, K = {g.best.n_components} ({g.best.bic:.2f})": None for g in grids}
    sound = [len(g.sound) for g in grids]
    cells = len(grids[0].sound) + len(grids[0].failures)
    return [name, f"{len(x)} x {x.shape[1]}", "; ".join(best), f"{min(sound)} of {cells}"]


def run(*, seeds: int = len(SEEDS), write: bool = True) -> None:
    rows, right = zip(*(row_of_size(n, d) for n, d in SIZES), strict=True)
    total = f"{sum(right)} of {len(SIZES) * len(SAMPLES)}"
    samples = page.table(
        "Samples of one Gaussian", ("n x d", "K = 1 found", "by mclust", "else"),
        [*rows, ["all", total, "", ""]],
    )  # fmt: skip
    data = {name: real.rows(name) for name in real.NAMES} | {"wine": load_wine().data}
    kept = page.table(
        "Real data", ("data", "n x d", "best by BIC, of all seeds", "cells with an estimate"),
        [row_of_data(name, x, range(seeds)) for name, x in data.items()],
    )  # fmt: skip
    if write:
        page.write_section(
            "small_samples",
            f"## Small samples\n\n`python -m benchmarks.small_samples`. {page.prose(__doc__)}\n\n"
            f"{samples}\n{kept}\n" + "\n\n".join(machine.description("numpy", "numba")),
        )


if __name__ == "__main__":
    main(run, __doc__)
