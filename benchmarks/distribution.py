"""The distribution for PyMC against `pm.Mixture`: compiling, and CPU time of a gradient.

Both sides have the same priors and parametrisation, so a gradient's time is what a draw costs, and
the ratio of times that of effective draws per second. Evaluations alternate, in CPU time of one
thread, so that a busy machine slows both. `python -m benchmarks.distribution` prints the table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm

from bayesgmm.pymc import GaussianMixture, lkj_covariances


def rows(n: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of k components that are some standard deviations apart, and their means."""
    rng = np.random.default_rng(0)
    means = 4.0 * rng.standard_normal((k, d))
    return means[rng.integers(k, size=n)] + rng.standard_normal((n, d)), means


def ours(w: Any, mu: Any, chol: Any, x: np.ndarray) -> None:
    """The likelihood by this package."""
    GaussianMixture("y", w, mu, chol=chol, observed=x)


def theirs(w: Any, mu: Any, chol: Any, x: np.ndarray) -> None:
    """The likelihood by PyMC alone, in its fastest form: a list of components."""
    k = chol.type.shape[0]
    components = [pm.MvNormal.dist(mu[..., c, :], chol=chol[c]) for c in range(k)]
    pm.Mixture("y", w, components, observed=x)


def shared(n: int, d: int, k: int, likelihood: Callable[..., None]) -> pm.Model:
    """Proportions and means that all rows share, LKJ priors of the covariances."""
    x, means = rows(n, d, k)
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(k))
        mu = pm.Normal("mu", 0, 10, shape=(k, d), initval=means)
        chol = lkj_covariances("chol", 2.0, pm.Exponential("sd", 1.0, shape=(k, d)))
        likelihood(w, mu, chol, x)
    return model


def by_row(n: int, d: int, k: int, likelihood: Callable[..., None]) -> pm.Model:
    """Proportions and means that three covariates change, row by row."""
    x, means = rows(n, d, k)
    z = np.random.default_rng(1).standard_normal((n, 3))
    with pm.Model() as model:
        w = pm.math.softmax(pm.math.dot(z, pm.Normal("slope", shape=(3, k))), axis=1)
        level = pm.Normal("level", 0, 10, shape=(k, d), initval=means)
        mu = level + (z[:, :, None, None] * pm.Normal("trend", shape=(3, k, d))).sum(axis=1)
        chol = lkj_covariances("chol", 2.0, pm.Exponential("sd", 1.0, shape=(k, d)))
        likelihood(w, mu, chol, x)
    return model


CASES = {
    "(1000, 2, 3)": (shared, (1000, 2, 3)),
    "(10 000, 4, 4)": (shared, (10_000, 4, 4)),
    "by row (10 000, 2, 3)": (by_row, (10_000, 2, 3)),
}


def compiled(model: pm.Model) -> tuple[Callable[[], Any], float, np.ndarray]:
    """A function that evaluates value and gradient, CPU seconds to compile it, and its result."""
    start = time.process_time()
    function = model.logp_dlogp_function(ravel_inputs=True)
    function.set_extra_values({})
    point = pm.blocking.DictToArrayBijection.map(model.initial_point())
    value, gradient = function(point)
    seconds = time.process_time() - start
    return lambda: function(point), seconds, np.append(gradient, value)


def cpu(function: Callable[[], Any], repeats: int) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    for _ in range(repeats):
        function()
    return (time.process_time() - start) / repeats


def compare(name: str, rounds: int) -> None:
    """One line of the table."""
    build, sizes = CASES[name]
    a, to_compile, result = compiled(build(*sizes, ours))
    b, theirs_to_compile, expected = compiled(build(*sizes, theirs))
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    pairs = [(cpu(a, 20), cpu(b, 2)) for _ in range(rounds)]
    ours_s, theirs_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name:24} {1e3 * ours_s:9.3f} {1e3 * theirs_s:9.3f} {theirs_s / ours_s:7.1f} "
        f"{to_compile:9.1f} {theirs_to_compile:9.1f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"{'(n, d, K)':24} {'ms':>9} {'pm, ms':>9} {'times':>7} {'compile':>9} {'pm':>9}")
    for name in options.case or CASES:
        compare(name, options.rounds)


if __name__ == "__main__":
    main()
