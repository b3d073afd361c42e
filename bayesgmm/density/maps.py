"""What the maps from free coordinates to covariances have in common (`covariances.py`).

A map is called as map(step, at, covariances, of_rows, slope), twice for each point. First it
writes the covariances at its coordinates u. Then, after the pass over the rows, it writes the
gradients, and returns the log prior density of its coordinates with their Jacobian. By Fisher's
identity the rows enter as counts n_k, sums of x - mu_k and sums of (x - mu_k)(x - mu_k)'. The
terms in |Sigma_k| and Sigma_k^-1 of a conjugate prior of the means are included in these as
pseudo-rows, and are also given apart, in `pseudo_counts` and `pseudo`.
"""

from __future__ import annotations

from typing import NamedTuple

from ..kernels.calls import caller
from ..kernels.compilation import F1, F2, F3, FLOAT, INT, typed
from ..utils.types import FloatArray


class Coordinates(NamedTuple):
    """The input of a map: u, whether one covariance is shared, constants, Psi's diagonal (d,).

    `fixed` are the constants of the parametrisation (its `packed`).
    """

    u: FloatArray
    shared: int
    fixed: FloatArray
    psi: FloatArray


class RowMoments(NamedTuple):
    """Moments of rows and pseudo-rows about the components' means."""

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
