"""Simulated mixtures with a start some way off, and EM of a given length over them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import bayesgmm

# Flop of an iteration that takes microseconds, and of one that takes a second.
_QUICK, _SLOW = 3e6, 5e9
# How often an iteration is timed again where others took more of the machine than it did.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One size of problem.

    ridge is added to every variance after each M-step. The component means are about separation
    times sqrt(2) apart, in components' standard deviations of about 1: 3 overlaps, 20 does not.
    """

    n: int
    d: int
    k: int
    covariance_type: str = "full"
    ridge: float = 0.0
    separation: float = 3.0

    def __str__(self) -> str:
        return f"n = {self.n}, d = {self.d}, K = {self.k}, {self.covariance_type}"

    @property
    def short(self) -> Case:
        """The same shape with few rows (and columns, where these outnumber a component's rows)."""
        if self.ridge:
            return replace(self, n=self.n // 20, d=self.d // 4)
        return replace(self, n=min(self.n, max(self.n // 50, 4 * self.k * self.d)))

    @property
    def flops(self) -> float:
        """The fewest floating-point operations of one iteration; see `benchmarks/em.py`."""
        per_pair = 2 * self.d * (self.d + 1) if self.covariance_type == "full" else 4 * self.d
        return float(self.n * self.k * per_pair)

    @property
    def iterations(self) -> tuple[int, int]:
        """The numbers of iterations whose difference in time is taken.

        Few with a ridge, too: where a component has more columns than rows, EM soon arrives. One
        component has arrived after one iteration.
        """
        if self.k == 1:
            return 1, 2
        if self.ridge or self.flops > _SLOW:
            return 1, 3
        return 2, 52 if self.flops < _QUICK else 12


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows of a mixture, and a start some way off with the identity for covariances."""

    case: Case
    x: np.ndarray
    weights: np.ndarray
    means: np.ndarray

    @classmethod
    def simulate(cls, case: Case, seed: int = 0) -> Problem:
        rng = np.random.default_rng(seed)
        n, d, k = case.n, case.d, case.k
        centers = case.separation / np.sqrt(d) * rng.standard_normal((k, d))
        sd = rng.uniform(0.5, 1.5, (k, d))
        labels = rng.integers(k, size=n)
        x = centers[labels] + sd[labels] * rng.standard_normal((n, d))
        start = centers + 0.5 / np.sqrt(d) * rng.standard_normal((k, d))
        return cls(case, x, np.full(k, 1 / k), start)

    @property
    def start(self) -> bayesgmm.Mixture:
        """The start as bayesgmm takes it."""
        identity = np.repeat(np.eye(self.case.d)[None], self.case.k, axis=0)
        return bayesgmm.Mixture(self.weights, self.means, identity)

    def climb(
        self, *, tol: float, max_iter: int = 100_000, accelerate: bool = False
    ) -> bayesgmm.Fit:
        """EM by bayesgmm until so little per row is left to gain."""
        return bayesgmm.fit(
            self.x, self.case.k, self.case.covariance_type, start=self.start, max_iter=max_iter,
            tol=tol, accelerate=accelerate, ridge=self.case.ridge,
        )  # fmt: skip

    def bayesgmm(self, iterations: int) -> bayesgmm.Fit:
        """That many iterations of plain EM."""
        return self.climb(tol=0.0, max_iter=iterations)

    def scikit_learn(self, iterations: int) -> GaussianMixture:
        """The same by scikit-learn."""
        d, k = self.case.d, self.case.k
        precisions = {
            "full": np.repeat(np.eye(d)[None], k, axis=0),
            "diag": np.ones((k, d)),
            "spherical": np.ones(k),
        }
        with warnings.catch_warnings():  # it says that it did not converge, as was asked for
            warnings.simplefilter("ignore", ConvergenceWarning)
            return GaussianMixture(
                k, covariance_type=self.case.covariance_type, tol=0.0, reg_covar=self.case.ridge,
                max_iter=iterations, weights_init=self.weights, means_init=self.means,
                precisions_init=precisions[self.case.covariance_type],
            ).fit(self.x)  # fmt: skip

    def bayesgmm_per_iteration(self) -> float:
        """Seconds of one iteration by bayesgmm."""
        return per_iteration(lambda most: self.bayesgmm(most).n_iter, self.case.iterations)

    def scikit_learn_per_iteration(self) -> float:
        """Seconds of one iteration by scikit-learn."""
        return per_iteration(lambda most: self.scikit_learn(most).n_iter_, self.case.iterations)


def per_iteration(fit: Callable[[int], int], iterations: tuple[int, int]) -> float:
    """Seconds of one iteration, from a long run and a short one.

    Where the short run took longer, other processes disturbed it by more than the iterations
    cost, and both are made again.

    Parameters
    ----------
    fit : function
        Makes up to so many iterations and tells how many it made.
    iterations : (int, int)
        How many the short run makes, and the long one.
    """
    for _ in range(_ATTEMPTS):
        made, seconds = [], []
        for most in reversed(iterations):
            start = time.perf_counter()
            made.append(fit(most))
            seconds.append(time.perf_counter() - start)
        if made[0] <= made[1]:
            raise AssertionError(
                f"EM ended after {made[0]} iterations, of {iterations[1]} asked for"
            )
        if seconds[0] > seconds[1]:
            return (seconds[0] - seconds[1]) / (made[0] - made[1])
    raise AssertionError(f"{made[0]} iterations took no longer than {made[1]}, {_ATTEMPTS} times")
