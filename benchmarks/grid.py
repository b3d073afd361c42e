"""Whole grids of families and numbers of components, beside R's mclust.

mclust runs in a waiting R process of its own, in turn with `select`; its `Mclust` is timed by
`system.time`. Log-likelihoods are compared cell by cell, mclust's recomputed from its BIC. mclust's
VVE values are not maxima (docs/mathematics.md) and count like the others. Without R and mclust
(`apt-get install r-cran-mclust`) their columns stay empty.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import bayesgmm

from . import machine, page
from .timing import Timing, busiest, in_turn

CLOSE = 1e-3
SEEDS = (0, 1, 2)
ACCELERATED = ("faithful", "iris", "galaxies", "acidity", "diabetes", "penguins")

_SERVER = r"""
suppressMessages(library(mclust))
x <- as.matrix(read.csv(commandArgs(TRUE)[1]))
G <- as.integer(strsplit(commandArgs(TRUE)[2], ",")[[1]])
models <- strsplit(commandArgs(TRUE)[3], ",")[[1]]
con <- file("stdin", "r")
while (length(line <- readLines(con, 1)) > 0) {
  if (line == "run") {
    seconds <- system.time(fit <- Mclust(x, G, models, verbose = FALSE))[3]
    cat(seconds, "\n")
  } else {
    bic <- mclustBIC(x, G, models, verbose = FALSE)
    for (m in colnames(bic)) for (g in rownames(bic)) {
      p <- nMclustParams(m, ncol(x), as.integer(g))
      cat(m, g, format((bic[g, m] + p * log(nrow(x))) / 2, digits = 15), "\n")
    }
    cat("end\n")
  }
  flush(stdout())
}
"""


class Mclust:
    """R's mclust on one table, ready to run."""

    def __init__(self, x: np.ndarray, ks: range, families: list[str]) -> None:
        folder = Path(tempfile.mkdtemp())
        np.savetxt(
            folder / "x.csv", x, delimiter=",", comments="", fmt="%.17g",
            header=",".join(f"x{j}" for j in range(x.shape[1])),
        )  # fmt: skip
        (folder / "server.R").write_text(_SERVER)
        arguments = [folder / "x.csv", ",".join(map(str, ks)), ",".join(families)]
        self.process = subprocess.Popen(
            ["Rscript", folder / "server.R", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    @staticmethod
    def there() -> bool:
        """Whether R and mclust are installed."""
        if shutil.which("Rscript") is None:
            return False
        found = subprocess.run(["Rscript", "-e", "library(mclust)"], capture_output=True)
        return found.returncode == 0

    def _ask(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def seconds(self) -> float:
        """Time of one `Mclust`."""
        assert self.process.stdout is not None
        self._ask("run")
        return float(self.process.stdout.readline())

    def logliks(self) -> dict[tuple[str, int], float]:
        """Log-likelihood of every cell that mclust could fit."""
        assert self.process.stdout is not None
        self._ask("cells")
        out = {}
        for line in iter(self.process.stdout.readline, "end\n"):
            family, k, value = line.split()
            if value != "NA":
                out[family, int(k)] = float(value)
        return out


def against(
    x: np.ndarray, ks: range, families: list[str], rounds: int, patience: float
) -> tuple[dict[str, Timing], list[list[float]]]:
    """Timings, and for every seed our log-likelihoods less mclust's, in its cells."""
    rivals: dict[str, Callable[[], float]] = {"bayesgmm": lambda: ours(x, ks, families, 0)[0]}
    rivals["bayesgmm"]()  # compiled
    theirs = None
    if Mclust.there():
        theirs = Mclust(x, ks, families)
        theirs.seconds()
        rivals["mclust"] = theirs.seconds
    times = in_turn(rivals, rounds=rounds, most=3 * rounds, patience=patience)
    gains = []
    if theirs is not None:
        known = theirs.logliks()
        for seed in SEEDS:
            sound = ours(x, ks, families, seed)[1].sound
            gains.append([
                sound[cell].loglik - value if cell in sound else -np.inf
                for cell, value in known.items()
            ])  # fmt: skip
    return times, gains


def ours(
    x: np.ndarray, ks: range, families: list[str], seed: int
) -> tuple[float, bayesgmm.Selection]:
    start = time.perf_counter()
    selection = bayesgmm.select(x, ks, families, random_seed=seed, progressbar=False)
    return time.perf_counter() - start, selection


def row(name: str, times: dict[str, Timing], gains: list[list[float]]) -> list[str]:
    mine = times["bayesgmm"].median
    if "mclust" not in times:
        return [name, page.milliseconds(mine), "", "", "", "", "", ""]
    theirs = times["mclust"].median
    counts = [
        (sum(g > CLOSE for g in cells), sum(abs(g) <= CLOSE for g in cells),
         sum(-np.inf < g < -CLOSE for g in cells), sum(g == -np.inf for g in cells))
        for cells in gains
    ]  # fmt: skip
    shown = [", ".join(str(c[i]) for c in counts) for i in range(4)]
    return [
        name,
        page.milliseconds(mine),
        page.milliseconds(theirs),
        f"{theirs / mine:.2f}",
        *shown,
    ]


def simulated(n: int, d: int, k: int, spread: float, seed: int = 0) -> np.ndarray:
    """Rows of k Gaussian groups with covariances of their own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    roots = np.eye(d) + 0.3 * rng.standard_normal((k, d, d))
    z = rng.standard_normal((n, d))
    return spread * rng.standard_normal((k, d))[labels] + np.einsum("nij,nj->ni", roots[labels], z)


def acceleration() -> list[list[str]]:
    """Passes to the same tolerance, plain and accelerated."""
    rows, lines = {False: [], True: []}, []
    for name in ACCELERATED:
        x = getattr(bayesgmm.datasets, f"load_{name}")(features_only=True).to_numpy()
        families = list(bayesgmm.FAMILIES) if x.shape[1] > 1 else ["E", "V"]
        for family in families:
            for k in (2, 3, 5, 7):
                for seed in (0, 1):
                    for accelerate in (False, True):
                        fit = bayesgmm.fit(
                            x, k, family, start="k-means++", n_init=1, random_seed=seed,
                            max_iter=5000, accelerate=accelerate,
                        )  # fmt: skip
                        rows[accelerate].append((fit.n_iter, fit.loglik, fit.converged))
    both = [i for i in range(len(rows[True])) if rows[True][i][2] and rows[False][i][2]]
    plain, fast = (np.array([rows[a][i][:2] for i in both]) for a in (False, True))
    gain = fast[:, 1] - plain[:, 1]
    lines.append([
        f"{len(both)} runs on {len(ACCELERATED)} data sets", f"{plain[:, 0].sum():.0f}",
        f"{fast[:, 0].sum():.0f}", f"{np.median(plain[:, 0]):.0f}", f"{np.median(fast[:, 0]):.0f}",
        str(np.sum(gain > CLOSE)), str(np.sum(gain < -CLOSE)), "", "",
    ])  # fmt: skip
    x = simulated(200_000, 8, 16, 0.9)
    start = bayesgmm.fit(x[:20_000], 16, start="k-means++", n_init=1, random_seed=0, max_iter=5)
    fits, seconds = [], []
    for accelerate in (False, True):
        began = time.perf_counter()
        fits.append(bayesgmm.fit(x, 16, start=start, max_iter=2000, accelerate=accelerate))
        seconds.append(time.perf_counter() - began)
    a, b = fits
    lines.append([
        "n = 200 000, d = 8, K = 16, overlapping", str(a.n_iter), str(b.n_iter), "", "",
        str(int(b.loglik > a.loglik + 1)), str(int(b.loglik < a.loglik - 1)),
        f"{seconds[0]:.1f}", f"{seconds[1]:.1f}",
    ])  # fmt: skip
    return lines


def run(*, rounds: int = 7, patience: float = 0.0, small: bool = False, write: bool = True) -> None:
    with_warnings_ignored()
    families = list(bayesgmm.FAMILIES)
    iris = bayesgmm.datasets.load_iris(features_only=True).to_numpy()
    faithful = bayesgmm.datasets.load_faithful().to_numpy()
    cases = [
        ("iris, 9 K x 14 families", iris, range(1, 10), families, rounds),
        ("Old Faithful, 9 K x 14 families", faithful, range(1, 10), families, rounds),
    ]
    n = 10_000 if small else 100_000
    few = ["EII", "EEI", "EEE", "VVI", "VVV"]
    cases.append((f"n = {n}, d = 8, K = 1..4 x {', '.join(few)}", simulated(n, 8, 4, 3.0),
                  range(1, 5), few, 1))  # fmt: skip
    rows, load = [], 0.0
    for name, x, ks, names, repeats in cases:
        times, gains = against(x, ks, names, repeats, patience)
        rows.append(row(name, times, gains))
        load = max(load, busiest(list(times.values())))
        worst = [round(min(g for g in cells if g > -np.inf), 4) for cells in gains]
        print(name, rows[-1], "worst", worst, flush=True)
    columns = ("grid", "bayesgmm, ms", "mclust, ms", "mclust / bayesgmm", "cells higher", "equal",
               "lower", "ours without estimate")  # fmt: skip
    text = page.table("Grids", columns, rows)
    steps = page.table(
        "Long steps",
        ("problem", "iterations, plain", "accelerated", "median, plain", "accelerated",
         "ended higher", "lower", "seconds, plain", "accelerated"),
        acceleration(),
    )  # fmt: skip
    if not write:
        return
    facts = machine.description("numpy", "numba")
    page.write_section(
        "grid",
        "## Grids, beside mclust\n\n"
        f"`python -m benchmarks.grid`. {__doc__.split(chr(10), 2)[2].strip()}\n\n{text}\n"
        f"Medians of {rounds} rounds in turn (one for the large grid). Cells are those that mclust "
        f"could fit, counted for our seeds {', '.join(map(str, SEEDS))}: higher or lower by more "
        f"than {CLOSE}; without estimate are cells marked degenerate, spurious, or surpassed by a "
        f"smaller family. Other processes used at most {load:.0%} of the machine in any round.\n\n"
        "### Long steps\n\n"
        "EM to 1e-8 of log-likelihood per row left to gain, plain and accelerated: all families, "
        "K = 2, 3, 5, 7, two k-means++ starts; and one large mixture of overlapping groups.\n\n"
        f"{steps}\n" + "\n\n".join(facts),
    )


def with_warnings_ignored() -> None:
    """Degenerate ends are counted, not told."""
    import warnings

    warnings.simplefilter("ignore")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for quiet")
    parser.add_argument("--small", action="store_true", help="fewer rows, to try it")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
