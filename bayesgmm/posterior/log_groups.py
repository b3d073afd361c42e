"""Log-likelihood of every row and log prior density at each draw, as groups that ArviZ reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from ..data.data import Data
from ..families import Family
from ..mixture.draws import Draws, NoisyDraws
from ..mixture.evaluation import log_densities
from ..mixture.prior import Prior
from ..mixture.share_of_noise import log_prior_of_share
from ..utils.matrices import as_full
from ..utils.types import FloatArray, IntArray
from .evidence.marginal_prior import log_correction, log_dirichlet

# Most numbers of a group: 1 GiB of them.
_LIMIT = 2**27
# Replaces proportions that were rounded to 0, whose logarithm is infinite.
_SMALLEST = float(np.finfo(np.float64).tiny)


def log_likelihood_group(data: Data, draws: Draws, posterior: xr.Dataset) -> xr.Dataset:
    """Log density of every row at every draw: y over chain, draw, obs_id."""
    if len(draws) * data.n > _LIMIT:
        raise ValueError(
            f"the log-likelihoods of {data.n} rows at {len(draws)} draws are "
            f"{len(draws) * data.n * 8 / 2**30:.1f} GiB: use posterior.loo(), which takes "
            "some rows at a time, or refine with fewer draws."
        )
    if data.weights is not None:
        raise NotImplementedError(
            "rows that count several times have no place in this group: use posterior.loo(), "
            "which counts them."
        )
    values = np.empty((len(draws), data.n))
    for rows, block in log_densities(data, draws):
        values[:, rows] = block
    return _of_draws({"y": values}, posterior, {"obs_id": np.arange(data.n)})


def log_prior_group(
    draws: Draws, posterior: xr.Dataset, family: Family, prior: Prior
) -> xr.Dataset:
    """Log prior density of pi, of mu (given Sigma where it depends on that) and of Sigma.

    And of the share of noise, if there is one.
    """
    beside = {}
    if isinstance(draws, NoisyDraws):
        beside["noise_share"] = log_prior_of_share(draws.noise_share, prior.noise_share)
    draws = Draws(np.maximum(draws.weights, _SMALLEST), draws.means, draws.covariances)
    concentration = prior.expected_concentration
    logs = np.log(draws.weights).sum(axis=1)
    pi = log_dirichlet(np.asarray(concentration), logs, draws.n_components)
    fixed = replace(prior.at_means(), concentration=prior.concentration)
    pi = pi + log_correction(fixed, family, draws)
    mu = _log_means(draws, prior)
    center = np.zeros(prior.d)
    at_means = replace(prior, integrate_scale=False)
    joint = np.array([at_means.log_density(p, family, center) for p in draws.parameters(center)])
    joint += log_correction(prior, family, draws)
    return _of_draws({"pi": pi, "mu": mu, "Sigma": joint - pi - mu, **beside}, posterior, {})


def _log_means(draws: Draws, prior: Prior) -> FloatArray:
    """Log density of the means (S,), given the covariances."""
    if prior.mean_covariance is not None:
        spread = prior.mean_covariance[None, None]
    else:
        spread = as_full(draws.covariances, leading=2) / (prior.mean_strength or 1.0)
    gaps = draws.means - prior.mean
    squares = np.sum(gaps * np.linalg.solve(spread, gaps[..., None])[..., 0], axis=-1)
    log_dets = np.linalg.slogdet(2 * np.pi * spread)[1]
    return np.asarray(-0.5 * (squares + log_dets).sum(axis=1))


def _of_draws(
    values: dict[str, FloatArray], posterior: xr.Dataset, coords: dict[str, IntArray]
) -> xr.Dataset:
    """Arrays (S, ...) as a dataset over the chains and draws of a posterior."""
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    dims = "chain", "draw", *coords
    return xr.Dataset(
        {name: (dims, value.reshape(*sizes, *value.shape[1:])) for name, value in values.items()},
        coords={"chain": posterior["chain"], "draw": posterior["draw"], **coords},
    )
