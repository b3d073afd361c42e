"""The pass on one thread, for callers that are compiled code themselves (a sampler's density).

Importing this module compiles or loads the passes; only the likelihood imports it.
"""

from __future__ import annotations

import numpy as np

from ....kernels.compilation import inlined, jit
from ....kernels.e_step.arrays import EachRow
from ....kernels.e_step.centred import centred_pass
from ....kernels.e_step.preparation import encode_any
from ....kernels.e_step.quadratic import (
    QUADRATIC_LIMIT,
    QUADRATIC_MAX_COLUMNS,
    decode,
    number_of_features,
    quadratic_pass,
)

_quadratic = quadratic_pass.version(np.float64).dispatcher
_centred = centred_pass.version(np.float64).dispatcher
_BLOCK = 256


@inlined
def write_moments(components, x, view, log_density, moments):  # type: ignore[no-untyped-def]
    """Write log densities (n,) and moments about the means, in scaled coordinates, of all rows.

    Returns whether the parameters are a mixture; where not, the outputs are left unfinished.
    """
    means, factors = components.means, components.factors
    counts, first, second = moments.counts, moments.first, moments.second
    n_components, d = means.shape
    n = x.shape[0]
    diagonal = factors.shape[1] == 1
    if not is_mixture(components):
        return False
    counts[:] = 0.0
    first[:] = 0.0
    second[:] = 0.0
    each = EachRow(log_density, np.empty((0, 0)))
    certainty = np.zeros(1)
    precisions = np.empty((n_components, second.shape[1], d))
    largest = write_precisions(factors, means, diagonal, precisions)
    if largest < QUADRATIC_LIMIT and (diagonal or d <= QUADRATIC_MAX_COLUMNS):
        n_features = number_of_features(d, diagonal)
        theta = np.empty((n_components, n_features))
        sums = np.zeros((n_components, n_features))
        encode_any(components, precisions, theta)
        _quadratic(x, view, theta, diagonal, 0, n, _BLOCK, sums, each, certainty)
        decode(sums, diagonal, first, second)
        for k in range(n_components):
            counts[k] = sums[k, 0]
            about_mean(counts[k], means[k], diagonal, first[k], second[k])
    else:
        _centred(x, view, components, False, 0, n, _BLOCK, moments, each, certainty)
        mirror(second)
    return True


@inlined
def mirror(second):  # type: ignore[no-untyped-def]
    """Write the upper triangles of moments (K, d, d) of which only the lower ones were added up."""
    for k in range(second.shape[0]):
        for i in range(second.shape[1]):
            for j in range(i + 1, second.shape[1]):
                second[k, i, j] = second[k, j, i]


@inlined
def write_precisions(factors, means, diagonal, out):  # type: ignore[no-untyped-def]
    """Write P_k = B_k' B_k; return what the quadratic form loses, in units of rounding."""
    n_components, d = means.shape
    largest = 0.0
    for k in range(n_components):
        size = 0.0
        norm = 1.0
        for i in range(out.shape[1]):
            for j in range(d):
                p = 0.0
                if diagonal:
                    p = factors[k, 0, j] * factors[k, 0, j]
                else:
                    for q in range(d):
                        p += factors[k, q, i] * factors[k, q, j]
                out[k, i, j] = p
                size += p * p
        for j in range(d):
            norm += means[k, j] * means[k, j]
        largest = max(largest, np.sqrt(size) * norm)
    return largest


@inlined
def about_mean(count, mean, diagonal, first, second):  # type: ignore[no-untyped-def]
    """From a component's moments about 0 to those about its mean."""
    d = len(mean)
    for i in range(d):
        if diagonal:
            second[0, i] += mean[i] * (mean[i] * count - 2.0 * first[i])
        else:
            for j in range(d):
                second[i, j] += count * mean[i] * mean[j] - first[i] * mean[j] - mean[i] * first[j]
    for i in range(d):
        first[i] -= count * mean[i]


@jit()
def is_mixture(components):  # type: ignore[no-untyped-def]
    """Whether all parameters are numbers and a weight is positive; a weight may be 0."""
    log_weights, means, factors, half_log_dets = components
    some = False
    for k in range(means.shape[0]):
        if not (log_weights[k] < np.inf and np.isfinite(half_log_dets[k])):
            return False
        some = some or log_weights[k] > -np.inf
        for j in range(means.shape[1]):
            if not np.isfinite(means[k, j]):
                return False
            for i in range(factors.shape[1]):
                if not np.isfinite(factors[k, i, j]):
                    return False
    return some
