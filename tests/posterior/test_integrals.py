"""Bridge, importance and Laplace on densities whose integral is known; errors that are errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from bayesgmm.posterior.evidence.integrals import Whitening, bridge, importance, laplace
from bayesgmm.posterior.evidence.proposal import Proposal

SHAPES = np.array([2.0, 5.0, 20.0])
LOG_INTEGRAL = gammaln(SHAPES).sum()


def log_gammas(q):
    """Density of independent log gammas without its constant: skewed, with a known integral."""
    return np.sum(SHAPES * q - np.exp(q), axis=1)


def draws_of_log_gammas(rng, chains, draws, stay=0.0):
    """Draws (chains, draws, 3) that repeat the last one with this probability."""
    q = np.log(rng.standard_gamma(SHAPES, (chains, draws, 3)))
    for t in range(1, draws):
        kept = rng.random(chains) < stay
        q[kept, t] = q[kept, t - 1]
    return q


def estimates(rng, chains=4, draws=500, stay=0.0):
    q = draws_of_log_gammas(rng, chains, draws, stay)
    early, late = np.array_split(q, 2, axis=1)
    proposal = Proposal.of(early.reshape(-1, 3), rng)
    y = proposal.sample(late.shape[0] * late.shape[1], rng)
    at_draws = log_gammas(late.reshape(-1, 3)) - proposal.log_density(late.reshape(-1, 3))
    at_proposals = log_gammas(y) - proposal.log_density(y)
    n = at_draws.size * (1 - stay) / (1 + stay)
    return bridge(at_draws.reshape(late.shape[:2]), at_proposals, n), importance(
        at_proposals, at_draws
    )


@pytest.mark.parametrize("seed", range(3))
def test_known_integral(seed):
    """Within four of their own errors, which are small."""
    for found in estimates(np.random.default_rng(seed)):
        assert found.error < 0.02
        assert abs(found.log_value - LOG_INTEGRAL) < 4 * found.error


@pytest.mark.parametrize("stay", [0.0, 0.8])
def test_errors_are_standard_errors(stay):
    """z-scores over seeds spread as they should, for autocorrelated draws too."""
    z = []
    for seed in range(40):
        found, _ = estimates(np.random.default_rng([seed, 7]), draws=200, stay=stay)
        z.append((found.log_value - LOG_INTEGRAL) / found.error)
    assert abs(np.mean(z)) < 0.6
    assert 0.6 < np.std(z) < 1.5


def test_exact_proposal_has_no_error():
    """A proposal equal to the density gives its integral at once."""
    constant = np.full(1000, 3.0)
    found = bridge(constant.reshape(4, 250), constant, 1000)
    assert found.log_value == pytest.approx(3.0, abs=1e-9)
    assert found.error == pytest.approx(0.0, abs=1e-9)


def test_proposals_outside_count():
    """Half of a normal density, and a proposal that knows nothing of the cut."""
    rng = np.random.default_rng(0)
    x, y = np.abs(rng.standard_normal((4, 1000))), rng.standard_normal(4000)
    inside = np.where(y > 0, 1e-6 * y, -np.inf)  # ArviZ refuses weights that are all the same
    for found in (bridge(np.zeros_like(x), inside, x.size), importance(inside, x[0] * 0)):
        assert abs(found.log_value - np.log(0.5)) < 4 * found.error
        assert found.error == pytest.approx(1 / np.sqrt(4000), rel=0.3)


def test_any_scale_and_offset():
    """Adding a constant to the log density adds it to the result, however large."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 500)), 1.5 * rng.standard_normal(2000)

    def ratio(q):
        return -0.5 * q**2 + q**2 / 4.5 + np.log(1.5)

    plain, shifted = (bridge(ratio(x) + c, ratio(y) + c, x.size) for c in (0.0, -1e5))
    assert shifted.log_value + 1e5 == pytest.approx(plain.log_value, abs=1e-8)
    plain, shifted = (importance(ratio(y) + c, ratio(x) + c) for c in (0.0, 1e5))
    assert shifted.log_value - 1e5 == pytest.approx(plain.log_value, abs=1e-8)
    assert shifted.error == pytest.approx(plain.error, rel=1e-6)


def test_pareto_k_of_a_proposal_too_narrow():
    """Normal weights with more variance than the proposal: k = 1 - 1/2^2."""
    y = np.random.default_rng(0).standard_normal(100_000)
    x = 2 * np.random.default_rng(1).standard_normal(1000)
    found = importance(*(0.5 * q**2 - 0.5 * q**2 / 4 - np.log(2) for q in (y, x)))
    assert found.diagnostics["pareto_k"] == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_draws_show_what_the_proposal_misses(seed):
    """Two modes, one of which no proposal meets: the error knows, and the share is the mode's."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(2000)
    x = rng.standard_normal(2000) + np.where(rng.random(2000) < 0.2, 12.0, 0.0)

    def ratio(q):  # .8 and .2 of it at 0 and 12, over the normal at 0; the integral is 1
        return np.logaddexp(np.log(0.8), np.log(0.2) + 12 * q - 72)

    found = importance(ratio(y) + 1e-6 * y, ratio(x))
    assert found.log_value == pytest.approx(np.log(0.8), abs=1e-3)
    assert abs(found.log_value) < 2 * found.error
    assert found.diagnostics["missed"] == pytest.approx(0.2, abs=0.04)
    assert found.diagnostics["pareto_k"] < 0.7


def test_laplace_is_exact_for_normals_and_near_for_others():
    """A correlated normal exactly; the log gamma to 1/(12 shape), Stirling's first term."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((5, 5))
    precision = matrix @ matrix.T + np.eye(5)
    unit = Whitening(np.ones(5), np.eye(5))
    found = laplace(lambda q: -0.5 * np.einsum("si,ij,sj->s", q, precision, q), np.ones(5), unit)
    expected = 0.5 * (5 * np.log(2 * np.pi) - np.linalg.slogdet(precision)[1])
    assert found.log_integral == pytest.approx(expected, abs=1e-6)
    draws = found.sample(20_000, rng) @ np.linalg.cholesky(precision)
    np.testing.assert_allclose(np.cov(draws.T), np.eye(5), atol=0.05)  # five errors of Monte Carlo
    np.testing.assert_allclose(draws.mean(axis=0), 0, atol=0.04)
    skewed = laplace(log_gammas, np.zeros(3), Whitening(np.log(SHAPES), np.diag(SHAPES**-0.5)))
    assert skewed.log_integral - LOG_INTEGRAL == pytest.approx(-np.sum(1 / (12 * SHAPES)), abs=2e-3)


def test_laplace_says_where_there_is_no_mode():
    """A ridge has no curvature along it."""
    found = laplace(lambda q: -0.5 * q[:, 0] ** 2, np.ones(2), Whitening(np.zeros(2), np.eye(2)))
    assert np.isnan(found.log_integral)
    assert found.curvature <= 1e-9


def test_proposal_follows_several_modes():
    """BIC finds modes far apart; one normal density is one component."""
    rng = np.random.default_rng(0)
    one = rng.standard_normal((1000, 2))
    assert Proposal.of(one, rng).mixture.n_components == 2  # one, and the same widened
    two = Proposal.of(np.concatenate([one, one + 8]), rng)
    assert two.mixture.n_components >= 4
    grid = np.stack(np.meshgrid(*[np.linspace(-8, 16, 241)] * 2), axis=-1).reshape(-1, 2)
    assert np.exp(two.log_density(grid)).sum() * 0.1**2 == pytest.approx(1, abs=1e-3)


def test_proposal_of_points_that_fill_no_volume():
    """Parameters that vary only together are named as the trouble."""
    with pytest.raises(ValueError, match="fill no volume"):
        Proposal.of(np.zeros((50, 2)), np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(3))
def test_points_that_vary_by_rounding_alone_fill_no_volume(seed):
    """A coordinate that stands still, or follows others, has no density."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((200, 3))
    for third in (7.0 + 1e-16 * points[:, 2], points[:, 0] - 2 * points[:, 1]):
        with pytest.raises(np.linalg.LinAlgError):
            Whitening.of(np.column_stack([points[:, :2], third]))
    Whitening.of(1e-9 * points + 1e-3)  # small is not still
