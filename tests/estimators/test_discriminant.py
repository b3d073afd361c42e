"""Discriminant analysis against mclust, scikit-learn and the closed form."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import check_estimator

import bayesgmm
from bayesgmm import DiscriminantAnalysis
from bayesgmm.estimators.class_models import brier, divided
from bayesgmm.utils.errors import DataError
from tests.conftest import simulate
from tests.places import SHIPPED

MCLUST = json.loads((SHIPPED / "da_mclust_iris.json").read_text())
IRIS = bayesgmm.datasets.load_iris()
X, SPECIES = IRIS.drop(columns="species"), IRIS["species"]
INDEX = np.unique(SPECIES, return_inverse=True)[1]

# Tables of three rows a class, of which some columns are constant in a class: no mixture has one.
TOO_SMALL = {
    "check_sample_weights_shape",
    "check_sample_weights_not_overwritten",
    "check_sample_weight_equivalence_on_dense_data",
}


@pytest.mark.parametrize(
    ("estimator", "cannot"),
    [
        (DiscriminantAnalysis(covariance_type=["EII", "EEE", "VVV"]), set()),
        (DiscriminantAnalysis("mclustda", n_components=(1, 2), covariance_type="EII"), TOO_SMALL),
    ],
    ids=["edda", "mclustda"],
)
def test_passes_scikit_learns_checks(estimator, cannot):
    """All that can be made, and all but those of tables that a mixture cannot have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about data of few values
        found = check_estimator(estimator, on_skip=None, on_fail=None)
    assert len(found) > 50
    failed = {r["check_name"] for r in found if r["status"] == "failed"}
    assert failed <= cannot


@pytest.mark.parametrize("family", sorted(set(MCLUST["EDDA_by_model"]) - {"VVE"}))
def test_edda_is_mclusts(family):
    """The density of the rows at the parameters that the classes give, and the training error."""
    model = DiscriminantAnalysis(covariance_type=family).fit(X, SPECIES)
    theirs = MCLUST["EDDA_by_model"][family]
    # VEV's inner iterations end at 1e-9
    assert model.mixture_.log_density(X).sum() == pytest.approx(theirs["loglik"], abs=1e-7)
    assert 1 - model.score(X, SPECIES) == pytest.approx(theirs["training_error"], abs=1e-12)


def test_vve_is_above_mclusts():
    """Whose common axes are not the maximum (docs/mathematics.md)."""
    model = DiscriminantAnalysis(covariance_type="VVE").fit(X, SPECIES)
    assert model.mixture_.log_density(X).sum() > MCLUST["EDDA_by_model"]["VVE"]["loglik"] + 0.1


@pytest.mark.parametrize(("name", "of"), [("edda", "EDDA"), ("mclustda", "MclustDA")])
def test_the_chosen_models_are_mclusts(name, of):
    """Families, training error, Brier's score and the probabilities of rows 0, 50 and 100."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.DataWarning)
        model = DiscriminantAnalysis(name, random_state=0).fit(X, SPECIES)
    theirs, found = MCLUST[of], model.predict_proba(X)
    sizes = {"edda": 3, "mclustda": 4}
    assert model.mixture_.n_components == sizes[name]
    if name == "edda":
        assert set(model.models_.values()) == {"VEV"}
    # mclust stops earlier in the mixture of setosa
    loglik = model.mixture_.log_density(X).sum()
    assert loglik == pytest.approx(theirs["loglik"], abs=1e-3 if name == "mclustda" else 1e-7)
    assert 1 - model.score(X, SPECIES) == pytest.approx(theirs["training_error"])
    assert brier(found, INDEX).mean() == pytest.approx(theirs["brier"], rel=1e-6)
    assert found[[0, 50, 100]] == pytest.approx(np.array(theirs["z_first_rows"]), abs=1e-8)


@pytest.mark.filterwarnings("ignore::bayesgmm.DataWarning")
def test_parameters_of_the_chosen_models_are_mclusts():
    """Means and covariances of each class; of MclustDA the likelihoods of the class's mixtures."""
    edda = DiscriminantAnalysis(covariance_type="VEV").fit(X, SPECIES)
    for c, theirs in enumerate(MCLUST["EDDA"]["models"].values()):
        np.testing.assert_allclose(edda.mixture_.means[c], theirs["parameters"]["means"][0])
        [expected] = theirs["parameters"]["covariances"]
        # the inner iterations of both end at about 1e-8
        np.testing.assert_allclose(edda.mixture_.covariances[c], expected, atol=1e-7)
    for name, theirs in MCLUST["MclustDA"]["models"].items():
        rows, p = X[name == SPECIES], theirs["parameters"]
        weights = np.atleast_1d(p["weights"])
        start = bayesgmm.Mixture(weights, p["means"], p["covariances"])
        family = {"XXX": "VVV"}.get(theirs["modelName"], theirs["modelName"])
        fit = bayesgmm.fit(rows, theirs["G"], family, start=start, max_iter=0)
        # mclust's is that of the step before; it stops 1.4e-4 early for setosa
        assert fit.loglik == pytest.approx(theirs["loglik"], abs=2e-4)
        onward = bayesgmm.fit(rows, theirs["G"], family, start=start)
        np.testing.assert_allclose(onward.means, p["means"], atol=2e-3)


def test_held_out_scores_are_near_mclusts():
    """Ten folds of mclust's are other folds: within two standard errors of ours."""
    scores = DiscriminantAnalysis(covariance_type="VEV").cross_validate(X, SPECIES, random_seed=1)
    theirs = MCLUST["EDDA"]
    assert abs(scores.error - theirs["cv10_error"]) < 2 * scores.error_se
    assert abs(scores.brier - theirs["cv10_brier"]) < 2 * scores.brier_se
    assert f"error: {scores.error:.4f}" in repr(scores)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_as_scikit_learns_linear_and_naive(seed):
    """EEE is linear discriminant analysis, VVI naive Bayes."""
    x, labels = simulate(np.random.default_rng(seed), 120, 3, 3, spread=1.0)
    for family, theirs in (
        ("EEE", LinearDiscriminantAnalysis(solver="lsqr")),
        ("VVI", GaussianNB(var_smoothing=0)),
    ):
        ours = DiscriminantAnalysis(covariance_type=family).fit(x, labels)
        assert ours.predict_proba(x) == pytest.approx(
            theirs.fit(x, labels).predict_proba(x), abs=1e-10
        )


def test_joint_likelihood_by_hand():
    """Of rows and classes together, with estimated priors and given ones; BIC counts either."""
    for priors in (None, [0.2, 0.3, 0.5]):
        model = DiscriminantAnalysis(covariance_type="VVV", class_priors=priors).fit(X, SPECIES)
        assert model.class_priors_.tolist() == pytest.approx(priors or [1 / 3] * 3)
        loglik = 0.0
        for c, prior in enumerate(model.class_priors_):
            rows = X.to_numpy()[INDEX == c]
            density = multivariate_normal(rows.mean(axis=0), np.cov(rows.T, ddof=0))
            loglik += np.sum(density.logpdf(rows) + np.log(prior))
        assert model.loglik_ == pytest.approx(loglik, rel=1e-12)
        assert model.n_parameters_ == 3 * (4 + 10) + (2 if priors is None else 0)
        assert model.bic_ == pytest.approx(-2 * loglik + model.n_parameters_ * np.log(150))


def test_mclustda_is_a_mixture_for_each_class():
    """Its joint likelihood is the sum of theirs, and log priors."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(m, 1, (80, 2)) for m in (-5, 0, 5)])
    y = np.repeat(["b", "a", "b"], 80)
    model = DiscriminantAnalysis(
        "mclustda", n_components=[1, 2], covariance_type="VII", random_state=0
    ).fit(x, y)
    assert model.models_ == {"a": "VII, K = 1", "b": "VII, K = 2"}
    fits = [bayesgmm.fit(x[y == c], k, "VII", random_seed=0) for c, k in (("a", 1), ("b", 2))]
    by_hand = fits[0].loglik + fits[1].loglik + 80 * np.log(1 / 3) + 160 * np.log(2 / 3)
    assert model.loglik_ == pytest.approx(by_hand, abs=1e-6)
    densities = np.stack([f.score_samples(x) for f in fits], axis=1) + np.log([1 / 3, 2 / 3])
    shares = np.exp(densities - densities.max(axis=1, keepdims=True))
    assert model.predict_proba(x) == pytest.approx(
        shares / shares.sum(axis=1, keepdims=True), abs=1e-6
    )


@pytest.mark.parametrize("name", ["edda", "mclustda"])
def test_weights_are_repeated_rows(name, rng):
    """A row of weight 2 is one that stands twice."""
    x, labels = simulate(rng, 60, 2, 2)
    times = rng.integers(1, 4, size=60)
    options = {"covariance_type": "VVV", "n_components": 1, "random_state": 0}
    one = DiscriminantAnalysis(name, **options).fit(x, labels, times)
    other = DiscriminantAnalysis(name, **options).fit(
        np.repeat(x, times, axis=0), np.repeat(labels, times)
    )
    assert one.loglik_ == pytest.approx(other.loglik_, rel=1e-11)
    assert one.predict_proba(x) == pytest.approx(other.predict_proba(x), abs=1e-11)


def test_candidates_by_cross_validation():
    """The criterion is Brier's score of the same folds by scikit-learn's own loop."""
    model = DiscriminantAnalysis(
        covariance_type=["EEE", "VVV"], criterion="cv", n_folds=5, random_state=3
    ).fit(X, SPECIES)
    seed = int(np.random.RandomState(3).randint(2**31))
    folds = divided(INDEX, 5, seed)
    splits = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(5)]
    table = model.candidates().set_index("family")
    for family in ("EEE", "VVV"):
        one = DiscriminantAnalysis(covariance_type=family)
        found = cross_val_predict(one, X, SPECIES, cv=splits, method="predict_proba")
        assert table.loc[family, "criterion"] == pytest.approx(brier(found, INDEX).mean(), rel=1e-9)
    assert model.models_["setosa"] == table["criterion"].idxmin()


def test_folds_divide_every_class():
    """Within one row of each other, whatever the order."""
    index = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [7, 23, 10]))
    folds = divided(index, 5, 1)
    counts = np.array([[np.sum((folds == f) & (index == c)) for f in range(5)] for c in range(3)])
    assert np.all(np.ptp(counts, axis=1) <= 1)


def test_in_a_grid_search():
    """It is a scikit-learn classifier."""
    search = GridSearchCV(DiscriminantAnalysis(), {"covariance_type": ["EII", "EEE"]}, cv=3).fit(
        X, SPECIES
    )
    assert search.best_params_ == {"covariance_type": "EEE"}


def test_a_family_without_estimate_says_why():
    """Two rows make no volume; families that pool the classes have an estimate."""
    x, y = X.to_numpy()[:60], np.array(SPECIES[:60])
    y[:52] = "setosa"
    y[52:] = "other"
    y[:2] = "pair"
    model = DiscriminantAnalysis(covariance_type=["VVV", "EEE"]).fit(x, y)
    assert set(model.models_.values()) == {"EEE"}
    reason = model.candidates().set_index("family").loc["VVV", "reason"]
    assert "class 'pair' has a singular covariance in family VVV" in reason
    with pytest.raises(DataError, match="no family has an estimate: class 'pair'"):
        DiscriminantAnalysis(covariance_type="VVV").fit(x, y)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"model": "lda"}, "model is 'lda'"),
        ({"criterion": "aic"}, "criterion is 'aic'"),
        ({"class_priors": [0.5, 0.5]}, "pass 3 positive numbers"),
        ({"class_priors": [1.0, 1.0, -1.0]}, "pass 3 positive numbers"),
        ({"covariance_type": "XYZ"}, "unknown covariance_type"),
        ({"n_folds": 1}, "n_folds is 1"),
    ],
)
def test_refuses(arguments, says):
    """The argument by name."""
    with pytest.raises(ValueError, match=says):
        DiscriminantAnalysis(**arguments).fit(X, SPECIES)


def test_refuses_classes_that_are_none():
    """One class, a class without weight, a class of one row in cross-validation."""
    with pytest.raises(ValueError, match="y has one class, 'setosa'"):
        DiscriminantAnalysis().fit(X[:50], SPECIES[:50])
    with pytest.raises(DataError, match="class 'setosa' has only rows of weight 0"):
        DiscriminantAnalysis().fit(X, SPECIES, sample_weight=INDEX)
    unknown = np.where(np.arange(len(X)) % 50 < 3, None, SPECIES)
    with pytest.raises(ValueError, match=r"no class in 9 rows \(first in row 0\)"):
        DiscriminantAnalysis().fit(X, unknown)
    with pytest.raises(DataError, match="class 'setosa' has one row"):
        DiscriminantAnalysis().cross_validate(X[49:], SPECIES[49:])


def holes(share=0.15):
    """The measurements of iris without some values."""
    return X.mask(np.random.default_rng(2).random(X.shape) < share)


@pytest.mark.filterwarnings("ignore::bayesgmm.DataWarning")
@pytest.mark.parametrize("priors", [None, [0.2, 0.3, 0.5]])
def test_missing_values(priors):
    """Of own covariances every class is a Gaussian by itself; likelihoods by SciPy row by row."""
    x = holes()
    model = DiscriminantAnalysis(covariance_type="VVV", class_priors=priors, missing="marginalize")
    model.fit(x, SPECIES)
    shares = np.full(3, 1 / 3) if priors is None else np.array(priors)
    logs = np.tile(np.log(shares), (150, 1))
    for c in range(3):
        alone = bayesgmm.fit(x[INDEX == c], 1, "VVV", missing="marginalize")
        np.testing.assert_allclose(model.mixture_.means[c], alone.means[0], atol=1e-4)
        m, sigma = model.mixture_.means[c], model.mixture_.covariances[c]
        for i, row in enumerate(x.to_numpy()):
            [o] = np.nonzero(~np.isnan(row))
            if len(o):
                logs[i, c] += multivariate_normal(m[o], sigma[np.ix_(o, o)]).logpdf(row[o])
    assert model.loglik_ == pytest.approx(logs[np.arange(150), INDEX].sum(), abs=1e-6)
    shares = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    np.testing.assert_allclose(model.predict_proba(x), shares, atol=1e-8)
    assert model.__sklearn_tags__().input_tags.allow_nan
    assert np.mean(model.predict(x) != SPECIES) < 0.08


@pytest.mark.filterwarnings("ignore::bayesgmm.DataWarning")
def test_missing_values_choose_and_are_refused():
    """Families by cross-validation, mixtures of classes; what no class determines, by name."""
    x = holes()
    model = DiscriminantAnalysis(
        covariance_type=["EEE", "VVI"], criterion="cv", n_folds=3, missing="marginalize"
    ).fit(x, SPECIES)
    assert model.candidates()["criterion"].notna().all()
    mixed = DiscriminantAnalysis(
        "mclustda", covariance_type="EEE", n_components=[1, 2], missing="marginalize"
    ).fit(x, SPECIES)
    assert np.mean(mixed.predict(x) != SPECIES) < 0.08
    with pytest.raises(ValueError, match="NaN"):
        DiscriminantAnalysis().fit(x, SPECIES)
    x.loc[SPECIES == "setosa", x.columns[:2]] = x.loc[SPECIES == "setosa", x.columns[:2]].where(
        np.arange(100).reshape(50, 2) % 2 == (np.arange(50) % 2)[:, None]
    )
    with pytest.raises(DataError, match="rows with values of both 'sepal_length'"):
        DiscriminantAnalysis(covariance_type="VVV", missing="marginalize").fit(x, SPECIES)


@pytest.mark.parametrize("unknown", [None, np.nan, pd.NA])
def test_refuses_classes_that_are_missing_however_they_are_marked(unknown):
    y = np.array(SPECIES, dtype=object)
    y[2] = unknown
    with pytest.raises(ValueError, match=r"no class in 1 rows \(first in row 2\)"):
        DiscriminantAnalysis().fit(X, y)


@pytest.mark.parametrize("missing", ["refuse", "marginalize"])
def test_a_class_of_few_rows_has_no_axes_of_its_own(missing):
    """Turned data have the same probabilities where rows determine the axes, and else an error."""
    x, y = X.to_numpy(), np.repeat(["a", "b"], [100, 50]).astype(object)
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    y[-3:] = "c"
    model = DiscriminantAnalysis(covariance_type=["EEV", "EEE"], missing=missing).fit(x, y)
    assert set(model.models_.values()) == {"EEE"}
    reason = model.candidates().set_index("family").loc["EEV", "reason"]
    assert "class 'c' has too few different rows to determine axes of its own" in reason
    y[-4:] = "c"
    one = DiscriminantAnalysis(covariance_type="EEV").fit(x, y).predict_proba(x)
    other = DiscriminantAnalysis(covariance_type="EEV").fit(x @ q, y).predict_proba(x @ q)
    np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("form", ["mapping", "series", "counts"])
def test_class_priors_by_class(form):
    """In any order, as `value_counts` gives them; other names are refused."""
    by_class = {"virginica": 0.5, "setosa": 0.2, "versicolor": 0.3}
    drawn = pd.Series(np.repeat(list(by_class), [5, 2, 3])).value_counts(normalize=True)
    given = {"mapping": by_class, "series": pd.Series(by_class), "counts": drawn}[form]
    model = DiscriminantAnalysis(covariance_type="EEE", class_priors=given)
    assert model.fit(X, SPECIES).class_priors_.tolist() == [0.2, 0.3, 0.5]
    with pytest.raises(ValueError, match="class_priors are of .*, and the classes are"):
        model.fit(X, INDEX)


def test_classes_keep_their_type():
    """As of scikit-learn's classifiers."""
    days = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[ns]")
    for names in (days, np.arange(3, dtype=np.uint8), np.arange(3, dtype=np.float32)):
        model = DiscriminantAnalysis(covariance_type="EEE").fit(X, names[INDEX])
        theirs = LinearDiscriminantAnalysis().fit(X, names[INDEX])
        assert model.classes_.dtype == model.predict(X).dtype == theirs.classes_.dtype
        assert model.classes_.tolist() == theirs.classes_.tolist()
