"""The mixture as a PyMC model, started at a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from .families.parametrisation import Bartlett, Variable, parametrisation
from .kernels.contract import FloatArray
from .likelihood import DiagonalGaussianMixture, FullGaussianMixture
from .prior import Prior
from .result import Fit


def build_model(X: Any, fit: Fit, prior: Prior | None = None) -> pm.Model:  # noqa: N803
    """The marginal mixture of a fit's family and size, as a PyMC model.

    Parameters
    ----------
    X : array-like (n, d)
        Data, with the fit's columns.
    fit : Fit
        Gives K, the family, the column names, and the coordinates the arithmetic is done in.
    prior : Prior, optional
        The fit's own prior, or `Prior.from_data(X)`, if left out.

    Returns
    -------
    pymc.Model
        Free variables pi (component), mu (component, feature) and those of the covariances:
        `bartlett_diagonal` and `bartlett_lower` for EEE and VVV, `variance` for the others
        (`families.parametrisation` says how they make Sigma). Observed `y` (obs_id, feature) from
        `pm.Data("x")`. Open for change: add a term, sample it with any sampler.

    Raises
    ------
    DataError, ValueError
        Data or prior that do not belong to the fit.
    NotImplementedError
        A family without a posterior.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, "VVI", random_seed=1)
    >>> model = bayesgmm.build_model(X, fit)
    >>> [variable.name for variable in model.free_RVs]
    ['pi', 'mu', 'variance']
    """
    data = fit.mixture.rows(X)
    prior = prior or fit.prior or Prior.from_data(data)
    if prior.d != fit.d:
        raise ValueError(f"the prior is for {prior.d} columns, the fit has {fit.d}.")
    form = parametrisation(fit.family, prior)
    d, n_components = fit.d, fit.n_components
    coords = {
        "component": np.arange(n_components),
        "feature": list(fit.names),
        "obs_id": np.arange(data.n),
    }
    if isinstance(form, Bartlett):
        i, j = np.tril_indices(d, -1)
        coords["feature_pair"] = [f"{fit.names[a]}, {fit.names[b]}" for a, b in zip(i, j)]
    with pm.Model(coords=coords) as model:
        x = pm.Data("x", data.values.astype(np.float64), dims=("obs_id", "feature"))
        parameters = [_pi(n_components, prior), _mu(prior)]
        parameters += [_free(v, form.family.common) for v in form.variables]
        # Shared variables, not constants: with constants every data set would be compiled anew.
        coordinates = [pytensor.shared(data.center), pytensor.shared(1.0 / data.scale)]
        if isinstance(form, Bartlett):
            root = pytensor.shared(form.root)
            FullGaussianMixture(
                "y", *parameters, root, *coordinates, observed=x, dims=("obs_id", "feature")
            )
        else:
            DiagonalGaussianMixture(
                "y", *parameters, *coordinates, observed=x, dims=("obs_id", "feature")
            )
    return model


def initial_point(fit: Fit, prior: Prior) -> dict[str, FloatArray]:
    """The fit's estimates as values of the model's free variables.

    Moved by one part in a million: nutpie refuses a start where a derivative is exactly zero, as
    it is at a symmetric maximum.
    """
    values = parametrisation(fit.family, prior).values(fit.covariances)
    values["mu"] = np.array(fit.means)
    if fit.n_components > 1:
        weights = np.maximum(fit.weights, 1e-6)
        values["pi"] = weights / weights.sum()
    rng = np.random.default_rng(0)
    sd = np.sqrt(np.diagonal(fit.covariances, axis1=1, axis2=2))
    out = {}
    for name, value in values.items():
        nudge = 1e-6 * rng.standard_normal(np.shape(value))
        out[name] = np.asarray(value + sd * nudge if name == "mu" else value * (1 + nudge))
    if "pi" in out:
        out["pi"] = out["pi"] / out["pi"].sum()
    return out


def _pi(n_components: int, prior: Prior) -> Any:
    if n_components == 1:  # one component has nothing to mix: a constant, under the same name
        return pm.Deterministic("pi", pt.ones(1), dims="component")
    return pm.Dirichlet("pi", np.full(n_components, prior.concentration), dims="component")


def _mu(prior: Prior) -> Any:
    covariance = prior.mean_covariance
    sd = np.sqrt(np.diagonal(covariance))
    if np.array_equal(covariance, np.diag(np.diagonal(covariance))):
        return pm.Normal("mu", prior.mean, sd, dims=("component", "feature"))
    return pm.MvNormal("mu", prior.mean, cov=covariance, dims=("component", "feature"))


def _free(variable: Variable, common: bool) -> Any:
    """The variable under its prior, with the axes the likelihood expects: (K or 1, ...)."""
    if variable.prior == "chi_squared":
        value = pm.ChiSquared(variable.name, *variable.parameters, dims=variable.dims)
    elif variable.prior == "normal":
        value = pm.Normal(variable.name, 0.0, 1.0, dims=variable.dims)
    else:
        value = pm.InverseGamma(variable.name, *variable.parameters, dims=variable.dims or None)
    if common:
        value = value[None]
    if value.ndim == 1:
        value = value[:, None]
    return value
