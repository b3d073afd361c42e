"""Three estimates of the log of an integral, of a density known up to its constant.

    bridge       draws of the density against draws of a proposal (Meng & Wong 1996)
    importance   draws of the proposal, their largest weights smoothed (Vehtari et al. 2024)
    laplace      the normal approximation of the density at its mode

Nothing here is about mixtures: a density is a function from points (S, P) to logs (S,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import brentq, minimize
from scipy.special import expit

from ...utils.types import FloatArray

type LogDensity = Callable[[FloatArray], FloatArray]

# Step of finite differences, in standard deviations of the density.
_STEP = 1e-2
# Tolerance of the gradient at the mode, in the same unit: half its square is the log's error.
_FLAT = 1e-3
# How far beyond all log ratios the bridge's equation is sure to have its limiting sign.
_BEYOND = 40.0


@dataclass(frozen=True, slots=True)
class Integral:
    """The log of an integral, its standard error, and the method's diagnostics."""

    log_value: float
    error: float
    diagnostics: dict[str, float]


# Coordinates that vary by less, relative to their size or to each other, vary by rounding only.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Coordinates z of points x = m + L z in which given points have mean 0 and unit covariance.

    mean (P,); lower (P, P) triangular.
    """

    mean: FloatArray
    lower: FloatArray

    @classmethod
    def of(cls, points: FloatArray) -> Whitening:
        """The whitening by the mean and covariance of points (S, P).

        Raises
        ------
        LinAlgError
            Points that fill no volume.
        """
        sd = points.std(axis=0)
        if np.any(sd <= _ROUNDING * np.abs(points).max(axis=0)):
            raise np.linalg.LinAlgError("a coordinate does not vary")
        correlation = np.corrcoef(points, rowvar=False).reshape(points.shape[1], -1)
        if np.linalg.eigvalsh(correlation)[0] <= _ROUNDING:
            raise np.linalg.LinAlgError("coordinates vary only together")
        covariance = np.cov(points, rowvar=False).reshape(points.shape[1], -1)
        return cls(points.mean(axis=0), np.linalg.cholesky(covariance))

    @property
    def log_volume(self) -> float:
        """Log of |dx / dz|."""
        return float(np.sum(np.log(np.diagonal(self.lower))))

    def white(self, points: FloatArray) -> FloatArray:
        """The coordinates z (S, P) of points (S, P)."""
        return np.asarray(solve_triangular(self.lower, (points - self.mean).T, lower=True).T)

    def back(self, white: FloatArray) -> FloatArray:
        """The points (S, P) at coordinates z (S, P)."""
        return self.mean + white @ self.lower.T


def bridge(at_draws: FloatArray, at_proposals: FloatArray, n_effective: float) -> Integral:
    """The integral by the optimal bridge between a density and a proposal.

    With l the log ratio of the unnormalised density to the proposal, s1 and s2 the shares of
    n_effective draws and N2 proposals, and z = log r - l + log(s2 / s1), the estimate r solves

        mean over proposals of expit(-z) / s1 = mean over draws of expit(z) / s2,

    Meng & Wong (1996), Statistica Sinica 6, 831-860, equation 4.1, whose two sides are monotone
    in r. The error is that of Fruehwirth-Schnatter (2004), Econometrics J. 7, 143-167, with the
    draws' own effective sample size for their autocorrelation (Gronau et al. 2017, J. Math.
    Psychol. 81, 80-97, appendix).

    Parameters
    ----------
    at_draws : array (chains, draws)
        l at draws of the density that the proposal was not fitted to.
    at_proposals : array (N2,)
        l at independent draws of the proposal; -inf where the density is 0.
    n_effective : float
        Number of independent draws that the draws are worth.

    Returns
    -------
    Integral
        With the effective sample size `ess` of the draws' terms, and `n_proposals`.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.posterior.evidence.integrals import bridge
    >>> rng = np.random.default_rng(1)  # exp(-x^2/2), integral (2 pi)^(1/2), against N(0, 2^2)
    >>> log_ratio = lambda x: -0.375 * x**2 + np.log(2 * np.sqrt(2 * np.pi))
    >>> x, y = rng.standard_normal((4, 500)), 2 * rng.standard_normal(2000)
    >>> round(bridge(log_ratio(x), log_ratio(y), 2000).log_value, 1)  # log(2 pi) / 2 = 0.919
    0.9
    """
    from arviz_stats.base import array_stats

    share = n_effective / (n_effective + len(at_proposals))
    offset = np.log1p(-share) - np.log(share)

    def of_proposals(log_r: float) -> FloatArray:
        return np.asarray(expit(at_proposals - log_r - offset) / share)

    def of_draws(log_r: float) -> FloatArray:
        return np.asarray(expit(log_r - at_draws + offset) / (1 - share))

    def imbalance(log_r: float) -> float:
        return float(np.mean(of_proposals(log_r)) - np.mean(of_draws(log_r)))

    ratios = np.concatenate([at_draws.ravel(), at_proposals[np.isfinite(at_proposals)]])
    ends = ratios.min() - abs(offset) - _BEYOND, ratios.max() + abs(offset) + _BEYOND
    log_r = float(brentq(imbalance, *ends, xtol=1e-10))
    terms = of_draws(log_r)
    ess = float(array_stats.ess(terms, method="mean"))
    error = np.hypot(_relative_error(of_proposals(log_r), len(at_proposals)),
                     _relative_error(terms, ess))  # fmt: skip
    return Integral(log_r, float(error), {"ess": ess, "n_proposals": len(at_proposals)})


def importance(at_proposals: FloatArray, at_draws: FloatArray) -> Integral:
    """The integral by importance sampling, the largest weights Pareto-smoothed.

    Vehtari, Simpson, Gelman, Yao & Gabry (2024), J. Mach. Learn. Res. 25(72), 1-58.

    Where the density has mass that the proposal hardly ever meets, no weight shows it. Draws of the
    density do: the variance of the weights w = p / q over their mean r is E_q[w^2] / r^2 - 1, which
    is E_p[w / r] - 1, a mean over these draws. There
    w / r is cut at S, the relative weight of a proposal that alone made up the mean, so that single
    draws far out do not decide. The error uses the larger of the two estimates of that variance.

    Parameters
    ----------
    at_proposals : array (S,)
        Log ratio of the density to the proposal at independent draws of the proposal; -inf where
        the density is 0.
    at_draws : array (any,)
        The same at draws of the density that the proposal was not fitted to.

    Returns
    -------
    Integral
        With `pareto_k`, above 0.7 of which the estimate and its error mean little; `ess`; and
        `missed`, the share of the draws at which the proposal's density is below 1 / S of the
        normalised density.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.posterior.evidence.integrals import importance
    >>> rng = np.random.default_rng(1)  # as for `bridge`
    >>> log_ratio = lambda x: -0.375 * x**2 + np.log(2 * np.sqrt(2 * np.pi))
    >>> x, y = rng.standard_normal(2000), 2 * rng.standard_normal(2000)
    >>> round(importance(log_ratio(y), log_ratio(x)).log_value, 1)
    0.9
    """
    from arviz_stats.base import array_stats

    inside = at_proposals[np.isfinite(at_proposals)]
    smooth, pareto_k = array_stats.psislw(-inside)
    smallest = np.argmin(inside)  # not in the tail, so that smoothing has only shifted its log
    weights = np.zeros(len(at_proposals))
    weights[: len(inside)] = np.exp(smooth - smooth.max())
    log_value = np.log(weights.mean()) + smooth.max() + inside[smallest] - smooth[smallest]
    ess = weights.sum() ** 2 / np.sum(weights**2)
    size, over_mean = len(weights), at_draws - log_value
    variance = np.exp(np.minimum(over_mean, np.log(size))).mean() - 1
    error = max(_relative_error(weights, size), float(np.sqrt(max(variance, 0.0) / size)))
    missed = np.mean(over_mean > np.log(size))
    diagnostics = {"pareto_k": float(pareto_k), "ess": float(ess), "missed": float(missed)}
    return Integral(float(log_value), error, diagnostics)


@dataclass(frozen=True, slots=True, eq=False)
class NormalApproximation:
    """A normal density times a number, with the height and curvature of another at its mode.

    Attributes
    ----------
    mode : array (P,)
        The mode.
    root : array (P, P)
        R with R R' the covariance; not numbers where the curvature is not positive definite.
    log_height : float
        Log of the height at the mode.
    curvature : float
        The smallest curvature, in the coordinates in which the mode was sought.
    """

    mode: FloatArray
    root: FloatArray
    log_height: float
    curvature: float

    @property
    def log_integral(self) -> float:
        """Log of its integral; not a number where the curvature is not positive definite."""
        if not self.curvature > 0:
            return float("nan")
        log_volume = np.linalg.slogdet(self.root)[1]
        return float(self.log_height + log_volume + 0.5 * len(self.mode) * np.log(2 * np.pi))

    def sample(self, size: int, rng: np.random.Generator) -> FloatArray:
        """Independent draws (size, P)."""
        return self.mode + rng.standard_normal((size, len(self.mode))) @ self.root.T


def laplace(log_density: LogDensity, start: FloatArray, unit: Whitening) -> NormalApproximation:
    """The normal approximation of a density at its mode, whose integral is the estimate.

    Tierney & Kadane (1986), J. Am. Stat. Assoc. 81, 82-86. The method has no error of its own.

    Parameters
    ----------
    log_density : function of points (S, P)
        Smooth about its mode.
    start : array (P,)
        A point near the mode.
    unit : Whitening
        Coordinates in which the mode is sought and differences are taken, such as those that
        draws of the density give.

    Returns
    -------
    NormalApproximation
        Its `curvature` is the smallest of the density at its mode in those coordinates, where a
        normal density of that covariance has 1; where it is not positive the log is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.posterior.evidence.integrals import Whitening, laplace
    >>> unit = Whitening(np.ones(1), np.eye(1))
    >>> normal = laplace(lambda x: -2 * (x[:, 0] - 1) ** 2, np.zeros(1), unit)
    >>> normal.log_integral, normal.curvature  # log(2 pi / 4) / 2
    (0.226, 4.000)
    """

    def f(white: FloatArray) -> FloatArray:
        return log_density(unit.back(white))

    steps = _STEP * np.eye(len(start))
    found = minimize(
        lambda z: -f(z[None])[0],
        unit.white(start[None])[0],
        jac=lambda z: (f(z - steps) - f(z + steps)) / (2 * _STEP),
        options={"gtol": _FLAT},
    )
    curvatures, axes = np.linalg.eigh(-_second_differences(f, found.x))
    widths = np.sqrt(np.where(curvatures[0] > 0, np.abs(curvatures), np.nan)) ** -1.0
    return NormalApproximation(
        unit.back(found.x), unit.lower @ (axes * widths), -float(found.fun), float(curvatures[0])
    )


def _second_differences(f: LogDensity, x: FloatArray) -> FloatArray:
    """Second derivatives (P, P) of f at x (P,) from differences on both sides."""
    steps = _STEP * np.eye(len(x))
    rows, columns = np.triu_indices(len(x))
    pairs = steps[rows] + steps[columns]
    alone = f(x + steps) + f(x - steps)
    both = f(x + pairs) + f(x - pairs)
    out = np.empty((len(x), len(x)))
    out[rows, columns] = both - alone[rows] - alone[columns] + 2 * f(x[None])[0]
    out[columns, rows] = out[rows, columns]
    return out / (2 * _STEP**2)


def _relative_error(terms: FloatArray, n_effective: float) -> float:
    """Standard error of the terms' mean over the mean."""
    return float(terms.std() / terms.mean() / np.sqrt(n_effective))
