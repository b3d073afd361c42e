"""Hyperparameters of the default priors, computed from the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.data import Data
from ..families.hyperparameters import Gamma
from ..families.lkj import LKJ
from ..utils.types import FloatArray
from ..utils.validation import check_integer
from .imputation import gaussian

# Prior mean of the covariances in squared ranges: for one column that of Richardson & Green (1997,
# section 2.4), the mean of beta over alpha - 1.
_COVARIANCE_IN_SQUARED_RANGES = 0.02
# Scale of the half-t standard deviations.
_WIDTH_IN_RANGES = 0.2
# kappa0 of Fraley & Raftery's prior of the means, the rows that it is worth.
_MEAN_STRENGTH = 0.01


def weakly_informative_hyperparameters(data: Data, random_scale: bool) -> dict[str, Any]:
    """Means about the midranges, independent of the covariances (Richardson & Green 1997)."""
    ranges = data.high - data.low
    fixed = {"dof": data.d + 4.0, "scale": 3.0 * _expected_variances(data)}
    return {
        "mean": data.low + 0.5 * ranges,
        "mean_covariance": ranges**2,
        **(_random_scale(data) if random_scale else fixed),
    }


def conjugate_hyperparameters(
    data: Data, random_scale: bool, n_components: int | None
) -> dict[str, Any]:
    """Means about the columns' means, with covariance Sigma_k / kappa0 (Fraley & Raftery 2007)."""
    if random_scale:
        covariances = _random_scale(data)
    else:
        covariances = {"dof": data.d + 2.0, "scale": _split_covariance(data, n_components)}
    return {
        "mean": data.center,  # the mean, of weighted rows too
        "mean_covariance": None,
        "mean_strength": _MEAN_STRENGTH,
        **covariances,
    }


def half_t_hyperparameters(nu: float, widths: FloatArray) -> dict[str, Any]:
    """Degrees of freedom and random scale of Huang & Wand (2013), integrated out in EM."""
    scale = Gamma(0.5, 0.5 / (nu * widths**2))
    return {"dof": nu + len(widths) - 1.0, "scale": scale, "integrate_scale": True}


def lkj_of(data: Data, *, widths: Any, shape: Any, scale: Any, **given: Any) -> LKJ:
    """An LKJ prior with widths, or scales, of the columns where they are left out."""
    if shape is not None and scale is None:
        if not shape > 1:
            raise ValueError(f"shape is {shape}: at most 1 it has no mean; pass scale as well.")
        scale = (shape - 1.0) * _expected_variances(data)
    if shape is None and widths is None:
        widths = _WIDTH_IN_RANGES * (data.high - data.low)
    each = [v if v is None else np.broadcast_to(v, data.d) for v in (widths, scale)]
    return LKJ(widths=each[0], shape=shape, scale=each[1], **given)


def _expected_variances(data: Data) -> FloatArray:
    return _COVARIANCE_IN_SQUARED_RANGES * (data.high - data.low) ** 2


def _random_scale(data: Data) -> dict[str, Any]:
    """Degrees of freedom and a random scale, under which the variances have the same mean."""
    dof, shape = 2.0 * (data.d + 1), 0.1 * (data.d + 1)
    rate = shape / ((dof - data.d - 1.0) * _expected_variances(data))
    return {"dof": dof, "scale": Gamma(shape, rate)}


def _split_covariance(data: Data, n_components: int | None) -> FloatArray:
    """The columns' covariance, as K components of equal volume would share it."""
    if n_components is None:
        raise ValueError("the conjugate prior's scale depends on K: pass n_components.")
    n_components = check_integer("n_components", n_components, 1)
    if data.incomplete:
        return gaussian(data).covariances[0] / n_components ** (2.0 / data.d)
    delta = np.asarray(data.values) - data.center
    counted = delta if data.weights is None else data.weights[:, None] * delta
    covariance = counted.T @ delta / (data.total - 1)
    return covariance / n_components ** (2.0 / data.d)
