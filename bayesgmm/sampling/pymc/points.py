"""A PyMC model's free variables as vectors on the unconstrained scale, with their log density."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from arviz_base import dict_to_dataset
from pymc.initial_point import make_initial_point_fn
from scipy.optimize import minimize

from ...utils.types import FloatArray

# Most rounds in which a width is sought, and how near the drop must come to 1/2.
_ROUNDS, _NEAR = 40, 0.2


class Points:
    """Vectors (P,) of a model's free variables, in the order of `model.value_vars`.

    Parameters
    ----------
    model : pymc.Model
        With continuous variables only.
    start : mapping of name to array
        As for `sampling.sample`.
    """

    def __init__(self, model: pm.Model, start: Mapping[str, FloatArray]) -> None:
        self._model = model
        initial = make_initial_point_fn(model=model, overrides=dict(start), return_transformed=True)
        values = initial(0)  # variables without a start have PyMC's own, which is not random
        arrays = {v.name: np.asarray(values[v.name], np.float64) for v in model.value_vars}
        self._shapes = {name: array.shape for name, array in arrays.items()}
        self.start: FloatArray = np.concatenate([array.ravel() for array in arrays.values()])
        self._log_density = model.compile_logp()

    def log_density(self, vectors: FloatArray) -> FloatArray:
        """Log posterior density (S,), on the unconstrained scale, of vectors (S, P)."""
        return np.array([float(self._log_density(point)) for point in self._points(vectors)])

    def posterior(self, vectors: FloatArray) -> xr.Dataset:
        """The model's variables, and what it derives from them, of vectors (chain, draw, P)."""
        own = {v.name for v in self._model.unobserved_RVs}
        wanted = [v for v in self._model.unobserved_value_vars if v.name in own]
        function = self._model.compile_fn(
            wanted, inputs=self._model.value_vars, on_unused_input="ignore"
        )
        values = [function(point) for point in self._points(vectors.reshape(-1, len(self.start)))]
        arrays = {
            variable.name: np.array(draws).reshape(*vectors.shape[:2], *np.shape(draws[0]))
            for variable, draws in zip(wanted, zip(*values, strict=True), strict=True)
        }
        coords: dict[Any, Any] = {
            k: np.asarray(v) for k, v in self._model.coords.items() if v is not None
        }
        dims: dict[Any, Any] = dict(self._model.named_vars_to_dims)
        return dict_to_dataset(arrays, coords=coords, dims=dims, inference_library=pm)

    def widths(self) -> FloatArray:
        """Distances (P,) from the start at which the density drops by e^(1/2), by coordinate.

        If the start is near a mode they are about the standard deviations of each coordinate given
        all others: the only units of the coordinates that are known before anything is sampled.
        """
        here = self.log_density(self.start[None])[0]
        return np.array([self._width(i, here) for i in range(len(self.start))])

    def move_to_mode(self) -> None:
        """Move the start to the nearest mode, from which a user's edits can have taken it."""
        gradient, unit, begin = self._model.compile_dlogp(), self.widths(), self.start

        def loss(white: FloatArray) -> tuple[float, FloatArray]:
            [point] = self._points((begin + unit * white)[None])
            return -float(self._log_density(point)), -unit * gradient(point)

        found = minimize(loss, np.zeros_like(begin), jac=True, method="L-BFGS-B")
        if np.isfinite(found.fun) and np.isfinite(found.x).all():
            self.start = begin + unit * found.x

    def _width(self, i: int, here: float) -> float:
        step = np.zeros_like(self.start)
        width = 1e-3 * max(abs(self.start[i]), 1e-3)
        for _ in range(_ROUNDS):
            step[i] = width
            drop = here - self.log_density(np.stack([self.start + step, self.start - step])).mean()
            if abs(drop - 0.5) < _NEAR:
                break
            # The step for a quadratic log density; no factor above 10 is trusted.
            factor = np.sqrt(0.5 / drop) if drop > 0 else 10.0
            width *= float(np.clip(factor if np.isfinite(factor) else 0.1, 0.1, 10.0))
        return width

    def split(self, vector: Any) -> list[Any]:
        """The values of `model.value_vars` in a vector (P,) of any kind of array."""
        ends = np.cumsum([math.prod(shape) for shape in self._shapes.values()])
        return [
            vector[end - math.prod(shape) : end].reshape(shape)
            for end, shape in zip(ends, self._shapes.values(), strict=True)
        ]

    def _points(self, vectors: FloatArray) -> Iterator[dict[str, FloatArray]]:
        for vector in vectors:
            yield dict(zip(self._shapes, self.split(vector), strict=True))
