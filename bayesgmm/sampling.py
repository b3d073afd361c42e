"""Engines that draw from a model, one result for all of them."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from .families import Family
from .families.parametrisation import parametrisation
from .kernels.contract import FloatArray
from .prior import Prior

# One name for one thing, whatever the sampler calls it.
_STATISTICS = {
    "diverging": "diverging",
    "depth": "tree_depth",
    "tree_depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "reached_max_treedepth": "reached_max_treedepth",
    "energy": "energy",
    "mean_tree_accept": "acceptance_rate",
    "acceptance_rate": "acceptance_rate",
    "step_size": "step_size",
    "n_steps": "n_steps",
    "logp": "lp",
    "lp": "lp",
}


def sample(
    model: pm.Model,
    start: dict[str, FloatArray],
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int | None,
    sampler: str = "nutpie",
    cores: int | None = None,
    progressbar: bool = True,
) -> xr.DataTree:
    """Draw from the model with NUTS, every chain from `start`, without label jitter.

    Returns
    -------
    DataTree
        Groups posterior, sample_stats (diverging, tree_depth, reached_max_treedepth, energy,
        acceptance_rate, step_size, n_steps, lp) and observed_data.
    """
    cores = min(chains, cores or os.cpu_count() or 1)
    run = _nutpie if sampler == "nutpie" else _pymc
    tree = run(model, start, draws, tune, chains, cores, random_seed, progressbar)
    stats = tree["sample_stats"].to_dataset()
    # A sampler may bring one statistic under two of the names; the first listed wins.
    found = {old: new for old, new in _STATISTICS.items() if old in stats}
    kept = {new: stats[old] for old, new in reversed(found.items())}
    observed = model["x"].get_value()
    return xr.DataTree.from_dict(
        {
            "posterior": _labelled(tree["posterior"].to_dataset(), model),
            "sample_stats": xr.Dataset({k: v for k, v in kept.items() if v.ndim == 2}),
            "observed_data": xr.Dataset(
                {"y": (("obs_id", "feature"), observed)},
                coords={c: list(model.coords[c]) for c in ("obs_id", "feature")},
            ),
        }
    )


def add_covariances(
    tree: xr.DataTree, family: Family, prior: Prior, n_components: int
) -> xr.DataTree:
    """Compute Sigma (chain, draw, component, feature, feature_bis) from the draws of its variables.

    Outside the model's graph, where a matrix product would cost seconds of compilation.
    """
    posterior = tree["posterior"].to_dataset()
    form = parametrisation(family, prior)
    values = {
        v.name: posterior[v.name].transpose("chain", "draw", *v.dims).to_numpy()
        for v in form.variables
    }
    sigma = form.covariances(values, n_components)
    dims = ("chain", "draw", "component", "feature", "feature_bis")
    posterior = posterior.assign_coords(feature_bis=posterior["feature"].to_numpy())
    posterior = posterior.assign(Sigma=(dims, sigma))
    first = [name for name in ("pi", "mu", "Sigma") if name in posterior]
    rest = [name for name in posterior.data_vars if name not in first]
    tree["posterior"] = xr.DataTree(posterior[[*first, *rest]])
    return tree


def _nutpie(
    model: pm.Model,
    start: dict[str, FloatArray],
    draws: int,
    tune: int,
    chains: int,
    cores: int,
    random_seed: int | None,
    progressbar: bool,
) -> xr.DataTree:
    import nutpie

    with _quiet(not progressbar):
        compiled = nutpie.compile_pymc_model(model, initial_points=start, jitter_rvs=set())
        return nutpie.sample(
            compiled, draws=draws, tune=tune, chains=chains, cores=cores, seed=random_seed,
            save_warmup=False, progress_bar=progressbar,
        )  # fmt: skip


def _pymc(
    model: pm.Model,
    start: dict[str, FloatArray],
    draws: int,
    tune: int,
    chains: int,
    cores: int,
    random_seed: int | None,
    progressbar: bool,
) -> xr.DataTree:
    with model, _quiet(not progressbar):
        return pm.sample(
            draws=draws, tune=tune, chains=chains, cores=cores, random_seed=random_seed,
            nuts_sampler="pymc", init="adapt_diag", initvals=[start] * chains,
            progressbar=progressbar, compute_convergence_checks=False,
        )  # fmt: skip


@contextlib.contextmanager
def _quiet(silent: bool) -> Iterator[None]:
    """Keep the samplers' own log lines off the screen, and their advice: ours covers it."""
    logger = logging.getLogger("pymc")
    level = logger.level
    try:
        if silent:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="nutpie")
            yield
    finally:
        logger.setLevel(level)


def _labelled(posterior: xr.Dataset, model: pm.Model) -> xr.Dataset:
    """Constants the sampler leaves out, and coordinates of every axis."""
    if "pi" not in posterior:
        sizes = (posterior.sizes["chain"], posterior.sizes["draw"], 1)
        posterior = posterior.assign(pi=(("chain", "draw", "component"), np.ones(sizes)))
    known = {
        name: list(values)
        for name, values in model.coords.items()
        if name in posterior.dims and values is not None
    }
    names: list[Any] = [v.name for v in model.free_RVs if v.name != "pi"]
    return posterior[["pi", *names]].assign_coords(known)
