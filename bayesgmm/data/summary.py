"""Range, mean and standard deviation of columns whose rows have weights, or missing values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..utils.types import FloatArray
from .blocks import slices

# Rows whose sums are made at a time.
_BLOCK = 65_536


def weighted_summary(
    values: NDArray[np.floating], weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Minimum, maximum, mean and sd (d,) of weighted rows.

    A row of weight 0 counts nowhere, not even in the range. As in `column_summary` there are two
    passes, each about a value near the mean.
    """
    blocks = list(slices(len(values), at_most=_BLOCK))
    share = weights / weights.sum()
    shift = values[np.argmax(weights)].astype(np.float64)
    low, high = np.full(len(shift), np.inf), np.full(len(shift), -np.inf)
    mean = shift.copy()
    for block in blocks:
        some = weights[block] > 0
        rows, counted = values[block][some].astype(np.float64), share[block][some]
        if len(rows):
            low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
        mean += counted @ (rows - shift)
    squares, rest = np.zeros(len(shift)), np.zeros(len(shift))
    for block in blocks:
        some = weights[block] > 0
        delta = values[block][some] - mean
        squares += share[block][some] @ delta**2
        rest += share[block][some] @ delta
    return low, high, mean, np.sqrt(np.maximum(squares - rest**2, 0.0))


def observed_summary(
    values: NDArray[np.floating], weights: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Minimum, maximum, mean and sd (d,) of the values that are not missing.

    All of them are not a number in a column without a value of positive weight.
    """
    found = np.full((4, values.shape[1]), np.nan)
    for j in range(values.shape[1]):
        seen = ~np.isnan(values[:, j])
        if weights is not None:
            seen &= weights > 0
        if seen.any():
            share = np.ones(int(seen.sum())) if weights is None else weights[seen]
            column = weighted_summary(values[seen, j : j + 1], share)
            found[:, j] = [number for [number] in column]
    low, high, mean, sd = found
    return low, high, mean, sd
