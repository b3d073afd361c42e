"""The pass over the data: exact, independent of threads, blocks and memory layout."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.kernels.e_step.e_step import _Pass, evaluate, expected_statistics
from bayesgmm.utils.errors import DegenerateComponentError
from tests import reference_pass


def problem(rng, n, d, k, diagonal=False, offset=0.0, width=1.0):
    """Rows with an offset, and k components of the given width."""
    x = 3.0 * rng.standard_normal((n, d)) + offset
    rows = SimpleNamespace(
        values=x, center=x.mean(axis=0), scale=np.exp2(np.round(np.log2(x.std(axis=0))))
    )
    roots = 0.3 * rng.standard_normal((k, d, d)) / np.sqrt(d) + np.eye(d)
    covariances = roots @ np.swapaxes(roots, 1, 2) * width**2
    if diagonal:
        covariances = np.diagonal(covariances, axis1=1, axis2=2).copy()
    means = x[rng.choice(n, k)] - rows.center
    return rows, Parameters(rng.dirichlet(np.full(k, 5.0)), means, covariances)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("form", ["quadratic", "centred"])
def test_agrees_with_scipy(d, k, diagonal, form):
    """Both forms give SciPy's log-likelihood and moments; 1e-12 is some thousand roundings."""
    rng = np.random.default_rng(100 * d + k)
    rows, p = problem(rng, 531, d, k, diagonal, offset=50.0)
    loglik, s = expected_statistics(rows, p, form=form)
    expected, counts, means, scatters = reference_pass.expected_statistics(rows, p)
    assert loglik == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(s.counts, counts, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(s.means, means, rtol=1e-9, atol=1e-9)
    if diagonal:
        scatters = np.diagonal(scatters, axis1=1, axis2=2)
    np.testing.assert_allclose(s.scatters, scatters, atol=1e-11 * np.abs(scatters).max())


@pytest.mark.parametrize("diagonal", [False, True])
def test_rows_one_by_one(rng, diagonal):
    """Log densities and responsibilities of each row."""
    rows, p = problem(rng, 300, 3, 4, diagonal)
    log_density, resp = evaluate(rows, p, responsibilities=True)
    logs = reference_pass.log_joint(rows, p)
    np.testing.assert_allclose(log_density, np.logaddexp.reduce(logs, axis=1), rtol=1e-12)
    np.testing.assert_allclose(resp, reference_pass.responsibilities(rows, p), atol=1e-13)
    assert evaluate(rows, p)[1].size == 0


@pytest.mark.parametrize("form", ["quadratic", "centred"])
@pytest.mark.parametrize("diagonal", [False, True])
def test_bits_do_not_depend_on_threads(rng, form, diagonal):
    """One, two and three threads give the same bits; blocks only change rounding."""
    rows, p = problem(rng, 30_000, 4, 5, diagonal)
    loglik, s = expected_statistics(rows, p, form=form, n_threads=1)
    for n_threads in (2, 3):
        other, t = expected_statistics(rows, p, form=form, n_threads=n_threads)
        assert other == loglik
        for a, b in ((s.counts, t.counts), (s.means, t.means), (s.scatters, t.scatters)):
            np.testing.assert_array_equal(a, b)
    for block in (1, 7, 100, 40_000):
        other, t = expected_statistics(rows, p, form=form, block=block)
        assert other == pytest.approx(loglik, rel=1e-12)
        np.testing.assert_allclose(t.scatters, s.scatters, rtol=1e-10, atol=1e-9)


def test_any_memory_layout(rng):
    """Fortran order, strides, read-only and mapped memory give the bits of a plain array."""
    rows, p = problem(rng, 400, 3, 2)
    loglik, _ = expected_statistics(rows, p)
    wide = np.zeros((800, 6))
    wide[::2, ::2] = rows.values
    frozen = rows.values.copy()
    frozen.flags.writeable = False
    for values in (np.asfortranarray(rows.values), wide[::2, ::2], frozen, rows.values[::-1][::-1]):
        other = SimpleNamespace(values=values, center=rows.center, scale=rows.scale)
        assert expected_statistics(other, p)[0] == loglik


def test_single_precision_rows_are_summed_in_double(rng):
    """float32 rows give exactly what their float64 copy gives."""
    rows, p = problem(rng, 5000, 3, 2)
    single = SimpleNamespace(
        values=rows.values.astype(np.float32), center=rows.center, scale=rows.scale
    )
    double = SimpleNamespace(
        values=single.values.astype(np.float64), center=rows.center, scale=rows.scale
    )
    assert expected_statistics(single, p)[0] == expected_statistics(double, p)[0]


def test_component_of_weight_zero(rng):
    """It takes no rows and changes nothing."""
    rows, p = problem(rng, 500, 2, 3)
    without = Parameters(p.weights[:2] / p.weights[:2].sum(), p.means[:2], p.covariances[:2])
    weights = np.append(without.weights, 0.0)
    for form in ("quadratic", "centred"):
        loglik, s = expected_statistics(
            rows, Parameters(weights, p.means, p.covariances), form=form
        )
        assert loglik == pytest.approx(expected_statistics(rows, without)[0], rel=1e-13)
        assert s.counts[2] == 0
        assert np.all(np.isfinite(s.scatters))


@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6, 1e-7])
def test_narrow_components_keep_their_digits(rng, width):
    """The form is switched where the fast one would lose responsibilities to 1e-8."""
    rows, p = problem(rng, 2000, 2, 6, width=width)
    # two components a few widths apart share the rows between them
    p.means[1] = p.means[0] + 2 * width
    near = p.means[0] + rows.center + 3 * width * rng.standard_normal((500, 2))
    rows = SimpleNamespace(
        values=np.vstack([rows.values, near]), center=rows.center, scale=rows.scale
    )
    expected = reference_pass.responsibilities(rows, p)
    resp = evaluate(rows, p, responsibilities=True)[1]
    np.testing.assert_allclose(resp, expected, atol=1e-8)
    if width <= 1e-6:
        fast = np.empty_like(resp)
        forced = _Pass(rows, p, "quadratic")
        forced.evaluate(np.empty(len(resp)), fast, 1)
        assert np.abs(fast - expected).max() > 1e-8  # the switch is needed
        assert not _Pass(rows, p, None).quadratic
    else:
        assert _Pass(rows, p, None).quadratic == (width >= 1e-2)


def test_offsets_and_units_do_not_matter(rng):
    """Shift by 1e8 or scale by 1e-6 .. 1e6: responsibilities to what the data's digits allow."""
    rows, p = problem(rng, 1000, 3, 3)
    resp = evaluate(rows, p, responsibilities=True)[1]
    for unit in (1e-6, 1e6):
        scaled = SimpleNamespace(
            values=rows.values * unit, center=rows.center * unit,
            scale=np.exp2(np.round(np.log2(rows.values.std(axis=0) * unit))),
        )  # fmt: skip
        q = Parameters(p.weights, p.means * unit, p.covariances * unit**2)
        np.testing.assert_allclose(evaluate(scaled, q, responsibilities=True)[1], resp, atol=1e-12)
    shifted = SimpleNamespace(values=rows.values + 1e8, center=rows.center + 1e8, scale=rows.scale)
    np.testing.assert_allclose(evaluate(shifted, p, responsibilities=True)[1], resp, atol=1e-6)


def test_rows_far_from_everything(rng):
    """A row a million deviations away has a finite log density and responsibilities."""
    rows, p = problem(rng, 100, 2, 3)
    rows.values[7] = [3e6, -2e6]
    log_density, resp = evaluate(rows, p, responsibilities=True)
    assert np.all(np.isfinite(log_density))
    np.testing.assert_allclose(resp.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(resp, reference_pass.responsibilities(rows, p), atol=1e-9)


@pytest.mark.parametrize(("d", "k"), [(2, 200), (48, 5), (49, 5), (110, 3), (784, 2)])
def test_many_components_and_many_columns(d, k):
    """Two hundred components, 784 columns, and both sides of where the form changes."""
    rng = np.random.default_rng(d)
    rows, p = problem(rng, 400, d, k)
    expected, _, _, scatters = reference_pass.expected_statistics(rows, p)
    loglik, s = expected_statistics(rows, p)
    assert loglik == pytest.approx(expected, rel=1e-11)
    np.testing.assert_allclose(s.scatters, scatters, atol=1e-10 * np.abs(scatters).max())
    np.testing.assert_array_equal(s.scatters, np.swapaxes(s.scatters, 1, 2))
    if d < 100:
        for form in ("quadratic", "centred"):
            assert expected_statistics(rows, p, form=form)[0] == pytest.approx(loglik, rel=1e-12)


@pytest.mark.parametrize("form", ["quadratic", "centred"])
def test_weights_next_to_zero(rng, form):
    """A component that no row can be of by far has the tiny counts it should have."""
    rows, p = problem(rng, 500, 2, 3)
    for small in (1e-12, 1e-100, 1e-300):
        q = Parameters(np.array([1 - small, small, 0.0]), p.means, p.covariances)
        loglik, s = expected_statistics(rows, q, form=form)
        expected, counts, means, _ = reference_pass.expected_statistics(rows, q)
        assert loglik == pytest.approx(expected, rel=1e-12)
        # terms under exp(-690) = 1e-300 of the largest are 0
        np.testing.assert_allclose(s.counts, counts, rtol=1e-9, atol=500 * 1e-299)
        if small > 1e-200:
            np.testing.assert_allclose(s.means[:2], means[:2], rtol=1e-6, atol=1e-8)


def test_singular_covariance_names_its_component(rng):
    """No NaN comes out of a singular, negative or undefined covariance."""
    rows, p = problem(rng, 100, 2, 3)
    for bad in (np.zeros((2, 2)), np.ones((2, 2)), -np.eye(2), np.full((2, 2), np.nan)):
        covariances = p.covariances.copy()
        covariances[1] = bad
        with pytest.raises(DegenerateComponentError) as caught:
            expected_statistics(rows, Parameters(p.weights, p.means, covariances))
        assert caught.value.component == 1


def test_memory_does_not_grow_with_rows_times_components():
    """400 000 rows and 16 components: less than the 51 MB an n x K array alone would take."""
    rng = np.random.default_rng(0)
    rows, p = problem(rng, 400_000, 2, 16)
    expected_statistics(rows, p)  # compiled
    tracemalloc.start()
    expected_statistics(rows, p)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
