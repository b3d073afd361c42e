"""Expectation-maximisation, written once for all families, with and without a prior.

Dempster, Laird & Rubin (1977), JRSS B 39, 1-38. The objective (log-likelihood, plus log prior)
never falls. `run_em` is the door; the loop is `iteration.py`, compiled, and what makes its steps
longer is `acceleration.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels.cholesky import inverse_factors
from ..kernels.e_step.accuracy import ROUNDING
from ..kernels.e_step.contract import Parameters, Statistics
from ..kernels.e_step.e_step import measured_statistics
from ..kernels.e_step.few_rows import centred_form, ready_pass
from ..mixture.log_prior import log_kernel
from ..utils.errors import DegenerateComponentError
from ..utils.matrices import diagonal_matrices
from ..utils.types import FloatArray
from . import iteration
from .acceleration import WINDOW, leap, n_coordinates
from .degeneracy import atom, blurred, narrowest
from .m_step import maximise, prior_means
from .problem import Problem, pack
from .status import Status


@dataclass(frozen=True, slots=True)
class EMResult:
    """Where EM ended: parameters and log-likelihood that belong together.

    statistics are those of the parameters; history is the objective after the start and after
    every iteration; component names the degenerate one, if any, and reason says why it is that;
    n_passes counts the passes over the rows. log_certainty: sum of the logarithms of the rows'
    largest responsibilities.
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
    """Iterate from a mixture, or from the M-step of statistics, until there is little to gain.

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
    run.go(max_iter)
    return run.result()


class Run:
    """Runs of EM, one after the other in the same arrays.

    `load` a start, or `take_up` a point where a run was left; `go`; then look at `objective`,
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
        rows = problem.rows
        d = len(rows.scale)
        self.problem = problem
        self.shape = n_components, 1 if problem.family.diagonal else d, d
        self.new = np.empty(iteration.size_of_point(*self.shape))
        self.views = iteration.parts(self.new, *self.shape)
        n_first = n_components * (1 + d + self.shape[1] * d)
        self._statistics = self.new[n_first : 2 * n_first]
        self.old = np.empty_like(self.new)
        self.whole = np.zeros(iteration.N_WHOLE, dtype=np.int64)
        self.real = np.zeros(iteration.N_REAL)
        self.history = np.empty(max_iter + 1)
        accelerate = accelerate and not problem.ridge
        size = n_coordinates(*self.shape) if accelerate else 0
        shapes = (size,), (WINDOW + 1, size), (WINDOW + 1, size), (WINDOW + 1, WINDOW + 1)
        self._where = _addresses(problem)
        self._arguments = (
            *problem.family.codes, problem.hyper, float(problem.ridge),
            float(problem.max_ratio or 0.0), rows.scale, problem.total,
            problem.total * float(np.log(rows.scale).sum()), problem.phi, len(rows.values),
            problem.row_weights, *self.shape[:2], float(tol), accelerate,
            self._where, self.whole, self.real, self.history, self.new, self.old,
            *(np.empty(shape) for shape in shapes),
        )  # fmt: skip
        self.status = iteration.NEEDS_PASS

    @property
    def objective(self) -> float:
        """What is maximised, up to a constant of the prior."""
        return float(self.real[iteration.OBJECTIVE])

    @property
    def weights(self) -> FloatArray:
        """Proportions (K,), a view."""
        return self.views[0]

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

    def take_up(self, point: FloatArray) -> None:
        """Go on from a copy of `new` that an earlier run left."""
        self._reset(iteration.PARAMETERS, False)
        self.whole[iteration.WARM] = 1
        self.new[:] = point

    def _reset(self, stage: int, thorough: bool) -> None:
        self.whole[:] = 0
        self.whole[iteration.STAGE] = stage
        self.whole[iteration.THOROUGH] = thorough
        self.whole[iteration.COMPONENT] = -1
        self.real[:] = 0.0

    def go(self, max_iter: int) -> None:
        """Iterate until EM ends.

        Raises
        ------
        DegenerateComponentError
            The start itself is singular.
        """
        self.whole[iteration.MOST] = max_iter
        passed = False
        while True:
            self.status = iteration.iterate(*self._arguments, passed)
            if self.status == iteration.NEEDS_PASS:
                self._make_pass()
            elif self.status == iteration.NEEDS_ATOM:
                self._where[iteration.ATOM] = atom.address
            elif self.status == iteration.NEEDS_CENTRED:
                self._where[iteration.CENTRED] = centred_form.address
            else:
                break
            passed = self.status != iteration.NEEDS_CENTRED
        if self.status == iteration.FELL:
            self._judge_fall()
        if self.status == iteration.DEGENERATE and self.whole[iteration.STAGE] < iteration.RUNNING:
            raise DegenerateComponentError(max(int(self.whole[iteration.COMPONENT]), 0))

    def _judge_fall(self) -> None:
        """A plain step fell by more than rounding: a singularity, unless it is the axes' digits."""
        _, shape, orientation = self.problem.family.codes
        covariances = self.views[2]
        fall = -self.real[iteration.LAST_GAIN] / self.problem.total
        self.whole[iteration.COMPONENT] = narrowest(covariances)
        axes_alone = blurred(shape, orientation, covariances, fall)
        self.status = iteration.CONVERGED if axes_alone else iteration.DEGENERATE
        self.new[:] = self.old

    def _make_pass(self) -> None:
        """Statistics of the point that `iterate` wants to know, where it has not the features."""
        rows, parameters = self.problem.rows, self.parameters()
        whole, real = self.whole, self.real
        whole[iteration.FAILED] = 0
        whole[iteration.N_PASSES] += 1
        try:
            step = measured_statistics(rows, parameters)
        except DegenerateComponentError as error:
            whole[iteration.FAILED], whole[iteration.COMPONENT] = 1, error.component
            return
        self._statistics[:] = pack(step.statistics, self.problem.family.diagonal)
        real[iteration.NEW_LOGLIK] = step.loglik
        real[iteration.LOSS] = step.rounding / ROUNDING
        real[iteration.NEW_LOG_CERTAINTY] = step.log_certainty

    def parameters(self) -> Parameters:
        """A copy of the mixture that the run is at."""
        weights, means, covariances = (view.copy() for view in self.views[:3])
        if self.problem.family.diagonal:
            covariances = covariances[:, 0]
        return Parameters(weights, means, covariances)

    def result(self, before: FloatArray | None = None) -> EMResult:
        """Where EM ended; `before` is the history of a run that this one went on from."""
        whole, real, prior = self.whole, self.real, self.problem.prior
        constant = 0.0
        if prior is not None:
            constant = prior.log_constant(self.problem.family, self.shape[0])
        counts, means, scatters = (view.copy() for view in self.views[3:6])
        if self.problem.family.diagonal:
            scatters = scatters[:, 0]
        history = self.history[: whole[iteration.N_ITER] + 1]
        if before is not None:
            history = np.concatenate([before, history[1:]])
        component = int(whole[iteration.COMPONENT])
        return EMResult(
            parameters=self.parameters(),
            statistics=Statistics(counts, means, scatters),
            loglik=float(real[iteration.LOGLIK]),
            log_certainty=float(real[iteration.LOG_CERTAINTY]),
            objective=self.objective + constant,
            history=tuple((history + constant).tolist()),
            status=_STATUS[self.status],
            component=component if self.status == iteration.DEGENERATE and component >= 0 else None,
            n_passes=int(whole[iteration.N_PASSES]),
        )


def _addresses(problem: Problem) -> NDArray[np.int64]:
    """Where `iterate` finds its parts, compiled if need be; not yet those for narrow components."""
    where = np.zeros(iteration.N_PARTS, dtype=np.int64)
    where[iteration.MAXIMISE] = maximise.address
    where[iteration.LEAP] = leap.address
    where[iteration.M_STEP] = problem.m_step.address
    if len(problem.phi) > 0:
        where[iteration.READY_PASS] = ready_pass.address
        where[iteration.FACTORING] = inverse_factors.address
    if problem.prior is not None:
        where[iteration.PRIOR_MEANS] = prior_means.address
        where[iteration.LOG_KERNEL] = log_kernel.address
    return where


_STATUS = {
    iteration.CONVERGED: Status.CONVERGED,
    iteration.MAX_ITER: Status.MAX_ITER,
    iteration.DEGENERATE: Status.DEGENERATE,
}
