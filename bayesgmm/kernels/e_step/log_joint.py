"""EM's Q: the expected log density of rows and their components, from the statistics."""

from __future__ import annotations

import numpy as np

from ...utils.types import FloatArray
from .accuracy import ROUNDING
from .contract import Parameters, Statistics
from .factored import factored
from .softmax import LOG_2PI


def expected_log_joint(
    parameters: Parameters, statistics: Statistics, scale: FloatArray
) -> tuple[float, float]:
    """Sum of r_ik log(pi_k N(x_i | mu_k, Sigma_k)), EM's Q, and about its rounding error.

    It depends on the rows through the statistics alone.
    """
    scaled = factored(parameters, scale)
    counts, delta = statistics.counts, (statistics.means - parameters.means) / scale
    g = scaled.factors
    if scaled.diagonal:
        moments = statistics.scatters / scale**2 + counts[:, None] * delta**2
        squares = np.sum(g[:, 0] ** 2 * moments, axis=1)
    else:
        moments = statistics.scatters / np.outer(scale, scale)
        moments = moments + counts[:, None, None] * delta[:, :, None] * delta[:, None, :]
        squares = np.sum((g @ moments) * g, axis=(1, 2))
    used = counts > 0  # a component without rows may have a proportion of 0
    logs = scaled.log_weights + scaled.half_log_dets - 0.5 * delta.shape[1] * LOG_2PI
    logs -= np.sum(np.log(scale))
    value = float(counts[used] @ logs[used] - 0.5 * squares.sum())
    size = float(np.max(np.sum(g**2, axis=(1, 2)) * (1.0 + np.sum(delta**2, axis=1))))
    return value, ROUNDING * size * float(counts.sum())
