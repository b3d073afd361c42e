"""The pass over rows with missing values: exact in both forms, whatever the patterns."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm.kernels.e_step.e_step import evaluate, expected_statistics
from bayesgmm.kernels.e_step.grouping import groups_of
from tests import reference_missing
from tests.kernels.test_pass import problem


def incomplete(rng, n, d, k, diagonal=False, share=0.2, empty=True, **options):
    """Rows of which a share of the values is missing at random, some of them all of it."""
    rows, p = problem(rng, n, d, k, diagonal, **options)
    rows.values[rng.random((n, d)) < share] = np.nan
    if empty:
        rows.values[rng.choice(n, 5, replace=False)] = np.nan
    rows.groups = groups_of(np.isnan(rows.values))
    return rows, p


def assert_same(found, expected, diagonal=False):
    loglik, s = found
    assert loglik == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(s.counts, expected[1], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(s.means, expected[2], rtol=1e-9, atol=1e-9)
    scatters = np.diagonal(expected[3], axis1=1, axis2=2) if diagonal else expected[3]
    np.testing.assert_allclose(s.scatters, scatters, atol=3e-11 * np.abs(scatters).max())


@pytest.mark.parametrize("form", ["quadratic", "centred"])
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(
    ("d", "k", "share"), [(1, 2, 0.3), (2, 3, 0.3), (3, 1, 0.1), (5, 3, 0.3), (9, 2, 0.5)]
)
def test_agrees_with_scipy(form, diagonal, d, k, share):
    """Frequent and rare patterns, empty rows: 1e-12 of the log-likelihood is some roundings."""
    rng = np.random.default_rng(10 * d + k)
    rows, p = incomplete(rng, 331, d, k, diagonal, share, offset=50.0)
    expected = reference_missing.expected_statistics(rows, p)
    assert_same(expected_statistics(rows, p, form=form), expected, diagonal)


@pytest.mark.parametrize("form", ["quadratic", "centred"])
@pytest.mark.parametrize("diagonal", [False, True])
def test_weights_and_admissible_components(rng, form, diagonal):
    """Row weights, and sets of components that rows can belong to, with and without values."""
    rows, p = incomplete(rng, 400, 4, 3, diagonal)
    rows.weights = rng.choice([0.0, 1.0, 2.5], 400)
    sets = np.array([[True, True, True], [True, False, False], [False, True, True]])
    of_rows = rng.choice(3, 400)
    rows.groups = groups_of(np.isnan(rows.values), of_rows, sets)
    expected = reference_missing.expected_statistics(rows, p, rows.weights, sets[of_rows])
    assert_same(expected_statistics(rows, p, form=form), expected, diagonal)


@pytest.mark.parametrize("diagonal", [False, True])
def test_rows_one_by_one(rng, diagonal):
    """Densities of the columns that a row has; an empty row has density 1 and the proportions."""
    rows, p = incomplete(rng, 300, 4, 3, diagonal)
    log_density, resp = evaluate(rows, p, responsibilities=True)
    logs = reference_missing.log_joint(rows, p)
    np.testing.assert_allclose(log_density, np.logaddexp.reduce(logs, axis=1), atol=1e-11)
    np.testing.assert_allclose(
        resp, np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None]), atol=1e-12
    )


@pytest.mark.parametrize("form", ["quadratic", "centred"])
def test_threads_layouts_and_types(rng, form):
    """The same bits on any number of threads, in any memory layout; float32 as its float64 copy."""
    rows, p = incomplete(rng, 20_000, 6, 4, share=0.2)
    loglik, s = expected_statistics(rows, p, form=form, n_threads=1)
    for n_threads in (2, 3):
        other, t = expected_statistics(rows, p, form=form, n_threads=n_threads)
        assert other == loglik
        np.testing.assert_array_equal(s.scatters, t.scatters)
    single = SimpleNamespace(**vars(rows) | {"values": rows.values.astype(np.float32)})
    double = SimpleNamespace(**vars(rows) | {"values": single.values.astype(np.float64)})
    strided = SimpleNamespace(**vars(rows) | {"values": np.asfortranarray(rows.values)})
    assert expected_statistics(strided, p, form=form)[0] == loglik
    pair = [expected_statistics(r, p, form=form)[0] for r in (single, double)]
    assert pair[0] == pair[1]


def test_narrow_components(rng):
    """Where the quadratic form would lose digits the centred one is chosen, and has them."""
    rows, p = incomplete(rng, 300, 3, 4, width=1e-5)
    p.means[1] = p.means[0] + 1e-5
    expected = reference_missing.log_joint(rows, p)
    log_density, _ = evaluate(rows, p)
    np.testing.assert_allclose(log_density, np.logaddexp.reduce(expected, axis=1), 1e-7, 1e-12)


def test_groups(rng):
    """Every row is in the group of its pattern; the order of rows does not change the groups."""
    for d in (3, 70):
        missing = rng.random((200, d)) < 1.0 / d
        groups = groups_of(missing)
        np.testing.assert_array_equal(~groups.observed[groups.of_rows], missing)
        sizes = np.diff(groups.bounds)
        start = int(groups.silent[0])
        assert np.all(np.diff(sizes[start:]) <= 0)
        again = groups_of(missing[::-1])
        np.testing.assert_array_equal(again.observed, groups.observed)
        some = np.flatnonzero(rng.random(200) < 0.3)
        np.testing.assert_array_equal(
            groups.take(some).observed[groups.take(some).of_rows], ~missing[some]
        )
