"""Diagonal matrices by their diagonals, and back."""

from __future__ import annotations

import numpy as np

from .types import FloatArray


def diagonals(matrices: FloatArray) -> FloatArray:
    """The diagonals (..., d) of matrices (..., d, d), without a copy."""
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def diagonal_matrices(diagonal: FloatArray) -> FloatArray:
    """Diagonal matrices (..., d, d) with these diagonals (..., d)."""
    return np.asarray(diagonal[..., None] * np.eye(diagonal.shape[-1]))


def as_diagonals(covariances: FloatArray, leading: int = 1) -> FloatArray:
    """Variances (..., d) of covariances, full or diagonal.

    Parameters
    ----------
    covariances : array (K, d, d) or (K, d)
        Full, or the variances of diagonal ones.
    leading : int
        Axes before those of the columns: 1 for components (K), 2 for draws of them (S, K).
    """
    return covariances if covariances.ndim == leading + 1 else diagonals(covariances)


def as_full(covariances: FloatArray, leading: int = 1) -> FloatArray:
    """Full covariances (..., d, d) of full or diagonal ones (parameters as of `as_diagonals`).

    Examples
    --------
    >>> as_full(np.array([[1.0, 2.0]])).tolist()
    [[[1.0, 0.0], [0.0, 2.0]]]
    """
    return diagonal_matrices(covariances) if covariances.ndim == leading + 1 else covariances
