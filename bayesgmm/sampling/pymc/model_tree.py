"""Draws of a user's PyMC model as the tree of a `Posterior`, with the names that all trees have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from ...families.parametrisation.base import COMPONENT, FEATURE
from ...posterior.of_model import NOISE_SHARE, ROWS, marked, rows_group
from ...utils.types import FloatArray
from ..run.statistics import kept_statistics
from .model_problem import ModelProblem
from .symmetry import Symmetry, symmetry_of

_BIS = FEATURE + "_bis"
_DIMS = {
    "pi": (COMPONENT,), "mu": (COMPONENT, FEATURE), "Sigma": (COMPONENT, FEATURE, _BIS),
    NOISE_SHARE: (),
}  # fmt: skip


def posterior_tree(problem: ModelProblem, vectors: FloatArray, stats: xr.Dataset) -> xr.DataTree:
    """The tree of draws (chain, draw, P): pi, mu and Sigma, and the model's own variables.

    Raises
    ------
    ValueError
        A variable of the model is called pi, mu or Sigma, and is not the mixture's.
    """
    flat = vectors.reshape(-1, vectors.shape[2])
    symmetry = symmetry_of(problem.coordinates, problem.term, flat, problem.data.groups)
    own = problem.variables(flat)
    mixture = dict(zip(("pi", "mu", "Sigma"), problem.mixture_at(flat), strict=True))
    beside = problem.noise_share_at(flat)
    mixture |= beside
    for name, value in mixture.items():
        _refuse_another(name, value, own.pop(name, value))
    dims = {name: _dims(problem, symmetry, name, value) for name, value in own.items()}
    posterior = _dataset(vectors.shape[:2], mixture | own, _DIMS | dims).assign_coords(
        _coordinates(problem, {dim for names in dims.values() for dim in names})
    )
    rows = np.asarray(problem.data.values, dtype=np.float64)
    observed = xr.Dataset(
        {"y": (("obs_id", FEATURE), rows)},
        coords={"obs_id": np.arange(len(rows)), FEATURE: list(problem.data.names)},
    )
    at = {name: posterior[name] for name in ("chain", "draw")}
    groups = {
        "posterior": posterior,
        "sample_stats": kept_statistics(stats).assign_coords(at),
        "observed_data": observed,
    }
    if not problem.term.plain:
        groups[ROWS] = rows_group(*problem.row_densities(flat), posterior)
    shown = [
        name
        for name, value in own.items()
        if not (
            name in problem.known
            or problem.data.n in value.shape[1:]  # an element for every row
            or any(value.shape == v.shape and np.allclose(value, v) for v in mixture.values())
        )
    ]
    return marked(xr.DataTree.from_dict(groups), [*beside, *shown], symmetry.broken_by)


def _refuse_another(name: str, mixture: FloatArray, own: FloatArray) -> None:
    """Refuse a variable that has the name of a parameter of the mixture and other values."""
    if own.shape != mixture.shape or not np.allclose(own, mixture):
        raise ValueError(
            f"the model has a variable {name!r} of shape {own.shape[1:]} that is not the "
            f"mixture's {name}, {mixture.shape[1:]}: give it another name."
        )


def _dims(
    problem: ModelProblem, symmetry: Symmetry, name: str, value: FloatArray
) -> tuple[str, ...]:
    """The dims of a variable: the model's own, but `component` where the components are."""
    declared = problem.coordinates.model.named_vars_to_dims.get(name)
    made_up = tuple(f"{name}_dim_{i}" for i in range(value.ndim - 1))
    dims = list(made_up if declared is None else declared)
    for i, dim in enumerate(dims):
        if i == symmetry.axes.get(name):
            dims[i] = COMPONENT
        elif dim is None or dim == COMPONENT or dim in dims[:i]:
            dims[i] = made_up[i]
        elif dim in (FEATURE, _BIS) and value.shape[i + 1] != problem.data.d:
            dims[i] = made_up[i]
    return tuple(dims)


def _dataset(
    shape: tuple[int, ...], values: dict[str, FloatArray], dims: dict[str, tuple[str, ...]]
) -> xr.Dataset:
    """Values (S, ...) over the chains and draws."""
    chains, draws = shape
    return xr.Dataset(
        {
            name: (("chain", "draw", *dims[name]), value.reshape(*shape, *value.shape[1:]))
            for name, value in values.items()
        },
        coords={"chain": np.arange(chains), "draw": np.arange(draws)},
    )


def _coordinates(problem: ModelProblem, dims: Iterable[str]) -> dict[str, Any]:
    """Coordinates: the components' numbers, the columns' names, and the model's own."""
    model, names = problem.coordinates.model, list(problem.data.names)
    own = {d: np.asarray(v) for d, v in model.coords.items() if d in dims and v is not None}
    return own | {COMPONENT: np.arange(problem.fit.n_components), FEATURE: names, _BIS: names}
