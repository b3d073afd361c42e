"""Bartlett's triangle: a precision P = M T T' M', and gradients in T."""

from __future__ import annotations

import numpy as np

from .primitives import jit


@jit()
def bartlett_factor(m, chi2, lower, out):  # type: ignore[no-untyped-def]
    """B = (M T)' with P = B' B."""
    d = m.shape[0]
    for j in range(d):
        for i in range(d):
            v = m[i, j] * np.sqrt(chi2[j]) if i <= j else 0.0
            for q in range(max(i, j + 1), d):  # M is upper, T lower triangular
                v += m[i, q] * lower[q * (q - 1) // 2 + j]
            out[j, i] = v


@jit()
def pull_back_triangle(count, m, half, chi2, g_chi2, g_lower):  # type: ignore[no-untyped-def]
    """Add a component's gradient in T.

    Of n log|T| it is n/T_jj on the diagonal, of -tr(T' M' C M T)/2 it is -M' (C B').
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
