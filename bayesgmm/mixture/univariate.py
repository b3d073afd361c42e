"""Distribution function, quantiles and regions of highest density of a mixture in one column."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from ..utils.types import FloatArray

# Points about each component, and standard deviations to which they reach, where turning points
# of the density are looked for.
_POINTS, _REACH = 200, 6.0
# Standard deviations beyond the outermost components where a density is 0 in double precision.
_END = 38.0


class Univariate:
    """A mixture of normal distributions on a line.

    Parameters
    ----------
    weights, means, sd : array (K,)
        Proportions, means and standard deviations.
    """

    def __init__(self, weights: FloatArray, means: FloatArray, sd: FloatArray) -> None:
        there = weights > 0
        self.weights, self.means, self.sd = weights[there], means[there], sd[there]

    def cdf(self, x: FloatArray) -> FloatArray:
        """P(X <= x), of the shape of x."""
        return np.asarray(ndtr((x[..., None] - self.means) / self.sd) @ self.weights)

    def density(self, x: FloatArray) -> FloatArray:
        """The density, of the shape of x."""
        z = (x[..., None] - self.means) / self.sd
        return np.asarray(np.exp(-0.5 * z * z) @ (self.weights / (self.sd * np.sqrt(2 * np.pi))))

    def quantile(self, p: FloatArray) -> FloatArray:
        """The values below which lie the shares p, of the shape of p."""
        return np.array([self._quantile(float(share)) for share in p.ravel()]).reshape(p.shape)

    def _quantile(self, p: float) -> float:
        # It lies between the components' own quantiles.
        own = self.means + self.sd * ndtri(p)
        low, high = float(own.min()), float(own.max())
        if not np.isfinite(low) or low == high:
            return low
        upper = p > 0.5  # the smaller tail keeps its digits

        def excess(x: float) -> float:
            z = (x - self.means) / self.sd
            tail = float(ndtr(-z if upper else z) @ self.weights)
            return (1 - p) - tail if upper else tail - p

        if excess(low) * excess(high) > 0:  # rounding, at the very ends
            return low if abs(excess(low)) < abs(excess(high)) else high
        return float(brentq(excess, low, high, xtol=1e-300, rtol=1e-14))

    def region(self, prob: float) -> tuple[float, FloatArray]:
        """The level of density above which lies the share prob, and the intervals (m, 2) there."""
        turning = self._turning_points()
        ends = [self.means.min() - _END * self.sd.max(), self.means.max() + _END * self.sd.max()]
        knots = np.array([ends[0], *turning, ends[1]])
        top = float(self.density(knots).max())

        def missing(fraction: float) -> float:
            edges = self._edges(fraction * top, knots)
            return float(np.sum(np.diff(self.cdf(edges), axis=1))) - prob

        fraction = float(brentq(missing, 1e-300, 1.0, xtol=1e-16, rtol=1e-14))
        return fraction * top, self._edges(fraction * top, knots)

    def _slope(self, x: float) -> float:
        z = (x - self.means) / self.sd
        return float((-z * np.exp(-0.5 * z * z)) @ (self.weights / self.sd**2))

    def _turning_points(self) -> list[float]:
        """Where the density has a maximum or a minimum."""
        steps = np.linspace(-_REACH, _REACH, _POINTS)
        x = np.unique((self.means[:, None] + self.sd[:, None] * steps).ravel())
        slopes = np.array([self._slope(value) for value in x])
        change = np.flatnonzero(slopes[:-1] * slopes[1:] < 0)
        found = [float(brentq(self._slope, x[i], x[i + 1], xtol=1e-300)) for i in change]
        return sorted([*found, *x[slopes == 0].tolist()])

    def _edges(self, level: float, knots: FloatArray) -> FloatArray:
        """The intervals (m, 2) where the density is at least the level; knots cut its slopes."""
        above = self.density(knots) >= level
        edges = [
            float(brentq(lambda v: float(self.density(np.array(v))) - level, a, b, xtol=1e-300))
            for a, b, i in zip(knots[:-1], knots[1:], range(len(knots) - 1), strict=True)
            if above[i] != above[i + 1]
        ]
        if len(edges) % 2:  # a single point, at the very top
            edges.append(edges[-1])
        return np.array(edges).reshape(-1, 2)
