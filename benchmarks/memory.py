"""Peak memory beside the input array: fitting, and evaluating a fit.

Every number is of a process of its own that makes the rows (8 columns), calls once over 40 000 of
them, so that compiled code and threads are there, and then over all: counted is the highest
resident memory during that call less the resident memory before it, and for an evaluation less the
array that it gives back. Fits have K = 16, full covariances and 3 iterations, and else each
program's defaults, its starts too.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import machine, page
from .command import main
from .problem import Case, Problem

D, K = 8, 16
WARM = 40_000
ITERATIONS = 3
MANY, MOST = 1_000_000, 5_000_000
_ROOT = Path(__file__).parent.parent
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

type Call = Callable[[np.ndarray], Any]


def wide(x: np.ndarray) -> np.ndarray:
    """Every other column of an array twice as wide."""
    out = np.empty((len(x), 2 * x.shape[1]))
    out[:, ::2] = x
    return out[:, ::2]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "float64": np.ascontiguousarray,
    "float64, column after column": np.asfortranarray,
    "float64, every other column": wide,
    "float32": lambda x: x.astype(np.float32),
}


def fit(x: np.ndarray) -> Any:
    import bayesgmm

    return bayesgmm.fit(x, K, max_iter=ITERATIONS, random_seed=0)


def estimator(x: np.ndarray) -> Any:
    import bayesgmm

    return bayesgmm.GaussianMixture(K, max_iter=ITERATIONS, random_state=0).fit(x)


def scikit_learn(x: np.ndarray) -> Any:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(K, max_iter=ITERATIONS, random_state=0).fit(x)


FITS: dict[str, Call] = {
    "bayesgmm.fit": fit,
    "bayesgmm.GaussianMixture.fit": estimator,
    "scikit-learn, fit": scikit_learn,
}
# Of a fit to some rows, what is then called with all.
EVALUATIONS: dict[str, Callable[[np.ndarray], Call]] = {
    "fit.mixture.predict_proba": lambda some: fit(some).mixture.predict_proba,
    "fit.mixture.log_density": lambda some: fit(some).mixture.log_density,
    "bayesgmm.GaussianMixture.predict_proba": lambda some: estimator(some).predict_proba,
    "bayesgmm.GaussianMixture.score_samples": lambda some: estimator(some).score_samples,
    "scikit-learn, predict_proba": lambda some: scikit_learn(some).predict_proba,
    "scikit-learn, score_samples": lambda some: scikit_learn(some).score_samples,
}


def child(what: str, layout: str, n: int) -> None:
    """Print the bytes by which one call grows this process."""
    warnings.simplefilter("ignore")  # so few iterations do not converge
    x = LAYOUTS[layout](Problem.simulate(Case(n, D, K)).x)
    some = x[:WARM]
    call = FITS[what] if what in FITS else EVALUATIONS[what](some)
    call(some)
    before = settle()
    out = call(x)
    print(resident("VmHWM") - before - (out.nbytes if isinstance(out, np.ndarray) else 0))


def settle() -> int:
    """Give unused memory back to the system, forget the peak, and tell what is resident."""
    ctypes.CDLL(None).malloc_trim(0)
    _CLEAR.write_text("5")
    return resident("VmRSS")


def resident(name: str) -> int:
    """Bytes of this process by Linux's count: now ("VmRSS") or at most ("VmHWM")."""
    line = next(s for s in _STATUS.read_text().splitlines() if s.startswith(name))
    return 1024 * int(line.split()[1])


def growth(what: str, layout: str, n: int, rounds: int) -> float:
    """Bytes of one call, the most of some processes."""
    program = f"from benchmarks.memory import child; child({what!r}, {layout!r}, {n})"
    command = [sys.executable, "-c", program]
    done = [
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=_ROOT)
        for _ in range(rounds)
    ]
    return max(float(process.stdout) for process in done)


def measure(what: str, n: int, rounds: int) -> list[str]:
    """One line of the table, in megabytes."""
    cells = [what, page.count(n)]
    for layout in LAYOUTS:
        cells.append(f"{1e-6 * max(growth(what, layout, n, rounds), 0.0):.0f}")
    print(", ".join(cells), flush=True)
    return cells


def calls(small: bool) -> list[tuple[str, int]]:
    """What is called, over how many rows."""
    many, most = (MANY // 20, MOST // 20) if small else (MANY, MOST)
    ours_alone = [what for what in FITS if what.startswith("bayesgmm")]
    return [
        *((what, many) for what in FITS), *((what, most) for what in ours_alone),
        *((what, many) for what in EVALUATIONS),
    ]  # fmt: skip


def run(*, rounds: int = 1, small: bool = False, write: bool = True) -> None:
    if not _CLEAR.exists():
        print("skipped: only Linux tells the peak of a part of a process")
        return
    rows = [measure(what, n, rounds) for what, n in calls(small)]
    columns = ("call", "n", *(f"{layout}, MB" for layout in LAYOUTS))
    text = page.table("Peak memory beside the input", columns, rows)
    if not write:
        return
    page.write_section(
        "memory",
        "## Peak memory\n\n"
        f"`python -m benchmarks.memory`. {page.prose(__doc__)}\n\n{text}\n"
        f"In megabytes (10^6 bytes); the input itself, which is not counted, has {8 * D} bytes a "
        f"row in float64: {8e-6 * D * MOST:.0f} MB for {page.count(MOST)} rows. The columns are "
        "ways in which the same rows may lie in memory.\n\n"
        + "\n\n".join(machine.description("numpy", "scikit-learn", "numba")),
    )


if __name__ == "__main__":
    main(run, __doc__)
