"""Weighted rows: weight 2 is a row twice, weight 0 a row left out, from the pass to the fit."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import bayesgmm
from bayesgmm.data.data import as_data, as_rows_like
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.kernels.e_step.e_step import evaluate, expected_statistics
from bayesgmm.utils.errors import DataError
from tests import reference_pass
from tests.conftest import families_for, simulate

FORMS = ["quadratic", "centred"]


def problem(rng, n, d, k, diagonal):
    """Weighted rows with an offset, and k components."""
    x, _ = simulate(rng, n, d, k)
    rows = SimpleNamespace(
        values=x + 30.0, center=x.mean(axis=0) + 30.0, scale=np.full(d, 2.0),
        weights=rng.gamma(1.0, 1.0, n) * rng.integers(0, 2, n),
    )  # fmt: skip
    roots = 0.3 * rng.standard_normal((k, d, d)) + 1.5 * np.eye(d)
    covariances = roots @ np.swapaxes(roots, 1, 2)
    if diagonal:
        covariances = np.diagonal(covariances, axis1=1, axis2=2).copy()
    means = x[rng.choice(n, k)] - x.mean(axis=0)
    return rows, Parameters(rng.dirichlet(np.full(k, 5.0)), means, covariances)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(("d", "k"), [(1, 1), (1, 3), (3, 1), (3, 4)])
def test_the_pass_is_the_weighted_sum(rng, form, diagonal, d, k):
    """Log-likelihood and moments against SciPy's densities, weighted row by row."""
    rows, p = problem(rng, 531, d, k, diagonal)
    loglik, s = expected_statistics(rows, p, form=form)
    w, logs = rows.weights, reference_pass.log_joint(rows, p)
    assert loglik == pytest.approx(w @ np.logaddexp.reduce(logs, axis=1), rel=1e-12)
    resp = w[:, None] * reference_pass.responsibilities(rows, p)
    counts, z = resp.sum(axis=0), rows.values - rows.center
    means = resp.T @ z / counts[:, None]
    scatters = np.array([(resp[:, j, None] * (z - m)).T @ (z - m) for j, m in enumerate(means)])
    if diagonal:
        scatters = np.diagonal(scatters, axis1=1, axis2=2)
    np.testing.assert_allclose(s.counts, counts, rtol=1e-10)
    np.testing.assert_allclose(s.means, means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(s.scatters, scatters, atol=1e-11 * np.abs(scatters).max())


@pytest.mark.parametrize("form", FORMS)
def test_bits_do_not_depend_on_threads(rng, form):
    """Weights or not, one, two and three threads give the same bits."""
    rows, p = problem(rng, 30_000, 3, 4, diagonal=False)
    loglik, s = expected_statistics(rows, p, form=form, n_threads=1)
    for n_threads in (2, 3):
        other, t = expected_statistics(rows, p, form=form, n_threads=n_threads)
        assert other == loglik
        np.testing.assert_array_equal(s.scatters, t.scatters)


@pytest.mark.parametrize("form", FORMS)
def test_no_weights_and_unit_weights(rng, form):
    """None, an absent attribute and ones are the same; a row's density knows no weight."""
    rows, p = problem(rng, 1000, 2, 3, diagonal=False)
    plain = SimpleNamespace(values=rows.values, center=rows.center, scale=rows.scale)
    none = SimpleNamespace(**vars(plain), weights=None)
    ones = SimpleNamespace(**vars(plain), weights=np.ones(1000))
    loglik, s = expected_statistics(plain, p, form=form)
    assert expected_statistics(none, p, form=form)[0] == loglik
    other, t = expected_statistics(ones, p, form=form)
    assert other == pytest.approx(loglik, rel=1e-13)
    np.testing.assert_allclose(t.scatters, s.scatters, rtol=1e-11, atol=1e-10)
    for a, b in zip(evaluate(rows, p, responsibilities=True),
                    evaluate(plain, p, responsibilities=True), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)


def test_weights_must_fit_the_rows(rng):
    """Cutting the rows alone is refused by the pass; `part` cuts both."""
    x, _ = simulate(rng, 200, 2, 2)
    data = as_data(x, sample_weight=np.arange(200.0))
    p = Parameters(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    with pytest.raises(ValueError, match="200 weights for 50 rows"):
        expected_statistics(replace(data, values=data.values[:50]), p)
    whole = expected_statistics(data, p)[0]
    halves = [expected_statistics(data.part(i, i + 100), p)[0] for i in (0, 100)]
    assert sum(halves) == pytest.approx(whole, rel=1e-13)
    assert data.part(0, 100).total + data.part(100, 200).total == data.total == 199 * 100


def test_data_counts_weighted_rows(rng):
    """Summaries are those of the table with its rows repeated, whatever a left-out row holds."""
    x, _ = simulate(rng, 300, 3, 2)
    w = rng.integers(0, 4, 300)
    x[w == 0] += 1e6  # is nowhere
    data, repeated = as_data(x, sample_weight=w), as_data(np.repeat(x, w, axis=0))
    for name in ("center", "scale", "low", "high", "sd", "total"):
        np.testing.assert_allclose(getattr(data, name), getattr(repeated, name), rtol=1e-12)
    assert repeated.weights is None and repeated.total == repeated.n
    assert as_data(data) is data
    assert as_data(data, ["x1"]).weights is not None
    np.testing.assert_array_equal(as_data(data, sample_weight=w + 1).weights, w + 1)
    assert as_data(data, sample_weight=np.ones(300)).weights is None
    like = as_rows_like(data, data.names, data.center, data.scale)
    np.testing.assert_array_equal(like.weights, w)


def test_distinct_rows_have_positive_weight():
    """A row of weight 0 is no distinct row."""
    x = np.array([[0.0], [1.0], [2.0], [2.0]])
    assert as_data(x).distinct_rows(3) == 3
    assert as_data(x, sample_weight=[1, 0.5, 1, 0]).distinct_rows(3) == 3
    assert as_data(x, sample_weight=[1, 0, 1, 1]).distinct_rows(3) == 2


BAD = [
    ([1.0, 2.0], r"shape \(2,\), the data have 4 rows"),
    (np.ones((4, 1)), r"shape \(4, 1\)"),
    ([1, -0.5, 1, 1], "-0.5 in row 1"),
    ([1, 1, np.nan, 1], "nan in row 2"),
    ([1, 1, 1, np.inf], "inf in row 3"),
    ([0, 0, 0, 0], "zero in all 4 rows"),
    (["a", "b", "c", "d"], "not numbers"),
    ([1e308, 1e308, 1, 1], "1e\\+308, where sums overflow"),
    ([0, 1, 1, 0], "'x0' is constant .* in all 2 rows of positive weight"),
]


@pytest.mark.parametrize(("weights", "message"), BAD, ids=[m for _, m in BAD])
def test_weights_are_checked_at_the_border(weights, message):
    """The message has the value and the cure."""
    with pytest.raises(DataError, match=message) as caught:
        as_data(np.array([[0.0], [1.0], [1.0], [2.0]]), sample_weight=weights)
    assert any(cure in str(caught.value) for cure in ("pass ", "give ", "divide "))


def estimates(data, start, family):
    """Parameters and log-likelihood of the fit from there."""
    fit = bayesgmm.fit(data, start.n_components, family, start=start, tol=1e-13, max_iter=20_000)
    return np.concatenate([fit.weights, fit.means.ravel(), fit.covariances.ravel()]), fit.loglik


def assert_same(a, b, factor=1.0):
    np.testing.assert_allclose(a[0], b[0], rtol=1e-4, atol=1e-4)
    assert a[1] == pytest.approx(factor * b[1], rel=1e-9)


@pytest.mark.parametrize(("d", "family"), [(d, f) for d in (1, 2) for f in families_for(d)])
def test_weighted_fit_is_the_fit_of_repeated_rows(d, family):
    """Weights of 0, 1, 2; multiplied by 2.5; and all 1: every family, EM from the same start."""
    rng = np.random.default_rng(5)
    x, labels = simulate(rng, 150, d, 2, spread=2.0)
    start = bayesgmm.fit(x, 2, family, start=labels, max_iter=3).mixture
    w = rng.integers(0, 3, 150)
    weighted = estimates(as_data(x, sample_weight=w), start, family)
    assert_same(weighted, estimates(as_data(np.repeat(x, w, axis=0)), start, family))
    assert_same(estimates(as_data(x, sample_weight=2.5 * w), start, family), weighted, 2.5)
    ones = estimates(as_data(x, sample_weight=np.ones(150)), start, family)
    np.testing.assert_array_equal(ones[0], estimates(as_data(x), start, family)[0])
