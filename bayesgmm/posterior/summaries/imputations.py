"""Missing values under the draws of a posterior: their means, and proper multiple imputations."""

from __future__ import annotations

import numpy as np

from ...data.data import Data
from ...mixture.draws import Draws, NoisyDraws
from ...mixture.imputation import conditional_means, drawn, with_own_values
from ...mixture.noisy_mixture import completed, filled
from ...utils.types import FloatArray
from ...utils.validation import check_integer
from .predictive import refuse_too_many


def imputed_means(data: Data, draws: Draws) -> FloatArray:
    """The rows (n, d) with the posterior means of what they miss."""
    total = np.zeros((data.n, data.d))
    for s in range(len(draws)):
        one = draws.at(np.array([s]))
        [parameters] = one.parameters(data.center)
        if isinstance(one, NoisyDraws):
            found = filled(data, parameters, one.noise, one.noise_share[0]) - data.center
        else:
            found = conditional_means(data, parameters)
        total += found
    return with_own_values(data, total / len(draws))


def completed_by(data: Data, draw: Draws, rng: np.random.Generator) -> FloatArray:
    """The rows (n, d) with what they miss drawn by one draw: of noise over the columns' ranges."""
    [parameters] = draw.parameters(data.center)
    if isinstance(draw, NoisyDraws):
        return completed(data, parameters, draw.noise, draw.noise_share[0], rng)
    return with_own_values(data, drawn(data, parameters, rng))


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
