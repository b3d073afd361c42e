"""Draws from a PyMC model's posterior, in the same form by every sampler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from arviz_base import dict_to_dataset
from pymc.backends.arviz import find_observations

from ...families import Family
from ...families.parametrisation.base import COMPONENT, FEATURE, Parametrisation
from ...families.parametrisation.parametrisation import parametrisation
from ...mixture.prior import Prior
from ...utils.types import FloatArray
from ..registry import ModelSamplerName, Sampler, sampler_named
from ..run.datatree import with_covariances
from ..run.interruption import warn_of_interruption, was_stopped
from ..run.settings import Settings
from ..run.statistics import kept_statistics


def sample(
    model: pm.Model,
    start: Mapping[str, FloatArray],
    *,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    random_seed: int | None = None,
    sampler: ModelSamplerName = "nutpie",
    target_accept: float = 0.8,
    cores: int | None = None,
    progressbar: bool = True,
) -> xr.DataTree:
    """Draw from a model's posterior, every chain started at the same point.

    The samplers, and what they leave when interrupted:

    - "nutpie", "pymc": NUTS of these libraries. The draws made so far are returned.
    - "numpyro", "blackjax": NUTS in JAX, on its devices. Nothing is left.
    - "advi", "fullrank_advi": the nearest normal density with independent coordinates, or with any
      covariance. The one found so far is used.
    - "pathfinder": the best normal density along a path to the mode; one path for each chain.
      Nothing is left.
    - "smc": sequential Monte Carlo from prior to posterior; the start is not used. Chains that are
      complete are returned.

    Draws of the normal densities are resampled by Pareto-smoothed importance weights, chain by
    chain, so that they are draws of the posterior; a draw that counts for several stands several
    times in a row. If a Pareto k is above 0.7 they cannot be, and stay the approximation's own:
    `corrected` is False.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`, edited or not, or any other with continuous variables only.
    start : mapping of name to array
        Starting values of free variables, in the model's own (constrained) scale; see
        `initial_point`. No random jitter is added, so that all chains start with the same labels.
    draws, tune, chains : int
        Draws kept and warm-up draws per chain, number of chains. The two kinds of ADVI make 20
        steps of their search for each warm-up draw; Pathfinder and SMC need none.
    random_seed : int, optional
        Seed. The same compiled model and seed give the same draws for any `cores`; another
        compilation of the same model agrees to rounding at the start of each chain only.
    sampler : str
        The sampler. "numpyro", "blackjax" and "pathfinder" need `pip install 'bayesgmm[jax]'`.
    target_accept : float
        Acceptance rate aimed at by the step size of NUTS; higher means smaller steps.
    cores : int, optional
        Chains that NUTS runs at a time; those of the machine if left out. The others run on one.
    progressbar : bool
        Show progress; False prints nothing at all.

    Returns
    -------
    xarray.DataTree
        Groups `posterior`, `sample_stats` and `observed_data`. Of the statistics, lp (log
        posterior density on the unconstrained scale) is there for every sampler; of NUTS also
        diverging, tree_depth, reached_max_treedepth, n_steps, energy, acceptance_rate and
        step_size (not of BlackJAX); of approximations pareto_k and corrected, by chain; of SMC
        log_marginal_likelihood, acceptance_rate and stages, by chain.

    Raises
    ------
    ValueError
        An unknown sampler.
    ModuleNotFoundError
        The sampler needs a library that is not installed.
    KeyboardInterrupt
        Stopped before there was anything to return.

    Warns
    -----
    InterruptionAdvice
        Interrupted; the message says what is kept.
    """
    settings = Settings(draws, tune, chains, random_seed, target_accept, cores, progressbar)
    return sample_model(model, start, sampler_named(sampler, lambda s: s.of_model), settings)


def sample_model(
    model: pm.Model, start: Mapping[str, FloatArray], sampler: Sampler, settings: Settings
) -> xr.DataTree:
    """Draws from a model's posterior, as `sample` returns them."""
    assert sampler.of_model is not None
    sampler.check_installed()
    engine = sampler.of_model()
    begin = time.perf_counter()
    tree = engine(model, dict(start), settings)
    found = {"sampling_time": time.perf_counter() - begin, "tuning_steps": settings.tune}
    sizes = tree["posterior"].sizes
    if was_stopped(sizes["chain"], sizes["draw"], settings):
        warn_of_interruption(sizes["chain"], sizes["draw"])
        found["interrupted"] = 1
    tree["posterior"].attrs = found | tree["posterior"].attrs
    return _assemble(tree, model)


def _assemble(tree: xr.DataTree, model: pm.Model) -> xr.DataTree:
    """A sampler's result in the form that all have."""
    posterior = tree["posterior"].to_dataset()
    # Only the model's own variables, in its order, not the unconstrained ones.
    posterior = posterior[[v.name for v in model.unobserved_RVs if v.name in posterior]]
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": kept_statistics(tree["sample_stats"].to_dataset()),
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
    """The tree with `Sigma` (chain, draw, component, feature, feature_bis) in its posterior.

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
    sizes = posterior.sizes[COMPONENT], posterior.sizes[FEATURE]
    own = parametrisation(family, *sizes, lkj=prior.lkj)
    return tree_with_covariances(tree, own, prior)


def tree_with_covariances(
    tree: xr.DataTree, parametrisation: Parametrisation, prior: Prior
) -> xr.DataTree:
    """The tree with `Sigma` added, of draws in this parametrisation."""
    result = tree.copy()
    draws = with_covariances(tree["posterior"].to_dataset(), parametrisation, prior)
    result["posterior"] = xr.DataTree(draws)
    return result
