"""Expectation-maximisation, written once for all families, with and without a prior.

Dempster, Laird & Rubin (1977), JRSS B 39, 1-38; with a prior on the means that is independent of
the covariances the M-step takes them in turn (ECM: Meng & Rubin 1993, Biometrika 80, 267-278).
Either way the objective (log-likelihood, plus log prior) never falls.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from .families import Family
from .kernels import (
    DegenerateComponentError,
    Parameters,
    Rows,
    Statistics,
    expected_statistics,
    rounding,
)
from .prior import Prior

# A component that holds less than this many rows has emptied.
_SMALLEST_COUNT = 1e-8
# Rounding of the log-likelihood, relative to the sum of its terms' sizes.
_ROUNDING = 64 * np.finfo(np.float64).eps


class Status(Enum):
    """How EM ended; the text says what to do next."""

    CONVERGED = "converged"
    MAX_ITER = "reached max_iter"
    SPURIOUS = "spurious"
    DEGENERATE = "degenerate"

    @property
    def sound(self) -> bool:
        """Whether the parameters are an estimate: not the way into, or beside, a singularity."""
        return self in (Status.CONVERGED, Status.MAX_ITER)


@dataclass(frozen=True, slots=True)
class Problem:
    """What EM maximises: the data, the family, and the prior if there is one.

    ridge is added to every variance after each M-step (scikit-learn's reg_covar); with it the
    objective may fall.
    """

    rows: Rows
    family: Family
    prior: Prior | None = None
    ridge: float = 0.0

    def objective(self, loglik: float, parameters: Parameters) -> float:
        """Log-likelihood, plus the log prior density if there is a prior."""
        if self.prior is None:
            return loglik
        return loglik + self.prior.log_density(parameters, self.family, self.rows.center)

    def maximise(self, statistics: Statistics, previous: Parameters | None = None) -> Parameters:
        """The M-step. Raises DegenerateComponentError where a component holds no rows.

        A singular covariance is refused by the next pass, which factors it anyway.
        """
        empty = np.flatnonzero(~(statistics.counts > _SMALLEST_COUNT))
        if empty.size and self.prior is None:
            raise DegenerateComponentError(int(empty[0]))
        if self.family.diagonal and statistics.scatters.ndim == 3:
            diagonals = np.diagonal(statistics.scatters, axis1=1, axis2=2)
            statistics = Statistics(statistics.counts, statistics.means, diagonals.copy())
        if self.prior is None:
            return self._likelihood_step(statistics)
        return self._map_step(statistics, self.prior, previous)

    def _likelihood_step(self, statistics: Statistics) -> Parameters:
        weights = statistics.counts / statistics.counts.sum()
        covariances = self.family.estimate(statistics.counts, statistics.scatters)
        return Parameters(weights, statistics.means, self._add_ridge(covariances))

    def _map_step(
        self, statistics: Statistics, prior: Prior, previous: Parameters | None
    ) -> Parameters:
        center = self.rows.center
        counts, scatters = prior.add_to(statistics, self.family)
        if previous is None:  # a start without covariances: those about the raw means
            covariances = self.family.estimate(counts, scatters)
        else:
            covariances = previous.covariances
        means = prior.means_mode(statistics, covariances, center)
        shift = means - statistics.means
        if self.family.diagonal:
            scatters = scatters + statistics.counts[:, None] * shift**2
        else:
            outer = shift[:, :, None] * shift[:, None, :]
            scatters = scatters + statistics.counts[:, None, None] * outer
        covariances = self.family.estimate(counts, scatters)
        weights = prior.weights_mode(statistics.counts)
        return Parameters(weights, means, self._add_ridge(covariances))

    def _add_ridge(self, covariances: np.ndarray) -> np.ndarray:
        if not self.ridge:
            return covariances
        return covariances + (
            self.ridge if covariances.ndim == 2 else self.ridge * np.eye(covariances.shape[1])
        )


@dataclass(frozen=True, slots=True)
class EMResult:
    """Where EM ended: parameters and log-likelihood that belong together.

    history is the objective after the start and after every iteration; component names the
    degenerate one, if any.
    """

    parameters: Parameters
    loglik: float
    objective: float
    history: tuple[float, ...]
    status: Status
    component: int | None = None

    @property
    def n_iter(self) -> int:
        """Iterations made."""
        return len(self.history) - 1


def run_em(problem: Problem, start: Parameters, *, max_iter: int, tol: float) -> EMResult:
    """Iterate from `start` until the objective has at most tol * n left to gain.

    The gain still to come is estimated from the last two gains as a geometric series (Aitken;
    Boehning et al. 1994, Ann. Inst. Stat. Math. 46, 373-388), and measured per row: neither the
    number of rows nor the units of the columns change when EM stops.

    Raises
    ------
    DegenerateComponentError
        The start itself has a singular covariance.
    """
    n = len(problem.rows.values)
    parameters = start
    loglik, statistics = expected_statistics(problem.rows, parameters)
    objective = problem.objective(loglik, parameters)
    history = [objective]
    last_gain = np.inf
    status, component = Status.MAX_ITER, None
    for _ in range(max_iter):
        try:
            proposal = problem.maximise(statistics, parameters)
            new_loglik, new_statistics = expected_statistics(problem.rows, proposal)
        except DegenerateComponentError as error:
            status, component = Status.DEGENERATE, error.component
            break
        new_objective = problem.objective(new_loglik, proposal)
        if not np.isfinite(new_objective):
            status = Status.DEGENERATE
            break
        gain = new_objective - objective
        noise = _ROUNDING * (n + abs(new_objective))
        if gain < 0:
            noise += n * rounding(problem.rows, proposal)
        if gain < -noise and not problem.ridge:
            # Rounding of a nearly singular covariance: keep the better parameters, and say so.
            status, component = Status.DEGENERATE, _narrowest(proposal, problem.rows)
            break
        parameters, statistics, loglik, objective = (
            proposal, new_statistics, new_loglik, new_objective,
        )  # fmt: skip
        history.append(objective)
        if _remaining(gain, last_gain) <= max(tol * n, noise):
            status = Status.CONVERGED
            break
        last_gain = gain
    return EMResult(parameters, loglik, objective, tuple(history), status, component)


def _remaining(gain: float, last_gain: float) -> float:
    """Gain still to come if gains go on falling by the same factor."""
    gain = abs(gain)
    if not np.isfinite(last_gain) or gain >= last_gain:
        return np.inf if gain > 0 else 0.0
    return gain * gain / (last_gain - gain)


def _narrowest(parameters: Parameters, rows: Rows) -> int:
    """The component with the smallest variance in scaled coordinates."""
    if parameters.diagonal:
        return int(np.argmin((parameters.covariances / rows.scale**2).min(axis=1)))
    scaled = parameters.covariances / np.outer(rows.scale, rows.scale)
    return int(np.argmin(np.linalg.eigvalsh(scaled)[:, 0]))
