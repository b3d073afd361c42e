"""Random variates that NumPy's generator does not have in compiled code."""

from __future__ import annotations

import math

import numpy as np

from ...density.bartlett import bartlett_covariance
from ...kernels.cholesky import cholesky
from ...kernels.compilation import jit


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
def log_inverse_gaussian(rng, c, drift):  # type: ignore[no-untyped-def]
    """A draw of t with density in exp(drift t - c cosh t), by rejection.

    The logarithm of a generalised inverse Gaussian variable. About its mode asinh(drift / c) the
    log density is -w (cosh s - 1) - drift (sinh s - s), w^2 = c^2 + drift^2. A log-concave density
    is nowhere above its mode's height, nor above its tangents (Devroye 1986, Non-Uniform Random
    Variate Generation, section VII.2), here those at -m and m with w (cosh m - 1) = 1.
    """
    w = math.sqrt(c * c + drift * drift)
    large = 0.5 * (w + abs(drift))  # of exp(s) and exp(-s), by which no digit is lost far out
    of_up, of_down = large, 0.25 * c * c / large
    if drift < 0.0:
        of_up, of_down = of_down, of_up
    m = math.log1p((1.0 + math.sqrt(1.0 + 2.0 * w)) / w)
    slope = math.sqrt(1.0 + 2.0 * w)  # w sinh m
    bend = drift * (math.sinh(m) - m)
    # Where the tangents reach the mode's height, and their slopes away from it.
    right, left = slope + drift / w, slope - drift / w
    right_end = m - (1.0 + bend) / right
    left_end = m - (1.0 - bend) / left
    total = right_end + left_end + 1.0 / right + 1.0 / left
    while True:
        u = total * rng.random()
        if u < right_end + left_end:
            s, height = u - left_end, 0.0
        elif u < right_end + left_end + 1.0 / right:
            beyond = rng.standard_exponential()
            s, height = right_end + beyond / right, -beyond
        else:
            beyond = rng.standard_exponential()
            s, height = -left_end - beyond / left, -beyond
        log_density = -of_up * (math.expm1(s) - s) - of_down * (math.expm1(-s) + s)
        if math.log(1.0 - rng.random()) <= log_density - height:
            return s + math.asinh(drift / c)


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
