"""The mixture as a PyMC model that users can edit: change a prior, add a term, sample it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import SimplexTransform

from ...data.data import Data
from ...em.checks import as_fit
from ...em.labelled_fit import LabelledFit
from ...families.hyperparameters import Gamma
from ...families.parametrisation.axes import Axes
from ...families.parametrisation.base import COMPONENT, FEATURE, Parametrisation
from ...families.parametrisation.deviations import Deviations
from ...mixture.prior import Prior
from ...utils.errors import DataError
from ...utils.types import FloatArray
from ...utils.validation import check_choice
from ..problem import PosteriorProblem, check_weights
from ..run.datatree import coordinates
from .deviations import covariances_by_deviations, variables_of
from .likelihood import BartlettNormal, Covariances, GaussianMixture, covariances_along_axes
from .likelihood.distribution import as_observed
from .mixture_term import covariances_in
from .random_scale import random_scale
from .uniform_noise import uniform_noise

if TYPE_CHECKING:
    from ...em.result import Fit

# Largest offset of a start, relative to each variable's size.
_NUDGE = 1e-6
# The second of Sigma's axes of columns.
_BIS = FEATURE + "_bis"


def build_model(
    x: Any,
    fit: Fit,
    prior: Prior | None = None,
    *,
    likelihood: bool = True,
    Sigma: bool = False,  # noqa: N803 - the variable's name
    sample_weight: Any = None,
    weights: Literal["counts"] | None = None,
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
    Sigma : bool
        True shows the covariances as variable `Sigma` (K, d, d), over component, feature and
        feature_bis, so that terms can be written on them. PyTensor takes one to two seconds more to
        compile such a model for samplers other than `refine`.
    sample_weight : array-like (n,) or str, optional
        The weights of a fit that had some; and then
    weights : {"counts"}, optional
        that they are whole numbers of times that the rows stand in the table: the model's rows are
        repeated as often.

    Returns
    -------
    pymc.Model
        Free variables `pi` (K,), `mu` (K, d), and those of the covariances: `variance` for
        spherical (K,) and diagonal (K, d) families, `bartlett_chi2` (K, d) and `bartlett_normal`
        (K, d(d-1)/2) for full ones, without the first axis where all components share one
        covariance; for the eight others `volume` (K,), `shape` (K, d) and, where there are axes
        besides the columns', `orientation` (K, d, d), each without the first axis where it is
        shared. `sampling.add_covariances` turns draws of them into Sigma. The data are
        `pm.Data` "x" (a constant where values are missing), the likelihood is "y". For K = 1 `pi`
        is a Deterministic. Random hyperparameters come first: `concentration` (for K > 1) and
        `scale` (d,), Psi's diagonal. Beside noise there is `noise_share`, and "y" is a
        `pymc.Mixture` of the mixture and the noise. Rows with a label are of their admissible
        components.

    Raises
    ------
    DataError
        Data that are not the fit's, or infinite values.
    ValueError
        The prior is for other columns; weights, and nothing said of what they mean.

    See Also
    --------
    refine : The posterior of the same mixture.
    Prior : The prior of a mixture.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> model = bayesgmm.build_model(X, bayesgmm.fit(X, 2, random_seed=1))
    >>> [variable.name for variable in model.free_RVs]
    ['pi', 'mu', 'bartlett_chi2', 'bartlett_normal']
    """
    if weights is not None:
        check_choice("weights", weights, ("counts",))
    check_weights(as_fit(fit, apart=True), weights)
    problem = PosteriorProblem.of(x, fit, prior, sample_weight)
    return pymc_model(problem, likelihood=likelihood, with_sigma=Sigma)


def pymc_model(
    problem: PosteriorProblem, *, likelihood: bool = True, with_sigma: bool = False
) -> pm.Model:
    """The PyMC model of a posterior, as `build_model` returns it."""
    prior, parametrisation = problem.prior, problem.parametrisation
    if problem.pseudo:
        raise NotImplementedError(
            "the width of a pseudo-posterior is no matter of its density: sample it by 'auto', "
            "'nutpie', 'gibbs' or 'laplace'."
        )
    data = problem.data.repeated()
    with pm.Model(coords=coordinates(data, parametrisation)) as model:
        values = np.ascontiguousarray(data.values, dtype=np.float64)
        if data.groups is not None:  # pm.Data have all values, and other rows no labels
            model.add_coord("obs_id", np.arange(data.n))
            observed: Any = as_observed(values)
        else:
            observed = pm.Data("x", values, dims=("obs_id", FEATURE))
        scale = random_scale(parametrisation, prior)
        pi = _proportions(parametrisation.n_components, prior)
        if prior.mean_covariance is not None:
            mu = _means(prior.mean, prior.mean_covariance)
        if isinstance(parametrisation, Axes):
            covariance = covariances_along_axes(parametrisation, prior, scale)
        elif isinstance(parametrisation, Deviations):
            covariance = covariances_by_deviations(parametrisation)
        else:
            covariance = _independent_variables(parametrisation, prior, scale)
        if prior.mean_strength is not None:
            mu = _conjugate_means(prior.mean, prior.mean_strength, covariance)
        if with_sigma:
            _show_sigma(pi, mu, covariance, problem)
        share = _share_of_noise(problem)
        if likelihood:
            _rows(problem, data, share, observed, pi, mu, covariance.arguments)
    return model


def _share_of_noise(problem: PosteriorProblem) -> Any:
    """The share of noise in the open model; nothing where there is no noise."""
    return None if problem.noise is None else pm.Beta("noise_share", *problem.prior.noise_share)


def _rows(
    problem: PosteriorProblem, data: Data, share: Any, observed: Any, pi: Any, mu: Any,
    covariance: dict[str, Any],
) -> None:  # fmt: skip
    """The rows in the open model: of the mixture, or of it and noise."""
    arguments: dict[str, Any] = {"observed": observed, "dims": ("obs_id", FEATURE)}
    groups = data.groups
    if groups is not None and groups.admissible is not None:
        covariance = covariance | {"admissible": groups.components_of_rows}
    if problem.noise is None:
        GaussianMixture("y", pi, mu, **covariance, **arguments)
        return
    parts = [GaussianMixture.dist(pi, mu, **covariance), uniform_noise(problem.noise, data)]
    pm.Mixture("y", pt.stack([1.0 - share, share]), parts, **arguments)


def _show_sigma(pi: Any, mu: Any, covariance: Covariances, problem: PosteriorProblem) -> None:
    """The covariances as a variable of the open model, whatever makes them."""
    model = pm.modelcontext(None)
    model.add_coord(_BIS, list(problem.data.names))
    sigma = covariances_in(GaussianMixture.dist(pi, mu, **covariance.arguments))
    own = pt.arange(problem.n_components) % sigma.shape[0]  # 1 where all components share one
    pm.Deterministic("Sigma", sigma[own], dims=(COMPONENT, FEATURE, _BIS))


def _independent_variables(
    parametrisation: Parametrisation, prior: Prior, scale: Any
) -> Covariances:
    """Covariances by variables that are independent under the prior, in the open model."""
    variables = variables_of(parametrisation, prior.inverse_wishart, scale)
    return Covariances(
        (*variables, *parametrisation.constants(prior.inverse_wishart)),
        (parametrisation.kind, parametrisation.by_component, parametrisation.by_feature),
    )


def _proportions(n_components: int, prior: Prior) -> pt.TensorVariable:
    if n_components == 1:
        return pm.Deterministic("pi", pt.ones(1), dims=COMPONENT)
    concentration: Any = prior.concentration
    if isinstance(concentration, Gamma):
        concentration = pm.Gamma("concentration", concentration.shape, concentration.rate)
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
    mean: FloatArray, strength: float, covariance: Covariances
) -> pt.TensorVariable:
    """Means of covariance Sigma_k / strength."""
    dims = (COMPONENT, FEATURE)
    kind, by_component, by_feature = covariance.form
    if kind == "bartlett":
        chi2, lower, root = covariance.variables
        return BartlettNormal("mu", mean, chi2, lower, np.sqrt(strength) * root, dims=dims)
    [variance] = covariance.variables
    if by_component and not by_feature:
        variance = variance[:, None]
    return pm.Normal("mu", mean, pt.sqrt(variance / strength), dims=dims)


def initial_point(model: pm.Model, fit: Fit, prior: Prior | None = None) -> dict[str, FloatArray]:
    """Values of the model's free variables to start from: the posterior mode next to the fit.

    A fit without a prior, or with another one, can lie far from the mode (a component narrower
    than the prior expects costs thousands of units of log density), so MAP-EM goes on from it
    first; the labels stay the fit's.

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
    if not isinstance(model, pm.Model):
        raise TypeError(f"model is a {type(model).__name__}: pass what build_model returns.")
    fit = as_fit(fit, apart=True)
    rows = fit.mixture.rows(_values_in(model))
    if isinstance(fit, LabelledFit):
        if rows.n != len(fit.labels.of_rows):
            raise DataError("the model repeats the fit's rows: refine starts such a model.")
        rows = fit.labels.seen_in(rows)
    return values_to_start_at(model, PosteriorProblem.of_rows(rows, fit, prior))


def _values_in(model: pm.Model) -> FloatArray:
    """The rows of a model, which the user may have changed."""
    if "x" in model.named_vars:
        return np.asarray(model["x"].get_value())
    if "y" not in model.named_vars:
        raise ValueError(
            "the model has neither its rows, 'x', nor its likelihood, 'y': of rows with missing "
            "values, a model without likelihood has no start at a fit."
        )
    return np.asarray(model.rvs_to_values[model["y"]].eval())


def values_to_start_at(model: pm.Model, problem: PosteriorProblem) -> dict[str, FloatArray]:
    """The values of `initial_point`."""
    offsets = _offsets()
    free = {variable.name for variable in model.free_RVs}
    values = problem.initial_values(problem.mode, problem.parametrisation)
    start = {
        name: value + _size(name, value, problem.data) * _next(offsets, value.shape)
        for name, value in values.items()
        if name in free
    }
    if "pi" in free:
        start["pi"] /= start["pi"].sum()
    return start


def _size(name: str, value: FloatArray, data: Data) -> FloatArray:
    """The size of a variable, for the offsets of its start; 0 where it has to keep a constraint."""
    if name in ("shape", "orientation"):
        return np.zeros(())
    return data.scale if name == "mu" else np.maximum(np.abs(value), _NUDGE)


def _offsets() -> Iterator[float]:
    """Irregular numbers in (-_NUDGE, _NUDGE), always the same: multiples of the golden ratio."""
    return (_NUDGE * (2.0 * ((i * 0.6180339887498949) % 1.0) - 1.0) for i in count(1))


def _next(offsets: Iterator[float], shape: tuple[int, ...]) -> FloatArray:
    return np.fromiter(offsets, dtype=np.float64, count=int(np.prod(shape))).reshape(shape)
