"""Co-clustering: the probability that two rows belong to the same component.

Given a draw's parameters the allocations of two rows are independent, so that they coincide with
probability r_i . r_j; the mean over draws is a matrix product of responsibilities. It does not
depend on the components' labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ...data.blocks import slices
from ...data.data import Data
from ...mixture.draws import Draws
from ...mixture.evaluation import responsibilities
from ...utils.types import FloatArray
from ...utils.validation import check_integer, random_stream

# Numbers of a matrix, 200 MB, and of the responsibilities multiplied at a time, 32 MB.
_LIMIT = 5000**2
_TOGETHER = 2**22


def picked_rows(
    n: int, rows: int | Sequence[int] | None, random_seed: int | np.random.Generator | None
) -> NDArray[np.integer]:
    """Positions of the rows asked for: all, those named, or a number of random ones, in order."""
    rng = random_stream(random_seed)
    if rows is None:
        return np.arange(n)
    picked = np.asarray(rows)
    if picked.ndim == 0:
        size = check_integer("rows", rows, 1)
        if size > n:
            raise ValueError(f"rows is {size}: there are {n}.")
        return np.sort(rng.choice(n, size, replace=False))
    ok = picked.ndim == 1 and picked.size and picked.dtype.kind in "iu"
    if not ok or picked.min() < 0 or picked.max() >= n or len(np.unique(picked)) < len(picked):
        raise ValueError(f"rows is {rows!r}: pass positions from 0 to {n - 1}, each once.")
    return picked


def coclustering_among(data: Data, draws: Draws, rows: NDArray[np.integer]) -> xr.DataArray:
    """The co-clustering matrix of the rows at those positions, which are its coordinates."""
    if len(rows) ** 2 > _LIMIT:
        raise ValueError(
            f"{len(rows)} rows make a matrix of {len(rows)} x {len(rows)}: pass rows= (a number of "
            f"random rows, or positions) for at most {math.isqrt(_LIMIT)}, or go through "
            "coclustering_blocks()."
        )
    part = replace(data.take(rows), weights=None)
    return xr.DataArray(
        coclustering_matrix(part, draws.of_rows(rows)),
        dims=("obs_id", "obs_id_bis"),
        coords={"obs_id": rows, "obs_id_bis": rows},
        name="coclustering",
    )


def coclustering_matrix(data: Data, draws: Draws) -> FloatArray:
    """P(rows i and j belong to the same component | data), (n, n); 1 on the diagonal.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    draws : Draws
        S draws of K components. The cost is n^2 S K multiplications.
    """
    matrix = np.zeros((data.n, data.n))
    for resp in _side_by_side(data, draws):
        matrix += resp @ resp.T  # symmetric to the last bit: BLAS makes one half of it
    matrix /= len(draws)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def matrix_blocks(data: Data, draws: Draws) -> Iterator[tuple[slice, FloatArray]]:
    """The co-clustering matrix by blocks of its rows, (m, n) each, for any n."""
    for rows in slices(data.n, data.n, _LIMIT):
        matrix = np.zeros((rows.stop - rows.start, data.n))
        for resp in _side_by_side(data, draws):
            matrix += resp[rows] @ resp.T
        matrix /= len(draws)
        matrix[np.arange(len(matrix)), np.arange(rows.start, rows.stop)] = 1.0
        yield rows, matrix


def _side_by_side(data: Data, draws: Draws) -> Iterator[FloatArray]:
    """Responsibilities of several draws in one matrix (n, draws K), as many as fit in memory."""
    n_components = draws.n_components
    together = min(len(draws), max(1, _TOGETHER // (data.n * n_components)))
    resp = np.empty((data.n, together, n_components))
    filled = 0
    for of_draw in responsibilities(data, draws):
        resp[:, filled] = of_draw[:, :n_components]  # noise is not together with noise
        filled += 1
        if filled == together:
            yield resp.reshape(data.n, -1)
            filled = 0
    if filled:
        yield resp[:, :filled].reshape(data.n, -1)
