"""EM's loop, written once and compiled: for all families, with and without a prior.

`iterate` runs until EM ends or, where the rows are not at hand in compiled code, until it needs
the next pass over them: its caller makes the pass and calls again. What must survive such a call
is the caller's: a record of numbers (`STATE`) and `Arrays`, of which `new` is the point looked at
and `old` the last one accepted, laid out by `point_of`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numba.extending import register_jitable

from ..families.m_steps import WarmStart
from ..families.matrices import FEW_SWEEPS, Codes
from ..kernels.calls import uncounted
from ..kernels.compilation import F1, F2, F3, R1, inlined, part, typed
from ..kernels.e_step.accuracy import OF_FACTORS
from ..kernels.e_step.accuracy import ROUNDING as ROUNDING_OF_PASS
from ..kernels.e_step.arrays import MixtureArrays, PassParts, StatisticsArrays
from ..kernels.e_step.few_rows import FewRows, call_few_rows_pass
from ..kernels.e_step.preparation import LOG_CERTAINTY, LOGLIK, LOSS, MADE, NO_CENTRED
from ..mixture.log_prior import call_log_kernel, of_lkj
from ..utils.types import FloatArray
from .acceleration import Memory, call_accelerated_step
from .degeneracy import NARROW, ROUNDING, call_degenerate_component
from .m_step import Maximisation, call_maximise

# What `iterate` returns.
NEEDS_PASS, NEEDS_CENTRED, NEEDS_DEGENERACY, CONVERGED, MAX_ITER, FELL, DEGENERATE = range(7)
# Stages: `new` holds the statistics to start from, or those of a mixture to start from, which has
# its proportions and means in `old`; the start's parameters are being looked at; EM runs.
STATISTICS, MIXTURE, PARAMETERS, RUNNING = range(4)
# Kinds of steps.
_PLAIN, _COMBINED, _STRETCHED = range(3)
_FIRST_STRETCH = 3.0

# Loss of digits above which a component may be so narrow that it is checked for degeneracy: the
# pass is then in its centred form.
_NARROW_LOSS = OF_FACTORS / math.sqrt(NARROW)
# Gain per row of a plain step at which EM is still far from a maximum.
_STEEP = 1e-5
# Plain steps before the first accelerated one, and those that certify the end.
_SETTLE = 3
_ALL_SWEEPS = 1000
# Stands for a proportion of nearly 0 while covariances are fitted to the family.
LEAST_WEIGHT = 1e-6


# What does not change while EM runs: family, sizes, n_rows, total (the sum of the rows' weights),
# log_unit, and when it ends; addresses of compiled parts, 0 where one is not needed, or not yet.
TASK = np.dtype([
    *((name, np.int64) for name in (
        "volume", "shape", "orientation", "n_components", "rows", "d", "n_rows", "accelerate",
        "maximise", "m_step", "accelerated_step", "few_rows_pass", "factoring", "prior_means",
        "lkj_step", "log_kernel", "centred", "degenerate_component",
    )),
    *((name, np.float64) for name in ("ridge", "ratio", "total", "log_unit", "tol")),
], align=True)  # fmt: skip
# The state of EM. component is the degenerate or the empty one, or -1; step the kind of the step
# that led to `new`, n_kept the points that the long step remembers, plain_steps those since the
# last long one. failed, new_loglik, loss (of digits) and new_log_certainty are what the last pass
# found for `new`; objective, loglik and log_certainty are those of `old`.
STATE = np.dtype([
    *((name, np.int64) for name in (
        "stage", "thorough", "warm", "n_iter", "n_passes", "failed", "component", "step",
        "n_kept", "plain_steps",
    )),
    *((name, np.float64) for name in (
        "objective", "loglik", "log_certainty", "new_loglik", "loss", "new_log_certainty",
        "last_gain", "stretch",
    )),
], align=True)  # fmt: skip


class Arrays(NamedTuple):
    """The arrays of a run: those it reads, then those it writes.

    `hyper` is the prior as `maximise` reads it, or nothing; `phi` (blocks, F, rows of a block)
    the features of the rows, or nothing, and row_weights their weights, or nothing. history gets
    the objective of every accepted point; new and old are points; the rest is the long step's.
    """

    hyper: FloatArray
    scale: FloatArray
    row_weights: FloatArray
    phi: FloatArray
    history: FloatArray
    new: FloatArray
    old: FloatArray
    units: FloatArray
    images: FloatArray
    steps: FloatArray
    gram: FloatArray


class Point(NamedTuple):
    """A mixture, its expected statistics, and where the M-step's inner iterations start."""

    mixture: MixtureArrays
    statistics: StatisticsArrays
    start: WarmStart


@register_jitable
def size_of_mixture(n_components, rows, d):  # type: ignore[no-untyped-def]
    """Numbers of a mixture, and of its expected statistics."""
    return n_components * (1 + d + rows * d)


def size_of_point(n_components: int, rows: int, d: int) -> int:
    """Length of `new` and `old`."""
    return 2 * int(size_of_mixture(n_components, rows, d)) + n_components + rows * d


@register_jitable
def _triple(flat, n_components, rows, d):  # type: ignore[no-untyped-def]
    """(K,), (K, d) and (K, rows, d), one after the other."""
    of_means = n_components * (1 + d)
    return (
        flat[:n_components],
        flat[n_components:of_means].reshape((n_components, d)),
        flat[of_means:].reshape((n_components, rows, d)),
    )


@register_jitable
def point_of(flat, n_components, rows, d):  # type: ignore[no-untyped-def]
    """The views of a flat point: a mixture, statistics of the same shapes, volumes and axes."""
    size = size_of_mixture(n_components, rows, d)
    mixture = MixtureArrays(*_triple(flat[:size], n_components, rows, d))
    statistics = StatisticsArrays(*_triple(flat[size : 2 * size], n_components, rows, d))
    volumes = flat[2 * size : 2 * size + n_components]
    axes = flat[2 * size + n_components :].reshape((rows, d))  # variances have none
    return Point(mixture, statistics, WarmStart(volumes, axes))


_TASKS, _STATES = (nb.types.Array(nb.from_dtype(record), 1, "C") for record in (TASK, STATE))
_ARRAYS = typed(Arrays, R1, R1, R1, F3, F1, F1, F1, F1, F2, F2, F2)


@part(nb.int64(_TASKS, _STATES, _ARRAYS, nb.int64, nb.boolean), level=1, from_python=True)
def iterate(tasks, states, arrays, max_iter, passed):  # type: ignore[no-untyped-def]
    """Iterate until EM ends, or until a pass over the rows is needed.

    tasks and states are one record each. passed: the caller has made the pass for `new`.
    """
    task, state, arrays = tasks[0], states[0], uncounted(arrays)
    point = point_of(arrays.new, task.n_components, task.rows, task.d)
    result = np.empty(3)
    while True:
        if not passed and state.stage >= PARAMETERS:
            missing = _make_pass(task, state, arrays, point, result)
            if missing >= 0:
                return missing
        if state.loss > _NARROW_LOSS and task.degenerate_component == 0:
            return NEEDS_DEGENERACY
        passed = False
        if state.stage >= PARAMETERS:
            ended = _judge(task, state, arrays, point, max_iter)
            if ended >= 0:
                return ended
        ended = _next_point(task, state, arrays, point)
        if ended >= 0:
            return ended


@inlined
def _make_pass(task, state, arrays, point, result):  # type: ignore[no-untyped-def]
    """Write the statistics of the point looked at; return what is missing for it, or -1."""
    if len(arrays.phi) == 0:
        return NEEDS_PASS
    bad = call_few_rows_pass(
        task.few_rows_pass,
        (
            PassParts(task.factoring, 0, task.centred),
            FewRows(arrays.phi, task.n_rows, arrays.row_weights, arrays.scale, task.log_unit),
            point.mixture, point.statistics, result,
        ),
    )  # fmt: skip
    if bad == NO_CENTRED:
        return NEEDS_CENTRED
    state.n_passes += 1
    state.failed = bad != MADE
    if bad == MADE:
        state.new_loglik, state.loss = result[LOGLIK], result[LOSS]
        state.new_log_certainty = result[LOG_CERTAINTY]
    else:
        state.component = bad
    return -1


@inlined
def _judge(task, state, arrays, point, max_iter):  # type: ignore[no-untyped-def]
    """Accept the point just passed, or go back to the last one; return how EM ended, or -1."""
    objective = _objective(task, state, arrays, point)
    accepted, converged = True, False
    first = state.stage == PARAMETERS
    if first:
        if not np.isfinite(objective):
            return DEGENERATE
        state.stage = RUNNING
        state.last_gain, state.stretch = np.inf, _FIRST_STRETCH
        arrays.history[0] = objective
    else:
        accepted, converged = _compare(task, state, arrays.history, objective)
        if not accepted and state.step == _PLAIN:
            if np.isfinite(objective):
                return FELL
            _copy(arrays.old, arrays.new)
            return DEGENERATE
    if accepted and state.loss > _NARROW_LOSS and _unbounded(task, arrays):
        degenerate_component = call_degenerate_component(
            task.degenerate_component,
            (
                task.volume, task.shape, point.mixture.covariances, point.statistics.scatters,
                point.statistics.counts, arrays.scale,
            ),
        )  # fmt: skip
        if degenerate_component >= 0:
            state.component = degenerate_component
            if first:  # there is no point to go back to: report the figures of this one
                _record(state, objective)
            else:
                _copy(arrays.old, arrays.new)
            return DEGENERATE
    if accepted:
        _copy(arrays.new, arrays.old)
        _record(state, objective)
    else:
        _copy(arrays.old, arrays.new)
    if converged:
        return CONVERGED
    return MAX_ITER if state.n_iter >= max_iter else -1


@inlined
def _record(state, objective):  # type: ignore[no-untyped-def]
    """Take the last pass's figures over as those of the accepted point."""
    state.objective = objective
    state.loglik = state.new_loglik
    state.log_certainty = state.new_log_certainty


@inlined
def _objective(task, state, arrays, point):  # type: ignore[no-untyped-def]
    """Log-likelihood, plus the log prior up to a constant; not a number where there is none."""
    if state.failed != 0:
        return np.nan
    objective = state.new_loglik
    if len(arrays.hyper) > 0:
        objective += call_log_kernel(task.log_kernel, (_codes(task), arrays.hyper, point.mixture))
    return objective


@inlined
def _codes(task):  # type: ignore[no-untyped-def]
    return Codes(task.volume, task.shape, task.orientation)


@inlined
def _unbounded(task, arrays):  # type: ignore[no-untyped-def]
    """Whether the objective grows without bound as components shrink onto rows."""
    return task.ridge + task.ratio == 0.0 and (len(arrays.hyper) == 0 or of_lkj(arrays.hyper))


@inlined
def _compare(task, state, history, objective):  # type: ignore[no-untyped-def]
    """Whether the point is accepted, and whether EM ends there, from what the step gained."""
    gain = objective - state.objective
    strict = ROUNDING * (task.total + abs(objective))
    noise = strict + task.total * ROUNDING_OF_PASS * state.loss
    enough = max(task.tol * task.total, noise)
    plain = state.step == _PLAIN
    risen = gain >= -(noise if plain else strict) or task.ridge > 0.0
    accepted = np.isfinite(objective) and risen
    converged = False
    if accepted:
        state.n_iter += 1
        history[state.n_iter] = objective
    if plain:
        if accepted:
            state.plain_steps += 1
            certain = state.plain_steps >= _SETTLE or task.accelerate == 0
            converged = _remaining(gain, state.last_gain, noise) <= enough and certain
        state.last_gain = gain
    elif not accepted or gain <= enough:
        # A long step that failed, or perhaps convergence, which plain steps have to confirm.
        state.plain_steps = 0 if accepted else _SETTLE - 1
        state.n_kept = 0
        state.last_gain = np.inf
    if state.step == _STRETCHED:
        state.stretch = min(2.0 * state.stretch, 1e3) if accepted else _FIRST_STRETCH
    return accepted, converged


@inlined
def _next_point(task, state, arrays, point):  # type: ignore[no-untyped-def]
    """Write the next point, the M-step's or one beyond it; return how EM ended, or -1."""
    first = state.stage < PARAMETERS
    # The family's closest member to a mixture is the M-step on its covariances as scatters.
    project = state.stage == MIXTURE
    sweeps = _ALL_SWEEPS if first and state.thorough == 1 else FEW_SWEEPS
    state.step = _PLAIN
    empty = _m_step(task, state, arrays, point, project, first, sweeps)
    if empty >= 0:
        state.component = empty
        if not first:
            _copy(arrays.old, arrays.new)
        return DEGENERATE
    if first:
        if project:
            _copy(arrays.old[: point.mixture.weights.size + point.mixture.means.size], arrays.new)
        state.stage = PARAMETERS
    elif _may_step_further(task, state):
        _step_further(task, state, arrays, point)
    return -1


@inlined
def _m_step(task, state, arrays, point, project, first, sweeps):  # type: ignore[no-untyped-def]
    """Write the mixture of the point's statistics; return the first empty component, or -1.

    project: without prior and ridge, which a mixture that is only projected onto the family
    already includes.
    """
    how = Maximisation(
        task.m_step,
        task.prior_means,
        task.lkj_step,
        _codes(task),
        0.0 if project else task.ridge,
        task.ratio,
    )
    empty = call_maximise(
        task.maximise,
        (
            how, arrays.hyper[:0] if project else arrays.hyper, point.statistics, sweeps, first,
            state.warm == 1, point.start, point.mixture,
        ),
    )  # fmt: skip
    state.warm = 1
    return empty


@inlined
def _may_step_further(task, state):  # type: ignore[no-untyped-def]
    """Whether the next step may be a long one."""
    if task.accelerate == 0 or state.plain_steps < _SETTLE:
        return False
    # A start that was handed in should reach its own maximum: no long steps while gains are large.
    steep = state.last_gain > _STEEP * task.total
    return not (state.thorough == 1 and state.n_kept == 0 and steep)


@inlined
def _step_further(task, state, arrays, point):  # type: ignore[no-untyped-def]
    """Write a point beyond the M-step's; the proportions are those of the long step."""
    n_components, rows, d = point.mixture.covariances.shape
    old = point_of(arrays.old, n_components, rows, d)
    memory = Memory(arrays.units, arrays.images, arrays.steps, arrays.gram)
    stretched = call_accelerated_step(
        task.accelerated_step,
        (old.mixture, state.stretch, state.n_kept, memory, point.mixture),
    )
    state.n_kept = min(state.n_kept + 1, len(memory.images))
    state.step = _STRETCHED if stretched else _COMBINED
    proportions = point.mixture.weights.copy()
    for k in range(n_components):
        point.statistics.counts[k] = task.total * max(proportions[k], LEAST_WEIGHT)
        for j in range(d):
            point.statistics.means[k, j] = point.mixture.means[k, j]
            for i in range(rows):
                point.statistics.scatters[k, i, j] = (
                    point.statistics.counts[k] * point.mixture.covariances[k, i, j]
                )
    _m_step(task, state, arrays, point, True, False, FEW_SWEEPS)
    _copy(proportions, point.mixture.weights)


@inlined
def _copy(point, out):  # type: ignore[no-untyped-def]
    for i in range(len(point)):
        out[i] = point[i]


@inlined
def _remaining(gain, last_gain, noise):  # type: ignore[no-untyped-def]
    """Gain still to come if gains go on falling by the same factor (Aitken)."""
    if abs(gain) <= noise:
        return abs(gain)
    if not np.isfinite(last_gain) or gain >= last_gain:
        return np.inf
    return gain * gain / (last_gain - gain)
