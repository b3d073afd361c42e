"""A prior's distributions in words: the parameter, its distribution, and a note."""

from __future__ import annotations

import numpy as np

from ..families.hyperparameters import Gamma, show
from ..utils.types import FloatArray


def proportions_in_words(a: float | Gamma) -> tuple[str, str, str]:
    """The Dirichlet distribution of the proportions."""
    each = "concentration" if isinstance(a, Gamma) else f"{a:g}"
    return "pi", f"Dirichlet({each}, ..., {each})", "uniform" if a == 1 else ""


def means_in_words(
    mean: FloatArray, covariance: FloatArray | None, strength: float | None
) -> tuple[str, str, str]:
    """The normal distribution of a mean, with the covariance or the strength given."""
    if covariance is None:
        text, note = f"Sigma_k / {strength:g}", f"conjugate, worth {strength:g} rows"
    else:
        text, note = show(covariance), "independent of Sigma_k"
    return "mu_k", f"Normal({show(mean)}, {text})", note


def random_in_words(name: str, value: Gamma) -> tuple[str, str, str]:
    """The distribution of a hyperparameter."""
    return name, str(value), f"mean {show(np.atleast_1d(value.mean))}"
