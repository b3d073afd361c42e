"""scikit-learn's contract: what its own GaussianMixture passes, ours passes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from bayesgmm import DiscriminantAnalysis, Regression
from bayesgmm.datasets import loaders as datasets
from bayesgmm.estimators.mixture import GaussianMixture

FORMS = ("full", "tied", "diag", "spherical")


@pytest.mark.parametrize("kind", ["mixture", "classes", "regression"])
def test_missing_values_are_refused_by_column_row_and_cure(kind):
    """In words that name the argument, and scikit-learn's word for its checks."""
    iris = datasets.load_iris(features_only=True)
    iris.iloc[3, 1] = np.nan
    y = np.repeat([0, 1], 75)
    says = "X contains NaN: column 'sepal_width' has 1 missing value .first in row 3.: fit with"
    with pytest.raises(ValueError, match=says + " missing='marginalize'"):
        if kind == "mixture":
            GaussianMixture(2).fit(iris)
        elif kind == "classes":
            DiscriminantAnalysis().fit(iris, y)
        else:
            Regression(1).fit(iris, y)


def test_passes_every_check_scikit_learn_passes():
    """No check is skipped or failed that scikit-learn's own estimator passes."""
    ours = {
        r["check_name"]: r["status"]
        for r in check_estimator(GaussianMixture(), on_skip=None, on_fail=None)
    }
    theirs = check_estimator(SklearnMixture(), on_skip=None, on_fail=None)
    passed = {r["check_name"] for r in theirs if r["status"] == "passed"}
    assert len(passed) > 35
    assert {name: ours.get(name) for name in passed} == dict.fromkeys(passed, "passed")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_start_same_numbers_as_scikit_learn(form, seed):
    """From the same start, attributes agree in shape and value."""
    rng = np.random.default_rng(seed)
    x = np.vstack([rng.normal(m, 1, (60, 3)) for m in (-2, 0.5, 3)])
    first = SklearnMixture(3, covariance_type=form, reg_covar=0, random_state=seed, max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        first.fit(x)
    init = {
        "weights_init": first.weights_,
        "means_init": first.means_,
        "precisions_init": first.precisions_,
    }
    theirs = SklearnMixture(
        3, covariance_type=form, reg_covar=0, tol=1e-13, max_iter=20_000, **init
    ).fit(x)
    ours = GaussianMixture(3, covariance_type=form, tol=1e-13, max_iter=20_000, **init).fit(x)
    assert ours.lower_bound_ == pytest.approx(theirs.lower_bound_, rel=1e-8)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert mine.shape == other.shape
        # EM's linear convergence leaves parameters less exact than the likelihood
        np.testing.assert_allclose(mine, other, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(ours.score_samples(x), theirs.score_samples(x), atol=1e-4)
    assert ours.bic(x) == pytest.approx(theirs.bic(x), rel=1e-7)
    assert ours.aic(x) == pytest.approx(theirs.aic(x), rel=1e-7)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_pipeline_and_grid_search():
    """Works where scikit-learn's own works."""
    x = datasets.load_iris(features_only=True)
    model = make_pipeline(StandardScaler(), GaussianMixture(random_state=0))
    search = GridSearchCV(
        model,
        {
            "gaussianmixture__n_components": [1, 2, 3],
            "gaussianmixture__covariance_type": ["tied", "VVI"],
        },
        cv=3,
    ).fit(x.sample(frac=1, random_state=0))
    assert search.best_params_["gaussianmixture__n_components"] > 1
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_names_clone_and_sampling():
    """Column names are kept, a clone is unfitted, draws are grouped by component."""
    x = datasets.load_faithful()
    model = GaussianMixture(2, covariance_type="VVI", random_state=3).fit(x)
    assert list(model.feature_names_in_) == list(x.columns) == list(model.fit_.names)
    assert not hasattr(clone(model), "fit_")
    rows, component = model.sample(50)
    assert rows.shape == (50, 2)
    assert np.all(np.diff(component) >= 0)
    assert model.fit_predict(x).shape == (len(x),)


def test_warm_start_continues():
    """A warm start takes up where the last fit ended."""
    x = datasets.load_faithful().to_numpy()
    model = GaussianMixture(3, max_iter=3, warm_start=True, random_state=0)
    bounds = []
    for _ in range(3):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            model.fit(x)
        bounds.append(model.lower_bound_)
    assert bounds == sorted(bounds)
    assert bounds[2] > bounds[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"covariance_type": "round"}, "unknown covariance_type 'round'"),
        ({"n_components": 0}, "n_components is 0"),
        ({"n_components": 1.5}, "n_components is 1.5"),
        ({"tol": -1}, "tol is -1"),
        ({"reg_covar": -1}, "reg_covar is -1"),
        ({"init_params": "best"}, "init_params is 'best'"),
        ({"n_components": 2, "weights_init": [0.5, 0.6]}, "weights_init"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    """Every bad argument gets an error that names it and its value."""
    with pytest.raises(ValueError, match=message):
        GaussianMixture(**arguments).fit(datasets.load_faithful())


def test_reg_covar_is_scikit_learns():
    """With reg_covar both programs add the same to every variance."""
    x = datasets.load_faithful().to_numpy()
    init = {"weights_init": [0.5, 0.5], "means_init": [[2, 55], [4.3, 80]],
            "precisions_init": [np.diag([4, 0.03])] * 2}  # fmt: skip
    theirs = SklearnMixture(2, reg_covar=0.05, tol=1e-12, max_iter=5000, **init).fit(x)
    ours = GaussianMixture(2, reg_covar=0.05, tol=1e-12, max_iter=5000, **init).fit(x)
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, rtol=1e-5)


def test_more_starts_are_never_worse():
    """Those of a smaller n_init are among them, and each is run to the end."""
    for seed in range(4):
        x = np.random.default_rng(seed).normal(size=(50, 5))
        bounds = [
            GaussianMixture(2, n_init=n, random_state=0, max_iter=5000).fit(x).lower_bound_
            for n in (1, 2, 5)
        ]
        assert bounds == sorted(bounds)


def test_one_start_is_one():
    x = np.random.default_rng(0).normal(size=(50, 2))
    assert GaussianMixture(2, n_init=1, random_state=0).fit(x).fit_.starts[0] == 1
    assert GaussianMixture(2, n_init=4, random_state=0).fit(x).fit_.starts[0] == 4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", ["full", "tied", "diag", "spherical"])
def test_more_components_than_different_rows(form):
    """With reg_covar the likelihood is bounded: two places, ten components."""
    x = np.vstack([np.ones((5, 5)), np.zeros((5, 5))])
    model = GaussianMixture(10, covariance_type=form, reg_covar=1e-6, random_state=0).fit(x)
    assert np.all(np.isfinite(model.score_samples(x)))
    with pytest.raises(ValueError, match="distinct rows|linearly dependent"):
        GaussianMixture(10, covariance_type=form, random_state=0).fit(x)
    with pytest.raises(ValueError, match="n_components = 11"):
        GaussianMixture(11, covariance_type=form, reg_covar=1e-6, random_state=0).fit(x)


def test_single_precision_proportions():
    x = np.random.default_rng(0).normal(size=(60, 2))
    weights = np.full(3, 1 / 3, dtype=np.float32)
    GaussianMixture(3, weights_init=weights, random_state=0).fit(x)
    with pytest.raises(ValueError, match="sum to"):
        GaussianMixture(3, weights_init=weights * np.float32(1.001), random_state=0).fit(x)


@pytest.mark.parametrize("form", ["full", "tied", "diag", "spherical"])
def test_attributes_set_by_hand_are_gone_by(form):
    """As by scikit-learn's, after a fit and without one."""
    x = np.random.default_rng(0).normal(size=(80, 2))
    theirs = SklearnMixture(2, covariance_type=form, random_state=0).fit(x)
    theirs.means_ = theirs.means_ + 0.7
    for model in (
        GaussianMixture(2, covariance_type=form, random_state=1).fit(x),
        GaussianMixture(2, covariance_type=form),
    ):
        for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
            setattr(model, name, getattr(theirs, name))
        np.testing.assert_allclose(model.score_samples(x), theirs.score_samples(x), rtol=1e-9)
        np.testing.assert_array_equal(model.predict(x), theirs.predict(x))
        assert model.bic(x) == pytest.approx(theirs.bic(x), rel=1e-9)


def test_attributes_changed_in_place_are_gone_by():
    """Also where as many components as columns make the variances a square, symmetric one."""
    x = np.random.default_rng(0).normal(size=(60, 2))
    model = GaussianMixture(2, covariance_type="diag", random_state=0).fit(x)
    before = model.score_samples(x)
    model.covariances_[:] = [[2.0, 1.0], [1.0, 2.0]]
    expected = logsumexp(
        [
            np.log(w) + multivariate_normal(m, np.diag(v)).logpdf(x)
            for w, m, v in zip(model.weights_, model.means_, model.covariances_, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(model.score_samples(x), expected, rtol=1e-10)
    assert not np.allclose(before, expected)


def test_converged_at_once_is_converged():
    """A start at the maximum has converged after one iteration or two; a far one has not."""
    x = np.random.default_rng(0).normal(size=(200, 2)) + 8 * np.arange(200)[:, None] % 16
    done = GaussianMixture(2, random_state=0).fit(x)
    init = {"weights_init": done.weights_, "means_init": done.means_}
    init["precisions_init"] = done.precisions_
    for max_iter in (1, 2):
        model = GaussianMixture(2, max_iter=max_iter, tol=1e-6, **init).fit(x)
        assert model.converged_ and model.n_iter_ <= max_iter
    with pytest.warns(ConvergenceWarning):
        far = GaussianMixture(2, max_iter=1, init_params="random", random_state=0).fit(x)
    assert not far.converged_


def test_warm_start_is_one_start():
    """The first fit with n_init = 1 is from one start, and so is the next, from the last."""
    x = np.random.default_rng(0).normal(size=(80, 2))
    model = GaussianMixture(2, n_init=1, warm_start=True, random_state=0)
    first = model.fit(x).fit_
    second = model.fit(x).fit_
    assert first.starts[0] == second.starts[0] == 1
    assert second.history[0] == pytest.approx(first.loglik, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_frequencies(form):
    """Rows of weight 2 count as rows that stand there twice; of weight 0, as rows left out."""
    x = datasets.load_iris().drop(columns="species", errors="ignore").to_numpy()[:, :3]
    count = np.arange(len(x)) % 3
    weighted = GaussianMixture(2, covariance_type=form, random_state=0).fit(x, sample_weight=count)
    repeated = GaussianMixture(2, covariance_type=form, random_state=0).fit(
        np.repeat(x, count, axis=0)
    )
    assert weighted.fit_.loglik == pytest.approx(repeated.fit_.loglik, rel=1e-9)
    np.testing.assert_allclose(
        np.sort(weighted.weights_), np.sort(repeated.weights_), rtol=1e-4
    )  # EM stops at 1e-8 in the log-likelihood, whose square root is the parameters'


def test_weights_pass_through_a_search():
    """By scikit-learn's metadata routing."""
    x = datasets.load_faithful().to_numpy()
    count = np.arange(len(x)) % 3
    with config_context(enable_metadata_routing=True):
        model = GaussianMixture(random_state=0, n_init=1).set_fit_request(sample_weight=True)
        search = GridSearchCV(model, {"n_components": [1, 2]}, cv=3)
        search.fit(x, sample_weight=count)
    assert search.best_estimator_.fit_.n == count.sum()


def test_columns_and_arguments_are_called_as_the_user_calls_them():
    """A data frame's names in what is said of its columns; n_samples; dates beside numbers."""
    x = datasets.load_faithful().assign(same=1.0)
    for model, rest in (
        (GaussianMixture(), ()), (Regression(1), (x["waiting"] * 2,)),
        (DiscriminantAnalysis(), (np.arange(len(x)) % 2,)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="column 'same' is constant"):
            model.fit(x, *rest)
    groups = np.arange(len(x)) % 2
    x["same"] = np.where(groups == 1, x["waiting"] ** 2, 3.0)
    with pytest.raises(ValueError, match="class 0: column 'same' is constant"):
        DiscriminantAnalysis("mclustda").fit(x, groups)
    with pytest.raises(ValueError, match="n_samples is 0"):
        GaussianMixture(random_state=0).fit(x).sample(0)
    x["when"] = pd.date_range("2020", periods=len(x))
    with pytest.raises(ValueError, match="column 'when'"):
        GaussianMixture().fit(x)
