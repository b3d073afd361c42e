"""Weights of rows, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.device.rows import device_rows, is_on_device
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import real_array

# Numbers whose squares overflow in sums are above this.
LARGEST = 1e100
# Rows that the weights stand for together, at least: shares that sum to 1 are no counts.
_FEWEST = 2.0


def read_weights(sample_weight: Any, n: int) -> FloatArray | None:
    """Checked weights in memory of their own, None where they are all 1."""
    if is_on_device(sample_weight):
        sample_weight = np.asarray(device_rows(sample_weight))[:, 0]
    try:
        weights = real_array(_plain_column(sample_weight), "sample_weight")
    except ValueError:
        raise DataError(
            "sample_weight holds values that are not numbers (text, dates, categories, complex), "
            "or missing ones: pass one number per row."
        ) from None
    if weights.shape != (n,):
        raise DataError(
            f"sample_weight has shape {weights.shape}, the data have {n} rows: pass one number "
            f"per row, shape ({n},)."
        )
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"sample_weight is {weights[row]} in row {row}: pass finite numbers of at least 0 "
            "(0 leaves a row out)."
        )
    if not weights.any():
        raise DataError(
            f"sample_weight is zero in all {n} rows: give at least two rows a positive one."
        )
    if weights.max() > LARGEST:
        raise DataError(
            f"sample_weight reaches {weights.max():.3g}, where sums overflow: divide all by that."
        )
    if (total := weights.sum()) < _FEWEST:
        raise DataError(
            f"sample_weight sums to {total:.4g}, less than two rows: multiply it so that it says "
            "how many rows each stands for, such as sample_weight * len(X) / sum(sample_weight)."
        )
    return None if np.all(weights == 1) else weights


def _plain_column(values: Any) -> Any:
    """A column as an array, in which missing values and categories do not pass for numbers."""
    if hasattr(values, "cat") and hasattr(values.cat, "categories"):
        return "categories"
    kind = getattr(values, "dtype", None)
    if isinstance(kind, np.dtype) or not hasattr(values, "to_numpy"):
        truth = isinstance(kind, np.dtype) and kind.kind == "b"
        return values.astype(np.float64) if truth else values
    return np.asarray(values, dtype=object)
