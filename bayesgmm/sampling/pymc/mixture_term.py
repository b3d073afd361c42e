"""The mixture in a PyMC model: which term it is, and its parameters as graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.mixture import MixtureRV
from pytensor.graph import ancestors

from ...data.data import Data
from ...em.labelled_fit import LabelledFit
from ...em.noisy_fit import NoisyFit
from ...em.result import Fit
from ...utils.errors import DataError
from .likelihood import GaussianMixtureRV
from .likelihood.admissible import known_components


@dataclass(frozen=True, eq=False)
class MixtureTerm:
    """The mixture that some rows of a model are drawn from.

    Attributes
    ----------
    observed : variable
        The rows' random variable.
    weights, means, covariances : variables
        (K,) or (n, K) where the proportions depend on the row; (K, d) or (n, K, d); (K, d, d) or
        (1, d, d) where all components share one. Graphs of the model's variables.
    nested : bool
        Whether the rows are drawn from another distribution, of which the mixture is a part.
    noise_share : variable, optional
        Where the other part is the fit's noise, its share; then the rows are not `nested`.
    """

    observed: Any
    weights: Any
    means: Any
    covariances: Any
    nested: bool
    noise_share: Any = None

    @property
    def parameters(self) -> list[Any]:
        """The three in this order."""
        return [self.weights, self.means, self.covariances]

    @property
    def plain(self) -> bool:
        """Whether the rows' density is that of one mixture."""
        return not (self.nested or self.weights.type.ndim > 1 or self.means.type.ndim > 2)


def _parameters(variable: Any, labelled: bool = False) -> tuple[Any, Any, Any]:
    """Proportions, means and covariances of a mixture's random variable.

    Proportions are those of all rows, whatever components each can belong to, if `labelled`.
    """
    op = variable.owner.op
    weights, means, *covariance = op.dist_params(variable.owner)
    weights = known_components(weights)[0] if labelled else weights
    weights = _without_single_row(weights, 1)
    means = _without_single_row(means, 1 if op.one_column else 2)
    if op.one_column:
        means = means[..., None]
    parts = [
        _without_single_row(v, n) for v, n in zip(covariance, op.ndims_params[2:], strict=True)
    ]
    return weights, means, _COVARIANCES[op.form](means.shape[-1], *parts)


def _without_single_row(parameter: Any, ndim: int) -> Any:
    """A parameter without the axis for rows where all of them share it."""
    axes = parameter.type.ndim - ndim
    shared = axes > 0 and all(parameter.type.broadcastable[:axes])
    return parameter.squeeze(tuple(range(axes))) if shared else parameter


def _of_sigma(d: Any, sigma: Any) -> Any:
    return sigma[..., None] ** 2 * pt.eye(d)


def _of_chol(d: Any, chol: Any) -> Any:
    lower = pt.tril(chol)
    return lower @ lower.mT


def _of_bartlett(d: Any, chi2: Any, lower: Any, root: Any) -> Any:
    """The inverse of M T T' M', from T's squared diagonal and, by rows, its lower part."""
    size = root.type.shape[-1]
    triangle = pt.zeros((chi2.shape[0], size, size))
    triangle = triangle[:, np.arange(size), np.arange(size)].set(pt.sqrt(chi2))
    if size > 1:
        triangle = triangle[:, *np.tril_indices(size, -1)].set(lower)
    factor = root @ triangle
    return pt.linalg.inv(factor @ factor.mT)


_COVARIANCES: dict[str, Callable[..., Any]] = {
    "sigma": _of_sigma,
    "cov": lambda d, cov: cov,
    "chol": _of_chol,
    "tau": lambda d, tau: pt.linalg.inv(tau),
    "bartlett": _of_bartlett,
}


def covariances_in(variable: Any) -> Any:
    """Sigma (K, d, d), or (1, d, d) where all components share one, of a mixture's rows."""
    return _parameters(variable)[2]


def mixture_term(model: pm.Model, data: Data, fit: Fit) -> MixtureTerm:
    """The term of the model by which these rows are drawn from a mixture.

    Raises
    ------
    TypeError
        The model is no `pymc.Model`.
    DataError
        No mixture in it has these rows.
    ValueError
        Several have; or the mixture is of another number of components than the fit.
    """
    if not isinstance(model, pm.Model):
        raise TypeError(f"model is a {type(model).__name__}: pass a pymc.Model.")
    mixtures = {rv: found for rv in model.observed_RVs if (found := _mixtures_in(rv))}
    if not mixtures:
        raise DataError(
            "the model has no mixture: write it with bayesgmm.build_model, or with "
            "bayesgmm.pymc.GaussianMixture(..., observed=X)."
        )
    those = [rv for rv in mixtures if _same_rows(model, rv, data)]
    if len(those) != 1:
        names = ", ".join(rv.name for rv in those or mixtures)
        raise DataError(
            f"{len(those)} of the model's mixtures ({names}) have the rows X: pass the rows that "
            "one of them observes."
        )
    observed, variable = those[0], mixtures[those[0]][0]
    if isinstance(fit, LabelledFit):
        _check_labels(variable, fit)
    share = _share_of_noise(model, observed, data, fit) if isinstance(fit, NoisyFit) else None
    nested = share is None and variable is not observed
    parameters = _parameters(variable, isinstance(fit, LabelledFit))
    term = MixtureTerm(observed, *parameters, nested, share)
    _check_sizes(term, fit)
    return term


def _check_labels(variable: Any, fit: LabelledFit) -> None:
    """Refuse a mixture whose rows have not the labels of the fit."""
    admissible = known_components(variable.owner.op.dist_params(variable.owner)[0])[1]
    if admissible is None or not np.array_equal(admissible, fit.labels.table):
        raise ValueError(
            "the fit is of rows with labels, and the model's rows have others or none: write "
            "GaussianMixture(..., admissible=fit.labels.table), or make a fit without labels."
        )


def _share_of_noise(model: pm.Model, observed: Any, data: Data, fit: NoisyFit) -> Any:
    """The share of the fit's noise, with which the mixture is mixed to be what is observed."""
    if isinstance(observed.owner.op, MixtureRV):
        _, shares, *parts = observed.owner.inputs
        if len(parts) == 2 and not set(ancestors([parts[1]])) & set(model.free_RVs):
            density = pm.logp(parts[1], np.asarray(data.values, dtype=np.float64)).eval()
            if np.allclose(density, fit.noise.of_rows(data), rtol=1e-9, atol=1e-9):
                return shares[1]
    raise ValueError(
        "the fit has noise, and the model's rows are not the mixture and, second, noise of its "
        "density: write the model by build_model, or make a fit without noise."
    )


def _mixtures_in(observed: Any) -> list[Any]:
    """The mixtures that a variable is, or is made of by `pymc.Mixture`."""
    nodes = {v.owner for v in ancestors([observed]) if v.owner is not None}
    return [node.outputs[1] for node in nodes if isinstance(node.op, GaussianMixtureRV)]


def _same_rows(model: pm.Model, variable: Any, data: Data) -> bool:
    values = np.asarray(model.rvs_to_values[variable].eval(), dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    rows = np.asarray(data.values)
    return values.shape == rows.shape and np.array_equal(values, rows, equal_nan=True)


def _check_sizes(term: MixtureTerm, fit: Fit) -> None:
    k = term.weights.shape[-1].eval()
    if k != fit.n_components:
        raise ValueError(
            f"the model's mixture has {k} components, the fit {fit.n_components}: fit as many, "
            f"bayesgmm.fit(X, {k}, ...)."
        )
