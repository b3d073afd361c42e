"""Draws of the library's own posterior without PyMC: the compiled density, whitened."""

from __future__ import annotations

import time

import xarray as xr

from .data import Data
from .density import LogPosterior
from .density.mode import mode_near
from .engines.interruption import warn_if_stopped
from .engines.laplace import laplace
from .engines.native import nuts
from .engines.settings import Settings
from .map_estimate import form_near, map_estimate, values_at
from .prior import Prior
from .result import Fit
from .trees import tree_of

ENGINES = {"nutpie": nuts, "laplace": laplace}


def sample_directly(
    data: Data, fit: Fit, prior: Prior, sampler: str, settings: Settings
) -> xr.DataTree:
    """Draws of the posterior of a fit's family and K.

    Parameters
    ----------
    data : Data
        The rows.
    fit : Fit
        Where to start.
    prior : Prior
        The prior.
    sampler : str
        A name in `ENGINES`.
    settings : Settings
        How many draws, and how.

    Returns
    -------
    xarray.DataTree
        As of `sampling.sample`, with `Sigma`.
    """
    begin = time.perf_counter()
    at = map_estimate(data, fit, prior)
    form = form_near(at, fit)
    density = LogPosterior(data, form, prior)
    mode = mode_near(density, density.space.free(values_at(at, form, prior, data.center)))
    vectors, stats = ENGINES[sampler](density, mode, settings)
    warn_if_stopped(vectors.shape[0], vectors.shape[1], settings)
    tree = tree_of(density.space.values(vectors), stats, data, form, prior)
    tree["posterior"].attrs |= {
        "sampling_time": time.perf_counter() - begin,
        "tuning_steps": settings.tune,
    }
    return tree
