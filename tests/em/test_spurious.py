"""Maxima that are no estimates, saddles, and columns on whose values components can stand."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayesgmm
from bayesgmm.data import rounding
from bayesgmm.em import moves
from bayesgmm.em.problem import Problem
from bayesgmm.em.spurious import finer_than_rounding, of_few_rows
from bayesgmm.em.status import Status
from bayesgmm.estimators.mixture import GaussianMixture
from bayesgmm.families import FAMILIES
from bayesgmm.kernels.e_step.contract import Parameters, Statistics
from bayesgmm.utils.errors import DataWarning, DegenerateFitWarning


def select(x, *args, **options):
    """A grid without a bar."""
    return bayesgmm.select(x, *args, random_seed=0, progressbar=False, **options)


def quiet_fit(*args, **options):
    """A fit whose warnings are not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bayesgmm.fit(*args, **options)


@pytest.mark.slow
def test_one_gaussian_has_one_component():
    """Small samples: EEV with nine components of a row or two was preferred six times of six."""
    found = []
    for n, d in [(30, 4), (40, 6)]:
        for seed in range(100, 102):
            x = np.random.default_rng(seed).normal(size=(n, d))
            found.append(select(x).best.n_components)
    # 28 of 30 in benchmarks/small_samples.py: fewer than 3 of 4 has probability 2.4 %
    assert found.count(1) >= 3, found


@pytest.mark.parametrize("name", ["EEV", "VEV", "EVE", "VVE", "EVV", "VVV"])
def test_no_family_is_exempt(name):
    """Nine components of 30 rows in four columns are no estimate, or rest on wide ones."""
    x = np.random.default_rng(100).normal(size=(30, 4))
    fit = quiet_fit(x, 9, name, random_seed=0)
    if fit.status.sound:
        whole = np.linalg.inv(np.linalg.cholesky(np.cov(x.T, ddof=0)))
        widths = np.linalg.eigvalsh(whole @ fit.covariances @ whole.T)[:, 0]
        few = 30 * fit.weights < 5
        assert np.all(widths[few] > 0.01)
    else:
        assert fit.status is Status.DEGENERATE or "too few" in fit.advice
        assert name != "EEV" or fit.status is Status.SPURIOUS


def two_groups(covariances, n=40.0, few=3.0):
    """A mixture in which the second component holds few rows."""
    weights = np.array([1 - few / n, few / n])
    return Parameters(weights, np.array([[0.0, 0.0], [3.0, 0.0]]), np.array(covariances))


@pytest.mark.parametrize("seed", range(3))
def test_the_rule_does_not_depend_on_units(seed):
    """Any linear map of the columns leaves the verdict as it is, at the limit too."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 2))
    problem = Problem(bayesgmm.data.data.as_data(x), FAMILIES["VVV"])
    verdicts = []
    for width in 10.0 ** np.arange(-4, 1, 0.5):
        p = two_groups([np.eye(2), np.diag([1.0, width])])
        a = rng.normal(size=(2, 2)) * 10.0 ** rng.uniform(-3, 3)
        turned = Parameters(p.weights, p.means @ a.T, a @ p.covariances @ a.T)
        before, after = of_few_rows(problem, p), of_few_rows(problem, turned)
        assert (before is None) == (after is None)
        verdicts.append(before is not None)
    # narrow ones are set aside, wide ones not, and there is one border
    assert verdicts[0] and not verdicts[-1]
    assert sorted(verdicts, reverse=True) == verdicts


def test_more_rows_may_be_narrower():
    """The same width is a coincidence of three rows and an estimate of nine."""
    x = np.random.default_rng(0).normal(size=(40, 2))
    problem = Problem(bayesgmm.data.data.as_data(x), FAMILIES["VVV"])
    covariances = [np.eye(2), np.diag([1.0, 1e-3])]
    assert of_few_rows(problem, two_groups(covariances, few=3)) is not None
    assert of_few_rows(problem, two_groups(covariances, few=9)) is None


@pytest.mark.parametrize("name", ["EII", "EEI", "EEE"])
def test_shared_covariances_need_rows_together(name):
    """A lone outlier is a component of such a family; only all rows together must be enough."""
    x = np.random.default_rng(0).normal(size=(100, 2))
    x[0] = 50.0
    fit = quiet_fit(x, 2, name, random_seed=0)
    assert fit.converged
    assert 100 * fit.weights.min() == pytest.approx(1, abs=1e-6)


def test_steps():
    """The grid of a column, whatever its unit; continuous values have none."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    columns = np.column_stack([x, np.round(x, 1), np.round(7 * x) * 5 + 1e6, np.exp(np.round(x))])
    np.testing.assert_allclose(rounding.steps(columns), [0, 0.1, 5, 0], rtol=1e-9)
    # rows of weight 0 are not there
    weights = np.r_[0.0, np.ones(499)]
    columns[0, 1] = 0.123456
    np.testing.assert_allclose(rounding.steps(columns, weights)[1], 0.1)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_components_do_not_stand_on_single_ratings(d):
    """600 rows of five-point ratings: no component is narrower than rounding alone makes it."""
    rng = np.random.default_rng(0)
    root = 0.5 * rng.normal(size=(d, d)) + np.eye(d)
    x = np.clip(np.round(3 + 0.8 * rng.normal(size=(600, d)) @ root.T), 1, 5)
    with pytest.warns(DataWarning, match="column 'x0' takes 5 different values"):
        found = select(x, [1, 2, 4])
    problem = Problem(bayesgmm.data.data.as_data(x), FAMILIES["VVV"])
    np.testing.assert_array_equal(problem.units, 1.0)
    for fit in found.sound.values():
        if fit.n_components > 1:
            # no rating is more probable than 1 in any direction
            sd = np.sqrt(np.linalg.eigvalsh(fit.covariances).min())
            assert norm(0, sd).pdf(0) <= 1 + 1e-9
            assert finer_than_rounding(problem, fit.mixture.parameters_about(np.zeros(d))) is None


def test_columns_that_look_discrete_are_named():
    """Few values, rounding, sentinels; not iris, whose measurements are fine enough."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(10, 1, 203), np.r_[rng.normal(size=200), [-999.0] * 3]])
    with pytest.warns(DataWarning, match="column 'x1' has 3 rows of -999"):
        quiet = bayesgmm.fit(x, 2, "EEE", random_seed=0)
    assert quiet.status.sound
    assert "multiples of 5" in rounding.discreteness_message(5 * np.round(3 * x[:, :1]), ["height"])
    for name in ("iris", "faithful", "diabetes", "penguins", "galaxies", "acidity"):
        real = getattr(bayesgmm.datasets.loaders, f"load_{name}")(features_only=True)
        assert rounding.discreteness_message(real.to_numpy(), list(real.columns)) == "", name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bayesgmm.fit(x, 1, random_seed=0)  # one component cannot shrink
        bayesgmm.fit(x, 2, random_seed=0, prior=bayesgmm.Prior.from_data(x))


def test_the_odd_end_among_singular_ones_is_told():
    """A sentinel makes 30 of 31 starts singular: the one estimate comes with a warning."""
    rng = np.random.default_rng(0)
    group = np.repeat([0.0, 1.0], [60, 40])
    x = np.r_[rng.normal(10, 1, 100), rng.normal(16, 1, 100), [-999.0] * 3]
    with pytest.warns(DegenerateFitWarning, match="starts ended at or beside a singular"):
        fit = quietly_named(x)
    assert fit.unsound >= 28
    # a dummy column that follows the groups
    y = np.column_stack([rng.normal(6 * group, 1), rng.normal(6 * group, 1), group])
    with pytest.warns(DegenerateFitWarning):
        fit = quietly_named(y)
    assert fit.unsound >= 28


def quietly_named(x):
    """A fit whose columns are known to be discrete."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return bayesgmm.fit(x, 2, random_seed=0)


@pytest.mark.parametrize("name", ["VVV", "EEE", "VVI", "VII"])
def test_a_saddle_is_left(name):
    """All components equal, or nearly: nothing to gain there, and no maximum."""
    rng = np.random.default_rng(1)
    x = np.r_[rng.normal(0, 1, (10_000, 2)), rng.normal(4, 1, (10_000, 2))]
    best = bayesgmm.fit(x, 2, name, start=np.repeat([0, 1], 10_000))
    uniform = bayesgmm.fit(x, 2, name, start=np.full((20_000, 2), 0.5))
    assert uniform.loglik == pytest.approx(best.loglik, abs=1e-3)
    if name == "VVV":
        found = bayesgmm.fit(x, 2, start="random", random_seed=0, n_init=2)
        assert found.loglik == pytest.approx(best.loglik, abs=1e-3)
        model = GaussianMixture(2, init_params="random", random_state=0, n_init=1).fit(x)
        assert model.score(x) == pytest.approx(best.loglik / 20_000, abs=1e-6)
        three = bayesgmm.fit(x, 3, start=np.full((20_000, 3), 1 / 3))
        assert three.loglik >= best.loglik - 1e-6


def test_taking_apart_keeps_the_moments(rng):
    """Whatever is done to a pair, the others stand where they stood and the mean stays."""
    s = Statistics(
        rng.uniform(5, 20, 4),
        rng.normal(size=(4, 3)),
        np.array([np.eye(3) * v for v in range(1, 5)]),
    )
    made = list(moves.separated(s, 1, 3))
    assert len(made) == 4
    for moved in made:
        np.testing.assert_array_equal(moved.means[[0, 2]], s.means[[0, 2]])
        np.testing.assert_allclose(moved.counts.sum(), s.counts.sum())
        np.testing.assert_allclose(moved.counts @ moved.means, s.counts @ s.means)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_grid_is_nowhere_below_a_single_fit(seed):
    """Nor below the hierarchical start run to its end, in any cell."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    grid = bayesgmm.select(x, [2, 3, 6], random_seed=seed, progressbar=False)
    for k in (2, 3, 6):
        for name in FAMILIES:
            for options in ({"random_seed": seed}, {"start": "hc"}):
                fit = quiet_fit(x, k, name, **options)
                if fit.status.sound:
                    assert grid.sound[name, k].loglik >= fit.loglik - 1e-9, (name, k, options)


def test_what_is_withheld_here_is_withheld_there():
    """The estimator's criteria and score are those of its fit: none, where there is no estimate."""
    rng = np.random.default_rng(1)
    rng.normal(size=100)
    x = np.round(np.r_[rng.normal(50, 8, 300), rng.normal(80, 8, 200)] / 5)[:, None] * 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = {k: GaussianMixture(k, random_state=0).fit(x) for k in (1, 2, 8)}
    for model in models.values():
        assert model.bic(x) == pytest.approx(model.fit_.bic, nan_ok=True)
        assert model.aic(x) == pytest.approx(model.fit_.aic, nan_ok=True)
        assert np.isnan(model.score(x)) == np.isnan(model.fit_.bic)
    assert models[2].bic(x) == pytest.approx(4093.4, abs=0.1)
    assert min((1, 2), key=lambda k: models[k].bic(x)) == 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", ["VVV", "VVI"])
def test_a_spike_that_rests_on_one_column_is_named(family, seed):
    """A component of 40 rows, of which 5 have a value of "b": these lie together by chance."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(160, 2)), columns=["a", "b"])
    far = np.arange(160) < 40
    x.loc[far, "a"] += 12.0
    whole = bayesgmm.fit(x, 2, family, start=far.astype(int))
    assert whole.status is Status.CONVERGED
    x.loc[far, "b"] = np.nan
    x.loc[:4, "b"] = 0.3 + 1e-6 * rng.normal(size=5)
    with pytest.warns(DegenerateFitWarning, match="5.0 rows with a value of 'b', too few"):
        spike = bayesgmm.fit(x, 2, family, start=far.astype(int), missing="marginalize")
    assert spike.status is Status.SPURIOUS
    assert spike.degenerate_component == np.argmin(spike.covariances[:, 1, 1])
    x.loc[:39, "b"] = rng.normal(size=40)  # as many values as rows
    assert bayesgmm.fit(x, 2, family, start=far.astype(int)).status is Status.CONVERGED
