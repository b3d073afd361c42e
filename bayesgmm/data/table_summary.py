"""Range, mean and spread of the columns of rows in memory or on a device, and their groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.device.rows import DeviceRows
from ..kernels.e_step.grouping import groups_of
from ..kernels.e_step.groups import Groups
from ..kernels.summary import column_summary
from ..utils.errors import DataError
from ..utils.types import FloatArray
from .summary import observed_summary, weighted_summary
from .tables import REFUSE, missing_values


def table_summary(
    values: NDArray[np.floating] | DeviceRows,
    names: tuple[str, ...],
    weights: FloatArray | None,
    missing: str,
) -> tuple[Any, tuple[FloatArray, FloatArray, FloatArray, FloatArray], Groups | None]:
    """The rows in the machine's byte order; minimum, maximum, mean and sd (d,); groups or None.

    Raises
    ------
    DataError
        A value that is infinite, or that is missing and must not be.
    """
    values, low, high, mean, sd, bad = _of_all(values, weights)
    groups = _groups(values, names, bad, missing) if bad.any() else None
    if groups is not None:
        return values, observed_summary(np.asarray(values), weights), groups
    if weights is not None and not isinstance(values, DeviceRows):
        return values, weighted_summary(values, weights), None
    return values, (low, high, mean, sd), None


def _of_all(
    values: NDArray[np.floating] | DeviceRows, weights: FloatArray | None
) -> tuple[Any, ...]:
    """The rows in the machine's byte order; range, mean, sd and bad values of their columns."""
    if isinstance(values, DeviceRows):
        from ..kernels.device.summary import column_summary as on_device

        return values, *on_device(values, weights)
    low, high, mean, sd = (np.empty(values.shape[1]) for _ in range(4))
    bad = np.empty(values.shape[1], dtype=np.int64)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    column_summary(values, low, high, mean, sd, bad)
    return values, low, high, mean, sd, bad


def _groups(
    values: NDArray[np.floating] | DeviceRows,
    names: tuple[str, ...],
    bad: NDArray[Any],
    missing: str,
) -> Groups:
    """The groups of rows with missing values, if these are allowed; infinite ones never are."""
    elsewhere = isinstance(values, DeviceRows)
    for j in np.flatnonzero(bad):
        column = np.asarray(values[:, j : j + 1])[:, 0]
        if (elsewhere or missing == REFUSE) and (n_nan := int(np.sum(np.isnan(column)))):
            row = int(np.argmax(np.isnan(column)))
            raise DataError(missing_values(names[j], n_nan, row, on_gpu=elsewhere))
        if np.isinf(column).any():
            row = int(np.argmax(np.isinf(column)))
            raise DataError(
                f"column {names[j]!r} holds an infinite value ({column[row]} in row {row}): "
                "correct or drop that row."
            )
    return groups_of(np.isnan(values))
