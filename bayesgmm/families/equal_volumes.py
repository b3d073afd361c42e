"""Gamma variables in groups of equal product: what EVI, EVE and EVV have in common.

The precisions' logarithms along d directions of K components, y_kj, have the density
exp(power L - sum_kj exp(y_kj)), where sum_j y_kj = d L for all k: K groups of log-gamma variables
with one mean L. It is a density of L and of d - 1 orthonormal contrasts of each group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import digamma, loggamma, logsumexp, polygamma

from ..utils.types import FloatArray

# Nodes of the integral over L, which reaches so many standard deviations to each side, and of the
# inverse Mellin transform along a line. The trapezoidal rule converges exponentially for both.
_NODES, _REACH = 401, 16.0
_LINE = np.linspace(-9.0, 9.0, 181)
# Newton's steps from a start within 5 % of the root, and where its two forms meet.
_NEWTON, _BEND = 6, -2.22


@final
@dataclass(frozen=True, eq=False)
class EqualVolumes:
    """The distribution, by K, d and the power of e^L."""

    n_components: int
    d: int
    power: float

    @cached_property
    def log_integral(self) -> float:
        """Log of the density's integral."""
        at, logs = self._over_levels
        return float(logsumexp(logs) + np.log(at[1] - at[0]))

    def draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        """Independent draws of y (size, K, d)."""
        at, logs = self._over_levels
        cumulative = np.cumsum(np.exp(logs - logs.max()))
        level = np.interp(rng.random(size) * cumulative[-1], cumulative, at + 0.5 * (at[1] - at[0]))
        each = np.repeat(level, self.n_components)
        contrasts = draw_contrasts(rng, each, self.d).reshape(size, self.n_components, self.d)
        return level[:, None, None] + contrasts

    @cached_property
    def _over_levels(self) -> tuple[FloatArray, FloatArray]:
        """A grid of L, and the log density of L on it."""
        size = self.n_components * self.d
        saddle = self.power / size
        width = np.sqrt(polygamma(1, saddle) / size)
        at = digamma(saddle) + width * np.linspace(-_REACH, _REACH, _NODES)
        return at, self.power * at + self.n_components * log_group(at, self.d)


def draw_contrasts(rng: np.random.Generator, level: FloatArray, d: int) -> FloatArray:
    """Draws of one group's y - L (S, d) given its L (S,), by rejection.

    Log-gamma variables of shape s less their mean have density X^-(d s), X = sum_j exp(x_j); here
    it is exp(-e^L X). The ratio is largest where e^L X = d s.
    """
    total = d * _inverse_digamma(level)
    out = np.empty((len(level), d))
    left = np.arange(len(level))
    while len(left) > 0:
        y = np.log(rng.standard_gamma(total[left, None] / d, (len(left), d)))
        x = y - y.mean(axis=1, keepdims=True)
        log_ratio = level[left] + np.log(np.exp(x).sum(axis=1) / total[left])
        accept = total[left] * (1 + log_ratio - np.exp(log_ratio))
        kept = np.log(rng.random(len(left))) < accept
        out[left[kept]] = x[kept]
        left = left[~kept]
    return out


def log_group(level: FloatArray, d: int) -> FloatArray:
    """Log of one group's integral over its contrasts, given L: an inverse Mellin transform.

    sqrt(d) / (2 pi) int exp(-d L s) Gamma(s)^d dy over s = s0 + i y, through the saddle point,
    where nothing cancels.
    """
    saddle = _inverse_digamma(level)[:, None]
    width = 1.0 / np.sqrt(d * polygamma(1, saddle))
    s = saddle + 1j * width * np.sinh(_LINE)
    logs = d * (loggamma(s) - level[:, None] * s)
    peak = logs.real.max(axis=1, keepdims=True)
    terms = np.exp(logs - peak).real * np.cosh(_LINE)
    total = np.sum(terms, axis=1) * (_LINE[1] - _LINE[0]) * width[:, 0]
    return np.asarray(peak[:, 0] + np.log(total) + 0.5 * np.log(d) - np.log(2 * np.pi))


def _inverse_digamma(level: FloatArray) -> FloatArray:
    """Where digamma is so large, by Newton's method."""
    with np.errstate(divide="ignore"):
        low = -1.0 / (level - digamma(1.0))
    s = np.where(level >= _BEND, np.exp(level) + 0.5, low)
    for _ in range(_NEWTON):
        s = s - (digamma(s) - level) / polygamma(1, s)
    return np.asarray(s)
