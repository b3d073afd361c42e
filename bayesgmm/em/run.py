"""A run of EM, from a start to its end, for all families, with and without a prior.

Dempster, Laird & Rubin (1977), JRSS B 39, 1-38. The objective (log-likelihood, plus log prior)
never falls. `run_em` makes one run, `Run` several in the same arrays; the compiled loop is in
`iteration.py`, its longer steps are in `acceleration.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..kernels.cholesky import inverse_factors
from ..kernels.e_step.accuracy import ROUNDING
from ..kernels.e_step.arrays import only_read
from ..kernels.e_step.contract import Parameters, Statistics
from ..kernels.e_step.few_rows import centred_form, few_rows_pass
from ..mixture.log_prior import log_kernel
from ..utils.errors import DegenerateComponentError
from ..utils.matrices import diagonal_matrices
from ..utils.types import FloatArray
from . import iteration
from .acceleration import WINDOW, accelerated_step, n_coordinates
from .degeneracy import degenerate_component, narrowest, within_rounding
from .lkj_step import lkj_step
from .m_step import maximise, prior_means
from .problem import Problem, pack
from .status import Status


@dataclass(frozen=True, slots=True)
class EMResult:
    """The parameters at which EM ended, with their log-likelihood and statistics.

    history is the objective after the start and after every iteration; component is the degenerate
    or spurious one, if any, and reason says why it is spurious; n_passes counts the passes over
    the rows; log_certainty is the sum of the logarithms of the rows' largest responsibilities.
    """

    parameters: Parameters
    statistics: Statistics
    loglik: float
    log_certainty: float
    objective: float
    history: tuple[float, ...]
    status: Status
    component: int | None = None
    n_passes: int = 0
    reason: str = ""

    @property
    def n_iter(self) -> int:
        """Iterations made."""
        return len(self.history) - 1


def run_em(
    problem: Problem,
    start: Parameters | Statistics,
    *,
    max_iter: int,
    tol: float,
    accelerate: bool = True,
    thorough: bool = True,
) -> EMResult:
    """The result of EM from a mixture, or from the M-step of statistics.

    EM ends when the objective has at most tol * n left to gain, estimated from the last two gains
    of plain steps as a geometric series (Aitken; Boehning et al. 1994, Ann. Inst. Stat. Math. 46,
    373-388), and measured per row: neither the number of rows nor the units of the columns change
    when EM stops. thorough: the first M-step's inner iterations go on to their end, and no long
    steps are made while EM is far from a maximum; one start among many needs neither.

    Raises
    ------
    DegenerateComponentError
        The start itself has a singular covariance.
    """
    run = Run(problem, len(start.means), max_iter, tol, accelerate)
    run.load(start, thorough)
    run.iterate(max_iter)
    return run.result()


class Run:
    """Runs of EM, one after the other in the same arrays.

    `load` a start, or `resume` a point where a run was left; `iterate`; then look at `objective`,
    `weights` and `result`.
    """

    def __init__(
        self,
        problem: Problem,
        n_components: int,
        max_iter: int,
        tol: float,
        accelerate: bool = True,
    ) -> None:
        rows = problem.data
        d = len(rows.scale)
        self.problem = problem
        self.shape = n_components, 1 if problem.family.diagonal else d, d
        size = iteration.size_of_point(*self.shape)
        self.new, self.old = np.empty(size), np.empty(size)
        self.point = iteration.point_of(self.new, *self.shape)
        n_first = iteration.size_of_mixture(*self.shape)
        self._statistics = self.new[n_first : 2 * n_first]
        self.history = np.empty(max_iter + 1)
        self._numbers = np.empty(iteration.STATE.itemsize // 8, dtype=np.int64)
        # Views of the same memory, to which compiled code writes.
        self._states = self._numbers.view(iteration.STATE)
        self.state = self._states[0]
        accelerate = accelerate and not problem.ridge
        self._tasks = _task(problem, self.shape, tol, accelerate)
        size = n_coordinates(*self.shape) if accelerate else 0
        self._arrays = iteration.Arrays(
            hyper=only_read(problem.hyper(n_components)),
            scale=only_read(rows.scale),
            row_weights=only_read(problem.row_weights),
            phi=problem.phi,
            history=self.history,
            new=self.new,
            old=self.old,
            units=np.empty(size),
            images=np.empty((WINDOW + 1, size)),
            steps=np.empty((WINDOW + 1, size)),
            gram=np.empty((WINDOW + 1, WINDOW + 1)),
        )
        self.status = iteration.NEEDS_PASS

    @property
    def objective(self) -> float:
        """The objective, up to a constant of the prior."""
        return float(self.state["objective"])

    @property
    def n_iter(self) -> int:
        """Iterations made."""
        return int(self.state["n_iter"])

    @property
    def regular(self) -> bool:
        """Whether the run did not end at a singularity."""
        return self.status != iteration.DEGENERATE

    @property
    def weights(self) -> FloatArray:
        """Proportions (K,), a view."""
        return self.point.mixture.weights

    def load(self, start: Parameters | Statistics, thorough: bool = True) -> None:
        """Start from a mixture, or from the M-step of expected statistics."""
        if isinstance(start, Statistics):
            self.load_packed(pack(start, self.problem.family.diagonal), thorough)
            return
        self._reset(iteration.MIXTURE, thorough)
        self.old[: start.weights.size] = start.weights
        self.old[start.weights.size : start.weights.size + start.means.size] = start.means.ravel()
        counts = self.problem.total * np.maximum(start.weights, iteration.LEAST_WEIGHT)
        spread = start.covariances
        if start.diagonal and self.shape[1] > 1:
            spread = diagonal_matrices(spread)
        spread = spread * counts.reshape(-1, *[1] * (spread.ndim - 1))
        as_scatters = Statistics(counts, start.means, spread)
        self._statistics[:] = pack(as_scatters, self.problem.family.diagonal)

    def load_packed(self, statistics: FloatArray, thorough: bool) -> None:
        """Start from the M-step of statistics in the form that `pack` gives them."""
        self._reset(iteration.STATISTICS, thorough)
        self._statistics[:] = statistics

    def resume(self, point: FloatArray) -> None:
        """Go on from a copy of an earlier run's `new`."""
        self._reset(iteration.PARAMETERS, False)
        self.state["warm"] = 1
        self.new[:] = point

    def _reset(self, stage: int, thorough: bool) -> None:
        self._numbers[:] = _at_start(stage, thorough)

    def m_step(self) -> Parameters:
        """The M-step of the statistics that were loaded, without a pass over the rows."""
        phi, nothing = self._arrays.phi, np.empty((0, 0, 0))
        without_rows = iteration.Arrays(*(nothing if a is phi else a for a in self._arrays))
        iteration.iterate(self._tasks, self._states, without_rows, 0, False)
        return self.parameters()

    def iterate(self, max_iter: int) -> None:
        """Iterate until EM ends.

        Raises
        ------
        DegenerateComponentError
            The start itself is singular.
        """
        passed = False
        while True:
            self.status = iteration.iterate(
                self._tasks, self._states, self._arrays, max_iter, passed
            )
            if self.status == iteration.NEEDS_PASS:
                self._make_pass()
            elif self.status == iteration.NEEDS_DEGENERACY:
                self._tasks["degenerate_component"] = degenerate_component.address
            elif self.status == iteration.NEEDS_CENTRED:
                self._tasks["centred"] = centred_form.address
            else:
                break
            passed = self.status != iteration.NEEDS_CENTRED
        if self.status == iteration.FELL:
            self._explain_fall()
        if self.status == iteration.DEGENERATE and self.state["stage"] < iteration.RUNNING:
            raise DegenerateComponentError(max(int(self.state["component"]), 0))

    def _explain_fall(self) -> None:
        """Set the status after a fall by a plain step: rounding of the axes, or a singularity."""
        _, shape, orientation = self.problem.family.codes
        covariances = self.point.mixture.covariances
        fall = -self.state["last_gain"] / self.problem.total
        self.state["component"] = narrowest(covariances)
        axes_alone = within_rounding(shape, orientation, covariances, fall)
        self.status = iteration.CONVERGED if axes_alone else iteration.DEGENERATE
        self.new[:] = self.old

    def _make_pass(self) -> None:
        """Make the pass that `iterate` asks for, where it does not have the rows' features."""
        state = self.state
        state["failed"] = 0
        state["n_passes"] += 1
        try:
            step = self.problem.e_step(self.parameters())
        except DegenerateComponentError as error:
            state["failed"], state["component"] = 1, error.component
            return
        self._statistics[:] = pack(step.statistics, self.problem.family.diagonal)
        state["new_loglik"] = step.loglik
        state["loss"] = step.rounding / ROUNDING
        state["new_log_certainty"] = step.log_certainty

    def parameters(self) -> Parameters:
        """A copy of the mixture that the run is at."""
        weights, means, covariances = (view.copy() for view in self.point.mixture)
        if self.problem.family.diagonal:
            covariances = covariances[:, 0]
        return Parameters(weights, means, covariances)

    def result(self, before: FloatArray | None = None) -> EMResult:
        """The result; `before` is the history of the run that this one continued."""
        state, prior = self.state, self.problem.prior
        constant = 0.0
        if prior is not None:
            constant = prior.log_constant(self.problem.family, self.shape[0])
        parameters = self.parameters()
        counts, means, scatters = (view.copy() for view in self.point.statistics)
        if self.problem.family.diagonal:
            scatters = scatters[:, 0]
        history = self.history[: self.n_iter + 1]
        if before is not None:
            history = np.concatenate([before, history[1:]])
        component = int(state["component"])
        return EMResult(
            parameters=parameters,
            statistics=Statistics(counts, means, scatters),
            loglik=float(state["loglik"]) - self.problem.log_prior_of_share(parameters),
            log_certainty=float(state["log_certainty"]),
            objective=self.objective + constant,
            history=tuple((history + constant).tolist()),
            status=_STATUS[self.status],
            component=component if self.status == iteration.DEGENERATE and component >= 0 else None,
            n_passes=int(state["n_passes"]),
        )


def _task(
    problem: Problem, sizes: tuple[int, int, int], tol: float, accelerate: bool
) -> NDArray[np.void]:
    """The `TASK` record that `iterate` reads; the parts it calls are compiled if need be.

    Those for narrow components are added when they are needed.
    """
    few_rows, prior = len(problem.phi) > 0, problem.prior is not None
    scale = problem.data.scale
    volume, shape, orientation = problem.family.codes
    n_components, rows, d = sizes
    numbers = {
        "volume": volume, "shape": shape, "orientation": orientation,
        "n_components": n_components, "rows": rows, "d": d,
        "n_rows": len(problem.data.values), "accelerate": accelerate,
        "maximise": maximise.address, "m_step": problem.m_step.address,
        "accelerated_step": accelerated_step.address,
        "few_rows_pass": few_rows_pass.address if few_rows else 0,
        "factoring": inverse_factors.address if few_rows else 0,
        "prior_means": prior_means.address if prior else 0,
        "lkj_step": lkj_step.address if problem.prior and problem.prior.lkj else 0,
        "log_kernel": log_kernel.address if prior else 0,
        "centred": 0, "degenerate_component": 0,
        "ridge": problem.ridge, "ratio": problem.max_ratio or 0.0, "total": problem.total,
        "log_unit": problem.total * float(np.log(scale).sum()), "tol": tol,
    }  # fmt: skip
    record = tuple(numbers[name] for name in iteration.TASK.names or ())
    return np.array([record], dtype=iteration.TASK)


@cache
def _at_start(stage: int, thorough: bool) -> NDArray[np.int64]:
    """The `STATE` record before the first iteration, as integers."""
    numbers = np.zeros(iteration.STATE.itemsize // 8, dtype=np.int64)
    state = numbers.view(iteration.STATE)
    state["stage"], state["thorough"], state["component"] = stage, thorough, -1
    return numbers


_STATUS = {
    iteration.CONVERGED: Status.CONVERGED,
    iteration.MAX_ITER: Status.MAX_ITER,
    iteration.DEGENERATE: Status.DEGENERATE,
}
