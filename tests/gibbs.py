"""An independent sampler of the posterior: Gibbs on the allocations, in plain NumPy, no PyMC.

Diebolt & Robert (1994), J. R. Stat. Soc. B 56, 363-375. All chains go at once. Random
hyperparameters are drawn from their own conditional distributions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp

from bayesgmm.em.result import Fit
from bayesgmm.families import Family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.prior import Prior
from bayesgmm.posterior.posterior import Posterior
from tests.synthetic import draws_dataset, posterior_of

_BURN_IN = 200
# Values of log concentration that its distribution is taken at.
_LOG_A = np.linspace(-25, 10, 3501)


def gibbs_posterior(x, fit: Fit, prior: Prior, n_chains=4, n_draws=1000, seed=0) -> Posterior:
    """Draws started at a fit's allocations, components ascending in the first column's mean."""
    rng = np.random.default_rng(seed)
    rows = fit.mixture.rows(x).values
    k, family = fit.n_components, fit.family
    z = np.repeat(np.eye(k)[fit.predict(x)][None], n_chains, axis=0)
    sigma = np.repeat(fit.covariances[None], n_chains, axis=0)
    concentration = np.full(n_chains, prior.expected_concentration)
    scale = np.tile(np.diagonal(prior.expected_scale), (n_chains, 1))
    kept = []
    for sweep in range(_BURN_IN + n_draws):
        pi = rng.standard_gamma(concentration[:, None] + z.sum(axis=1))
        pi /= pi.sum(axis=1, keepdims=True)
        mu = _means(rows, z, sigma, prior, rng)
        psi = prior.scale
        if isinstance(prior.scale, Gamma):
            psi = scale[:, None, :, None] * np.eye(rows.shape[1])
        sigma = _covariances(rows, z, mu, family, prior, psi, rng)
        if isinstance(prior.scale, Gamma):
            scale = ScaleConditional.given(sigma, family, prior).draw(rng)
        if isinstance(prior.concentration, Gamma):
            concentration = _concentrations(pi, prior.concentration, rng)
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


def _covariances(x, z, mu, family: Family, prior: Prior, psi, rng):
    away = x[None, :, None] - mu[:, None]
    scatter = np.einsum("cnk,cnki,cnkj->ckij", z, away, away)
    counts = z.sum(axis=1)
    if family.common:
        scatter, counts = scatter.sum(axis=1, keepdims=True), counts.sum(axis=1, keepdims=True)
    d = x.shape[1]
    if family.spherical or family.diagonal:
        shape, scale = prior.inverse_wishart.inverse_gamma(
            family, np.diagonal(psi, axis1=-2, axis2=-1)
        )
        squares = np.diagonal(scatter, axis1=2, axis2=3)
        if family.spherical:
            squares, counts = squares.sum(axis=2, keepdims=True), d * counts
        gamma = rng.standard_gamma(shape + 0.5 * counts[..., None], size=squares.shape)
        distinct = ((scale + 0.5 * squares) / gamma)[..., None] * np.eye(d)
    else:
        distinct = _inverse_wishart(prior.dof + counts, psi + scatter, rng)
    return np.broadcast_to(distinct, (*mu.shape, d)).copy()


def _inverse_wishart(dof, scale, rng):
    """InverseWishart(dof, scale), dof (C, K) and scale (C, K, d, d), by Bartlett (1933)."""
    d = scale.shape[-1]
    triangle = np.tril(rng.standard_normal(scale.shape), -1)
    index = np.arange(d)
    triangle[..., index, index] = np.sqrt(rng.chisquare(dof[..., None] - index))
    half = np.linalg.solve(triangle, np.swapaxes(np.linalg.cholesky(scale), -1, -2))
    return np.swapaxes(half, -1, -2) @ half


@dataclass(frozen=True)
class ScaleConditional:
    """Psi's diagonal given covariances: a mixture of products of gammas.

    log_weights (C, M), shapes (M, d), rates (C, d). One product, M = 1, but for spherical
    covariances in two columns, whose density has (psi_1 + psi_2)^p: it is expanded.
    """

    log_weights: np.ndarray
    shapes: np.ndarray
    rates: np.ndarray

    @classmethod
    def given(cls, sigma, family: Family, prior: Prior):
        """Covariances (C, K, d, d)."""
        distinct = sigma[:, :1] if family.common else sigma
        d = sigma.shape[2]
        g, h = prior.scale.shape, prior.scale.rate
        half = 0.5 * np.diagonal(np.linalg.inv(distinct), axis1=2, axis2=3).sum(axis=1)
        shape = 0.5 * prior.dof
        if family.spherical or family.diagonal:
            shape, _ = prior.inverse_wishart.inverse_gamma(family)
        power = shape * distinct.shape[1]
        if not family.spherical or d == 1:
            return cls(np.zeros((len(half), 1)), np.full((1, d), g + power), h + half)
        assert d == 2 and power == round(power), "expanded for two columns and whole powers"
        i = np.arange(power + 1)
        shapes, rates = g + np.stack([i, power - i], axis=1), h + half
        logs = gammaln(power + 1) - gammaln(i + 1) - gammaln(power - i + 1)
        logs = logs + gammaln(shapes).sum(axis=1) - np.log(rates) @ shapes.T
        return cls(logs - logsumexp(logs, axis=1, keepdims=True), shapes, rates)

    def draw(self, rng):
        """One of each, (C, d)."""
        chosen = np.argmax(self.log_weights + rng.gumbel(size=self.log_weights.shape), axis=1)
        return rng.standard_gamma(self.shapes[chosen]) / self.rates

    def log_density(self, psi):
        """At one psi (d,), (C,)."""
        logs = self.shapes[None] * np.log(self.rates)[:, None] + (self.shapes - 1) * np.log(psi)
        logs = logs - gammaln(self.shapes) - self.rates[:, None] * psi
        return logsumexp(self.log_weights + logs.sum(axis=2), axis=1)


def log_concentration_density(pi, prior: Gamma, a):
    """Log density of a given proportions (C, K), unnormalised, (C, len(a))."""
    k = pi.shape[1]
    logs = np.log(pi).sum(axis=1, keepdims=True)
    logs = gammaln(k * a) - k * gammaln(a) + (a - 1) * logs
    return logs + (prior.shape - 1) * np.log(a) - prior.rate * a


def _concentrations(pi, prior: Gamma, rng):
    """Gumbel's trick over a fine grid of log a."""
    logs = log_concentration_density(pi, prior, np.exp(_LOG_A)) + _LOG_A
    return np.exp(_LOG_A[np.argmax(logs + rng.gumbel(size=logs.shape), axis=1)])
