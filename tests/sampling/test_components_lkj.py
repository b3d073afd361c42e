"""K unknown under LKJ priors: draws of empty components, Geweke's test, evidences, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.stats import ks_2samp

import bayesgmm
from bayesgmm import LKJ, Gamma, Prior, PriorOnK
from bayesgmm.families import get_family
from bayesgmm.families.parametrisation.parametrisation import parametrisation
from bayesgmm.mixture.mixture_of_mixtures import MixtureOfMixtures
from bayesgmm.sampling.compiled import telescoping as engine
from bayesgmm.sampling.compiled.gibbs_lkj import floors
from bayesgmm.sampling.compiled.lkj_draws import check_widths, draw_lkj_prior
from bayesgmm.sampling.problem import PosteriorProblem
from tests.sampling.test_components import (
    assert_ratio_is_that_of,
    new_rows,
    refined,
    sampled,
)

KINDS = {
    "half-t": lambda each: LKJ(2.0, widths=each, nu=4.0),
    "inverse gamma": lambda each: LKJ(0.7, shape=2.5, scale=each),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["VVV", "VVI"])
def test_draws_of_empty_components(name, kind):
    """Deviations and correlations against those of `Prior.sample`, which SciPy's laws are."""
    lkj = KINDS[kind](np.array([0.5, 1.0, 30.0]))
    prior = Prior(np.zeros(3), np.eye(3), lkj=lkj)
    form = parametrisation(get_family(name, 3), 2, 3, lkj=lkj)
    packed = np.concatenate([form.packed(lkj), floors(np.array([0.5, 1.0, 30.0]))])
    rng, drawn = np.random.default_rng(3), np.empty((4000, 3 if name == "VVV" else 1, 3))
    for covariance in drawn:
        draw_lkj_prior(rng, packed, covariance)
    theirs = prior.sample(1, name, draws=20_000, random_seed=4).covariances[:, 0]
    if name == "VVI":
        pairs = list(zip(drawn[:, 0].T, theirs.T, strict=True))
    else:
        pairs = [(drawn[:, i, i], theirs[:, i, i]) for i in range(3)]
        pairs += [
            tuple(s[:, i, j] / np.sqrt(s[:, i, i] * s[:, j, j]) for s in (drawn, theirs))
            for i, j in ((1, 0), (2, 0), (2, 1))
        ]
    for ours, other in pairs:
        assert ks_2samp(ours, other).pvalue > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [("VVV", "half-t"), ("VVV", "inverse gamma"), ("VVI", "half-t"), ("EEE", "inverse gamma")],
)
def test_without_data_the_prior_comes_back(name, kind):
    """Geweke's joint test (2004, JASA 99, 799-804): K, K+, alpha, and a deviation of the first."""
    rng = np.random.default_rng([len(name), list(KINDS).index(kind)])
    x = rng.standard_normal((4, 2))
    prior = Prior([0.0, 1.0], [4.0, 2.0], lkj=KINDS[kind](np.array([1.0, 1.5])))
    fit = bayesgmm.fit(x, 1, name, prior=prior)
    model = MixtureOfMixtures(prior, PriorOnK.geometric(0.4, 4), Gamma(3.0, 2.0), dynamic=True)
    problem = PosteriorProblem.of(x, fit, prior)
    of_k = engine.prior_of_components(model, problem.family)
    chain = engine._Chain.at(engine._state_at_mode(problem)(), of_k, 1.5, thin=1)
    rows, kept = problem.data.values, []
    for _ in range(20_000):
        rows[:] = new_rows(chain, problem.data.center, rng)
        chain.step(rng)
        draw = chain.value()
        s = draw.mixture.covariances
        rho = s[:, 0, 1] / np.sqrt(s[:, 0, 0] * s[:, 1, 1]) if name[2] != "I" else np.zeros(1)
        kept.append((
            len(draw.mixture.weights), draw.filled, draw.alpha, np.log(s[0, 0, 0]), rho[0] ** 2
        ))  # fmt: skip
    found = np.array(kept).T.reshape(5, 4, -1)
    expected = {f"K = {k}": (found[0] == k, p) for k, p in enumerate(model.on_k.probabilities, 1)}
    expected |= {f"K+ = {k}": (found[1] == k, p) for k, p in enumerate(model.on_filled(4), 1)}
    sigma = prior.sample(1, name, 100_000, rng).covariances[:, 0]
    logs = np.log(sigma.reshape(len(sigma), -1)[:, 0])
    expected |= {
        "alpha": (found[2], 1.5), "log Sigma": (found[3], logs.mean()),
        "square of log Sigma": (found[3] ** 2, np.mean(logs**2)),
    }  # fmt: skip
    if name[2] != "I":
        squares = sigma[:, 0, 1] ** 2 / (sigma[:, 0, 0] * sigma[:, 1, 1])
        expected["square of rho"] = (found[4], squares.mean())
    for label, (draws, mean) in expected.items():
        error = array_stats.mcse(draws.astype(float), method="mean")
        assert abs(draws.mean() - mean) < 4.5 * error + 0.005 * abs(mean), label


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["half-t", "inverse gamma"])
def test_ratios_of_k_are_those_of_evidences(kind):
    """55 rows of Old Faithful, spread over their rounding: K = 3 over 2 beside bridge sampling."""
    x = np.asarray(bayesgmm.datasets.load_faithful(), dtype=float)[::5]
    x = x + np.random.default_rng(0).uniform(-0.5, 0.5, x.shape) * [1e-3, 1.0]
    prior = Prior.lkj_from_data(x, eta=2.0, **({"shape": 2.5} if kind != "half-t" else {}))
    fits = {k: bayesgmm.fit(x, k, "VVV", prior=prior, random_seed=1) for k in (2, 3)}
    posterior = sampled(
        x, fits[2], prior=prior, prior_on_k=PriorOnK.uniform(4), dynamic=False, concentration=1.0,
        draws=1000, thin=20,
    )  # fmt: skip
    given = {k: refined(x, fit, prior=posterior.prior_given(k), thin=20) for k, fit in fits.items()}
    evidence = {k: p.log_evidence(random_seed=1) for k, p in given.items()}
    assert_ratio_is_that_of(evidence, posterior.table, 3, most=0.5)


def test_given_k_it_has_the_variables_of_its_prior():
    """Of few draws: deviations and partial correlations, and lp as `refine` has it."""
    x = np.asarray(bayesgmm.datasets.load_faithful(), dtype=float)[::8]
    prior = Prior.lkj_from_data(x, shape=2.5)
    fit = bayesgmm.fit(x, 2, "VVV", prior=prior, random_seed=1)
    posterior = sampled(
        x, fit, prior=prior, prior_on_k=PriorOnK.fixed(2), draws=50, tune=10, thin=2
    )
    given = posterior.given(2)
    other = refined(x, given.fit, prior=given.prior, draws=50, tune=10)
    assert set(given.tree["posterior"].data_vars) == set(other.tree["posterior"].data_vars)
    lp = [p.tree["sample_stats"]["lp"].to_numpy() for p in (given, other)]
    assert abs(lp[0].mean() - lp[1].mean()) < lp[1].std()


@pytest.mark.slow
def test_equal_values_under_half_t_deviations():
    """55 rows of Old Faithful, waiting in whole minutes: chains end at the floor (decision 49)."""
    x = np.asarray(bayesgmm.datasets.load_faithful(), dtype=float)[::5]
    prior = Prior.lkj_from_data(x)
    fit = bayesgmm.fit(x, 2, "VVV", prior=prior, random_seed=1)
    with pytest.raises(ValueError, match="of two rows or more is as narrow as double precision"):
        sampled(
            x, fit, prior=prior, prior_on_k=PriorOnK.uniform(4), dynamic=False, concentration=1.0,
            draws=150, tune=100, thin=10,
        )  # fmt: skip


def test_what_it_refuses():
    """Narrow components, but those of a single row, and a prior too small for double precision."""
    narrow = np.array([np.diag([1.0, 1e-7]), np.eye(2)])
    check_widths([(np.array([1.0, 7.0]), narrow)], np.ones(2))
    with pytest.raises(ValueError, match="in 50.0% of the draws a component of two rows or more"):
        check_widths([(np.array([c, 7.0]), narrow) for c in (1.0, 2.0)], np.ones(2))
    with pytest.raises(ValueError, match="in 100.0% of the draws"):  # diagonal families
        check_widths([(np.array([3.0]), np.array([[[1.0, 1e-7]]]))], np.ones(2))
    x = np.random.default_rng(5).standard_normal((40, 2))
    small = Prior(x.mean(axis=0), x.var(axis=0), lkj=LKJ(widths=[1e-4, 1e-4], nu=5.0))
    with pytest.raises(ValueError, match="of the LKJ prior are covariances too small"):
        sampled(x, bayesgmm.fit(x, 1, "VVV"), prior=small)
