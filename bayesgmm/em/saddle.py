"""Saddles: stationary points of EM at which components coincide, and EM from beyond them.

Components that are equal stay equal, whatever the rows: EM from near such a point gains next to
nothing for many steps. Separating the components shows whether it is a maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.e_step.contract import Parameters
from ..utils.matrices import as_diagonals
from .moves import separated
from .problem import Problem
from .run import EMResult
from .starts.sample import Start
from .status import Status

# Components coincide if their means differ by less than this in standard deviations, and their
# variances by less than this fraction.
_ALIKE = 0.25

type BestFrom = Callable[[Sequence[Start]], EMResult | None]


def beyond_saddles(
    problem: Problem, found: EMResult, enough: float, best_from: BestFrom
) -> EMResult:
    """The maximum that EM reaches when coinciding components are separated, or `found`.

    The pair that is most alike is separated, until that gains no more than `enough`. best_from
    gives the best sound result of EM from some starts, or None.
    """
    for _ in range(len(found.parameters.weights)):
        pair = _coinciding(found.parameters)
        if found.status is not Status.CONVERGED or pair is None:
            break
        apart = [Start(s, guess=True) for s in separated(found.statistics, *pair)]
        better = best_from(apart) if apart else None
        if better is None or not better.objective > found.objective + enough:
            break
        found = better
    return found


def _coinciding(p: Parameters) -> tuple[int, int] | None:
    """The two components that are most alike, if they coincide."""
    variances = as_diagonals(p.covariances)
    # bounds first, of all pairs at once: most are far apart
    mean = variances[:, None] + variances[None]
    gap = (p.means[:, None] - p.means[None]) ** 2
    change = np.abs(variances[:, None] - variances[None])
    near = np.all((2 * gap < _ALIKE**2 * mean) & (2 * change < _ALIKE * mean), axis=2)
    closest, pair = _ALIKE, None
    for a, b in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        difference = _difference(p, a, b)
        if difference < closest:
            closest, pair = difference, (int(a), int(b))
    return pair


def _difference(p: Parameters, a: int, b: int) -> float:
    """The distance of two means in sds, or the relative difference of variances if larger."""
    mean = (p.covariances[a] + p.covariances[b]) / 2
    gap, change = p.means[a] - p.means[b], p.covariances[a] - p.covariances[b]
    if p.diagonal:
        return float(max(np.sqrt(np.sum(gap**2 / mean)), np.abs(change / mean).max()))
    try:
        root = np.linalg.inv(np.linalg.cholesky(mean))
        width = np.abs(np.linalg.eigvalsh(root @ change @ root.T)).max()
    except np.linalg.LinAlgError:  # singular to rounding
        return np.inf
    return float(max(np.linalg.norm(root @ gap), width))
