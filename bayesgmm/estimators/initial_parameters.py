"""Initial parameters in scikit-learn's shapes, checked: weights_init and precisions_init."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..utils.types import FloatArray
from ..utils.validation import real_array
from .covariance_types import CovarianceType, covariance_type

# Relative rounding of single precision.
_SINGLE = float(np.finfo(np.float32).eps)


def proportions(weights: ArrayLike) -> FloatArray:
    """Proportions that sum to 1 in their own precision, in double precision."""
    exact = real_array(weights, "weights_init")
    single = np.asarray(weights).dtype == np.float32
    if single and abs(exact.sum() - 1) <= _SINGLE * exact.size:
        exact = exact / exact.sum()
    return exact


def inverse(kind: CovarianceType, precisions: FloatArray) -> FloatArray:
    """The covariances of these precisions, in the shape of their kind."""
    try:
        return kind.inverted(precisions)
    except np.linalg.LinAlgError:
        raise ValueError(
            "precisions_init has a singular matrix: pass positive definite ones."
        ) from None


def shaped(precisions: Any, name: str, k: int, d: int) -> FloatArray:
    """Precisions in scikit-learn's shape for its type."""
    given, shape = real_array(precisions, "precisions_init"), covariance_type(name).shape(k, d)
    if given.shape != shape:
        raise ValueError(
            f"precisions_init has shape {given.shape}: covariance_type {name!r} takes {shape}."
        )
    return given
