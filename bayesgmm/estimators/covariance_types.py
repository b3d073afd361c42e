"""scikit-learn's covariance types: the shape in which each stores K matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..mixture.mixture import Mixture
from ..utils.matrices import diagonal_matrices
from ..utils.types import FloatArray


@dataclass(frozen=True, slots=True)
class CovarianceType:
    """How K covariances of d columns (or precisions, or their factors) are stored.

    shape(K, d) is the shape; compact gives a mixture's covariances in it; expand(compact, K, d)
    gives back what a `Mixture` takes: matrices, or variances alone.
    """

    shape: Callable[[int, int], tuple[int, ...]]
    compact: Callable[[Mixture], FloatArray]
    expand: Callable[[FloatArray, int, int], FloatArray]
    matrices: bool

    def inverted(self, compact: FloatArray) -> FloatArray:
        """Precisions of covariances, or covariances of precisions.

        Raises
        ------
        LinAlgError
            One is singular.
        """
        if self.matrices:
            return np.asarray(np.linalg.inv(compact))
        if not np.all(compact):
            raise np.linalg.LinAlgError("a variance is 0")
        return 1 / compact

    def upper(self, covariances: FloatArray) -> FloatArray:
        """Upper triangular U, the precisions being U U'."""
        if not self.matrices:
            return np.asarray(1 / np.sqrt(covariances))
        return np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariances)), -1, -2)

    def squared(self, upper: FloatArray) -> FloatArray:
        """The precisions U U'."""
        return np.asarray(upper @ np.swapaxes(upper, -1, -2) if self.matrices else upper**2)


_FULL = CovarianceType(
    lambda k, d: (k, d, d), lambda of: np.array(of.covariances), lambda full, k, d: full, True
)
_TYPES = {
    "tied": CovarianceType(
        lambda k, d: (d, d),
        lambda of: np.array(of.covariances[0]),
        lambda one, k, d: np.repeat(one[None], k, axis=0),
        True,
    ),
    "diag": CovarianceType(
        lambda k, d: (k, d),
        lambda of: np.array(of.variances),
        # a square of them would be ambiguous
        lambda variances, k, d: diagonal_matrices(variances) if k == d else variances,
        False,
    ),
    "spherical": CovarianceType(
        lambda k, d: (k,),
        lambda of: np.array(of.variances[:, 0]),
        lambda variances, k, d: np.repeat(variances[:, None], d, axis=1),
        False,
    ),
}


def covariance_type(name: object) -> CovarianceType:
    """scikit-learn's type of that name; full matrices for the families that it does not have."""
    return _TYPES.get(str(name), _FULL)
