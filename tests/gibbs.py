"""An independent sampler of the posterior: Gibbs on the allocations, in plain NumPy, no PyMC.

Diebolt & Robert (1994), J. R. Stat. Soc. B 56, 363-375. All chains go at once.
"""

from __future__ import annotations

import numpy as np

from bayesgmm.families import Family
from bayesgmm.posterior import Posterior
from bayesgmm.prior import Prior
from bayesgmm.result import Fit
from tests.synthetic import draws_dataset, posterior_of

_BURN_IN = 200


def gibbs_posterior(x, fit: Fit, prior: Prior, n_chains=4, n_draws=1000, seed=0) -> Posterior:
    """Draws started at a fit's allocations, components ascending in the first column's mean."""
    rng = np.random.default_rng(seed)
    rows = fit.mixture.rows(x).values
    k, family = fit.n_components, fit.family
    z = np.repeat(np.eye(k)[fit.predict(x)][None], n_chains, axis=0)
    sigma = np.repeat(fit.covariances[None], n_chains, axis=0)
    kept = []
    for sweep in range(_BURN_IN + n_draws):
        pi = rng.standard_gamma(prior.concentration + z.sum(axis=1))
        pi /= pi.sum(axis=1, keepdims=True)
        mu = _means(rows, z, sigma, prior, rng)
        sigma = _covariances(rows, z, mu, family, prior, rng)
        z = _allocations(rows, pi, mu, sigma, rng)
        if sweep >= _BURN_IN:
            kept.append((pi, mu, sigma))
    pi, mu, sigma = (np.stack(a, axis=1) for a in zip(*kept, strict=True))
    order = np.argsort(mu[..., 0], axis=2)
    pi = np.take_along_axis(pi, order, axis=2)
    mu = np.take_along_axis(mu, order[..., None], axis=2)
    sigma = np.take_along_axis(sigma, order[..., None, None], axis=2)
    return posterior_of(x, fit, draws_dataset(pi, mu, sigma, fit.names), prior=prior)


def _allocations(x, pi, mu, sigma, rng):
    """One-hot (C, n, K), by the Gumbel trick."""
    away = x[None, :, None] - mu[:, None]
    squares = np.einsum("cnki,ckij,cnkj->cnk", away, np.linalg.inv(sigma), away)
    logs = np.log(pi) - 0.5 * np.linalg.slogdet(sigma)[1]
    scores = logs[:, None] - 0.5 * squares + rng.gumbel(size=squares.shape)
    return np.eye(pi.shape[1])[np.argmax(scores, axis=2)]


def _means(x, z, sigma, prior, rng):
    spread = np.linalg.inv(prior.mean_covariance)
    inverse = np.linalg.inv(sigma)
    precision = spread + z.sum(axis=1)[..., None, None] * inverse
    sums = np.einsum("cnk,ni->cki", z, x)
    right = spread @ prior.mean + np.einsum("ckij,ckj->cki", inverse, sums)
    root = np.linalg.inv(np.linalg.cholesky(precision))
    noise = np.einsum("ckji,ckj->cki", root, rng.standard_normal(sums.shape))
    return np.linalg.solve(precision, right[..., None])[..., 0] + noise


def _covariances(x, z, mu, family: Family, prior: Prior, rng):
    away = x[None, :, None] - mu[:, None]
    scatter = np.einsum("cnk,cnki,cnkj->ckij", z, away, away)
    counts = z.sum(axis=1)
    if family.common:
        scatter, counts = scatter.sum(axis=1, keepdims=True), counts.sum(axis=1, keepdims=True)
    d = x.shape[1]
    if family.spherical or family.diagonal:
        shape, scale = prior.inverse_gamma(family)
        squares = np.diagonal(scatter, axis1=2, axis2=3)
        if family.spherical:
            squares, counts = squares.sum(axis=2, keepdims=True), d * counts
        gamma = rng.standard_gamma(shape + 0.5 * counts[..., None], size=squares.shape)
        distinct = ((scale + 0.5 * squares) / gamma)[..., None] * np.eye(d)
    else:
        distinct = _inverse_wishart(prior.dof + counts, prior.scale + scatter, rng)
    return np.broadcast_to(distinct, (*mu.shape, d)).copy()


def _inverse_wishart(dof, scale, rng):
    """InverseWishart(dof, scale), dof (C, K) and scale (C, K, d, d), by Bartlett (1933)."""
    d = scale.shape[-1]
    triangle = np.tril(rng.standard_normal(scale.shape), -1)
    index = np.arange(d)
    triangle[..., index, index] = np.sqrt(rng.chisquare(dof[..., None] - index))
    half = np.linalg.solve(triangle, np.swapaxes(np.linalg.cholesky(scale), -1, -2))
    return np.swapaxes(half, -1, -2) @ half
