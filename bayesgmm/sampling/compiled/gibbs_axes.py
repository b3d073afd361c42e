"""Volumes, shapes and axes of covariances drawn given allocations and means, compiled.

Sigma_k = D_k diag(lambda_k a_k) D_k', prod_j a_kj = 1, where letters E make lambda, a or D common.
Given allocations and means the density of `families/parametrisation/axes.py` is

    prod_k |Sigma_k|^-w_k/2 exp(-tr(C_k Sigma_k^-1)/2)  d lambda^e  d log a  dD,

w_k and C_k being the prior's, and the rows' counts and scatters. Every step here draws exactly from
a conditional distribution of it, and reads no row: with s_kj = (D_k' C_k D_k)_jj

- a volume is inverse gamma; where volumes and shapes both vary, so is each lambda_k a_kj, and where
  the shape is common each lambda_1 a_j given the ratios of the volumes;
- two elements of an own shape, a_i exp(t) and a_j exp(-t), have a density in exp(-c cosh(t - t0));
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
from ...kernels.compilation import F1, F2, F3, FLOAT, INT, inlined, part, typed
from ...utils.types import FloatArray
from .variates import half_von_mises, hyperbolic

# Rounds over all pairs of axes and of a shape's elements to one sweep.
_ROUNDS = 2


class AxesState(NamedTuple):
    """Volumes (1,) or (K,), logarithms of shapes (1 or K, d) and axes (0, 1 or K, d, d)."""

    volumes: FloatArray
    log_shapes: FloatArray
    axes: FloatArray


AXES_STATE = typed(AxesState, F1, F2, F3)
DRAW = INT(nb.types.npy_rng, FLOAT, F1, F3, AXES_STATE, F3)
call_draw_axes = caller(DRAW)


@part(DRAW, from_python=True)
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
            if len(log_shapes) == 1:
                _draw_common_shape(rng, power, weights, squares, volumes, log_shapes)
            else:
                for k in range(n_components):
                    _draw_shape(rng, k, squares, volumes[0], log_shapes[k])
            _draw_volumes(rng, power, weights, squares, volumes, log_shapes)
    for k in range(n_components):
        compose_covariance(state, k, covariances[k])
    return 0


@inlined
def compose_covariance(state, k, covariance):  # type: ignore[no-untyped-def]
    """Write component k's covariance (d, d) or (1, d)."""
    volumes, log_shapes, axes = state
    rows, d = covariance.shape
    variances = np.empty(d)
    for j in range(d):
        variances[j] = volumes[k % len(volumes)] * np.exp(log_shapes[k % len(log_shapes), j])
    if rows < d:
        for j in range(d):
            covariance[0, j] = variances[j]
    else:
        compose(variances, axes[k % len(axes)], covariance)


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
            angle = 0.5 * math.atan2(across, along) + half_von_mises(rng, kappa)
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
def _draw_common_shape(rng, power, weights, squares, volumes, log_shapes):  # type: ignore[no-untyped-def]
    """Draw a shape that all components have, and the level of their volumes, given their ratios."""
    n_components, d = squares.shape
    shape = -power * len(volumes) / d
    for k in range(n_components):
        shape += 0.5 * weights[k]
    level = 0.0
    for j in range(d):
        total = 0.0
        for k in range(n_components):
            total += 0.5 * squares[k, j] * (volumes[0] / volumes[k % len(volumes)])
        log_shapes[0, j] = np.log(total / rng.standard_gamma(shape))
        level += log_shapes[0, j] / d
    for j in range(d):
        log_shapes[0, j] -= level
    for v in range(len(volumes) - 1, -1, -1):
        volumes[v] *= np.exp(level) / volumes[0]


@inlined
def _draw_shape(rng, k, squares, volume, log_a):  # type: ignore[no-untyped-def]
    """Draw a component's own shape given the volume, by pairs of elements."""
    d = len(log_a)
    for p in range(d):
        for q in range(p + 1, d):
            # The density of t is in exp(-(exp(of_p - t) + exp(of_q + t))/2).
            of_p = np.log(squares[k, p] / volume) - log_a[p]
            of_q = np.log(squares[k, q] / volume) - log_a[q]
            t = 0.5 * (of_p - of_q) + hyperbolic(rng, np.exp(0.5 * (of_p + of_q)))
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
