"""How many rows have values in a column, or in two of them together: overall, and by component.

Where none has, the likelihood does not depend on a parameter, and EM keeps what it started with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.chunks import are_in_chunks, sums_over_chunks
from ..data.data import Data
from ..families import Family
from ..kernels.e_step.chunk_groups import GroupsOfChunks
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..kernels.e_step.grouping import groups_of
from ..kernels.e_step.groups import Groups
from ..kernels.stored.chunk import Chunk
from ..mixture.of_parameters import RowsOfChunks
from ..utils.errors import DataError
from ..utils.types import FloatArray
from .problem import Problem

# Rows that determine a covariance of two columns, and values that determine a mean, at least.
_FEWEST_PAIRS, FEWEST_VALUES = 2.0, 1.0
# Rows of a chunk that are worked on at a time.
_BLOCK = 2**16


def refuse_uncovered_pairs(data: Data, family: Family) -> None:
    """Refuse columns that hardly any row has both of, in a family with correlations."""
    if data.groups is None or not data.incomplete:
        return
    together = _together(data, data.groups)
    i, j = np.unravel_index(np.argmin(together), together.shape)
    if together[i, j] < _FEWEST_PAIRS:
        raise DataError(
            f"columns {data.names[i]!r} and {data.names[j]!r} have values together in "
            f"{together[i, j]:.3g} rows: nothing determines their covariance in family "
            f"{family.name}. Use a diagonal family (VVI, EEI), leave one out, or pass a prior."
        )


def _together(data: Data, groups: Groups | GroupsOfChunks) -> FloatArray:
    """What the rows count for that have values in both of two columns, (d, d)."""
    if isinstance(groups, GroupsOfChunks):
        return groups.together
    rows = np.bincount(groups.of_rows, data.counted, len(groups.observed))
    seen = groups.observed.astype(np.float64)
    return np.asarray(np.einsum("g,gi,gj->ij", rows, seen, seen))


def values_held(problem: Problem, parameters: Parameters) -> FloatArray:
    """Values (K, d) of each column that each component holds, by responsibilities."""
    return _counted(problem, _evaluated(problem, parameters), pairs=False)


def _evaluated(
    problem: Problem, parameters: Parameters
) -> RowsOfChunks | tuple[FloatArray, FloatArray]:
    """What the counts are made of: rows held (G, K) and columns seen (G, d) by group, in memory."""
    if are_in_chunks(problem.data):
        return problem.of_chunks(parameters)
    return _by_group(problem.held(parameters), parameters)


def _counted(
    problem: Problem, at: RowsOfChunks | tuple[FloatArray, FloatArray], pairs: bool
) -> FloatArray:
    """Values (K, d) that components hold, or rows (K, d, d) with values of both of two columns."""
    if isinstance(at, RowsOfChunks):
        return sums_over_chunks(problem.data, _Held(at, pairs))[0]
    return _counts(*at, pairs)


def _counts(held: FloatArray, seen: FloatArray, pairs: bool) -> FloatArray:
    return _pairs(held, seen) if pairs else held.T @ seen


def _pairs(held: FloatArray, seen: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("gk,gi,gj->kij", held, seen, seen))


def undetermined(problem: Problem, parameters: Parameters) -> str:
    """What of a mixture the values do not determine, and what to do; "" if nothing."""
    family, data = problem.family, problem.data
    if data.groups is None or not data.incomplete or problem.prior is not None:
        return ""
    at = _evaluated(problem, parameters)
    values = _counted(problem, at, pairs=False)
    k, j = np.unravel_index(np.argmin(values), values.shape)
    if values[k, j] < FEWEST_VALUES:
        return (
            f"component {k} holds {values[k, j]:.2g} values of column {data.names[j]!r}, so that "
            "its mean there is as it was at the start: use fewer components, or a prior"
        )
    if family.diagonal or family.spherical or not family.fewest_rows(data.d):
        return ""
    pairs = _counted(problem, at, pairs=True)
    k, i, j = np.unravel_index(np.argmin(pairs), pairs.shape)
    if pairs[k, i, j] < _FEWEST_PAIRS:
        return (
            f"component {k} holds {pairs[k, i, j]:.2g} rows with values of both "
            f"{data.names[i]!r} and {data.names[j]!r}, so that their covariance is as it was at "
            "the start: use fewer components, a family with common or diagonal covariances (EEE, "
            "VVI), or a prior"
        )
    return ""


def _by_group(rows: Data, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Rows (S, K) of each group that each component holds, and the groups' columns (S, d).

    A block at a time: of all rows the responsibilities would be larger than the rows.
    """
    groups = rows.groups
    assert isinstance(groups, Groups)
    held = np.zeros((len(groups.observed), len(parameters.weights)))
    for where, block in rows.blocks(len(parameters.weights), _BLOCK):
        resp = evaluate(block, parameters, responsibilities=True)[1]
        if block.weights is not None:
            resp *= block.weights[:, None]
        np.add.at(held, groups.of_rows[where], resp)
    return held, groups.observed.astype(np.float64)


def _summed(resp: FloatArray, groups: Groups) -> FloatArray:
    """Sums (S, K) over the rows of each group."""
    sums = np.zeros((len(groups.observed), resp.shape[1]))
    np.add.at(sums, groups.of_rows, resp)
    return sums


@dataclass(frozen=True)
class _Held:
    """Of a chunk the values that each component holds, (K, d), or the pairs of them, (K, d, d)."""

    rows: RowsOfChunks
    pairs: bool

    def __call__(self, chunk: Chunk) -> list[FloatArray]:
        total: FloatArray | float = 0.0
        for view, resp, weights in self.rows.blocks(chunk, 1, _BLOCK):
            groups = view.groups or groups_of(np.isnan(view.values))
            of_components = resp[:, : len(self.rows.parameters.weights)]
            held = _summed(of_components * weights[:, None], groups)
            seen = groups.observed.astype(np.float64)
            total = total + _counts(held, seen, self.pairs)
        return [np.asarray(total)]
