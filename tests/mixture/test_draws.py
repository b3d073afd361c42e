"""Rows under every draw: SciPy's numbers, by whichever way they are reached."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm.data.data import as_data
from bayesgmm.mixture.draws import Draws
from bayesgmm.mixture.evaluation import log_densities, responsibilities
from bayesgmm.posterior.summaries.mixture_draws import MixtureDraws
from bayesgmm.utils.errors import DegenerateComponentError

SIZE, K = 37, 3


def draws_of(rng, d, *, diagonal=False, narrow=()):
    """Random mixtures; those named have a component 1e-5 wide, which wants the centred form."""
    root = rng.standard_normal((SIZE, K, d, d + 2))
    sigma = root @ np.swapaxes(root, 2, 3)
    sigma[list(narrow), 0] *= 1e-10
    if diagonal:
        sigma = np.diagonal(sigma, axis1=2, axis2=3).copy()
    weights = rng.dirichlet(np.ones(K), size=SIZE)
    return Draws(weights, 5 * rng.standard_normal((SIZE, K, d)), sigma)


def scipy_s(x, draws, s):
    """Log density and responsibilities."""
    terms = np.stack([
        np.log(w) + multivariate_normal(m, np.diag(c) if c.ndim == 1 else c).logpdf(x).reshape(-1)
        for w, m, c in zip(draws.weights[s], draws.means[s], draws.covariances[s], strict=True)
    ], axis=1)  # fmt: skip
    total = logsumexp(terms, axis=1)
    return total, np.exp(terms - total[:, None])


@pytest.fixture(params=["many at a time", "few at a time", "one by one"])
def way(request, monkeypatch):
    if request.param == "few at a time":
        monkeypatch.setattr("bayesgmm.data.blocks.MEMORY", 3000)
    elif request.param == "one by one":
        monkeypatch.setattr("bayesgmm.mixture.evaluation._FEW_ROWS", 0)


@pytest.mark.parametrize("narrow", [(), (0, 5, 36)])
@pytest.mark.parametrize(("d", "diagonal"), [(1, False), (2, False), (4, False), (3, True)])
def test_scipy_has_the_same(rng, way, d, diagonal, narrow):
    """To 1e-9, ten times what the quadratic form may lose at its limit."""
    x = 3 * rng.standard_normal((301, d)) + 100
    data = as_data(x)
    draws = draws_of(rng, d, diagonal=diagonal, narrow=narrow)
    draws = Draws(draws.weights, draws.means + 100, draws.covariances)
    found = list(responsibilities(data, draws))
    density = np.empty((SIZE, len(x)))
    for rows, values in log_densities(data, draws):
        density[:, rows] = values
    assert len(found) == SIZE
    for s in range(SIZE):
        expected, resp = scipy_s(x, draws, s)
        np.testing.assert_allclose(density[s], expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found[s], resp, rtol=0, atol=1e-7 if s in narrow else 1e-9)


def test_a_singular_draw_is_an_error(rng, way):
    draws = draws_of(rng, 2)
    draws.covariances[20, 1] = np.ones((2, 2))
    with pytest.raises(DegenerateComponentError):
        list(responsibilities(as_data(rng.standard_normal((50, 2))), draws))


def test_narrow_draws_of_many_rows(rng):
    """Each wants a pass that would have threads of its own, from within a thread."""
    x = 3 * rng.standard_normal((20_000, 8))
    draws = draws_of(rng, 8, narrow=range(SIZE))
    for s, resp in enumerate(responsibilities(as_data(x), draws)):
        np.testing.assert_allclose(resp[:50], scipy_s(x[:50], draws, s)[1], rtol=0, atol=1e-7)


def test_draws_and_rows_in_any_form(rng):
    """Read-only, in any order in memory, rows of single precision: the same numbers."""
    x = rng.standard_normal((60, 2)).astype(np.float32)
    draws = draws_of(rng, 2)
    expected = np.array(list(responsibilities(as_data(x.astype(np.float64)), draws)))
    other = Draws(*(np.asfortranarray(a) for a in (draws.weights, draws.means, draws.covariances)))
    for array in (x, other.weights, other.means, other.covariances):
        array.flags.writeable = False
    found = np.array(list(responsibilities(as_data(x), other)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    [(_, values)] = log_densities(as_data(x[::2]), other)
    np.testing.assert_allclose(values[3], scipy_s(x[::2], draws, 3)[0], atol=1e-6)


def test_columns_of_draws_far_apart():
    """Picked columns lie by columns in memory: the densities are those of arrays made anew."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(20, 2, 3)) + 1e4 * np.arange(2)[:, None]
    draws = Draws(np.full((20, 2), 0.5), means, np.tile(np.eye(3), (20, 2, 1, 1)))
    mixtures = MixtureDraws(draws, ("a", "b", "c"), np.arange(1), np.arange(20))
    x = rng.normal(size=(7, 2)) + 1e4 * (np.arange(7)[:, None] % 2)
    found = mixtures.marginal(["c", "a"]).density(x)["mean"].to_numpy()
    expected = np.mean([
        sum(0.5 * multivariate_normal(m[[2, 0]], np.eye(2)).pdf(x) for m in mu) for mu in means
    ], axis=0)  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-7)
