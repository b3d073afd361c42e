"""The pass over few rows under each of many mixtures, compiled: one call for many draws."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from ...utils.types import FloatArray
from ..compilation import F2, F3, FLOAT, INT, R1, part, typed
from .arrays import PASS_PARTS, EachRow, MixtureArrays, View
from .many_rows import BLOCK
from .preparation import LOSS, encode_any, prepare, workspace
from .quadratic import QUADRATIC_LIMIT, QUADRATIC_MAX_COLUMNS, call_quadratic, number_of_features


class RowsOfDraws(NamedTuple):
    """Rows (n, d) as they are; center and scale of their columns; log of the unit's volume."""

    values: FloatArray
    center: FloatArray
    scale: FloatArray
    log_unit: float


# What is only read may be read-only.
_R2, _R3, _R4 = (nb.types.Array(nb.float64, n, "C", readonly=True) for n in (2, 3, 4))
_ROWS = typed(RowsOfDraws, _R2, R1, R1, FLOAT)
_MIXTURES = typed(MixtureArrays, _R2, _R3, _R4)


@part(INT(PASS_PARTS, INT, INT, _ROWS, _MIXTURES, F2, F3), level=1, from_python=True)
def evaluate_draws(parts, start, stop, rows, mixtures, log_density, resp):  # type: ignore[no-untyped-def]
    """Write log_density (S, n) and resp (S, n, K), or an empty one, of draws start..stop.

    The mixtures' weights are (S, K), means (S, K, d) about the center, covariances (S, K, d, d),
    or (S, K, 1, d) if diagonal. Of mixtures with noise weights and resp have one more, the noise
    (`few_rows_pass`). Returns stop, or the first draw that the quadratic form is not
    accurate for.
    """
    n, d = rows.values.shape
    height = mixtures.covariances.shape[2]
    diagonal = height < d
    if not diagonal and d > QUADRATIC_MAX_COLUMNS:
        return start
    view = View(rows.center, 1.0 / rows.scale, np.empty(0))
    n_features = number_of_features(d, diagonal)
    n_all = mixtures.weights.shape[1]
    theta = np.empty((n_all, n_features))
    components, precision = workspace(n_all, mixtures.covariances[0])
    result = np.empty(3)
    unused = np.empty(1)
    for s in range(start, stop):
        mixture = MixtureArrays(mixtures.weights[s], mixtures.means[s], mixtures.covariances[s])
        bad = prepare(parts.factoring, rows.scale, mixture, components, precision, result)
        if bad >= 0 or not result[LOSS] < QUADRATIC_LIMIT:
            return s
        encode_any(components, precision, theta)
        each = EachRow(log_density[s], resp[s] if len(resp) > 0 else np.empty((0, 0)))
        call_quadratic(
            parts.quadratic,
            (
                rows.values, view, theta, diagonal, 0, n, BLOCK, np.empty((0, 0)), each, unused,
            ),
        )  # fmt: skip
        for i in range(n):
            each.log_density[i] -= rows.log_unit
    return stop
