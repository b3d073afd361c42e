"""Covariances as PyMC variables: those that are independent, and the LKJ prior made of such."""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from ...families.parametrisation.base import Parametrisation
from ...families.parametrisation.deviations import Deviations
from .correlations import CorrelationFactor
from .likelihood.axes import Covariances


def variables_of(parametrisation: Parametrisation, prior: Any, scale: Any = None) -> list[Any]:
    """The parametrisation's variables in the open model, independent of each other."""
    return [
        getattr(pm, distribution.name)(v.name, **distribution.parameters, dims=v.dims)
        for v, distribution in zip(
            parametrisation.variables, parametrisation.priors(prior, scale), strict=True
        )
    ]


def covariances_by_deviations(parametrisation: Deviations) -> Covariances:
    """The variables of an LKJ prior in the open model, as the likelihood takes them."""
    first, *rest = variables_of(parametrisation, parametrisation.lkj)
    variance = first if parametrisation.lkj.shape is not None else first**2
    if not rest:
        return Covariances((variance,), ("variance", parametrisation.by_component, True))
    logit = pt.log(rest[0]) - pt.log1p(-rest[0])  # twice tanh^-1 of the partial correlation
    factor, _ = CorrelationFactor(parametrisation.d)(0.5 * logit)
    return Covariances((pt.sqrt(variance)[..., None] * factor,), ("chol", True, True))
