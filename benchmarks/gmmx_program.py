"""The other side of `gmmx.py`, run by the Python that has JAX: the contract is `EMServer`'s.

Every number of iterations is compiled before it is timed, and the first run is not counted.
"""

from __future__ import annotations

import sys
import time
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import gmmx
import jax
import numpy as np
from gmmx import EMFitter, EMFitterResult, GaussianMixtureModelJax

precision, folder, *sizes, covariance_type, ridge = sys.argv[1:]
n, d, k = map(int, sizes)
jax.config.update("jax_platforms", "cpu")
if precision == "float64":
    jax.config.update("jax_enable_x64", True)
    gmmx.gmm.check_shape = lambda array, expected: None  # it wants float32

rows = np.fromfile(f"{folder}/rows").reshape(d, n).T
means = np.fromfile(f"{folder}/means").reshape(d, k).T
identity = np.ones((k, d)) if covariance_type == "diag" else np.repeat(np.eye(d)[None], k, axis=0)
x = jax.device_put(np.ascontiguousarray(rows, dtype=precision))
start = GaussianMixtureModelJax.from_squeezed(
    means=means.astype(precision),
    covariances=identity.astype(precision),
    weights=np.full(k, 1 / k, dtype=precision),
    covariance_type=covariance_type,
)


@lru_cache
def compiled(iterations: int) -> tuple[Any, EMFitter]:
    """EM of that length as compiled code, and the fitter that it takes."""
    fitter = EMFitter(max_iter=iterations, tol=0.0, reg_covar=float(ridge))
    return EMFitter.fit.lower(fitter, x, start).compile(), fitter


def climb(iterations: int) -> tuple[EMFitterResult, float]:
    """Where EM of that length ends, and its seconds."""
    fit, fitter = compiled(iterations)
    begun = time.perf_counter()
    result = jax.block_until_ready(fit(fitter, x, start))
    return result, time.perf_counter() - begun


climb(1)
print(f"gmmx {version('gmmx')}, jax {version('jax')}", flush=True)
for line in sys.stdin:
    result, seconds = climb(int(line))
    print(result.n_iter, seconds, float(result.gmm.score(x)) * n, flush=True)
