"""Rows as scikit-learn's estimators take them: checked by its functions, with its column names."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from ..data.data import Data, as_data
from ..data.tables import REFUSE, Table
from ..utils.errors import DataError


def validated(estimator: Any, x: Any, **options: Any) -> Any:
    """The rows (and what `y` is with them), of which scikit-learn has noted the columns.

    Raises
    ------
    ValueError
        scikit-learn's message, but for text and missing values, whose column and cure it does not
        name.
    """
    try:
        return validate_data(estimator, x, ensure_min_samples=2, **_passing(estimator), **options)
    except ValueError:
        _refuse_missing(estimator, x)
        if np.asarray(x).dtype.hasobject:
            as_data(x)
        raise
    except TypeError:  # columns without a type in common, as dates and numbers are
        if not isinstance(x, np.ndarray):
            as_data(x)
        raise


def new_rows(estimator: Any, x: Any, dtype: Any) -> Any:
    """Rows for a fitted estimator, of the columns that scikit-learn has noted.

    Raises
    ------
    ValueError
        As `validated`.
    """
    try:
        return validate_data(estimator, x, reset=False, dtype=dtype, **_passing(estimator))
    except ValueError:
        _refuse_missing(estimator, x)
        raise


def _refuse_missing(estimator: Any, x: Any) -> None:
    """Say where values are missing and what takes them; "NaN" is what scikit-learn's checks want.

    Raises
    ------
    DataError
        Values are missing, and the estimator refuses them.
    """
    values = np.asarray(x)
    if _takes_missing(estimator) or values.dtype.kind != "f" or values.ndim != 2:
        return
    if np.isnan(values).any():
        try:
            as_data(x)
        except DataError as error:
            raise DataError(f"X contains NaN: {error}") from None


def _takes_missing(estimator: Any) -> bool:
    return bool(getattr(estimator, "missing", REFUSE) != REFUSE)


def _passing(estimator: Any) -> dict[str, Any]:
    """What scikit-learn is to let pass, by what the estimator does with missing values."""
    return {"ensure_all_finite": "allow-nan" if _takes_missing(estimator) else True}


def as_named_data(rows: Any, names: Any, sample_weight: Any, missing: str) -> Data:
    """The checked rows with the caller's column names, if there are any.

    Raises
    ------
    DataError
        As `as_data`, by these names.
    """
    table = rows
    if names is not None and isinstance(rows, np.ndarray):
        table = Table(rows, tuple(str(name) for name in names))
    return as_data(table, sample_weight=sample_weight, missing=missing)
