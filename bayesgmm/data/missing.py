"""Which rows lack values, and the refusal of these by what needs complete rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.e_step.grouping import groups_of
from ..kernels.e_step.groups import Groups
from ..kernels.stored.chunk import Chunk
from ..utils.errors import DataError
from ..utils.types import FloatArray
from .chunks import are_in_chunks, sums_over_chunks
from .data import Data


def rows_lacking(data: Data, sets: Sequence[Sequence[int]]) -> FloatArray:
    """How many rows lack a value of some of the columns, for each set of columns."""
    if are_in_chunks(data):
        [counts] = sums_over_chunks(data, _Lacking(sets))
        return counts
    return _lacking(data.groups, sets) if isinstance(data.groups, Groups) else np.zeros(len(sets))


def _lacking(groups: Groups, sets: Sequence[Sequence[int]]) -> FloatArray:
    rows, seen = np.diff(groups.bounds), groups.observed
    return np.array([float(rows[~seen[:, list(some)].all(axis=1)].sum()) for some in sets])


@dataclass(frozen=True)
class _Lacking:
    """`rows_lacking` of a chunk."""

    sets: Sequence[Sequence[int]]

    def __call__(self, chunk: Chunk) -> list[FloatArray]:
        return [_lacking(groups_of(np.isnan(chunk.values)), self.sets)]


def refuse_missing(data: Data, what: str) -> None:
    """Refuse missing values in what cannot do with them; `what` is its name."""
    if data.groups is not None and data.incomplete:
        columns = ", ".join(
            repr(name)
            for name, seen in zip(data.names, data.groups.complete_columns, strict=True)
            if not seen
        )
        raise DataError(
            f"{what} needs complete rows, and values of {columns} are missing: drop those rows "
            "first (for a data frame: X.dropna())."
        )
