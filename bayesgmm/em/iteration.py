"""EM's loop, written once and compiled: for all families, with and without a prior.

`iterate` runs until EM ends or, where the rows are not at hand in compiled code, until it needs
the next pass over them: its caller makes the pass and calls again. What must survive such a call
is in flat arrays of the caller's: `new` is the point looked at and `old` the last one accepted,
each a mixture, its expected statistics and what warms up the next M-step.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numba.extending import register_jitable

from ..families.matrices import FEW_SWEEPS
from ..kernels.compilation import F1, F2, F3, R1, inlined, part
from ..kernels.e_step.accuracy import OF_FACTORS
from ..kernels.e_step.accuracy import ROUNDING as ROUNDING_OF_PASS
from ..kernels.e_step.few_rows import call_ready_pass
from ..kernels.e_step.preparation import MADE, NO_CENTRED
from ..mixture.log_prior import call_log_kernel
from .acceleration import call_leap
from .degeneracy import NARROW, ROUNDING, call_atom
from .m_step import call_maximise

# What `iterate` returns.
NEEDS_PASS, NEEDS_CENTRED, NEEDS_ATOM, CONVERGED, MAX_ITER, FELL, DEGENERATE = range(7)

# Slots of the whole numbers and of the numbers that survive a call.
STAGE, N_ITER, MOST, COMPONENT, STEP, N_KEPT = range(6)
PLAIN_STEPS, FAILED, WARM, THOROUGH, N_PASSES = range(6, 11)
OBJECTIVE, LOGLIK, LOG_CERTAINTY = range(3)
NEW_LOGLIK, LOSS, NEW_LOG_CERTAINTY, LAST_GAIN, STRETCH = range(3, 8)
N_WHOLE, N_REAL = 11, 8
# Addresses of the parts: always there; with a prior; the family's; where components are narrow.
READY_PASS, FACTORING, MAXIMISE, LEAP, PRIOR_MEANS, LOG_KERNEL, M_STEP, CENTRED, ATOM = range(9)
N_PARTS = 9
# Stages: `new` holds the statistics to start from, or those of a mixture to start from, which has
# its proportions and means in `old`; the start's parameters are being looked at; EM runs.
STATISTICS, MIXTURE, PARAMETERS, RUNNING = range(4)
# Kinds of steps.
_PLAIN, _COMBINED, _STRETCHED = range(3)
_FIRST_STRETCH = 3.0

# Loss of digits above which a component may be so narrow that it is to be looked at: the pass is
# then in its centred form.
_NARROW_LOSS = OF_FACTORS / math.sqrt(NARROW)
# Gain per row of a plain step at which EM is still far from a maximum.
_STEEP = 1e-5
# Plain steps before the first accelerated one, and those that certify the end.
_SETTLE = 3
_ALL_SWEEPS = 1000
# Stands for a proportion of nearly 0 while covariances are fitted to the family.
LEAST_WEIGHT = 1e-6


def size_of_point(n_components: int, rows: int, d: int) -> int:
    """Length of `new` and `old`."""
    return n_components * (3 + 2 * d + 2 * rows * d) + d * d


@register_jitable
def parts(point, n_components, rows, d):  # type: ignore[no-untyped-def]
    """Weights, means, covariances; counts, centres, scatters; volumes, axes: views of a point."""
    k, m, c = n_components, n_components * d, n_components * rows * d
    a = k
    b = a + m
    e = b + c
    f = e + k
    g = f + m
    h = g + c
    i = h + k
    return (
        point[:a],
        point[a:b].reshape((n_components, d)),
        point[b:e].reshape((n_components, rows, d)),
        point[e:f],
        point[f:g].reshape((n_components, d)),
        point[g:h].reshape((n_components, rows, d)),
        point[h:i],
        point[i:].reshape((d, d)),
    )


_I, _F = nb.int64, nb.float64
_I1 = nb.types.Array(_I, 1, "C")


@part(
    _I(
        _I, _I, _I, R1, _F, _F, R1, _F, _F, F3, _I, R1, _I, _I, _F, nb.boolean,
        _I1, _I1, F1, F1, F1, F1, F1, F2, F2, F2, nb.boolean,
    ),
    level=1,
)  # fmt: skip
def iterate(  # type: ignore[no-untyped-def]
    volume, shape, orientation, hyper, ridge, ratio, scale, n, log_unit, phi, n_rows, row_weights,
    n_components, rows, tol, accelerate,
    where, whole, real, history, new, old, units, images, steps, gram, passed,
):  # fmt: skip
    """Iterate until EM ends, or until a pass over the rows is needed.

    `phi` (blocks, F, rows of a block) holds the features of the rows, or nothing; n is the sum of
    the rows' weights; `hyper` is the prior as `pseudo_data` reads it, or nothing. where: the parts'
    addresses. history gets the objective of every accepted point. passed: the caller has made the
    pass for `new`.
    """
    weights, means, covariances, counts, centers, scatters, volumes, axes = parts(
        new, n_components, rows, len(scale)
    )
    while True:
        if not passed and whole[STAGE] >= PARAMETERS:
            if len(phi) == 0:
                return NEEDS_PASS
            bad = call_ready_pass(
                where[READY_PASS],
                (
                    where[FACTORING], where[CENTRED], phi, n_rows, row_weights, scale, log_unit,
                    weights, means, covariances, counts, centers, scatters,
                    real[NEW_LOGLIK : NEW_LOG_CERTAINTY + 1],
                ),
            )  # fmt: skip
            if bad == NO_CENTRED:
                return NEEDS_CENTRED
            whole[N_PASSES] += 1
            whole[FAILED] = bad != MADE
            if bad != MADE:
                whole[COMPONENT] = bad
        if real[LOSS] > _NARROW_LOSS and where[ATOM] == 0:
            return NEEDS_ATOM
        passed = False
        status = _advance(
            volume, shape, orientation, hyper, ridge, ratio, n, scale, n_components, rows,
            tol, accelerate, where, whole, real, history, new, old, units, images, steps, gram,
            weights, means, covariances, counts, centers, scatters, volumes, axes,
        )  # fmt: skip
        if status != NEEDS_PASS:
            return status


@inlined
def _advance(  # type: ignore[no-untyped-def]
    volume, shape, orientation, hyper, ridge, ratio, n, scale, n_components, rows, tol, accelerate,
    where, whole, real, history, new, old, units, images, steps, gram,
    weights, means, covariances, counts, centers, scatters, volumes, axes,
):  # fmt: skip
    """Judge the point just passed: end at the last accepted point, or write the next one."""
    d = len(scale)
    stage = whole[STAGE]
    if stage >= PARAMETERS:
        failed = whole[FAILED] != 0
        objective = real[NEW_LOGLIK]
        if not failed:
            if len(hyper) > 0:
                objective += call_log_kernel(
                    where[LOG_KERNEL],
                    (volume, shape, orientation, hyper, weights, means, covariances),
                )
            failed = not np.isfinite(objective)
        accepted = not failed
        converged = False
        if stage == PARAMETERS:
            if failed:
                return DEGENERATE
            whole[STAGE] = RUNNING
            real[LAST_GAIN] = np.inf
            real[STRETCH] = _FIRST_STRETCH
            history[0] = objective
        else:
            gain = objective - real[OBJECTIVE]
            strict = ROUNDING * (n + abs(objective))
            noise = strict + n * ROUNDING_OF_PASS * real[LOSS]
            enough = max(tol * n, noise)
            allowed = noise if whole[STEP] == _PLAIN else strict
            accepted = accepted and (gain >= -allowed or ridge > 0.0)
            if not accepted and whole[STEP] == _PLAIN:
                # A plain step that fails, or falls by more than rounding.
                if failed:
                    _copy(old, new)
                    return DEGENERATE
                real[LAST_GAIN] = gain
                return FELL
            if accepted:
                whole[N_ITER] += 1
                history[whole[N_ITER]] = objective
            if accepted and whole[STEP] == _PLAIN:
                whole[PLAIN_STEPS] += 1
                left = _remaining(gain, real[LAST_GAIN], noise)
                real[LAST_GAIN] = gain
                converged = left <= enough and (whole[PLAIN_STEPS] >= _SETTLE or not accelerate)
            elif not accepted or gain <= enough:
                # A long step that went wrong, or perhaps the end, of which plain steps must judge.
                whole[PLAIN_STEPS] = 0 if accepted else _SETTLE - 1
                whole[N_KEPT] = 0
                real[LAST_GAIN] = np.inf
            if whole[STEP] == _STRETCHED:
                real[STRETCH] = min(2.0 * real[STRETCH], 1e3) if accepted else _FIRST_STRETCH
        if accepted and ridge + ratio == 0.0 and len(hyper) == 0 and real[LOSS] > _NARROW_LOSS:
            atom = call_atom(where[ATOM], (volume, shape, covariances, scatters, counts, scale))
            if atom >= 0:
                whole[COMPONENT] = atom
                if stage != PARAMETERS:
                    _copy(old, new)
                return DEGENERATE
        if accepted:
            _copy(new, old)
            real[OBJECTIVE] = objective
            real[LOGLIK] = real[NEW_LOGLIK]
            real[LOG_CERTAINTY] = real[NEW_LOG_CERTAINTY]
        else:
            _copy(old, new)
        if converged:
            return CONVERGED
        if whole[N_ITER] >= whole[MOST]:
            return MAX_ITER
    proportions = np.empty(n_components)
    for turn in range(2):
        if turn == 1:
            if not accelerate or whole[PLAIN_STEPS] < _SETTLE:
                break
            # A start that was handed in keeps its own hill: no long steps while it is steep.
            if whole[THOROUGH] == 1 and whole[N_KEPT] == 0 and real[LAST_GAIN] > _STEEP * n:
                break
            old_weights, old_means, old_covariances, _, _, _, _, _ = parts(
                old, n_components, rows, d
            )
            stretched = call_leap(
                where[LEAP],
                (
                    old_weights, old_means, old_covariances, real[STRETCH], whole[N_KEPT],
                    units, images, steps, gram, weights, means, covariances,
                ),
            )  # fmt: skip
            whole[N_KEPT] = min(whole[N_KEPT] + 1, len(images))
            whole[STEP] = _STRETCHED if stretched else _COMBINED
            for k in range(n_components):
                proportions[k] = weights[k]
                counts[k] = n * max(weights[k], LEAST_WEIGHT)
                for j in range(d):
                    centers[k, j] = means[k, j]
                    for i in range(rows):
                        scatters[k, i, j] = counts[k] * covariances[k, i, j]
        else:
            whole[STEP] = _PLAIN
        first = turn == 0 and stage < PARAMETERS
        # The family's closest member to a mixture is the M-step on its covariances as scatters.
        project = turn == 1 or stage == MIXTURE
        empty = call_maximise(
            where[MAXIMISE],
            (
                where[M_STEP], where[PRIOR_MEANS], volume, shape, orientation,
                hyper[:0] if project else hyper, 0.0 if project else ridge, ratio,
                counts, centers, scatters,
                _ALL_SWEEPS if first and whole[THOROUGH] == 1 else FEW_SWEEPS, first,
                whole[WARM] == 1, volumes, axes, weights, means, covariances,
            ),
        )  # fmt: skip
        if empty >= 0 and turn == 0:
            whole[COMPONENT] = empty
            if stage >= PARAMETERS:
                _copy(old, new)
            return DEGENERATE
        whole[WARM] = 1
        if turn == 1:
            for k in range(n_components):
                weights[k] = proportions[k]
        if first:
            if stage == MIXTURE:
                for i in range(n_components * (1 + d)):
                    new[i] = old[i]
            whole[STAGE] = PARAMETERS
            break
    return NEEDS_PASS


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
