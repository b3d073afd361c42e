"""Anderson acceleration of EM, compiled: the next point from the last few steps.

Walker & Ni (2011), SIAM J. Numer. Anal. 49, 1715-1735; for EM, with restarts and a monotone
safeguard, Henderson & Varadhan (2019), J. Comput. Graph. Stat. 28, 834-846. The points are
written in coordinates in which every real vector is a mixture: logarithms of the proportions,
means, and Cholesky factors of the covariances with logarithms on their diagonals.

Anderson's combination looks for a fixed point of EM, of any kind: near a saddle it would go back.
Where it does not go forward along the EM step, that step is stretched instead (as SQUAREM does:
Varadhan & Roland 2008, Scand. J. Stat. 35, 335-353), further each time that succeeds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.calls import caller, uncounted
from ..kernels.cholesky import cholesky, solve
from ..kernels.compilation import BOOL, F1, F2, FLOAT, INT, inlined, jit, part, typed
from ..kernels.e_step.arrays import MIXTURE
from ..utils.types import FloatArray

WINDOW = 8
# Singular directions of the last steps are left out relative to the largest one.
_REGULAR = 1e-12


def n_coordinates(n_components: int, rows: int, d: int) -> int:
    """Length of the coordinates of K components with covariances (K, rows, d)."""
    return n_components * (1 + d + (d if rows == 1 else d * (d + 1) // 2))


class Memory(NamedTuple):
    """The last points: units (P,) in which coordinates are compared, and what is kept of them.

    images and steps (WINDOW + 1, P) keep images and f = image - point, gram (WINDOW + 1,
    WINDOW + 1) the products of the f.
    """

    units: FloatArray
    images: FloatArray
    steps: FloatArray
    gram: FloatArray


_STEP = BOOL(MIXTURE, FLOAT, INT, typed(Memory, F1, F2, F2, F2), MIXTURE)
call_accelerated_step = caller(_STEP)


@part(_STEP, level=1)
def accelerated_step(old, stretch, n_kept, memory, new):  # type: ignore[no-untyped-def]
    """Overwrite the EM image of the old mixture by the next point; return whether stretched.

    The memory is of the last n_kept points.
    """
    old, memory, new = uncounted((old, memory, new))
    units = memory.units
    size = len(units)
    here = np.empty(size)
    image = np.empty(size)
    if n_kept == 0:
        _write_units(new.weights, new.covariances, units)
    _write_coordinates(old, units, here)
    _write_coordinates(new, units, image)
    stretched = _extrapolate(here, image, stretch, n_kept, memory)
    _read_coordinates(here, units, new)
    return stretched


@inlined
def _write_units(weights, covariances, units):  # type: ignore[no-untyped-def]
    """Write units of the coordinates, in which a step's length is its effect on the mixture."""
    n_components, rows, d = covariances.shape
    p = 0
    for k in range(n_components):
        share = 1.0 / np.sqrt(weights[k] + 1e-6)
        units[p] = share
        p += 1
        for j in range(d):
            units[p] = share * np.sqrt(covariances[k, 0 if rows == 1 else j, j])
            p += 1
        if rows == 1:
            for _ in range(d):
                units[p] = share
                p += 1
        else:
            for i in range(d):
                for _ in range(i):
                    units[p] = share * np.sqrt(covariances[k, i, i])
                    p += 1
                units[p] = share
                p += 1


@jit()
def _write_coordinates(mixture, units, out):  # type: ignore[no-untyped-def]
    """Write the coordinates (P,) of a mixture, in these units."""
    weights, means, covariances = mixture
    n_components, rows, d = covariances.shape
    lower = np.empty((rows, d))
    p = 0
    for k in range(n_components):
        out[p] = np.log(weights[k])
        p += 1
        for j in range(d):
            out[p] = means[k, j]
            p += 1
        if rows == 1:
            for j in range(d):
                out[p] = 0.5 * np.log(covariances[k, 0, j])
                p += 1
        else:
            cholesky(covariances[k], lower)
            for i in range(d):
                for j in range(i):
                    out[p] = lower[i, j]
                    p += 1
                out[p] = np.log(lower[i, i])
                p += 1
    for i in range(p):
        out[i] /= units[i]


@inlined
def _read_coordinates(coordinates, units, mixture):  # type: ignore[no-untyped-def]
    """Write the mixture of these coordinates; proportions are made to sum to 1."""
    weights, means, covariances = mixture
    n_components, rows, d = covariances.shape
    lower = np.zeros((rows, d))
    total = 0.0
    p = 0
    for k in range(n_components):
        weights[k] = np.exp(min(coordinates[p] * units[p], 100.0))
        total += weights[k]
        p += 1
        for j in range(d):
            means[k, j] = coordinates[p] * units[p]
            p += 1
        if rows == 1:
            for j in range(d):
                covariances[k, 0, j] = np.exp(2.0 * coordinates[p] * units[p])
                p += 1
        else:
            for i in range(d):
                for j in range(i):
                    lower[i, j] = coordinates[p] * units[p]
                    p += 1
                lower[i, i] = np.exp(coordinates[p] * units[p])
                p += 1
            for i in range(d):
                for j in range(i + 1):
                    v = 0.0
                    for q in range(j + 1):
                        v += lower[i, q] * lower[j, q]
                    covariances[k, i, j] = v
                    covariances[k, j, i] = v
    for k in range(n_components):
        weights[k] /= total


@inlined
def _extrapolate(point, image, stretch, n_kept, memory):  # type: ignore[no-untyped-def]
    """Overwrite `point` with the next one, from it and its EM image, and remember both.

    With f = image - point, the last steps are combined so that their combined f is smallest:
    next = image - sum_i gamma_i (image_i+1 - image_i). Returns whether the result is point +
    stretch f instead.
    """
    _, images, steps, gram = memory
    n_points, size = images.shape
    if n_kept == n_points:  # forget the oldest
        n_kept -= 1
        for i in range(n_kept):
            for p in range(size):
                images[i, p] = images[i + 1, p]
                steps[i, p] = steps[i + 1, p]
            for j in range(n_kept):
                gram[i, j] = gram[i + 1, j + 1]
    m = n_kept
    for p in range(size):
        images[m, p] = image[p]
        steps[m, p] = image[p] - point[p]
    for i in range(m + 1):
        total = 0.0
        for p in range(size):
            total += steps[i, p] * steps[m, p]
        gram[i, m] = total
        gram[m, i] = total
    # Least squares in the differences of successive f, by the normal equations with a ridge.
    a = np.empty((m, m))
    gamma = np.empty(m)
    lower = np.empty((m, m))
    largest = 0.0
    for i in range(m):
        gamma[i] = gram[i + 1, m] - gram[i, m]
        for j in range(m):
            a[i, j] = gram[i + 1, j + 1] - gram[i + 1, j] - gram[i, j + 1] + gram[i, j]
        largest = max(largest, a[i, i])
    for i in range(m):
        a[i, i] += _REGULAR * largest
    regular = m > 0 and np.isfinite(cholesky(a, lower))
    forward = 0.0
    if regular:
        solve(lower, gamma)
        for p in range(size):
            point[p] = image[p]
            for i in range(m):
                point[p] -= gamma[i] * (images[i + 1, p] - images[i, p])
            forward += (point[p] - image[p]) * steps[m, p]
    if forward > 0.0:
        return False
    for p in range(size):
        point[p] = image[p] + (stretch - 1.0) * steps[m, p]
    return True
