"""Axes that few rows determine: NUTS beside quadrature, and chains that agree."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import digamma

import bayesgmm
from bayesgmm.mixture.prior import Prior
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.sampling.test_direct import refined

STRENGTH = 0.01


def two_groups(seed, n=30):
    """Two nearly round components in two columns, too far apart to share a row."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n)
    rows = rng.standard_normal((2 * n, 2)) * [1.15, 0.9]
    rows[labels == 1] = rows[labels == 1][:, ::-1] + 40.0
    return rows, labels


def means_under_eev(x, labels, prior):
    """E log volume, E z^2 and E of the correlations' product, by the trapezoidal rule.

    Allocations are known, so that the posterior is the prior of components with scales
    Psi + W_k and dof + n_k; a = (e^z, e^-z), and the volume is inverse gamma given z and angles.
    """
    scales, weight = [], 0.0
    for k in (0, 1):
        rows = x[labels == k]
        n, shift = len(rows), rows.mean(axis=0) - prior.mean
        about = rows - rows.mean(axis=0)
        shrunk = STRENGTH * n / (STRENGTH + n) * np.outer(shift, shift)
        scales.append(prior.scale + about.T @ about + shrunk)
        weight += prior.dof + 3 + n
    z = np.linspace(-1.2, 1.2, 161)[:, None, None]
    angle = np.arange(120) * np.pi / 120
    angles = angle[:, None], angle[None, :]
    half = 0.0
    for psi, t in zip(scales, angles, strict=True):
        c, s = np.cos(t), np.sin(t)
        along = c * c * psi[0, 0] + 2 * c * s * psi[0, 1] + s * s * psi[1, 1]
        across = s * s * psi[0, 0] - 2 * c * s * psi[0, 1] + c * c * psi[1, 1]
        half = half + 0.5 * (along * np.exp(-z) + across * np.exp(z))
    p = np.exp(-(weight - 1) * (np.log(half) - np.log(half.min())))
    p /= p.sum()
    product = 1.0
    for t in angles:
        c, s = np.cos(t), np.sin(t)
        a, b = np.exp(z), np.exp(-z)
        product = (
            product * (a - b) * c * s / np.sqrt((a * c * c + b * s * s) * (a * s * s + b * c * c))
        )
    return {
        "log volume": np.sum(p * np.log(half)) - digamma(weight - 1),
        "square of z": np.sum(p * z**2),
        "product of correlations": np.sum(p * product),
    }


@pytest.mark.parametrize("seed", range(4))
def test_axes_of_nearly_round_components(seed):
    """EEV in two columns, 60 rows: means within 4.5 Monte Carlo errors, and chains that agree.

    With half a turn at infinity (Cayley's coordinates) r-hat was 1.06 and 46 draws effective.
    """
    x, labels = two_groups(seed)
    prior = Prior(x.mean(axis=0), None, 6.0, [0.5, 0.5], mean_strength=STRENGTH)
    fit = bayesgmm.fit(x, 2, "EEV", start=labels)
    posterior = refined(x, fit, prior=prior, random_seed=seed)
    draws = posterior.tree["posterior"]
    shape, sigma = draws["shape"].to_numpy(), draws["Sigma"].to_numpy()
    correlations = sigma[..., 0, 1] / np.sqrt(sigma[..., 0, 0] * sigma[..., 1, 1])
    found = {
        "log volume": np.log(draws["volume"].to_numpy()),
        "square of z": (0.5 * np.log(shape[..., 0] / shape[..., 1])) ** 2,
        "product of correlations": correlations.prod(axis=-1),
    }
    for name, expected in means_under_eev(x, labels, prior).items():
        error = float(array_stats.mcse(found[name], method="mean"))
        assert abs(found[name].mean() - expected) < 4.5 * error, name
    assert posterior.diagnostics.ess_bulk > 400
    assert max(q.rhat for q in posterior.diagnostics.quantities) < 1.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VEE", "EVE", "VVE", "EEV", "VEV", "EVV"])
@pytest.mark.parametrize("d", [2, 3])
def test_few_rows_in_every_family(name, d):
    """60 rows of round components that touch, six samples: chains agree in five at least.

    By Cayley's coordinates in two to four of the six.
    """
    good = 0
    for seed in range(6):
        rng = np.random.default_rng([seed, d])
        labels = rng.integers(2, size=60)
        x = rng.standard_normal((60, d)) * [1.15, 1.0, 0.9][:d] + 4.0 * labels[:, None]
        fit = bayesgmm.fit(x, 2, name, start=labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceAdvice)
            found = refined(x, fit, random_seed=seed).diagnostics
        rhat = max(q.rhat for q in found.quantities)
        good += rhat < 1.01 and min(found.ess_bulk, found.ess_tail) > 400
    assert good >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VEE", "EVE", "VVE", "EEV", "VEV", "EVV"])
def test_four_columns(name):
    """80 rows of two components with axes of their own: the default reaches its target.

    Of rotations of four columns NUTS has Cayley's coordinates alone.
    """
    for seed in (0, 1):
        rng = np.random.default_rng([seed, 4])
        axes = np.linalg.qr(rng.standard_normal((2, 4, 4)))[0] * [1.5, 1.0, 0.7, 0.4]
        labels = rng.integers(2, size=80)
        x = np.einsum("nij,nj->ni", axes[labels], rng.standard_normal((80, 4)))
        x[:, :2] += 4.0 * labels[:, None]
        fit = bayesgmm.fit(x, 2, name, random_seed=0)
        found = bayesgmm.refine(x, fit, random_seed=seed, progressbar=False).diagnostics
        assert found.problems == []
        assert all(q.rhat < 1.01 and q.ess >= 400 for q in found.quantities)
