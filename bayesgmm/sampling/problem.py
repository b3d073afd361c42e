"""A posterior to sample: its data, family and prior, and the values at which samplers start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.data import Data
from ..data.same_data import refuse_other_data
from ..em.checks import as_fit
from ..em.problem import Problem
from ..em.run import run_em
from ..em.status import Status
from ..families import Family
from ..families.parametrisation.base import Parametrisation
from ..families.parametrisation.parametrisation import parametrisation
from ..kernels.e_step.contract import Parameters
from ..mixture.prior import Prior
from ..mixture.prior_columns import check_columns
from ..utils.matrices import as_full
from ..utils.types import FloatArray

if TYPE_CHECKING:
    from ..em.result import Fit

# Options of MAP-EM from the fit to the start, which needs few digits.
_MAX_ITER, _TOL = 200, 1e-6
# The cure in the message about rows that are not the fit's.
_FOR_OTHERS = (
    "pass the rows fitted, or make a fit of these: bayesgmm.fit(X, fit.n_components, fit.family, "
    "start=fit), with max_iter=0 if its parameters are to stay."
)
# Proportions of empty components, which have no logarithm.
_SMALLEST = 1e-6


@dataclass(frozen=True, eq=False)
class PosteriorProblem:
    """A posterior to sample: rows, family and prior; K and the labels are those of a fit.

    Attributes
    ----------
    data : Data
        The rows.
    family : Family
        The covariance family.
    prior : Prior
        The prior.
    fitted : Parameters
        The fit's parameters, in centred coordinates.
    fitted_under_prior : bool
        Whether the fit maximises this posterior already.
    """

    data: Data
    family: Family
    prior: Prior
    fitted: Parameters
    fitted_under_prior: bool

    @classmethod
    def of(cls, x: Any, fit: Fit, prior: Prior | None = None) -> PosteriorProblem:
        """The posterior of a fit's rows x under the prior, else the fit's own, else the default.

        Raises
        ------
        DataError
            Rows that do not belong to the fit.
        ValueError
            The prior is for other columns.
        """
        fit = as_fit(fit)
        data = fit.mixture.rows(x)
        refuse_other_data(fit.fingerprint, data.fingerprint, _FOR_OTHERS)
        return cls.of_rows(data, fit, prior)

    @classmethod
    def of_rows(cls, data: Data, fit: Fit, prior: Prior | None = None) -> PosteriorProblem:
        """The posterior of any rows with the fit's columns."""
        if prior is None:
            prior = fit.prior or Prior.from_data(data)
        check_columns(prior, data)
        same = fit.prior is not None and fit.prior.to_dict() == prior.to_dict()
        return cls(data, fit.family, prior, fit.mixture.parameters_about(data.center), same)

    @property
    def n_components(self) -> int:
        """Number K of components."""
        return len(self.fitted.weights)

    @cached_property
    def mode(self) -> Parameters:
        """The mode by MAP-EM from the fit; the fit's own parameters if that was its prior.

        A fit without a prior, or with another one, can lie far from the mode: a component narrower
        than the prior expects costs thousands of units of log density.
        """
        if self.fitted_under_prior:
            return self.fitted
        problem = Problem(self.data, self.family, self.prior_for_em)
        return run_em(problem, self.fitted, max_iter=_MAX_ITER, tol=_TOL).parameters

    @property
    def prior_for_em(self) -> Prior:
        """The prior of MAP-EM: concentrations below 1, whose mode is an empty component, are 1."""
        return replace(self.prior, concentration=max(self.prior.expected_concentration, 1.0))

    @cached_property
    def parametrisation(self) -> Parametrisation:
        """The family's parametrisation about the fit."""
        return self.parametrisation_at(self.fitted)

    def parametrisation_at(self, parameters: Parameters) -> Parametrisation:
        """The family's parametrisation about these parameters."""
        return parametrisation(
            self.family, self.n_components, self.data.d, as_full(parameters.covariances)
        )

    def initial_values(
        self, parameters: Parameters, parametrisation: Parametrisation
    ) -> dict[str, FloatArray]:
        """The variables at these parameters; random hyperparameters at their prior means."""
        weights = np.maximum(parameters.weights, _SMALLEST)
        return {
            "concentration": np.array(self.prior.expected_concentration),
            "scale": np.diagonal(self.prior.expected_scale).copy(),
            "pi": weights / weights.sum(),
            "mu": parameters.means + self.data.center,
            **parametrisation.values_from(
                as_full(parameters.covariances), self.prior.inverse_wishart
            ),
        }


def check_refinable(fit: Fit) -> None:
    """Refuse a fit whose posterior cannot be sampled: a degenerate one, or one of weighted rows."""
    if fit.status is Status.DEGENERATE:
        raise ValueError(f"the fit cannot be refined: {fit.advice}")
    if fit.weighted:
        raise ValueError(
            "the fit is of rows with weights, which a posterior cannot have: fit without weights "
            "(repeat rows that count several times), and refine that fit."
        )
