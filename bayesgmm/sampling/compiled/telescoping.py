"""The telescoping sampler: Gibbs sampling of a mixture whose number of components is unknown.

Between two sweeps the number of components changes (`telescoping_step.py`). The arrays of a chain
have room for all components there can be; a sweep is handed those that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...density.log_posterior import LogPosterior
from ...families.hyperparameters import Gamma
from ...kernels.cholesky import inverse_factors
from ...kernels.e_step.arrays import MixtureArrays
from ...mixture.mixture_of_mixtures import MixtureOfMixtures
from ...utils.types import FloatArray, IntArray
from ..problem import PosteriorProblem
from ..run.chains import chains_of
from ..run.settings import Settings
from .gibbs import GibbsState
from .telescoping_step import (
    ALPHA_RATE,
    ALPHA_SHAPE,
    COMPONENTS,
    DYNAMIC,
    FILLED,
    PriorOfComponents,
    telescoping_step,
)

_TITLE = "Telescoping sampler"


@dataclass(frozen=True, slots=True, eq=False)
class ComponentsDraw:
    """A draw: K components, of which the first `filled` hold rows, about the data's centre.

    alpha is the concentration, or K times that of a dynamic mixture; psi (d,) Psi's diagonal;
    probabilities (M,) the mean of p(K | allocation) over the sweeps since the last draw.
    """

    filled: int
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
    of_k, a = _prior_of_components(model), model.concentration
    alpha = float(a.mean) if isinstance(a, Gamma) else a
    starts = [_state_at_mode(problem) for problem in problems[: settings.chains]]

    def start(number: int) -> _Chain:
        return _Chain.at(starts[number % len(starts)](), of_k, alpha, settings.thin)

    return chains_of(start, settings, _TITLE).draws


def _prior_of_components(model: MixtureOfMixtures) -> PriorOfComponents:
    """The priors of K and the concentration as compiled code reads them."""
    numbers = np.zeros(3)
    numbers[DYNAMIC] = model.dynamic
    if isinstance(model.concentration, Gamma):
        numbers[ALPHA_SHAPE] = model.concentration.shape
        numbers[ALPHA_RATE] = float(model.concentration.rate)
    with np.errstate(divide="ignore"):
        return PriorOfComponents(np.log(model.on_k.probabilities), numbers)


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
    """A chain whose draws are `thin` sweeps apart; mixture and counts have room for M components.

    sizes has the number of components and of filled ones, alpha (1,) the concentration.
    """

    state: GibbsState
    of_k: PriorOfComponents
    thin: int
    mixture: MixtureArrays
    counts: FloatArray
    sizes: IntArray
    alpha: FloatArray
    probabilities: FloatArray

    @classmethod
    def at(cls, state: GibbsState, of_k: PriorOfComponents, alpha: float, thin: int) -> _Chain:
        """A chain that begins with the components of a state."""
        most, n_components = len(of_k.log_prior), len(state.mixture.weights)
        room = [np.zeros((most, *a.shape[1:])) for a in state.mixture]
        for whole, part in zip(room, state.mixture, strict=True):
            whole[:n_components] = part
        sizes = np.array([n_components, n_components])
        return cls(
            state, of_k, thin, MixtureArrays(*room), np.zeros(most), sizes, np.array([alpha]),
            np.zeros(most),
        )  # fmt: skip

    def step(self, rng: np.random.Generator) -> None:
        """Go on to the next draw."""
        state = self.state
        self.probabilities[:] = 0.0
        for _ in range(self.thin):
            counts = self.counts[: self.sizes[COMPONENTS]]
            replace(state, mixture=self._present()).sweep(rng, 1, counts)
            telescoping_step(
                rng, inverse_factors.address, state.prior, self.of_k, self.counts, self.sizes,
                self.alpha, state.hyper, self.mixture, self.probabilities,
            )  # fmt: skip

    def value(self) -> ComponentsDraw:
        """A copy of the state."""
        return ComponentsDraw(
            filled=int(self.sizes[FILLED]),
            alpha=float(self.alpha[0]),
            psi=np.diagonal(self.state.hyper.psi).copy(),
            mixture=MixtureArrays(*(a.copy() for a in self._present())),
            probabilities=self.probabilities / self.thin,
        )

    def _present(self) -> MixtureArrays:
        """The components that are there."""
        k = self.sizes[COMPONENTS]
        weights, means, covariances = self.mixture
        return MixtureArrays(weights[:k], means[:k], covariances[:k])
