"""The M-step under a bound on the ratio of eigenvalues, compiled.

All eigenvalues of all covariances lie in [m, c m] with m free: the likelihood is then bounded
(Hathaway 1985, Ann. Stat. 13, 795-800). Given the axes, which stay those of the scatters, an
eigenvalue is its unbounded estimate cut to the interval, and m the best of finitely many
(Fritz, Garcia-Escudero & Mayo-Iscar 2013, Comput. Stat. Data Anal. 61, 124-136).
"""

from __future__ import annotations

import numpy as np

from ..kernels.compilation import jit, part
from .m_steps import M_STEP
from .matrices import IDENTITY, VARIABLE, compose, eigen


@part(M_STEP, from_python=True)
def bounded_m_step(codes, ratio, counts, scatters, sweeps, warm, start, out):  # type: ignore[no-untyped-def]
    """Write the best covariances whose eigenvalues differ by at most `ratio`.

    An M-step with the arguments of those of `m_steps.m_step`, for families whose eigenvalues are
    free of each other: spherical ones, EEI EEE EEV VVI VVV.
    """
    volume, shape, orientation = codes
    n_components, rows, d = scatters.shape
    common = volume != VARIABLE
    n_groups = 1 if common else n_components
    n_values = 1 if shape == IDENTITY else d
    full = orientation != IDENTITY
    weights = np.zeros(n_groups * n_values)
    sums = np.zeros(n_groups * n_values)
    vectors = np.empty((n_components if full else 0, d, d))
    pooled = np.zeros((d if full else 0, d))
    profile = np.empty(d)
    if full and common and orientation != VARIABLE:
        for k in range(n_components):
            for i in range(d):
                for j in range(d):
                    pooled[i, j] += scatters[k, i, j]
    for k in range(n_components):
        g = 0 if common else k
        if not full:
            for j in range(d):
                profile[j] = scatters[k, 0 if rows == 1 else j, j]
        elif common and orientation != VARIABLE:
            eigen(pooled, profile, vectors[k])
            for j in range(d):
                profile[j] /= n_components
        else:
            eigen(scatters[k], profile, vectors[k])
        for j in range(d):
            i = g * n_values + (0 if n_values == 1 else j)
            weights[i] += counts[k]
            sums[i] += max(profile[j], 0.0)
    values = np.empty(len(sums))
    _cut(weights, sums, ratio, values)
    for k in range(n_components):
        g = 0 if common else k
        for j in range(d):
            profile[j] = values[g * n_values + (0 if n_values == 1 else j)]
        if full:
            compose(profile, vectors[k], out[k])
            continue
        for i in range(rows):
            for j in range(d):
                out[k, i, j] = profile[j] if rows == 1 or i == j else 0.0


@jit()
def _cut(weights, sums, ratio, values):  # type: ignore[no-untyped-def]
    """Minimise sum_i w_i log v_i + s_i / v_i over v in [m, ratio m]^I and m."""
    n = len(sums)
    free = np.empty(n)
    largest = 0.0
    for i in range(n):
        free[i] = sums[i] / weights[i]
        largest = max(largest, free[i])
    if not largest > 0.0:
        for i in range(n):
            values[i] = free[i]
        return
    edges = np.empty(2 * n + 2)
    for i in range(n):
        edges[2 * i] = free[i]
        edges[2 * i + 1] = free[i] / ratio
    edges[2 * n] = 1e-300
    edges[2 * n + 1] = largest
    edges = np.sort(edges)
    best = np.inf
    lowest = largest / ratio
    for e in range(2 * n + 1):
        middle = 0.5 * (edges[e] + edges[e + 1])
        top = 0.0
        under = 0.0
        for i in range(n):
            if free[i] < middle:
                top += sums[i]
                under += weights[i]
            elif free[i] > ratio * middle:
                top += sums[i] / ratio
                under += weights[i]
        m = top / under if under > 0.0 else edges[e]
        m = min(max(m, edges[e]), edges[e + 1])
        if not m > 0.0:
            continue
        value = 0.0
        for i in range(n):
            v = min(max(free[i], m), ratio * m)
            value += weights[i] * np.log(v) + sums[i] / v
        if value < best:
            best = value
            lowest = m
    for i in range(n):
        values[i] = min(max(free[i], lowest), ratio * lowest)
