"""The parameters of some columns alone, and what they say about the sums of all columns.

With P_k the precision of a component and b_k = P_k m_k, missing columns m and observed ones o,
C = P_mm^-1, A = -C P_mo and a = C b_m, the observed columns have precision P_oo + P_om A and
b_o + A' b_m, and the missing ones have mean a + A z_o and covariance C given them. All of it is
about the centre, as the quadratic features are.

Everything is made for all components at once: these are the last index of the arrays here, over
which the inner loops run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...utils.types import FloatArray
from ..compilation import inlined, jit
from .softmax import LOG_2PI

# Pivots whose product is made before its logarithm is taken: it neither over- nor underflows.
_PIVOTS = 8


class Natural(NamedTuple):
    """A mixture's natural parameters: b (d, K), P (d, d, K), or (1, d, K) if diagonal."""

    linear: FloatArray
    precision: FloatArray


class Missing(NamedTuple):
    """Of the missing columns given the others: a (d, K), C and A (d, d, K), a constant (K,).

    Only the first rows are used, as many as columns are missing; A has a column for each observed
    one. constant is what the integral over the missing columns adds to the log density at z_m = 0,
    without the terms of z_o. lower and pivots are scratch.
    """

    mean: FloatArray
    covariance: FloatArray
    slope: FloatArray
    constant: FloatArray
    lower: FloatArray
    pivots: FloatArray


@inlined
def place(i, j, d):  # type: ignore[no-untyped-def]
    """The place of z_i z_j in the features of d columns."""
    low, high = min(i, j), max(i, j)
    return 1 + d + low * d - low * (low - 1) // 2 + high - low


@jit()
def natural(theta, d, diagonal):  # type: ignore[no-untyped-def]
    """The natural parameters that theta (K, F) holds."""
    n_components = len(theta)
    linear = np.empty((d, n_components))
    precision = np.empty((1 if diagonal else d, d, n_components))
    for k in range(n_components):
        for j in range(d):
            linear[j, k] = theta[k, 1 + j]
            if diagonal:
                precision[0, j, k] = -2.0 * theta[k, 1 + d + j]
            else:
                for i in range(d):
                    v = theta[k, place(i, j, d)]
                    precision[i, j, k] = -2.0 * v if i == j else -v
    return Natural(linear, precision)


@jit()
def room_for_missing(d, n_components, diagonal):  # type: ignore[no-untyped-def]
    """Uninitialised arrays for the missing columns' parameters."""
    height = 1 if diagonal else d
    return Missing(
        np.empty((d, n_components)),
        np.empty((height, d, n_components)),
        np.empty((height, d, n_components)),
        np.empty(n_components),
        np.empty((height, d, n_components)),
        np.empty((d, n_components)),
    )


@jit()
def condition(of, columns, n_observed, diagonal, log_scale, out):  # type: ignore[no-untyped-def]
    """Write a, C and the constant of the columns from n_observed on."""
    d, n_components = of.linear.shape
    n_missing = d - n_observed
    for k in range(n_components):
        out.constant[k] = 0.5 * n_missing * LOG_2PI
    for q in range(n_observed, d):
        for k in range(n_components):
            out.constant[k] += log_scale[columns[q]]
    if diagonal:
        for q in range(n_missing):
            j = columns[n_observed + q]
            for k in range(n_components):
                p = of.precision[0, j, k]
                out.covariance[0, q, k] = 1.0 / p
                out.mean[q, k] = of.linear[j, k] / p
                out.constant[k] -= 0.5 * np.log(p)
    else:
        _factor(of.precision, columns[n_observed:], out)
        _invert(n_missing, out)
        for q in range(n_missing):
            for k in range(n_components):
                out.mean[q, k] = 0.0
            for t in range(n_missing):
                j = columns[n_observed + t]
                for k in range(n_components):
                    out.mean[q, k] += out.covariance[q, t, k] * of.linear[j, k]


@inlined
def add_constant(of, columns, n_observed, out):  # type: ignore[no-untyped-def]
    """Add the terms of b_m to the constant, which is then the whole of it at z_o = 0."""
    d, n_components = of.linear.shape
    for q in range(d - n_observed):
        j = columns[n_observed + q]
        for k in range(n_components):
            out.constant[k] += 0.5 * of.linear[j, k] * out.mean[q, k]


@inlined
def _factor(precision, missing, out):  # type: ignore[no-untyped-def]
    """Write the Cholesky factor of P_mm and 1 / its diagonal; take log|P_mm|/2 off the constant."""
    n_components = precision.shape[2]
    lower, pivots = out.lower, out.pivots
    product = np.ones(n_components)
    v = np.empty(n_components)
    for i in range(len(missing)):
        for j in range(i + 1):
            for k in range(n_components):
                v[k] = precision[missing[i], missing[j], k]
            for q in range(j):
                for k in range(n_components):
                    v[k] -= lower[i, q, k] * lower[j, q, k]
            if j < i:
                for k in range(n_components):
                    lower[i, j, k] = v[k] * pivots[j, k]
            else:
                for k in range(n_components):
                    product[k] *= v[k]
                    pivots[i, k] = 1.0 / np.sqrt(v[k])
        if (i + 1) % _PIVOTS == 0 or i + 1 == len(missing):
            for k in range(n_components):
                out.constant[k] -= 0.5 * np.log(product[k])
                product[k] = 1.0


@inlined
def _invert(n_missing, out):  # type: ignore[no-untyped-def]
    """Write C = (L L')^-1, by way of L^-1, which replaces L."""
    lower, pivots, covariance = out.lower, out.pivots, out.covariance
    n_components = pivots.shape[1]
    v = np.empty(n_components)
    for i in range(n_missing):
        for j in range(i):
            for k in range(n_components):
                v[k] = lower[i, j, k] * pivots[j, k]
            for q in range(j + 1, i):
                for k in range(n_components):
                    v[k] += lower[i, q, k] * lower[q, j, k]
            for k in range(n_components):
                lower[i, j, k] = -pivots[i, k] * v[k]
        for k in range(n_components):
            lower[i, i, k] = pivots[i, k]
    for i in range(n_missing):
        for j in range(i + 1):
            for k in range(n_components):
                v[k] = 0.0
            for q in range(i, n_missing):
                for k in range(n_components):
                    v[k] += lower[q, i, k] * lower[q, j, k]
            for k in range(n_components):
                covariance[i, j, k] = v[k]
                covariance[j, i, k] = v[k]


@jit()
def encode_marginal(theta, of, columns, n_observed, diagonal, missing, out):  # type: ignore[no-untyped-def]
    """Write theta (K, F) of the observed columns to out, and A to missing.slope.

    The features of missing columns must be 0: what stands in their places of out is 0 too.
    """
    d, n_components = of.linear.shape
    add_constant(of, columns, n_observed, missing)
    for k in range(n_components):
        for f in range(theta.shape[1]):
            out[k, f] = 0.0
        out[k, 0] = theta[k, 0] + missing.constant[k]
    if diagonal:
        for q in range(n_observed):
            for k in range(n_components):
                out[k, 1 + columns[q]] = theta[k, 1 + columns[q]]
                out[k, 1 + d + columns[q]] = theta[k, 1 + d + columns[q]]
    else:
        _slope(of, columns, n_observed, missing)
        for u in range(n_observed):
            i = columns[u]
            for k in range(n_components):
                v = of.linear[i, k]
                for q in range(d - n_observed):
                    v += missing.slope[q, u, k] * of.linear[columns[n_observed + q], k]
                out[k, 1 + i] = v
            for w in range(u, n_observed):
                j = columns[w]
                f = place(i, j, d)
                for k in range(n_components):
                    v = of.precision[i, j, k]
                    for q in range(d - n_observed):
                        p = of.precision[i, columns[n_observed + q], k]
                        v += p * missing.slope[q, w, k]
                    out[k, f] = -0.5 * v if i == j else -v


@inlined
def _slope(of, columns, n_observed, missing):  # type: ignore[no-untyped-def]
    """Write A = -C P_mo."""
    d, n_components = of.linear.shape
    for q in range(d - n_observed):
        for u in range(n_observed):
            for k in range(n_components):
                missing.slope[q, u, k] = 0.0
            for t in range(d - n_observed):
                j = columns[n_observed + t]
                for k in range(n_components):
                    c = missing.covariance[q, t, k]
                    missing.slope[q, u, k] -= c * of.precision[j, columns[u], k]


@jit()
def add_expanded(of_group, columns, n_observed, diagonal, missing, sums):  # type: ignore[no-untyped-def]
    """Add a group's sums (K, F), which have its observed columns only, with what they imply."""
    n_components = len(sums)
    d = len(columns)
    for k in range(n_components):
        for f in range(sums.shape[1]):
            sums[k, f] += of_group[k, f]
    if diagonal:
        for k in range(n_components):
            add_variances(of_group[k, 0], columns, n_observed, missing, k, sums[k])
    elif n_observed < d:
        along = np.empty((d, d))
        second = np.empty((d, d))
        for k in range(n_components):
            _expand(of_group[k], columns, n_observed, missing, k, along, second, sums[k])


@inlined
def add_variances(count, columns, n_observed, missing, k, sums):  # type: ignore[no-untyped-def]
    """Add the missing columns' moments of so many rows to sums (2 d + 1,) of a component."""
    d = len(columns)
    for q in range(d - n_observed):
        j = columns[n_observed + q]
        mean = missing.mean[q, k]
        sums[1 + j] += count * mean
        sums[1 + d + j] += count * (missing.covariance[0, q, k] + mean * mean)


@inlined
def _expand(of_group, columns, n_observed, missing, k, along, second, sums):  # type: ignore[no-untyped-def]
    """Add the moments of a component's missing columns; M is written to second, A M to along."""
    d = len(columns)
    count = of_group[0]
    for u in range(n_observed):
        for w in range(n_observed):
            second[u, w] = of_group[place(columns[u], columns[w], d)]
    for q in range(d - n_observed):
        i = columns[n_observed + q]
        a = missing.mean[q, k]
        of_slope = 0.0
        for w in range(n_observed):
            of_slope += missing.slope[q, w, k] * of_group[1 + columns[w]]
        sums[1 + i] += count * a + of_slope
        for w in range(n_observed):
            v = 0.0
            for u in range(n_observed):
                v += missing.slope[q, u, k] * second[u, w]
            along[q, w] = v
            sums[place(i, columns[w], d)] += v + a * of_group[1 + columns[w]]
        for t in range(q + 1):
            b = missing.mean[t, k]
            v = count * (missing.covariance[q, t, k] + a * b) + b * of_slope
            for w in range(n_observed):
                v += along[q, w] * missing.slope[t, w, k]
                v += a * missing.slope[t, w, k] * of_group[1 + columns[w]]
            sums[place(i, columns[n_observed + t], d)] += v
