"""The posterior of a user's PyMC model as a problem for our engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
from scipy.special import logsumexp

from ...data.data import Data
from ...data.missing import refuse_missing
from ...data.same_data import refuse_other_data
from ...density.mode import Mode, mode_near, normal_at
from ...em.labelled_fit import LabelledFit
from ...em.result import Fit
from ...posterior.of_model import NOISE_SHARE
from ...utils.types import FloatArray
from ..problem import PosteriorProblem
from .coordinates import Coordinates, without_c
from .density import ModelDensity
from .mixture_term import MixtureTerm, mixture_term
from .prunable_rows import PrunableRows
from .start_at_fit import vector_at_fit

# The cure in the message about rows that are not the fit's.
_FOR_OTHERS = "make a fit of the rows that the model observes, and pass both."
# Draws of what may differ by row that are in memory at a time.
_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class ModelProblem:
    """A posterior to sample: a PyMC model in which the rows of a fit are drawn from a mixture.

    Attributes
    ----------
    data : Data
        The rows.
    fit : Fit
        Where the chains start.
    coordinates : Coordinates
        The model's free variables.
    term : MixtureTerm
        The mixture in it.
    known : frozenset of str
        Variables that are `build_model`'s, by name and shape.
    """

    data: Data
    fit: Fit
    coordinates: Coordinates
    term: MixtureTerm
    known: frozenset[str]

    @classmethod
    def of(cls, x: Any, fit: Fit, model: pm.Model) -> ModelProblem:
        """The posterior of a model that draws a fit's rows x from a mixture.

        Raises
        ------
        DataError
            Rows that do not belong to the fit, or that no mixture of the model observes; that miss
            values where parameters differ by row, or the mixture is a part of another distribution.
        TypeError, ValueError
            No model; one with discrete variables, or with another number of components.
        """
        data = fit.mixture.rows(x)
        refuse_other_data(fit.fingerprint, data.fingerprint, _FOR_OTHERS)
        if isinstance(fit, LabelledFit):
            data = fit.labels.seen_in(data)
        with without_c():
            term, known = mixture_term(model, data, fit), _known(model, data, fit)
        if not term.plain:
            refuse_missing(data, "a mixture whose parameters differ by row, or that is a part,")
        problem = cls(data, fit, Coordinates(model, known), term, frozenset(known))
        _check_family(problem)
        return problem

    @cached_property
    def start(self) -> FloatArray:
        """The coordinates (P,) that the fit stands for."""
        return vector_at_fit(self.coordinates, self.term, self.data, self.fit)

    @property
    def numbers_each(self) -> int:
        """How many numbers a draw has."""
        of_rows = 0 if self.term.plain else self.data.n * (1 + self.fit.n_components)
        return self.coordinates.size + of_rows

    @cached_property
    def values_at_start(self) -> dict[str, FloatArray]:
        """The free variables at the start, each on its own scale."""
        values = self.variables(self.start[None])
        return {rv.name: values[rv.name][0] for rv in self.coordinates.model.free_RVs}

    def variables(self, vectors: FloatArray) -> dict[str, FloatArray]:
        """The model's variables (S, *shape) at vectors (S, P): free ones, then those of them."""
        model = self.coordinates.model
        variables = [*model.free_RVs, *model.deterministics]
        values = self.coordinates.function(variables)(vectors)
        return {v.name: value for v, value in zip(variables, values, strict=True)}

    def mixture_at(self, vectors: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Pi (S, K), mu (S, K, d) and Sigma (S, K, d, d); what depends on the row, on average."""
        each = (self.fit.n_components, self.data.d, self.data.d)
        weights, means, covariances = [], [], []
        for start in range(0, len(vectors), _AT_ONCE):  # those of all rows take much memory
            w, mu, sigma = self._parameters(vectors[start : start + _AT_ONCE])
            weights.append(w.mean(axis=1) if w.ndim > 2 else w)
            means.append(mu.mean(axis=1) if mu.ndim > 3 else mu)
            covariances.append(np.broadcast_to(sigma, (len(sigma), *each)))
        return np.concatenate(weights), np.concatenate(means), np.concatenate(covariances)

    def noise_share_at(self, vectors: FloatArray) -> dict[str, FloatArray]:
        """The share of noise (S,) by its name; empty where there is no noise."""
        if self.term.noise_share is None:
            return {}
        [share] = self.coordinates.function([self.term.noise_share])(vectors)
        return {NOISE_SHARE: share}

    def row_densities(self, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log densities (S, n) of the rows, and (S, n, K) of every row and its component."""
        parts = [
            _log_joint(self.data, *self._parameters(vectors[s : s + 1]))
            for s in range(len(vectors))
        ]
        joint = np.concatenate(parts)
        if not self.term.nested:
            return logsumexp(joint, axis=2), joint
        [density] = self.coordinates.model.logp(vars=[self.term.observed], sum=False)
        return self.coordinates.each(density)(vectors), joint

    def density(self) -> ModelDensity:
        """The compiled log density, in units that its coordinates have at the start."""
        model, mixture_at = self.coordinates.model, self.mixture_at
        rows = PrunableRows.of(model, self.term, self.data, mixture_at)
        return ModelDensity(self.coordinates, rows).measured_at(self.start)

    @cached_property
    def _parameters(self) -> Callable[[FloatArray], list[FloatArray]]:
        return self.coordinates.function(self.term.parameters)

    def mode(self, density: ModelDensity) -> Mode:
        """The mode next to the start, or the start with the curvature there.

        A hierarchical model's density may rise without bound where a variance vanishes: chains
        then start where the fit is, and NUTS's own adaptation does what whitening leaves.
        """
        found = mode_near(density, self.start)
        assert found is not None  # no limit is set
        return found if found.regular else normal_at(density, self.start)


def _known(model: pm.Model, data: Data, fit: Fit) -> dict[str, FloatArray]:
    """Values at the fit of the variables that are named, and shaped, as `build_model`'s."""
    problem = PosteriorProblem.of_rows(data, fit)
    values = problem.initial_values(problem.fitted, problem.parametrisation)
    shapes = model.eval_rv_shapes()
    return {
        rv.name: values[rv.name]
        for rv in model.free_RVs
        if rv.name in values and values[rv.name].shape == shapes[rv.name]
    }


def _check_family(problem: ModelProblem) -> None:
    """Refuse a fit whose family shares, or leaves out, what the model does not."""
    rng = np.random.default_rng(0)
    start = problem.coordinates.start
    sigma = problem.mixture_at(start + rng.standard_normal((1, len(start))))[2][0]
    family, off = problem.fit.family, ~np.eye(problem.data.d, dtype=bool)
    if (family.diagonal and np.any(sigma[:, off] != 0)) or (
        family.common and not np.allclose(sigma, sigma[0], equal_nan=True)
    ):
        raise ValueError(
            f"the fit is of family {family.name}, whose covariances are of fewer kinds than the "
            f"model's: start from bayesgmm.fit(X, {problem.fit.n_components}, "
            f"{'VVV' if problem.data.d > 1 else 'V'!r})."
        )


def _log_joint(
    data: Data, weights: FloatArray, means: FloatArray, covariances: FloatArray
) -> FloatArray:
    """Log densities (1, n, K) of rows and their components under one draw."""
    gaps = np.asarray(data.values, dtype=np.float64)[None, :, None, :] - (
        means if means.ndim > 3 else means[:, None]
    )
    lower = np.linalg.cholesky(covariances)
    inverse = np.linalg.inv(lower)
    z = np.einsum("skij,snkj->snki", np.broadcast_to(inverse, (1, *means.shape[-2:], data.d)), gaps)
    log_dets = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)[:, None]
    logs = -0.5 * (z**2).sum(axis=-1) - log_dets - 0.5 * data.d * np.log(2 * np.pi)
    with np.errstate(divide="ignore"):
        return np.asarray(logs + np.log(weights if weights.ndim > 2 else weights[:, None]))
