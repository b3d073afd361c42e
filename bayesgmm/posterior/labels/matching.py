"""Parts of the relabelling methods: best assignments, components as points, the result."""

from __future__ import annotations

import numpy as np

from ...mixture.draws import Draws
from ...mixture.matching import assign
from ...utils.matrices import as_diagonals
from ...utils.types import FloatArray, IntArray
from .relabelling import Relabelling


def assign_all(agreement: FloatArray) -> IntArray:
    """The best assignments (S, K) of every draw's agreement (S, K, K), by `assign`."""
    return np.array([assign(a) for a in agreement])


def relabelling_of(
    method: str,
    draws: Draws,
    permutations: IntArray,
    losses: tuple[float, ...] = (),
    converged: bool = True,
) -> Relabelling:
    """The `Relabelling` of a method's permutations, with the draws that are ambiguous."""
    components = points(draws, column_sd(draws))
    relabelled = np.take_along_axis(components, permutations[:, :, None], axis=1)
    nearest = np.argmin(squared_distances(components, relabelled.mean(axis=0)), axis=1)
    ambiguous = np.any(np.sort(nearest, axis=1) != np.arange(draws.n_components), axis=1)
    return Relabelling(method, permutations, ambiguous, losses, converged)


def column_sd(draws: Draws) -> FloatArray:
    """Standard deviations (d,) of the columns under the draws' mixtures, whatever the labels."""
    sigma, weights = draws.covariances, draws.weights[:, None]
    variances = as_diagonals(sigma, leading=2)
    offsets = draws.means - weights @ draws.means
    return np.sqrt((weights @ (variances + offsets**2)).mean(axis=(0, 1)))


def points(draws: Draws, sd: FloatArray) -> FloatArray:
    """Proportion, mean and distinct entries of the covariance of every component, (S, K, p).

    Means are in units of sd (d,), covariances in their products.
    """
    if draws.covariances.ndim == 3:
        sigma = draws.covariances / sd**2
    else:
        rows, columns = np.triu_indices(len(sd))
        sigma = draws.covariances[:, :, rows, columns] / (sd[rows] * sd[columns])
    return np.concatenate([draws.weights[:, :, None], draws.means / sd, sigma], axis=2)


def squared_distances(components: FloatArray, reference: FloatArray) -> FloatArray:
    """Squared distances (..., K, K) of points (..., K, p), columns, from a reference's (K, p)."""
    return np.stack([np.sum((components - r) ** 2, axis=-1) for r in reference], axis=-2)
