"""The default sampler: the same draws as NUTS where these are enough, else on until they are."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import gammaln

import bayesgmm
from bayesgmm.mixture.prior import Prior
from bayesgmm.posterior.posterior import Posterior
from bayesgmm.utils.errors import ConvergenceAdvice

QUIET = {"random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def three(x):
    """A component too many, nearly empty in part of the posterior: NUTS diverges."""
    return bayesgmm.refine(x, bayesgmm.fit(x, 3, "VVI", random_seed=1), **QUIET)


def test_enough_at_once_is_nuts(x):
    """Separated components: NUTS's own draws, bit by bit, and one step."""
    fit = bayesgmm.fit(x, 2, random_seed=1)
    ours = bayesgmm.refine(x, fit, **QUIET)
    nuts = bayesgmm.refine(x, fit, sampler="nutpie", **QUIET)
    np.testing.assert_array_equal(ours.tree["posterior"]["mu"], nuts.tree["posterior"]["mu"])
    assert [str(step) for step in ours.steps] == ["nutpie, 4 x 1000: target reached"]
    assert (ours.sampler, nuts.sampler, nuts.steps) == ("nutpie", "nutpie", ())


def test_the_target_is_reached(three):
    """After Gibbs sampling every quantity meets it, and the record says what NUTS lacked."""
    assert [step.sampler for step in three.steps][:2] == ["nutpie", "gibbs"]
    assert three.steps[0].missed and not three.steps[-1].missed
    assert all(q.rhat < 1.01 and q.ess >= 400 for q in three.diagnostics.quantities)
    assert three.diagnostics.problems == []
    assert three.sampler == "gibbs"
    assert "nutpie, 4 x 1000: not enough (" in repr(three)


def test_the_same_on_any_number_of_cores(x, three, tmp_path):
    """A seed gives the same runs and draws; a file keeps what was done."""
    one = bayesgmm.refine(x, three.fit, cores=1, **QUIET)
    assert one.steps == three.steps
    np.testing.assert_array_equal(one.tree["posterior"]["mu"], three.tree["posterior"]["mu"])
    three.save(tmp_path / "p.nc")
    assert Posterior.load(tmp_path / "p.nc").steps == three.steps


def test_no_longer_than_max_time(x, three):
    """The first run is made, and the warning says what would have come next."""
    with pytest.warns(
        ConvergenceAdvice, match=r"gibbs with thin = 10 would take .* max_time = 0 s"
    ):
        posterior = bayesgmm.refine(x, three.fit, max_time=0, **QUIET)
    assert [step.sampler for step in posterior.steps] == ["nutpie"]


def test_few_draws_are_left_alone(x, three):
    """200 draws cannot have 400 effective ones; an explicit target makes them more."""
    with pytest.warns(ConvergenceAdvice, match="so few draws cannot reach it: raise draws"):
        posterior = bayesgmm.refine(x, three.fit, draws=50, **QUIET)
    assert posterior.diagnostics.draws == 50 and len(posterior.steps) == 1
    fit = bayesgmm.fit(x, 2, random_seed=1)
    assert bayesgmm.refine(x, fit, draws=50, min_ess=600, **QUIET).diagnostics.draws == 300


def test_nuts_remains_where_gibbs_sampling_is_not_possible(x, three, monkeypatch):
    """Its draws, and the reason in the warning."""

    def refused(*_):
        raise ValueError("component 1 became too narrow")

    monkeypatch.setattr("bayesgmm.sampling.compiled.gibbs.gibbs", refused)
    with pytest.warns(ConvergenceAdvice, match="component 1 became too narrow"):
        posterior = bayesgmm.refine(x, three.fit, **QUIET)
    assert [step.sampler for step in posterior.steps] == [
        "nutpie"
    ] and posterior.sampler == "nutpie"


@pytest.mark.parametrize("name", ["min_ess", "max_time"])
def test_a_target_is_for_the_default_only(x, name):
    """A sampler that was named runs once."""
    with pytest.raises(ValueError, match=f"{name} is 5: only sampler='auto' has a target"):
        bayesgmm.refine(x, bayesgmm.fit(x, 2), sampler="gibbs", **{name: 5})


#: Three clumps of pairs of equal rows; two components can share the middle one in two ways.
PAIRS, CONJUGATE = (4, 3, 4), Prior([0.0], None, 4.0, [[0.02]], mean_strength=0.05)


def share_of_lower(values, copies, prior):
    """Exact probability that the middle clump is with the lower one, summing over allocations.

    Equal rows are alike, so that the sum is over their numbers in each component; given these the
    parameters are integrated out (normal-inverse-gamma, in one column).
    """
    numbers = np.stack(
        [g.ravel() for g in np.meshgrid(*[np.arange(m + 1) for m in copies], indexing="ij")], 1
    )
    ways = (gammaln(copies + 1) - gammaln(numbers + 1) - gammaln(copies - numbers + 1)).sum(axis=1)

    def log_marginal(counts):
        n, total, strength = counts.sum(axis=1), counts @ values, prior.mean_strength
        mean = total / np.maximum(n, 1)
        scale = prior.scale[0, 0] + counts @ values**2 - n * mean**2
        scale += strength * n / (strength + n) * (mean - prior.mean[0]) ** 2
        half = 0.5 * (prior.dof + n)
        return (
            gammaln(half) - half * np.log(scale) - 0.5 * np.log(strength + n)
            - 0.5 * n * np.log(np.pi) + gammaln(prior.concentration + n)
        )  # fmt: skip

    log_p = ways + log_marginal(numbers) + log_marginal(copies - numbers)
    p = np.exp(log_p - log_p.max())
    lower, middle, upper = numbers.reshape(-1, 3, 2).sum(axis=2).T
    half_of_lower, half_of_middle, half_of_upper = copies.reshape(3, 2).sum(axis=1) / 2
    apart = (lower > half_of_lower) != (upper > half_of_upper)
    together = (lower > half_of_lower) == (middle > half_of_middle)
    assert p[apart].sum() > 0.999 * p.sum()
    return p[apart & together].sum() / p[apart].sum()


@pytest.mark.parametrize("middle", [-0.03, -0.01, 0.02])
def test_modes_that_no_chain_leaves_are_weighed(middle):
    """Two modes of known weights: the draws are in each as often as they should be."""
    values = np.array([c + d for c in (-1.0, middle, 1.0) for d in (-0.05, 0.05)])
    copies = np.repeat(PAIRS, 2)
    x = np.repeat(values, copies)[:, None]
    fit = bayesgmm.fit(x, 2, "V", prior=CONJUGATE, start=(x[:, 0] > 0.5).astype(int))
    posterior = bayesgmm.refine(x, fit, n_modes=2, **QUIET)
    assert "chains in different modes" in posterior.steps[0].missed
    assert posterior.steps[-1].weighed.startswith("modes weighed ")
    assert not posterior.steps[-1].missed and posterior.diagnostics.problems == []
    assert posterior.diagnostics.chains == 4 and not posterior.chain_modes.differ
    draws = posterior.draws
    every, low = np.arange(len(draws)), np.argmin(draws.means[:, :, 0], axis=1)
    variances = draws.covariances.reshape(len(draws), 2)
    wider = variances[every, low] > variances[every, 1 - low]  # a component of two clumps
    # 4 standard errors of the log ratio, 0.01, and half a draw in a hundred
    exact = share_of_lower(values, copies, CONJUGATE)
    assert wider.mean() == pytest.approx(exact, abs=4 * 0.01 * exact * (1 - exact) + 0.005)


@pytest.mark.slow
def test_few_draws_with_a_nearly_empty_component_are_not_enough():
    """NUTS has 0.5 % of them and no other complaint, three long Gibbs runs 4.2 to 5.8 %."""
    x = bayesgmm.datasets.load_iris(features_only=True).iloc[:, :3]
    fit = bayesgmm.fit(x, 3, "VEV", random_seed=1)
    with pytest.warns(ConvergenceAdvice, match="a component of fewer than two rows: this sampler"):
        bayesgmm.refine(x, fit, sampler="nutpie", **QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)  # max_time on a slow machine
        posterior = bayesgmm.refine(x, fit, **QUIET)
    assert "nearly empty component" in posterior.steps[0].missed
    assert posterior.sampler == "gibbs"
    share = np.mean(posterior.draws.weights.min(axis=1) < 0.01)
    assert 0.02 < share < 0.10  # 0.05, of some hundred effective draws at least


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_components_on_top_of_each_other(seed):
    """Decision 17's case: three round components of 2000 rows, 1.5 standard deviations apart.

    The proportions in order have the means of an independent run of Gibbs sampling.
    """
    rng = np.random.default_rng(seed)
    corners = 1.5 * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    x = corners[rng.integers(3, size=2000)] + rng.standard_normal((2000, 2))
    fit = bayesgmm.fit(x, 3, "VVV", prior=Prior.from_data(x), random_seed=0)
    posterior = bayesgmm.refine(x, fit, **QUIET)
    assert posterior.diagnostics.problems == []
    assert all(q.rhat < 1.01 and q.ess >= 400 for q in posterior.diagnostics.quantities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        gibbs = bayesgmm.refine(x, fit, sampler="gibbs", thin=300, random_seed=2, progressbar=False)
    both = [np.sort(p.draws.weights, axis=1) for p in (posterior, gibbs)]
    # 200 effective draws of each at least
    error = np.sqrt(sum(w.var(axis=0) for w in both) / 200)
    assert np.all(np.abs(both[0].mean(axis=0) - both[1].mean(axis=0)) < 4 * error)
