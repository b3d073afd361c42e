"""Rows that importance sampling cannot leave out, left out exactly by Gibbs sampling.

The density of a row given the others is a ratio of two evidences, with the row and without it:
a bridge between draws of the two posteriors gives it (Meng & Wong 1996, Statistica Sinica 6,
831-860), where the ratio of their densities is the row's own density. Where the two hardly overlap
the row first moves to its nearest neighbour, in as many steps as bridges need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ..data.data import Data
from ..density.log_posterior import LogPosterior
from ..em.labelled_fit import LabelledFit
from ..kernels.e_step.contract import Parameters
from ..mixture.draws import Draws, NoisyDraws
from ..mixture.evaluation import log_densities
from ..mixture.prior import Prior
from ..posterior.diagnostics.loo import EXACT, bad_rows
from ..posterior.evidence.integrals import bridge
from ..posterior.posterior import Posterior
from ..utils.progress import progress
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer, whole_seed
from .compiled.gibbs import GibbsState
from .problem import PosteriorProblem
from .run.chains import chains_of
from .run.settings import Settings

# A bridge with a larger standard error gets a pier between its ends, to so many halvings.
_ERROR, _HALVINGS = 0.1, 6
_ACCEPT = 0.8  # of no use here, but a run's settings have it


def leave_out(
    posterior: Posterior,
    rows: Sequence[int] | None = None,
    *,
    draws: int = 500,
    tune: int = 50,
    thin: int = 10,
    random_seed: int | None = None,
    cores: int | None = None,
    progressbar: bool = True,
) -> Posterior:
    """Leave rows out exactly, where leave-one-out by importance sampling fails.

    The posterior is sampled again without each of the rows, by Gibbs sampling started from its own
    draws, and a bridge between the two sets of draws gives the row's log density given the others.
    Where they hardly overlap (an outlier, a component of one row), the row is first moved to
    its nearest neighbour in steps, each of them sampled and bridged. Of a row that lacks values
    only those that it has are moved; it keeps its label, if it has one.

    Parameters
    ----------
    posterior : Posterior
        Of any sampler, under a `Prior`.
    rows : sequence of int, optional
        Positions of the rows; those whose Pareto k is above the limit, if left out.
    draws, tune : int
        Draws kept and warm-up draws of each of the posterior's chains, for every row and step.
    thin : int
        Sweeps to a draw.
    random_seed : int, optional
        Seed: the same values on any number of cores.
    cores : int, optional
        Chains run at a time; the cores of the machine if left out.
    progressbar : bool
        Show progress; False is silent.

    Returns
    -------
    Posterior
        The same draws; its `.loo()`, and `compare` with it, has these rows' exact terms, with
        their standard errors in `mcse` and Pareto k of 0. `save` keeps them.

    Raises
    ------
    ValueError
        A row that is not there, an argument out of range; a posterior of a user's PyMC model.
    NotImplementedError
        Rows with weights, or on a device.

    See Also
    --------
    compare : Fits, grids and posteriors in one table.
    Posterior : What `refine` returns.

    Examples
    --------
    >>> posterior = bayesgmm.leave_out(posterior, random_seed=1)  # doctest: +SKIP
    >>> posterior.loo()  # doctest: +SKIP
    """
    if posterior.prior is None:
        raise ValueError(
            "the posterior is of a PyMC model, which Gibbs sampling does not know: refine the "
            "model without the row, and score the row by log_density."
        )
    data = posterior.data
    if data.weights is not None:
        raise NotImplementedError(
            "the posterior's fit is of rows with weights, which leave_out does not know: refine "
            "the table in which each row stands as often as it counts."
        )
    chains = posterior.tree["posterior"].sizes["chain"]
    seed = whole_seed(random_seed)
    settings = Settings(draws, tune, chains, seed, _ACCEPT, cores, False, thin)
    chosen = _chosen(posterior, rows)
    seeds = np.random.SeedSequence(seed).spawn(len(chosen))
    found = []
    with progress("Rows left out", len(chosen), progressbar) as tick:
        for row, of_row in zip(chosen, seeds, strict=True):
            found.append(_Row.of(posterior, row, settings, of_row).left_out())
            tick()
    values = np.array(found).reshape(-1, 2)
    group = xr.Dataset(
        {"elpd_i": ("obs_id", values[:, 0]), "mcse": ("obs_id", values[:, 1])},
        coords={"obs_id": np.array(chosen, dtype=np.int64)},
    )
    return posterior.with_group(EXACT, group)


def _chosen(posterior: Posterior, rows: Sequence[int] | None) -> list[int]:
    if rows is None:
        return bad_rows(posterior.psis)
    n = posterior.data.n
    chosen = [check_integer("rows", row, 0, n - 1) for row in rows]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"rows is {chosen}: name each row once.")
    return chosen


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A posterior whose row lies at a place (d,), or nowhere, with draws (chains draws,) of it."""

    place: FloatArray | None
    draws: Draws


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One row of a posterior's data, and the posteriors in which it lies elsewhere."""

    posterior: Posterior
    prior: Prior
    values: FloatArray
    row: int
    settings: Settings
    rng: np.random.Generator

    @classmethod
    def of(
        cls, posterior: Posterior, row: int, settings: Settings, seed: np.random.SeedSequence
    ) -> _Row:
        values = np.asarray(posterior.data.values, dtype=np.float64)
        assert posterior.prior is not None
        rng = np.random.default_rng(seed)
        return cls(posterior, posterior.prior, values, row, settings, rng)

    def left_out(self) -> tuple[float, float]:
        """The row's log density given the others, and its standard error."""
        place = self.values[self.row]
        here = _State(place, self.posterior.draws)
        away = self._sampled(None)
        value, error = self._between(here, away)
        if error <= _ERROR:
            return value, error
        near = self._sampled(self._neighbour(place))
        return _in_turn(self._moved(here, near, _HALVINGS), self._between(near, away))

    def _neighbour(self, place: FloatArray) -> FloatArray:
        """The nearest row in the columns in which this one has values, or the nearest mean.

        What this one lacks is missing there too.
        """
        mixture, own = self.posterior.fit.mixture, ~np.isnan(place)
        others = np.delete(self.values, self.row, axis=0)[:, own]
        others = others[~np.isnan(others).any(axis=1)]
        others = others if len(others) else mixture.means[:, own]
        apart = (others - place[own]) / mixture.scale[own]
        near = np.full_like(place, np.nan)
        near[own] = others[np.argmin(np.sum(apart**2, axis=1))]
        return near

    def _data(self, values: FloatArray, whose: IntArray) -> Data:
        """Values as rows of the fit, with the labels of those rows of its data."""
        fit = self.posterior.fit
        rows = fit.mixture.rows(values)
        return fit.labels.take(whose).seen_in(rows) if isinstance(fit, LabelledFit) else rows

    def _moved(self, here: _State, there: _State, halvings: int) -> tuple[float, float]:
        """The log ratio of the evidences with the row at two places, by several bridges."""
        value, error = self._between(here, there)
        if error <= _ERROR or halvings == 0:
            return value, error
        assert here.place is not None and there.place is not None
        middle = self._sampled(0.5 * (here.place + there.place))
        return _in_turn(
            self._moved(here, middle, halvings - 1), self._moved(middle, there, halvings - 1)
        )

    def _between(self, here: _State, there: _State) -> tuple[float, float]:
        """The log ratio of two evidences by one bridge, and its standard error."""
        from arviz_stats.base import array_stats

        at_here, at_there = (self._log_ratio(here, there, state.draws) for state in (here, there))
        ess = [float(array_stats.ess(ratio, method="mean")) for ratio in (at_here, at_there)]
        found = bridge(at_here, at_there.ravel(), ess[0])
        # The bridge takes the draws there for independent ones.
        return found.log_value, found.error * max(1.0, np.sqrt(at_there.size / ess[1]))

    def _log_ratio(self, here: _State, there: _State, draws: Draws) -> FloatArray:
        """Log ratio (chains, draws) of the row's densities at two places, under draws."""
        places = np.array([s.place for s in (here, there) if s.place is not None])
        rows = self._data(places, np.full(len(places), self.row))
        values = np.concatenate([block for _, block in log_densities(rows, draws)], axis=1)
        ratio = values[:, 0] - values[:, 1] if len(places) > 1 else values[:, 0]
        return np.asarray(ratio.reshape(self.settings.chains, -1))

    def _sampled(self, place: FloatArray | None) -> _State:
        """The posterior with the row there, or without it, from random draws of the whole one."""
        fit, prior = self.posterior.fit, self.prior
        values = np.delete(self.values, self.row, axis=0)
        whose = np.delete(np.arange(len(self.values)), self.row)
        if place is not None:
            values, whose = np.vstack([values, place]), np.append(whose, self.row)
        problem = PosteriorProblem.of_rows(self._data(values, whose), fit, prior)
        density = LogPosterior(problem.data, problem.parametrisation, prior, noise=problem.noise)
        whole = self.posterior.draws
        picked = self.rng.integers(len(whole), size=self.settings.chains)
        starts = list(whole.at(picked).parameters(problem.data.center))
        settings = replace(self.settings, random_seed=int(self.rng.integers(2**31)))
        runs = chains_of(
            lambda c: _Chain(_state_at(density, problem, starts[c]), settings.thin), settings, ""
        )
        kept = [mixture for run in runs.draws for mixture in run]
        weights, means, covariances, noise = (np.stack(p) for p in zip(*kept, strict=True))
        found = Draws(weights, means, covariances)
        if problem.noise is not None:
            found = NoisyDraws(weights, means, covariances, noise[:, 0], problem.noise)
        return _State(place, found)


def _in_turn(first: tuple[float, float], then: tuple[float, float]) -> tuple[float, float]:
    """The sum of two log ratios, and its standard error."""
    return first[0] + then[0], math.hypot(first[1], then[1])


def _state_at(density: LogPosterior, problem: PosteriorProblem, start: Parameters) -> GibbsState:
    """Gibbs sampling's state at a draw; random hyperparameters at their means."""
    values = problem.initial_values(start, problem.parametrisation)
    return GibbsState.at(density, density.space.free(values))


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """A chain of mixtures, `thin` sweeps apart."""

    state: GibbsState
    thin: int

    def step(self, rng: np.random.Generator) -> None:
        """Go on to the next draw."""
        self.state.sweep(rng, self.thin)

    def value(self) -> tuple[FloatArray, ...]:
        """Proportions, means in the data's units, covariances as `Draws` has them, and noise.

        The last has the share of noise first, and is empty without.
        """
        weights, means, covariances = self.state.mixture
        if self.state.density.parametrisation.diagonal:
            covariances = covariances[:, 0]
        means = means + self.state.density.data.center
        return weights.copy(), means, covariances.copy(), self.state.hyper.noise.copy()
