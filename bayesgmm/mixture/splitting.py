"""A component split into two halves along its longest axis."""

from __future__ import annotations

import numpy as np

from ..utils.types import FloatArray


def longest_axis(covariance: FloatArray) -> tuple[float, FloatArray]:
    """The largest variance of a covariance (d, d), and the direction (d,) that has it."""
    values, vectors = np.linalg.eigh(covariance)
    return values[-1], vectors[:, -1]


def halves(
    mean: FloatArray, spread: FloatArray, shift: FloatArray, count: float = 1.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The means of two halves, shift to either side of a component's, and what spread is left.

    Together the halves keep the component's mean and spread (Richardson & Green 1997, JRSS B 59,
    section 3.2, moments as in eq. 9).

    Parameters
    ----------
    mean, shift : array (d,)
    spread : array (d, d)
        The component's covariance, or its scatter, which is `count` times that.
    count : float
        1, or the rows that a scatter is summed over.

    Examples
    --------
    >>> low, high, left = halves(np.zeros(2), np.diag([4.0, 1.0]), np.array([1.0, 0.0]))
    >>> low.tolist(), high.tolist(), left.tolist()
    ([-1.0, 0.0], [1.0, 0.0], [[3.0, 0.0], [0.0, 1.0]])
    """
    return mean - shift, mean + shift, spread - count * np.outer(shift, shift)
