"""The posterior's mode next to a fit: where samplers start, labels kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..data.data import Data
from ..em.problem import Problem
from ..em.run import run_em
from ..families.parametrisation.base import Parametrisation
from ..families.parametrisation.parametrisation import parametrisation
from ..kernels.e_step.contract import Parameters
from ..mixture.prior import Prior, check_columns
from ..utils.types import FloatArray

if TYPE_CHECKING:
    from ..em.result import Fit

# MAP-EM from the fit to the start: a start needs few digits.
_MAX_ITER, _TOL = 200, 1e-6
# Proportions of empty components, which have no logarithm.
_SMALLEST = 1e-6


def prior_of(data: Data, fit: Fit, prior: Prior | None) -> Prior:
    """The prior asked for, else the fit's own, else the weakly informative one.

    Raises
    ------
    ValueError
        It is for another number of columns.
    """
    prior = prior or fit.prior or Prior.from_data(data)
    check_columns(prior, data)
    return prior


def map_estimate(data: Data, fit: Fit, prior: Prior) -> Parameters:
    """The mode by MAP-EM from the fit; the fit's own parameters if that was its prior.

    A fit without a prior, or with another one, can lie far down the posterior's side: a component
    narrower than the prior expects costs thousands of units of log density.
    """
    parameters = fit.mixture.parameters_about(data.center)
    if fit.prior is not None and fit.prior.to_dict() == prior.to_dict():
        return parameters
    problem = Problem(data, fit.family, prior_for_em(prior))
    return run_em(problem, parameters, max_iter=_MAX_ITER, tol=_TOL).parameters


def prior_for_em(prior: Prior) -> Prior:
    """The prior that EM maximises under: below 1 the Dirichlet's mode is an empty component."""
    return replace(prior, concentration=max(prior.expected_concentration, 1.0))


def form_near(mode: Parameters, fit: Fit) -> Parametrisation:
    """The parametrisation of the fit's family about these parameters."""
    n_components, d = mode.means.shape
    return parametrisation(fit.family, n_components, d, _full(mode))


def values_at(
    mode: Parameters, form: Parametrisation, prior: Prior, center: FloatArray
) -> dict[str, FloatArray]:
    """The model's variables at these parameters; random hyperparameters at their prior means."""
    weights = np.maximum(mode.weights, _SMALLEST)
    return {
        "concentration": np.array(prior.expected_concentration),
        "scale": np.diagonal(prior.expected_scale).copy(),
        "pi": weights / weights.sum(),
        "mu": mode.means + center,
        **form.values_from(_full(mode), prior.inverse_wishart),
    }


def _full(mode: Parameters) -> FloatArray:
    if mode.diagonal:
        return mode.covariances[:, :, None] * np.eye(mode.means.shape[1])
    return mode.covariances
