"""Components whose covariance becomes singular because they shrink onto few rows, compiled.

Needed only where a component is narrow, and compiled when there is one.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..families.matrices import IDENTITY, VARIABLE
from ..kernels.calls import caller
from ..kernels.cholesky import cholesky
from ..kernels.compilation import F1, F3, R1, jit, part
from ..kernels.e_step.accuracy import SMALLEST_VARIANCE

# Conditional variances below which a component is checked for degeneracy.
NARROW = 1e-9
# Rounding of the log-likelihood, relative to the sum of its terms' sizes.
ROUNDING = 64 * 2.0**-52

_DEGENERATE_COMPONENT = nb.int64(nb.int64, nb.int64, F3, F3, F1, R1)
call_degenerate_component = caller(_DEGENERATE_COMPONENT)


@jit()
def within_rounding(shape, orientation, covariances, fall):  # type: ignore[no-untyped-def]
    """Whether a fall of the objective, per row, is no more than the axes' rounding errors.

    These grow with the condition number, as where the columns' units differ.
    """
    rotated = shape != orientation and orientation != IDENTITY
    return rotated and fall <= ROUNDING * _condition(covariances)


@part(_DEGENERATE_COMPONENT)
def degenerate_component(volume, shape, covariances, scatters, counts, scale):  # type: ignore[no-untyped-def]
    """The component that has shrunk onto rows of one equal value along some direction, or -1.

    Its covariance is narrow and its rows' scatter singular (in all directions, where only its
    volume is its own). The covariance need not be singular: inner iterations find common axes to
    some digits only, and it then stops shrinking.
    """
    if shape != VARIABLE and volume != VARIABLE:
        return -1
    n_components, rows, d = covariances.shape
    lower = np.zeros((rows, d))
    for k in range(n_components):
        if counts[k] < 1.0 or _narrowest_width(covariances[k], 1.0, scale, lower) > NARROW:
            continue
        if shape == VARIABLE:
            width = _narrowest_width(scatters[k], counts[k], scale, lower)
        else:
            width = 0.0
            for j in range(d):
                v = scatters[k, 0 if rows < d else j, j] / (counts[k] * scale[j] * scale[j])
                width = max(width, v)
        if not width > SMALLEST_VARIANCE:
            return k
    return -1


@jit()
def _narrowest_width(matrix, count, scale, lower):  # type: ignore[no-untyped-def]
    """The smallest conditional variance of matrix / count in scaled coordinates."""
    rows, d = matrix.shape
    if rows == d and not np.isfinite(cholesky(matrix, lower)):
        return 0.0
    least = np.inf
    for i in range(d):
        v = lower[i, i] * lower[i, i] if rows == d else matrix[0, i]
        least = min(least, v / (count * scale[i] * scale[i]))
    return least


@jit()
def _condition(covariances):  # type: ignore[no-untyped-def]
    """The largest condition number, roughly, in the user's units."""
    n_components, rows, d = covariances.shape
    lower = np.zeros((rows, d))
    largest = 0.0
    for k in range(n_components):
        trace = 0.0
        for j in range(d):
            trace += covariances[k, j, j]
        largest = max(largest, trace / _narrowest_width(covariances[k], 1.0, np.ones(d), lower))
    return largest


@jit()
def narrowest(covariances):  # type: ignore[no-untyped-def]
    """The component with the smallest determinant."""
    n_components, rows, d = covariances.shape
    lower = np.empty((rows, d))
    which = 0
    least = np.inf
    for k in range(n_components):
        if rows == 1:
            log_det = 0.0
            for j in range(d):
                log_det += np.log(covariances[k, 0, j])
        else:
            log_det = cholesky(covariances[k], lower)
        if not log_det >= least:
            which, least = k, log_det
    return which
