"""Data of one replicate, and estimates of several with their components matched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from ...data.data import Data, as_data
from ...kernels.e_step.e_step import evaluate
from ...utils.types import IntArray
from ..result import Fit
from ..status import Status
from .result import Estimates

_BLOCK = 65_536


def _resampled(fit: Fit, data: Data, rng: np.random.Generator) -> Data:
    """Rows drawn with replacement: as many, each as often as a multinomial number says."""
    share = None if data.weights is None else data.weights / data.weights.sum()
    p = np.full(data.n, 1.0 / data.n) if share is None else share
    return as_data(data, sample_weight=rng.multinomial(round(data.total), p))


def _reweighted(fit: Fit, data: Data, rng: np.random.Generator) -> Data:
    """Weights n Dirichlet(1, ..., 1); Dirichlet(w) for rows that stand for w of them."""
    if data.weights is None:
        gamma = rng.standard_exponential(data.n)
    else:
        gamma = rng.standard_gamma(data.weights)
    return as_data(data, sample_weight=gamma * (data.total / gamma.sum()))


def _simulated(fit: Fit, data: Data, rng: np.random.Generator) -> Data:
    """As many rows from the fitted mixture."""
    return as_data(fit.sample(round(data.total), rng)[0])


REPLICATES: dict[str, Callable[[Fit, Data, np.random.Generator], Data]] = {
    "bootstrap": _resampled,
    "weighted": _reweighted,
    "parametric": _simulated,
}


def _matched(
    fit: Fit, other: Fit, data: Data, allocation: IntArray
) -> tuple[Estimates, bool, bool] | None:
    """A replicate's estimates in the fit's labels, whether it was stopped, and whether moved."""
    if not other.status.sound:
        return None
    order = _labels(other, data, allocation)
    parts = (other.weights, other.means, other.covariances)
    estimates = Estimates(*(part[order] for part in parts))
    moved = bool(np.any(order != np.arange(fit.n_components)))
    return estimates, other.status is Status.MAX_ITER, moved


def _allocation(fit: Fit, data: Data) -> IntArray:
    """The rows' most probable components under the fit, (n,)."""
    p = fit.mixture.parameters_about(data.center)
    blocks = [data.part(i, i + _BLOCK) for i in range(0, data.n, _BLOCK)]
    return np.concatenate(
        [np.argmax(evaluate(block, p, responsibilities=True)[1], axis=1) for block in blocks]
    )


def _labels(other: Fit, data: Data, allocation: IntArray) -> IntArray:
    """The other fit's component for each of the fit's: most of the rows' allocations agree (ECR).

    Papastamoulis & Iliopoulos (2010), J. Comput. Graph. Stat. 19, 313-331; as `labels.ecr` does
    for draws.
    """
    n_components = other.n_components
    agreement = np.zeros((n_components, n_components))
    p = other.mixture.parameters_about(data.center)
    for i in range(0, data.n, _BLOCK):
        block = data.part(i, i + _BLOCK)
        member = np.eye(n_components)[allocation[i : i + _BLOCK]]
        if block.weights is not None:
            member *= block.weights[:, None]
        agreement += member.T @ evaluate(block, p, responsibilities=True)[1]
    return np.asarray(linear_sum_assignment(agreement, maximize=True)[1])
