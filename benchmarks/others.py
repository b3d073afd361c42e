"""Programs for many rows beside this library: ten iterations from one Parquet folder.

Rows of 8 columns in float32, of four groups, as in "Rows in chunks"; four components with full
covariances, ten plain iterations, two threads. Spark ML's mixture and dask-ml's k-means, which is
there for scale, have the rows in memory and begin as they do; this library reads them from the
files in every pass, and begins at four random rows with the columns' covariance, as Spark does;
scikit-learn's mixture is fitted to 100 000 of the rows, and its time is multiplied up. The mean
log-likelihood is that after ten iterations, of which the starts are not the same. All were run one
after the other; what is to be compared are the ratios.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np

from . import machine, page
from .chunks import made
from .command import main

N, K, ITERATIONS, SUBSAMPLE = 1_000_000, 4, 10, 100_000
_HERE = Path(__file__).parent
# An installation of its own: pyspark (with a Java runtime), dask-ml, pyarrow.
PYTHON = Path(os.environ.get("SPARK_PYTHON", _HERE.parent / ".venv-spark" / "bin" / "python"))


def run(*, rounds: int = 1, small: bool = False, write: bool = True) -> None:
    n = N // 20 if small else N
    path = made(n, "parquet")
    ours = min(_ours(path) for _ in range(rounds + 1))  # the first compiles
    found = {
        "bayesgmm, from the files": ours,
        f"scikit-learn, of {page.count(SUBSAMPLE)} rows": _sklearn(path, n),
        "Spark ML": _other("spark", path),
        "dask-ml, k-means": _other("dask_ml", path),
    }
    lines = [
        [name, page.seconds(seconds), f"{seconds / ours[0]:.1f}", _number(loglik)]
        for name, (seconds, loglik) in found.items()
        if not np.isnan(seconds)
    ]
    columns = ("program", "ten iterations, s", "times this library's", "mean log-likelihood")
    text = page.table("Programs for many rows", columns, lines)
    if write:
        page.write_section(
            "others",
            f"## Programs for many rows\n\n`python -m benchmarks.others`, n = {page.count(n)}. "
            f"{page.prose(__doc__)}\n\n{text}\n"
            + "\n\n".join(machine.description("numpy", "numba", "scikit-learn")),
        )


def _ours(path: Path) -> tuple[float, float]:
    import bayesgmm

    data = bayesgmm.in_chunks(path)
    rng = np.random.default_rng(1)
    means = data.values[np.sort(rng.integers(0, data.n, K))]
    start = bayesgmm.Mixture(np.full(K, 1 / K), means, [np.diag(data.sd**2)] * K, data.names)
    options = {"max_iter": ITERATIONS, "tol": 0.0, "accelerate": False}
    begin = time.perf_counter()
    fit = bayesgmm.fit(data, K, "VVV", start=start, **options)
    return time.perf_counter() - begin, fit.loglik / data.n


def _sklearn(path: Path, n: int) -> tuple[float, float]:
    from sklearn.mixture import GaussianMixture

    import bayesgmm

    data = bayesgmm.in_chunks(path)
    some = np.sort(np.random.default_rng(0).choice(n, min(n, SUBSAMPLE), replace=False))
    x = data.values[some].astype(np.float64)
    model = GaussianMixture(
        K, max_iter=ITERATIONS, tol=0.0, init_params="random_from_data", random_state=1
    )
    begin = time.perf_counter()
    model.fit(x)
    return (time.perf_counter() - begin) * n / len(x), float(model.score(x))


def _other(name: str, path: Path) -> tuple[float, float]:
    """Seconds and mean log-likelihood of another program; NaN where it is not installed."""
    if not PYTHON.exists():
        return np.nan, np.nan
    program = _HERE / "others_program.py"
    command = [PYTHON, "-P", program, name, path, str(K), str(ITERATIONS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds, loglik = done.stdout.split()
    return float(seconds), float(loglik)


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


if __name__ == "__main__":
    main(run, __doc__)
