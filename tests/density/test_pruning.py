"""Pairs of a row and a component that are left out of the density: what goes, and that no more."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.density import compiled
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.sampling.compiled import pruning
from bayesgmm.sampling.compiled.nuts import nuts
from bayesgmm.sampling.registry import SAMPLERS
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.density_cases import case, differences, log_prior

LEFT_OUT = 0.05


@pytest.fixture
def many_rows(monkeypatch):
    """No features that lie ready, however few the rows."""
    monkeypatch.setattr("bayesgmm.kernels.e_step.few_rows._RESIDENT", 0)


def log_joint(c, u):
    """SciPy's log pi_k N(x_i | mu_k, Sigma_k) (n, K) at coordinates."""
    values = c.posterior.space.values(u)
    sigma = c.form.covariances(values, c.prior.inverse_wishart)
    weights = values.get("pi", np.ones(1))
    return np.stack([
        np.log(p) + multivariate_normal(m, s).logpdf(c.x).reshape(len(c.x))
        for p, m, s in zip(weights, values["mu"], sigma, strict=True)
    ], axis=1)  # fmt: skip


def case_and_points(rng, name, d, k=5, n=3000):
    c = case(rng, name, d, k, n=n)
    points = c.u + 0.02 * c.size * rng.standard_normal((4, len(c.u)))
    return c, points


def left(c, matters, u, at):
    """SciPy's log density at u of the pairs that matter, and the tangent at `at` of the others.

    By differences: the tangent of log sum_k exp t_k less the same of those that are kept.
    """
    between = matters.sum(axis=1, keepdims=True) > 1
    kept = np.where(matters & between, 0.0, -np.inf)

    def lacking(terms):
        some = np.where(between[:, 0], logsumexp(np.where(between, terms + kept, 0.0), axis=1), 0.0)
        return logsumexp(terms, axis=1) - some

    terms, change = log_joint(c, at), log_joint(c, u) - log_joint(c, at)
    value = np.sum(
        np.where(between[:, 0], logsumexp(terms + change + kept, axis=1), 0.0)[between[:, 0]]
    )
    step = 1e-4
    slope = (lacking(terms + step * change) - lacking(terms - step * change)) / (2 * step)
    return value + np.sum(lacking(terms) + slope) + log_prior(c, u)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "d"), [("E", 1), ("V", 1), ("VVV", 3), ("VVI", 2), ("VEV", 2)])
def test_the_density_is_the_sum_over_the_pairs_that_are_left(many_rows, monkeypatch, name, d, seed):
    """SciPy's sum over the pairs that matter at one of the points, and the others' tangent."""
    c, points = case_and_points(np.random.default_rng([seed, d]), name, d)
    left_out = 50.0 if d == 1 else LEFT_OUT  # components side by side all matter to most rows
    matters = np.zeros((len(c.x), 5), dtype=bool)
    for u in points:
        terms = log_joint(c, u)
        log_resp = terms - logsumexp(terms, axis=1, keepdims=True)
        matters |= log_resp > np.log(left_out / len(c.x))
    assert 0.1 < matters.mean() < 1.0  # there is something to leave out
    monkeypatch.setattr("bayesgmm.density.pruning._SEGMENT", 1)
    monkeypatch.setattr("bayesgmm.density.log_posterior.WORTH_PRUNING", 1.0)
    apart = c.posterior.pruned(points, left_out)
    assert apart.sizes[compiled.N] == np.sum(matters.sum(axis=1) > 1)
    for u in (*points, c.u + 0.1 * c.size * np.random.default_rng(9).standard_normal(len(c.u))):
        value, gradient = apart(u)
        assert value == pytest.approx(left(c, matters, u, points[0]), abs=1e-5)
        slope = differences(apart, u)
        np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-6 * np.abs(slope).max())
    for u in points:
        assert abs(c.posterior(u)[0] - apart(u)[0]) <= 5 * left_out


def test_value_and_gradient_are_right_where_the_tangent_touches(many_rows):
    """Elsewhere the error is of second order: a quarter at half the distance."""
    for seed in range(3):
        c, points = case_and_points(np.random.default_rng(seed), "VVV", 3)
        pruned = c.posterior.pruned(points, 30.0)
        assert pruned is not c.posterior
        for density in (pruned, pruned.pruned(points, 60.0)):
            value, gradient = c.posterior(points[0])
            assert density(points[0])[0] == pytest.approx(value, rel=1e-12)
            np.testing.assert_allclose(
                density(points[0])[1], gradient, atol=1e-9 * np.abs(gradient).max()
            )
        step = 0.01 * c.size * np.random.default_rng(seed).standard_normal(len(c.u))
        far, near = (
            c.posterior(u)[0] - pruned(u)[0] for u in (points[0] + step, points[0] + step / 2)
        )
        assert near == pytest.approx(far / 4, rel=0.2)


def test_one_component_has_all_rows_to_itself(many_rows):
    c, points = case_and_points(np.random.default_rng(0), "VVV", 3, k=1)
    pruned = c.posterior.pruned(points, LEFT_OUT)
    assert pruned.sizes[compiled.N] == 0
    for u in points:
        value, gradient = c.posterior(u)
        assert pruned(u)[0] == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(pruned(u)[1], gradient, atol=1e-8 * np.abs(gradient).max())


def test_narrow_components_want_all_rows(many_rows):
    """Where the quadratic form is not accurate the density is the whole one, to the last bit."""
    c = case(np.random.default_rng(1), "VVV", 2, 3, n=2000, width=1e-4)
    pruned = c.posterior.pruned(c.u[None], LEFT_OUT)
    assert pruned.sizes[compiled.OWNED] > 0
    white = pruned.whitened(np.zeros(len(c.u)), np.eye(len(c.u)))
    expected = c.posterior(c.u)
    for density in (pruned, white):
        value, gradient = density(c.u)
        assert density.sizes[compiled.OWNED] == 0
        assert value == expected[0]
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-12)


def test_nothing_is_left_out_where_nothing_is_gained(monkeypatch):
    rng = np.random.default_rng(2)
    few, points = case_and_points(rng, "VVV", 2, n=200)
    assert few.posterior.pruned(points, LEFT_OUT) is few.posterior
    monkeypatch.setattr("bayesgmm.kernels.e_step.few_rows._RESIDENT", 0)
    many, points = case_and_points(rng, "VVV", 2)
    assert many.posterior.pruned(points, 1e-200) is many.posterior
    weighted = as_data(many.x, sample_weight=rng.uniform(size=len(many.x)))
    posterior = LogPosterior(weighted, many.form, many.prior)
    assert posterior.pruned(points, LEFT_OUT) is posterior
    beyond = points + 1e3  # no density there
    assert many.posterior.pruned(beyond, LEFT_OUT) is many.posterior


@pytest.fixture(scope="module")
def separated():
    """30,000 rows, four components of which two overlap."""
    rng = np.random.default_rng(4)
    means = np.array([[0.0, 0.0], [12.0, 0.0], [0.0, 12.0], [2.5, 12.0]])
    x = means[rng.integers(4, size=30_000)] + rng.standard_normal((30_000, 2))
    return SimpleNamespace(x=x, fit=bayesgmm.fit(x, 4, random_seed=0))


def refined(separated, monkeypatch, **options):
    """The posterior, and for each run of the engine whether something was left out."""
    seen = []

    def run(density, mode, settings):
        seen.append(bool(density.sizes[compiled.OWNED]))
        return nuts(density, mode, settings)

    nutpie = replace(SAMPLERS["nutpie"], of_density=lambda: run)
    monkeypatch.setitem(SAMPLERS, "nutpie", nutpie)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        posterior = bayesgmm.refine(
            separated.x,
            separated.fit,
            sampler="nutpie",
            random_seed=1,
            progressbar=False,
            **options,
        )
    return posterior.tree["posterior"], seen


@pytest.mark.slow
def test_refine_leaves_out_what_does_not_change_the_posterior(separated, monkeypatch):
    """Means within 4.5 Monte Carlo errors of the whole density's, deviations within 15 %.

    4 x 500 draws of some 500 effective ones at least: an error of a deviation is 3 %, of a
    difference of two 4.5 %.
    """
    few, seen = refined(separated, monkeypatch, draws=500)
    assert seen == [True]
    monkeypatch.setattr("bayesgmm.density.log_posterior.WORTH_PRUNING", 0.0)
    whole, seen = refined(separated, monkeypatch, draws=500)
    assert seen == [False]
    from arviz_stats.base import array_stats

    for name in ("pi", "mu", "Sigma"):
        a, b = (t[name].to_numpy().reshape(4, 500, -1) for t in (few, whole))
        error = np.hypot(*(
            [float(array_stats.mcse(v[:, :, i], method="mean")) for i in range(v.shape[2])]
            for v in (a, b)
        ))  # fmt: skip
        assert np.all(np.abs(a.mean((0, 1)) - b.mean((0, 1))) < 4.5 * error)
        np.testing.assert_allclose(a.std((0, 1)), b.std((0, 1)), rtol=0.15)


def test_refine_sees_that_too_much_was_left_out(separated, monkeypatch):
    """Then it samples the whole density, as if nothing had been left out."""
    options = {"draws": 50, "tune": 50}
    monkeypatch.setattr(pruning, "_LEFT_OUT", (1e4,))
    again, seen = refined(separated, monkeypatch, **options)
    assert seen == [True, False]
    monkeypatch.setattr("bayesgmm.density.log_posterior.WORTH_PRUNING", 0.0)
    whole, _ = refined(separated, monkeypatch, **options)
    # The modes, sought with little left out, differ by 1e-7, and chains magnify it: on some
    # processors one of them takes another turn. Of another density all chains would.
    again, whole = (t["mu"].to_numpy()[:, :10] for t in (again, whole))
    gaps = np.abs(again - whole).max(axis=(1, 2, 3))
    assert np.median(gaps) < 1e-4
