"""Draws of a covariance from its LKJ prior, for components without rows: compiled.

Variances are a ratio of gamma variables (half-t deviations) or the inverse of one; canonical
partial correlations are beta variables (Lewandowski, Kurowicka & Joe 2009, J. Multivar. Anal. 100,
1989-2001). What is too small for double precision is drawn anew, so that the law is that of
`gibbs_lkj.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...density.deviations import write_factor
from ...families.family import Family
from ...kernels.compilation import jit
from ...mixture.prior import Prior
from ...utils.types import FloatArray
from .gibbs_lkj import floors
from .gibbs_sweeps import log_gamma_draw

# The largest share of the prior that may be too small: a component's weight in p(K) errs by it.
_MOST_SMALL = 0.01
# Draws that tell it.
_DRAWS = 2000
# Log of s_j^2 |R| above its floor that is near it, and the share of draws that may have such.
_NEAR, _MOST_NARROW = 2.0 * np.log(2.0), 1e-3


def check_lkj_draws(prior: Prior, family: Family, scale: FloatArray) -> None:
    """Refuse an LKJ prior of which much is too small for double precision.

    Parameters
    ----------
    prior : Prior
        With `lkj`.
    family : Family
        Of the mixture.
    scale : array (d,)
        The columns' scales.

    Raises
    ------
    ValueError
        More than a hundredth of it is.
    """
    drawn = prior.sample(1, family, _DRAWS, random_seed=0).covariances[:, 0]
    share = float(np.mean(_above_floor(drawn, scale) < 0.0))
    if share > _MOST_SMALL:
        raise ValueError(
            f"{share:.0%} of the LKJ prior are covariances too small for double precision beside "
            "the columns' own: pass one with larger widths or scales, or a larger eta, such as "
            "Prior.lkj_from_data(X)."
        )


def check_widths(held: Sequence[tuple[FloatArray, FloatArray]], scale: FloatArray) -> None:
    """Refuse draws in which components that hold rows are as narrow as they may be.

    Rows that are equal in a column are the more likely the narrower their component is, and half-t
    deviations do not hold it up: the integral is not finite, and the floor is what ends it.

    Parameters
    ----------
    held : sequence of (counts (K,), covariances (K, d, d) or (K, 1, d))
        Components with rows, of every draw.
    scale : array (d,)
        The columns' scales.

    Raises
    ------
    ValueError
        In more than a thousandth of the draws one with two rows or more is.
    """
    narrow = [
        bool(np.any((counts > 1) & (_above_floor(covariances, scale) < _NEAR)))
        for counts, covariances in held
    ]
    if (share := float(np.mean(narrow))) > _MOST_NARROW:
        raise ValueError(
            f"in {share:.1%} of the draws a component of two rows or more is as narrow as double "
            "precision allows. Where rows have equal values in a column, half-t deviations leave "
            "no proper posterior: pass Prior.lkj_from_data(X, shape=2.5), of inverse gamma "
            "variances, or a prior with dof and scale, such as Prior.from_data(X)."
        )


def _above_floor(covariances: FloatArray, scale: FloatArray) -> FloatArray:
    """Least log of s_j^2 |R| over its floor (K,), of (K, d, d), (K, 1, d) or variances (K, d)."""
    d = covariances.shape[-1]
    variances, log_r = covariances.reshape(-1, d), 0.0
    if covariances.ndim == 3 and covariances.shape[1] == d:
        variances = np.einsum("kjj->kj", covariances)
        log_r = np.linalg.slogdet(covariances)[1] - np.log(variances).sum(axis=1)
    least: FloatArray = (np.log(variances) - np.log(floors(scale))).min(axis=1) + log_r
    return least


@jit()
def draw_lkj_prior(rng, packed, covariance):  # type: ignore[no-untyped-def]
    """Write a covariance (d, d), or variances (1, d); packed as `draw_lkj` has it."""
    rows, d = covariance.shape
    root, power, beta = packed[0], packed[1], packed[2]
    logs = np.empty(d)
    logits = np.empty(d * (d - 1) // 2 if rows == d and d > 1 else 0)
    lower = np.zeros((d, d))
    least = -1.0
    while least < 0.0:
        for f in range(len(logits)):
            shape = packed[3 + 3 * d + f]
            logits[f] = log_gamma_draw(rng, shape) - log_gamma_draw(rng, shape)
        for j in range(d):
            if beta > 0.0:
                log_v = np.log(packed[3 + j]) + log_gamma_draw(rng, 0.5)
                log_v -= log_gamma_draw(rng, beta - 0.5)
            else:
                log_v = np.log(packed[3 + d + j]) - log_gamma_draw(rng, power)
            logs[j] = log_v / root
        write_factor(root, logs, logits, lower)
        log_r = 0.0
        for j in range(d):
            log_r += 2.0 * np.log(lower[j, j]) - root * logs[j]
        least = np.inf
        for j in range(d):
            least = min(least, root * logs[j] + log_r - np.log(packed[len(packed) - d + j]))
    for i in range(d):
        if rows < d or d == 1:
            covariance[0, i] = lower[i, i] * lower[i, i]
            continue
        for j in range(i + 1):
            v = 0.0
            for q in range(j + 1):
                v += lower[i, q] * lower[j, q]
            covariance[i, j] = v
            covariance[j, i] = v
