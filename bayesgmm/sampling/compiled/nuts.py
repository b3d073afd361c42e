"""NUTS by nutpie on the compiled density, in coordinates whitened by the curvature at the mode.

Nothing is compiled here, and a gradient costs no call into Python (`nutpie_model.py`). With
u = mode + L z, L L' the inverse of minus the second derivatives at the mode, z is about standard
normal, and there is little left for the warm-up to adapt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ...density.mode import FreeDensity, Mode
from ...utils.types import FloatArray
from ..run.interruption import refuse_if_stopped
from ..run.nutpie import finished
from ..run.nutpie_model import COORDINATES, nutpie_model
from ..run.settings import Settings

# Standard deviation of the chains' starts about the mode; nearer where the density falls too much.
_SPREAD = 1.0
_MOST_LOST = 5.0  # fall of the log density, in units of a normal density's average fall


def nuts(density: FreeDensity, mode: Mode, settings: Settings) -> tuple[FloatArray, xr.Dataset]:
    """Draws (chain, draw, P) of the density's coordinates, and statistics under nutpie's names.

    Raises
    ------
    KeyboardInterrupt
        Stopped before there were draws that can be kept.
    """
    white = density.whitened(mode.origin, mode.root)
    tree = _run(white, settings)
    while white.narrow():  # met a component too narrow for the code that is compiled so far
        sizes = tree["posterior"].sizes
        refuse_if_stopped(sizes["chain"], sizes["draw"], settings)
        tree = _run(white, settings)
    z = tree["posterior"][COORDINATES].to_numpy()
    stats = tree["sample_stats"].to_dataset()
    # The density in whitened coordinates leaves out |L|, so that it is that of u already.
    return mode.origin + z @ mode.root.T, stats


def _run(white: FreeDensity, settings: Settings) -> xr.DataTree:
    import nutpie

    run = nutpie.sample(
        nutpie_model(white, _start(white)),
        draws=settings.draws, tune=settings.tune, chains=settings.chains,
        cores=settings.cores, seed=settings.random_seed, target_accept=settings.target_accept,
        maxdepth=settings.max_depth,
        save_warmup=False, progress_bar=settings.progressbar, blocking=False,
    )  # fmt: skip
    return finished(run)


def _start(white: FreeDensity) -> Callable[[Any], FloatArray]:
    """A function that draws a chain's start from its seed."""
    size, highest = white.size, white(np.zeros(white.size))[0]

    def start(seed: Any) -> FloatArray:
        z = _SPREAD * np.random.default_rng(seed).standard_normal(size)
        while not highest - white(z)[0] < _MOST_LOST * 0.5 * (size + 1):
            z *= 0.5
        return np.asarray(z)

    return start
