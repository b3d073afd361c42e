"""Parameters in scaled coordinates with the factors of their covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...utils.errors import DegenerateComponentError
from ...utils.threads import default_threads, for_each_chunk
from ...utils.types import FloatArray
from ..cholesky import inverse_factors
from .accuracy import SMALLEST_VARIANCE
from .contract import Parameters
from .quadratic import QUADRATIC_MAX_COLUMNS

# More threads wait for each other longer than their covariances take.
_FACTORING_THREADS = 8


@dataclass(frozen=True, slots=True)
class Scaled:
    """Parameters in scaled coordinates, factored: the input of both forms of the pass.

    covariances (K, d, d) or (K, 1, d), means (K, d); factors and half_log_dets as `Components`.
    """

    log_weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    factors: FloatArray
    half_log_dets: FloatArray
    diagonal: bool


def factored(parameters: Parameters, scale: FloatArray) -> Scaled:
    """The parameters divided by the columns' scale; DegenerateComponentError if one is singular."""
    n_components, d = parameters.means.shape
    if parameters.diagonal:
        covariances = (parameters.covariances / scale**2).reshape(n_components, 1, d)
    else:
        covariances = parameters.covariances / np.outer(scale, scale)
    covariances = np.ascontiguousarray(covariances)
    factors = np.empty_like(covariances)
    half_log_dets = np.empty(n_components)
    bad = _inverse_factors(covariances, factors, half_log_dets)
    if bad >= 0:
        raise DegenerateComponentError(bad)
    with np.errstate(divide="ignore"):  # a weight of exactly 0 is a component no row belongs to
        log_weights = np.log(parameters.weights)
    means = np.ascontiguousarray(parameters.means / scale)  # columns picked by name lie otherwise
    return Scaled(log_weights, means, covariances, factors, half_log_dets, parameters.diagonal)


def _inverse_factors(
    covariances: FloatArray, factors: FloatArray, half_log_dets: FloatArray
) -> int:
    """`inverse_factors`, on all threads where the columns are many."""
    n_components = len(covariances)
    if covariances.shape[1] <= QUADRATIC_MAX_COLUMNS:
        return int(inverse_factors(covariances, SMALLEST_VARIANCE, factors, half_log_dets))
    n_chunks = min(default_threads(), _FACTORING_THREADS, n_components)
    bounds = [n_components * c // n_chunks for c in range(n_chunks + 1)]
    bad = np.full(n_chunks, -1)

    def work(c: int) -> None:
        part = slice(bounds[c], bounds[c + 1])
        found = inverse_factors(
            covariances[part], SMALLEST_VARIANCE, factors[part], half_log_dets[part]
        )
        bad[c] = bounds[c] + found if found >= 0 else -1

    for_each_chunk(work, n_chunks, n_chunks)
    return int(bad[bad >= 0][0]) if np.any(bad >= 0) else -1
