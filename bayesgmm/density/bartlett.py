"""Bartlett's decomposition P = M T T' M': the precision's factor, the covariance, gradients."""

from __future__ import annotations

import numpy as np

from ..kernels.compilation import inlined, jit


@jit()
def bartlett_factor(m, chi2, lower, out):  # type: ignore[no-untyped-def]
    """Write B = (M T)', P = B' B."""
    d = m.shape[0]
    for j in range(d):
        for i in range(d):
            v = m[i, j] * np.sqrt(chi2[j]) if i <= j else 0.0
            for q in range(max(i, j + 1), d):  # M is upper, T lower triangular
                v += m[i, q] * lower[q * (q - 1) // 2 + j]
            out[j, i] = v


@inlined
def bartlett_covariance(root, chi2, lower, y, out):  # type: ignore[no-untyped-def]
    """Write Sigma = P^-1 = Y'Y with T Y = L'; root (d, d) is L, y (d, d) is overwritten."""
    d = len(root)
    for i in range(d):
        pivot = 1.0 / np.sqrt(chi2[i])
        for j in range(d):
            v = root[j, i]
            for q in range(i):
                v -= lower[i * (i - 1) // 2 + q] * y[q, j]
            y[i, j] = v * pivot
    for i in range(d):
        for j in range(i + 1):
            v = 0.0
            for q in range(d):
                v += y[q, i] * y[q, j]
            out[i, j] = v
            out[j, i] = v


@jit()
def pull_back_triangle(count, m, half, chi2, g_chi2, g_lower):  # type: ignore[no-untyped-def]
    """Add a component's gradient in T's squared diagonal and strict lower part.

    That of n log|T| is n/T_jj on the diagonal, that of -tr(T' M' C M T)/2 is -M' (C B').
    """
    d = m.shape[0]
    f = 0
    for i in range(d):
        for j in range(i + 1):
            v = 0.0
            for q in range(i + 1):
                v -= m[q, i] * half[q, j]
            if i == j:
                g_chi2[i] += 0.5 * (v / np.sqrt(chi2[i]) + count / chi2[i])
            else:
                g_lower[f] += v
                f += 1
