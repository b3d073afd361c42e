"""How long one waits before anything happens: import, first fit, first posterior.

Every round is a fresh Python process. One round beforehand, not counted, fills the caches that
Numba and PyTensor keep on disk, so these are the times of the second use of an installation and of
every later one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from . import machine, page
from .command import main
from .timing import busiest, in_turn

_DATA = "X = bayesgmm.datasets.load_faithful()"
_REFINE = "random_seed=1, cores=None, progressbar=False"
_FIRST_FIT = f"""
import bayesgmm
{_DATA}
bayesgmm.fit(X, 2, random_seed=1)
"""
_FIRST_POSTERIOR = f"""
import bayesgmm
{_DATA}
print(bayesgmm.refine(X, bayesgmm.fit(X, 2, random_seed=1), {_REFINE}))
"""

# What runs in each process, and what is said of it.
PROGRAMS = {
    "Python alone": "pass",
    "import bayesgmm": "import bayesgmm",
    "import scikit-learn's GaussianMixture": "from sklearn.mixture import GaussianMixture",
    "import pymc": "import pymc",
    "first fit (Old Faithful, K = 2, 1 start)": f"""
import bayesgmm
{_DATA}
bayesgmm.fit(X, 2, start="hc")
""",
    "first fit (the same, 31 starts: the default)": _FIRST_FIT,
    "first grid (the same data, 9 K x 14 families)": f"""
import bayesgmm
{_DATA}
bayesgmm.select(X, random_seed=1, progressbar=False)
""",
    "fit and first draws (1 chain of 50 + 50)": f"""
import warnings
warnings.simplefilter("ignore")
import bayesgmm
{_DATA}
bayesgmm.refine(X, bayesgmm.fit(X, 2, random_seed=1), draws=50, tune=50, chains=1,
                {_REFINE})
""",
    "fit and posterior, printed (4 chains of 200 + 1000)": _FIRST_POSTERIOR,
}
_AHEAD = 20  # seconds in which a second process, which compiles ahead, has surely ended
_CLOCKED = "import time; t = time.perf_counter(); import bayesgmm; print(time.perf_counter() - t)"


def process(program: str, environment: dict[str, str] | None = None) -> float:
    """Seconds from the start of a Python process to its end."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, env=environment
    )
    return time.perf_counter() - start


def first_ever(program: str) -> float:
    """Seconds of a process with an empty cache: Numba compiles, and keeps what it made."""
    # The process that compiles ahead may still be writing there when this one has ended.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        seconds = process(program, os.environ | {"NUMBA_CACHE_DIR": folder})
        time.sleep(_AHEAD)
    return seconds


def import_alone(_: str = "") -> float:
    """Seconds of the import statement itself, by the process's own clock."""
    done = subprocess.run(
        [sys.executable, "-c", _CLOCKED], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def run(*, rounds: int = 7, patience: float = 0.0, write: bool = True) -> None:
    for program in PROGRAMS.values():
        process(program)
    rivals = {name: lambda program=program: process(program) for name, program in PROGRAMS.items()}
    rivals["the statement `import bayesgmm`"] = import_alone
    times = in_turn(rivals, rounds=rounds, most=3 * rounds, patience=patience)
    firsts = {
        "fit": lambda: first_ever(_FIRST_FIT), "posterior": lambda: first_ever(_FIRST_POSTERIOR)
    }  # fmt: skip
    ever = in_turn(firsts, rounds=1, most=2, patience=patience)
    for name, t in ever.items():
        print(f"first {name} ever: {t.median:.1f} s; others {busiest([t]):.0%}", flush=True)
    rows = [
        [name, f"{t.median:.3f}", f"{min(t.seconds):.3f}", f"{max(t.seconds):.3f}"]
        for name, t in times.items()
    ]
    text = page.table(
        "From process start to end", ("what", "median, s", "smallest, s", "largest, s"), rows
    )
    if not write:
        return
    page.write_section(
        "startup",
        "## Waiting times\n\n"
        f"`python -m benchmarks.startup`. {page.prose(__doc__)} Times are from "
        "the start of the process to its end; the last line is the import statement alone, which "
        "loads nothing heavy: names load what they need at their first use.\n\n"
        f"{text}\n"
        f"Medians of {rounds} rounds. Other processes used at most "
        f"{busiest(list(times.values())):.0%} of the machine in any round that counts.\n\n"
        f"The first fit ever of an installation took {ever['fit'].median:.1f} s, the first fit and "
        f"posterior {ever['posterior'].median:.1f} s: Numba compiles, and keeps what it made "
        "(measured once each, with an empty cache, while others used at most "
        f"{busiest(list(ever.values())):.0%} of the machine).\n\n"
        + "\n\n".join(
            machine.description("numpy", "scikit-learn", "numba", "pymc", "pytensor", "nutpie")
        ),
    )


if __name__ == "__main__":
    main(run, __doc__)
