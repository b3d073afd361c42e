"""How many rows have values in a column, or in two of them together: overall, and by component.

Where none has, the likelihood does not depend on a parameter, and EM keeps what it started with.
"""

from __future__ import annotations

import numpy as np

from ..data.data import Data
from ..families import Family
from ..kernels.e_step.contract import Parameters, Rows
from ..kernels.e_step.e_step import evaluate
from ..utils.errors import DataError
from ..utils.types import FloatArray
from .problem import Problem

# Rows that determine a covariance of two columns, and values that determine a mean, at least.
_FEWEST_PAIRS, FEWEST_VALUES = 2.0, 1.0


def refuse_uncovered_pairs(data: Data, family: Family) -> None:
    """Refuse columns that hardly any row has both of, in a family with correlations."""
    if data.groups is None or not data.incomplete:
        return
    rows = np.bincount(data.groups.of_rows, data.counted, len(data.groups.observed))
    seen = data.groups.observed.astype(np.float64)
    together = np.einsum("g,gi,gj->ij", rows, seen, seen)
    i, j = np.unravel_index(np.argmin(together), together.shape)
    if together[i, j] < _FEWEST_PAIRS:
        raise DataError(
            f"columns {data.names[i]!r} and {data.names[j]!r} have values together in "
            f"{together[i, j]:.3g} rows: nothing determines their covariance in family "
            f"{family.name}. Use a diagonal family (VVI, EEI), leave one out, or pass a prior."
        )


def values_held(rows: Rows, parameters: Parameters) -> FloatArray:
    """Values (K, d) of each column that each component holds, by responsibilities."""
    groups = rows.groups
    assert groups is not None
    return _by_group(rows, parameters).T @ groups.observed


def undetermined(problem: Problem, parameters: Parameters) -> str:
    """What of a mixture the values do not determine, and what to do; "" if nothing."""
    family, data = problem.family, problem.data
    if data.groups is None or not data.incomplete or problem.prior is not None:
        return ""
    seen = data.groups.observed.astype(np.float64)
    held = _by_group(problem.held(parameters), parameters)
    values = held.T @ seen
    k, j = np.unravel_index(np.argmin(values), values.shape)
    if values[k, j] < FEWEST_VALUES:
        return (
            f"component {k} holds {values[k, j]:.2g} values of column {data.names[j]!r}, so that "
            "its mean there is as it was at the start: use fewer components, or a prior"
        )
    if family.diagonal or family.spherical or not family.fewest_rows(data.d):
        return ""
    pairs = np.einsum("gk,gi,gj->kij", held, seen, seen)
    k, i, j = np.unravel_index(np.argmin(pairs), pairs.shape)
    if pairs[k, i, j] < _FEWEST_PAIRS:
        return (
            f"component {k} holds {pairs[k, i, j]:.2g} rows with values of both "
            f"{data.names[i]!r} and {data.names[j]!r}, so that their covariance is as it was at "
            "the start: use fewer components, a family with common or diagonal covariances (EEE, "
            "VVI), or a prior"
        )
    return ""


def _by_group(rows: Rows, parameters: Parameters) -> FloatArray:
    """Rows (S, K) of each group that each component holds."""
    groups = rows.groups
    assert groups is not None
    resp = evaluate(rows, parameters, responsibilities=True)[1]
    if rows.weights is not None:
        resp *= rows.weights[:, None]
    sums = np.zeros((len(groups.observed), resp.shape[1]))
    np.add.at(sums, groups.of_rows, resp)
    return sums
