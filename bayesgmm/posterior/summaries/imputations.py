"""Missing values under the draws of a posterior: their means, and proper multiple imputations."""

from __future__ import annotations

import numpy as np

from ...data.data import Data
from ...mixture.draws import Draws
from ...mixture.imputation import conditional_means, drawn, with_own_values
from ...utils.types import FloatArray
from ...utils.validation import check_integer
from .predictive import refuse_too_many


def imputed_means(data: Data, draws: Draws) -> FloatArray:
    """The rows (n, d) with the posterior means of what they miss."""
    total = np.zeros((data.n, data.d))
    for parameters in draws.parameters(data.center):
        total += conditional_means(data, parameters)
    return with_own_values(data, total / len(draws))


def imputations(data: Data, draws: Draws, number: int, rng: np.random.Generator) -> FloatArray:
    """So many sets of the rows (number, n, d), what is missing drawn by a draw of its own each."""
    if check_integer("draws", number, 1) > len(draws):
        raise ValueError(
            f"draws is {number}, and the posterior has {len(draws)}: ask for at most one "
            "imputation of each, or refine with more draws."
        )
    refuse_too_many(number, data.n, data.d)
    some = draws.thinned(number).parameters(data.center)
    return np.array([with_own_values(data, drawn(data, parameters, rng)) for parameters in some])
