"""Named tuples of arrays as arguments of compiled functions, and their types for Numba.

Numba passes such a tuple by value: `view.center` costs no more than the array itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...utils.types import FloatArray
from ..compilation import F1, F2, F3, INT, R1, typed


class View(NamedTuple):
    """The scaling of rows in a pass, (x - center) * inverse_scale, each (d,), and their weights.

    weights (n,) multiply the rows' terms in the log-likelihood and in sums; empty where all count
    once.
    """

    center: FloatArray
    inverse_scale: FloatArray
    weights: FloatArray


class Components(NamedTuple):
    """A mixture in scaled coordinates, as a pass reads it: log_weights and half_log_dets (K,).

    factors is G (K, d, d), any matrices whose squares G'G are the precisions, or 1/sd (K, 1, d)
    for diagonal covariances; half_log_dets is log|P_k|/2, means (K, d).
    """

    log_weights: FloatArray
    means: FloatArray
    factors: FloatArray
    half_log_dets: FloatArray


class Moments(NamedTuple):
    """Sums over the rows, by responsibility: of 1 (K,), z - m_k (K, d) and (z - m_k)(z - m_k)'.

    The second ones are (K, d, d), or (K, 1, d) if diagonal.
    """

    counts: FloatArray
    first: FloatArray
    second: FloatArray


class EachRow(NamedTuple):
    """Results for each row: log density (n,) and responsibilities (n, K); empty if not needed."""

    log_density: FloatArray
    resp: FloatArray


class MixtureArrays(NamedTuple):
    """Proportions (K,), means (K, d) about the centre, covariances (K, d, d) or (K, 1, d)."""

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray


class StatisticsArrays(NamedTuple):
    """Expected statistics: counts (K,), means (K, d), scatters (K, d, d) or (K, 1, d)."""

    counts: FloatArray
    means: FloatArray
    scatters: FloatArray


class PassParts(NamedTuple):
    """Addresses of the functions that a pass calls; 0 for a form that is not compiled (yet)."""

    factoring: int
    quadratic: int
    centred: int


def only_read(values: FloatArray) -> FloatArray:
    """A read-only view, as the types of the tuples need it for arrays that are only read."""
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view


VIEW = typed(View, R1, R1, R1)
COMPONENTS = typed(Components, F1, F2, F3, F1)
MOMENTS = typed(Moments, F1, F2, F3)
EACH_ROW = typed(EachRow, F1, F2)
MIXTURE = typed(MixtureArrays, F1, F2, F3)
STATISTICS = typed(StatisticsArrays, F1, F2, F3)
PASS_PARTS = typed(PassParts, INT, INT, INT)
