"""Sampling a model with NUTS, by nutpie or by PyMC: one call, one result, whichever engine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import nutpie
import pymc as pm
import xarray as xr
from pymc.backends.arviz import find_observations

from .families import Family
from .families.parametrisation import parametrisation
from .kernels.contract import FloatArray
from .prior import Prior

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
    engine = {"nutpie": _nutpie, "pymc": _pymc}.get(sampler)
    if engine is None:
        raise ValueError(f"sampler is {sampler!r}: choose 'nutpie' or 'pymc'.")
    begin = time.perf_counter()
    raw = engine(model, start, draws, tune, chains, random_seed, target_accept, cores, progressbar)
    stats = raw["sample_stats"].to_dataset().rename_vars(_FROM_NUTPIE if sampler == "nutpie" else {})
    posterior = raw["posterior"].to_dataset()
    ...
    return tree
