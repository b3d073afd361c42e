"""A posterior without a sampler: draws scattered around a fit, in the tree `refine` makes."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesgmm import Prior
from bayesgmm.data import as_data
from bayesgmm.posterior import Posterior
from bayesgmm.result import Fit


def scattered_draws(fit: Fit, n_chains: int, n_draws: int, seed: int) -> xr.Dataset:
    """Draws of pi, mu, Sigma near the fit's estimates, independent of one another."""
    rng = np.random.default_rng(seed)
    size = (n_chains, n_draws)
    pi = rng.dirichlet(fit.n * fit.weights + 1, size)
    sd = np.sqrt(np.diagonal(fit.covariances, axis1=1, axis2=2))
    mu = fit.means + 0.05 * sd * rng.standard_normal((*size, *fit.means.shape))
    factor = np.exp(0.05 * rng.standard_normal((*size, fit.n_components)))
    return draws_dataset(pi, mu, factor[..., None, None] * fit.covariances, fit.names)


def make_posterior(x, fit: Fit, n_chains: int = 4, n_draws: int = 100, seed: int = 0) -> Posterior:
    """A Posterior of scattered draws, with plausible sampler statistics."""
    prior = fit.prior or Prior.from_data(x)
    return posterior_of(x, fit, prior, scattered_draws(fit, n_chains, n_draws, seed), seed)


def posterior_of(x, fit: Fit, prior: Prior, draws: xr.Dataset, seed: int = 0) -> Posterior:
    """A Posterior of given draws of pi, mu, Sigma, with plausible sampler statistics."""
    rng = np.random.default_rng(seed)
    size = (draws.sizes["chain"], draws.sizes["draw"])
    stats = {
        "diverging": np.zeros(size, dtype=bool),
        "reached_max_treedepth": np.zeros(size, dtype=bool),
        "energy": rng.standard_normal(size),
        "lp": rng.standard_normal(size),
    }
    tree = xr.DataTree.from_dict(
        {
            "posterior": draws,
            "sample_stats": xr.Dataset({k: (("chain", "draw"), v) for k, v in stats.items()}),
            "observed_data": xr.Dataset({"y": (("obs_id", "feature"), as_data(x).values)}),
        }
    )
    attrs = {"sampler": "synthetic", "tune": 0, "relabelled_draws": 0, "ambiguous_draws": 0}
    return Posterior.assemble(tree, fit, prior, attrs)


def draws_dataset(pi, mu, sigma, names) -> xr.Dataset:
    """The posterior group: pi (C, N, K), mu (C, N, K, d) and Sigma (C, N, K, d, d)."""
    return xr.Dataset(
        {
            "pi": (("chain", "draw", "component"), pi),
            "mu": (("chain", "draw", "component", "feature"), mu),
            "Sigma": (("chain", "draw", "component", "feature", "feature_bis"), sigma),
        },
        coords={
            "chain": np.arange(pi.shape[0]),
            "draw": np.arange(pi.shape[1]),
            "component": np.arange(pi.shape[2]),
            "feature": list(names),
            "feature_bis": list(names),
        },
    )
