"""Cholesky factors of covariances and their inverses, in compiled code, for any number of columns.

Few columns are factored by plain loops. For many, all but what is next to the diagonal is done by
the tiles of the matrix products, panel by panel (Golub & Van Loan 2013, Matrix Computations,
section 4.2.5), without which factors of hundreds of columns would cost more than the pass.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from .calls import caller
from .compilation import F1, F3, LANES, inlined, jit, part
from .products import padded
from .tiles import TALL, columns_of_product, products_of_rows

# Columns of a panel: what is summed over by a tile comes in this multiple.
_PANEL = 8
_rows_4x4 = products_of_rows(4, 4)
_rows_1x4 = products_of_rows(1, 4)
_columns_tall = columns_of_product(TALL)


@jit()
def cholesky(matrix, lower):  # type: ignore[no-untyped-def]
    """Write L, matrix = L L' (d, d), and return log|matrix|; not a number if it is not positive.

    The lower triangle of the matrix is read.
    """
    d = len(matrix)
    for i in range(d):
        for j in range(i + 1):
            lower[i, j] = -matrix[i, j]  # the tiles add to it
        for j in range(i + 1, d):
            lower[i, j] = 0.0
    log_det = 0.0
    for start in range(0, d, _PANEL):
        stop = min(start + _PANEL, d)
        done = 0
        if start > 0 and start + _PANEL <= d:
            _take_off(lower, start)
            done = start
        for i in range(start, d):
            for j in range(start, min(i, stop)):
                v = -lower[i, j]
                for q in range(done, j):
                    v -= lower[i, q] * lower[j, q]
                lower[i, j] = v / lower[j, j]
            if i < stop:
                v = -lower[i, i]
                for q in range(done, i):
                    v -= lower[i, q] * lower[i, q]
                lower[i, i] = np.sqrt(v)
                log_det += np.log(v)
                for j in range(i + 1, stop):
                    lower[i, j] = 0.0
    return log_det


@inlined
def _take_off(lower, start):  # type: ignore[no-untyped-def]
    """Add L[i, :start] L[j, :start]' to a panel's columns j and its rows i, on and below it."""
    d = len(lower)
    i = start
    while i + 4 <= d:
        for j in range(start, start + _PANEL, 4):
            _rows_4x4(lower, lower, lower, i, j, start)
        i += 4
    while i < d:
        for j in range(start, start + _PANEL, 4):
            _rows_1x4(lower, lower, lower, i, j, start)
        i += 1


@inlined
def invert(lower, inverse):  # type: ignore[no-untyped-def]
    """Write L^-1 into the first d columns of inverse (d, padded(d)); the others become 0."""
    d, width = inverse.shape
    for i in range(d):
        for j in range(width):
            inverse[i, j] = 0.0
    i = 0
    while i < d:
        tall = i + TALL <= d and i >= TALL
        if tall:  # what the rows above the group contribute to all of it
            for r in range(0, padded(i), LANES):
                _columns_tall(lower, inverse, inverse, i, r, i)
        first = i if tall else 0
        stop = i + TALL if tall else i + 1
        for row in range(i, stop):
            pivot = 1.0 / lower[row, row]
            target = inverse[row]
            for q in range(first, row):
                c = lower[row, q]
                above = inverse[q]
                for j in range(q + 1):
                    target[j] += c * above[j]
            for j in range(row):
                target[j] *= -pivot
            target[row] = pivot
        i = stop


@jit()
def solve(lower, v):  # type: ignore[no-untyped-def]
    """Overwrite v with (L L')^-1 v."""
    d = len(v)
    for i in range(d):
        for q in range(i):
            v[i] -= lower[i, q] * v[q]
        v[i] /= lower[i, i]
    for i in range(d - 1, -1, -1):
        for q in range(i + 1, d):
            v[i] -= lower[q, i] * v[q]
        v[i] /= lower[i, i]


_INVERSE_FACTORS = nb.int64(F3, nb.float64, F3, F1)
call_inverse_factors = caller(_INVERSE_FACTORS)


@part(_INVERSE_FACTORS, from_python=True)
def inverse_factors(covariances, smallest, factors, half_log_dets):  # type: ignore[no-untyped-def]
    """Write G_k = L_k^-1 (Sigma_k = L_k L_k') and log|P_k|/2 = log|G_k|; return the first bad k.

    covariances and factors are (K, d, d), or (K, 1, d) for diagonal ones (G = 1/sd). A component
    is bad when a conditional variance L_jj^2 is not above `smallest` (or not finite); -1: none.
    """
    n_components, rows, d = covariances.shape
    if rows == 1:
        for k in range(n_components):
            total = 0.0
            for j in range(d):
                v = covariances[k, 0, j]
                if not (v > smallest and v < np.inf):
                    return k
                factors[k, 0, j] = 1.0 / np.sqrt(v)
                total -= 0.5 * np.log(v)
            half_log_dets[k] = total
        return -1
    lower = np.empty((d, d))
    inverse = np.empty((d, padded(d)))
    for k in range(n_components):
        half_log_dets[k] = -0.5 * cholesky(covariances[k], lower)
        for i in range(d):
            if not (lower[i, i] * lower[i, i] > smallest and lower[i, i] < np.inf):
                return k
        invert(lower, inverse)
        g = factors[k]
        for i in range(d):
            for j in range(d):
                g[i, j] = inverse[i, j]
    return -1


@jit()
def precisions(factors, out):  # type: ignore[no-untyped-def]
    """P_k = G_k' G_k for lower factors (K, d, d) -> (K, d, d)."""
    n_components, d, _ = factors.shape
    for k in range(n_components):
        g = factors[k]
        p = out[k]
        for i in range(d):
            for j in range(d):
                p[i, j] = 0.0
        for q in range(d):
            gq = g[q]
            for i in range(q + 1):
                c = gq[i]
                pi = p[i]
                for j in range(q + 1):
                    pi[j] += c * gq[j]
