"""Which form of the pass is faster at which number of columns: quadratic features, or centred.

The quadratic form does half the arithmetic, but holds (d + 1)(d + 2)/2 features of every row of
its block, which leave the processor's cache as d grows. `QUADRATIC_MAX_COLUMNS` in
`bayesgmm/kernels/e_step/quadratic.py` is where the library changes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.data.data import Data, as_data
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.kernels.e_step.e_step import expected_statistics
from bayesgmm.kernels.e_step.quadratic import QUADRATIC_MAX_COLUMNS

from . import machine, page
from .command import main
from .timing import Timing, busiest, in_turn, stopwatch

COLUMNS = (2, 4, 8, 16, 32, 48, 64, 80, 100, 128, 160)
COMPONENTS = (4, 16)
# Multiplications of one quadratic pass: about a tenth of a second.
WORK = 4e8


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows of a mixture with known parameters."""

    data: Data
    parameters: Parameters

    @classmethod
    def simulate(cls, d: int, k: int, seed: int = 0) -> Problem:
        rng = np.random.default_rng(seed)
        n = max(int(WORK / (k * (d + 1) * (d + 2))), 256)
        means = 2.0 * rng.standard_normal((k, d))
        roots = np.eye(d) + 0.3 / np.sqrt(d) * rng.standard_normal((k, d, d))
        labels = rng.integers(k, size=n)
        x = means[labels] + np.einsum("nij,nj->ni", roots[labels], rng.standard_normal((n, d)))
        data = as_data(x)
        covariances = roots @ np.swapaxes(roots, 1, 2)
        return cls(data, Parameters(np.full(k, 1 / k), means - data.center, covariances))

    def one_pass(self, form: str, n_threads: int | None) -> float:
        return expected_statistics(self.data, self.parameters, form=form, n_threads=n_threads)[0]


def measure(d: int, k: int, rounds: int, patience: float) -> dict[str, Timing]:
    problem = Problem.simulate(d, k)
    np.testing.assert_allclose(
        problem.one_pass("quadratic", None), problem.one_pass("centred", None), rtol=1e-10
    )
    rivals = {
        f"{form}, {threads or 'all'}": stopwatch(
            lambda form=form, threads=threads: problem.one_pass(form, threads)
        )
        for form in ("quadratic", "centred")
        for threads in (1, None)
    }
    return in_turn(rivals, rounds=rounds, most=3 * rounds, patience=patience)


def run(*, rounds: int = 15, patience: float = 0.0, write: bool = True) -> None:
    rows, load = [], 0.0
    for k in COMPONENTS:
        for d in COLUMNS:
            times = measure(d, k, rounds, patience)
            load = max(load, busiest(list(times.values())))
            line = [str(k), str(d)]
            for threads in ("1", "all"):
                quadratic = times[f"quadratic, {threads}"].median
                centred = times[f"centred, {threads}"].median
                line += [page.milliseconds(quadratic), page.milliseconds(centred)]
                line.append(f"{centred / quadratic:.2f}")
            rows.append(line)
    names = (
        "K", "d", "quadratic, 1 thread, ms", "centred, 1 thread, ms", "centred / quadratic",
        "quadratic, all cores, ms", "centred, all cores, ms", "centred / quadratic",
    )  # fmt: skip
    text = page.table("One pass in two forms", names, rows)
    if not write:
        return
    page.write_section(
        "kernel_forms",
        "## The two forms of the pass\n\n"
        f"`python -m benchmarks.kernel_forms`. {page.prose(__doc__)}\n"
        f"Now it is {QUADRATIC_MAX_COLUMNS}. Full covariances; rows are fewer as d and K grow, so "
        "that every line is about the same work, and times are to be compared along a line.\n\n"
        f"{text}\n"
        f"Medians of {rounds} rounds; above 1 the quadratic form is faster. Other processes used "
        f"at most {load:.0%} of the machine in any round that counts.\n\n"
        + "\n\n".join(machine.description("numpy", "numba")),
    )


if __name__ == "__main__":
    main(run, __doc__)
