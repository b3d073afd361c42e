"""A posterior to sample: its data, family and prior, and the values at which samplers start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.data import Data
from ..data.same_data import refuse_other_data
from ..em.checks import as_fit
from ..em.labelled_fit import LabelledFit
from ..em.noise import NoisyRows
from ..em.noisy_fit import NoisyFit
from ..em.problem import Problem
from ..em.run import run_em
from ..em.status import Status
from ..families import Family
from ..families.parametrisation.base import Parametrisation
from ..families.parametrisation.parametrisation import parametrisation
from ..kernels.e_step.contract import Parameters
from ..mixture.noise import Noise
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
    noise : Noise, optional
        Noise beside the components, whose share has the prior's `noise_share`.
    pseudo : bool
        Whether the rows' weights are those of a survey, which sum to the number of rows.
    """

    data: Data
    family: Family
    prior: Prior
    fitted: Parameters
    fitted_under_prior: bool
    noise: Noise | None = None
    pseudo: bool = False

    @classmethod
    def of(
        cls,
        x: Any,
        fit: Fit,
        prior: Prior | None = None,
        sample_weight: Any = None,
        pseudo: bool = False,
    ) -> PosteriorProblem:
        """The posterior of a fit's rows x under the prior, else the fit's own, else the default.

        The weights of a survey (`pseudo`) are divided by their mean.

        Raises
        ------
        DataError
            Rows that do not belong to the fit.
        ValueError
            The prior is for other columns.
        """
        fit = as_fit(fit, apart=True)
        data = fit.mixture.rows(x, sample_weight)
        refuse_other_data(fit.fingerprint, data.fingerprint, _FOR_OTHERS)
        if isinstance(fit, LabelledFit):
            data = fit.labels.seen_in(data)
        if pseudo and data.weights is not None:
            data = replace(data, weights=data.weights / data.weights.mean())
        return replace(cls.of_rows(data, fit, prior), pseudo=pseudo)

    @classmethod
    def of_rows(cls, data: Data, fit: Fit, prior: Prior | None = None) -> PosteriorProblem:
        """The posterior of any rows with the fit's columns."""
        if prior is None:
            prior = fit.prior or Prior.from_data(data)
        check_columns(prior, data)
        same = fit.prior is not None and fit.prior.to_dict() == prior.to_dict()
        noise = fit.noise if isinstance(fit, NoisyFit) else None
        return cls(data, fit.family, prior, fit.mixture.parameters_about(data.center), same, noise)

    @property
    def n_components(self) -> int:
        """Number K of components."""
        return len(self.fitted.weights)

    @property
    def labelled(self) -> bool:
        """Whether labels say of some rows which components they can belong to."""
        return self.data.groups is not None and self.data.groups.admissible is not None

    @property
    def fixed_labels(self) -> str:
        """Why components cannot change their names; "" where they can."""
        groups = self.data.groups
        if groups is None or not self.labelled or any(len(kind) > 1 for kind in groups.kinds):
            return ""
        return "the labels of rows tell the components apart"

    @cached_property
    def mode(self) -> Parameters:
        """The mode by MAP-EM from the fit; the fit's own parameters if that was its prior.

        A fit without a prior, or with another one, can lie far from the mode: a component narrower
        than the prior expects costs thousands of units of log density.
        """
        if self.fitted_under_prior:
            return self.fitted
        prior = self.prior.for_em
        beside = None if self.noise is None else NoisyRows(self.data, self.noise, prior)
        problem = Problem(self.data, self.family, prior, special=beside)
        return run_em(problem, self.fitted, max_iter=_MAX_ITER, tol=_TOL).parameters

    @cached_property
    def parametrisation(self) -> Parametrisation:
        """The family's parametrisation about the fit."""
        return self.parametrisation_at(self.fitted)

    def parametrisation_at(self, parameters: Parameters) -> Parametrisation:
        """The family's parametrisation about these parameters."""
        return parametrisation(
            self.family, self.n_components, self.data.d, as_full(parameters.covariances),
            lkj=self.prior.lkj,
        )  # fmt: skip

    def _share(self, parameters: Parameters) -> dict[str, FloatArray]:
        """The share of noise that is best at these parameters, if there is noise; never 0 or 1."""
        if self.noise is None:
            return {}
        share = NoisyRows(self.data, self.noise, self.prior.for_em).best_share(parameters)
        least = 1 / (self.data.n + 2)
        return {"noise_share": np.clip(share, least, 1 - least)}

    def _scale(self, parameters: Parameters) -> dict[str, FloatArray]:
        """The scale that is best at these parameters, if it is random."""
        if "scale" not in self.prior.random:
            return {}
        return {"scale": self.prior.scale_given(parameters.covariances, self.family)}

    def initial_values(
        self, parameters: Parameters, parametrisation: Parametrisation
    ) -> dict[str, FloatArray]:
        """The variables at these parameters; random hyperparameters at their prior means.

        A scale that EM integrates out is at its mean given the covariances.
        """
        weights = np.maximum(parameters.weights, _SMALLEST)
        return {
            "concentration": np.array(self.prior.expected_concentration),
            **self._scale(parameters),
            "pi": weights / weights.sum(),
            "mu": parameters.means + self.data.center,
            **self._share(parameters),
            **parametrisation.values_from(
                as_full(parameters.covariances), self.prior.of_covariances
            ),
        }


def check_refinable(fit: Fit, weights: str | None = None, *, of_model: bool = False) -> None:
    """Refuse a fit whose posterior cannot be sampled: a degenerate one, or one of weighted rows.

    weights: what the weights mean, if that is said; of_model: whether only a model can say it.
    """
    if fit.status is Status.DEGENERATE:
        raise ValueError(f"the fit cannot be refined: {fit.advice}")
    if of_model and fit.weighted:
        raise ValueError(
            "the fit is of weighted rows, and the model's have no weights: make a fit of the rows "
            "as they stand in the model."
        )
    check_weights(fit, weights)


def check_weights(fit: Fit, weights: str | None) -> None:
    """Refuse a fit of weighted rows unless it is said what the weights mean, and only then."""
    if fit.weighted and weights is None:
        raise ValueError(
            "the fit is of weighted rows, and the posterior depends on what the weights mean: pass "
            "refine(..., weights='counts') if rows stand so many times; of other weights fit "
            "without them."
        )
    if weights is not None and not fit.weighted:
        raise ValueError(f"weights is {weights!r}, and the fit has none: leave it out.")
