"""The distribution for PyMC against `pm.Mixture`, in models that say the same with either.

Priors and parametrisation are the same (LKJ on both sides). `python -m benchmarks.distribution`
prints seconds of a value with its gradient, which alternate; with `--draws`, effective draws per
second, the smallest of any parameter that a component has: `pm.Mixture` and ours by nutpie as
`pm.sample` calls it, and ours by `refine(model=)`. All begin at the same EM fit.
Seconds are of sampling, in `refine` with all that it does; those of compiling are beside them, for
PyTensor's cache as it is: `PYTENSOR_FLAGS=base_compiledir=DIR` with an empty DIR is a cold one.
With `--memory`, the bytes by which a gradient grows the process where w and mu are by row, beside
those of its inputs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytensor
import pytensor.tensor as pt
from arviz_stats.base import array_stats

import bayesgmm
from bayesgmm.pymc import GaussianMixture, lkj_covariances
from bayesgmm.sampling.compiled.nuts import nuts
from bayesgmm.sampling.compiled.pruning import with_pruning
from bayesgmm.sampling.pymc.model_problem import ModelProblem
from bayesgmm.sampling.run.settings import Settings

from .memory import resident, settle
from .problem import Case, Problem


def problem(n: int, d: int, k: int) -> Problem:
    """Rows of components that are well apart."""
    return Problem.simulate(Case(n, d, k, separation=8.0 if d == 2 else 6.0))


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
    x, means = (of := problem(n, d, k)).x, of.means
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(k))
        mu = pm.Normal("mu", 0, 10, shape=(k, d), initval=means)
        chol = lkj_covariances("chol", 2.0, pm.Exponential("sd", 1.0, shape=(k, d)))
        likelihood(w, mu, chol, x)
    return model


def by_row(n: int, d: int, k: int, likelihood: Callable[..., None]) -> pm.Model:
    """Proportions and means that three covariates change, row by row."""
    x, means = (of := problem(n, d, k)).x, of.means
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
    """A function that evaluates value and gradient, seconds to compile it, and its result."""
    start = time.perf_counter()
    function = model.logp_dlogp_function(ravel_inputs=True)
    function.set_extra_values({})
    point = pm.blocking.DictToArrayBijection.map(model.initial_point())
    value, gradient = function(point)
    took = time.perf_counter() - start
    return lambda: function(point), took, np.append(gradient, value)


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def compare(name: str, rounds: int) -> None:
    """One line of the table."""
    build, sizes = CASES[name]
    a, to_compile, result = compiled(build(*sizes, ours))
    b, theirs_to_compile, expected = compiled(build(*sizes, theirs))
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    pairs = [(seconds(a, 50), seconds(b, 20)) for _ in range(rounds)]
    ours_s, theirs_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name:24} {1e3 * ours_s:9.3f} {1e3 * theirs_s:9.3f} {theirs_s / ours_s:7.1f} "
        f"{to_compile:9.1f} {theirs_to_compile:9.1f}",
        flush=True,
    )


def smallest_ess(values: dict[str, np.ndarray]) -> float:
    """The smallest effective sample size of proportions, means and covariances, or their slopes."""
    names = ("w", "slope", "mu", "level", "trend")
    chosen = [v for n, v in values.items() if n in names]
    chosen.append(values["chol"] @ np.swapaxes(values["chol"], -1, -2))
    flat = [v.reshape(*v.shape[:2], -1) for v in chosen]
    columns = [v[..., i] for v in flat for i in range(v.shape[2]) if np.ptp(v[..., i]) > 0]
    return min(float(array_stats.ess(v)) for v in columns)


def at_fit(model: pm.Model, fit: bayesgmm.Fit) -> dict[str, np.ndarray]:
    """Values of the model's variables at a fit."""
    chol = np.linalg.cholesky(fit.covariances)
    sd = np.sqrt((chol**2).sum(axis=2))
    values = {
        "w": fit.weights, "mu": fit.means, "level": fit.means, "sd": sd,
        "chol_corr": chol / sd[..., None],
    }  # fmt: skip
    names = {v.name for v in model.free_RVs}
    return {name: value for name, value in values.items() if name in names}


def by_nutpie(
    model: pm.Model, fit: bayesgmm.Fit, settings: Settings
) -> tuple[float, float, dict[str, np.ndarray]]:
    """Seconds of compiling and of sampling, and draws, as `pm.sample` does it."""
    start = time.perf_counter()
    code = nutpie.compile_pymc_model(
        model, backend="numba", initial_points=at_fit(model, fit), jitter_rvs=set()
    )
    to_compile = time.perf_counter() - start
    start = time.perf_counter()
    tree = nutpie.sample(
        code, draws=settings.draws, tune=settings.tune, chains=settings.chains,
        seed=settings.random_seed, progress_bar=False, save_warmup=False,
    )  # fmt: skip
    took = time.perf_counter() - start
    names = [v.name for v in (*model.free_RVs, *model.deterministics)]
    return to_compile, took, {name: tree["posterior"][name].to_numpy() for name in names}


def by_refine(
    model: pm.Model, x: np.ndarray, fit: bayesgmm.Fit, settings: Settings
) -> tuple[float, float, dict[str, np.ndarray]]:
    """The same as `refine(model=)` does it: its start at the fit counts as compiling."""
    start = time.perf_counter()
    posterior = ModelProblem.of(x, fit, model)
    density = posterior.density()
    to_compile = time.perf_counter() - start
    start = time.perf_counter()
    vectors = with_pruning(nuts)(density, posterior.mode(density), settings)[0]
    took = time.perf_counter() - start
    shape = vectors.shape[:2]
    values = posterior.variables(vectors.reshape(-1, vectors.shape[2]))
    return to_compile, took, {n: v.reshape(*shape, *v.shape[1:]) for n, v in values.items()}


def draw(name: str, draws: int, tune: int) -> None:
    """Three lines of the table of draws."""
    build, sizes = CASES[name]
    of = problem(*sizes)
    x, fit = of.x, bayesgmm.fit(of.x, sizes[2], start=of.start)

    def line(by: str, settings: Settings, run: tuple[float, float, Any]) -> None:
        to_compile, took, values = run
        ess = smallest_ess(values)
        made = f"{settings.tune} + {settings.draws}"
        print(
            f"{name:22} {by:16} {made:>10} {to_compile:8.1f} {took:8.2f} {ess:7.0f} "
            f"{ess / took:9.1f}",
            flush=True,
        )

    few = Settings(draws, tune, 4, 1, 0.8, None, False)
    many = Settings(1000, 500, 4, 1, 0.8, None, False)
    whitened = Settings(1000, 200, 4, 1, 0.8, None, False)
    line("refine(model=)", whitened, by_refine(build(*sizes, ours), x, fit, whitened))
    line("GaussianMixture", many, by_nutpie(build(*sizes, ours), fit, many))
    line("pm.Mixture", few, by_nutpie(build(*sizes, theirs), fit, few))


def memory(n: int, d: int, k: int) -> None:
    """Bytes by which a gradient grows this process, and those of its inputs by row."""
    rng = np.random.default_rng(0)
    w, mu = pt.matrix(shape=(None, k)), pt.tensor3(shape=(None, k, d))
    x, chol = pt.matrix(shape=(None, d)), np.stack([np.eye(d)] * k)
    total = pm.logp(GaussianMixture.dist(w, mu, chol=chol), x).sum()
    function = pytensor.function([w, mu, x], [total, *pt.grad(total, [w, mu])])
    arrays = [
        rng.dirichlet(np.ones(k), n), rng.standard_normal((n, k, d)), rng.standard_normal((n, d)),
    ]  # fmt: skip
    function(*[a[:1000] for a in arrays])
    before = settle()
    function(*arrays)
    grown, own = resident("VmHWM") - before, sum(a.nbytes for a in arrays[:2])
    print(f"({n}, {d}, {k}): w and mu {1e-6 * own:.0f} MB, a gradient adds {1e-6 * grown:.0f} MB")


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--draws", action="store_true", help="effective draws per second")
    parser.add_argument(
        "--its", type=int, nargs=2, default=(300, 500), help="pm.Mixture's: warm-up, draws"
    )
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    if options.memory:
        memory(1_000_000, 2, 3)
        return
    if options.draws:
        head = f"{'(n, d, K)':22} {'by':16} {'draws':>10} {'compile':>8} {'s':>8} {'ESS':>7}"
        print(f"{head} {'ESS/s':>9}")
        for name in options.case or CASES:
            draw(name, options.its[1], options.its[0])
        return
    print(f"{'(n, d, K)':24} {'ms':>9} {'pm, ms':>9} {'times':>7} {'compile':>9} {'pm':>9}")
    for name in options.case or CASES:
        compare(name, options.rounds)


if __name__ == "__main__":
    main()
