"""Draws of different numbers of components as one ArviZ tree."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...families.hyperparameters import Gamma
from ...families.parametrisation.base import Parametrisation
from ...families.parametrisation.parametrisation import parametrisation
from ...mixture.draws import Draws
from ...mixture.evaluation import log_densities
from ...mixture.mixture_of_mixtures import MixtureOfMixtures
from ...utils.matrices import diagonal_matrices
from ...utils.types import FloatArray
from ..problem import PosteriorProblem
from ..run.datatree import to_datatree
from ..run.interruption import warn_of_interruption, was_stopped
from ..run.settings import Settings
from .telescoping import ComponentsDraw


def tree_of_components(
    runs: list[list[ComponentsDraw]],
    problem: PosteriorProblem,
    model: MixtureOfMixtures,
    settings: Settings,
) -> xr.DataTree:
    """The draws of all chains as a tree, as `ComponentsPosterior` describes it.

    Raises
    ------
    KeyboardInterrupt
        The runs were stopped with too few draws.
    """
    data, size = problem.data, (len(runs), len(runs[0]))
    flat = [draw for run in runs for draw in run]
    values = _values(flat, problem, model)
    of_all = _parametrisation(values["pi"].shape[-1], problem, model)
    loglik = _logliks(values, of_all.covariances(values, model.prior.of_covariances), problem)
    shaped = {name: value.reshape(*size, *value.shape[1:]) for name, value in values.items()}
    stats = xr.Dataset({"lp": (("chain", "draw"), loglik.reshape(size))})
    tree = to_datatree(shaped, stats, data, of_all, model.prior)
    added = {
        "n_components": np.array([len(draw.mixture.weights) for draw in flat]),
        "n_filled": np.array([draw.filled for draw in flat]),
        "loglik": loglik,
    }
    probabilities = np.array([draw.probabilities for draw in flat]).reshape(*size, -1)
    posterior = tree["posterior"].to_dataset()
    posterior = posterior.assign(
        {name: (("chain", "draw"), value.reshape(size)) for name, value in added.items()}
    ).assign(probability_of_k=(("chain", "draw", "k"), probabilities))
    posterior = posterior.assign_coords(k=np.arange(1, probabilities.shape[-1] + 1))
    posterior.attrs |= {"tuning_steps": settings.tune, "thin": settings.thin}
    if was_stopped(*size, settings):
        warn_of_interruption(*size)
        posterior.attrs["interrupted"] = 1
    tree["posterior"] = xr.DataTree(posterior)
    return tree


def _values(
    draws: list[ComponentsDraw], problem: PosteriorProblem, model: MixtureOfMixtures
) -> dict[str, FloatArray]:
    """The variables (S, ...) with as many components as the largest draw has."""
    data, prior = problem.data, model.prior.of_covariances
    numbers = np.array([len(draw.mixture.weights) for draw in draws])
    most = int(numbers.max())
    weights, means, covariances = (
        np.array([_padded(draw.mixture[i], most, copied=i > 0) for draw in draws]) for i in range(3)
    )
    of_all = _parametrisation(most, problem, model)
    if of_all.diagonal:
        covariances = diagonal_matrices(covariances[:, :, 0])
    values = {"pi": weights, "mu": means + data.center}
    values |= of_all.values_from(covariances, prior)
    if isinstance(model.concentration, Gamma):
        alpha = np.array([draw.alpha for draw in draws])
        values["concentration"] = alpha / numbers if model.dynamic else alpha
    if prior.random_scale:
        values["scale"] = np.array([draw.psi for draw in draws])
    return values


def _parametrisation(
    n_components: int, problem: PosteriorProblem, model: MixtureOfMixtures
) -> Parametrisation:
    """That of so many components."""
    lkj = model.prior.lkj
    return parametrisation(problem.family, n_components, problem.data.d, lkj=lkj)


def _padded(values: FloatArray, most: int, copied: bool) -> FloatArray:
    """An array (K, ...) with so many entries: copies of the first one are added, or zeros."""
    more = np.broadcast_to(values[:1] if copied else 0.0, (most - len(values), *values.shape[1:]))
    return np.concatenate([values, more])


def _logliks(
    values: dict[str, FloatArray], covariances: FloatArray, problem: PosteriorProblem
) -> FloatArray:
    """The log-likelihoods of draws (S,)."""
    if problem.family.diagonal:
        covariances = np.diagonal(covariances, axis1=-2, axis2=-1).copy()
    draws = Draws(values["pi"], values["mu"], covariances)
    total = np.zeros(len(draws))
    for _, of_rows in log_densities(problem.data, draws):
        total += of_rows.sum(axis=1)
    return total
