"""What the evidence integrates: draws as points and back, its density, orders of the components."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bayesgmm.families import FAMILIES, get_family
from bayesgmm.families.hyperparameters import Gamma
from bayesgmm.mixture.draws import Draws
from bayesgmm.posterior.evidence.marginal_prior import log_correction
from bayesgmm.posterior.evidence.region import Matching, best_region
from bayesgmm.posterior.evidence.target import Target
from tests.density_cases import KNOWN, case, log_likelihood, log_prior


def target_of(name, d, k=3, **hyper):
    """The target of a case's data, about draws near its parameters, and these draws."""
    c = case(np.random.default_rng(0), name, d, k)
    noise = np.random.default_rng(1).standard_normal((20, len(c.u)))
    draws = drawn(c, c.u + 0.05 * c.size * noise)
    region = best_region(draws, c.family, c.data.center, c.data.names)
    prior = replace(c.prior, **hyper)
    return c, draws, Target.about(draws, c.data, c.family, prior, region)


def drawn(c, points):
    values = c.posterior.space.values(points)
    sigma = c.form.covariances(values, c.prior.inverse_wishart)
    if c.family.diagonal:
        sigma = np.diagonal(sigma, axis1=2, axis2=3)
    return Draws(values["pi"], values["mu"], sigma)


EVERY = [("E", 1), ("V", 1), *((name, d) for name in FAMILIES for d in (2, 3))]


@pytest.mark.parametrize(("name", "d"), EVERY)
def test_there_and_back(name, d):
    """As many coordinates as parameters; draws come back, of shaped families too."""
    c, draws, target = target_of(name, d)
    points = target.points(draws)
    assert points.shape == (20, c.family.n_parameters(3, d)) == (20, target.size)
    back = target.mixtures(points)
    np.testing.assert_allclose(back.weights, draws.weights, rtol=1e-9)
    np.testing.assert_allclose(back.means, draws.means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(back.covariances, draws.covariances, rtol=1e-7, atol=1e-8)
    assert back.covariances.shape == draws.covariances.shape


def test_blocks_change_nothing(monkeypatch):
    """Draws by one or two at a time: the same bits."""
    _, draws, target = target_of("VVI", 3)
    points = target.points(draws)
    whole = target.mixtures(points)
    monkeypatch.setattr("bayesgmm.posterior.evidence.target._NUMBERS", 60)
    np.testing.assert_array_equal(target.points(draws), points)
    np.testing.assert_array_equal(target.mixtures(points).covariances, whole.covariances)


@pytest.mark.parametrize("name", ["E", "V", "VVI", "EEE", "VVV"])
def test_far_out_is_still_a_mixture(name):
    """No proportion rounds to 0, and what is no density is -inf."""
    _, draws, target = target_of(name, 1 if len(name) == 1 else 2)
    far = target.points(draws)[:1] + 1500 * np.eye(target.size)
    with np.errstate(over="ignore", under="ignore"):
        assert target.mixtures(far).weights.min() > 0
    values = target.log_joint(far)
    assert not np.isnan(values).any()
    assert values.max() < target.log_joint(target.points(draws)).min()


@pytest.mark.parametrize("name", KNOWN)
def test_density_is_scipy_s(name):
    """Likelihood, prior with its constant, and Jacobian: to 1e-6, of differences in the latter."""
    c, draws, target = target_of(name, 1 if len(name) == 1 else 2)
    points = target.points(draws)[:5]
    expected = [log_likelihood(c, u) + log_prior(c, u) for u in points]
    np.testing.assert_allclose(target.log_joint(points), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["V", "EII", "VVI", "VVV"])
def test_random_hyperparameters_add_what_they_change(name):
    """The prior with them integrated out over that with them at their means."""
    d = 1 if len(name) == 1 else 2
    hyper = {"scale": Gamma(3.0, np.arange(1.0, d + 1)), "concentration": Gamma(4.0, 2.0)}
    c, draws, target = target_of(name, d, **hyper)
    given = replace(c.prior, concentration=2.0, scale=np.diag(hyper["scale"].mean))
    plain = Target.about(draws, c.data, c.family, given, target.region)
    points = target.points(draws)
    np.testing.assert_allclose(
        target.log_joint(points) - plain.log_joint(points),
        log_correction(target.prior, c.family, draws),
        rtol=1e-7, atol=1e-9,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "d"), [("E", 1), ("VII", 3), ("EEI", 2), ("EEE", 3), ("VVV", 2)])
def test_exactly_one_order_holds(name, d):
    """Of the K! permutations of a draw exactly one ascends, and it is the one applied."""
    _, draws, target = target_of(name, d)
    orders = [np.tile(p, (len(draws), 1)) for p in itertools.permutations(range(3))]
    held = [target.region.holds(draws.permuted(order)) for order in orders]
    np.testing.assert_array_equal(np.sum(held, axis=0), 1)
    assert target.region.holds(target.region.applied(draws)).all()


def components(rng, n, means, weights, variances):
    """Draws of three components about these values, little noise."""
    noise, more, most = 0.02 * rng.standard_normal((3, n, 3))
    weights = np.array(weights) * np.exp(more)
    return Draws(
        weights / weights.sum(axis=1, keepdims=True),
        (np.array(means) + noise)[:, :, None] * np.array([1.0, 0.0])
        + rng.standard_normal((n, 3, 2)) * np.array([0.0, 1.0]),
        np.array(variances)[:, None] * np.exp(most)[..., None] * np.ones(2),
    )


@pytest.mark.parametrize(
    ("means", "weights", "variances", "name"),
    [
        ([0, 5, 2], [1, 1, 1], [1, 1, 1], "ordered by the mean of a"),
        ([0, 0, 0], [1, 9, 3], [1, 1, 1], "ordered by proportion"),
        ([0, 0, 0], [1, 1, 1], [9, 1, 3], "ordered by volume"),
        ([0, 5, 0], [1, 1, 1], [1, 1, 9], "matched to the draws' average components"),
    ],
)
def test_the_order_is_by_what_separates(means, weights, variances, name):
    """One feature where one is enough, else all."""
    draws = components(np.random.default_rng(0), 400, means, weights, variances)
    region = best_region(draws, get_family("VVI", 2), np.zeros(2), ["a", "b"])
    assert region.name == name
    assert region.cut(draws) == 0


def test_cut_is_the_share_on_the_other_side():
    """Draws whose labels were exchanged are counted."""
    draws = components(np.random.default_rng(0), 400, [0, 5, 2], [1, 1, 1], [1, 1, 1])
    region = best_region(draws, get_family("VVI", 2), np.zeros(2), ["a", "b"])
    order = np.tile([0, 1, 2], (400, 1))
    order[:40] = [1, 0, 2]
    assert region.cut(draws.permuted(order)) == pytest.approx(0.1)
    np.testing.assert_array_equal(
        region.applied(draws.permuted(order)).means, region.applied(draws).means
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("k", [2, 4])
def test_matching_has_most_density_of_all_orders(seed, k):
    """SciPy's normal densities, every permutation in turn."""
    rng = np.random.default_rng(seed)
    base, spread = rng.standard_normal((k, 2)), 0.8
    draws = Draws(
        rng.dirichlet(np.full(k, 5), 200),
        base + spread * rng.standard_normal((200, k, 2)),
        np.exp(rng.standard_normal((200, k, 2))),
    )
    matching = Matching.of(draws, np.zeros(2))
    log_volumes = 0.5 * np.log(draws.covariances).sum(axis=2)
    features = np.concatenate(
        [draws.means, np.log(draws.weights)[..., None], log_volumes[..., None]], axis=2
    )
    covariances = [np.linalg.inv(w @ w.T) for w in matching.whitening]
    logs = np.array([
        [multivariate_normal(m, c).logpdf(features[:, j]) for j in range(k)]
        for m, c in zip(matching.means, covariances, strict=True)
    ])  # fmt: skip
    orders = np.array(list(itertools.permutations(range(k))))
    totals = np.array([logs[np.arange(k), order].sum(axis=0) for order in orders])
    np.testing.assert_array_equal(matching.permutations(draws), orders[np.argmax(totals, axis=0)])


def test_matching_settles_labels():
    """Draws in orders of their own: the components are found again."""
    draws = components(np.random.default_rng(0), 400, [0, 5, 0], [1, 1, 1], [1, 1, 9])
    orders = np.argsort(np.random.default_rng(1).random((400, 3)), axis=1)
    matching = Matching.of(draws.permuted(orders), np.zeros(2))
    found = matching.applied(draws.permuted(orders))
    same = matching.applied(draws)
    np.testing.assert_array_equal(found.means, same.means)
    assert matching.cut(draws) == 0
