"""Columns that take few values, or values on a grid: rounding, ratings, codes, sentinels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..kernels.e_step.contract import Values
from ..utils.types import FloatArray

# Most rows looked at; more would cost time and show the same grid.
_MAX_ROWS = 20_000
# Differences of neighbouring values are multiples of the step up to this fraction of it.
_TOLERANCE = 1e-3
# A column is called discrete if it has at most so many values, and on average so many rows of each.
_FEW_VALUES = 10
_REPEATS = 5
# Standard deviations, in steps, below which a column is called rounded.
_COARSE = 4.0
# A repeated value is a sentinel if it lies two ranges of the others away from them, or half a
# range if it is one of the usual codes for missing values.
_FAR, _NEAR = 2.0, 0.5
_CODES = [c * s for c in (99, 999, 9999, 99999, 999999) for s in (-1, 1)] + [-1e20, 1e20]


def steps(values: Values, weights: FloatArray | None = None) -> FloatArray:
    """The step (d,) of the grid on which each column's values lie, 0 where there is none."""
    return np.array([_step(np.unique(column)) for column in _columns(values, weights)])


def _columns(values: Values, weights: FloatArray | None) -> Sequence[NDArray[np.floating]]:
    """The columns, without rows of weight 0, and of every m-th row if there are many.

    What is missing is left out.
    """
    if weights is None:
        used = values[:: max(1, len(values) // _MAX_ROWS)]
    else:
        index = np.flatnonzero(weights > 0)
        used = values[index[:: max(1, len(index) // _MAX_ROWS)]]
    columns = np.asarray(used).T
    return [column[~np.isnan(column)] for column in columns]


def _step(distinct: NDArray[np.floating]) -> float:
    """The smallest difference of sorted values if all others are multiples of it, else 0."""
    gaps = np.diff(distinct.astype(np.float64))
    if not len(gaps):
        return 0.0
    parts = gaps / gaps.min()
    return float(gaps.min()) if np.all(np.abs(parts - np.round(parts)) < _TOLERANCE) else 0.0


def discreteness_message(
    values: Values,
    names: Sequence[str],
    weights: FloatArray | None = None,
) -> str:
    """What is wrong with discrete or rounded columns, and what to do; "" without any."""
    found = suspect_columns(values, names, weights)
    if not found:
        return ""
    return (
        f"{'; '.join(found)}. Beside rows of equal values the likelihood of a Gaussian mixture has "
        "no upper bound, and maxima that are due to them are set aside: leave such columns out, "
        "fit the groups that they form one by one, or pass a prior (prior=Prior.from_data(X))."
    )


def suspect_columns(
    values: Values,
    names: Sequence[str],
    weights: FloatArray | None = None,
) -> list[str]:
    """Descriptions of columns with a sentinel, few values or rounding, one for each."""
    out = []
    for name, column in zip(names, _columns(values, weights), strict=True):
        distinct, counts = np.unique(column, return_counts=True)
        if not len(column):  # nearly all of it is missing
            continue
        sentinel = _sentinel(distinct, counts)
        if sentinel is not None:
            value, number = sentinel
            out.append(
                f"column {name!r} has {number} rows of {value:g}, far from all others: if that "
                "stands for a missing value, leave those rows or the column out"
            )
        elif len(distinct) <= _FEW_VALUES and len(column) >= _REPEATS * len(distinct):
            out.append(f"column {name!r} takes {len(distinct)} different values only")
        elif float(column.std(dtype=np.float64)) < _COARSE * _step(distinct) and counts.max() > 1:
            out.append(f"column {name!r} is rounded to multiples of {_step(distinct):.6g}")
    return out


def _sentinel(distinct: NDArray[np.floating], counts: NDArray[np.intp]) -> tuple[float, int] | None:
    """A repeated extreme value that is far from the others, and how often it is there."""
    if len(distinct) < 3:
        return None
    for at, others in ((0, slice(1, None)), (-1, slice(None, -1))):
        value, rest = float(distinct[at]), distinct[others].astype(np.float64)
        far = (_NEAR if value in _CODES else _FAR) * (rest[-1] - rest[0])
        if counts[at] > 1 and np.abs(rest - value).min() > far:
            return value, int(counts[at])
    return None
