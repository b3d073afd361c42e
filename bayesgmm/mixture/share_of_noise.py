"""The share of noise that is best beside a mixture, from rows or from moments of them.

With u the share's logit and l_i = log f_i / c the log ratios of components to noise, the share
solves sum_i w_i sigma(u - l_i) = W sigma(u). Rows in chunks are not kept: a sweep notes how many of
them have which l, by bins of a width h and moments in these. As a series about a bin's middle,
sigma has terms that fall by h / (2 pi), so that few of them leave nothing but rounding.

A prior of the share, Beta(a, b) with a, b >= 1, counts as a - 1 rows that are noise and b - 1 that
are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln, expit, xlog1py, xlogy

from ..kernels.compilation import FLOAT, R1, part
from ..utils.types import FloatArray

# Log ratios beyond which a row is certain whatever the share, the bins' width, and terms of sigma.
_LARGEST, _WIDTH, _TERMS = 64.0, 0.5, 13
_N_BINS = int(2 * _LARGEST / _WIDTH)
_MIDDLES = (np.arange(_N_BINS) + 0.5) * _WIDTH - _LARGEST
# The share where no row is noise, of which there is a logarithm, and the largest below 1.
_LEAST = 2.0**-61
_EPS = float(np.finfo(float).eps)
_MOST = 1 - _EPS / 2

#: The shape of the moments.
MOMENTS = _N_BINS, _TERMS
#: a and b of a uniform prior.
UNIFORM = 1.0, 1.0


def best_share(
    log_ratios: FloatArray, weights: FloatArray | None, prior: tuple[float, float] = UNIFORM
) -> float:
    """The share of noise that maximises sum_i w_i log((1 - p) f_i + p c) and the log prior.

    The derivative falls in p. Times p (1 - p), with e = f / c, it is the sum of w_i p (1 - p)
    (1 - e_i) / ((1 - p) e_i + p), which has no poles that would keep a search from being quick.
    """
    # Both densities over the larger one, which does not overflow.
    small = np.exp(-np.abs(log_ratios))
    of_components = np.where(log_ratios > 0, 1.0, small)
    of_noise = np.where(log_ratios > 0, small, 1.0)
    counted = np.ones(len(small)) if weights is None else weights.astype(np.float64)
    noise, others = prior[0] - 1, prior[1] - 1

    def excess(p: float) -> float:
        """How many rows more are noise than the share p says."""
        of_rows: float = _slope(of_components, of_noise, counted, p)
        return of_rows * p * (1 - p) + noise * (1 - p) - others * p

    return _where_it_falls_to_zero(excess)


@part(FLOAT(R1, R1, R1, FLOAT), from_python=True)
def _slope(of_components, of_noise, weights, p):  # type: ignore[no-untyped-def]
    """The sum of w_i (c - f_i) / ((1 - p) f_i + p c)."""
    total = 0.0
    for i in range(len(of_noise)):
        f, c = of_components[i], of_noise[i]
        total += weights[i] * ((c - f) / ((1.0 - p) * f + p * c))
    return total


def moments_of(log_ratios: FloatArray, weights: FloatArray) -> FloatArray:
    """Sums (bins, terms) of weights, times powers of the log ratios less their bin's middle."""
    ratios = np.nan_to_num(log_ratios, nan=_LARGEST, posinf=_LARGEST, neginf=-_LARGEST)
    bins = np.clip((ratios + _LARGEST) / _WIDTH, 0, _N_BINS - 1).astype(np.int64)
    off = np.clip(ratios - _MIDDLES[bins], -_WIDTH / 2, _WIDTH / 2)
    out, terms = np.empty((_N_BINS, _TERMS)), weights.astype(np.float64)
    for j in range(_TERMS):
        out[:, j] = np.bincount(bins, terms, _N_BINS)
        terms = terms * off
    return out


def best_share_of(moments: FloatArray, prior: tuple[float, float] = UNIFORM) -> float:
    """The share of noise that is best for log ratios with these moments.

    As `best_share` of the ratios themselves.
    """
    used = moments[:, 0] > 0
    some, middles = moments[used], _MIDDLES[used]
    noise, others = prior[0] - 1, prior[1] - 1

    def excess(p: float) -> float:
        """How many rows more are noise than the share p says; no cancellation near the ends."""
        logit = math.log(p) - math.log1p(-p)
        s, other = expit(logit - middles), expit(middles - logit)
        slopes = (s * other)[:, None] * (s[:, None] ** np.arange(_TERMS - 1) @ _SERIES.T)
        at_middles = some[:, 0] @ (-s * np.expm1(middles)) * (1 - p)  # sum of s - p
        of_rows = float(at_middles + np.sum(some[:, 1:] * slopes))
        return of_rows + noise * (1 - p) - others * p

    return _where_it_falls_to_zero(excess)


def log_prior_of_share(share: FloatArray | float, prior: tuple[float, float]) -> FloatArray:
    """The log density of the prior Beta(a, b) at shares (...)."""
    a, b = prior
    return np.asarray(xlogy(a - 1, share) + xlog1py(b - 1, -np.asarray(share)) - betaln(a, b))


def _where_it_falls_to_zero(function: Callable[[float], float]) -> float:
    """Between 0 and 1, to the last bits (Brent 1973); an end where it has one sign."""
    if not function(_LEAST) > 0:
        return _LEAST
    if not function(_MOST) < 0:
        return 1.0
    return float(brentq(function, _LEAST, _MOST, xtol=_LEAST, rtol=4 * _EPS, maxiter=1000))


def _series() -> FloatArray:
    """The coefficients (terms - 1, powers of s from 0) of the derivatives of sigma = s.

    Of the j-th from the first, times (-1)^j / j! and over s (1 - s): the derivative of a polynomial
    q in s is q'(s) s (1 - s).
    """
    out = np.zeros((_TERMS - 1, _TERMS - 1))
    q = np.polynomial.Polynomial([0.0, 1.0])
    for j in range(1, _TERMS):
        out[j - 1, : len(q.coef) - 1] = q.deriv().coef * ((-1) ** j / math.factorial(j))
        q = q.deriv() * np.polynomial.Polynomial([0.0, 1.0, -1.0])
    return out


_SERIES = _series()
