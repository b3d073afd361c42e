"""Draws of the library's own posterior without PyMC: the compiled density, whitened."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ...density.log_posterior import LogPosterior
from ...density.mode import Mode, mode_near
from ...em.fit import fit as estimate
from ...kernels.e_step.contract import Parameters
from ...utils.progress import waiting
from ...utils.types import FloatArray, IntArray
from ..problem import PosteriorProblem
from ..registry import DensityEngine, Sampler
from ..run.datatree import to_datatree
from ..run.interruption import refuse_if_stopped, warn_of_interruption, was_stopped
from ..run.settings import Settings
from .empty_components import InitialPoint, drawn_empty, share_empty
from .pruning import with_pruning
from .sandwich import with_sandwich

# A start that is expected to lie at most so many nats below the mode is near enough for Newton.
_NEAR = 10.0

# Random starts among which other modes are looked for, and the nats by which they differ.
_TRIED, _DIFFERENT = 30, 0.01

# How much pruning may leave out before the mode is found: the posterior's width is not known yet.
_LEFT_OUT_AT_START = 1e-5

# The variables' draws by name, and statistics.
type _Draws = tuple[dict[str, FloatArray], xr.Dataset]


def sample_directly(
    problem: PosteriorProblem, sampler: Sampler, settings: Settings, n_modes: int = 1
) -> xr.DataTree:
    """Draws of the posterior by a sampler of the compiled density.

    The statistic lp is the log posterior density in free coordinates; of orientations it is that
    with respect to Haar's measure, which every D_k of the same Sigma_k has in common.

    Parameters
    ----------
    problem : PosteriorProblem
        What to sample, and the fit to start at.
    sampler : Sampler
        One with an engine for densities.
    settings : Settings
        How many draws, and how.
    n_modes : int
        Modes to start in, at most: that next to the fit, and the highest others that are found.
        Each has the chains that the settings say.

    Returns
    -------
    xarray.DataTree
        As of `sampling.sample`, with `Sigma`.
    """
    assert sampler.of_density is not None
    begin = time.perf_counter()
    engine = sampler.of_density()
    if sampler.with_pruning:
        engine = with_pruning(engine)
    if problem.pseudo:
        engine = with_sandwich(engine)
    with waiting("Mode of the posterior", settings.progressbar):
        points = _initial_points(problem, n_modes, settings.random_seed)
    runs, interrupted = _runs(engine, points, settings)
    values = {name: np.concatenate([run[name] for run, _ in runs]) for name in runs[0][0]}
    stats = xr.concat([stats for _, stats in runs], "chain")
    stats = stats.drop_vars("chain", errors="ignore")
    if "pi" in values and not interrupted:
        with waiting("Probability of an empty component", settings.progressbar):
            found = _of_empty_components(problem, points[0], values)
        if sampler.draws_from_prior:  # which passes through nearly empty components
            found.pop("nearly_empty", None)
        stats = stats.assign(found)
    tree = to_datatree(
        values, stats, problem.data, points[0].density.parametrisation, problem.prior
    )
    tree["posterior"].attrs |= _record(settings, begin)
    if interrupted:
        sizes = tree["posterior"].sizes
        warn_of_interruption(sizes["chain"], sizes["draw"])
        tree["posterior"].attrs["interrupted"] = 1
    return tree


def resume_directly(
    problem: PosteriorProblem, sampler: Sampler, settings: Settings, last: dict[str, FloatArray]
) -> tuple[xr.DataTree, IntArray]:
    """More draws of chains that go on from values (chain, *shape) of each variable.

    The tree is as of `sample_directly`; the numbers are those of the chains in it, which are all
    unless the run was interrupted.
    """
    assert sampler.resuming is not None
    begin = time.perf_counter()
    with waiting("Mode of the posterior", settings.progressbar):
        [point] = _initial_points(problem, 1, settings.random_seed)
    resuming, starts = sampler.resuming(), point.density.space.free(last)

    def engine(
        whole: LogPosterior, mode: Mode, settings: Settings
    ) -> tuple[FloatArray, xr.Dataset]:
        return resuming(whole, mode, settings, starts)

    values, stats = _run(with_pruning(engine) if sampler.with_pruning else engine, point, settings)
    numbers = stats["chain"].to_numpy()
    tree = to_datatree(
        values, stats.drop_vars("chain"), problem.data, point.density.parametrisation, problem.prior
    )
    tree["posterior"].attrs |= _record(settings, begin)
    return tree, numbers


def steps_to_a_draw(problem: PosteriorProblem, sampler: Sampler, settings: Settings) -> float:
    """The mean number of steps to a draw of a run of NUTS."""
    assert sampler.of_density is not None
    with waiting("Mode of the posterior", settings.progressbar):
        [point] = _initial_points(problem, 1, settings.random_seed)
    engine = sampler.of_density()
    _, stats = _run(with_pruning(engine) if sampler.with_pruning else engine, point, settings)
    refuse_if_stopped(stats.sizes["chain"], stats.sizes["draw"], settings)
    return float(stats["n_steps"].mean())


def _record(settings: Settings, begin: float) -> dict[str, Any]:
    """The attributes of draws: what continuing them needs, and the time that they took."""
    return {
        "sampling_time": time.perf_counter() - begin,
        "tuning_steps": settings.tune,
        "target_accept": settings.target_accept,
        "thin": settings.thin,
    }


def _runs(
    engine: DensityEngine, points: list[InitialPoint], settings: Settings
) -> tuple[list[_Draws], bool]:
    """Runs from all points, and whether they were interrupted.

    Of interrupted runs the complete ones are kept, or the first one as far as it got.
    """
    runs: list[_Draws] = []
    for i, point in enumerate(points):
        try:
            run = _run(engine, point, _nth(settings, i))
        except KeyboardInterrupt:
            if not runs:
                raise
            return runs, True
        made = run[0]["mu"].shape
        if was_stopped(made[0], made[1], settings):
            return runs or [run], True
        runs.append(run)
    return runs, False


def _of_empty_components(
    problem: PosteriorProblem, point: InitialPoint, values: dict[str, FloatArray]
) -> dict[str, Any]:
    """The probability of an empty component, where it is known, and the share of such draws."""
    return drawn_empty(problem, values, share_empty(problem, point, _initial_point))


def _nth(settings: Settings, i: int) -> Settings:
    """The settings of the chains in the i-th mode: with a seed of their own."""
    seed = None if settings.random_seed is None else settings.random_seed + i
    return replace(settings, random_seed=seed)


def _run(engine: DensityEngine, point: InitialPoint, settings: Settings) -> _Draws:
    """Draws of the variables by chains started at a point, and statistics."""
    vectors, stats = engine(point.density, point.mode, settings)
    values = point.density.space.values(vectors)
    # Without what differs between orientations that make the same covariances.
    return values, stats.assign(lp=stats["lp"] - point.density.space.log_measure(vectors))


def _initial_points(
    problem: PosteriorProblem, n_modes: int, seed: int | None
) -> list[InitialPoint]:
    """The mode at the fit, then the highest others that MAP-EM finds from random starts."""
    first = _initial_point(problem, problem.fitted, _NEAR)
    if first is None:  # far from the mode: MAP-EM climbs to it and keeps the labels
        first = _initial_point(problem, problem.mode)
    assert first is not None
    if n_modes == 1:
        return [first]
    data, rng, found = problem.data, np.random.default_rng(seed), [first]
    for _ in range(_TRIED):
        other = estimate(
            data, problem.n_components, problem.family.name, prior=problem.prior.for_em,
            start="k-means++", n_init=1, random_seed=rng,
            noise=None if problem.noise is None else np.exp(problem.noise.log_density),
            labels=_table_of_labels(problem),
        )  # fmt: skip
        point = _initial_point(problem, other.mixture.parameters_about(data.center))
        if point is not None and all(_differ(point, known) for known in found):
            found.append(point)
    return [first, *sorted(found[1:], key=lambda point: -point.mode.log_density)[: n_modes - 1]]


def _table_of_labels(problem: PosteriorProblem) -> Any:
    """The components that each row can belong to (n, K), if labels restrict them."""
    groups = problem.data.groups
    if groups is None or groups.admissible is None:
        return None
    return groups.components_of_rows


def _differ(a: InitialPoint, b: InitialPoint) -> bool:
    """Whether modes have different densities, as all have but relabellings of each other."""
    return abs(a.mode.log_density - b.mode.log_density) > _DIFFERENT


def _initial_point(
    problem: PosteriorProblem, parameters: Parameters, within: float = np.inf
) -> InitialPoint | None:
    """The mode by Newton's method from parameters; None if it is more than `within` nats higher."""
    parametrisation = problem.parametrisation_at(parameters)
    density = LogPosterior(problem.data, parametrisation, problem.prior, noise=problem.noise)
    start = density.space.free(problem.initial_values(parameters, parametrisation))
    mode = mode_near(density.pruned(start[None], _LEFT_OUT_AT_START), start, within)
    return None if mode is None else InitialPoint(density, mode)
