"""NUTS of a PyMC model by nutpie and by PyMC itself."""

from __future__ import annotations

import time

import nutpie
import pymc as pm
import xarray as xr

from ...utils.progress import still_at
from ...utils.types import FloatArray
from ..run.interruption import TOO_EARLY, keyboard_watched
from ..run.nutpie import finished
from ..run.settings import Settings

# nutpie's mass matrix: low-rank corrections give 1 to 10 times the effective draws per second of a
# diagonal one (for well separated components in two columns, 0.8), until their cost explodes
# between 111 and 143 variables (nutpie 0.16.11).
_MAX_LOW_RANK = 120


def nutpie_nuts(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """NUTS by nutpie."""
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
    with still_at("NUTS", settings.progressbar):
        [tree] = finished(run)
    tree["posterior"].attrs |= {
        "inference_library": "nutpie",
        "inference_library_version": nutpie.__version__,
        "sampling_time": time.perf_counter() - begin,
        "tuning_steps": settings.tune,
    }
    return tree


def pymc_nuts(model: pm.Model, start: dict[str, FloatArray], settings: Settings) -> xr.DataTree:
    """NUTS by PyMC."""
    with keyboard_watched() as interrupted:
        try:
            return pm.sample(
                settings.draws, tune=settings.tune, chains=settings.chains, cores=settings.cores,
                random_seed=settings.random_seed, target_accept=settings.target_accept,
                nuts_sampler="pymc", initvals=start, init="adapt_diag",
                progressbar=settings.progressbar, quiet=not settings.progressbar,
                compute_convergence_checks=False, model=model,
            )  # fmt: skip
        except ValueError:  # what PyMC makes of an interruption before the first draw
            if interrupted.is_set():
                raise KeyboardInterrupt(TOO_EARLY) from None
            raise
