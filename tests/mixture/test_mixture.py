"""A mixture as a distribution: densities, draws, marginals, conditionals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from bayesgmm.mixture.mixture import Mixture


@pytest.fixture
def mixture(rng):
    roots = rng.standard_normal((3, 3, 4))
    return Mixture(
        rng.dirichlet(np.ones(3)), 2 * rng.standard_normal((3, 3)),
        roots @ np.swapaxes(roots, 1, 2), ("a", "b", "c"),
    )  # fmt: skip


def scipy_density(m, x):
    return sum(
        w * stats.multivariate_normal(mu, s).pdf(x)
        for w, mu, s in zip(m.weights, m.means, m.covariances, strict=True)
    )


def test_density(mixture, rng):
    """SciPy's, in logarithms."""
    x = 3 * rng.standard_normal((50, 3))
    np.testing.assert_allclose(
        mixture.log_density(x), np.log(scipy_density(mixture, x)), rtol=1e-10
    )
    assert mixture.predict(x).tolist() == np.argmax(mixture.predict_proba(x), axis=1).tolist()


def test_marginal_and_conditional(mixture, rng):
    """p(a, c) = integral over b, and p(a, c | b) = p(a, b, c) / p(b)."""
    x = rng.standard_normal(3)
    marginal = mixture.marginal(["c", "a"])
    value = integrate.quad(lambda b: scipy_density(mixture, [x[0], b, x[2]]), -60, 60, limit=200)[0]
    assert np.exp(marginal.log_density([[x[2], x[0]]])[0]) == pytest.approx(value, rel=1e-6)
    conditional = mixture.conditional({"b": x[1]})
    assert conditional.names == ("a", "c")
    expected = mixture.log_density([x])[0] - mixture.marginal([1]).log_density([[x[1]]])[0]
    assert conditional.log_density([[x[0], x[2]]])[0] == pytest.approx(expected, rel=1e-9)


def test_draws_have_the_right_moments(mixture, rng):
    """Means and covariances of 200 000 draws, within five standard errors."""
    n = 200_000
    x, component = mixture.sample(n, rng)
    for k in range(3):
        mine = x[component == k]
        assert abs(len(mine) / n - mixture.weights[k]) < 5 * np.sqrt(mixture.weights[k] / n)
        error = np.sqrt(np.diagonal(mixture.covariances[k]) / len(mine))
        assert np.all(np.abs(mine.mean(axis=0) - mixture.means[k]) < 5 * error)
        v = np.diagonal(mixture.covariances[k])
        bound = 5 * np.sqrt(2 * np.outer(v, v) / len(mine))
        assert np.all(np.abs(np.cov(mine.T) - mixture.covariances[k]) < bound)
    np.testing.assert_array_equal(mixture.sample(5, 1)[0], mixture.sample(5, 1)[0])
    assert not np.array_equal(mixture.sample(5, 1)[0], mixture.sample(5, 2)[0])


def test_diagonal_covariances_may_be_variances():
    """(K, d) stands for diagonal matrices."""
    a = Mixture([0.4, 0.6], [[0, 0], [1, 1]], [[1, 2], [3, 4]])
    b = Mixture([0.4, 0.6], [[0, 0], [1, 1]], [np.diag([1, 2]), np.diag([3, 4])])
    np.testing.assert_array_equal(a.covariances, b.covariances)
    np.testing.assert_allclose(a.log_density([[0.3, 1]]), b.log_density([[0.3, 1]]), rtol=1e-14)


def test_values_cannot_be_changed(mixture):
    """A mixture is a value."""
    with pytest.raises(ValueError, match="read-only"):
        mixture.weights[0] = 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.6], [[0], [1]], [[[1]], [[1]]]), "sum to 1.1"),
        (([-0.5, 1.5], [[0], [1]], [[[1]], [[1]]]), "at least 0"),
        (([1.0], [[0, 0]], [[[1, 2], [2, 1]]]), "covariance 0 is not positive definite"),
        (([1.0], [[0, 0]], [[[1, 0.5], [0.1, 1]]]), "not symmetric"),
        (([1.0], [[0, 0]], [[[-1, 0], [0, 1]]]), "not positive"),
        (([1.0], [[0, np.inf]], [np.eye(2)]), "NaN or infinite"),
        (([1.0], [[0, 0]], [np.eye(3)]), "covariances have shape"),
        (([0.5, 0.5], [[0, 0]], [np.eye(2)]), "do not agree"),
        (([1.0], [[0, 0]], [np.eye(2)], ("a",)), "names are .'a'.: pass one for each of 2 columns"),
    ],
)
def test_impossible_parameters_are_refused(arguments, message):
    """With the value that is wrong."""
    with pytest.raises(ValueError, match=message):
        Mixture(*arguments)


def test_columns_are_checked(mixture):
    """Unknown names, out of range, all or none."""
    calls = [
        lambda: mixture.marginal(["z"]),
        lambda: mixture.marginal([7]),
        lambda: mixture.marginal([]),
        lambda: mixture.conditional({}),
        lambda: mixture.conditional({"a": 0, "b": 0, "c": 0}),
        lambda: mixture.sample(0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="no column|at least (one|1)"):
            call()


def test_arrays_of_any_layout(rng):
    """Fortran's order, and marginals of components far apart: SciPy's densities."""
    means = np.asfortranarray([[0.0, 0.0, 1.0], [1000.0, 1000.0, 2.0]])
    sigma = np.asfortranarray(np.eye(3) + 0.1)
    mixture = Mixture([0.4, 0.6], means, np.stack([sigma, sigma]))
    x, _ = mixture.sample(20, rng)
    for columns in ([0, 1, 2], [2, 0], [1]):
        part, spread = mixture.marginal(columns), sigma[np.ix_(columns, columns)]
        densities = [
            w * stats.multivariate_normal(m[columns], spread).pdf(x[:, columns])
            for w, m in zip(mixture.weights, means, strict=True)
        ]
        expected = np.log(np.sum(densities, axis=0))
        np.testing.assert_allclose(part.log_density(x[:, columns]), expected, rtol=1e-9)


def test_variances_become_matrices_when_they_are_asked_for():
    """A fit of many columns never holds d x d numbers by itself."""
    import copy
    import pickle

    mixture = Mixture([0.5, 0.5], np.zeros((2, 3)), [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    for one in (mixture, pickle.loads(pickle.dumps(mixture)), copy.deepcopy(mixture)):
        assert "covariances" not in one.__dict__
        np.testing.assert_array_equal(one.covariances[0], np.diag([1.0, 2.0, 3.0]))
        np.testing.assert_array_equal(one.variances, [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
        assert not one.covariances.flags.writeable
    with pytest.raises(AttributeError, match="no attribute 'covariance'"):
        mixture.covariance  # noqa: B018
