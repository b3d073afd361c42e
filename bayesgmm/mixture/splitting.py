"""A component split into two halves along its longest axis.

Diagonal matrices may be given by their diagonals; their principal axes are the columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..utils.types import FloatArray


def longest_axis(covariance: FloatArray) -> tuple[float, FloatArray]:
    """The largest variance of a covariance, and the direction (d,) that has it."""
    return next(principal_axes(covariance))


def principal_axes(covariance: FloatArray) -> Iterator[tuple[float, FloatArray]]:
    """Variances along the principal axes of a covariance, and these (d,), the longest first."""
    if covariance.ndim == 1:
        for j in np.argsort(covariance, kind="stable")[::-1]:
            axis = np.zeros(len(covariance))
            axis[j] = 1.0
            yield covariance[j], axis
    else:
        values, vectors = np.linalg.eigh(covariance)
        for j in range(len(values))[::-1]:
            yield values[j], vectors[:, j]


def square_like(spread: FloatArray, vector: FloatArray) -> FloatArray:
    """The product v v' (d, d) of a vector (d,), or its diagonal if the spread is a diagonal."""
    return vector**2 if spread.ndim == 1 else np.outer(vector, vector)


def halves(
    mean: FloatArray, spread: FloatArray, shift: FloatArray, count: float = 1.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The means of two halves, mean - shift and mean + shift, and their common spread.

    Together the halves keep the component's mean and spread (Richardson & Green 1997, JRSS B 59,
    section 3.2, moments as in eq. 9).

    Parameters
    ----------
    mean, shift : array (d,)
    spread : array (d, d), or (d,) for a diagonal
        The component's covariance, or its scatter, which is `count` times that.
    count : float
        1, or the rows that a scatter is summed over.

    Examples
    --------
    >>> low, high, left = halves(np.zeros(2), np.diag([4.0, 1.0]), np.array([1.0, 0.0]))
    >>> low.tolist(), high.tolist(), left.tolist()
    ([-1.0, 0.0], [1.0, 0.0], [[3.0, 0.0], [0.0, 1.0]])
    """
    return mean - shift, mean + shift, spread - count * square_like(spread, shift)
