"""Small matrices in compiled M-steps: copies, sums, eigenvalues, and the letters as numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.compilation import INT, jit, typed

EQUAL, VARIABLE, IDENTITY = 0, 1, 2


class Codes(NamedTuple):
    """A family's letters: EQUAL, VARIABLE or IDENTITY."""

    volume: int
    shape: int
    orientation: int


CODES = typed(Codes, INT, INT, INT)
# Inner sweeps of one M-step among many: none lowers the objective, and the next goes on.
FEW_SWEEPS = 2
TINY = 1e-300


@jit()
def fill_matrix(matrix, value):  # type: ignore[no-untyped-def]
    """Write a value everywhere."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] = value


@jit()
def copy_matrix(matrix, out):  # type: ignore[no-untyped-def]
    """Write a matrix into another."""
    # Numba's own assignment brings code for error messages with it, seconds to compile.
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            out[i, j] = matrix[i, j]


@jit()
def sum_of(x):  # type: ignore[no-untyped-def]
    """The sum of a vector, in order."""
    total = 0.0
    for v in x:
        total += v
    return total


@jit()
def compose(variances, axes, out):  # type: ignore[no-untyped-def]
    """Write D diag(variances) D'."""
    d = len(variances)
    for i in range(d):
        for j in range(i + 1):
            total = 0.0
            for q in range(d):
                total += axes[i, q] * variances[q] * axes[j, q]
            out[i, j] = total
            out[j, i] = total


@jit()
def trace_of_quotient(lower, matrix):  # type: ignore[no-untyped-def]
    """tr((L L')^-1 M): the sum of squares of L^-1 R for M = R R', without R."""
    d = len(matrix)
    total = 0.0
    column = np.empty(d)
    for j in range(d):  # (L L')^-1 M e_j, of which only entry j counts
        for i in range(d):
            v = matrix[i, j]
            for q in range(i):
                v -= lower[i, q] * column[q]
            column[i] = v / lower[i, i]
        for i in range(d - 1, j - 1, -1):
            v = column[i]
            for q in range(i + 1, d):
                v -= lower[q, i] * column[q]
            column[i] = v / lower[i, i]
        total += column[j]
    return total


@jit()
def eigen(matrix, values, vectors):  # type: ignore[no-untyped-def]
    """Write eigenvalues, largest first, and eigenvectors (columns) of a symmetric matrix."""
    d = len(matrix)
    a = matrix.copy()
    size = 0.0
    for i in range(d):
        for j in range(d):
            vectors[i, j] = 1.0 if i == j else 0.0
            size += a[i, j] * a[i, j]
    for _ in range(30):
        off = 0.0
        for p in range(d):
            for q in range(p + 1, d):
                off += a[p, q] * a[p, q]
        if not off > 1e-34 * size:  # also where it is not a number
            break
        for p in range(d):
            for q in range(p + 1, d):
                if a[p, q] == 0.0:
                    continue
                # Golub & Van Loan, Matrix Computations, section 8.5: the smaller rotation
                tau = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                t = 1.0 / (abs(tau) + np.sqrt(1.0 + tau * tau))
                if tau < 0.0:
                    t = -t
                c = 1.0 / np.sqrt(1.0 + t * t)
                s = t * c
                for i in range(d):
                    x = a[i, p]
                    y = a[i, q]
                    a[i, p] = c * x - s * y
                    a[i, q] = s * x + c * y
                for i in range(d):
                    x = a[p, i]
                    y = a[q, i]
                    a[p, i] = c * x - s * y
                    a[q, i] = s * x + c * y
                a[p, q] = 0.0
                a[q, p] = 0.0
                for i in range(d):
                    x = vectors[i, p]
                    y = vectors[i, q]
                    vectors[i, p] = c * x - s * y
                    vectors[i, q] = s * x + c * y
    for i in range(d):
        values[i] = a[i, i]
    for i in range(d):  # selection sort, largest first
        best = i
        for j in range(i + 1, d):
            if values[j] > values[best]:
                best = j
        if best != i:
            v = values[i]
            values[i] = values[best]
            values[best] = v
            for j in range(d):
                v = vectors[j, i]
                vectors[j, i] = vectors[j, best]
                vectors[j, best] = v
