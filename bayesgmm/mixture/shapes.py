"""Whether proportions, means and covariances have shapes that agree."""

from __future__ import annotations

import numpy as np

from ..utils.matrices import diagonals
from ..utils.types import FloatArray


def _may_be_a_covariance(matrix: FloatArray) -> bool:
    """Whether a matrix is symmetric and positive definite, as a covariance is."""
    finite = bool(np.all(np.isfinite(matrix))) and np.array_equal(matrix, matrix.T)
    return finite and bool(np.linalg.eigvalsh(matrix)[0] > 1e-8 * np.trace(matrix))


def check_shapes(weights: FloatArray, means: FloatArray, covariances: FloatArray) -> None:
    """Refuse proportions, means and covariances of different numbers of components or columns."""
    if weights.ndim != 1 or means.ndim != 2 or means.shape[0] != len(weights) or not weights.size:
        raise ValueError(
            f"weights {weights.shape} and means {means.shape} do not agree: "
            "pass (K,) and (K, d) with K at least 1."
        )
    n_components, d = means.shape
    if covariances.shape not in ((n_components, d, d), (n_components, d)):
        raise ValueError(
            f"covariances have shape {covariances.shape}: for {n_components} components in "
            f"{d} columns pass ({n_components}, {d}, {d}), or ({n_components}, {d}) of variances."
        )
    if covariances.ndim == 2 and n_components == d > 1 and _may_be_a_covariance(covariances):
        raise ValueError(
            f"covariances of shape ({d}, {d}) may be variances (K, d), or one covariance for all "
            f"components: pass all of them, ({d}, {d}, {d})."
        )
    if covariances.ndim == 3:
        size = np.sqrt(np.abs(diagonals(covariances)))
        tolerance = 1e-8 * size[:, :, None] * size[:, None, :]
        if np.any(np.abs(covariances - np.swapaxes(covariances, 1, 2)) > tolerance):
            raise ValueError("a covariance is not symmetric.")
