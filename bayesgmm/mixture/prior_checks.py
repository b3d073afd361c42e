"""What a `Prior` is made of, checked once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..families.hyperparameters import Gamma, concentration_or_gamma, positive_definite
from ..families.inverse_wishart import InverseWishart
from ..families.lkj import LKJ
from ..utils.types import FloatArray
from ..utils.validation import one_per_column, positive, real_array


def checked_hyperparameters(**given: Any) -> dict[str, Any]:
    """The fields of a `Prior` as it keeps them.

    Raises
    ------
    ValueError
        A shape that does not fit, a number out of its range, hyperparameters that exclude each
        other.
    """
    mean = np.atleast_1d(real_array(given["mean"], "prior mean"))
    if mean.ndim != 1 or not np.all(np.isfinite(mean)):
        raise ValueError(f"prior mean is {given['mean']!r}: pass one finite number per column.")
    mean.flags.writeable = False
    spread, strength, names = (
        given[name] for name in ("mean_covariance", "mean_strength", "names")
    )
    if (spread is None) == (strength is None):
        raise ValueError(
            f"prior mean_covariance is {spread!r} and mean_strength {strength!r}: give one of the "
            "two, the other is None."
        )
    d = len(mean)
    values = given | {
        "mean": mean,
        "concentration": concentration_or_gamma(given["concentration"]),
        "noise_share": _of_share(given["noise_share"]),
        **_of_covariances(mean, given),
    }
    if spread is not None:
        values["mean_covariance"] = positive_definite(spread, d, "prior mean_covariance")
    if strength is not None:
        values["mean_strength"] = positive(strength, "prior mean_strength")
    if given["integrate_scale"] and not isinstance(values["scale"], Gamma):
        raise ValueError(
            f"prior scale is {given['scale']!r} and integrate_scale True: only a Gamma is random."
        )
    if names is not None:
        values["names"] = one_per_column(names, d, "prior names")
    return values


def _of_share(given: Any) -> tuple[float, float]:
    """The two numbers of the share's beta prior."""
    numbers = real_array(given, "prior noise_share")
    if numbers.shape != (2,):
        raise ValueError(
            f"prior noise_share is {given!r}: pass the two numbers of a beta prior, as (1, 9)."
        )
    a, b = (positive(float(value), "prior noise_share") for value in numbers)
    return a, b


def _of_covariances(mean: FloatArray, given: dict[str, Any]) -> dict[str, Any]:
    """The inverse Wishart's two hyperparameters, or the LKJ prior."""
    lkj, d = given["lkj"], len(mean)
    if lkj is None:
        wishart = InverseWishart(d, given["dof"], given["scale"])
        return {"dof": wishart.dof, "scale": wishart.scale}
    lkj = lkj if isinstance(lkj, LKJ) else LKJ(**lkj)
    if given["dof"] is not None or given["scale"] is not None:
        raise ValueError("the prior has dof or scale, and lkj: give one prior of the covariances.")
    if given["mean_strength"] is not None:
        raise ValueError(
            "the prior has mean_strength and lkj, under which means do not depend on the "
            "covariances: give mean_covariance."
        )
    if lkj.d != d:
        raise ValueError(f"LKJ has {lkj.d} widths or scales, the mean {d} columns.")
    return {"lkj": lkj}
