"""Random variates that NumPy's generator does not have in compiled code."""

from __future__ import annotations

import math

import numpy as np

from ...density.bartlett import bartlett_covariance
from ...kernels.cholesky import cholesky
from ...kernels.compilation import jit

_MOST_STEPS = 64


@jit()
def choose(rng, resp, m, left):  # type: ignore[no-untyped-def]
    """Turn responsibilities (K, m) into one 1 a row, drawn with these probabilities."""
    n_components = len(resp)
    for r in range(m):
        left[r] = rng.random()
    for k in range(n_components - 1):
        row = resp[k]
        for r in range(m):
            p = row[r]
            row[r] = 1.0 if (left[r] >= 0.0) & (left[r] < p) else 0.0
            left[r] -= p
    row = resp[n_components - 1]
    for r in range(m):
        row[r] = 1.0 if left[r] >= 0.0 else 0.0


@jit()
def half_von_mises(rng, kappa):  # type: ignore[no-untyped-def]
    """A draw of t in (-pi/2, pi/2) with density in exp(kappa cos 2t), by rejection.

    Best & Fisher (1979), Appl. Stat. 28, 152-157, propose from a wrapped Cauchy distribution, that
    of t = atan(g c) for Cauchy c; here g^2 = 1 / (1 + 4 kappa), with which y = sin(t)^2 at the
    largest ratio of the densities is 1 / (4 kappa), or 1 where that is larger, and no digit is lost
    for any kappa.
    """
    g = 1.0 / math.sqrt(1.0 + 4.0 * kappa)
    y = min(1.0, 0.25 / kappa) if kappa > 0.0 else 1.0
    largest = math.log1p(4.0 * kappa * y) - 2.0 * kappa * y
    while True:
        t = math.atan(g * math.tan(math.pi * (rng.random() - 0.5)))
        y = math.sin(t) ** 2
        ratio = math.log1p(4.0 * kappa * y) - 2.0 * kappa * y
        if math.log(1.0 - rng.random()) <= ratio - largest:
            return t


@jit()
def hyperbolic(rng, c):  # type: ignore[no-untyped-def]
    """A draw of t with density in exp(-c cosh t), by rejection.

    A log-concave density is nowhere above its mode's height, nor above its tangents (Devroye 1986,
    Non-Uniform Random Variate Generation, section VII.2), here that at m, where it is 1/e of that
    height: c (cosh m - 1) = 1. At least 0.7 of the proposals are taken, for any c.
    """
    slope = math.sqrt(1.0 + 2.0 * c)  # c sinh m
    m = math.log1p((1.0 + slope) / c)
    end = m - 1.0 / slope  # where the tangent has the mode's height
    while True:
        t = m * rng.random()  # of m, the end and an area of 1 / slope under the tangent
        height = 0.0
        if t > end:
            beyond = rng.standard_exponential()
            t = end + beyond / slope
            height = -beyond
        if math.log(1.0 - rng.random()) <= -2.0 * c * math.sinh(0.5 * t) ** 2 - height:
            return t if rng.random() < 0.5 else -t


@jit()
def inverse_wishart(rng, dof, scale, out):  # type: ignore[no-untyped-def]
    """Write a draw (d, d) of InverseWishart(dof, scale), by Bartlett (1933)."""
    d = len(scale)
    root = np.empty((d, d))
    chi2 = np.empty(d)
    lower = np.empty(d * (d - 1) // 2)
    cholesky(scale, root)
    for i in range(d):
        chi2[i] = 2.0 * rng.standard_gamma(0.5 * (dof - i))
        for j in range(i):
            lower[i * (i - 1) // 2 + j] = rng.standard_normal()
    bartlett_covariance(root, chi2, lower, np.empty((d, d)), out)


@jit()
def _log_density(t, shape, rate, of_dirichlet, power, rest):  # type: ignore[no-untyped-def]
    """Log density of t = log v: gamma, times a Dirichlet's constant, times (rest + v)^power."""
    v = np.exp(t)
    value = shape * t - rate * v
    if of_dirichlet > 0.0:
        value += math.lgamma(of_dirichlet * v) - of_dirichlet * math.lgamma(v)
    if power > 0.0:
        value += power * np.log(rest + v)
    return value


@jit()
def log_by_slice(rng, t, shape, rate, of_dirichlet, power, rest):  # type: ignore[no-untyped-def]
    """The next t by slice sampling: stepping out by 1, then shrinking."""
    level = _log_density(t, shape, rate, of_dirichlet, power, rest) + np.log(1.0 - rng.random())
    low = t - rng.random()
    high = low + 1.0
    # As many steps out on either side as make their number independent of where t lies.
    below = int(rng.random() * _MOST_STEPS)
    above = _MOST_STEPS - 1 - below
    while below > 0 and _log_density(low, shape, rate, of_dirichlet, power, rest) > level:
        low -= 1.0
        below -= 1
    while above > 0 and _log_density(high, shape, rate, of_dirichlet, power, rest) > level:
        high += 1.0
        above -= 1
    while True:
        new = low + rng.random() * (high - low)
        if _log_density(new, shape, rate, of_dirichlet, power, rest) >= level:
            return new
        if new < t:
            low = new
        else:
            high = new
