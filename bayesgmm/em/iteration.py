"""EM's loop, written once and compiled: for all families, with and without a prior.

`iterate` runs until EM ends or, where the rows are not at hand in compiled code, until it needs
the next pass over them: its caller makes the pass and calls again. What must survive such a call
is in flat arrays of the caller's: `new` is the point looked at and `old` the last one accepted,
each a mixture, its expected statistics and what warms up the next M-step.
"""

from __future__ import annotations

import numpy as np

from ..families.m_steps import FEW_SWEEPS, IDENTITY, VARIABLE, cholesky
from ..kernels import OF_FACTORS, SMALLEST_VARIANCE
from ..kernels import ROUNDING as ROUNDING_OF_PASS
from ..kernels.factor import inverse_factors, precisions
from ..kernels.moments import central_moments
from ..kernels.primitives import LOG_2PI, inlined, jit, softmax
from ..kernels.products import (
    add_outer_product,
    add_squared_lengths,
    add_symmetric_product,
    clear_padding,
    padded,
    product,
)
from ..kernels.quadratic import QUADRATIC_LIMIT, decode, encode, encode_diagonal
from ..pseudo_data import log_kernel, maximise
from .acceleration import (
    extrapolate,
    n_coordinates,
    read_coordinates,
    write_coordinates,
    write_units,
)

# What `iterate` returns.
NEEDS_PASS, CONVERGED, MAX_ITER, DEGENERATE = range(4)

# Slots of the whole numbers and of the numbers that survive a call.
STAGE, N_ITER, MOST, COMPONENT, STEP, N_KEPT = range(6)
PLAIN_STEPS, FAILED, WARM, THOROUGH, N_PASSES = range(6, 11)
OBJECTIVE, LOGLIK, NEW_LOGLIK, LAST_GAIN, LOSS, STRETCH = range(6)
N_WHOLE, N_REAL = 11, 6
# Stages: `new` holds the statistics to start from, or those of a mixture to start from, which has
# its proportions and means in `old`; the start's parameters are being looked at; EM runs.
STATISTICS, MIXTURE, PARAMETERS, RUNNING = range(4)
# Kinds of steps.
_PLAIN, _COMBINED, _STRETCHED = range(3)
_FIRST_STRETCH = 3.0

# Rounding of the log-likelihood, relative to the sum of its terms' sizes.
_ROUNDING = 64 * 2.0**-52
# Conditional variances below which a component is looked at, and the loss that says there are any.
_NARROW = 1e-9
_NARROW_LOSS = 1e3
# Gain per row of a plain step at which EM is still far from a maximum.
_STEEP = 1e-5
# Plain steps before the first accelerated one, and those that certify the end.
_SETTLE = 3
_ALL_SWEEPS = 1000
# Stands for a proportion of nearly 0 while covariances are fitted to the family.
LEAST_WEIGHT = 1e-6


@jit()
def size_of_point(n_components, rows, d):  # type: ignore[no-untyped-def]
    """Length of `new` and `old`."""
    return n_components * (3 + 2 * d + 2 * rows * d) + d * d


@jit()
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


@jit()
def iterate(  # type: ignore[no-untyped-def]
    volume, shape, orientation, hyper, ridge, ratio, scale, n, log_unit, phi, n_rows, row_weights,
    n_components, rows, tol, accelerate,
    whole, real, history, new, old, units, images, steps, gram, passed,
):  # fmt: skip
    """Iterate until EM ends, or until a pass over the rows is needed.

    `phi` (blocks, F, rows of a block) holds the features of the rows, or nothing; n is the sum of
    the rows' weights; `hyper` is the prior as `pseudo_data` reads it, or nothing. history gets the
    objective of every accepted point.
    passed: the caller has made the pass for `new`.
    """
    while True:
        if not passed and whole[STAGE] >= PARAMETERS:
            if len(phi) == 0:
                return NEEDS_PASS
            _pass(phi, n_rows, row_weights, scale, log_unit, n_components, rows, whole, real, new)
        passed = False
        status = _advance(
            volume, shape, orientation, hyper, ridge, ratio, n, scale, n_components, rows,
            tol, accelerate, whole, real, history, new, old, units, images, steps, gram,
        )  # fmt: skip
        if status != NEEDS_PASS:
            return status


@inlined
def _advance(  # type: ignore[no-untyped-def]
    volume, shape, orientation, hyper, ridge, ratio, n, scale, n_components, rows, tol, accelerate,
    whole, real, history, new, old, units, images, steps, gram,
):  # fmt: skip
    """Judge the point just passed: end at the last accepted point, or write the next one."""
    d = len(scale)
    weights, means, covariances, counts, centers, scatters, volumes, axes = parts(
        new, n_components, rows, d
    )
    stage = whole[STAGE]
    if stage >= PARAMETERS:
        failed = whole[FAILED] != 0
        objective = real[NEW_LOGLIK]
        if not failed:
            objective += log_kernel(volume, shape, orientation, hyper, weights, means, covariances)
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
            strict = _ROUNDING * (n + abs(objective))
            noise = strict + n * ROUNDING_OF_PASS * real[LOSS]
            enough = max(tol * n, noise)
            allowed = noise if whole[STEP] == _PLAIN else strict
            accepted = accepted and (gain >= -allowed or ridge > 0.0)
            if not accepted and whole[STEP] == _PLAIN:
                # A plain step that fails, or falls by more than rounding: a singularity, unless
                # it is the axes that have no more digits, where units differ widely.
                blurred = False
                if not failed:
                    whole[COMPONENT] = _narrowest(covariances)
                    turned = shape != orientation and orientation != IDENTITY
                    blurred = turned and -gain <= n * _ROUNDING * _condition(covariances)
                _copy(old, new)
                return CONVERGED if blurred else DEGENERATE
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
            atom = _atom(volume, shape, covariances, scatters, counts, scale)
            if atom >= 0:
                whole[COMPONENT] = atom
                if stage != PARAMETERS:
                    _copy(old, new)
                return DEGENERATE
        if accepted:
            _copy(new, old)
            real[OBJECTIVE] = objective
            real[LOGLIK] = real[NEW_LOGLIK]
        else:
            _copy(old, new)
        if converged:
            return CONVERGED
        if whole[N_ITER] >= whole[MOST]:
            return MAX_ITER
    size = n_coordinates(n_components, rows, d) if accelerate else 0
    here = np.empty(size)
    image = np.empty(size)
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
            if whole[N_KEPT] == 0:
                write_units(weights, covariances, units)
            write_coordinates(old_weights, old_means, old_covariances, units, here)
            write_coordinates(weights, means, covariances, units, image)
            stretched = extrapolate(here, image, real[STRETCH], whole[N_KEPT], images, steps, gram)
            whole[N_KEPT] = min(whole[N_KEPT] + 1, len(images))
            whole[STEP] = _STRETCHED if stretched else _COMBINED
            read_coordinates(here, units, weights, means, covariances)
            for k in range(n_components):
                image[k] = weights[k]
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
        empty = maximise(
            volume, shape, orientation, hyper[:0] if project else hyper, 0.0 if project else ridge,
            ratio, counts, centers, scatters,
            _ALL_SWEEPS if first and whole[THOROUGH] == 1 else FEW_SWEEPS, first,
            whole[WARM] == 1, volumes, axes, weights, means, covariances,
        )  # fmt: skip
        if empty >= 0 and turn == 0:
            whole[COMPONENT] = empty
            if stage >= PARAMETERS:
                _copy(old, new)
            return DEGENERATE
        whole[WARM] = 1
        if turn == 1:
            for k in range(n_components):
                weights[k] = image[k]
        if first:
            if stage == MIXTURE:
                for i in range(n_components * (1 + d)):
                    new[i] = old[i]
            whole[STAGE] = PARAMETERS
            break
    return NEEDS_PASS


@jit()
def _copy(point, out):  # type: ignore[no-untyped-def]
    for i in range(len(point)):
        out[i] = point[i]


@jit()
def _remaining(gain, last_gain, noise):  # type: ignore[no-untyped-def]
    """Gain still to come if gains go on falling by the same factor (Aitken)."""
    if abs(gain) <= noise:
        return abs(gain)
    if not np.isfinite(last_gain) or gain >= last_gain:
        return np.inf
    return gain * gain / (last_gain - gain)


@jit()
def _atom(volume, shape, covariances, scatters, counts, scale):  # type: ignore[no-untyped-def]
    """The component that has shrunk onto rows of one equal value along some direction, or -1.

    Its covariance is narrow and its rows' scatter singular; in all directions, where only its
    volume is its own. The covariance need not be: inner iterations find common axes to some
    digits only, and stop its fall there.
    """
    if shape != VARIABLE and volume != VARIABLE:
        return -1
    n_components, rows, d = covariances.shape
    lower = np.zeros((d, d))
    for k in range(n_components):
        if counts[k] < 1.0 or _narrowest_width(covariances[k], 1.0, scale, lower) > _NARROW:
            continue
        if shape == VARIABLE:
            width = _narrowest_width(scatters[k], counts[k], scale, lower)
        else:
            width = 0.0
            for j in range(d):
                v = scatters[k, 0 if rows < d else j, j] / (counts[k] * scale[j] * scale[j])
                width = max(width, v)
        if not width > SMALLEST_VARIANCE:
            return k
    return -1


@jit()
def _narrowest_width(matrix, count, scale, lower):  # type: ignore[no-untyped-def]
    """The smallest conditional variance of matrix / count in scaled coordinates."""
    rows, d = matrix.shape
    least = np.inf
    for i in range(d):
        if rows < d:
            least = min(least, matrix[0, i] / (count * scale[i] * scale[i]))
            continue
        for j in range(i + 1):
            v = matrix[i, j] / (count * scale[i] * scale[j])
            for q in range(j):
                v -= lower[i, q] * lower[j, q]
            if j < i:
                lower[i, j] = v / lower[j, j]
            else:
                if not v > 0.0:
                    return 0.0
                lower[i, i] = np.sqrt(v)
                least = min(least, v)
    return least


@jit()
def _condition(covariances):  # type: ignore[no-untyped-def]
    """About the largest condition number, in the user's units."""
    n_components, rows, d = covariances.shape
    lower = np.zeros((d, d))
    largest = 0.0
    for k in range(n_components):
        trace = 0.0
        for j in range(d):
            trace += covariances[k, j, j]
        largest = max(largest, trace / _narrowest_width(covariances[k], 1.0, np.ones(d), lower))
    return largest


@jit()
def _narrowest(covariances):  # type: ignore[no-untyped-def]
    """The component with the smallest determinant."""
    n_components, rows, d = covariances.shape
    lower = np.empty((d, d))
    which = 0
    least = np.inf
    for k in range(n_components):
        if rows == 1:
            log_det = 0.0
            for j in range(d):
                log_det += np.log(covariances[k, 0, j])
        else:
            log_det = cholesky(covariances[k], lower)
        if not log_det >= least:
            which, least = k, log_det
    return which


@inlined
def _pass(phi, n_rows, row_weights, scale, log_unit, n_components, rows, whole, real, new):  # type: ignore[no-untyped-def]
    """The pass over features that lie ready, in the form that is accurate (kernels/__init__.py)."""
    n_blocks, n_features, block = phi.shape
    d = len(scale)
    weights, means, covariances, counts, centers, scatters, _, _ = parts(new, n_components, rows, d)
    scaled = np.empty((n_components, rows, d))
    factors = np.empty((n_components, rows, d))
    half_log_dets = np.empty(n_components)
    log_weights = np.empty(n_components)
    z = np.empty((n_components, d))
    for k in range(n_components):
        log_weights[k] = np.log(weights[k])
        for j in range(d):
            z[k, j] = means[k, j] / scale[j]
            for i in range(rows):
                scaled[k, i, j] = covariances[k, i, j] / (scale[j] * scale[j if rows < d else i])
    bad = inverse_factors(scaled, SMALLEST_VARIANCE, factors, half_log_dets)
    whole[N_PASSES] += 1
    whole[FAILED] = bad >= 0
    if bad >= 0:
        whole[COMPONENT] = bad
        return
    if rows < d:
        for k in range(n_components):
            for j in range(d):
                scaled[k, 0, j] = factors[k, 0, j] * factors[k, 0, j]
    else:
        precisions(factors, scaled)
    real[LOSS] = 0.0
    for k in range(n_components):
        norm = 1.0
        square = 0.0
        for j in range(d):
            norm += z[k, j] * z[k, j]
            for i in range(rows):
                square += scaled[k, i, j] * scaled[k, i, j]
        real[LOSS] = max(real[LOSS], norm * np.sqrt(square))
    quadratic = real[LOSS] < QUADRATIC_LIMIT
    if not quadratic:
        real[LOSS] = OF_FACTORS * np.sqrt(real[LOSS])
    theta = np.empty((n_components, n_features))
    if quadratic:
        if rows < d:
            encode_diagonal(log_weights, z, scaled[:, 0].copy(), half_log_dets, theta)
        else:
            encode(log_weights, z, scaled, half_log_dets, theta)
    sums = np.zeros((n_components, n_features))
    second = np.zeros((n_components, rows, d))
    logits = np.empty((n_components, block))
    delta = np.empty((d, block))
    y = np.empty((d, block))
    peak = np.empty(block)
    total = np.empty(block)
    power = np.empty(block)
    loglik = 0.0
    for b in range(n_blocks):
        m = min(block, n_rows - b * block)
        if quadratic:
            product(theta, phi[b], m, logits)
        else:
            for k in range(n_components):
                _about(phi[b], z[k], padded(m), delta)
                for r in range(padded(m)):
                    y[0, r] = 0.0
                if rows < d:
                    for j in range(d):
                        for r in range(m):
                            y[0, r] += (factors[k, 0, j] * delta[j, r]) ** 2
                else:
                    add_squared_lengths(factors[k], True, delta, m, y)
                for r in range(m):
                    logits[k, r] = log_weights[k] + half_log_dets[k] - 0.5 * (d * LOG_2PI + y[0, r])
        softmax(logits, m, peak, total, power)
        if len(row_weights) > 0:
            for r in range(m):
                w = row_weights[b * block + r]
                loglik += w * total[r]
                for k in range(n_components):
                    logits[k, r] *= w
        else:
            for r in range(m):
                loglik += total[r]
        clear_padding(logits, m)
        if quadratic:
            add_outer_product(logits, phi[b], m, sums)
        else:
            for k in range(n_components):
                _about(phi[b], z[k], padded(m), delta)
                for r in range(m):
                    sums[k, 0] += logits[k, r]
                for j in range(d):
                    for r in range(padded(m)):
                        y[j, r] = logits[k, r] * delta[j, r]
                        sums[k, 1 + j] += y[j, r]
                    if rows < d:
                        for r in range(m):
                            second[k, 0, j] += y[j, r] * delta[j, r]
                if rows == d:
                    add_symmetric_product(y, delta, m, second[k])
    real[NEW_LOGLIK] = loglik - log_unit
    first = np.empty((n_components, d))
    if quadratic:
        decode(sums, rows < d, first, second)
    for k in range(n_components):
        counts[k] = sums[k, 0]
        for j in range(d):
            first[k, j] = sums[k, 1 + j]
            if quadratic:
                z[k, j] = 0.0  # its moments are about the centre
    central_moments(counts, first, second, z, scale, centers, scatters)


@jit()
def _about(features, mean, m, delta):  # type: ignore[no-untyped-def]
    """Rows about a mean, from their features 1..d."""
    for j in range(len(mean)):
        for r in range(m):
            delta[j, r] = features[1 + j, r] - mean[j]
