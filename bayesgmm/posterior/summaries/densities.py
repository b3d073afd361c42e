"""The density of posterior draws at points, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ...data.data import Data
from ...data.missing import refuse_missing
from ...mixture.draws import Draws
from ...mixture.evaluation import log_densities
from ...utils.matrices import as_diagonals
from ...utils.types import FloatArray
from ...utils.validation import tail_probabilities
from .intervals import summarise

if TYPE_CHECKING:
    import pandas as pd

# Points of a default grid along one column, and along each of two.
_ONE, _TWO = 200, 60
# How far a default grid goes beyond the components' means, in their standard deviations.
_REACH = 4.0
# Components lighter than this do not stretch the grid.
_LIGHT = 1e-3
_STATISTICS = ("mean", "sd", "lower", "upper")


type Axes = dict[str, FloatArray]


def grid_axes(values: Mapping[str, ArrayLike]) -> Axes:
    """The columns' values of a grid as arrays (m,)."""
    axes = {c: np.atleast_1d(np.asarray(v, dtype=np.float64)) for c, v in values.items()}
    for column, v in axes.items():
        if v.ndim != 1 or not v.size:
            raise ValueError(
                f"column {column!r} has values of shape {v.shape}: pass one or more, (m,)."
            )
    return axes


def grid_rows(axes: Axes) -> FloatArray:
    """Every combination of the columns' values, the last column's changing fastest."""
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    return np.stack([m.ravel() for m in mesh], axis=1)


def default_axes(draws: Draws, columns: Sequence[str]) -> Axes:
    """Values of one or two columns that cover the draws' components: means -+ 4 sd."""
    if len(columns) > 2:
        raise ValueError(
            f"a grid of {len(columns)} columns ({', '.join(columns)}) would be large: name one or "
            "two with columns=, or pass the points as at=."
        )
    heavy = draws.weights.mean(axis=0) > _LIGHT
    means = draws.means.mean(axis=0)[heavy]
    variances = as_diagonals(draws.covariances.mean(axis=0)[heavy])
    reach = _REACH * np.sqrt(variances)
    low, high = (means - reach).min(axis=0), (means + reach).max(axis=0)
    size = _ONE if len(columns) == 1 else _TWO
    return {c: np.linspace(low[j], high[j], size) for j, c in enumerate(columns)}


def density_intervals(data: Data, draws: Draws, ci_prob: float, axes: Axes | None) -> xr.Dataset:
    """Mean, sd and interval over the draws of the density at rows.

    Parameters
    ----------
    data : Data
        The rows: `grid_rows(axes)`, or any points if there are no axes.
    draws : Draws
        Of the same columns.
    ci_prob : float
        Probability of the equal-tailed interval.
    axes : dict of arrays, optional
        The axes of the result; points of one column have that column for an axis.

    Returns
    -------
    Dataset
        mean, sd, lower and upper, with the columns as coordinates; a column that has one of these
        names (or "point") is called "column mean", say.
    """
    tail_probabilities(ci_prob)
    refuse_missing(data, "a density at points")
    out = {name: np.empty(data.n) for name in _STATISTICS}
    for rows, values in log_densities(data, draws):
        for name, value in summarise(np.exp(values), ci_prob).items():
            out[name][rows] = value
    taken = (*_STATISTICS, "point")
    own = {c: f"column {c}" if c in taken else c for c in data.names}
    columns = {own[c]: v for c, v in zip(data.names, np.asarray(data.values).T, strict=True)}
    if axes is None and data.d > 1:
        listed = {c: ("point", v) for c, v in columns.items()}
        return xr.Dataset({name: ("point", v) for name, v in out.items()}, coords=listed)
    along = {own[c]: v for c, v in axes.items()} if axes else columns
    shape = [len(v) for v in along.values()]
    return xr.Dataset(
        {name: (tuple(along), v.reshape(shape)) for name, v in out.items()}, coords=along
    )


def log_density_intervals(data: Data, draws: Draws, ci_prob: float) -> pd.DataFrame:
    """Log of the rows' mean density over the draws, and an interval of their log densities.

    Columns log_density, lower, upper; n rows.
    """
    import pandas as pd

    ends = tail_probabilities(ci_prob)
    out = np.empty((data.n, 3))
    for rows, values in log_densities(data, draws):
        peak = values.max(axis=0)
        out[rows, 0] = peak + np.log(np.mean(np.exp(values - peak), axis=0))
        out[rows, 1:] = np.quantile(values, ends, axis=0).T
    return pd.DataFrame(out, columns=["log_density", "lower", "upper"])
