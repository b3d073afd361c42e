"""Summaries of the draws of a quantity: mean, standard deviation, equal-tailed interval."""

from __future__ import annotations

import numpy as np

from ...utils.types import FloatArray
from ...utils.validation import tail_probabilities


def summarise(values: FloatArray, ci_prob: float) -> dict[str, FloatArray]:
    """Mean, sd, lower and upper over the first axis of values (S, ...)."""
    lower, upper = np.quantile(values, tail_probabilities(ci_prob), axis=0)
    return {
        "mean": values.mean(axis=0),
        "sd": values.std(axis=0),
        "lower": lower,
        "upper": upper,
    }
