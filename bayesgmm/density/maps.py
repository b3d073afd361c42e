"""What the maps from free coordinates to covariances have in common (`covariances.py`).

A map is called as map(step, at, covariances, of_rows, slope), twice for each point. First it
writes the covariances of its coordinates u. Then, when the rows have been seen, it writes the
gradients, and returns the log prior density of its coordinates with their Jacobian. By Fisher's
identity the rows enter as counts n_k, sums of x - mu_k and sums of (x - mu_k)(x - mu_k)'. What the
means' prior has of |Sigma_k| and Sigma_k^-1 is in them as pseudo-rows, and alone in
`pseudo_counts` and `pseudo`.
"""

from __future__ import annotations

from typing import NamedTuple

from ..kernels.calls import caller
from ..kernels.compilation import F1, F2, F3, FLOAT, INT, typed
from ..utils.types import FloatArray


class Coordinates(NamedTuple):
    """What a map reads: u, whether one covariance is shared, the map's own numbers, Psi's diagonal.

    `fixed` is the parametrisation's `packed`.
    """

    u: FloatArray
    shared: int
    fixed: FloatArray
    psi: FloatArray


class RowMoments(NamedTuple):
    """What rows and pseudo-rows tell of the components: counts, and moments about their means."""

    counts: FloatArray
    first: FloatArray
    second: FloatArray
    pseudo_counts: FloatArray
    pseudo: FloatArray


class Slopes(NamedTuple):
    """Gradients in the coordinates u, in the means and in the logarithms of Psi's diagonal."""

    u: FloatArray
    means: FloatArray
    psi: FloatArray


MAP = FLOAT(
    INT,
    typed(Coordinates, F1, INT, F1, F1),
    F3,
    typed(RowMoments, F1, F2, F3, F1, F3),
    typed(Slopes, F1, F2, F1),
)
call_map = caller(MAP)
COVARIANCES, GRADIENTS = 0, 1
