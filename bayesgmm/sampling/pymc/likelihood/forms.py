"""The forms in which covariances are handed in, compiled: each one's factors, and its pullback.

A covariance is an array (J, size), J = K, or 1 where all components share one, in a form:

    SIGMA      standard deviations, (1,) or (d,)
    CHOL       L, Sigma = L L', (d, d); its lower triangle is read
    COV        Sigma, (d, d); its lower triangle is read
    TAU        the precision P, (d, d); its lower triangle is read
    BARTLETT   P = M T T' M': T's squared diagonal (d,); besides, as `below`, (J, d(d-1)/2), its
               strict lower part by rows

The passes work on any G with P = G'G in scaled coordinates (x - c) * s. With C the sum of
r (z - m)(z - m)' and n that of r, the log-likelihood's gradient is

    in L      G'(G C G' - n I), its lower triangle
    in Sigma  G'(G C G' - n I) G / 2
    in P      (n Sigma - C) / 2

where those of symmetric matrices are written for the triangle that is read.
"""

from __future__ import annotations

import numpy as np

from ....density.bartlett import bartlett_factor, pull_back_triangle
from ....density.covariances import products_with
from ....kernels.cholesky import cholesky, invert
from ....kernels.compilation import inlined, jit
from ....kernels.products import padded

SIGMA, CHOL, COV, TAU, BARTLETT = range(5)


@jit()
def write_factors(form, at, root, s, factors, half_log_dets):  # type: ignore[no-untyped-def]
    """Write the factors (K, d, d), or (K, 1, d) for SIGMA, and log|G| (K,).

    at has the covariance and below, s (d,) is the inverse scale, root (d, d) the upper triangular M
    for BARTLETT. What is no covariance gives an undefined log|G|.
    """
    covariance = at.covariance
    n_blocks = covariance.shape[0]
    d = len(s)
    width = 0 if form == SIGMA else d
    work = (np.empty((width, width)), np.empty((width, padded(width))))
    for b in range(n_blocks):
        if form == SIGMA:
            half_log_dets[b] = _of_deviations(covariance[b], s, factors[b])
        elif form == BARTLETT:
            half_log_dets[b] = _of_bartlett(
                covariance[b], at.below[b], root, s, work[0], factors[b]
            )
        else:
            matrix = covariance[b].reshape((d, d))
            half_log_dets[b] = _of_matrix(form, matrix, s, work, factors[b])
    for k in range(n_blocks, len(factors)):
        factors[k] = factors[0]
        half_log_dets[k] = half_log_dets[0]


@inlined
def _of_deviations(sigma, s, factor):  # type: ignore[no-untyped-def]
    half_log_det = 0.0
    for j in range(len(s)):
        scaled = sigma[j % len(sigma)] * s[j]
        factor[0, j] = 1.0 / scaled
        half_log_det -= np.log(scaled)
    return half_log_det


@inlined
def _of_bartlett(chi2, below, root, s, m, factor):  # type: ignore[no-untyped-def]
    d = len(s)
    _scaled_root(root, s, m)
    bartlett_factor(m, chi2, below, factor)
    half_log_det = 0.0
    for j in range(d):
        half_log_det += np.log(m[j, j]) + 0.5 * np.log(chi2[j])
    return half_log_det


@inlined
def _scaled_root(root, s, m):  # type: ignore[no-untyped-def]
    for i in range(len(s)):
        for j in range(len(s)):
            m[i, j] = root[i, j] / s[i]


@inlined
def _of_matrix(form, matrix, s, work, factor):  # type: ignore[no-untyped-def]
    """G of a Cholesky factor, a covariance or a precision."""
    lower, inverse = work
    d = len(s)
    for i in range(d):
        for j in range(i + 1):
            unit = s[i] if form == CHOL else s[i] * s[j]
            factor[i, j] = matrix[i, j] / unit if form == TAU else matrix[i, j] * unit
    half_log_det = 0.0
    if form == CHOL:
        for i in range(d):
            for j in range(d):
                lower[i, j] = factor[i, j] if j <= i else 0.0
            half_log_det -= np.log(lower[i, i])
    else:
        half_log_det = -0.5 * cholesky(factor, lower)
    if form == TAU:
        for i in range(d):
            for j in range(d):
                factor[i, j] = lower[j, i]
        return -half_log_det
    invert(lower, inverse)
    for i in range(d):
        for j in range(d):
            factor[i, j] = inverse[i, j]
    return half_log_det


@inlined
def write_square_root(form, covariance, below, root, out):  # type: ignore[no-untyped-def]
    """Write F (d, d) with F F' = Sigma, of one covariance (size,); not numbers if it is none."""
    d = len(out)
    lower, inverse = np.empty((d, d)), np.empty((d, padded(d)))
    out[:] = 0.0
    if form == SIGMA:
        for j in range(d):
            out[j, j] = covariance[j % len(covariance)]
        return
    if form == BARTLETT:  # M^-T T^-T
        for i in range(d):
            for j in range(d):
                lower[i, j] = root[j, i]
        invert(lower, inverse)
        for i in range(d):
            for j in range(i):
                lower[i, j] = below[i * (i - 1) // 2 + j]
            lower[i, i] = np.sqrt(covariance[i])
        other = np.empty((d, padded(d)))
        invert(lower, other)
        for i in range(d):
            for j in range(d):
                for q in range(min(i, j) + 1):
                    out[i, j] += inverse[i, q] * other[j, q]
        return
    matrix = covariance.reshape((d, d))
    if form == CHOL:
        for i in range(d):
            for j in range(i + 1):
                out[i, j] = matrix[i, j]
        return
    cholesky(matrix, out)
    if form == TAU:
        invert(out, inverse)
        for i in range(d):
            for j in range(d):
                out[i, j] = inverse[j, i]


@jit()
def pull_back(form, at, root, s, factors, counts, second, slope):  # type: ignore[no-untyped-def]
    """Write the slope's covariance and below from moments n (K,) and C (K, d, d), or (K, 1, d).

    Those of the components that share a covariance are added up, in the first one's place.
    """
    covariance = at.covariance
    n_blocks = covariance.shape[0]
    d = len(s)
    for k in range(n_blocks, len(counts)):
        counts[0] += counts[k]
        second[0] += second[k]
    width = 0 if form == SIGMA else d
    work = (np.empty((width, width)), np.empty((width, width)), np.empty((width, padded(width))))
    slope.covariance[:] = 0.0
    slope.below[:] = 0.0
    for b in range(n_blocks):
        if form == SIGMA:
            for j in range(d):
                i = j % covariance.shape[1]
                p = factors[b, 0, j] * factors[b, 0, j]
                slope.covariance[b, i] += (p * second[b, 0, j] - counts[b]) / covariance[b, i]
        elif form == BARTLETT:
            _scaled_root(root, s, work[0])
            products_with(second[b], factors[b], work[1])
            pull_back_triangle(
                counts[b], work[0], work[1], covariance[b], slope.covariance[b], slope.below[b]
            )
        elif form == TAU:
            matrix = slope.covariance[b].reshape((d, d))
            _in_precision(counts[b], second[b], factors[b], s, work, matrix)
        else:
            matrix = slope.covariance[b].reshape((d, d))
            _in_covariance(form, counts[b], second[b], factors[b], s, work, matrix)


@inlined
def _in_precision(count, second, factor, s, work, slope):  # type: ignore[no-untyped-def]
    d = len(s)
    lower, covariance, inverse = work
    for i in range(d):
        for j in range(d):
            lower[i, j] = factor[j, i]
    invert(lower, inverse)
    for i in range(d):
        for j in range(i + 1):
            v = 0.0
            for q in range(i, d):
                v += inverse[q, i] * inverse[q, j]
            covariance[i, j] = v
            slope[i, j] = (0.5 if i == j else 1.0) * (count * v - second[i, j]) / (s[i] * s[j])


@inlined
def _in_covariance(form, count, second, g, s, work, slope):  # type: ignore[no-untyped-def]
    d = len(s)
    half, middle, _ = work
    products_with(second, g, half)
    for i in range(d):  # G C G' - n I
        for j in range(d):
            v = -count if i == j else 0.0
            for q in range(i + 1):
                v += g[i, q] * half[q, j]
            middle[i, j] = v
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(i, d):
                v += g[q, i] * middle[q, j]
            half[i, j] = v
    for i in range(d):
        for j in range(i + 1):
            if form == CHOL:
                slope[i, j] = s[i] * half[i, j]
                continue
            v = 0.0
            for q in range(j, d):
                v += half[i, q] * g[q, j]
            slope[i, j] = (0.5 if i == j else 1.0) * v * s[i] * s[j]
