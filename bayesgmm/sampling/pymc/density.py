"""The log density of any PyMC model, as the engines of our own density take it.

It is compiled, and whitened by a function that calls it by its address: neither the mode search nor
a sampler's gradient goes through Python's interpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np

from ...density.callbacks import called
from ...density.whitening import whitened
from ...kernels.compilation import Entry
from ...utils.types import FloatArray
from .compiled_model import compiled_model, model_density
from .coordinates import Coordinates
from .prunable_rows import PrunableRows

# Rounds in which units are sought, and the part of one by which a coordinate is moved.
_ROUNDS, _PART = 3, 1e-3


class ModelDensity:
    """Log density and gradient of a model in its free coordinates, or in whitened ones.

    Parameters
    ----------
    coordinates : Coordinates
        Of the model, which is compiled as it is: data that are set later are not seen.
    rows : PrunableRows, optional
        The rows whose pairs with components can be left out (`pruned`).
    """

    callback: Entry = whitened
    data, slow = None, ""  # the model has the rows

    def __init__(self, coordinates: Coordinates, rows: PrunableRows | None = None) -> None:
        self._rows = rows
        graph = () if rows is None else (rows.log_density, rows.rows)
        self._compiled = compiled_model(coordinates, *graph)
        self.size = coordinates.size
        self._units = np.ones(self.size)
        self._numbers = np.concatenate([np.zeros(self.size), np.eye(self.size).ravel()])

    def __call__(self, free: FloatArray) -> tuple[float, FloatArray]:
        """The log density at coordinates (P,) and its gradient (P,); -inf where there is none."""
        failed, value, gradient = called(self.callback, free, self.table)
        return -np.inf if failed else value, gradient

    @property
    def table(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """What `whitened` reads; valid as long as the object exists."""
        compiled, numbers = self._compiled, self._numbers
        addresses = [model_density.address, compiled.table.ctypes.data]
        return np.array([*addresses, numbers.ctypes.data, numbers.size], dtype=np.int64)

    def units(self) -> FloatArray:
        """Units of the coordinates, (P,), for differences."""
        return self._units

    def measured_at(self, point: FloatArray) -> ModelDensity:
        """The same density, with the units that its coordinates have at a point (P,)."""
        new = copy(self)
        new._units = units_at(self, point)
        return new

    def whitened(self, origin: FloatArray, root: FloatArray) -> ModelDensity:
        """The same density in coordinates z, u = origin + root z, without the constant |root|.

        root (P, P) is lower triangular.
        """
        new = copy(self)
        new._numbers = np.concatenate([origin, root.ravel()])
        return new

    def pruned(self, points: FloatArray, left_out: float) -> ModelDensity:
        """The same density without the pairs of a row and a component that do not matter.

        As `LogPosterior.pruned`: it is this one itself where nothing would be gained.
        """
        numbers = None if self._rows is None else self._rows.pruned(points, left_out)
        if numbers is None:
            return self
        new = copy(self)
        new._compiled = self._compiled.with_last(numbers)
        return new

    def narrow(self) -> bool:
        """False: no part of the code is ever missing."""
        return False


def units_at(
    density: Callable[[FloatArray], tuple[float, FloatArray]], point: FloatArray
) -> FloatArray:
    """Units (P,) of a log density's coordinates at a point: about their sds given all others.

    Nothing is known of them at first: the data of the model may be in any unit. Differences by a
    small part of what is taken for a unit give the curvature, and by that a better one.
    """
    units = np.maximum(np.abs(point), 1.0)
    for _ in range(_ROUNDS):
        for i, unit in enumerate(units):
            step = np.zeros_like(point)
            step[i] = _PART * unit
            rise = density(point - step)[1][i] - density(point + step)[1][i]
            curvature = rise / (2 * step[i])
            if np.isfinite(curvature) and curvature != 0.0:
                units[i] = np.abs(curvature) ** -0.5
    return units
