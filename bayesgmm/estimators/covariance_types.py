"""scikit-learn's covariance types: the shape in which each writes K matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..utils.matrices import diagonal_matrices, diagonals
from ..utils.types import FloatArray


@dataclass(frozen=True, slots=True)
class CovarianceType:
    """How K covariances of d columns (or precisions, or their factors) are written.

    shape(K, d); compact, from (K, d, d) to that shape; expand(compact, K, d), back.
    """

    shape: Callable[[int, int], tuple[int, ...]]
    compact: Callable[[FloatArray], FloatArray]
    expand: Callable[[FloatArray, int, int], FloatArray]


_FULL = CovarianceType(lambda k, d: (k, d, d), lambda full: full, lambda full, k, d: full)
_TYPES = {
    "tied": CovarianceType(
        lambda k, d: (d, d),
        lambda full: full[0],
        lambda one, k, d: np.repeat(one[None], k, axis=0),
    ),
    "diag": CovarianceType(
        lambda k, d: (k, d),
        lambda full: diagonals(full).copy(),
        lambda variances, k, d: diagonal_matrices(variances),
    ),
    "spherical": CovarianceType(
        lambda k, d: (k,),
        lambda full: full[:, 0, 0].copy(),
        lambda variances, k, d: variances[:, None, None] * np.eye(d),
    ),
}


def covariance_type(name: object) -> CovarianceType:
    """scikit-learn's type of that name; whole matrices for the families that it does not have."""
    return _TYPES.get(str(name), _FULL)
