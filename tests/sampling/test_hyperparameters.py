"""Random hyperparameters: posteriors of all engines beside quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import gammaln

import bayesgmm
from bayesgmm.families import get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.families.parametrisation.transforms import LogRatios, SumAndShares
from bayesgmm.mixture.prior import Prior
from tests.sampling.test_direct import refined

STRENGTH = 0.01
KNOWN = ["EII", "VII", "EEI", "VVI", "EEE", "VVV"]


def far_apart(d):
    """Three groups so far apart that no row can be of another: 25, 40 and 15 rows."""
    rng = np.random.default_rng(5)
    centers = np.outer(np.arange(3), [60.0, 45.0][:d])
    labels = np.repeat([0, 1, 2], [25, 40, 15])
    return centers[labels] + rng.normal(scale=[1.0, 2.0][:d], size=(80, d)), labels


def log_marginal(psi, x, labels, family, prior):
    """Log p(rows, allocations | psi) but for a constant, psi (..., d): normal-inverse-Wisharts."""
    d = x.shape[1]
    scatters, counts = [], []
    for k in range(3):
        rows = x[labels == k]
        n, shift = len(rows), rows.mean(axis=0) - prior.mean
        about = rows - rows.mean(axis=0)
        shrunk = STRENGTH * n / (STRENGTH + n) * np.outer(shift, shift)
        scatters.append(about.T @ about + shrunk)
        counts.append(n)
    if family.common:
        scatters, counts = [sum(scatters)], [sum(counts)]
    total = np.zeros(psi.shape[:-1])
    for scatter, n in zip(scatters, counts, strict=True):
        if family.spherical:
            shape, trace = 0.5 * d * (prior.dof + d + 1) - 1, psi.sum(axis=-1)
            total += shape * np.log(trace) - (shape + 0.5 * d * n) * np.log(
                trace + np.trace(scatter)
            )
        elif family.diagonal:
            shape = 0.5 * (prior.dof + d - 1)
            both = psi + np.diagonal(scatter)
            total += np.sum(shape * np.log(psi) - (shape + 0.5 * n) * np.log(both), axis=-1)
        else:
            both = psi[..., None] * np.eye(d) + scatter
            total += 0.5 * prior.dof * np.log(psi).sum(axis=-1)
            total -= 0.5 * (prior.dof + n) * np.linalg.slogdet(both)[1]
    return total


def moments(log_density, axes):
    """Mean and sd of each coordinate under a density given on a grid of equal steps."""
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    grids = np.meshgrid(*axes, indexing="ij")
    means = np.array([np.sum(weights * grid) for grid in grids])
    variances = [np.sum(weights * (g - m) ** 2) for g, m in zip(grids, means, strict=True)]
    return means, np.sqrt(variances)


def agree(draws, mean, sd):
    """Within 4.5 Monte Carlo errors, of mean and of sd; the chains have mixed."""
    for method, expected in (("mean", mean), ("sd", sd)):
        found = draws.mean() if method == "mean" else draws.std()
        assert abs(found - expected) < 4.5 * float(array_stats.mcse(draws, method=method))
    assert float(array_stats.rhat(draws)) < 1.01


@pytest.mark.parametrize("sampler", ["nutpie", "gibbs"])
@pytest.mark.parametrize("family", ["E", "V", *KNOWN])
def test_random_scale_is_quadrature_s(family, sampler):
    """By allocations that are known the posterior of psi is in closed form, but for a constant.

    A gamma of shape 0.3 as by default for two columns. Spherical families see the sum of psi
    alone, whose parts may be as small as they like: 10^-8 and less, on either side.
    """
    d = len(family) // 3 + 1
    x, labels = far_apart(d)
    prior = Prior(x.mean(0), None, 6.0, Gamma(0.3, [0.02, 0.08][:d]), mean_strength=STRENGTH)
    axes = [np.linspace(-60.0, 12.0, 1441)] * d
    log_psi = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    density = log_marginal(np.exp(log_psi), x, labels, get_family(family, d), prior)
    density += np.sum(0.3 * log_psi - prior.scale.rate * np.exp(log_psi), axis=-1)
    means, deviations = moments(density, axes)
    fit = bayesgmm.fit(x, 3, family, start=labels)
    posterior = refined(x, fit, prior=prior, sampler=sampler, random_seed=1)
    draws = np.log(posterior.tree["posterior"]["scale"].to_numpy())
    for j in range(d):
        agree(draws[..., j], means[j], deviations[j])
    named = {f"scale[{name}]" for name in fit.names}
    assert named < set(posterior.diagnostics.table.index)


@pytest.mark.parametrize("sampler", ["nutpie", "gibbs"])
@pytest.mark.parametrize("gamma", [Gamma(0.3, 0.5), Gamma(1.0, 20.0), Gamma(10.0, 40.0)])
def test_random_concentration_is_quadrature_s(gamma, sampler):
    """By allocations that are known: a gamma times Dirichlet-multinomial probabilities."""
    x, labels = far_apart(2)
    prior = Prior(x.mean(0), None, 6.0, [1.0, 4.0], gamma, mean_strength=STRENGTH)
    log_a = np.linspace(-40.0, 8.0, 20_001)
    a, counts = np.exp(log_a), np.bincount(labels)
    density = gamma.shape * log_a - gamma.rate * a + gammaln(3 * a) - gammaln(3 * a + len(x))
    density += np.sum(gammaln(a[:, None] + counts) - gammaln(a)[:, None], axis=1)
    [mean], [sd] = moments(density, [log_a])
    fit = bayesgmm.fit(x, 3, "VVV", start=labels)
    posterior = refined(x, fit, prior=prior, sampler=sampler, random_seed=1)
    draws = np.log(posterior.tree["posterior"]["concentration"].to_numpy())
    agree(draws, mean, sd)
    assert "concentration" in posterior.diagnostics.table.index


def test_sum_and_shares(rng):
    """There and back, sums as they are, and a Jacobian of d times that of the logarithms."""
    values = rng.gamma(0.3, size=(20, 3))
    transform = SumAndShares()
    free = transform.forward(values)
    np.testing.assert_allclose(transform.backward(free), values, rtol=1e-12)
    np.testing.assert_allclose(np.exp(free[:, 0]), values.sum(axis=1))
    shares = values / values.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(free[:, 1:], LogRatios().forward(shares))
    h = 1e-5
    columns = [
        np.log(transform.backward(free + h * e) / transform.backward(free - h * e)) / (2 * h)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(np.linalg.det(np.stack(columns, axis=-1)), 3.0, rtol=1e-8)
