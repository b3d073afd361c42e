"""The mixture as a PyMC model, for any user to open: change a prior, add a term, sample it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import SimplexTransform

from .data import Data
from .em import Problem, run_em
from .families.parametrisation import COMPONENT, FEATURE, PAIR, Parametrisation, parametrisation
from .hyperparameters import Gamma
from .kernels.contract import FloatArray, Parameters
from .likelihood import BartlettNormal, GaussianMixture
from .prior import Prior

if TYPE_CHECKING:
    from .result import Fit

# Starts are moved by so much, relative to each variable's size.
_NUDGE = 1e-6
# MAP-EM from the fit to the start: a start needs few digits.
_MAX_ITER, _TOL = 200, 1e-6


def build_model(
    x: Any, fit: Fit, prior: Prior | None = None, *, likelihood: bool = True
) -> pm.Model:
    """The posterior of a mixture as a `pymc.Model`: same family and K as the fit.

    The allocations are summed out: the only unknowns are the proportions, the means and the
    covariances, and NUTS samples them.

    Parameters
    ----------
    x : array-like (n, d)
        The data of the fit.
    fit : Fit
        Gives K, the family and the column names.
    prior : Prior, optional
        The fit's own prior, or `Prior.from_data(x)`, if left out.
    likelihood : bool
        False leaves the data out of the density: what is sampled is the prior.

    Returns
    -------
    pymc.Model
        Free variables `pi` (K,), `mu` (K, d), and those of the covariances: `variance` for
        spherical (K,) and diagonal (K, d) families, `bartlett_chi2` (K, d) and `bartlett_normal`
        (K, d(d-1)/2) for full ones, without the first axis where all components share one
        covariance. `sampling.add_covariances` turns draws of them into Sigma. The data are
        `pm.Data` "x", the likelihood is "y". For K = 1 `pi` is a Deterministic. Random
        hyperparameters come first: `concentration` (for K > 1) and `scale` (d,), Psi's diagonal.

    Raises
    ------
    DataError
        Data whose columns are not the fit's, missing or infinite values.
    ValueError
        The prior is for another number of columns.
    NotImplementedError
        A family that has no parametrisation.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> model = bayesgmm.build_model(X, bayesgmm.fit(X, 2, random_seed=1))
    >>> [variable.name for variable in model.free_RVs]
    ['pi', 'mu', 'bartlett_chi2', 'bartlett_normal']
    """
    data = fit.mixture.rows(x)
    prior = prior or fit.prior or Prior.from_data(data)
    if prior.d != data.d:
        raise ValueError(f"the prior is for {prior.d} columns, the data have {data.d}.")
    n_components = fit.mixture.n_components
    form = parametrisation(fit.family, n_components, data.d)
    with pm.Model(coords=_coords(data, n_components)) as model:
        values = np.ascontiguousarray(data.values, dtype=np.float64)
        observed = pm.Data("x", values, dims=("obs_id", FEATURE))
        scale = _hyperparameter("scale", prior.scale, dims=FEATURE)
        pi = _proportions(n_components, prior)
        if prior.mean_covariance is not None:
            mu = _means(prior.mean, prior.mean_covariance)
        covariance = [
            getattr(pm, prior_of_v.name)(v.name, **prior_of_v.parameters, dims=v.dims)
            for v, prior_of_v in zip(form.variables, form.priors(prior, scale), strict=True)
        ]
        constants = form.constants(prior)
        if prior.mean_strength is not None:
            mu = _conjugate_means(prior.mean, prior.mean_strength, form, covariance, constants)
        if likelihood:
            GaussianMixture(
                "y", pi, mu, *covariance, *constants, data.center, 1.0 / data.scale,
                form=(form.kind, form.by_component, form.by_feature), observed=observed,
                dims=("obs_id", FEATURE),
            )  # fmt: skip
    return model


def _coords(data: Data, n_components: int) -> dict[str, Any]:
    pairs = [
        f"{data.names[i]}, {data.names[j]}" for i in range(data.d) for j in range(i)
    ]  # in the order of the strict lower triangle by rows
    coords: dict[str, Any] = {
        COMPONENT: np.arange(n_components),
        FEATURE: list(data.names),
    }
    return coords | ({PAIR: pairs} if pairs else {})


def _hyperparameter(name: str, value: Any, **arguments: Any) -> Any:
    """A variable of that name where the hyperparameter is random, else nothing."""
    if isinstance(value, Gamma):
        return pm.Gamma(name, value.shape, value.rate, **arguments)
    return None


def _proportions(n_components: int, prior: Prior) -> pt.TensorVariable:
    if n_components == 1:
        return pm.Deterministic("pi", pt.ones(1), dims=COMPONENT)
    concentration = _hyperparameter("concentration", prior.concentration)
    if concentration is None:
        concentration = prior.concentration
    return pm.Dirichlet(
        "pi", concentration * np.ones(n_components), dims=COMPONENT,
        default_transform=_Simplex(n_components),
    )  # fmt: skip


class _Simplex(SimplexTransform):
    """PyMC's own transform, with its Jacobian K prod_k pi_k written so that it compiles faster."""

    def __init__(self, n_components: int) -> None:
        self.n_components = n_components

    def log_jac_det(self, value: pt.TensorVariable, *inputs: Any) -> pt.TensorVariable:
        return np.log(self.n_components) + pt.log(self.backward(value)).sum(axis=-1)


def _means(mean: FloatArray, covariance: FloatArray) -> pt.TensorVariable:
    variances = np.diagonal(covariance)
    dims = (COMPONENT, FEATURE)
    if np.array_equal(covariance, np.diag(variances)):
        return pm.Normal("mu", mean, np.sqrt(variances), dims=dims)
    return pm.MvNormal("mu", mean, chol=np.linalg.cholesky(covariance), dims=dims)


def _conjugate_means(
    mean: FloatArray,
    strength: float,
    form: Parametrisation,
    covariance: Sequence[pt.TensorVariable],
    constants: Sequence[FloatArray],
) -> pt.TensorVariable:
    """Means of covariance Sigma_k / strength."""
    dims = (COMPONENT, FEATURE)
    if form.kind == "bartlett":
        [root] = constants
        return BartlettNormal("mu", mean, *covariance, np.sqrt(strength) * root, dims=dims)
    [variance] = covariance
    if form.by_component and not form.by_feature:
        variance = variance[:, None]
    return pm.Normal("mu", mean, pt.sqrt(variance / strength), dims=dims)


def initial_point(model: pm.Model, fit: Fit, prior: Prior | None = None) -> dict[str, FloatArray]:
    """Values of the model's free variables to start from: the posterior mode next to the fit.

    A fit without a prior, or with another one, can lie far down the posterior's side (a component
    narrower than the prior expects costs thousands of units of log density), so MAP-EM goes on
    from it first; the labels stay the fit's.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`; variables a user added keep PyMC's own starting values.
    fit : Fit
        Where to start.
    prior : Prior, optional
        That of the model: the fit's own, or `Prior.from_data` of the model's data, if left out.

    Returns
    -------
    dict of name to array
        For `sampling.sample`, `pm.sample(initvals=...)` or `pm.find_MAP(start=...)`.

    Notes
    -----
    Every number is moved by about 1e-6 of its size: at a point of exact symmetry a coordinate of
    the gradient is exactly 0, and nutpie refuses such a start.
    """
    data = fit.mixture.rows(model["x"].get_value())
    prior = prior or fit.prior or Prior.from_data(data)
    mode = _posterior_mode(data, fit, prior)
    covariances = mode.covariances
    if mode.diagonal:
        covariances = covariances[:, :, None] * np.eye(data.d)
    spread = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    offsets = _offsets()
    weights = np.maximum(mode.weights, _NUDGE) * (1 + _next(offsets, mode.weights.shape))
    start = {
        "pi": weights / weights.sum(),
        "mu": mode.means + data.center + spread * _next(offsets, spread.shape),
    }
    form = parametrisation(fit.family, len(weights), data.d)
    rest = form.values_from(covariances, prior) | {
        "concentration": np.array(prior.expected_concentration),
        "scale": np.diagonal(prior.expected_scale),
    }
    for name, value in rest.items():
        start[name] = value + np.maximum(np.abs(value), _NUDGE) * _next(offsets, value.shape)
    free = {variable.name for variable in model.free_RVs}
    return {name: value for name, value in start.items() if name in free}


def _posterior_mode(data: Data, fit: Fit, prior: Prior) -> Parameters:
    parameters = fit.mixture.parameters_about(data.center)
    if fit.prior is not None and fit.prior.to_dict() == prior.to_dict():
        return parameters
    # Below 1 the Dirichlet's mode is an empty component: then the mode under a flat one.
    prior = replace(prior, concentration=max(prior.expected_concentration, 1.0))
    problem = Problem(data, fit.family, prior)
    return run_em(problem, parameters, max_iter=_MAX_ITER, tol=_TOL).parameters


def _offsets() -> Iterator[float]:
    """Irregular numbers in (-_NUDGE, _NUDGE), always the same: multiples of the golden ratio."""
    return (_NUDGE * (2.0 * ((i * 0.6180339887498949) % 1.0) - 1.0) for i in count(1))


def _next(offsets: Iterator[float], shape: tuple[int, ...]) -> FloatArray:
    return np.fromiter(offsets, dtype=np.float64, count=int(np.prod(shape))).reshape(shape)
