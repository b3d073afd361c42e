"""The M-step for orientations that all components share (EVE, VVE)."""

from __future__ import annotations

import numpy as np

from ..kernels.compilation import inlined, jit
from .matrices import EQUAL, FEW_SWEEPS, TINY, copy_matrix, eigen

_ANGLE = 1e-10


@inlined
def common_axes(volume, counts, scatters, sweeps, warm, axes, profiles):  # type: ignore[no-untyped-def]
    """EVE and VVE: write axes D in common, and the sums of squares (K, d) along them.

    Minimises sum_k n_k sum_j log (D'W_kD)_jj for VVE (Flury 1984, JASA 79, 892-898), or
    sum_k prod_j (D'W_kD)_jj^(1/d) for EVE, which is what is left when the variances along the
    axes are at their optimum. A cold start takes the axes of the pooled scatter, and if there are
    sweeps to reach the optimum it tries those of each W_k as well.
    """
    n_components, d, _ = scatters.shape
    values = np.empty(d)
    trial = np.empty((d, d))
    turned = np.empty((n_components, d, d))
    pooled = np.zeros((d, d))
    for k in range(n_components):
        for i in range(d):
            for j in range(d):
                pooled[i, j] += scatters[k, i, j]
    best = np.inf
    alone = warm or n_components == 1 or sweeps <= FEW_SWEEPS
    for start in range(1 if alone else n_components + 1):
        if warm:
            copy_matrix(axes, trial)
        else:
            eigen(pooled if start == 0 else scatters[start - 1], values, trial)
        _turn_all(scatters, trial, turned)
        value = _rotate(volume, counts, turned, trial, sweeps, not warm)
        if start == 0 or value < best:
            best = value
            copy_matrix(trial, axes)
            for k in range(n_components):
                for j in range(d):
                    profiles[k, j] = turned[k, j, j]


@inlined
def _turn_all(scatters, axes, turned):  # type: ignore[no-untyped-def]
    """Write D'W_kD for all k."""
    n_components, d, _ = scatters.shape
    half = np.empty((d, d))
    for k in range(n_components):
        w = scatters[k]
        for i in range(d):
            for j in range(d):
                total = 0.0
                for q in range(d):
                    total += w[i, q] * axes[q, j]
                half[i, j] = total
        for i in range(d):
            for j in range(d):
                total = 0.0
                for q in range(d):
                    total += axes[q, i] * half[q, j]
                turned[k, i, j] = total


@inlined
def _rotate(volume, counts, turned, axes, sweeps, globally):  # type: ignore[no-untyped-def]
    """Rotate in every plane in turn until nothing is gained; return the objective.

    turned (K, d, d) is D'W_kD for the current axes D. globally: search all angles of a plane, else
    only descend from the current one.
    """
    n_components, d, _ = turned.shape
    mean = np.empty(n_components)
    cosine = np.empty(n_components)
    sine = np.empty(n_components)
    factor = np.empty(n_components)
    for _ in range(sweeps):
        largest = 0.0
        for p in range(d):
            for q in range(p + 1, d):
                for k in range(n_components):
                    w = turned[k]
                    mean[k] = 0.5 * (w[p, p] + w[q, q])
                    cosine[k] = 0.5 * (w[p, p] - w[q, q])
                    sine[k] = w[p, q]
                    factor[k] = counts[k]
                    if volume == EQUAL:
                        rest = 0.0
                        for j in range(d):
                            if j != p and j != q:
                                rest += np.log(max(w[j, j], TINY))
                        factor[k] = np.exp(rest / d)
                angle = 0.5 * _best_angle(volume, d, mean, cosine, sine, factor, globally)
                if angle == 0.0:
                    continue
                largest = max(largest, abs(angle))
                c = np.cos(angle)
                s = np.sin(angle)
                for i in range(d):
                    a = axes[i, p]
                    b = axes[i, q]
                    axes[i, p] = c * a + s * b
                    axes[i, q] = c * b - s * a
                for k in range(n_components):
                    w = turned[k]
                    for i in range(d):
                        a = w[i, p]
                        b = w[i, q]
                        w[i, p] = c * a + s * b
                        w[i, q] = c * b - s * a
                    for i in range(d):
                        a = w[p, i]
                        b = w[q, i]
                        w[p, i] = c * a + s * b
                        w[q, i] = c * b - s * a
        if largest <= _ANGLE:
            break
    value = 0.0
    for k in range(n_components):
        logs = 0.0
        for j in range(d):
            logs += np.log(max(turned[k, j, j], TINY))
        value += np.exp(logs / d) if volume == EQUAL else counts[k] * logs
    return value


@jit()
def _plane(volume, d, mean, cosine, sine, factor, t):  # type: ignore[no-untyped-def]
    """The objective of a plane at angle t/2, and its first and second derivatives.

    The variances along the two axes are m + u and m - u, with u(t) = cosine cos t + sine sin t.
    """
    c = np.cos(t)
    s = np.sin(t)
    value = 0.0
    first = 0.0
    second = 0.0
    for k in range(len(mean)):
        u = cosine[k] * c + sine[k] * s
        du = sine[k] * c - cosine[k] * s
        m = mean[k]
        product = max((m - u) * (m + u), 1e-30 * m * m + TINY)
        log1 = -2.0 * u * du / product  # derivatives of log(product); u'' = -u
        log2 = -2.0 * (du * du - u * u) / product - log1 * log1
        if volume == EQUAL:
            power = factor[k] * np.exp(np.log(product) / d)
            value += power
            first += power * log1 / d
            second += power * (log2 / d + log1 * log1 / (d * d))
        else:
            value += factor[k] * np.log(product)
            first += factor[k] * log1
            second += factor[k] * log2
    return value, first, second


@inlined
def _best_angle(volume, d, mean, cosine, sine, factor, globally):  # type: ignore[no-untyped-def]
    """The t in (-pi/2, pi/2] that minimises the plane's objective, 0 where nothing is gained."""
    at = 0.0
    value, first, second = _plane(volume, d, mean, cosine, sine, factor, 0.0)
    here = value
    if globally:
        for step in range(-7, 9):
            t = step * (np.pi / 16.0)
            trial, g, h = _plane(volume, d, mean, cosine, sine, factor, t)
            if trial < value:
                at, value, first, second = t, trial, g, h
    for _ in range(8 if globally else 2):
        if first == 0.0:
            break
        step = -first / second if second > 0.0 else -0.2 * np.sign(first)
        step = min(max(step, -0.5), 0.5)
        improved = False
        for _ in range(30):
            trial, g, h = _plane(volume, d, mean, cosine, sine, factor, at + step)
            # values distinguish angles down to 1e-8; below, the slope does
            if trial < value or (abs(step) < 1e-5 and abs(g) < abs(first)):
                improved = True
                break
            step *= 0.25
            if abs(step) < 1e-12:
                break
        if not improved:
            break
        at += step
        value, first, second = trial, g, h
    return at if value <= here or abs(at) < 1e-5 else 0.0
