"""The M-step of covariances under an LKJ prior, in closed form by minorisation.

Up to a constant what is maximised of a covariance is, with n' = n - 2 (eta - 1),

    -n'/2 log|Sigma| - tr(W Sigma^-1)/2 - sum_j (q log v_j + beta log(1 + v_j / c_j) + b_j / v_j)

in the variances v_j = Sigma_jj (`LKJ.packed`). At the previous covariance the logarithms, with
their signs convex, have tangents of slope -D_jj = -(q / v_j + beta / (c_j + v_j)) that lie below
them; and 1 / v_j is at most x'Sigma^-1 x / x_j^2 for any x (Cauchy & Schwarz), with equality where
x is that covariance's column j. So what takes their place is nowhere above, touches there, and has
its maximum where W' = n' Sigma + 2 Sigma D Sigma with W' = W + sum_j 2 b_j x x' / x_j^2: with X =
D^1/2 Sigma D^1/2, which has the eigenvectors of M = D^1/2 W' D^1/2, 2 X^2 + n' X = M. The objective
never falls (Hunter & Lange 2004, Am. Stat. 58, 30-37).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..families.matrices import CODES, compose, copy_matrix, eigen, fill_matrix
from ..kernels.calls import caller
from ..kernels.compilation import BOOL, F1, F3, R1, inlined, jit, part
from ..mixture.log_prior import differ

# codes; LKJ.packed; counts n' and scatters; whether covariances are known; covariances.
LKJ_STEP = nb.void(CODES, R1, F1, F3, BOOL, F3)
call_lkj_step = caller(LKJ_STEP)


@part(LKJ_STEP, from_python=True)
def lkj_step(codes, packed, counts, scatters, known, covariances):  # type: ignore[no-untyped-def]
    """Write the covariances from the previous ones, if these are known."""
    n_components, rows, d = scatters.shape
    distinct = n_components if differ(codes) else 1
    w = np.empty((rows, d))
    for k in range(distinct):
        count = 0.0
        fill_matrix(w, 0.0)
        for c in range(k, k + 1 if distinct > 1 else n_components):
            count += counts[c]
            for i in range(rows):
                for j in range(d):
                    w[i, j] += scatters[c, i, j]
        if not known:
            for i in range(rows):
                for j in range(d):
                    covariances[k, i, j] = w[i, j] / max(count, 1.0)
        if rows == d:
            _full(packed, count, w, covariances[k])
        else:
            _diagonal(packed, count, w, covariances[k])
    for k in range(distinct, n_components):
        copy_matrix(covariances[0], covariances[k])


@jit()
def _full(packed, count, w, covariance):  # type: ignore[no-untyped-def]
    """Replace a covariance by the optimum of what lies below the objective and touches it there."""
    d = len(w)
    roots, values, vectors = np.empty(d), np.empty(d), np.empty((d, d))
    for q in range(d):
        v = covariance[q, q]
        roots[q] = np.sqrt(_slope(packed, q, v))
        factor = 2.0 * packed[2 + d + q] / (v * v)
        if factor > 0.0:
            for i in range(d):
                for j in range(d):
                    w[i, j] += factor * covariance[i, q] * covariance[j, q]
    for i in range(d):
        for j in range(d):
            w[i, j] *= roots[i] * roots[j]
    eigen(w, values, vectors)
    for q in range(d):
        values[q] = _root(count, max(values[q], 0.0))
    compose(values, vectors, covariance)
    for i in range(d):
        for j in range(d):
            covariance[i, j] /= roots[i] * roots[j]


@jit()
def _diagonal(packed, count, w, covariance):  # type: ignore[no-untyped-def]
    """The same of variances (1, d)."""
    d = covariance.shape[1]
    for j in range(d):
        v = covariance[0, j]
        slope = _slope(packed, j, v)
        covariance[0, j] = _root(count, slope * (w[0, j] + 2.0 * packed[2 + d + j])) / slope


@inlined
def _slope(packed, j, v):  # type: ignore[no-untyped-def]
    """D_jj."""
    return packed[0] / v + packed[1] / (packed[2 + j] + v)


@inlined
def _root(count, m):  # type: ignore[no-untyped-def]
    """The positive solution of 2 x^2 + n' x = m, of which no digits are lost."""
    root = np.sqrt(count * count + 8.0 * m)
    return 2.0 * m / (count + root) if count > 0.0 else 0.25 * (root - count)
