"""Cholesky factors of K small covariances at once, without leaving compiled code."""

from __future__ import annotations

import numpy as np

from .primitives import jit


@jit()
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
    lower = np.zeros((d, d))
    for k in range(n_components):
        total = 0.0
        for i in range(d):
            li = lower[i]
            for j in range(i):
                lj = lower[j]
                v = covariances[k, i, j]
                for q in range(j):
                    v -= li[q] * lj[q]
                li[j] = v / lj[j]
            v = covariances[k, i, i]
            for q in range(i):
                v -= li[q] * li[q]
            if not (v > smallest and v < np.inf):
                return k
            li[i] = np.sqrt(v)
            total -= 0.5 * np.log(v)
        half_log_dets[k] = total
        g = factors[k]
        for i in range(d):  # row i of L^-1 from the rows above it
            gi = g[i]
            for j in range(d):
                gi[j] = 0.0
            pivot = 1.0 / lower[i, i]
            for q in range(i):
                gq = g[q]
                c = -lower[i, q] * pivot
                for j in range(q + 1):
                    gi[j] += c * gq[j]
            gi[i] = pivot
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
