"""NUTS by nutpie on the compiled density, in coordinates whitened by the curvature at the mode.

Nothing is compiled here, and a gradient costs no call into Python (`nutpie_model.py`). With
u = mode + L z, L L' the inverse of minus the second derivatives at the mode, z is about standard
normal, and there is little left for the warm-up to adapt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ...density.mode import FreeDensity, Mode
from ...utils.errors import CostAdvice
from ...utils.progress import progress, still_at
from ...utils.threads import default_threads
from ...utils.types import FloatArray
from ...utils.warnings import warn
from ..run.interruption import refuse_if_stopped
from ..run.kept import KeptChains, tree_bytes, tree_of
from ..run.nutpie import finished
from ..run.nutpie_model import COORDINATES, nutpie_model
from ..run.settings import Settings

_TITLE = "NUTS"
#: Passes over the rows to a draw, roughly: 7 to 31 in whitened coordinates.
PASSES = 15
# Standard deviation of the chains' starts about the mode; nearer where the density falls too much.
_SPREAD = 1.0
_MOST_LOST = 5.0  # fall of the log density, in units of a normal density's average fall


def nuts(density: FreeDensity, mode: Mode, settings: Settings) -> tuple[FloatArray, xr.Dataset]:
    """Draws (chain, draw, P) of the density's coordinates, and statistics under nutpie's names.

    With a checkpoint every chain is a run of its own, with other random numbers.

    Raises
    ------
    KeyboardInterrupt
        Stopped before there were draws that can be kept.
    """
    _say_what_it_costs(density, settings)
    white = density.whitened(mode.origin, mode.root)
    kept = KeptChains.of_run(density, mode, settings)
    if kept:
        start = _start(white)
        return _in_coordinates(_chain_by_chain(white, lambda _: start, settings, kept), mode)
    return _in_coordinates(_draws(white, settings, lambda: _run(white, settings)), mode)


def resumed_nuts(
    density: FreeDensity, mode: Mode, settings: Settings, points: FloatArray
) -> tuple[FloatArray, xr.Dataset]:
    """The same of chains that go on from points (chain, P).

    nutpie takes no steps and no metric from outside: each chain adapts its own again in a warm-up,
    from its point. The coordinate `chain` of the statistics says which chains an interruption
    leaves.
    """
    _say_what_it_costs(density, settings)
    white = density.whitened(mode.origin, mode.root)
    z = np.ascontiguousarray(np.linalg.solve(mode.root, (points - mode.origin).T).T)
    kept = KeptChains.of_run(density, mode, settings, points)
    tree = _chain_by_chain(white, lambda c: lambda _: z[c], settings, kept)
    return _in_coordinates(tree, mode)


def _say_what_it_costs(density: FreeDensity, settings: Settings) -> None:
    """Warn where every gradient is a pass over rows in chunks."""
    if density.slow:
        gradients = PASSES * settings.chains * (settings.draws + settings.tune)
        warn(
            f"every gradient of NUTS is a pass over all rows in chunks ({density.slow}), and "
            f"these draws take about {gradients:.2g}: sampler='laplace' takes one for each draw, "
            "64 at a time; or sample the posterior of a random part of the rows.",
            CostAdvice,
        )


def _draws(white: FreeDensity, settings: Settings, run: Callable[[], xr.DataTree]) -> xr.DataTree:
    tree = run()
    while white.narrow():  # met a component too narrow for the code that is compiled so far
        sizes = tree["posterior"].sizes
        refuse_if_stopped(sizes["chain"], sizes["draw"], settings)
        tree = run()
    return tree


def _in_coordinates(tree: xr.DataTree, mode: Mode) -> tuple[FloatArray, xr.Dataset]:
    z = tree["posterior"][COORDINATES].to_numpy()
    stats = tree["sample_stats"].to_dataset()
    # The density in whitened coordinates leaves out |L|, so that it is that of u already.
    return mode.origin + z @ mode.root.T, stats


def _run(white: FreeDensity, settings: Settings) -> xr.DataTree:
    run = _begun(white, _start(white), settings)
    with still_at(_TITLE, settings.progressbar):
        [tree] = finished(run)
    return tree


def _begun(white: FreeDensity, start: Callable[[Any], FloatArray], settings: Settings) -> Any:
    """A run of nutpie that has begun."""
    import nutpie

    return nutpie.sample(
        nutpie_model(white, start),
        draws=settings.draws, tune=settings.tune, chains=settings.chains,
        cores=settings.cores, seed=settings.random_seed, target_accept=settings.target_accept,
        maxdepth=settings.max_depth,
        save_warmup=False, progress_bar=settings.progressbar, blocking=False,
    )  # fmt: skip


def _chain_by_chain(
    white: FreeDensity,
    start: Callable[[int], Callable[[Any], FloatArray]],
    settings: Settings,
    kept: KeptChains,
) -> xr.DataTree:
    """A run for each chain, from its start; as many at a time as there are cores for.

    Chains that have ended are kept; the coordinate `chain` says which there are.
    """
    cores = min(settings.cores or default_threads(), settings.chains)
    seeds = [int(seed.generate_state(1)[0]) for seed in settings.seeds]

    def begun(c: int) -> Any:
        of_one = replace(settings, chains=1, cores=1, random_seed=seeds[c], progressbar=False)
        return _begun(white, start(c), of_one)

    contents = {c: kept.get(_TITLE, c) for c in range(settings.chains)}
    trees = {c: tree_of(content) for c, content in contents.items() if content is not None}
    left = [c for c in range(settings.chains) if c not in trees]
    with progress(_TITLE, len(left), settings.progressbar) as tick:
        for first in range(0, len(left), cores):
            each = left[first : first + cores]
            try:
                made = finished(*map(begun, each))
                while white.narrow():  # met a component too narrow for the code compiled so far
                    made = finished(*map(begun, each))
            except KeyboardInterrupt:
                if not trees:
                    raise
                break
            trees |= zip(each, made, strict=True)
            if made[-1]["posterior"].sizes["draw"] < settings.draws:
                break
            for c in each:
                kept.put(_TITLE, c, tree_bytes(trees[c]))
                tick()
    return _together(trees)


def _together(trees: dict[int, xr.DataTree]) -> xr.DataTree:
    """The chains of several runs, as long as the shortest."""
    shortest = min(tree["posterior"].sizes["draw"] for tree in trees.values())
    groups = {
        name: xr.concat(
            [trees[c][name].to_dataset().isel(draw=slice(shortest)) for c in sorted(trees)],
            "chain",
        ).assign_coords(chain=sorted(trees))
        for name in ("posterior", "sample_stats")
    }
    return xr.DataTree.from_dict(groups)


def _start(white: FreeDensity) -> Callable[[Any], FloatArray]:
    """A function that draws a chain's start from its seed."""
    size, highest = white.size, white(np.zeros(white.size))[0]

    def start(seed: Any) -> FloatArray:
        z = _SPREAD * np.random.default_rng(seed).standard_normal(size)
        while not highest - white(z)[0] < _MOST_LOST * 0.5 * (size + 1):
            z *= 0.5
        return np.asarray(z)

    return start
