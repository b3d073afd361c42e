"""The telescoping sampler: Gibbs sampling of a mixture whose number of components is unknown.

Between two sweeps the number of components changes (`telescoping_step.py`). The arrays of a chain
have room for all components there can be; a sweep is handed those that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...density.log_posterior import LogPosterior
from ...families.family import Family
from ...families.hyperparameters import Gamma
from ...families.log_constants import scale_power
from ...families.matrices import VARIABLE
from ...kernels.e_step.arrays import MixtureArrays
from ...mixture.mixture_of_mixtures import MixtureOfMixtures
from ...utils.types import FloatArray
from ..problem import PosteriorProblem
from ..run.chains import chains_of
from ..run.settings import Settings
from .gibbs import GibbsState
from .gibbs_axes import AxesState
from .gibbs_sweeps import CovarianceParts
from .lkj_draws import check_lkj_draws, check_widths
from .own_parts import NOTHING_OWN, own_prior
from .shared_constants import log_constants
from .telescoping_step import (
    ALPHA_RATE,
    ALPHA_SHAPE,
    COMPONENTS,
    DYNAMIC,
    FILLED,
    LOG_PSI,
    Present,
    PriorOfComponents,
    telescoping_step,
)

_TITLE = "Telescoping sampler"


@dataclass(frozen=True, slots=True, eq=False)
class ComponentsDraw:
    """A draw: K components, of which the first `filled` hold rows, about the data's centre.

    counts (filled,) are these rows; alpha is the concentration, or K times that of a dynamic
    mixture; psi (d,) Psi's diagonal; probabilities (M,) the mean of p(K | allocation) over the
    sweeps since the last draw.
    """

    filled: int
    counts: FloatArray
    alpha: float
    psi: FloatArray
    mixture: MixtureArrays
    probabilities: FloatArray


def telescoping(
    problems: Sequence[PosteriorProblem], model: MixtureOfMixtures, settings: Settings
) -> list[list[ComponentsDraw]]:
    """The draws of every chain, started in turn at the problems' modes.

    Raises
    ------
    KeyboardInterrupt
        Stopped before a chain had enough draws to judge it by.
    ValueError
        A component became too narrow for double precision.
    """
    lkj, family = model.prior.lkj, problems[0].family
    if lkj is not None:
        check_lkj_draws(model.prior, family, problems[0].data.scale)
    of_k, a = prior_of_components(model, family), model.concentration
    alpha = float(a.mean) if isinstance(a, Gamma) else a
    starts = [_state_at_mode(problem) for problem in problems[: settings.chains]]

    def start(number: int) -> _Chain:
        return _Chain.at(starts[number % len(starts)](), of_k, alpha, settings.thin)

    runs = chains_of(start, settings, _TITLE).draws
    if lkj is not None:
        held = [
            (draw.counts, draw.mixture.covariances[: draw.filled]) for run in runs for draw in run
        ]
        check_widths(held, problems[0].data.scale)
    return runs


def prior_of_components(model: MixtureOfMixtures, family: Family) -> PriorOfComponents:
    """The priors of K and the concentration as compiled code reads them."""
    most = model.on_k.max_components
    numbers = np.zeros(4)
    numbers[DYNAMIC] = model.dynamic
    if isinstance(model.concentration, Gamma):
        numbers[ALPHA_SHAPE] = model.concentration.shape
        numbers[ALPHA_RATE] = float(model.concentration.rate)
    log_shared, powers = np.zeros(most), np.zeros(most)
    own = NOTHING_OWN
    if not family.conjugate:
        prior = model.prior.inverse_wishart
        psi = prior.expected_scale
        own = own_prior(family, prior.dof, psi)
        numbers[LOG_PSI] = np.log(np.diagonal(psi)).sum()
        log_shared = log_constants(prior, family, np.flatnonzero(model.on_k.probabilities) + 1)
        powers[:] = [scale_power(prior.dof, family, k, prior.d) for k in range(1, most + 1)]
    with np.errstate(divide="ignore"):
        log_prior = np.log(model.on_k.probabilities)
    return PriorOfComponents(log_prior, numbers, log_shared, powers, own)


def _state_at_mode(problem: PosteriorProblem) -> Callable[[], GibbsState]:
    """A function that makes the state at a problem's mode; its concentration is not random."""
    known = replace(problem.prior, concentration=1.0)
    parametrisation = problem.parametrisation
    density = LogPosterior(problem.data, parametrisation, known, likelihood=False)
    values = problem.initial_values(problem.mode, parametrisation)
    point = density.space.free(values)
    return lambda: GibbsState.at(density, point)


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """A chain whose draws are `thin` sweeps apart."""

    state: GibbsState
    of_k: PriorOfComponents
    thin: int
    present: Present
    probabilities: FloatArray

    @classmethod
    def at(cls, state: GibbsState, of_k: PriorOfComponents, alpha: float, thin: int) -> _Chain:
        """A chain that begins with the components of a state."""
        most, n_components = len(of_k.log_prior), len(state.mixture.weights)
        parts = zip(state.parts.state, of_k.own.letters, strict=True)
        own = [_with_room(2 * most, a) if letter == VARIABLE else a for a, letter in parts]
        mixture = MixtureArrays(*(_with_room(most, a) for a in state.mixture))
        sizes = np.array([n_components, n_components])
        present = Present(np.zeros(most), sizes, np.array([alpha]), AxesState(*own), mixture)
        return cls(state, of_k, thin, present, np.zeros(most))

    def step(self, rng: np.random.Generator) -> None:
        """Go on to the next draw."""
        state, sizes = self.state, self.present.sizes
        self.probabilities[:] = 0.0
        for _ in range(self.thin):
            counts, parts = self.present.counts[: sizes[COMPONENTS]], self._parts()
            replace(state, mixture=self._mixture(), parts=parts).sweep(rng, 1, counts)
            telescoping_step(
                rng, parts, state.prior, self.of_k, state.hyper, self.present,
                self.probabilities,
            )  # fmt: skip

    def value(self) -> ComponentsDraw:
        """A copy of the state."""
        filled = int(self.present.sizes[FILLED])
        return ComponentsDraw(
            filled=filled,
            counts=self.present.counts[:filled].copy(),
            alpha=float(self.present.alpha[0]),
            psi=np.diagonal(self.state.hyper.psi).copy(),
            mixture=MixtureArrays(*(a.copy() for a in self._mixture())),
            probabilities=self.probabilities / self.thin,
        )

    def _mixture(self) -> MixtureArrays:
        """The components that are there."""
        k = self.present.sizes[COMPONENTS]
        return MixtureArrays(*(a[:k] for a in self.present.mixture))

    def _parts(self) -> CovarianceParts:
        """Their volumes, shapes and axes."""
        k, own = self.present.sizes[COMPONENTS], self.present.own
        of_each = zip(own, self.of_k.own.letters, strict=True)
        parts = [a[:k] if letter == VARIABLE else a for a, letter in of_each]
        of_state = self.state.parts
        return CovarianceParts(
            of_state.factoring, of_state.drawing, AxesState(*parts), of_state.lkj
        )


def _with_room(most: int, values: FloatArray) -> FloatArray:
    """An array (M, ...) that begins with the values."""
    room = np.zeros((most, *values.shape[1:]))
    room[: len(values)] = values
    return room
