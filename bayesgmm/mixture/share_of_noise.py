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
from scipy.special import betaln, expit, xlog1py, xlogy

from ..utils.types import FloatArray

# Log ratios beyond which a row is certain whatever the share, the bins' width, and terms of sigma.
_LARGEST, _WIDTH, _TERMS = 64.0, 0.5, 13
_N_BINS = int(2 * _LARGEST / _WIDTH)
_MIDDLES = (np.arange(_N_BINS) + 0.5) * _WIDTH - _LARGEST
# Bisections of a share between 0 and 1, after which nothing is left to halve.
_HALVINGS = 60

#: The shape of the moments.
MOMENTS = _N_BINS, _TERMS
#: a and b of a uniform prior.
UNIFORM = 1.0, 1.0


def best_share(
    log_ratios: FloatArray, weights: FloatArray | None, prior: tuple[float, float] = UNIFORM
) -> float:
    """The share of noise that maximises sum_i w_i log((1 - p) f_i + p c) and the log prior.

    The derivative sum_i w_i (1 - e_i) / ((1 - p) e_i + p), e = f / c, falls in p; it is halved to.
    """
    # (1 - e) / ((1 - p) e + p), as it does not overflow
    large = log_ratios > 0
    e = np.exp(-np.abs(log_ratios))
    top = np.where(large, e - 1, 1 - e)
    noise, others = prior[0] - 1, prior[1] - 1

    def slope(p: float) -> float:
        terms = top / np.where(large, (1 - p) + p * e, (1 - p) * e + p)
        of_rows = float(terms.sum() if weights is None else weights @ terms)
        return of_rows + noise / p - others / (1 - p)

    return _where_it_falls_to_zero(slope)


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
    total = moments[:, 0].sum() + noise + others

    def excess(p: float) -> float:
        """How many rows more are noise than the share p says."""
        s = expit(math.log(p) - math.log1p(-p) - middles)
        powers = s[:, None] ** np.arange(1, _TERMS + 1)
        return float(np.sum(some * (powers @ _SERIES.T))) + noise - p * total

    return _where_it_falls_to_zero(excess)


def log_prior_of_share(share: FloatArray | float, prior: tuple[float, float]) -> FloatArray:
    """The log density of the prior Beta(a, b) at shares (...)."""
    a, b = prior
    return np.asarray(xlogy(a - 1, share) + xlog1py(b - 1, -np.asarray(share)) - betaln(a, b))


def _where_it_falls_to_zero(function: Callable[[float], float]) -> float:
    """Between 0 and 1, by bisection; an end where it has one sign."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if middle in {low, high}:
            break
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def _series() -> FloatArray:
    """The coefficients (terms, terms) of s, s^2, ... in (-1)^j / j! times sigma's j-th derivative.

    The derivative of a polynomial q in s = sigma is q'(s) s (1 - s).
    """
    out = np.zeros((_TERMS, _TERMS))
    q = np.polynomial.Polynomial([0.0, 1.0])
    for j in range(_TERMS):
        out[j, : len(q.coef) - 1] = q.coef[1:] * ((-1) ** j / math.factorial(j))
        q = q.deriv() * np.polynomial.Polynomial([0.0, 1.0, -1.0])
    return out


_SERIES = _series()
