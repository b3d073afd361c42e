"""Volumes, shapes and axes of covariances drawn given allocations and means, compiled.

Sigma_k = D_k diag(lambda_k a_k) D_k', prod_j a_kj = 1, where letters E make lambda, a or D common.
Given allocations and means the density of `families/parametrisation/axes.py` is

    prod_k |Sigma_k|^-w_k/2 exp(-tr(C_k Sigma_k^-1)/2)  d lambda^e  d log a  dD,

w_k and C_k being the prior's, and the rows' counts and scatters. Every step here draws exactly from
a conditional distribution of it, and reads no row: with s_kj = (D_k' C_k D_k)_jj

- a volume is inverse gamma; where volumes and shapes both vary, so is each lambda_k a_kj;
- two elements of a shape, a_i exp(t) and a_j exp(-t), have a density of t in exp(-c cosh(t - t0));
- two axes turned in their plane by an angle have a von Mises density of twice the angle, as Haar's
  measure is the same after any turn (Hoff 2009, J. Comput. Graph. Stat. 18, 438-456, section 4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np

from ...families.matrices import compose
from ...kernels.calls import caller
from ...kernels.compilation import F1, F2, F3, FLOAT, INT, inlined, jit, part, typed
from ...utils.types import FloatArray

# Rounds over all pairs of axes and of a shape's elements to one sweep.
_ROUNDS = 2


class AxesState(NamedTuple):
    """Volumes (1,) or (K,), logarithms of shapes (1 or K, d) and axes (0, 1 or K, d, d)."""

    volumes: FloatArray
    log_shapes: FloatArray
    axes: FloatArray


AXES_STATE = typed(AxesState, F1, F2, F3)
_DRAW = INT(nb.types.npy_rng, FLOAT, F1, F3, AXES_STATE, F3)
call_draw_axes = caller(_DRAW)


@part(_DRAW)
def draw_axes(rng, power, weights, scales, state, covariances):  # type: ignore[no-untyped-def]
    """Move the state, and write the covariances (K, d, d) or (K, 1, d) that it makes.

    weights (K,) are w_k, scales (K, d, d) or (K, 1, d) C_k; power is e: 1, or d where volumes and
    shapes both vary.
    """
    volumes, log_shapes, axes = state
    n_components, rows, d = covariances.shape
    turned = np.empty((n_components, d, d))
    squares = np.empty((n_components, d))
    for o in range(len(axes)):
        _make_orthonormal(axes[o])
    for k in range(n_components):
        if rows < d:
            for j in range(d):
                squares[k, j] = scales[k, 0, j]
        else:
            _turn_matrix(scales[k], axes[k % len(axes)], turned[k])
    for _ in range(_ROUNDS):
        for o in range(len(axes)):
            _draw_turns(rng, o, state, turned)
        for k in range(n_components if rows == d else 0):
            for j in range(d):
                squares[k, j] = turned[k, j, j]
        if power > 1.0:
            _draw_variances(rng, weights, squares, volumes, log_shapes)
        else:
            for s in range(len(log_shapes)):
                _draw_shape(rng, s, squares, volumes, log_shapes)
            _draw_volumes(rng, power, weights, squares, volumes, log_shapes)
    variances = np.empty(d)
    for k in range(n_components):
        for j in range(d):
            variances[j] = volumes[k % len(volumes)] * np.exp(log_shapes[k % len(log_shapes), j])
        if rows < d:
            for j in range(d):
                covariances[k, 0, j] = variances[j]
        else:
            compose(variances, axes[k % len(axes)], covariances[k])
    return 0


@inlined
def _make_orthonormal(axes):  # type: ignore[no-untyped-def]
    """Take from columns what rounding has added to them in many turns (Gram & Schmidt)."""
    d = len(axes)
    for j in range(d):
        for q in range(j + 1):
            v = 0.0
            for i in range(d):
                v += axes[i, q] * axes[i, j]
            for i in range(d):
                if q < j:
                    axes[i, j] -= v * axes[i, q]
                else:
                    axes[i, j] /= math.sqrt(v)


@inlined
def _turn_matrix(matrix, axes, out):  # type: ignore[no-untyped-def]
    """Write D'C D."""
    d = len(axes)
    column = np.empty(d)
    for j in range(d):
        for i in range(d):
            column[i] = 0.0
            for q in range(d):
                column[i] += matrix[i, q] * axes[q, j]
        for i in range(d):
            out[i, j] = 0.0
            for q in range(d):
                out[i, j] += axes[q, i] * column[q]


@inlined
def _draw_turns(rng, o, state, turned):  # type: ignore[no-untyped-def]
    """Turn every two of the axes `o` in their plane, and the matrices D'C D with them."""
    volumes, log_shapes, axes = state
    n_components, d, _ = turned.shape
    for p in range(d):
        for q in range(p + 1, d):
            # The density of the angle is in exp(along cos 2t + across sin 2t).
            along = 0.0
            across = 0.0
            for k in range(o, n_components, len(axes)):
                log_a = log_shapes[k % len(log_shapes)]
                apart = (np.exp(-log_a[q]) - np.exp(-log_a[p])) / volumes[k % len(volumes)]
                along += 0.25 * apart * (turned[k, p, p] - turned[k, q, q])
                across += 0.5 * apart * turned[k, p, q]
            kappa = math.sqrt(along * along + across * across)
            angle = 0.5 * math.atan2(across, along) + _half_von_mises(rng, kappa)
            c, s = math.cos(angle), math.sin(angle)
            _turn_columns(axes[o], p, q, c, s)
            for k in range(o, n_components, len(axes)):
                _turn_columns(turned[k], p, q, c, s)
                for i in range(d):
                    v = turned[k, p, i]
                    turned[k, p, i] = c * v + s * turned[k, q, i]
                    turned[k, q, i] = c * turned[k, q, i] - s * v


@inlined
def _turn_columns(matrix, p, q, c, s):  # type: ignore[no-untyped-def]
    for i in range(len(matrix)):
        v = matrix[i, p]
        matrix[i, p] = c * v + s * matrix[i, q]
        matrix[i, q] = c * matrix[i, q] - s * v


@inlined
def _draw_variances(rng, weights, squares, volumes, log_shapes):  # type: ignore[no-untyped-def]
    """Draw volumes and shapes of all components as variances along the axes."""
    n_components, d = squares.shape
    for k in range(n_components):
        log_volume = 0.0
        for j in range(d):
            v = 0.5 * squares[k, j] / rng.standard_gamma(0.5 * weights[k] - 1.0)
            log_shapes[k, j] = np.log(v)
            log_volume += log_shapes[k, j] / d
        volumes[k] = np.exp(log_volume)
        for j in range(d):
            log_shapes[k, j] -= log_volume


@inlined
def _draw_shape(rng, s, squares, volumes, log_shapes):  # type: ignore[no-untyped-def]
    """Draw the shape `s` given the volumes, by pairs of elements."""
    n_components, d = squares.shape
    log_a = log_shapes[s]
    total = np.zeros(d)  # of s_kj / lambda_k
    for k in range(s, n_components, len(log_shapes)):
        for j in range(d):
            total[j] += squares[k, j] / volumes[k % len(volumes)]
    for p in range(d):
        for q in range(p + 1, d):
            # The density of t is in exp(-(exp(of_p - t) + exp(of_q + t))/2).
            of_p, of_q = np.log(total[p]) - log_a[p], np.log(total[q]) - log_a[q]
            t = 0.5 * (of_p - of_q) + _hyperbolic(rng, np.exp(0.5 * (of_p + of_q)))
            log_a[p] += t
            log_a[q] -= t
    mean = 0.0  # of rounding errors
    for j in range(d):
        mean += log_a[j] / d
    for j in range(d):
        log_a[j] -= mean


@inlined
def _draw_volumes(rng, power, weights, squares, volumes, log_shapes):  # type: ignore[no-untyped-def]
    """Draw the volumes given the shapes."""
    n_components, d = squares.shape
    for v in range(len(volumes)):
        shape = -power
        scale = 0.0
        for k in range(v, n_components, len(volumes)):
            shape += 0.5 * d * weights[k]
            for j in range(d):
                scale += 0.5 * squares[k, j] * np.exp(-log_shapes[k % len(log_shapes), j])
        volumes[v] = scale / rng.standard_gamma(shape)


@jit()
def _half_von_mises(rng, kappa):  # type: ignore[no-untyped-def]
    """A draw of t in (-pi/2, pi/2) with density in exp(kappa cos 2t), by rejection.

    Best & Fisher (1979), Appl. Stat. 28, 152-157, propose from a wrapped Cauchy distribution, that
    of t = atan(g c) for Cauchy c; here g^2 = 1 / (1 + 4 kappa), with which y = sin(t)^2 at the
    largest ratio of the densities is 1 / (4 kappa), or 1 where that is larger, and no digit is lost
    for any kappa.
    """
    g = 1.0 / math.sqrt(1.0 + 4.0 * kappa)
    y = min(1.0, 0.25 / kappa) if kappa > 0.0 else 1.0
    largest = math.log1p(4.0 * kappa * y) - 2.0 * kappa * y
    while True:
        t = math.atan(g * math.tan(math.pi * (rng.random() - 0.5)))
        y = math.sin(t) ** 2
        ratio = math.log1p(4.0 * kappa * y) - 2.0 * kappa * y
        if math.log(1.0 - rng.random()) <= ratio - largest:
            return t


@jit()
def _hyperbolic(rng, c):  # type: ignore[no-untyped-def]
    """A draw of t with density in exp(-c cosh t), by rejection.

    Devroye (1986), Non-Uniform Random Variate Generation, section VII.2: a log-concave density is
    nowhere above its mode's height, nor above its tangent at m, where it is 1/e of that.
    At least 0.7 of the proposals are taken, for any c.
    """
    excess = 1.0 / c  # of cosh m over 1
    m = math.log1p(excess + math.sqrt(excess * (excess + 2.0)))
    slope = math.sqrt(1.0 + 2.0 * c)
    outside = math.exp(-1.0) / slope
    while True:
        t = (m + outside) * rng.random()
        height = 0.0
        if t > m:
            beyond = rng.standard_exponential() / slope
            t = m + beyond
            height = -1.0 - slope * beyond
        if math.log(1.0 - rng.random()) <= -2.0 * c * math.sinh(0.5 * t) ** 2 - height:
            return t if rng.random() < 0.5 else -t
