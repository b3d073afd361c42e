"""What draws say of a quantity: mean, standard deviation and an equal-tailed interval."""

from __future__ import annotations

import numpy as np

from ...utils.types import FloatArray


def tails(ci_prob: float) -> tuple[float, float]:
    """The two probabilities whose quantiles are the ends of the interval."""
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob is {ci_prob}: pass a probability between 0 and 1.")
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


def band(values: FloatArray, ci_prob: float) -> dict[str, FloatArray]:
    """Mean, sd, lower and upper over the first axis of values (S, ...)."""
    lower, upper = np.quantile(values, tails(ci_prob), axis=0)
    return {
        "mean": values.mean(axis=0),
        "sd": values.std(axis=0),
        "lower": lower,
        "upper": upper,
    }
