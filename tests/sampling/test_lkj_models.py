"""LKJ priors in models: our density and PyMC's, its draws of the prior, a model written by hand."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats

import bayesgmm
from bayesgmm import Prior
from tests.density_cases import LKJ_KINDS, case, differences
from tests.sampling.test_direct import refined

FAMILIES = [("V", 1), ("E", 1), *((f, 3) for f in ("VVV", "EEE", "VVI", "EEI"))]


@pytest.mark.parametrize(("name", "d"), FAMILIES)
@pytest.mark.parametrize("kind", LKJ_KINDS)
def test_the_density_is_pymc_s(name, d, kind):
    """At random points, with the constant; its gradient is that of differences."""
    c = case(np.random.default_rng([d, len(name), LKJ_KINDS.index(kind)]), name, d, 2, kind)
    value, gradient = c.posterior(c.u)
    expected = differences(c.posterior, c.u)
    np.testing.assert_allclose(gradient, expected, atol=1e-6 * np.abs(expected).max())
    model = bayesgmm.build_model(c.x, c.fit, c.prior)
    at, point, names = 0, {}, list(model.initial_point())
    for piece in c.posterior.space.pieces:
        free = c.u[at : at + piece.size].reshape(piece.free_shape)
        at += piece.size
        [own] = [n for n in names if n == piece.name or n.startswith(f"{piece.name}_")]
        point[own] = free + (c.data.center if piece.name == "mu" else 0.0)
    assert float(model.compile_logp()(point)) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("kind", LKJ_KINDS)
def test_pymc_draws_the_prior(kind):
    """Logarithms of deviations and correlations of `Prior.sample`'s, within 4.5 errors."""
    c = case(np.random.default_rng(5), "VVV", 2, 2, kind)
    with bayesgmm.build_model(c.x, c.fit, c.prior, Sigma=True, likelihood=False):
        tree = pm.sample_prior_predictive(draws=4000, random_seed=1)
    theirs = tree["prior"]["Sigma"].to_numpy()[0]
    ours = c.prior.sample(2, "VVV", draws=20_000, random_seed=2).covariances
    a, b = (
        np.stack(
            [
                *np.log(s[:, 0, [0, 1], [0, 1]]).T,
                s[:, 0, 0, 1] ** 2 / (s[:, 0, 0, 0] * s[:, 0, 1, 1]),
            ]
        )
        for s in (theirs, ours)
    )
    error = np.hypot(a.std(axis=1) / len(theirs) ** 0.5, b.std(axis=1) / len(ours) ** 0.5)
    assert np.all(np.abs(a.mean(axis=1) - b.mean(axis=1)) < 4.5 * error)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PyTensor warns where there is no BLAS to link
def test_the_posterior_is_that_of_a_model_written_by_hand():
    """PyMC's own LKJCholeskyCov and Mixture, sampled by PyMC: within 4 Monte Carlo errors."""
    x = np.asarray(bayesgmm.datasets.load_faithful(), dtype=float)[::2]
    prior = Prior.lkj_from_data(x, eta=2.0, nu=4.0)
    fit = bayesgmm.fit(x, 2, prior=prior, random_seed=1)
    ours = refined(x, fit, prior=prior, sampler="nutpie")
    with pm.Model():
        w = pm.Dirichlet("w", np.ones(2))
        mu = pm.MvNormal("mu", prior.mean, prior.mean_covariance, shape=(2, 2))
        chols = [
            pm.LKJCholeskyCov(
                f"c{k}", n=2, eta=2.0, sd_dist=pm.HalfStudentT.dist(4.0, prior.lkj.sizes),
                compute_corr=False,
            )
            for k in range(2)
        ]  # fmt: skip
        factors = [pm.math.expand_packed_triangular(2, c) for c in chols]
        parts = [pm.MvNormal.dist(mu[k], chol=factors[k]) for k in range(2)]
        pm.Mixture("y", w, parts, observed=x)
        for k in range(2):
            pm.Deterministic(f"Sigma{k}", pt.dot(factors[k], factors[k].T))
        theirs = pm.sample(
            1000, tune=1000, chains=4, cores=1, random_seed=3, progressbar=False,
            nuts_sampler="pymc", initvals={"w": fit.weights, "mu": fit.means},
        )["posterior"]  # fmt: skip
    own = ours.tree["posterior"]
    pairs = [(own["pi"].to_numpy(), theirs["w"].to_numpy())]
    pairs.append((own["mu"].to_numpy(), theirs["mu"].to_numpy()))
    sigma = np.stack([theirs[f"Sigma{k}"].to_numpy() for k in range(2)], axis=2)
    pairs.append((own["Sigma"].to_numpy(), sigma))
    for a, b in pairs:
        a, b = (v.reshape(*v.shape[:2], -1) for v in (a, b))
        for i in range(a.shape[2]):
            errors = [float(array_stats.mcse(v[:, :, i], method="mean")) for v in (a, b)]
            assert abs(a[:, :, i].mean() - b[:, :, i].mean()) < 4 * np.hypot(*errors)
            assert a[:, :, i].std() == pytest.approx(b[:, :, i].std(), rel=0.15)
