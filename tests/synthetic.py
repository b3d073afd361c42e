"""A posterior without a sampler: draws scattered around a fit, in the tree `refine` makes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import xarray as xr

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.em.result import Fit
from bayesgmm.mixture.prior import Prior
from bayesgmm.posterior.labels import relabel as labels
from bayesgmm.posterior.posterior import Posterior


def scattered_draws(
    fit: Fit, n_chains: int, n_draws: int, seed: int, width: float = 0.05
) -> xr.Dataset:
    """Draws of pi, mu, Sigma near the fit's estimates, independent of one another.

    width is the sd of a mean in the component's sd, and of a log variance.
    """
    rng = np.random.default_rng(seed)
    size = (n_chains, n_draws)
    pi = rng.dirichlet(fit.n * fit.weights + 1, size)
    sd = np.sqrt(np.diagonal(fit.covariances, axis1=1, axis2=2))
    mu = fit.means + width * sd * rng.standard_normal((*size, *fit.means.shape))
    factor = np.exp(width * rng.standard_normal((*size, fit.n_components)))
    return draws_dataset(pi, mu, factor[..., None, None] * fit.covariances, fit.names)


def shuffled(draws: xr.Dataset, seed: int) -> tuple[xr.Dataset, np.ndarray]:
    """The draws with their components in random orders, and the permutations that undo it."""
    k = draws.sizes["component"]
    orders = np.array(list(itertools.permutations(range(k))))
    size = draws.sizes["chain"] * draws.sizes["draw"]
    chosen = orders[np.random.default_rng(seed).integers(len(orders), size=size)]
    return labels.permuted(draws, chosen), np.argsort(chosen, axis=1)


def known_fit(x, mixture, family, prior=None) -> Fit:
    """A Fit of rows at a mixture that EM did not make, under any prior."""
    by_default = Prior.from_data(x)
    near = bayesgmm.fit(
        x, mixture.n_components, family, start=mixture, max_iter=0, prior=by_default
    )
    return replace(near, mixture=mixture, prior=prior)


def make_posterior(x, fit: Fit, n_chains: int = 4, n_draws: int = 100, seed: int = 0) -> Posterior:
    """A Posterior of scattered draws, with plausible sampler statistics."""
    return posterior_of(x, fit, scattered_draws(fit, n_chains, n_draws, seed), seed)


def posterior_of(
    x, fit: Fit, draws: xr.Dataset, seed: int = 0, prior: Prior | None = None, **stats: np.ndarray
) -> Posterior:
    """A Posterior of these draws; stats replace plausible sampler statistics."""
    rng = np.random.default_rng(seed)
    data = as_data(x, missing=fit.mixture.missing)
    n_chains, n_draws = size = draws["pi"].shape[:2]
    stats = {
        "diverging": np.zeros(size, dtype=bool),
        "reached_max_treedepth": np.zeros(size, dtype=bool),
        "energy": rng.standard_normal(size),
        "lp": rng.standard_normal(size),
    } | stats
    tree = xr.DataTree.from_dict(
        {
            "posterior": draws,
            "sample_stats": xr.Dataset(
                {k: (("chain", "draw"), v) for k, v in stats.items()},
                coords={name: draws[name] for name in ("chain", "draw")},
            ),
            "observed_data": xr.Dataset({"y": (("obs_id", "feature"), data.values)}),
        }
    )
    unmoved = np.tile(np.arange(fit.n_components), (n_chains * n_draws, 1))
    done = labels.Relabelling("none", unmoved, np.zeros(n_chains * n_draws, dtype=bool))
    attrs = {"sampler": "synthetic", "tune": 0}
    prior = prior or fit.prior or Prior.from_data(data)
    return Posterior.assemble(labels.relabelled(tree, done), fit, prior, attrs)


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
