"""The refusal of missing values by what needs complete rows."""

from __future__ import annotations

from ..utils.errors import DataError
from .data import Data


def refuse_missing(data: Data, what: str) -> None:
    """Refuse missing values in what cannot do with them; `what` is its name."""
    if data.groups is not None and data.incomplete:
        columns = ", ".join(
            repr(name)
            for name, seen in zip(data.names, data.groups.observed.all(axis=0), strict=True)
            if not seen
        )
        raise DataError(
            f"{what} needs complete rows, and values of {columns} are missing: drop those rows "
            "first (for a data frame: X.dropna())."
        )
