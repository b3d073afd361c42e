"""A component's own volume, shape and axes from the prior, given those that all share: compiled.

With s_j = (D'Psi D)_jj and w = nu + d + 1 the prior of all covariances is a product of

    |Sigma_k|^(-w/2) exp(-sum_j s_kj / (2 lambda_k a_kj)),

and its integral over what is a component's own is a function g of what is shared. A draw of these
comes with its density here over that of the draw, a weight whose mean is g, and which is g wherever
the draw is exact: own volumes are inverse gamma, own shapes log-gamma variables of a given product
(`families/equal_volumes.py`). Own axes are not drawn exactly: their rows in the frame of Psi's own
axes follow from the largest eigenvalue on, each an angular central Gaussian in what is left of the
space (Tyler 1987, Biometrika 74, 579-589), with which Kent, Ganeiban & Mardia (2018, J. Comput.
Graph. Stat. 27, 291-301) envelop Bingham's distribution: that of a row if the later ones had
equal eigenvalues.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np

from ...families.equal_volumes import log_group
from ...families.family import Family
from ...families.matrices import CODES, EQUAL, IDENTITY, VARIABLE, Codes, eigen
from ...kernels.calls import caller
from ...kernels.compilation import BOOL, F1, F2, FLOAT, INT, inlined, jit, part, typed
from ...utils.types import FloatArray
from .gibbs_axes import AXES_STATE
from .gibbs_sweeps import log_gamma_draw

# The levels at which the integral over an own shape is tabulated, and their distance.
_LOW, _HIGH, _APART = -25.0, 12.0, 0.02
_EULER = 0.5772156649015329
# Halvings of the interval that has the envelope's only parameter.
_HALVINGS = 40


class OwnPrior(NamedTuple):
    """The address of `own_parts`, or 0 where nothing is anybody's own, and what it reads.

    The letters, w, and Psi = t frame diag(ratios) frame' with t = Psi_11 / first. ratios (d,) are
    largest first; curve has the logarithm of the integral over an own shape, but
    for a part in closed form, at levels _LOW, ..., _HIGH.
    """

    drawing: int
    letters: Codes
    weight: float
    first: float
    frame: FloatArray
    ratios: FloatArray
    curve: FloatArray


# Of other families.
NOTHING_OWN = OwnPrior(0, Codes(EQUAL, EQUAL, EQUAL), 0.0, 1.0, np.eye(1), np.empty(0), np.empty(0))
OWN = typed(OwnPrior, INT, CODES, FLOAT, FLOAT, F2, F1, F1)
_DRAW = FLOAT(nb.types.npy_rng, OWN, F2, AXES_STATE, INT, BOOL)
call_own_parts = caller(_DRAW)


def own_prior(family: Family, dof: float, psi: FloatArray) -> OwnPrior:
    """The prior of a family whose components share some of volume, shape and axes, and not all."""
    d = len(psi)
    values, frame = np.linalg.eigh(psi)
    levels = np.arange(_LOW, _HIGH, _APART)
    curve = log_group(levels, d) + d * np.exp(levels) if family.codes.shape == VARIABLE else []
    return OwnPrior(
        own_parts.address, family.codes, float(dof + d + 1), float(psi[0, 0]),
        np.ascontiguousarray(frame[:, ::-1]), values[::-1].copy(), np.asarray(curve, dtype=float),
    )  # fmt: skip


@inlined
def drawn_exactly(own):  # type: ignore[no-untyped-def]
    """Whether all weights are g."""
    return own.letters.orientation != VARIABLE


@part(_DRAW, from_python=True)
def own_parts(rng, own, psi, state, k, drawing):  # type: ignore[no-untyped-def]
    """Draw a component's own parts if told to, and return the log weight of what it has.

    state has room for all components in what is their own.
    """
    volumes, log_shapes, axes = state
    d = len(psi)
    half = 0.5 * own.weight
    squares = np.empty(d)
    if own.letters.orientation == VARIABLE:
        return _with_own_axes(rng, own, psi, state, k, drawing, squares)
    for j in range(d):
        squares[j] = psi[j, j]
    if own.letters.orientation != IDENTITY:
        _along(psi, axes[0], squares)
    value = 0.0
    if own.letters.volume != VARIABLE:
        level = -np.log(volumes[0])
        for j in range(d):
            level += np.log(0.5 * squares[j]) / d
        if drawing:
            _draw_shape(rng, squares, volumes[0], level, log_shapes[k])
        value = _log_group(level, d, own.curve) - half * d * np.log(volumes[0])
    elif own.letters.shape == VARIABLE:
        log_volume = 0.0
        for j in range(d):
            rate = 0.5 * squares[j]
            value += math.lgamma(half - 1.0) - (half - 1.0) * np.log(rate)
            if drawing:
                log_shapes[k, j] = np.log(rate / rng.standard_gamma(half - 1.0))
                log_volume += log_shapes[k, j] / d
        if drawing:
            for j in range(d):
                log_shapes[k, j] -= log_volume
            volumes[k] = np.exp(log_volume)
    else:
        rate = 0.0
        for j in range(d):
            rate += 0.5 * squares[j] * np.exp(-log_shapes[0, j])
        shape = half * d - 1.0
        if drawing:
            volumes[k] = rate / rng.standard_gamma(shape)
        value = math.lgamma(shape) - shape * np.log(rate)
    return value


@inlined
def _with_own_axes(rng, own, psi, state, k, drawing, squares):  # type: ignore[no-untyped-def]
    """The same of EEV, VEV and EVV."""
    volumes, log_shapes, axes = state
    d = len(psi)
    half = 0.5 * own.weight
    scale = psi[0, 0] / own.first
    values = np.empty(d)
    inverse = np.empty(d)
    of_shapes = 0.0
    for j in range(d):
        values[j] = scale * own.ratios[j]
    shape = log_shapes[0]
    if own.letters.shape == VARIABLE:
        shape = log_shapes[k]
        level = -np.log(volumes[0])
        for j in range(d):
            level += np.log(0.5 * values[j]) / d
        if drawing:
            _draw_shape(rng, values, volumes[0], level, shape)
        # The axes that belong to the shape's elements may change places.
        of_shapes = _log_permanent(values, volumes[0], shape) - math.lgamma(d + 1.0)
        of_shapes -= _log_group(level, d, own.curve)
    for j in range(d):
        inverse[j] = np.exp(-shape[j])
    rate = 0.0
    if own.letters.volume == VARIABLE:
        # The rate that the axes are most likely to have, about which its logarithm is expanded.
        for j in range(d):
            rank = 0
            for q in range(d):
                rank += 1 if inverse[q] < inverse[j] or (inverse[q] == inverse[j] and q < j) else 0
            rate += 0.5 * values[rank] * inverse[j]
        factor = (half * d - 1.0) / rate
    else:
        factor = 1.0 / volumes[0]
    for j in range(d):
        inverse[j] *= factor
    of_axes = _rows(rng, values, inverse, own.frame, axes[k], drawing)
    _along(psi, axes[k], squares)
    rate = 0.0
    for j in range(d):
        rate += 0.5 * squares[j] * inverse[j]
    if own.letters.volume != VARIABLE:
        return -half * d * np.log(volumes[0]) - rate - of_axes - of_shapes
    rate /= factor
    if drawing:
        volumes[k] = rate / rng.standard_gamma(half * d - 1.0)
    return math.lgamma(half * d - 1.0) - (half * d - 1.0) * np.log(rate) - of_axes


@jit()
def _along(matrix, axes, out):  # type: ignore[no-untyped-def]
    """Write (D'C D)_jj."""
    d = len(matrix)
    for j in range(d):
        out[j] = 0.0
        for i in range(d):
            v = 0.0
            for q in range(d):
                v += matrix[i, q] * axes[q, j]
            out[j] += axes[i, j] * v


@jit()
def _log_group(level, d, curve):  # type: ignore[no-untyped-def]
    """Log of the integral over a shape's contrasts at a level, from the table."""
    at = (level - _LOW) / _APART
    i = int(min(max(at, 0.0), len(curve) - 2.0))
    return curve[i] + (at - i) * (curve[i + 1] - curve[i]) - d * np.exp(level)


@jit()
def _draw_shape(rng, squares, volume, level, log_shape):  # type: ignore[no-untyped-def]
    """Draw a shape with density in exp(-sum_j squares_j / (2 volume a_j)), by rejection.

    Log-gamma variables of any shape less their mean are the envelope, as in `draw_contrasts`, and
    the one that fits is known nearly enough.
    """
    d = len(squares)
    shape = np.exp(level) + 0.5 if level >= -2.22 else -1.0 / (level + _EULER)
    total = d * shape
    y = np.empty(d)
    while True:
        mean = 0.0
        for j in range(d):
            y[j] = log_gamma_draw(rng, shape)
            mean += y[j] / d
        away = 0.0
        for j in range(d):
            away += np.exp(y[j] - mean)
        log_ratio = level + np.log(away / total)
        if np.log(1.0 - rng.random()) < total * (1.0 + log_ratio - np.exp(log_ratio)):
            break
    for j in range(d):
        log_shape[j] = np.log(0.5 * squares[j] / volume) - (y[j] - mean + level)


@jit()
def _log_permanent(values, volume, log_shape):  # type: ignore[no-untyped-def]
    """Log of the sum over permutations p of exp(-sum_j values_p(j) / (2 volume a_j))."""
    d = len(values)
    logs = np.empty(2**d)  # of sums over the ways to give the first values to a set of elements
    logs[0] = 0.0
    terms = np.empty(d)
    for chosen in range(1, 2**d):
        i = -1
        for j in range(d):
            i += (chosen >> j) & 1
        peak = -np.inf
        for j in range(d):
            terms[j] = -np.inf
            if (chosen >> j) & 1:
                terms[j] = logs[chosen - 2**j] - 0.5 * values[i] / volume * np.exp(-log_shape[j])
                peak = max(peak, terms[j])
        total = 0.0
        for j in range(d):
            if (chosen >> j) & 1:
                total += np.exp(terms[j] - peak)
        logs[chosen] = peak + np.log(total)
    return logs[2**d - 1]


@jit()
def _rows(rng, values, inverse, frame, axes, drawing):  # type: ignore[no-untyped-def]
    """Draw axes if told to; return the log density of axes, with respect to Haar's measure.

    It is near that in exp(-sum_ij values_i inverse_j R_ij^2 / 2), R = frame'D.
    """
    d = len(values)
    rows = np.empty((d, d))
    if not drawing:
        _turn(frame, True, axes, rows)
    left = np.empty((d, d))  # whose first columns span what is left of the space
    turned = np.empty((d, d))
    u = np.empty(d)
    widths = np.empty(d)
    for i in range(d):
        for j in range(d):
            left[i, j] = 1.0 if i == j else 0.0
    value = 0.0
    for i in range(d - 1):
        m = d - i
        later = 0.0
        for q in range(i + 1, d):
            later += values[q] / (m - 1.0)
        _fill_widths(values[i] - later, inverse, m, left, turned, widths)
        square = 0.0
        for p in range(m):
            if drawing:
                u[p] = rng.standard_normal() / math.sqrt(widths[p])
            else:
                u[p] = 0.0
                for j in range(d):
                    u[p] += turned[j, p] * rows[i, j]
            square += u[p] * u[p]
        weighted = 0.0
        for p in range(m):
            u[p] /= math.sqrt(square)
            weighted += widths[p] * u[p] * u[p]
            value += 0.5 * np.log(widths[p])
        value -= 0.5 * m * np.log(weighted)
        if drawing:
            for j in range(d):
                rows[i, j] = 0.0
                for p in range(m):
                    rows[i, j] += turned[j, p] * u[p]
        _fill_left(turned, u, m, left)
    if drawing:
        for j in range(d):
            rows[d - 1, j] = left[j, 0]
        _turn(frame, False, rows, axes)
    return value


@jit()
def _turn(frame, back, matrix, out):  # type: ignore[no-untyped-def]
    """Write frame'M, or frame M if not back."""
    d = len(frame)
    for i in range(d):
        for j in range(d):
            out[i, j] = 0.0
            for q in range(d):
                out[i, j] += (frame[q, i] if back else frame[i, q]) * matrix[q, j]


@inlined
def _fill_widths(apart, inverse, m, left, turned, widths):  # type: ignore[no-untyped-def]
    """Write the envelope of exp(-apart sum_j inverse_j r_j^2 / 2), r in the space that is left.

    turned (d, m) becomes the basis along which its precisions are widths, 1 + c / b where the
    exponent is -sum_p c_p u_p^2 / 2, and the least c is 0. With sum_p 1 / (b + c_p) = 1 it is
    narrowest.
    """
    d = len(inverse)
    matrix = np.empty((m, m))
    for p in range(m):
        for q in range(m):
            matrix[p, q] = 0.0
            for j in range(d):
                matrix[p, q] += left[j, p] * inverse[j] * left[j, q]
    along = np.empty(m)
    vectors = np.empty((m, m))
    eigen(matrix, along, vectors)
    for j in range(d):
        for p in range(m):
            turned[j, p] = 0.0
            for q in range(m):
                turned[j, p] += left[j, q] * vectors[q, p]
    for p in range(m):
        along[p] = max(0.0, apart * (along[p] - along[m - 1]))
    low = 1.0
    high = float(m)
    for _ in range(_HALVINGS):
        b = 0.5 * (low + high)
        total = 0.0
        for p in range(m):
            total += 1.0 / (b + along[p])
        if total > 1.0:
            low = b
        else:
            high = b
    for p in range(m):
        widths[p] = 1.0 + along[p] / high


@inlined
def _fill_left(turned, u, m, left):  # type: ignore[no-untyped-def]
    """Write an orthonormal basis of what is orthogonal to u among the first m columns."""
    # Householder's reflection takes u to the first direction, and the others to the basis.
    sign = 1.0 if u[0] >= 0.0 else -1.0
    size = 2.0 + 2.0 * abs(u[0])
    for j in range(len(turned)):
        along = turned[j, 0] * (u[0] + sign)
        for p in range(1, m):
            along += turned[j, p] * u[p]
        for p in range(1, m):
            left[j, p - 1] = turned[j, p] - 2.0 * u[p] * along / size
