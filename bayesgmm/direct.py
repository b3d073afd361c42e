"""Draws of the library's own posterior without PyMC: the compiled density, whitened."""

from __future__ import annotations

import time

import numpy as np
import xarray as xr

from .data import Data
from .density import LogPosterior
from .density.mode import Mode, mode_near
from .engines.interruption import warn_if_stopped
from .engines.laplace import laplace
from .engines.native import nuts
from .engines.settings import Settings
from .families.parametrisation import Parametrisation
from .kernels.contract import Parameters
from .map_estimate import form_near, map_estimate, values_at
from .prior import Prior
from .result import Fit
from .trees import tree_of

# A mode that is expected to be so many nats higher at most is near enough for Newton's method.
_NEAR = 10.0

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
    density, form, mode = _launched(data, fit, prior)
    vectors, stats = ENGINES[sampler](density, mode, settings)
    warn_if_stopped(vectors.shape[0], vectors.shape[1], settings)
    tree = tree_of(density.space.values(vectors), stats, data, form, prior)
    tree["posterior"].attrs |= {
        "sampling_time": time.perf_counter() - begin,
        "tuning_steps": settings.tune,
    }
    return tree


def _launched(data: Data, fit: Fit, prior: Prior) -> tuple[LogPosterior, Parametrisation, Mode]:
    """The density, and its mode next to the fit: by Newton's method, after MAP-EM if far."""
    at = fit.mixture.parameters_about(data.center)
    found = _from(at, data, fit, prior, _NEAR)
    if found is None:
        found = _from(map_estimate(data, fit, prior), data, fit, prior, np.inf)
    assert found is not None
    return found


def _from(
    at: Parameters, data: Data, fit: Fit, prior: Prior, within: float
) -> tuple[LogPosterior, Parametrisation, Mode] | None:
    form = form_near(at, fit)
    density = LogPosterior(data, form, prior)
    start = density.space.free(values_at(at, form, prior, data.center))
    mode = mode_near(density, start, within)
    return None if mode is None else (density, form, mode)
