"""scikit-learn's contract: what its own GaussianMixture passes, ours passes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from bayesgmm.datasets import loaders as datasets
from bayesgmm.estimators.mixture import GaussianMixture

FORMS = ("full", "tied", "diag", "spherical")


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
        ({"reg_covar": -1}, "ridge is -1"),
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
