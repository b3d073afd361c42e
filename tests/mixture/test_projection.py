"""Directions that separate components, and covariances taken apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import bayesgmm
from bayesgmm import Mixture
from bayesgmm.mixture.projection import projection


def some(seed, k, d, common=False):
    """A mixture with covariances of its own, or one for all."""
    rng = np.random.default_rng(seed)
    roots = np.eye(d) + 0.4 * rng.standard_normal((1 if common else k, d, d))
    covariances = np.broadcast_to(roots @ roots.swapaxes(1, 2), (k, d, d))
    return Mixture(rng.dirichlet(np.full(k, 5.0)), 2 * rng.standard_normal((k, d)), covariances)


@pytest.mark.parametrize(("k", "d"), [(2, 3), (3, 5), (4, 2)])
def test_means_alone_give_linear_discriminants(k, d):
    """Of a large labelled sample scikit-learn finds the same directions, as many."""
    m = some(k, k, d, common=True)
    x, labels = m.sample(200_000, 0)
    found = projection(m)
    lda = LinearDiscriminantAnalysis(solver="eigen").fit(x, labels)
    q = min(k - 1, d)
    assert found.directions.shape == (d, q)
    theirs = lda.scalings_[:, :q]
    within = m.covariances[0]
    for ours, other in zip(found.directions.T, theirs.T, strict=True):
        product = ours @ within @ other
        lengths = np.sqrt((ours @ within @ ours) * (other @ within @ other))
        assert abs(product / lengths) == pytest.approx(1, abs=2e-3)  # sampling error of 2e5 rows


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_equation_of_the_paper(balance):
    """Scrucca's kernel, written out component by component."""
    m = some(1, 3, 4)
    overall = m.weights @ m.means
    within = sum(w * s for w, s in zip(m.weights, m.covariances, strict=True))
    of_means = sum(
        w * np.outer(mu - overall, mu - overall) for w, mu in zip(m.weights, m.means, strict=True)
    )
    sigma = within + of_means
    inverse = np.linalg.inv(sigma)
    of_covariances = sum(
        w * (s - within) @ inverse @ (s - within)
        for w, s in zip(m.weights, m.covariances, strict=True)
    )
    kernel = balance * of_means @ inverse @ of_means + (1 - balance) * of_covariances
    found = projection(m, balance=balance)
    values = eigh(kernel, sigma, eigvals_only=True)[::-1][: len(found.eigenvalues)]
    np.testing.assert_allclose(found.eigenvalues, values, rtol=1e-8)
    np.testing.assert_allclose(
        found.directions.T @ sigma @ found.directions, np.eye(len(values)), atol=1e-9
    )


def test_projected_rows_follow_the_projected_mixture():
    """The density of projected rows is that of the mixture in these directions."""
    m = some(2, 3, 4)
    found = projection(m, 2)
    x, labels = m.sample(50_000, 1)
    z = found.transform(x)
    for k in range(3):
        n = np.sum(labels == k)
        error = np.sqrt(np.diag(found.mixture.covariances[k]) / n)
        assert np.all(np.abs(z[labels == k].mean(axis=0) - found.mixture.means[k]) < 4 * error)


def test_units_do_not_matter():
    """Other units and axes of the columns give the same rows in the same directions."""
    m = some(3, 3, 4)
    a = np.random.default_rng(0).normal(size=(4, 4)) + 3 * np.eye(4)
    other = Mixture(m.weights, m.means @ a.T, a @ m.covariances @ a.T)
    x = m.sample(20, 0)[0]
    np.testing.assert_allclose(
        np.abs(projection(other, 2).transform(x @ a.T)),
        np.abs(projection(m, 2).transform(x)),
        rtol=1e-7,
    )


def test_nothing_to_separate():
    """One component, or equal ones."""
    with pytest.raises(ValueError, match="single component"):
        projection(some(0, 1, 3))
    same = Mixture([0.5, 0.5], np.zeros((2, 2)), np.tile(np.eye(2), (2, 1, 1)))
    with pytest.raises(ValueError, match="do not differ"):
        projection(same)


@pytest.mark.parametrize("family", ["EII", "VVI", "EVE", "VEV", "VVV"])
def test_decomposition_multiplies_out_and_shows_the_family(family):
    """Volume, shape and orientation make the covariances; E is the same in all components."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    fit = bayesgmm.fit(x, 2, family, random_seed=1)
    parts = fit.decomposition()
    np.testing.assert_allclose(parts.covariances, fit.covariances, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.prod(parts.shape, axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(parts.volume, np.linalg.det(fit.covariances) ** (1 / 4), rtol=1e-9)
    assert np.all(np.diff(parts.shape, axis=1) <= 1e-12)
    eye = parts.orientation @ parts.orientation.swapaxes(1, 2)
    np.testing.assert_allclose(eye, np.tile(np.eye(4), (2, 1, 1)), atol=1e-12)
    if family[0] == "E":
        assert parts.volume[0] == pytest.approx(parts.volume[1], rel=1e-6)
    if family[1] == "E":
        np.testing.assert_allclose(parts.shape[0], parts.shape[1], rtol=1e-5)
    assert parts.to_frame().shape == (8, 6)
