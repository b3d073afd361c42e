"""Summaries of the draws of a quantity: mean, standard deviation, equal-tailed interval."""

from __future__ import annotations

import numpy as np

from ...utils.types import FloatArray
from ...utils.validation import check_probability


def tail_probabilities(ci_prob: float) -> tuple[float, float]:
    """The two probabilities whose quantiles are the ends of the interval."""
    ci_prob = check_probability("ci_prob", ci_prob)
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


def summarise(values: FloatArray, ci_prob: float) -> dict[str, FloatArray]:
    """Mean, sd, lower and upper over the first axis of values (S, ...)."""
    lower, upper = np.quantile(values, tail_probabilities(ci_prob), axis=0)
    return {
        "mean": values.mean(axis=0),
        "sd": values.std(axis=0),
        "lower": lower,
        "upper": upper,
    }
