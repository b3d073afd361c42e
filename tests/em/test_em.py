"""The EM loop: where it ends is a maximum, how it ends is told truly, also at the edge."""

from __future__ import annotations

import re
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.em.problem import Problem
from bayesgmm.em.run import run_em
from bayesgmm.em.starts.starts import STARTS
from bayesgmm.em.status import Status
from bayesgmm.families import FAMILIES, get_family
from bayesgmm.kernels.e_step import few_rows as ready
from bayesgmm.kernels.e_step.contract import Statistics
from bayesgmm.kernels.e_step.e_step import measured_statistics
from bayesgmm.mixture.mixture import Mixture
from bayesgmm.mixture.prior import Prior
from bayesgmm.utils.errors import DataError, DataWarning, DegenerateFitWarning
from tests import reference_pass
from tests.conftest import families_for, path_within, simulate, slope


def loglik(x, weights, means, covariances):
    """SciPy's log-likelihood."""
    logs = [
        np.log(w) + multivariate_normal(m, s).logpdf(x)
        for w, m, s in zip(weights, means, covariances, strict=True)
    ]
    return logsumexp(np.column_stack(logs), axis=1).sum()


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("with_prior", [False, True], ids=["ml", "map"])
def test_estimates_are_stationary(rng, d_and_family, k, with_prior):
    """The objective, computed by SciPy, is flat there in pi, in mu and within the family.

    EM stops with 1e-13 per row to gain, so that slopes per row are about sqrt(2e-13) times the
    curvature's root; finite differences add less than 1e-7.
    """
    d, family = d_and_family
    x, labels = simulate(rng, 60 * k, d, k)
    prior = None
    if with_prior:
        prior = Prior(x[0], np.cov(x.T) + np.eye(d), d + 2.5, 0.3 * np.eye(d) + 0.1, 2.0)
    fit = bayesgmm.fit(x, k, family.name, start=labels, prior=prior, tol=1e-13, max_iter=50_000)
    assert fit.converged

    def objective(weights, means, covariances):
        value = loglik(x, weights, means, covariances)
        if prior is not None:
            value += reference_pass.log_prior_kernel(prior, family, weights, means, covariances)
        return value / len(x)

    at = fit.weights, fit.means, fit.covariances
    for _ in range(2):
        sd = np.sqrt(np.diagonal(fit.covariances, axis1=1, axis2=2))
        direction = sd * rng.standard_normal(fit.means.shape)
        growth = rng.standard_normal(k)
        path = path_within(family, fit.covariances, rng)
        np.testing.assert_allclose(path(0.0), fit.covariances, atol=1e-9)

        def weights(h, growth=growth):
            raw = fit.weights * np.exp(h * growth)
            return raw / raw.sum()

        assert abs(slope(lambda h: objective(weights(h), *at[1:]))) < 2e-6
        assert abs(slope(lambda h, v=direction: objective(at[0], at[1] + h * v, at[2]))) < 2e-6
        assert abs(slope(lambda h, p=path: objective(*at[:2], p(h)))) < 2e-6
        # and no saddle in sight of these directions
        near = objective(weights(0.05), at[1] + 0.05 * direction, path(0.05))
        assert near <= objective(*at) + 1e-9


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_iterations_are_those_of_plain_numpy(rng, d, k):
    """Zero, one and five iterations from labels; 1e-9 is their rounding, five times over."""
    x, labels = simulate(rng, 120, d, k)
    for name in families_for(d):
        if reference_pass.m_step(name, np.ones(k), np.array([np.eye(d)] * k)) is None:
            continue
        for n_iter in (0, 1, 5):
            fit = bayesgmm.fit(x, k, name, start=labels, max_iter=n_iter, tol=0, accelerate=False)
            expected = reference_pass.plain_em(x, labels, name, fit.n_iter)
            # where the groups do not overlap EM is there at once
            assert fit.n_iter == n_iter or fit.converged
            np.testing.assert_allclose(fit.weights, expected[0], rtol=1e-9)
            np.testing.assert_allclose(fit.means, expected[1], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(fit.covariances, expected[2], rtol=1e-8, atol=1e-9)
            assert fit.loglik == pytest.approx(expected[3], rel=1e-11)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_map_never_falls_with_few_rows(rng, d_and_family, strength):
    """Fewer rows than parameters, and a prior from negligible to overwhelming."""
    d, family = d_and_family
    x = rng.standard_normal((6, d))
    prior = Prior(
        np.full(d, 2.0), np.full(d, 4.0 / strength), d + strength, np.full(d, strength),
        1 + strength,
    )  # fmt: skip
    fit = bayesgmm.fit(x, 3, family.name, prior=prior, start="random", random_seed=rng, n_init=2)
    assert fit.status in (Status.CONVERGED, Status.MAX_ITER)
    assert np.all(np.diff(fit.history) >= -1e-11 * (1 + np.abs(fit.history[1:])))
    assert np.all(np.isfinite(fit.covariances))


@pytest.mark.parametrize("width", [1.0, 1e-1, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7])
def test_narrow_groups_far_apart_are_no_degeneracy(rng, width):
    """Every family finds the groups' own moments, down to 1e-7 of the spread.

    Near the limit of the quadratic form the log-likelihood rounds to 1e-10 a row: such a fall is
    no collapse.
    """
    corners = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]]) + 0.1 * rng.standard_normal((4, 2))
    labels = np.repeat(np.arange(4), 60)
    x = 8 * corners[labels] + width * rng.standard_normal((240, 2))
    for name in FAMILIES:
        for tol in (1e-8, 0.0):
            fit = bayesgmm.fit(x, 4, name, start=labels, tol=tol)
            assert fit.status is Status.CONVERGED, name
        z = x - np.array([x[labels == g].mean(axis=0) for g in range(4)])[labels]
        scatters = np.array([z[labels == g].T @ z[labels == g] for g in range(4)])
        expected = reference_pass.m_step(name, np.full(4, 60.0), scatters)
        if expected is not None and width < 1:
            tolerance = 1e-6 * width**2
            np.testing.assert_allclose(fit.covariances, expected, rtol=1e-6, atol=tolerance)


def test_narrow_groups_are_found_from_a_wide_start(rng):
    """One M-step takes the components from the data's spread to a millionth of it."""
    labels = np.repeat([0, 1], 150)
    x = np.column_stack([labels, 0 * labels]) + 1e-6 * rng.standard_normal((300, 2))
    for name in FAMILIES:
        expected = bayesgmm.fit(x, 2, name, start=labels)
        for start in ("auto", "hc", "kmeans", "k-means++"):
            fit = bayesgmm.fit(x, 2, name, start=start, random_seed=rng, n_init=10)
            assert fit.loglik == pytest.approx(expected.loglik, rel=1e-6), (name, start)


@pytest.mark.parametrize("with_prior", [False, True], ids=["ml", "map"])
def test_exact_shift(rng, d_and_family, with_prior):
    """Rows that survive a shift by 2^27 without rounding: the same path, to the last iterations.

    A prior's mean far from zero must not bring its rounding into the objective.
    """
    d, family = d_and_family
    x, labels = simulate(rng, 90, d, 2, spread=1.0)
    x = np.round(x * 2**20) / 2**20
    y = x + 2.0**27

    def fit(rows):
        prior = Prior.from_data(rows) if with_prior else None
        return bayesgmm.fit(
            rows, 2, family.name, start=labels, prior=prior, tol=1e-12, max_iter=20_000
        )

    a, b = fit(x), fit(y)
    assert b.status is a.status
    # the shifted means are stored to 1.5e-8 only, and where 1e-12 of log-likelihood a row is left
    # to gain, parameters are still about 1e-6 from the maximum
    np.testing.assert_allclose(b.predict_proba(y), a.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(b.covariances, a.covariances, rtol=1e-5, atol=1e-7)
    assert b.objective == pytest.approx(a.objective, rel=1e-7)
    assert abs(b.n_iter - a.n_iter) <= 5 + 0.01 * a.n_iter  # certifying the end is a few steps
    assert np.all(np.diff(b.history) >= -1e-10 * np.abs(b.history[1:]))


def test_order_of_columns(rng):
    """Columns may come in any order."""
    x, labels = simulate(rng, 120, 4, 3)
    order = rng.permutation(4)
    for name in FAMILIES:
        # a longer step rounds in its own way, and may lead elsewhere where groups overlap
        arguments = {"start": labels, "tol": 1e-13, "max_iter": 10_000, "accelerate": False}
        a = bayesgmm.fit(x, 3, name, **arguments)
        b = bayesgmm.fit(x[:, order], 3, name, **arguments)
        assert b.loglik == pytest.approx(a.loglik, rel=1e-10)
        # where 1e-13 of log-likelihood a row is left to gain, means are about 3e-7 from the maximum
        np.testing.assert_allclose(b.means, a.means[:, order], rtol=1e-5, atol=3e-6)


def test_repeated_rows_count_as_weights(rng):
    """Every row three times triples the log-likelihood and nothing else, in every family."""
    x, labels = simulate(rng, 80, 2, 2, spread=1.0)
    for name in FAMILIES:
        a = bayesgmm.fit(x, 2, name, start=labels)
        b = bayesgmm.fit(np.repeat(x, 3, axis=0), 2, name, start=np.repeat(labels, 3))
        assert b.n_iter == a.n_iter
        assert b.loglik == pytest.approx(3 * a.loglik, rel=1e-10)
        np.testing.assert_allclose(b.covariances, a.covariances, rtol=1e-8, atol=1e-10)


def test_every_seed_gives_its_own_fit_again(rng, d_and_family):
    """Bit for bit, from every named start."""
    d, family = d_and_family
    x, _ = simulate(rng, 100, d, 3, spread=1.5)
    for start in STARTS:
        arguments = {"start": start, "n_init": 2, "random_seed": 11, "max_iter": 100}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateFitWarning)
            a = bayesgmm.fit(x, 3, family.name, **arguments)
            b = bayesgmm.fit(x, 3, family.name, **arguments)
        assert a.history == b.history
        np.testing.assert_array_equal(a.covariances, b.covariances)


def test_a_start_beside_the_optimum_finds_it_again(rng, d_and_family):
    """A fit is where EM from it ends, at once."""
    d, family = d_and_family
    x, labels = simulate(rng, 120, d, 2)
    fit = bayesgmm.fit(x, 2, family.name, start=labels, tol=1e-12, max_iter=20_000)
    again = bayesgmm.fit(x, 2, family.name, start=fit, tol=1e-8)
    assert again.n_iter <= 5
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-11, abs=1e-9 * len(x))
    np.testing.assert_allclose(again.covariances, fit.covariances, rtol=1e-5, atol=1e-7)


def test_component_of_weight_zero():
    """In a start it stays empty: told without a prior, filled by one; its covariance is kept."""
    x = np.random.default_rng(0).normal(size=(60, 2))
    start = Mixture([0, 1.0], [[0, 0], [1, 1]], [[1e-12, 2e-12], [1, 1]])
    with pytest.warns(DegenerateFitWarning, match="component 0"):
        assert bayesgmm.fit(x, 2, start=start).status is Status.DEGENERATE
    with pytest.warns(DegenerateFitWarning, match="component 0"):
        kept = bayesgmm.fit(x, 2, start=start, max_iter=0)
    np.testing.assert_allclose(kept.covariances[0], np.diag([1e-12, 2e-12]), rtol=1e-12)
    assert bayesgmm.fit(x, 2, start=start, prior=Prior.from_data(x)).converged


def nasty(rng):
    """A small table of the kinds that break mixtures, and a number of components."""
    n, d, k = (int(rng.integers(*b)) for b in ((3, 70), (1, 5), (1, 9)))
    kind = rng.integers(6)
    if kind == 0:  # a few whole numbers
        x = rng.integers(0, 4, size=(n, d)).astype(float)
    elif kind == 1:  # half the rows are one row
        x = rng.normal(size=(n, d))
        x[rng.random(n) < 0.5] = rng.normal(size=d)
    elif kind == 2:  # outliers
        x = rng.standard_cauchy(size=(n, d)) * 10 ** rng.uniform(-3, 6)
    elif kind == 3:  # points
        centres = rng.normal(size=(k, d))
        x = centres[rng.integers(k, size=n)] + 10 ** rng.uniform(-8, 0) * rng.normal(size=(n, d))
    elif kind == 4:  # rounded, far away, in units of their own
        x = np.round(rng.normal(size=(n, d)), 1) * 10 ** rng.uniform(-4, 4, size=d)
        x += 10 ** rng.uniform(0, 6, size=d)
    else:  # almost a line
        x = rng.normal(size=(n, 1)) @ rng.normal(size=(1, d))
        x += 10 ** rng.uniform(-9, 0) * rng.normal(size=(n, d))
    return x, k


#: Every refusal a table of `nasty` may meet; anything else is a crash.
REFUSALS = (
    "distinct rows|cannot determine|carry the same|linearly dependent|is constant|"
    "gives component .* a singular|too little for double precision"
)


@pytest.mark.parametrize(
    "seeds",
    [range(i, i + 10) for i in (0, 10, 20, 30)]
    + [pytest.param(range(i, i + 100), marks=pytest.mark.slow) for i in range(100, 600, 100)],
    ids=lambda s: f"{s.start}",
)
def test_whatever_comes_in_a_number_or_a_reason_comes_out(seeds):
    """Never a NaN, never a fall of the objective, never an error that is not ours."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x, k = nasty(rng)
        start = ("kmeans", "random", "random_from_data", "k-means++")[rng.integers(4)]
        for name in FAMILIES:
            for with_prior in (False, True):
                check_outcome(x, k, name, start, seed, with_prior)


def check_outcome(x, k, name, start, seed, with_prior):
    where = f"seed {seed}, {name}, K = {k}, prior: {with_prior}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            prior = Prior.from_data(x) if with_prior else None
            fit = bayesgmm.fit(
                x, k, name, prior=prior, start=start, random_seed=seed, n_init=2, max_iter=300
            )
        except ValueError as error:
            assert re.search(REFUSALS, str(error)), f"{where}: {error}"
            return
    categories = {w.category for w in caught}
    assert categories <= {DegenerateFitWarning, DataWarning}, where
    assert (DegenerateFitWarning in categories) == (not fit.status.sound), where
    numbers = [fit.loglik, fit.objective, fit.entropy, fit.log_map, *fit.history]
    assert np.all(np.isfinite(numbers)), where
    assert np.all(np.isfinite(fit.covariances)), where
    assert np.all(np.isfinite(fit.predict_proba(x))), where
    falls = -np.diff(fit.history)
    # Rounding moves a covariance's smallest variance by so much of it, and the likelihood at its
    # maximum by the square: of rows that are a line but for 1e-6 that is seen.
    moved = min(10 * np.finfo(float).eps * np.linalg.cond(fit.covariances).max(), 0.01)
    assert np.all(falls <= (1e-8 + moved**2) * len(x) + 1e-9 * np.abs(fit.history[1:])), where
    if with_prior:
        assert fit.status.sound, where
    if fit.status is Status.DEGENERATE:
        assert fit.degenerate_component is not None, where
        assert np.isnan(fit.bic), where


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("distance", [1e2, 1e4, 1e6, 1e7])
def test_one_far_outlier(rng, name, distance):
    """Components of their own that collapse on it say so; a prior holds them."""
    x = rng.standard_normal((100, 2))
    x[0] = [distance, -distance]
    free = get_family(name, 2).fewest_rows(2) > 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = bayesgmm.fit(x, 2, name, random_seed=rng, n_init=3)
    assert np.all(np.isfinite(fit.covariances))
    assert fit.loglik == pytest.approx(fit.mixture.log_density(x).sum(), rel=1e-6)
    assert bool(caught) == (not fit.status.sound)
    if free and fit.status.sound:  # it found room for the outlier among others
        assert 100 * fit.weights.min() > get_family(name, 2).fewest_rows(2)
    if not free and name != "EEV":  # the outlier is a component, the rest another
        assert fit.predict_proba(x)[0].max() > 1 - 1e-9
        np.testing.assert_allclose(np.sort(fit.weights), [0.01, 0.99], atol=1e-6)
    held = bayesgmm.fit(x, 2, name, random_seed=rng, n_init=3, prior=Prior.from_data(x))
    assert held.converged


@pytest.mark.parametrize("name", list(FAMILIES))
def test_as_many_components_as_rows(rng, name):
    """One less is fitted or told degenerate, as many are refused, a prior takes them all."""
    x = rng.standard_normal((12, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = bayesgmm.fit(x, 11, name, random_seed=rng)
    assert bool(caught) == (not fit.status.sound)
    assert np.all(np.isfinite(fit.covariances))
    with pytest.raises(DataError, match="12 distinct rows .* n_components = 12: .* at most 11"):
        bayesgmm.fit(x, 12, name)
    prior = Prior.from_data(x)
    assert bayesgmm.fit(x, 12, name, random_seed=rng, prior=prior).status.sound
    with pytest.raises(DataError, match="12 distinct rows .* n_components = 13: .* at most 12"):
        bayesgmm.fit(x, 13, name, prior=prior)


def test_collapse_on_repeated_rows_is_told_whatever_the_seed():
    """The last covariance may be nothing but rounding: it is symmetric all the same."""
    x = np.random.default_rng(0).normal(size=(100, 2))
    x[:50] += 3
    x = np.r_[x, np.full((30, 2), 9.0)]
    for seed in range(10):
        for k in (3, 4, 5):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DegenerateFitWarning)
                fit = bayesgmm.fit(x, k, random_seed=seed, n_init=2)
            assert fit.status is Status.DEGENERATE
            sigma = fit.covariances
            np.testing.assert_array_equal(sigma, np.swapaxes(sigma, 1, 2))


def test_a_false_m_step_is_noticed(monkeypatch):
    """The alarm works: parameters that are no maximum make the objective fall, and EM stops."""
    x, labels = simulate(np.random.default_rng(3), 200, 2, 2)
    data = bayesgmm.data.data.as_data(x)
    good = bayesgmm.fit(x, 2, start=labels)

    def false(rows, parameters):
        step = measured_statistics(rows, parameters)
        s = step.statistics
        return replace(step, statistics=Statistics(s.counts, s.means, 1.001 * s.scatters))

    monkeypatch.setattr(ready, "_RESIDENT", 0)  # the pass is then Python's to call
    monkeypatch.setattr(bayesgmm.em.problem, "measured_statistics", false)
    problem = Problem(data, FAMILIES["VVV"])
    first = good.mixture.parameters_about(data.center)
    result = run_em(problem, first, max_iter=50, tol=1e-12)
    assert result.status is Status.DEGENERATE
    assert result.history == (result.objective,)


@pytest.mark.parametrize("with_prior", [False, True], ids=["ml", "map"])
def test_both_ways_to_the_pass_agree(rng, d_and_family, with_prior, monkeypatch):
    """Features that lie ready, and a pass over the rows from Python: the same EM."""
    d, family = d_and_family
    x, labels = simulate(rng, 90, d, 2)
    prior = Prior.from_data(x) if with_prior else None
    arguments = {"start": labels, "max_iter": 12, "tol": 0.0, "prior": prior}
    a = bayesgmm.fit(x, 2, family.name, **arguments)
    monkeypatch.setattr(ready, "_RESIDENT", 0)
    b = bayesgmm.fit(x, 2, family.name, **arguments)
    assert len(a.history) == len(b.history)
    np.testing.assert_allclose(a.history, b.history, rtol=1e-9)
    np.testing.assert_allclose(a.covariances, b.covariances, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_long_steps_end_where_plain_ones_do(rng, name):
    """In fewer iterations, at a maximum at least as high, and never downwards."""
    x, labels = simulate(rng, 200, 3, 2, spread=1.0)
    plain, fast = (
        bayesgmm.fit(x, 2, name, start=labels, tol=1e-12, max_iter=20_000, accelerate=accelerate)
        for accelerate in (False, True)
    )
    assert np.all(np.diff(fast.history) >= -1e-11 * np.abs(fast.history[1:]))
    assert fast.loglik >= plain.loglik - 1e-6
    assert fast.n_iter <= plain.n_iter + 5
    # it is a fixed point of plain EM
    again = bayesgmm.fit(x, 2, name, start=fast, max_iter=1, tol=0.0, accelerate=False)
    np.testing.assert_allclose(again.means, fast.means, atol=1e-4)


def test_memory_of_a_whole_fit():
    """Half a million rows, sixteen components: 17 MB, where responsibilities alone take 64 MB."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500_000, 2))
    x[:200_000] += 4
    bayesgmm.fit(x[:2000], 2, random_seed=0, n_init=1)  # compiled
    for start in ("kmeans", "random"):
        tracemalloc.start()
        bayesgmm.fit(x, 16, "VVI", start=start, random_seed=0, n_init=1, max_iter=2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40e6
