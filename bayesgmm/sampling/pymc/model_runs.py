"""Draws of the posterior of a user's PyMC model, by an engine of densities or of models."""

from __future__ import annotations

import time

import xarray as xr

from ...utils.types import FloatArray
from ..compiled.pruning import Engine, with_pruning
from ..registry import Sampler
from ..run.interruption import warn_of_interruption, was_stopped
from ..run.settings import Settings
from .density import ModelDensity
from .model_problem import ModelProblem
from .model_tree import posterior_tree
from .sample import sample_model


def sample_problem(problem: ModelProblem, sampler: Sampler, settings: Settings) -> xr.DataTree:
    """Draws of the posterior by a sampler of any density, or of any model."""
    settings.refuse_too_many(problem.numbers_each)
    begin = time.perf_counter()
    draw = _by_density if sampler.of_free is not None else _by_model
    vectors, stats = draw(problem, sampler, settings)
    tree = posterior_tree(problem, vectors, stats)
    chains, draws = vectors.shape[:2]
    tree["posterior"].attrs |= {
        "sampling_time": time.perf_counter() - begin,
        "tuning_steps": settings.tune,
    }
    if was_stopped(chains, draws, settings):
        warn_of_interruption(chains, draws)
        tree["posterior"].attrs["interrupted"] = 1
    return tree


def _by_density(
    problem: ModelProblem, sampler: Sampler, settings: Settings
) -> tuple[FloatArray, xr.Dataset]:
    """Draws by an engine of compiled densities, whitened by the curvature at the mode."""
    assert sampler.of_free is not None
    engine: Engine[ModelDensity] = sampler.of_free()
    if sampler.with_pruning:
        engine = with_pruning(engine)
    density = problem.density()
    return engine(density, problem.mode(density), settings)


def _by_model(
    problem: ModelProblem, sampler: Sampler, settings: Settings
) -> tuple[FloatArray, xr.Dataset]:
    """Draws by an engine of PyMC models."""
    model = problem.coordinates.model
    tree = sample_model(model, problem.values_at_start, sampler, settings)
    drawn, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    shape = drawn.sizes["chain"], drawn.sizes["draw"]
    values = {
        rv.name: drawn[rv.name].transpose("chain", "draw", ...).to_numpy() for rv in model.free_RVs
    }
    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in values.items()}
    return problem.coordinates.vectors(flat).reshape(*shape, -1), stats
