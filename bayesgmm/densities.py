"""The density of posterior draws at points, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from .bands import band, tails
from .data import Data
from .draws import Draws, log_densities
from .kernels.contract import FloatArray

# Points of a default grid along one column, and along each of two.
_ONE, _TWO = 200, 60
# How far a default grid goes beyond the components' means, in their standard deviations.
_REACH = 4.0
# Components lighter than this do not stretch the grid.
_LIGHT = 1e-3
_STATISTICS = ("mean", "sd", "lower", "upper")


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Rows (m, q) of q columns, and the axes they are laid out along."""

    rows: FloatArray
    columns: tuple[str, ...]
    shape: dict[str, int]
    coords: dict[str, Any]

    @classmethod
    def of(
        cls, at: ArrayLike | Mapping[Any, ArrayLike] | None, columns: Sequence[str], draws: Draws
    ) -> Points:
        """The points asked for: a grid by column, a list, or a grid that covers the draws."""
        if at is None:
            return cls.grid(_axes(draws, columns))
        if isinstance(at, Mapping):
            return cls.grid(dict(zip(columns, at.values(), strict=True)))
        return cls.listed(at, columns)

    @classmethod
    def listed(cls, at: ArrayLike, columns: Sequence[str]) -> Points:
        """Points as rows; those of one column lie along it."""
        rows = np.asarray(at, dtype=np.float64)
        if len(columns) == 1 and rows.ndim <= 1:
            return cls.grid({columns[0]: rows})
        if rows.ndim != 2 or rows.shape[1] != len(columns) or not len(rows):
            raise ValueError(
                f"at has shape {rows.shape}: for {', '.join(columns)} pass points as rows "
                f"(m, {len(columns)}), or a mapping from column to values for a grid."
            )
        coords = {c: ("point", rows[:, j]) for j, c in enumerate(columns)}
        return cls(rows, tuple(columns), {"point": len(rows)}, coords)

    @classmethod
    def grid(cls, axes: Mapping[str, ArrayLike]) -> Points:
        """Every combination of the columns' values."""
        values = {c: np.atleast_1d(np.asarray(v, dtype=np.float64)) for c, v in axes.items()}
        for column, v in values.items():
            if v.ndim != 1 or not v.size:
                raise ValueError(
                    f"column {column!r} has values of shape {v.shape}: pass one or more, (m,)."
                )
        mesh = np.meshgrid(*values.values(), indexing="ij")
        shape = {c: len(v) for c, v in values.items()}
        return cls(np.stack([m.ravel() for m in mesh], axis=1), tuple(values), shape, dict(values))


def _axes(draws: Draws, columns: Sequence[str]) -> dict[str, FloatArray]:
    """Values of one or two columns that cover the draws' components: means -+ 4 sd."""
    if len(columns) > 2:
        raise ValueError(
            f"a grid of {len(columns)} columns ({', '.join(columns)}) would be large: name one or "
            "two with columns=, or pass the points as at=."
        )
    heavy = draws.weights.mean(axis=0) > _LIGHT
    means = draws.means.mean(axis=0)[heavy]
    variances = draws.covariances.mean(axis=0)[heavy]
    if variances.ndim == 3:
        variances = np.diagonal(variances, axis1=1, axis2=2)
    reach = _REACH * np.sqrt(variances)
    low, high = (means - reach).min(axis=0), (means + reach).max(axis=0)
    size = _ONE if len(columns) == 1 else _TWO
    return {c: np.linspace(low[j], high[j], size) for j, c in enumerate(columns)}


def density_bands(data: Data, draws: Draws, points: Points, ci_prob: float) -> xr.Dataset:
    """Mean, sd and interval over the draws of the density at the points (rows of `data`)."""
    tails(ci_prob)
    taken = set(_STATISTICS) & set(points.coords)
    if taken:
        raise ValueError(f"a column is called {taken.pop()!r}, as a result is: rename it.")
    out = {name: np.empty(data.n) for name in _STATISTICS}
    for rows, values in log_densities(data, draws):
        for name, value in band(np.exp(values), ci_prob).items():
            out[name][rows] = value
    shape = tuple(points.shape.values())
    return xr.Dataset(
        {name: (tuple(points.shape), value.reshape(shape)) for name, value in out.items()},
        coords=points.coords,
    )
