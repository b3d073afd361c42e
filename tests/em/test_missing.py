"""Missing values, marginalised: published and closed-form results, and laws."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import entr

import bayesgmm
from bayesgmm import DataError, Mixture
from bayesgmm.em.standard_errors.standard_errors import standard_errors
from bayesgmm.kernels.e_step.contract import Parameters
from tests import reference_missing
from tests.conftest import quick_with_one_seed

_FILES = ("missing_iris_mcar", "missing_banknote_monotone")
FAMILIES = "EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV".split()
# Rounded measurements, of which these tables consist.
pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.DataWarning")


def reference(name):
    path = Path(__file__).parents[1] / "reference" / "missing" / f"{name}.json"
    table = json.loads(path.read_text())
    return np.array(table["data"], dtype=float), table


def fit(x, k, family="VVV", **options):
    options = {"missing": "marginalize", "random_seed": 1} | options
    return bayesgmm.fit(x, k, family, **options)


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("family", FAMILIES)
def test_maxima_of_another_optimiser(name, family):
    """EM stays at maxima that BFGS and Newton found; rows, BIC and imputations agree there."""
    x, table = reference(name)
    known = table["families"][family]
    start = Mixture(known["weights"], known["means"], known["covariances"])
    found = fit(x, table["n_components"], family, start=start)
    assert found.loglik == pytest.approx(known["loglik"], abs=1e-8)
    assert found.bic == pytest.approx(known["bic_lower_is_better"], abs=1e-7)
    assert found.n == known["rows_with_a_value"]
    assert found.n_parameters == known["n_parameters"]
    np.testing.assert_allclose(found.weights, known["weights"], atol=1e-8)
    np.testing.assert_allclose(found.means, known["means"], atol=1e-7)
    np.testing.assert_allclose(found.covariances, known["covariances"], atol=1e-7)
    rows = known["check_rows"]
    np.testing.assert_allclose(found.score_samples(x)[rows], known["log_density"], atol=1e-7)
    np.testing.assert_allclose(found.predict_proba(x)[rows], known["responsibilities"], atol=1e-7)
    np.testing.assert_allclose(found.impute(x)[rows], known["conditional_means"], atol=1e-6)


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("family", ["EEE", "VVV", "VVI", "VEI", "EVE", "EII"])
def test_starts_reach_them(name, family):
    """From the default starts EM ends at least as high."""
    x, table = reference(name)
    found = fit(x, table["n_components"], family)
    assert found.loglik > table["families"][family]["loglik"] - 1e-6
    assert np.all(np.diff(found.history) > -1e-8)


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("family", FAMILIES)
def test_standard_errors(name, family):
    """The observed information's are those of JAX's Hessian."""
    x, table = reference(name)
    known = table["families"][family]
    start = Mixture(known["weights"], known["means"], known["covariances"])
    found = fit(x, table["n_components"], family, start=start)
    se = standard_errors(x, found, "information")
    np.testing.assert_allclose(se.means, known["standard_errors_of_means"], rtol=1e-4)


def test_monotone_pattern_in_closed_form(rng):
    """One Gaussian, y missing for some: regression of y on x gives the maximum (Anderson 1957)."""
    x = rng.standard_normal(200)
    y = 2.0 + 0.8 * x + 0.5 * rng.standard_normal(200)
    seen = rng.random(200) < 1 / (1 + np.exp(-2 * x))  # missing at random, not completely
    found = fit(np.column_stack([x, np.where(seen, y, np.nan)]), 1, tol=1e-14)
    slope, intercept = np.polyfit(x[seen], y[seen], 1)
    rest = np.mean((y[seen] - intercept - slope * x[seen]) ** 2)
    np.testing.assert_allclose(found.means[0], [x.mean(), intercept + slope * x.mean()], rtol=1e-6)
    expected = [[x.var(), slope * x.var()], [slope * x.var(), slope**2 * x.var() + rest]]
    np.testing.assert_allclose(found.covariances[0], expected, rtol=1e-6)


def holes(rng, n=300, d=3):
    x, _ = Mixture(
        [0.4, 0.6], [[0.0] * d, [4.0] * d], np.array([np.eye(d), 0.5 * np.eye(d) + 0.3])
    ).sample(n, rng)
    x[rng.random(x.shape) < 0.15] = np.nan
    return x


def test_all_observed_is_todays_fit():
    """Without missing values the option changes no bit."""
    x = bayesgmm.datasets.load_faithful()
    a, b = fit(x, 2), bayesgmm.fit(x, 2, random_seed=1)
    assert a.loglik == b.loglik
    np.testing.assert_array_equal(a.covariances, b.covariances)


def test_empty_rows_change_nothing(rng):
    """A row without a value has density 1, the proportions, and no part in n."""
    x = holes(rng)
    with_empty = np.vstack([x, np.full((3, 3), np.nan)])
    a, b = fit(x, 2), fit(with_empty, 2)
    assert (b.n, b.bic) == (a.n, pytest.approx(a.bic, abs=1e-6))
    np.testing.assert_allclose(b.means, a.means, atol=1e-5)
    np.testing.assert_allclose(b.score_samples(with_empty)[-3:], 0.0, atol=1e-12)
    np.testing.assert_allclose(b.predict_proba(with_empty)[-1], b.weights, atol=1e-12)


def test_weights_are_repeated_rows(rng):
    """A row of weight 2 counts as two rows, with missing values too."""
    x = holes(rng, 150)
    weights = rng.choice([0.0, 1.0, 2.0], 150)
    start = (np.nan_to_num(x[:, 0], nan=2.0) > 2).astype(int)
    repeated = np.repeat(np.arange(150), weights.astype(int))
    a = fit(x, 2, "VVE", sample_weight=weights, start=start, tol=1e-12)
    b = fit(x[repeated], 2, "VVE", start=start[repeated], tol=1e-12)
    assert a.loglik == pytest.approx(b.loglik, rel=1e-9)
    np.testing.assert_allclose(a.covariances, b.covariances, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["VVV", "EII"])
@pytest.mark.parametrize("weighted", [False, True])
def test_entropy_and_certainty_are_those_of_the_rows(rng, family, weighted):
    """Of the responsibilities alone: what is missing is uncertain too, and no part of them."""
    x = np.vstack([holes(rng, 150), np.full((2, 3), np.nan)])
    weights = rng.integers(0, 3, len(x)).astype(float) if weighted else None
    found = fit(x, 2, family, sample_weight=weights)
    counted = (np.ones(len(x)) if weights is None else weights) * ~np.isnan(x).all(axis=1)
    resp = found.predict_proba(x)
    assert found.entropy == pytest.approx(counted @ entr(resp).sum(axis=1), rel=1e-9)
    assert found.log_map == pytest.approx(counted @ np.log(resp.max(axis=1)), rel=1e-9)
    in_chunks = bayesgmm.in_chunks([x[:70], x[70:]], sample_weight=weights, missing="marginalize")
    same = fit(in_chunks, 2, family, start=found.mixture, max_iter=1)
    assert same.entropy == pytest.approx(found.entropy, rel=1e-3)  # an iteration further


@pytest.mark.parametrize("family", ["VVV", "VVI", "EEE"])
def test_permutation_offset_and_scale(rng, family):
    """Rows and columns in another order, in other units, far from 0: the same fit in these."""
    x = holes(rng)
    a = fit(x, 2, family, tol=1e-12)
    rows, columns = rng.permutation(300), [2, 0, 1]
    unit, offset = np.array([1e-6, 1.0, 1e3]), np.array([1e8, 0.0, -1e8]) * [1e-6, 1.0, 1e3]
    moved = (x * unit + offset)[rows][:, columns]
    b = fit(moved, 2, family, tol=1e-12)
    shift = a.n and np.sum(~np.isnan(x) @ np.log(unit))
    assert b.loglik == pytest.approx(a.loglik - shift, abs=1e-4)
    np.testing.assert_allclose(
        (b.means - offset[columns]) / unit[columns], a.means[:, columns], atol=1e-4
    )


def test_one_column(rng):
    """Of one column, only empty rows are left out."""
    x = rng.standard_normal(200) + 5 * (rng.random(200) < 0.5)
    with_holes = np.insert(x, [3, 50], np.nan)
    assert fit(with_holes, 2, "V").loglik == pytest.approx(fit(x, 2, "V").loglik, rel=1e-9)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1, 2, pd.NA, 4, 5], "b": [2.0, None, 3, 4, 7]}, dtype="Float64"),
        pd.DataFrame({"a": [1, 2, None, 4, 5], "b": [2, None, 3, 4, 7]}, dtype=object),
        pl.DataFrame({"a": [1, 2, None, 4, 5], "b": [2.0, None, 3, 4, 7]}),
        np.ma.masked_invalid([[1, 2], [2, np.nan], [np.nan, 3], [4, 4], [5, 7]]),
        [[1, 2], [2, None], [None, 3], [4, 4], [5, 7]],
        np.array([[1, 2], [2, np.nan], [np.nan, 3], [4, 4], [5, 7]], dtype=np.float32),
    ],
    ids=["NA", "None", "null", "masked", "list", "float32"],
)
def test_kinds_of_missing(table):
    """All kinds of missing values are the same."""
    plain = np.array([[1, 2], [2, np.nan], [np.nan, 3], [4, 4], [5, 7.0]])
    assert fit(table, 1, "EEE").loglik == pytest.approx(fit(plain, 1, "EEE").loglik, rel=1e-12)


def test_refusals(rng):
    """What the values do not determine, and what is not allowed, is said by name."""
    x = holes(rng)
    with pytest.raises(DataError, match="missing='marginalize'"):
        bayesgmm.fit(x, 2)
    with pytest.raises(DataError, match="infinite"):
        fit(np.vstack([x, [np.inf, 1, 1]]), 2)
    with pytest.raises(DataError, match="'x1' has no value"):
        fit(np.column_stack([x[:, 0], np.full(300, np.nan)]), 1, "VVI")
    apart = x.copy()
    apart[:150, 0], apart[150:, 1] = np.nan, np.nan
    with pytest.raises(DataError, match="'x0' and 'x1' have values together in 0 rows"):
        fit(apart, 1, "EEE")
    assert fit(apart, 1, "VVI").status.sound
    same = np.column_stack([x[:, 0], 2 * x[:, 0], x[:, 1]])
    same[rng.random(same.shape) < 0.1] = np.nan
    with pytest.raises(DataError, match="'x0' and 'x1' carry the same information"):
        fit(same, 2)


@pytest.mark.parametrize("family", ["VVV", "VVI"])
def test_labels_of_rows_that_miss_values(rng, family):
    """The joint log-likelihood by SciPy row by row, at a point that no other near it exceeds."""
    x, z = Mixture([0.5, 0.5], [[0.0] * 3, [2.0] * 3], [np.eye(3)] * 2).sample(200, rng)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[[3, 4]] = np.nan
    labels = np.where(np.arange(200) % 3 == 0, z, -1)
    labels[[3, 4]] = 1, -1  # a class without a value counts, nothing at all does not
    found = fit(x, 2, family, labels=labels)
    sets = np.where(labels[:, None] < 0, True, labels[:, None] == np.arange(2))

    def loglik(weights, means):
        p = Parameters(weights, means, found.covariances)
        rows = SimpleNamespace(values=x, center=np.zeros(3))
        return reference_missing.expected_statistics(rows, p, admissible=sets)[0]

    best = loglik(found.weights, found.means)
    assert found.loglik == pytest.approx(best, rel=1e-9)
    for _ in range(5):
        t = 0.02 * rng.standard_normal()
        moved = np.array([found.weights[0] + t, found.weights[1] - t])
        assert loglik(moved, found.means + 0.02 * rng.standard_normal((2, 3))) < best


def test_columns_never_together_in_every_entry(rng):
    """Neither a ridge nor a bound makes up for them; a prior does."""
    x = holes(rng)
    x[:150, 0], x[150:, 1] = np.nan, np.nan
    together = "'x0' and 'x1' have values together in 0 rows"
    estimator = bayesgmm.GaussianMixture(2, covariance_type="VVV", missing="marginalize")
    regression = bayesgmm.Regression(1, "VVV", missing="marginalize")
    for call in (
        lambda: fit(x, 2, max_ratio=100.0),
        lambda: estimator.fit(x),
        lambda: regression.fit(x[:, :2], rng.standard_normal(len(x))),
    ):
        with pytest.raises(ValueError, match=together):
            call()
    grid = bayesgmm.select(
        x, [1], ["VVI", "EEE"], missing="marginalize", random_seed=1, progressbar=False
    )
    assert grid.best.family.name == "VVI"
    assert together in grid.failures["EEE", 1]
    prior = bayesgmm.Prior.from_data(x, missing="marginalize")
    assert fit(x, 2, "EEE", prior=prior).status.sound


def test_component_without_a_column(rng):
    """A component none of whose rows has a column is named, with the cure."""
    x, z = Mixture([0.5, 0.5], [[0.0, 0.0], [30.0, 0.0]], [np.eye(2)] * 2).sample(200, rng)
    x[z == 1, 1] = np.nan
    with pytest.warns(bayesgmm.DegenerateFitWarning, match=r"values of column 'x1'"):
        found = fit(x, 2, "VVI", start=z)
    assert "fewer components" in found.advice


@pytest.mark.parametrize("share", [0.3, 0.8])
@pytest.mark.parametrize("family", ["VVV", "VVI", "VII", "VEV"])
def test_atoms_die_slowly_but_die(family, share):
    """Twenty-four equal rows with holes: what is filled in keeps the spread of the step before.

    A step takes only the holes' share of the variance away, so that the end comes after tens of
    steps, not two. It has to be called one: the likelihood has no maximum there.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    x[:24] = [9.0, 5.0]
    lacking = rng.random((24, 2)) < share
    lacking[:2], lacking[2:4] = False, [True, False]
    x[:24][lacking] = np.nan
    start = bayesgmm.Mixture([0.8, 0.2], [[0, 0], [9, 5]], [np.eye(2)] * 2, missing="marginalize")
    with pytest.warns(bayesgmm.DegenerateFitWarning, match="degenerate component 1"):
        found = bayesgmm.fit(x, 2, family, start=start, missing="marginalize")
    assert found.status.name == "DEGENERATE" and found.degenerate_component == 1
    assert 10 < found.n_iter < 1000 and np.all(np.diff(found.history) > 0)


def test_saved_fits_remember(rng, tmp_path):
    """A fit that was loaded takes rows with missing values as before."""
    x = holes(rng)
    found = fit(x, 2)
    found.save(tmp_path / "fit.npz")
    again = bayesgmm.Fit.load(tmp_path / "fit.npz")
    np.testing.assert_array_equal(again.predict_proba(x), found.predict_proba(x))


@quick_with_one_seed
def test_imputations(rng):
    """Draws have the conditional means, and leave what is there as it is."""
    x = holes(rng, 60)
    found = fit(x, 2)
    draws = found.impute(x, draws=2000, random_seed=2)
    seen = ~np.isnan(x)
    assert np.all(draws[:, seen] == draws[0][seen])
    np.testing.assert_allclose(draws[0][seen], x[seen], rtol=1e-12)
    error = draws.std(axis=0)[~seen] / np.sqrt(2000)
    z = (draws.mean(axis=0) - found.impute(x))[~seen] / error
    assert np.abs(z).max() < 5


@quick_with_one_seed
def test_grid_and_what_follows(rng):
    """select, cross-validation, classify, merge, bootstraps: whole and consistent."""
    x = holes(rng, 200)
    grid = bayesgmm.select(
        x, [1, 2, 3], ["EEE", "VVV", "VVI"], missing="marginalize", cv=3, random_seed=1,
        progressbar=False,
    )  # fmt: skip
    assert len(grid.cv) == len(grid.sound)
    assert np.isfinite([mean for mean, _ in grid.cv.values()]).all()
    assert max(grid.sound, key=lambda name: grid.cv[name][0])[1] > 1
    best = grid.fits["VVI", 2]
    table = bayesgmm.classify(x, best)
    np.testing.assert_array_equal(table.component, best.predict(x))
    assert len(bayesgmm.merge(x, best).entropies) == 2
    parametric = standard_errors(x, best, "parametric", n_boot=30, random_seed=1, progressbar=False)
    information = standard_errors(x, best, "information")
    ratio = parametric.means / information.means
    assert np.all((0.5 < ratio) & (ratio < 2.0))
    test = bayesgmm.bootstrap_lrt(
        x, "VVI", n_components=1, n_boot=19, missing="marginalize", random_seed=1,
        progressbar=False,
    )  # fmt: skip
    assert test.tests[0].p_value == 0.05


def test_scikit_learn(rng):
    """The estimator takes NaN if it is told to, and says so in its tags."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = holes(rng)
    model = bayesgmm.GaussianMixture(2, missing="marginalize", random_state=0).fit(x)
    assert model.__sklearn_tags__().input_tags.allow_nan
    assert model.bic(x) == pytest.approx(model.fit_.bic, rel=1e-12)
    with pytest.raises(ValueError, match="NaN.*missing='marginalize'"):
        bayesgmm.GaussianMixture(2).fit(x)
    complete = bayesgmm.GaussianMixture(1).fit(np.nan_to_num(x))
    with pytest.raises(ValueError, match="NaN.*missing='marginalize'"):
        complete.predict(x)
    pipeline = make_pipeline(StandardScaler(), bayesgmm.GaussianMixture(missing="marginalize"))
    search = GridSearchCV(pipeline, {"gaussianmixture__n_components": [1, 2]}, cv=3).fit(x)
    assert search.best_params_ == {"gaussianmixture__n_components": 2}


def test_priors_and_bounds(rng):
    """MAP and bounded fits: monotone, and between the unbounded likelihood and below."""
    x = holes(rng)
    free = fit(x, 2)
    prior = bayesgmm.Prior.from_data(x, missing="marginalize")
    for other in (fit(x, 2, prior=prior), fit(x, 2, max_ratio=3.0)):
        assert np.all(np.diff(other.history) > -1e-8)
        assert other.loglik < free.loglik + 1e-8  # the same, where the bound is wide enough
        assert other.converged


def test_memory_of_a_fit():
    """Of n rows the groups' numbers are kept, and nothing of size n x K."""
    n, d, k = 400_000, 3, 24
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    x[: n // 2] += 3
    x[rng.random(x.shape) < 0.1] = np.nan
    options = {"missing": "marginalize", "start": "k-means++", "n_init": 1, "random_seed": 1}
    bayesgmm.fit(x[:20_000], k, max_iter=2, **options)  # compiled, as for all of them
    tracemalloc.start()
    bayesgmm.fit(x, k, max_iter=2, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # responsibilities take 77 MB
