"""Rotations in free coordinates, compiled (`families/parametrisation/rotations.py`).

For each there is a function for D and the log of Haar's density, without its constant, and one for
the gradient of both. The coordinates `skew` are the strict lower triangle of S by rows.
"""

from __future__ import annotations

import math

import numpy as np

from ..families.parametrisation.rotations import SOFTNESS
from ..kernels.compilation import inlined, jit

_COSH = math.cosh(math.pi / SOFTNESS)
_SMALL = 1e-4


@inlined
def rotation(skew, about, state, out):  # type: ignore[no-untyped-def]
    """Write D, and to state (d, d) what the gradient needs; return the log density."""
    if len(about) <= 3:
        return _turn(skew, about, state, out)
    return _cayley(skew, about, state, out)


@inlined
def pull_back_rotation(gradient, about, state, skew, out):  # type: ignore[no-untyped-def]
    """Add to out the gradient in skew, from that in D, and of the log density."""
    if len(about) <= 3:
        _pull_back_turn(gradient, about, state, skew, out)
    else:
        _pull_back_cayley(gradient, about, state, out)


@inlined
def _ratios(square):  # type: ignore[no-untyped-def]
    """Functions of an angle: cos t, a = sin t / t, b = (1 - cos t) / t^2, from the square of t."""
    if square < _SMALL:
        a = 1.0 - square / 6.0 + square * square / 120.0
        b = 0.5 - square / 24.0 + square * square / 720.0
        return 1.0 - square * b, a, b
    t = np.sqrt(square)
    half = np.sin(0.5 * t)
    return np.cos(t), np.sin(t) / t, 2.0 * half * half / square


@inlined
def _squared(skew):  # type: ignore[no-untyped-def]
    total = 0.0
    for f in range(len(skew)):
        total += skew[f] * skew[f]
    return total


@jit()
def _turn(skew, about, s, out):  # type: ignore[no-untyped-def]
    """Write S and D = D0 (I + a S + b S S), Rodrigues' formula for two and three columns."""
    d = len(about)
    square = _squared(skew)
    _, a, b = _ratios(square)
    turn = np.empty((d, d))
    f = 0
    for i in range(d):
        s[i, i] = 0.0
        for j in range(i):
            s[i, j] = skew[f]
            s[j, i] = -skew[f]
            f += 1
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(d):
                v += s[i, q] * s[q, j]
            turn[i, j] = a * s[i, j] + b * v + (1.0 if i == j else 0.0)
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(d):
                v += about[i, q] * turn[q, j]
            out[i, j] = v
    u = np.sqrt(square) / SOFTNESS
    total = -u - np.log(0.5 * (1.0 + np.exp(-2.0 * u)) + _COSH * np.exp(-u))
    return total + np.log(b) if d > 2 else total


@jit()
def _pull_back_turn(gradient, about, s, skew, out):  # type: ignore[no-untyped-def]
    """With H = D0'G: dD is D0 (a dS + b (dS S + S dS) + (a' S + b' S S) dt), t dt = skew dskew."""
    d = len(about)
    square = _squared(skew)
    cosine, a, b = _ratios(square)
    if square < _SMALL:
        of_a, of_b = -1.0 / 3.0 + square / 30.0, -1.0 / 12.0 + square / 180.0
    else:
        of_a, of_b = (cosine - a) / square, (a - 2.0 * b) / square
    h = np.empty((d, d))
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(d):
                v += about[q, i] * gradient[q, j]
            h[i, j] = v
    along = 0.0  # of t dt
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(d):
                v += s[i, q] * s[q, j]
            along += h[i, j] * (of_a * s[i, j] + of_b * v)
    t = np.sqrt(square)
    u = t / SOFTNESS
    ends = 0.5 * (1.0 + np.exp(-2.0 * u)) + _COSH * np.exp(-u)
    slope = -0.5 * np.expm1(-2.0 * u) / t if t > 0.0 else 1.0 / SOFTNESS
    along -= slope / (SOFTNESS * ends)
    if d > 2:
        along += of_b / b
    f = 0
    for i in range(d):
        for j in range(i):
            v = a * (h[i, j] - h[j, i])
            for q in range(d):  # M = H S + S H, of which M_ji - M_ij is needed
                v += b * (h[j, q] * s[q, i] + s[j, q] * h[q, i])
                v -= b * (h[i, q] * s[q, j] + s[i, q] * h[q, j])
            out[f] += v + along * skew[f]
            f += 1


@jit()
def _cayley(skew, about, resolvent, out):  # type: ignore[no-untyped-def]
    """Write A = (I + S)^-1 and D = D0 (I - S) A; return -(d - 1) log|I + S|.

    S is skew-symmetric with strict lower triangle `skew` by rows. No pivots are sought: the
    symmetric part of I + S, which is I, keeps them from vanishing.
    """
    d = len(about)
    work = np.empty((d, d))
    f = 0
    for i in range(d):
        work[i, i] = 1.0
        for j in range(i):
            work[i, j] = skew[f]
            work[j, i] = -skew[f]
            f += 1
        for j in range(d):
            resolvent[i, j] = 1.0 if i == j else 0.0
    log_det = 0.0
    for i in range(d):
        pivot = work[i, i]
        log_det += np.log(pivot)
        for j in range(d):
            work[i, j] /= pivot
            resolvent[i, j] /= pivot
        for q in range(d):
            if q != i:
                c = work[q, i]
                for j in range(d):
                    work[q, j] -= c * work[i, j]
                    resolvent[q, j] -= c * resolvent[i, j]
    for i in range(d):  # (I - S) A = 2 A - I
        for j in range(d):
            v = -about[i, j]
            for q in range(d):
                v += 2.0 * about[i, q] * resolvent[q, j]
            out[i, j] = v
    return (1.0 - d) * log_det


@jit()
def _pull_back_cayley(gradient, about, resolvent, out):  # type: ignore[no-untyped-def]
    """Add to out the gradient in `skew`, from that in D, and of -(d - 1) log|I + S|.

    dD = -2 D0 A dS A and d log|I + S| = tr(A dS).
    """
    d = len(about)
    half = np.empty((d, d))
    for i in range(d):  # A G'
        for j in range(d):
            v = 0.0
            for q in range(d):
                v += resolvent[i, q] * gradient[j, q]
            half[i, j] = v
    right = np.empty((d, d))
    for i in range(d):  # D0 A
        for j in range(d):
            v = 0.0
            for q in range(d):
                v += about[i, q] * resolvent[q, j]
            right[i, j] = v
    f = 0
    for i in range(d):
        for j in range(i):
            v = 0.0
            for q in range(d):  # M = A G' D0 A, of which M_ji - M_ij is needed
                v += half[j, q] * right[q, i] - half[i, q] * right[q, j]
            out[f] -= 2.0 * v + (d - 1.0) * (resolvent[j, i] - resolvent[i, j])
            f += 1
