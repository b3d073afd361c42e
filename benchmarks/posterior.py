"""Effective draws per second, and how long a posterior takes, beside `pm.Mixture`.

An effective sample size here is the smallest bulk one of any element of pi, mu and Sigma (Vehtari
et al. 2021), by ArviZ. The seconds of bayesgmm are those of sampling from the fit on, its
mode and curvature included; those of `pm.Mixture` are of nutpie's sampling alone, its
compilation beside them. Both start at the same EM fit, with four chains. Where the rival draws
less than 1000 a chain, so that it need not run for hours, its rate is what 1000 would have after
the same warm-up: effective draws in proportion to draws, seconds to draws and warm-up.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

import bayesgmm
from bayesgmm.utils.errors import ConvergenceAdvice

from . import machine, naive, page
from .command import main
from .machine import Others
from .problem import Case, Problem

# The rival draws fewer where one of its draws takes long.
CASES = {
    Case(1000, 2, 3, separation=8.0): (500, 300),
    Case(10_000, 4, 4, separation=6.0): (250, 300),
    Case(50_000, 8, 8, separation=8.0): (100, 200),
}
LARGE = Case(1_000_000, 8, 8, separation=8.0)
DRAWS = 1000
THIN = 500


@dataclass(frozen=True, slots=True)
class Worst:
    """The smallest effective sample size and largest r-hat of pi, mu and Sigma."""

    ess: float
    rhat: float

    @classmethod
    def of(cls, posterior: xr.Dataset) -> Worst:
        columns = [
            values[:, :, i]
            for name in ("pi", "mu", "Sigma")
            for values in [_flat(posterior[name])]
            for i in range(values.shape[2])
            if np.ptp(values[:, :, i]) > 0
        ]
        return cls(
            min(float(array_stats.ess(v)) for v in columns),
            max(float(array_stats.rhat(v)) for v in columns),
        )


def _flat(variable: xr.DataArray) -> np.ndarray:
    values = variable.to_numpy()
    return values.reshape(*values.shape[:2], -1)


def refined(
    x: np.ndarray, fit: bayesgmm.Fit, **options: object
) -> tuple[bayesgmm.Posterior, float]:
    """A posterior, whose figures say how good it is, and the seconds of the whole call."""
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        posterior = bayesgmm.refine(x, fit, random_seed=1, progressbar=False, **options)
    return posterior, time.perf_counter() - begun


def efficiency(case: Case, draws: int, tune: int) -> list[list[str]]:
    """Ours and the rival's on one problem."""
    problem = Problem.simulate(case)
    fit = bayesgmm.fit(problem.x, case.k, start=problem.start)
    posterior, _ = refined(problem.x, fit, sampler="nutpie")
    ours = Worst.of(posterior.tree["posterior"].to_dataset())
    seconds = posterior.tree["posterior"].attrs["sampling_time"]
    rival = naive.run(problem.x, fit, draws, tune)
    theirs = Worst.of(rival.posterior)
    whole_run = rival.sampling * (tune + DRAWS) / (tune + draws)
    rate, its_rate = ours.ess / seconds, theirs.ess * (DRAWS / draws) / whole_run
    size = f"{case.n}, {case.d}, {case.k}"
    rows = [
        [size, "bayesgmm", f"200 + {DRAWS}", page.seconds(seconds), "0", f"{ours.ess:.0f}",
         f"{ours.rhat:.3f}", f"{rate:.0f}", f"{rate / its_rate:.0f}"],
        [size, "pm.Mixture", f"{tune} + {draws}", page.seconds(rival.sampling),
         page.seconds(rival.compilation), f"{theirs.ess:.0f}", f"{theirs.rhat:.3f}",
         f"{its_rate:.1f}", "1"],
    ]  # fmt: skip
    print(rows, flush=True)
    return rows


def overlapping(seed: int, n: int = 2000) -> np.ndarray:
    """Three round components of equal weight, 1.5 standard deviations apart."""
    rng = np.random.default_rng(seed)
    corners = 1.5 * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    return corners[rng.integers(3, size=n)] + rng.standard_normal((n, 2))


def others(small: bool) -> list[list[str]]:
    """What has no rival here: overlapping components, many rows, new data."""
    rows = []

    def measure(name: str, x: np.ndarray, fit: bayesgmm.Fit, **options: object) -> None:
        posterior, seconds = refined(x, fit, **options)
        worst = Worst.of(posterior.tree["posterior"].to_dataset())
        checks = posterior.diagnostics.checks
        k = f"{checks['pareto_k'].value:.2f}" if "pareto_k" in checks else ""
        problems = "yes" if posterior.diagnostics.problems else "no"
        rows.append(
            [name, page.seconds(seconds), f"{worst.ess:.0f}", f"{worst.rhat:.4f}", k, problems]
        )
        print(rows[-1], flush=True)

    first, second = (Problem.simulate(Case(1000, 2, 3, separation=8.0), seed) for seed in (1, 2))
    three = (("1000, 2, 3", first, 3), ("the same, other rows", second, 3),
             ("the same, K = 4", first, 4))  # fmt: skip
    for name, problem, k in three:
        measure(name, problem.x, bayesgmm.fit(problem.x, k, random_seed=1))
    for seed in range(1 if small else 3):
        x = overlapping(seed)
        fit, thin = bayesgmm.fit(x, 3, random_seed=1), 10 if small else THIN
        measure(f"overlapping, seed {seed}, NUTS", x, fit, sampler="nutpie")
        name = f"overlapping, seed {seed}, Gibbs, {thin} sweeps a draw"
        measure(name, x, fit, sampler="gibbs", thin=thin)
    case = LARGE.short if small else LARGE
    problem = Problem.simulate(case)
    fit = bayesgmm.fit(problem.x, case.k, start=problem.start)
    size = f"{case.n}, {case.d}, {case.k}"
    measure(f"{size}, Laplace, 4 x 250", problem.x, fit, sampler="laplace", draws=250)
    measure(f"{size}, NUTS", problem.x, fit, sampler="nutpie", draws=200 if small else DRAWS)
    return rows


def run(*, small: bool = False, write: bool = True) -> None:
    watch = Others()
    watch.start()
    rows = []
    for case, (draws, tune) in list(CASES.items())[: 1 if small else None]:
        rows += efficiency(case, *((20, 20) if small else (draws, tune)))
    columns = (
        "n, d, K", "by", "warm-up + draws, of 4 chains", "seconds", "compilation, s", "ESS",
        "r-hat", "ESS/s", "ratio",
    )  # fmt: skip
    text = page.table("Effective draws per second", columns, rows)
    columns = ("what", "seconds of `refine`", "ESS", "r-hat", "Pareto k", "warned")
    text += "\n\n" + page.table("Other posteriors", columns, others(small))
    if not write:
        return
    page.write_section(
        "posterior",
        "## Posteriors\n\n"
        f"`python -m benchmarks.posterior`. {page.prose(__doc__)}\n\n{text}\n"
        "Where components overlap they are 1.5 standard deviations apart (n = 2000, d = 2, K = 3): "
        "the posterior is curved, and its labels change. Draws are 4 x 1000, but for Laplace's. "
        "Each measured once. Other processes used at most "
        f"{watch.share():.0%} of the machine.\n\n"
        + "\n\n".join(machine.description("numpy", "numba", "nutpie", "pymc", "pytensor")),
    )


if __name__ == "__main__":
    main(run, __doc__)
