"""PyMC's model of families with volumes, shapes and axes: random scales, prior draws, SMC."""

from __future__ import annotations

import warnings

import numpy as np
import pymc as pm
import pytest

import bayesgmm
from bayesgmm import Prior
from tests.density_cases import case


@pytest.fixture(scope="module")
def x():
    return np.asarray(bayesgmm.datasets.load_faithful(), dtype=float)[::6]


@pytest.mark.parametrize("name", ["VEE", pytest.param("EVV", marks=pytest.mark.slow), "VEI"])
def test_a_random_scale_has_our_density(name):
    """Up to a constant, at three points, of which the scale differs."""
    rng = np.random.default_rng(3)
    c = case(rng, name, 2, 2, "random scale")
    logp = bayesgmm.build_model(c.x, c.fit, c.prior).compile_logp()
    found = []
    for _ in range(3):
        u, at, point = c.u + 0.3 * rng.standard_normal(len(c.u)), 0, {}
        names = list(bayesgmm.build_model(c.x, c.fit, c.prior).initial_point())
        for piece in c.posterior.space.pieces:
            free = u[at : at + piece.size].reshape(piece.free_shape)
            at += piece.size
            [own] = [n for n in names if n == piece.name or n.startswith(f"{piece.name}_")]
            point[own] = free + (c.data.center if piece.name == "mu" else 0.0)
        found.append(float(logp(point)) - c.posterior(u)[0])
    np.testing.assert_allclose(found, found[0], rtol=1e-8)


def functionals(sigma):
    """Of draws (S, 2, 2, 2): volumes, variances, correlations, those of two components."""
    logs = np.linalg.slogdet(sigma)[1]
    rho = sigma[:, :, 0, 1] / np.sqrt(sigma[:, :, 0, 0] * sigma[:, :, 1, 1])
    values = [logs[:, 0], logs.prod(axis=1), np.log(sigma[:, 0, 0, 0]), np.log(sigma[:, 0, 1, 1])]
    return np.stack([*values, rho[:, 0] ** 2, rho.prod(axis=1)])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VEE", "EVV", "VEV"])
@pytest.mark.parametrize("random", [False, True])
def test_prior_draws_are_those_of_the_prior(x, name, random):
    """Within 4.5 errors of `Prior.sample`'s."""
    prior = Prior.from_data(x, random_scale=random)
    fit = bayesgmm.fit(x, 2, name, prior=prior, random_seed=1)
    with bayesgmm.build_model(x, fit, Sigma=True):
        tree = pm.sample_prior_predictive(
            draws=1000, var_names=["Sigma"], random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"}
        )
    ours = prior.sample(2, name, draws=10_000, random_seed=2).covariances
    a, b = functionals(tree["prior"]["Sigma"].to_numpy()[0]), functionals(ours)
    error = np.hypot(a.std(axis=1) / a.shape[1] ** 0.5, b.std(axis=1) / b.shape[1] ** 0.5)
    assert np.all(np.abs(a.mean(axis=1) - b.mean(axis=1)) < 4.5 * error)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VEE", "EVE", "EEV", "VVE", "EVV", "VEV", "EVI", "VEI"])
def test_smc_s_evidence_is_the_bridge_s(x, name):
    """46 rows: within 4 errors, by the chains' spread, of which 0.13 is measured (decision 20)."""
    prior = Prior.from_data(x)
    fit = bayesgmm.fit(x, 2, name, prior=prior, random_seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
        smc, gibbs = (
            bayesgmm.refine(x, fit, sampler=s, random_seed=1, progressbar=False, **more)
            for s, more in (("smc", {"draws": 400, "chains": 4}), ("gibbs", {}))
        )
    found = smc.tree["sample_stats"]["log_marginal_likelihood"].to_numpy()
    bridge = gibbs.log_evidence("bridge", random_seed=1)
    error = np.hypot(max(found.std(ddof=1), 0.13) / 2, bridge.error)
    print(name, np.round(found - bridge.value, 3), bridge.error)
    assert abs(found.mean() - bridge.value) < 4 * error
