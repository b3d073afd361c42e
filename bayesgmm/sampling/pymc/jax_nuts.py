"""NumPyro's and BlackJAX's NUTS, through PyMC, on whatever device JAX finds.

An interruption ends the run without draws: all draws are made in one compiled call.
"""

from __future__ import annotations

from inspect import signature
from typing import Any, Literal

import numpy as np
import pymc as pm
import xarray as xr

from ...utils.types import FloatArray
from ..run.settings import Settings

# Most doublings of a trajectory: both libraries' default, named here to count draws that reach it.
_MAX_DEPTH = 10


def numpyro(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """NUTS by NumPyro."""
    return _sampled("numpyro", model, start, settings, {"max_tree_depth": _MAX_DEPTH})


def blackjax(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """NUTS by BlackJAX."""
    try:
        return _sampled("blackjax", model, start, settings, {})
    except TypeError as error:
        if _adapts_with_progress_bar():
            raise
        raise ImportError(
            "this version of PyMC cannot call so new a BlackJAX: "
            "pip install 'bayesgmm[jax]', which installs one that it can call."
        ) from error


def _adapts_with_progress_bar() -> bool:
    """Whether BlackJAX's adaptation takes what PyMC hands it (pymc-devs/pymc issue 8367)."""
    from blackjax import window_adaptation

    return "progress_bar" in signature(window_adaptation).parameters


def _sampled(
    library: Literal["numpyro", "blackjax"],
    model: pm.Model,
    start: dict[str, FloatArray],
    settings: Settings,
    options: dict[str, Any],
) -> xr.DataTree:
    import jax
    from pymc.sampling.jax import sample_jax_nuts

    # One chain on each device, if there are so many: PyMC makes them of a processor's threads.
    each_its_own = settings.cores != 1 and jax.local_device_count() >= settings.chains
    tree = sample_jax_nuts(
        settings.draws, tune=settings.tune, chains=settings.chains,
        target_accept=settings.target_accept, random_seed=settings.random_seed,
        initvals=start, jitter=False, model=model, nuts_sampler=library,
        progressbar=settings.progressbar, quiet=not settings.progressbar,
        chain_method="parallel" if each_its_own else "vectorized", nuts_kwargs=options,
        keep_untransformed=True, compute_convergence_checks=False,
    )  # fmt: skip
    stats = tree["sample_stats"].to_dataset()
    density = _log_density(model, tree["posterior"].to_dataset())
    depth = stats["tree_depth"]
    tree["sample_stats"] = xr.DataTree(
        stats.assign(lp=(("chain", "draw"), density), reached_max_treedepth=depth >= _MAX_DEPTH)
    )
    return tree


def _log_density(model: pm.Model, posterior: xr.Dataset) -> FloatArray:
    """The model's log density of every draw: the libraries disagree on the sign of theirs."""
    import jax
    from pymc.sampling.jax import get_jaxified_graph

    function: Any = get_jaxified_graph(inputs=model.value_vars, outputs=[model.logp()])
    draws = [posterior[v.name].to_numpy() for v in model.value_vars]
    size = draws[0].shape[:2]
    flat = [jax.numpy.asarray(v.reshape(-1, *v.shape[2:])) for v in draws]
    values = jax.jit(lambda draws: jax.lax.map(lambda draw: function(*draw)[0], draws))(flat)
    return np.asarray(values).reshape(size)
