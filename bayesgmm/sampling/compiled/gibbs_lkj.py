"""A covariance under an LKJ prior given rows, for Gibbs sampling, compiled.

Its conditional distribution is no known one. A proposal from the inverse Wishart that the rows, and
the prior's power of a common scale of all deviations, make of it is taken or not (Metropolis &
Hastings): with many rows it nearly always is, and the ratio of the densities is bounded. Then each
logarithm of a deviation, and each partial correlation, is drawn given the others by slice sampling
(Neal 2003, Ann. Stat. 31, 705-767), which moves components with few rows or none.

Half-t deviations may be as small as they like, and with too small ones the next pass over the rows
would lose its digits: what is drawn has s_j^2 |R| above a floor, which leaves out a share of the
prior of some 1e-4 in a component without rows.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ...density.deviations import of_correlations, of_deviations, write_factor
from ...families.matrices import copy_matrix
from ...kernels.calls import caller
from ...kernels.cholesky import cholesky
from ...kernels.compilation import F1, F2, FLOAT, jit, part
from ...utils.types import FloatArray, IntArray
from .variates import inverse_wishart

# `Deviations.packed`, then `floors`; count and scatter of the rows; the covariance, which is
# overwritten.
DRAW_LKJ = nb.void(nb.types.npy_rng, F1, FLOAT, F2, F2)
call_draw_lkj = caller(DRAW_LKJ)
_MOST_STEPS = 32
# Least sqrt(s_j^2 |R|) in the columns' scales, and what a start has to exceed it by.
_FLOOR, _MARGIN = 2e-4, 2.0


@part(DRAW_LKJ, from_python=True)
def draw_lkj(rng, packed, count, scatter, covariance):  # type: ignore[no-untyped-def]
    """Move a covariance (d, d), or variances (1, d)."""
    rows, d = covariance.shape
    full = rows == d and d > 1
    if rows == d:
        _propose(rng, packed, count, scatter, covariance)
    x = np.empty(d + (d * (d - 1) // 2 if full else 0))
    lower = np.zeros((d, d))
    _coordinates(packed[0], covariance, lower, x)
    value = _log_density(packed, count, scatter, lower, x)
    for i in range(len(x)):
        value = _slice(rng, packed, count, scatter, lower, x, i, value)
    write_factor(packed[0], x[:d], x[d:], lower)
    for i in range(d):
        for j in range(i + 1 if rows == d else 0):
            v = 0.0
            for q in range(j + 1):
                v += lower[i, q] * lower[j, q]
            covariance[i, j] = v
            covariance[j, i] = v
        if rows < d:
            covariance[0, i] = lower[i, i] * lower[i, i]


def floors(scale: FloatArray) -> FloatArray:
    """The least s_j^2 |R| (d,) in columns of these scales."""
    return np.asarray((_FLOOR * scale) ** 2)


def narrow(covariances: FloatArray, scale: FloatArray) -> IntArray:
    """Which of covariances (K, d, d) are too near the floor, or below it, to start from."""
    variances = np.einsum("kjj->kj", covariances)
    log_r = np.linalg.slogdet(covariances)[1] - np.log(variances).sum(axis=1)
    least = np.log(variances) + log_r[:, None] - np.log(_MARGIN**2 * floors(scale))
    return np.flatnonzero(least.min(axis=1) < 0.0)


@jit()
def _propose(rng, packed, count, scatter, covariance):  # type: ignore[no-untyped-def]
    """Take an inverse Wishart matrix for the covariance, or not."""
    d = len(covariance)
    dof = count + 2.0 * packed[1]
    lower = np.empty((d, d))
    regular = np.isfinite(cholesky(scatter, lower))
    if dof < d or not regular:
        return
    new = np.empty((d, d))
    inverse_wishart(rng, dof, scatter, new)
    gain = _weight(packed, new, lower) - _weight(packed, covariance, lower)
    if np.log(1.0 - rng.random()) < gain:
        copy_matrix(new, covariance)


@jit()
def _weight(packed, covariance, lower):  # type: ignore[no-untyped-def]
    """Log of the posterior's over the proposal's density, of Sigma's elements."""
    d = len(covariance)
    power, beta = packed[1], packed[2]
    eta = packed[3 + 3 * d] - 0.5 * (d - 2.0) if d > 1 else 1.0
    log_r = cholesky(covariance, lower)
    for j in range(d):
        log_r -= np.log(covariance[j, j])
    total = (eta + power + 0.5 * (d - 1.0)) * log_r
    for j in range(d):
        v = covariance[j, j]
        if np.log(v) + log_r < np.log(packed[len(packed) - d + j]):
            return -np.inf
        total -= beta * np.log1p(v / packed[3 + j]) + packed[3 + d + j] / v
    return total


@jit()
def _coordinates(root, covariance, lower, x):  # type: ignore[no-untyped-def]
    """Write the coordinates (`density/deviations.py`)."""
    rows, d = covariance.shape
    if rows < d:
        for j in range(d):
            x[j] = np.log(covariance[0, j]) / root
        return
    cholesky(covariance, lower)
    f = d
    for i in range(d):
        x[i] = np.log(covariance[i, i]) / root
        for j in range(i):
            left = 0.0
            for q in range(j + 1, i + 1):
                left += lower[i, q] * lower[i, q]
            # tanh^-1 of a / sqrt(a^2 + left) is sinh^-1(a / sqrt(left)).
            x[f] = 2.0 * np.arcsinh(lower[i, j] / np.sqrt(left))
            f += 1


@jit()
def _log_density(packed, count, scatter, lower, x):  # type: ignore[no-untyped-def]
    """The log density in the coordinates; `lower` is scratch."""
    rows, d = scatter.shape
    nowhere = np.zeros(len(x))
    write_factor(packed[0], x[:d], x[d:], lower)
    total = of_deviations(packed, x[:d], nowhere)
    if len(x) > d:
        total += of_correlations(packed[3 + 3 * d :], x[d:], nowhere)
    log_r = 0.0
    for j in range(d):
        log_r += 2.0 * np.log(lower[j, j]) - packed[0] * x[j]
    for j in range(d):
        if packed[0] * x[j] + log_r < np.log(packed[len(packed) - d + j]):
            return -np.inf
    y = np.empty(d)
    for i in range(d):
        total -= count * np.log(lower[i, i])
        if rows < d:
            total -= 0.5 * scatter[0, i] / (lower[i, i] * lower[i, i])
            continue
        for j in range(i, -1, -1):  # row i of L^-1
            v = 1.0 if i == j else 0.0
            for q in range(j + 1, i + 1):
                v -= y[q] * lower[q, j]
            y[j] = v / lower[j, j]
        for j in range(i + 1):
            for q in range(i + 1):
                total -= 0.5 * y[j] * scatter[j, q] * y[q]
    return total


@jit()
def _slice(rng, packed, count, scatter, lower, x, i, value):  # type: ignore[no-untyped-def]
    """Move coordinate i, whose density is now that: stepping out by 1, then shrinking."""
    now = x[i]
    level = value + np.log(1.0 - rng.random())
    low = now - rng.random()
    high = low + 1.0
    # As many steps out on either side as make their number independent of where x lies.
    below = int(rng.random() * _MOST_STEPS)
    above = _MOST_STEPS - 1 - below
    x[i] = low
    while below > 0 and _log_density(packed, count, scatter, lower, x) > level:
        x[i] -= 1.0
        below -= 1
    low = x[i]
    x[i] = high
    while above > 0 and _log_density(packed, count, scatter, lower, x) > level:
        x[i] += 1.0
        above -= 1
    high = x[i]
    while True:
        x[i] = low + rng.random() * (high - low)
        new = _log_density(packed, count, scatter, lower, x)
        if new >= level:
            return new
        if x[i] < now:
            low = x[i]
        else:
            high = x[i]
