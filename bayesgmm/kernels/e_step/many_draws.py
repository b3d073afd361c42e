"""The pass over few rows under each of many mixtures, compiled: one call for many draws."""

from __future__ import annotations

import numba as nb
import numpy as np

from ..compilation import F2, F3, R1, part
from .many_rows import BLOCK, call_quadratic
from .preparation import LOSS, encode_any, prepare, workspace
from .quadratic import QUADRATIC_LIMIT, QUADRATIC_MAX_COLUMNS, number_of_features

_I, _F = nb.int64, nb.float64
# What is only read may be read-only.
_R2, _R3, _R4 = (nb.types.Array(nb.float64, n, "C", readonly=True) for n in (2, 3, 4))


@part(_I(_I, _I, _I, _I, _R2, R1, R1, _F, _R2, _R3, _R4, F2, F3), level=1)
def evaluate_draws(  # type: ignore[no-untyped-def]
    factoring, quadratic, start, stop, x, center, scale, log_unit, weights, means, covariances,
    log_density, resp,
):  # fmt: skip
    """Write log_density (S, n) and resp (S, n, K), or an empty one, of draws start..stop.

    weights (S, K), means (S, K, d) about the center, covariances (S, K, d, d), or (S, K, 1, d) if
    diagonal. Returns stop, or the first draw that the quadratic form is not accurate for.
    """
    n, d = x.shape
    n_components, rows = covariances.shape[1:3]
    diagonal = rows < d
    if not diagonal and d > QUADRATIC_MAX_COLUMNS:
        return start
    inverse_scale = 1.0 / scale
    n_features = number_of_features(d, diagonal)
    theta = np.empty((n_components, n_features))
    log_weights, z, factors, half_log_dets, precision = workspace(covariances[0])
    result = np.empty(3)
    unused = np.empty(1)
    none = np.empty(0)
    for s in range(start, stop):
        bad = prepare(
            factoring, scale, weights[s], means[s], covariances[s], log_weights, z, factors,
            half_log_dets, precision, result,
        )  # fmt: skip
        if bad >= 0 or not result[LOSS] < QUADRATIC_LIMIT:
            return s
        encode_any(log_weights, z, precision, half_log_dets, theta)
        of_rows = log_density[s]
        call_quadratic(
            quadratic,
            (
                x, center, inverse_scale, theta, diagonal, 0, n, BLOCK, none, np.empty((0, 0)),
                of_rows, resp[s] if len(resp) > 0 else np.empty((0, 0)), unused,
            ),
        )  # fmt: skip
        for i in range(n):
            of_rows[i] -= log_unit
    return stop
