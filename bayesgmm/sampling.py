"""Sampling a model with NUTS, by nutpie or by PyMC: one call, one result, whichever engine."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import nutpie
import pymc as pm
import xarray as xr
from arviz_base import dict_to_dataset
from pymc.backends.arviz import find_observations

from .engines.settings import Settings
from .errors import ConvergenceAdvice
from .families import Family
from .families.parametrisation import COMPONENT, FEATURE, parametrisation
from .kernels.contract import FloatArray
from .prior import Prior

# nutpie's mass matrix: low-rank corrections give 1 to 10 times the effective draws per second of a
# diagonal one (for well separated components in two columns, 0.8), until their cost explodes
# between 111 and 143 variables (nutpie 0.16.11).
_MAX_LOW_RANK = 120

# PyMC's names for the statistics that both engines report.
_STATS = (
    "diverging", "tree_depth", "reached_max_treedepth", "n_steps", "energy", "acceptance_rate",
    "step_size", "lp",
)  # fmt: skip
_FROM_NUTPIE = {
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "mean_tree_accept": "acceptance_rate",
    "logp": "lp",
}


def sample(
    model: pm.Model,
    start: Mapping[str, FloatArray],
    *,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    random_seed: int | None = None,
    sampler: Literal["nutpie", "pymc"] = "nutpie",
    target_accept: float = 0.8,
    cores: int | None = None,
    progressbar: bool = True,
) -> xr.DataTree:
    """Draw from a model's posterior, every chain started at the same point.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`, edited or not, or any other with continuous variables only.
    start : mapping of name to array
        Starting values of free variables, in the model's own (constrained) scale; see
        `initial_point`. No random jitter is added, so that all chains start with the same labels.
    draws, tune, chains : int
        Draws kept and warm-up draws per chain, number of chains.
    random_seed : int, optional
        Seed. The same compiled model and seed give the same draws for any `cores`; another
        compilation of the same model agrees to rounding at the start of each chain only.
    sampler : "nutpie" or "pymc"
        Whose NUTS.
    target_accept : float
        Acceptance rate aimed at by the step size; higher means smaller steps.
    cores : int, optional
        Chains run at a time; those of the machine if left out.
    progressbar : bool
        Show progress; False prints nothing at all.

    Returns
    -------
    xarray.DataTree
        Groups `posterior`, `sample_stats` (diverging, tree_depth, reached_max_treedepth, n_steps,
        energy, acceptance_rate, step_size, lp) and `observed_data`.

    Raises
    ------
    KeyboardInterrupt
        Stopped before every chain had a draw. Later, the draws made so far are returned.
    """
    engines = {"nutpie": _nutpie, "pymc": _pymc}
    if sampler not in engines:
        raise ValueError(f"sampler is {sampler!r}: choose 'nutpie' or 'pymc'.")
    settings = _Settings(draws, tune, chains, random_seed, target_accept, cores, progressbar)
    return _assemble(engines[sampler](model, dict(start), settings), model, sampler)


@dataclass(frozen=True, slots=True)
class _Settings:
    draws: int
    tune: int
    chains: int
    random_seed: int | None
    target_accept: float
    cores: int | None
    progressbar: bool


def _nutpie(model: pm.Model, start: dict[str, FloatArray], settings: _Settings) -> xr.DataTree:
    # Called directly, not through pm.sample, for `blocking=False`: an interruption keeps the draws.
    compiled = nutpie.compile_pymc_model(
        model, backend="numba", initial_points=start, jitter_rvs=set()
    )
    begin = time.perf_counter()
    run = nutpie.sample(
        compiled, draws=settings.draws, tune=settings.tune, chains=settings.chains,
        cores=settings.cores, seed=settings.random_seed, target_accept=settings.target_accept,
        adaptation="low_rank" if compiled.n_dim <= _MAX_LOW_RANK else "diag",
        save_warmup=False, progress_bar=settings.progressbar, blocking=False,
    )  # fmt: skip
    try:
        tree = run.wait()
    except KeyboardInterrupt:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found chain dimension to be longer", UserWarning)
            tree = run.abort()
        tree = _completed(tree)
    tree["posterior"].attrs |= {
        "inference_library": "nutpie",
        "inference_library_version": nutpie.__version__,
        "sampling_time": time.perf_counter() - begin,
        "tuning_steps": settings.tune,
    }
    return tree


def _completed(tree: xr.DataTree) -> xr.DataTree:
    """The largest rectangle of draws in chains that ended at different times (NaN-padded)."""
    made = np.isfinite(tree["sample_stats"]["logp"].to_numpy()).sum(axis=1)
    longest_first = np.argsort(-made, kind="stable")
    sizes = made[longest_first] * np.arange(1, len(made) + 1)
    n_chains = int(np.argmax(sizes)) + 1
    kept = np.sort(longest_first[:n_chains])
    n_draws = int(made[kept].min())
    if n_draws == 0:
        raise KeyboardInterrupt("stopped before a chain had a draw")
    warnings.warn(
        f"sampling was interrupted: {n_draws} draws of {n_chains} chains are kept.",
        ConvergenceAdvice,
        stacklevel=4,
    )
    return tree.isel(chain=kept, draw=slice(0, n_draws))


def _pymc(model: pm.Model, start: dict[str, FloatArray], settings: _Settings) -> xr.DataTree:
    return pm.sample(
        settings.draws, tune=settings.tune, chains=settings.chains, cores=settings.cores,
        random_seed=settings.random_seed, target_accept=settings.target_accept,
        nuts_sampler="pymc", initvals=start, init="adapt_diag", progressbar=settings.progressbar,
        quiet=not settings.progressbar, compute_convergence_checks=False, model=model,
    )  # fmt: skip


def _assemble(tree: xr.DataTree, model: pm.Model, sampler: str) -> xr.DataTree:
    """The engines' results in one form."""
    stats = tree["sample_stats"].to_dataset()
    stats = stats.rename({a: b for a, b in _FROM_NUTPIE.items() if a in stats})[list(_STATS)]
    counts = {name: stats[name].astype(np.int64) for name in ("tree_depth", "n_steps")}
    posterior = tree["posterior"].to_dataset()
    # Only the model's own variables, in its order, not the unconstrained ones.
    posterior = posterior[[v.name for v in model.unobserved_RVs if v.name in posterior]]
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": stats.assign(counts),
            "observed_data": _observed(model),
        }
    )


def _observed(model: pm.Model) -> xr.Dataset:
    dims: dict[Any, Any] = dict(model.named_vars_to_dims)
    coords: dict[Any, Any] = {k: np.asarray(v) for k, v in model.coords.items() if v is not None}
    return dict_to_dataset(
        find_observations(model), sample_dims=[], dims=dims, coords=coords, inference_library=pm
    )


def add_covariances(tree: xr.DataTree, family: Family, prior: Prior) -> xr.DataTree:
    """Put `Sigma` (chain, draw, component, feature, feature_bis) into the posterior group.

    Parameters
    ----------
    tree : xarray.DataTree
        Draws of a model by `build_model`; it is not changed.
    family : Family
        The model's family.
    prior : Prior
        The model's prior: Bartlett variables are relative to its scale matrix.

    Returns
    -------
    xarray.DataTree
        The tree with `Sigma` added.
    """
    posterior = tree["posterior"].to_dataset()
    form = parametrisation(family, posterior.sizes[COMPONENT], posterior.sizes[FEATURE])
    values = {
        v.name: posterior[v.name].transpose("chain", "draw", *v.dims).to_numpy()
        for v in form.variables(prior)
    }
    sigma = xr.DataArray(
        form.covariances(values, prior),
        dims=("chain", "draw", COMPONENT, FEATURE, FEATURE + "_bis"),
        coords={FEATURE + "_bis": posterior[FEATURE].to_numpy()},
    )
    result = tree.copy()
    result["posterior"] = xr.DataTree(posterior.assign(Sigma=sigma))
    return result
