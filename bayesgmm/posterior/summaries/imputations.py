"""Missing values under the draws of a posterior: their means, and proper multiple imputations."""

from __future__ import annotations

import numpy as np

from ...data.data import Data
from ...kernels.e_step.e_step import evaluate
from ...mixture.draws import Draws, NoisyDraws
from ...mixture.imputation import conditional_means, drawn, with_own_values
from ...mixture.noise import mixed
from ...utils.types import FloatArray
from ...utils.validation import check_integer
from .predictive import refuse_too_many


def imputed_means(data: Data, draws: Draws) -> FloatArray:
    """The rows (n, d) with the posterior means of what they miss."""
    total = np.zeros((data.n, data.d))
    for s in range(len(draws)):
        one = draws.at(np.array([s]))
        [parameters] = one.parameters(data.center)
        found = conditional_means(data, parameters)
        if isinstance(one, NoisyDraws):
            of_noise = _is_noise(data, one)[:, None]
            found = (1 - of_noise) * found + of_noise * (0.5 * (data.low + data.high) - data.center)
        total += found
    return with_own_values(data, total / len(draws))


def completed_by(data: Data, draw: Draws, rng: np.random.Generator) -> FloatArray:
    """The rows (n, d) with what they miss drawn by one draw: of noise over the columns' ranges."""
    [parameters] = draw.parameters(data.center)
    found = drawn(data, parameters, rng)
    if isinstance(draw, NoisyDraws):
        strays = rng.random(data.n) < _is_noise(data, draw)
        uniform = rng.uniform(data.low, data.high, (int(strays.sum()), data.d))
        found[strays] = uniform - data.center
    return with_own_values(data, found)


def _is_noise(data: Data, draw: NoisyDraws) -> FloatArray:
    """The probability of each row (n,) to be noise under one draw."""
    [parameters] = draw.parameters(data.center)
    density = evaluate(data, parameters)[0]
    return mixed(density, draw.noise.of_rows(data), draw.noise_share[0])[1]


def imputations(data: Data, draws: Draws, number: int, rng: np.random.Generator) -> FloatArray:
    """So many sets of the rows (number, n, d), what is missing drawn by a draw of its own each."""
    if check_integer("draws", number, 1) > len(draws):
        raise ValueError(
            f"draws is {number}, and the posterior has {len(draws)}: ask for at most one "
            "imputation of each, or refine with more draws."
        )
    refuse_too_many(number, data.n, data.d)
    some = draws.thinned(number)
    return np.array([completed_by(data, some.at(np.array([s])), rng) for s in range(number)])
