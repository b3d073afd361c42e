"""Pathfinder: normal approximations along the paths of a quasi-Newton search, then corrected.

Zhang, Carpenter, Gelman & Vehtari (2022), J. Mach. Learn. Res. 23(306), 1-49. The search is
BlackJAX's: the other implementation, in pymc-extras, holds PyMC back by a version.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from ...utils.types import FloatArray
from ..run.importance import corrected
from ..run.settings import Settings
from .points import Points

# Spread of the paths' beginnings about the start, in widths. If it is too small, a path is too
# short to estimate the curvature from.
_SPREAD = 2.0
# Most steps of a path, and how many of the last ones its curvature is estimated from.
_STEPS, _MEMORY = 100, 20
# Draws of every approximation along a path, for its distance to the posterior.
_TRIALS = 50


def pathfinder(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """Draws by Pathfinder: one path, and the best normal density along it, for every chain."""
    import jax
    from blackjax.vi import pathfinder as paths

    points = Points(model, start)
    widths = points.widths()
    log_density = _in_widths(model, points, widths)
    rng = np.random.default_rng(settings.random_seed)
    begins = _SPREAD * rng.standard_normal((settings.chains, len(widths)))

    def drawn(key: Any, begin: Any) -> Any:
        search, sampling = jax.random.split(key)
        best, _ = paths.approximate(
            search, log_density, begin, _TRIALS, maxiter=_STEPS,
            maxcor=min(_MEMORY, len(widths)),
        )  # fmt: skip
        return paths.sample(sampling, best, settings.draws)

    keys = jax.random.split(jax.random.key(int(rng.integers(2**31))), settings.chains)
    compiled = jax.jit(drawn)
    white, log_q = zip(*map(compiled, keys, begins), strict=True)
    vectors = points.start + widths * np.array(white)
    if not np.isfinite(vectors).all():
        raise FloatingPointError(
            "Pathfinder found no approximation along a path: use sampler='auto', the default."
        )
    log_q = np.array(log_q) - np.log(widths).sum()
    return corrected(points, vectors, log_q, rng, shared=False)


def _in_widths(model: pm.Model, points: Points, widths: FloatArray) -> Any:
    """The log posterior density, in JAX, of distances from the start in widths."""
    from pymc.sampling.jax import get_jaxified_graph

    function: Any = get_jaxified_graph(inputs=model.value_vars, outputs=[model.logp()])

    def log_density(white: Any) -> Any:
        return function(*points.split(points.start + widths * white))[0]

    return log_density
