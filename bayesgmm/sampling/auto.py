"""A posterior that reaches a target: samplers in turn, and longer ones, until it holds.

NUTS comes first, unless a pilot run of it takes many steps to a draw: where components are
separated its draws are good, and it shows where they are not. Then the allocations are drawn too:
Gibbs sampling passes where NUTS does not, through nearly empty components and changes of labels,
only slowly, so that more and more sweeps make a draw. Where rows are read in chunks a gradient is
a sweep over all of them, and the posterior of so many rows is mostly normal: there Laplace's
approximation comes first, and NUTS where its Pareto k says that it will not do.
What comes next follows from the draws alone, so that a seed gives the same posterior on any
machine; the clock says only where to stop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ..em.checkpoint import Checkpoint, key_of
from ..posterior.diagnostics.diagnostics import MAX_RHAT, MIN_ESS_PER_CHAIN, Diagnostics
from ..posterior.posterior import Posterior
from ..posterior.steps import Step, with_steps
from .compiled.nuts import PASSES
from .continuation import continued
from .registry import SAMPLERS, Sampler
from .run.interruption import warn_of_interruption
from .run.settings import Settings
from .weighed_modes import weighed_modes

#: Effective draws of every quantity that are aimed at, if not said.
MIN_ESS = 400
#: Seconds after which nothing longer is begun, if not said.
MAX_TIME = 100.0
# Depth of NUTS's trees beyond which Gibbs sampling is sooner there. Where no tree is so deep the
# draws are those of any larger number.
_DEPTH = 7
# Draws kept to one effective draw that is asked for: r-hat needs more than the ESS itself does.
_TO_SPARE = 2
# Draws of a pilot run of NUTS after so many of warm-up, and the mean number of steps to a draw
# beyond which Gibbs sampling comes first: in the panel NUTS was enough up to 11.
_PILOT, _PILOT_TUNE, _MANY_STEPS = 50, 100, 20
# Sweeps to a draw at first, and by how much they grow from one run to the next.
_SWEEPS, _LEAST_GROWTH, _MOST_GROWTH = 10, 2, 4
# Draws of a run at least.
_FEWEST = 4

NUTS, GIBBS, LAPLACE = SAMPLERS["nutpie"], SAMPLERS["gibbs"], SAMPLERS["laplace"]


@dataclass(frozen=True, slots=True)
class Target:
    """When a posterior is good, and how long to try.

    Attributes
    ----------
    min_ess : int
        Bulk and tail effective draws that every quantity is to have.
    max_time : float
        Seconds after which no run is begun that would end later.
    """

    min_ess: int
    max_time: float

    def missed(self, found: Diagnostics) -> str:
        """What draws lack, in words; empty if they reach the target."""
        worst = max(found.quantities, key=lambda q: -math.inf if math.isnan(q.rhat) else q.rhat)
        fewest = min(found.quantities, key=lambda q: q.ess)
        lacks = ["chains in different modes"] if found.modes.differ else []
        if worst.rhat >= MAX_RHAT:
            lacks.append(f"r-hat of {worst.name} {worst.rhat:.3f}")
        if fewest.ess < self.min_ess:
            lacks.append(f"{fewest.ess:.0f} effective draws of {fewest.name}")
        lacks += [f"{c.name} {c.value:.3g}" for c in found.checks.values() if c.problem]
        return ", ".join(lacks)


def least_ess(chains: int) -> int:
    """The effective draws to reach if not said."""
    return max(MIN_ESS, MIN_ESS_PER_CHAIN * chains)


def settings_for(settings: Settings, min_ess: int | None) -> Settings:
    """Settings with as many draws as an explicit target needs."""
    least = math.ceil(_TO_SPARE * (min_ess or 0) / settings.chains)
    return replace(settings, draws=max(settings.draws, least))


@dataclass(frozen=True, slots=True)
class Runs:
    """What a posterior is made by.

    Attributes
    ----------
    sample : function of Sampler and Settings
        Makes a tree of draws.
    pilot : function of Sampler and Settings
        Steps to a draw that so short a run of NUTS takes.
    posterior : function of a tree
        Relabels the draws.
    continues : bool
        Whether chains can go on from draws.
    in_chunks : bool
        Whether the rows are read in chunks.
    """

    sample: Callable[[Sampler, Settings], xr.DataTree]
    pilot: Callable[[Sampler, Settings], float]
    posterior: Callable[[xr.DataTree], Posterior]
    continues: bool
    in_chunks: bool = False


def until_reached(runs: Runs, settings: Settings, target: Target) -> tuple[Posterior, str]:
    """The posterior of the first run that reaches the target, else of the last; what stopped it.

    Parameters
    ----------
    runs : Runs
        What makes draws and posteriors.
    settings : Settings
        Those of the first run.
    target : Target
        What is aimed at. Nothing follows the first run where its draws are too few to reach it.
    """
    clock = _Clock(settings.checkpoint)
    attempt, steps = _first(runs, settings)
    posterior: Posterior | None = None
    last, why = posterior, ""
    while True:
        started, before = time.monotonic(), last
        try:
            last = attempt.made(runs, last)
        except KeyboardInterrupt:
            if posterior is None:
                raise
            posterior = _interrupted(posterior)
            break
        except ValueError as error:  # rows on a device, or too narrow a component
            if not attempt.sampler.has_sweeps:
                raise
            why = str(error)
            if posterior is not None:
                break
            attempt = _Attempt(NUTS, replace(settings, max_depth=_DEPTH))
            continue
        posterior, seconds = last, attempt.seconds(last, before)
        rest = max(time.monotonic() - started - seconds, 0.0)  # does not grow with sweeps
        if not posterior.interrupted:
            seconds = clock.run_took(len(steps), seconds)
        found = posterior.diagnostics
        missed, in_words = target.missed(found), ""
        if found.modes.differ and attempt.sampler.has_sweeps:  # which passes where NUTS does not
            one = weighed_modes(posterior, settings)
            if one is not None:
                posterior, in_words = one.posterior, str(one)
                missed = target.missed(posterior.diagnostics)
        steps.append(attempt.step(found, missed, in_words))
        if not missed or posterior.interrupted or why:
            break
        if settings.draws * settings.chains < _TO_SPARE * target.min_ess:
            why = "so few draws cannot reach it: raise draws"
            break
        pace = seconds / attempt.steps_made(posterior)
        attempt = attempt.next(found, target, runs.continues)
        expected = pace * attempt.passes + rest
        if clock.elapsed + expected > target.max_time:
            why = (
                f"{attempt} would take about {expected:.0f} s more, beyond max_time = "
                f"{target.max_time:g} s: raise max_time"
            )
            break
    with_steps(posterior.tree, steps)  # not a copy, which would compute its diagnostics again
    return posterior, why


class _Clock:
    """The time that was spent, in an earlier process too as far as a checkpoint has its runs."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self._checkpoint, self._begin, self._before = checkpoint, time.monotonic(), 0.0

    @property
    def elapsed(self) -> float:
        """Seconds."""
        return self._before + time.monotonic() - self._begin

    def run_took(self, number: int, seconds: float) -> float:
        """The seconds that a run took when it was made, if it was not made now."""
        if self._checkpoint is None:
            return seconds
        now = np.float64(seconds).tobytes()
        content = self._checkpoint.answer(key_of(f"seconds {number}"), lambda: now)
        kept = float(np.frombuffer(content, dtype=np.float64)[0])
        self._before += max(kept - seconds, 0.0)
        return kept


def _first(runs: Runs, settings: Settings) -> tuple[_Attempt, list[Step]]:
    """The run to begin with: NUTS, or Gibbs sampling where a pilot run of NUTS takes many steps.

    Laplace's approximation where the rows are in chunks.
    """
    if runs.in_chunks:
        return _Attempt(LAPLACE, settings), []
    nuts = _Attempt(NUTS, replace(settings, max_depth=_DEPTH))
    few = replace(nuts.settings, draws=_PILOT, tune=min(settings.tune, _PILOT_TUNE))
    if settings.draws < _PILOT_TUNE:  # a pilot would cost as much
        return nuts, []
    many = runs.pilot(NUTS, few)
    if many <= _MANY_STEPS:
        return nuts, []
    step = Step(NUTS.name, few.chains, few.draws, 1, f"{many:.0f} steps to a draw")
    return _Attempt(GIBBS, replace(settings, thin=_SWEEPS)), [step]


def _interrupted(posterior: Posterior) -> Posterior:
    """The posterior of the run before one that was interrupted before it had draws."""
    group = posterior.tree["posterior"]
    warn_of_interruption(group.sizes["chain"], group.sizes["draw"])
    group.attrs["interrupted"] = 1
    return posterior


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A run to be made."""

    sampler: Sampler
    settings: Settings
    every: int = 1  # draws of the run before to one that is kept; 1 where none are

    def __str__(self) -> str:
        return f"{self.sampler.name} with thin = {self.settings.thin}"

    def step(self, found: Diagnostics, missed: str, weighed: str) -> Step:
        """The record of it."""
        made = (found.chains, found.draws, self.settings.thin)
        return Step(self.sampler.name, *made, missed, weighed)

    def made(self, runs: Runs, last: Posterior | None) -> Posterior:
        """The posterior of this run, which continues the last one where that had sweeps."""
        if self.every == 1 or last is None:
            return runs.posterior(runs.sample(self.sampler, self.settings))
        return runs.posterior(continued(last, self.sampler, self.settings, self.every))

    def seconds(self, made: Posterior, last: Posterior | None) -> float:
        """How long the sampler ran for this run's posterior, which may continue the last one."""
        before = 0.0 if self.every == 1 or last is None else _sampling_time(last)
        return _sampling_time(made) - before

    @property
    def steps(self) -> int:
        """Sweeps or draws of all chains, warm-up included."""
        settings = self.settings
        warm_up = settings.tune if self.every == 1 else 0
        return settings.chains * settings.thin * (settings.draws + warm_up)

    @property
    def passes(self) -> int:
        """Passes over the rows that it will make."""
        return self.steps * (PASSES if self.sampler is NUTS else 1)

    def steps_made(self, posterior: Posterior) -> float:
        """The same in passes over the rows: NUTS makes several to a draw."""
        stats = posterior.tree["sample_stats"]
        return self.steps * (float(stats["n_steps"].mean()) if "n_steps" in stats else 1.0)

    def next(self, found: Diagnostics, target: Target, continues: bool) -> _Attempt:
        """What to do where this was not enough: draw the allocations too, then make more sweeps."""
        if self.sampler is LAPLACE:
            return _Attempt(NUTS, replace(self.settings, max_depth=_DEPTH))
        if not self.sampler.has_sweeps:
            return _Attempt(GIBBS, replace(self.settings, thin=_SWEEPS))
        wanted = _TO_SPARE * target.min_ess / max(min(found.ess_bulk, found.ess_tail), 1.0)
        growth = min(max(math.ceil(wanted), _LEAST_GROWTH), _MOST_GROWTH)
        more = replace(self.settings, thin=self.settings.thin * growth)
        if not continues:
            return replace(self, settings=more)
        left = max(found.draws - found.draws // growth, _FEWEST)
        return replace(self, settings=replace(more, draws=left), every=growth)


def _sampling_time(posterior: Posterior) -> float:
    """The seconds that its draws took, without those of relabelling them."""
    return float(posterior.tree["posterior"].attrs["sampling_time"])
