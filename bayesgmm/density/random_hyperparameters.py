"""Hyperparameters at a point of the density, random ones with their priors, compiled."""

from __future__ import annotations

import math

import numpy as np

from ..kernels.compilation import inlined, jit


@inlined
def hyperparameters(by_shares, given, at, slope, psi):  # type: ignore[no-untyped-def]
    """Write Psi's diagonal; return the concentration and the random hyperparameters' log prior."""
    total = 0.0
    concentration = given.of_concentration[0]
    if len(at.concentration) > 0:
        shape, rate = given.of_concentration[0], given.of_concentration[1]
        concentration = np.exp(at.concentration[0])
        total += _log_gamma(shape, rate, at.concentration[0], slope.concentration)
    log_psi = at.scale
    if by_shares:
        log_psi = np.empty(len(psi))
        total += _log_of_shares(at.scale, log_psi)
    of_one = len(at.scale) > 0 and len(at.scale) < len(psi)  # a multiple t of 1 / rate
    if of_one:
        total += _log_gamma(given.of_psi[0], 1.0, at.scale[0], slope.scale)
    for j in range(len(psi)):
        psi[j] = given.of_psi[1 + j]
        if of_one:
            psi[j] = np.exp(at.scale[0]) / given.of_psi[1 + j]
        elif len(at.scale) > 0:
            shape, rate = given.of_psi[0], given.of_psi[1 + j]
            psi[j] = np.exp(log_psi[j])
            total += _log_gamma(shape, rate, log_psi[j], slope.scale[j : j + 1])
    return concentration, total


@inlined
def _log_of_shares(u, out):  # type: ignore[no-untyped-def]
    """Write log psi from the logarithm of their sum and the log-ratios of their shares.

    Returns the logarithm of the Jacobian determinant, which is d.
    """
    d = len(out)
    last = 0.0
    for j in range(d - 1):
        out[j] = u[1 + j]
        last -= u[1 + j]
    out[d - 1] = last
    peak = last  # loops in place of NumPy's functions, which take long to compile
    for j in range(d - 1):
        peak = max(peak, out[j])
    total = 0.0
    for j in range(d):
        total += np.exp(out[j] - peak)
    shift = u[0] - peak - np.log(total)
    for j in range(d):
        out[j] += shift
    return np.log(d)


@inlined
def pull_back_shares(psi, gradient):  # type: ignore[no-untyped-def]
    """Turn the gradient in the logarithms of psi into that in the coordinates, in place."""
    d = len(psi)
    of_sum = total = 0.0
    for j in range(d):
        of_sum += gradient[j]
        total += psi[j]
    last = gradient[d - 1] - of_sum * psi[d - 1] / total
    for j in range(d - 1, 0, -1):
        gradient[j] = gradient[j - 1] - of_sum * psi[j - 1] / total - last
    gradient[0] = of_sum


@jit()
def _log_gamma(shape, rate, log_value, gradient):  # type: ignore[no-untyped-def]
    """Log density of the logarithm of a gamma variable; adds its derivative to gradient (1,)."""
    value = np.exp(log_value)
    gradient[0] += shape - rate * value
    return shape * (np.log(rate) + log_value) - rate * value - math.lgamma(shape)
