"""Free coordinates of draws: there and back, the Jacobian, and orders of the components."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bayesgmm.families import get_family
from bayesgmm.mixture.draws import Draws
from bayesgmm.posterior.evidence.coordinates import Coordinates
from bayesgmm.posterior.evidence.region import Matching, best_region

CASES = [
    ("E", 1), ("V", 1), ("EII", 2), ("VII", 3), ("EEI", 2), ("VVI", 3), ("EEE", 3), ("VVV", 2),
]  # fmt: skip


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def coordinates(request):
    name, d = request.param
    return Coordinates(get_family(name, d), 3, 10.0 + np.arange(d))


def free_elements(coordinates, free):
    """What `Prior.log_density` is a density of, (P,)."""
    draws = coordinates.draws(free[None])
    family, d = coordinates.family, coordinates.d
    distinct = draws.covariances[0, : 1 if family.common else None]
    if family.spherical:
        distinct = distinct.reshape(len(distinct), -1)[:, 0]
    elif not family.diagonal:
        distinct = distinct[..., *np.tril_indices(d)]
    return np.concatenate([draws.weights[0, :-1], draws.means.ravel(), distinct.ravel()])


def test_there_and_back(coordinates):
    """Any real vector is a mixture of the family, and comes back."""
    free = np.random.default_rng(0).normal(size=(20, coordinates.size))
    draws = coordinates.draws(free)
    np.testing.assert_allclose(coordinates.of(draws), free, atol=1e-11)
    np.testing.assert_allclose(draws.weights.sum(axis=1), 1)
    full = draws.covariances.ndim == 4
    assert full != coordinates.family.diagonal
    assert np.all(np.linalg.eigvalsh(draws.covariances) > 0 if full else draws.covariances > 0)


def test_far_out_is_still_a_mixture(coordinates):
    """No proportion rounds to 0."""
    draws = coordinates.draws(
        np.full((1, coordinates.size), 300.0) * np.eye(coordinates.size)[0] * 5
    )
    assert draws.weights.min() > 0


def test_jacobian_is_that_of_differences(coordinates):
    """Log determinant of the derivatives of the free elements."""
    rng, h = np.random.default_rng(1), 1e-5
    for _ in range(3):
        free = rng.normal(size=coordinates.size)
        steps = h * np.eye(coordinates.size)
        matrix = [
            (free_elements(coordinates, free + e) - free_elements(coordinates, free - e)) / (2 * h)
            for e in steps
        ]
        expected = np.linalg.slogdet(np.array(matrix))[1]
        draws = coordinates.draws(free[None])
        assert coordinates.log_jacobian(draws)[0] == pytest.approx(expected, abs=1e-7)


def test_exactly_one_order_holds(coordinates):
    """Of the K! permutations of a draw exactly one ascends, and it is the one applied."""
    free = np.random.default_rng(2).normal(size=(10, coordinates.size))
    draws = coordinates.draws(free)
    names = [f"x{j}" for j in range(coordinates.d)]
    region = best_region(draws, coordinates.family, coordinates.center, names)
    held = [
        region.holds(draws.permuted(np.tile(p, (10, 1)))) for p in itertools.permutations(range(3))
    ]
    np.testing.assert_array_equal(np.sum(held, axis=0), 1)
    assert region.holds(region.applied(draws)).all()


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
