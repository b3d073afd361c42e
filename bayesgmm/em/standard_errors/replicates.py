"""Bootstrap replicates: their data, and their estimates with components matched to the fit's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...data.data import Data, as_data
from ...mixture.matching import ecr_order, one_hot
from ...mixture.of_parameters import responsibility_blocks
from ...utils.errors import DataError, DegenerateComponentError, DegenerateFitWarning
from ...utils.progress import until_interrupted
from ...utils.types import FloatArray, IntArray
from ..fit import fit as refit
from ..labelled_fit import LabelledFit
from ..noisy_fit import NoisyFit
from ..result import Fit
from ..simulation import simulated
from ..status import Status
from .result import Estimates

type Replicate = tuple[Data, NDArray[np.bool_] | None]


def _resampled(fit: Fit, data: Data, rng: np.random.Generator) -> Replicate:
    """As many rows drawn with replacement, as multinomial weights, with their labels."""
    counted = data.counted
    p = np.full(data.n, 1.0 / data.n) if counted is None else counted / counted.sum()
    rows = as_data(data, sample_weight=rng.multinomial(round(data.total), p))
    return rows, labels_of_fit(fit)


def _reweighted(fit: Fit, data: Data, rng: np.random.Generator) -> Replicate:
    """Weights from n Dirichlet(1, ..., 1); Dirichlet(w) for rows of weights w."""
    if data.counted is None:
        gamma = rng.standard_exponential(data.n)
    else:
        gamma = rng.standard_gamma(data.counted)
    rows = as_data(data, sample_weight=gamma * (data.total / gamma.sum()))
    return rows, labels_of_fit(fit)


def labels_of_fit(fit: Fit) -> NDArray[np.bool_] | None:
    """The components (n, K) that the fit's rows can belong to; None where that is not known."""
    return fit.labels.table if isinstance(fit, LabelledFit) else None


#: Ways to the rows of a replicate, and the components that they can belong to.
REPLICATES: dict[str, Callable[[Fit, Data, np.random.Generator], Replicate]] = {
    "bootstrap": _resampled,
    "weighted": _reweighted,
    "parametric": simulated,
}


def refits[T](
    fit: Fit,
    data: Data,
    make: Callable[[T], Replicate],
    items: Sequence[T],
    max_iter: int,
    tol: float,
    description: str,
    progressbar: bool,
) -> tuple[list[tuple[Estimates, bool, bool] | None], bool]:
    """Refits of the data that each item makes, in the fit's labels; and whether Ctrl-C came.

    None stands for one that is not sound.
    """
    allocation = allocation_by(fit, data)
    noise = fit.noise if isinstance(fit, NoisyFit) else None

    def replicate(item: T) -> tuple[Estimates, bool, bool] | None:
        try:
            rows, labels = make(item)
            other = refit(
                rows, fit.n_components, fit.family, prior=fit.prior, start=fit.mixture,
                max_iter=max_iter, tol=tol, noise=noise, labels=labels,
            )  # fmt: skip
        except (DataError, DegenerateComponentError):
            return None
        return matched(fit, other, data, allocation)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateFitWarning)  # counted
        return until_interrupted(replicate, items, description, progressbar)


def matched(
    fit: Fit, other: Fit, data: Data, allocation: IntArray
) -> tuple[Estimates, bool, bool] | None:
    """Estimates in the fit's labels, whether max_iter stopped EM, whether labels changed."""
    if not other.status.sound:
        return None
    order = np.arange(fit.n_components)
    if not isinstance(fit, LabelledFit):
        order = labels_of(other, data, allocation)
    weights, means, covariances, noise = Estimates.of(other)
    estimates = Estimates(weights[order], means[order], covariances[order], noise)
    moved = bool(np.any(order != np.arange(fit.n_components)))
    return estimates, other.status is Status.MAX_ITER, moved


def allocation_by(fit: Fit, data: Data) -> IntArray:
    """The rows' most probable components under the fit, (n,)."""
    blocks = responsibility_blocks(data, fit.mixture.parameters_about(data.center))
    return np.concatenate([np.argmax(resp, axis=1) for _, resp in blocks])


def labels_of(other: Fit, data: Data, allocation: IntArray) -> IntArray:
    """The other fit's component for each of the fit's, by ECR, as `labels.ecr` does for draws."""

    def counted(rows: slice) -> FloatArray:
        member = one_hot(allocation[rows], other.n_components)
        return member if data.weights is None else member * data.weights[rows, None]

    blocks = responsibility_blocks(data, other.mixture.parameters_about(data.center))
    return ecr_order((counted(rows), resp) for rows, resp in blocks)
