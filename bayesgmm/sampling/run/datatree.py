"""Draws of a mixture's variables as an ArviZ tree, with the names that PyMC would give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ...data.chunks import are_in_chunks, random_numbers
from ...data.data import Data
from ...families.parametrisation.base import AXIS, COMPONENT, FEATURE, PAIR, Parametrisation
from ...mixture.prior import Prior
from ...posterior.rows_elsewhere import MOST_ROWS, marked_as_sample
from ...utils.types import FloatArray
from .statistics import kept_statistics

_SIGMA = (COMPONENT, FEATURE, FEATURE + "_bis")


def coordinates(data: Data, parametrisation: Parametrisation) -> dict[str, Any]:
    """The coordinates of the variables' dims."""
    names = list(data.names)
    pairs = [f"{names[i]}, {names[j]}" for i in range(data.d) for j in range(i)]
    coords: dict[str, Any] = {COMPONENT: np.arange(parametrisation.n_components), FEATURE: names}
    used = {dim for variable in parametrisation.variables for dim in variable.dims}
    if PAIR in used and pairs:  # in the order of the strict lower triangle by rows
        coords[PAIR] = pairs
    if AXIS in used:
        coords[AXIS] = np.arange(data.d)
    return coords


def to_datatree(
    values: Mapping[str, FloatArray],
    stats: xr.Dataset,
    data: Data,
    parametrisation: Parametrisation,
    prior: Prior,
) -> xr.DataTree:
    """The tree of draws.

    Parameters
    ----------
    values : mapping of name to array (chain, draw, *shape)
        The variables, as `density.Space` names them.
    stats : Dataset
        `sample_stats`, with dims chain and draw.
    data : Data
        The rows.
    parametrisation, prior : Parametrisation, Prior
        Those of the variables, by which `Sigma` is computed from them.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` (with `pi` for one component too, and `Sigma`), `sample_stats` and
        `observed_data`, which of rows in chunks has a sample.
    """
    chains, draws = values["mu"].shape[:2]
    values = {"pi": np.ones((chains, draws, 1)), **values}
    dims: dict[str, tuple[str, ...]] = {"concentration": (), "scale": (FEATURE,)}
    dims |= {"pi": (COMPONENT,), "noise_share": (), "mu": (COMPONENT, FEATURE)}
    dims |= {variable.name: variable.dims for variable in parametrisation.variables}
    posterior = xr.Dataset(
        {n: (("chain", "draw", *names), values[n]) for n, names in dims.items() if n in values},
        coords={
            "chain": np.arange(chains),
            "draw": np.arange(draws),
            **coordinates(data, parametrisation),
        },
    )
    return xr.DataTree.from_dict(
        {
            "posterior": with_covariances(posterior, parametrisation, prior),
            "sample_stats": kept_statistics(stats).assign_coords(
                {name: posterior[name] for name in ("chain", "draw")}
            ),
            "observed_data": observed(data),
        }
    )


def observed(data: Data) -> xr.Dataset:
    """The rows, with their weights; a random sample of those that are read in chunks."""
    numbers = random_numbers(data.n, MOST_ROWS) if are_in_chunks(data) else None
    there = data if numbers is None else data.take(numbers)
    rows = xr.Dataset(
        {"y": (("obs_id", FEATURE), np.asarray(there.values, dtype=np.float64))},
        coords={"obs_id": np.arange(there.n), FEATURE: list(data.names)},
    )
    if there.weights is not None:
        rows["weight"] = ("obs_id", np.asarray(there.weights))
    if numbers is None or there.n == data.n:
        return rows
    return marked_as_sample(rows, numbers, data.n)


def with_covariances(
    posterior: xr.Dataset, parametrisation: Parametrisation, prior: Prior
) -> xr.Dataset:
    """The draws with `Sigma` (chain, draw, component, feature, feature_bis)."""
    values = {
        v.name: posterior[v.name].transpose("chain", "draw", *v.dims).to_numpy()
        for v in parametrisation.variables
    }
    sigma = xr.DataArray(
        parametrisation.covariances(values, prior.of_covariances),
        dims=("chain", "draw", *_SIGMA),
        coords={_SIGMA[-1]: posterior[FEATURE].to_numpy()},
    )
    return posterior.assign(Sigma=sigma)
