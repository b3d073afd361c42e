"""EM with labels against mclust's MclustSSC, closed forms, and likelihoods by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm import DataError, Mixture
from bayesgmm.em.labels import read_labels
from bayesgmm.em.simulation import simulated
from tests.conftest import simulate
from tests.places import SHIPPED

THIRD = json.loads((SHIPPED / "labels_mclust_iris.json").read_text())
NEW_CLASS = json.loads((SHIPPED / "labels_mclust_iris_new_class.json").read_text())
IRIS = bayesgmm.datasets.load_iris(features_only=True)

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.DataWarning")


@pytest.mark.parametrize(
    ("known", "family"),
    [
        pytest.param(known, family, id=f"{name}-{family}")
        for name, known in (("third", THIRD), ("new class", NEW_CLASS))
        for family in sorted(known["fits"])
    ],
)
def test_mclusts_values(known, family):
    """At its parameters its log-likelihood, exactly; EM goes on by what mclust stopped short of."""
    theirs = known["fits"][family]
    parameters = theirs["parameters"]
    start = Mixture(parameters["weights"], parameters["means"], parameters["covariances"])
    options = {"labels": known["labels"], "start": start}
    there = bayesgmm.fit(IRIS, 3, family, max_iter=0, **options)
    assert there.loglik == pytest.approx(theirs["loglik"], abs=1e-9)
    found = bayesgmm.fit(IRIS, 3, family, **options)
    assert -1e-9 < found.loglik - theirs["loglik"] < 3e-5
    # 2e-4 where the likelihood is flat (EEV): its standard errors are above .01
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(found, name), parameters[name], atol=1e-3)
    if known is NEW_CLASS:  # each class as what
        truth = np.array(THIRD["truth"])
        called = there.predict(IRIS)
        called[[label is not None for label in known["labels"]]] = "known"
        unknown = called != "known"
        for true, row in theirs["table"].items():
            same = truth == true
            for name, n in row.items():
                ours = "component 2" if name == "class3" else name
                of_labels = np.sum(same & ~unknown) if name == true else 0
                assert np.sum(same & (called == ours)) + of_labels == n


@pytest.mark.parametrize("family", sorted(THIRD["fits"]))
def test_two_thirds_unlabelled_as_mclust(family):
    """From the default starts; log-likelihood, parameters counted, and what becomes of the rest."""
    theirs = THIRD["fits"][family]
    fit = bayesgmm.fit(IRIS, 3, family, labels=THIRD["labels"], random_seed=1)
    assert fit.n_parameters == theirs["df"] and fit.n_labelled == 50
    if family == "EEV":  # a higher maximum than mclust's
        assert fit.loglik > theirs["loglik"] + 1
        return
    # mclust stops 3e-5 too early
    assert fit.loglik == pytest.approx(theirs["loglik"], abs=3e-5)
    assert fit.bic == pytest.approx(-theirs["bic"], abs=6e-5)
    unknown = np.array([label is None for label in THIRD["labels"]])
    found, truth = fit.predict(IRIS)[unknown], np.array(THIRD["truth"])[unknown]
    assert np.mean(found != truth) == pytest.approx(theirs["error_of_unlabelled"])
    np.testing.assert_array_equal(found, np.array(theirs["classification"])[unknown])


@pytest.mark.parametrize("family", sorted(NEW_CLASS["fits"]))
def test_a_class_without_labels(family):
    """Virginica has none: never below mclust's maximum, and its parameters are counted."""
    theirs = NEW_CLASS["fits"][family]
    fit = bayesgmm.fit(IRIS, 3, family, labels=NEW_CLASS["labels"], random_seed=1)
    assert fit.loglik > theirs["loglik"] - 1e-6
    assert fit.n_parameters == {"EEE": 24, "VVV": 44, "VEV": 38, "VVI": 26}[family]
    assert fit.classes == ("setosa", "versicolor", "component 2")
    if family == "VVV":
        assert fit.loglik == pytest.approx(theirs["loglik"], abs=1e-5)
        counts = pd.crosstab(fit.predict(IRIS), np.array(THIRD["truth"]))
        assert counts.loc["component 2", "virginica"] == 49


@pytest.mark.parametrize("family", ["EII", "VVI", "EEE", "VEV", "VVE", "VVV"])
def test_all_labels_known_is_discriminant_analysis(family):
    """One M-step, and the joint likelihood of rows and classes."""
    species = np.array(THIRD["truth"])
    fit = bayesgmm.fit(IRIS, 3, family, labels=species)
    model = bayesgmm.DiscriminantAnalysis(covariance_type=family).fit(IRIS, species)
    # the inner iterations of VEV and VVE end at 1e-8
    assert fit.loglik == pytest.approx(model.loglik_, abs=1e-6)
    assert fit.entropy == pytest.approx(0, abs=1e-6)
    assert fit.bic == pytest.approx(model.bic_, abs=1e-5)


def sets_of(rng, n, k):
    """Random sets of components, none empty, the first rows with all."""
    allowed = rng.random((n, k)) < 0.6
    allowed[np.arange(n), rng.integers(k, size=n)] = True
    allowed[: n // 4] = True
    return allowed


def log_joint(x, mixture):
    """The log joint densities (n, K) by SciPy."""
    parts = [
        np.log(w) + multivariate_normal(m, s).logpdf(x)
        for w, m, s in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    ]
    return np.stack(parts, axis=1)


@pytest.mark.parametrize("family", ["VVV", "VVI", "EEE"])
def test_sets_of_components(rng, family):
    """The likelihood by hand, a fixed point of EM by hand, and a history that never falls."""
    x, labels = simulate(rng, 200, 2, 3)
    allowed = sets_of(rng, 200, 3)
    allowed[np.arange(200), labels] = True
    fit = bayesgmm.fit(x, 3, family, labels=allowed, random_seed=0, tol=1e-13)
    logs = np.where(allowed, log_joint(x, fit.mixture), -np.inf)
    assert fit.loglik == pytest.approx(logsumexp(logs, axis=1).sum(), rel=1e-12)
    assert np.diff(fit.history).min() > -1e-9
    resp = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    assert fit.weights == pytest.approx(resp.mean(axis=0), abs=1e-5)
    assert fit.means == pytest.approx(resp.T @ x / resp.sum(axis=0)[:, None], abs=1e-4)
    assert fit.log_map == pytest.approx(np.log(resp.max(axis=1)).sum(), abs=1e-7)
    assert fit.classes is None and fit.predict(x).dtype.kind == "i"


def test_weights_are_repeated_rows(rng):
    """With labels too."""
    x, classes = simulate(rng, 90, 2, 2)
    times = rng.integers(1, 4, size=90)
    known = np.where(rng.random(90) < 0.4, classes, -1)
    one = bayesgmm.fit(x, 2, "VVV", labels=known, sample_weight=times, random_seed=0)
    other = bayesgmm.fit(
        np.repeat(x, times, axis=0), 2, "VVV", labels=np.repeat(known, times), random_seed=0
    )
    assert one.loglik == pytest.approx(other.loglik, abs=1e-4)


@pytest.mark.parametrize(
    "start", ["auto", "hc", "kmeans", "k-means++", "random", "random_from_data"]
)
def test_starts_keep_the_order_of_the_classes(start):
    """Component c is class c, whichever has more rows, from every start."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(m, 1, (n, 2)) for m, n in ((0, 20), (6, 80), (12, 40))])
    truth = np.repeat(["b", "c", "a"], [20, 80, 40])
    known = np.where(rng.random(140) < 0.2, truth, None)
    fit = bayesgmm.fit(x, 3, "EII", labels=known, start=start, n_init=5, random_seed=0)
    assert fit.classes == ("a", "b", "c")
    assert np.mean(fit.predict(x) == truth) > 0.98
    assert fit.means[:, 0] == pytest.approx([12, 0, 6], abs=0.8)


def test_forms_of_labels():
    """Missing in every form; numbers, texts and categories."""
    x = np.random.default_rng(0).normal(size=(6, 2))
    forms = [
        [1, 2, None, 1, 2, None], np.array([1, 2, -1, 1, 2, -1]), [1.0, 2.0, np.nan, 1, 2, np.nan],
        pd.Series([1, 2, None, 1, 2, None], dtype="Int64"),
        np.ma.array([1, 2, 9, 1, 2, 9], mask=[0, 0, 1, 0, 0, 1]),
    ]  # fmt: skip
    for form in forms:
        found = read_labels(form, len(x), 2)
        assert found.known.tolist() == [0, 1, -1, 0, 1, -1]
        assert found.classes == (1, 2)
    nulls = [
        pd.Series([1, 2, None, 1, -1, -1], dtype="Int64"),
        pl.Series([1, 2, None, 1, -1, -1]),
        pa.chunked_array([[1, 2, None, 1, -1, -1]]),
        pa.array([1, 2, None, 1, -1, -1]),
    ]
    for form in nulls:  # with nulls some libraries make floats of them, of which -1 is a class
        found = read_labels(form, len(x), 2)
        assert found.classes == (1, 2) and all(isinstance(c, int) for c in found.classes)
        assert found.known.tolist() == [0, 1, -1, 0, -1, -1]
    texts = read_labels(pa.array(["b", None, "a"]), 3, 2)
    assert texts.classes == ("a", "b") and texts.known.tolist() == [1, -1, 0]
    names = read_labels(pd.Categorical(["b", "a", None], categories=["b", "a"]), 3, 3)
    assert names.classes == ("a", "b", "component 2") and names.known.tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, 1], "labels has 2 rows, the data have 30"),
        ([None] * 30, "no row has a known class"),
        ([0, 1, 2] * 10, r"labels has 3 classes \(0, 1, 2\), the fit 2 components"),
        ([0] * 30, "component 1 has no row that can belong to it"),
        (np.ones((30, 3), bool), "labels has shape"),
        (np.ones((30, 2)), "labels has shape"),
        (np.arange(60).reshape(30, 2) > 1, "row 0 of labels can belong to no component"),
        ("abc", "labels=.abc. names a column, and those of the data have no names"),
        (3, "labels is a"),
        ([1, "a"] * 15, "different types"),
    ],
)
def test_labels_that_cannot_be(labels, says):
    """The message says why, and the cure."""
    x = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(DataError, match=says):
        bayesgmm.fit(x, 2, "VVV", labels=labels)


def test_select_with_labels():
    """No family ends below one that it contains; too few components have a reason."""
    grid = bayesgmm.select(
        IRIS,
        [2, 3],
        ["EEE", "VEV", "VVV"],
        labels=THIRD["labels"],
        random_seed=1,
        progressbar=False,
    )
    assert grid.best.n_labelled == 50 and grid.best.family.name == "VEV"
    assert grid["VEV", 3].bic == pytest.approx(-THIRD["fits"]["VEV"]["bic"], abs=1e-4)
    assert grid["VVV", 3].loglik > grid["VEV", 3].loglik > grid["EEE", 3].loglik
    assert "3 classes" in grid.failures["EEE", 2]
    for labels, says in ((None, "made with labels"), (THIRD["truth"], "not those of the grid")):
        with pytest.raises(ValueError, match=says):
            bayesgmm.select(IRIS, [3], ["EEE"], labels=labels, resume=grid, progressbar=False)
    plain = bayesgmm.select(IRIS, [3], ["EEE"], random_seed=1, progressbar=False)
    with pytest.raises(ValueError, match="made without labels"):
        bayesgmm.select(IRIS, [3], ["EEE"], labels=THIRD["labels"], resume=plain, progressbar=False)


def test_what_does_not_know_labels_refuses():
    """By name, instead of taking the fit for one of rows without labels."""
    fit = bayesgmm.fit(IRIS, 3, "EEE", labels=THIRD["labels"], random_seed=1)
    for use in (
        lambda: bayesgmm.compare({"labelled": fit, "not": bayesgmm.fit(IRIS, 3, "EEE")}),
        lambda: bayesgmm.GaussianMixture.from_fit(fit),
    ):
        with pytest.raises(NotImplementedError, match="labels"):
            use()
    assert "labels: 50 rows; components: setosa, versicolor, virginica" in repr(fit)


@pytest.mark.parametrize("family", ["VVV", "EEI"])
def test_standard_errors(rng, family):
    """Of known classes those of proportions and means in closed form."""
    x, fit, of_share, of_means = all_known(rng, family)
    errors = bayesgmm.standard_errors(x, fit, "information")
    assert errors.weights[0] == pytest.approx(of_share, rel=1e-4)
    assert errors.means == pytest.approx(of_means, rel=1e-4)
    if family == "VVV":  # whose classes are as wide as their rows
        sandwich = bayesgmm.standard_errors(x, fit, "sandwich")
        assert sandwich.means == pytest.approx(of_means, rel=1e-4)


def all_known(rng, family):
    """Rows of two known classes, their fit, and its errors in closed form (proportion, means)."""
    x, truth = simulate(rng, 150, 2, 2)
    fit = bayesgmm.fit(x, 2, family, labels=truth, random_seed=0)
    variances = np.diagonal(fit.covariances, axis1=1, axis2=2)
    of_means = np.sqrt(variances / (150 * fit.weights[:, None]))
    return x, fit, np.sqrt(fit.weights[0] * fit.weights[1] / 150), of_means


# Replicates know a standard deviation to 1 / sqrt(2 R), 7 % and 2 %: four of these, or three and
# what the numbers of rows of a class vary by.
FEW, MANY = (99, 0.29), (999, 0.1)


@pytest.mark.parametrize(
    ("family", "seed", "n_boot", "to"),
    [("VVV", 0, *FEW), ("EEI", 1, *FEW)]
    + [
        pytest.param(family, seed, *MANY, marks=pytest.mark.slow)
        for family in ("VVV", "EEI")
        for seed in range(3)
    ],
)
def test_standard_errors_by_replicates(family, seed, n_boot, to):
    """Near those in closed form."""
    x, fit, of_share, of_means = all_known(np.random.default_rng(seed), family)
    options = {"n_boot": n_boot, "random_seed": 0, "progressbar": False}
    again = bayesgmm.standard_errors(x, fit, **options)
    assert again.weights[0] == pytest.approx(of_share, rel=to)
    if family == "VVV":
        assert again.means == pytest.approx(of_means, rel=to)
    new = bayesgmm.standard_errors(x, fit, "parametric", **options)
    assert new.weights[0] == pytest.approx(of_share, rel=to)
    assert new.means == pytest.approx(of_means, rel=to)


def test_no_parametric_replicates_of_sets_that_overlap(rng):
    """Which set a new row has is not known."""
    x, _ = simulate(rng, 150, 2, 2)
    table = np.ones((150, 3), bool)
    table[:9, 0] = table[9:20, 1] = table[20:40, 2] = False  # each is not of one component
    must_not = bayesgmm.fit(x, 3, labels=table, random_seed=0, n_init=3)
    with pytest.raises(NotImplementedError, match="overlap"):
        bayesgmm.standard_errors(x, must_not, "parametric", progressbar=False)


def test_simulated_rows_have_the_fit_s_law():
    """Labels where the data have them, holes too; shares, means and strays within 4.5 errors."""
    rng = np.random.default_rng(1)
    x, truth = simulate(rng, 300, 2, 2)
    x = np.vstack([x, rng.uniform(-12, 12, size=(60, 2))])
    known = np.array([*truth.tolist(), *[-1] * 60])
    known[rng.random(360) < 0.6] = -1
    x[rng.random(x.shape) < 0.1] = np.nan
    x[np.isnan(x).all(axis=1)] = 0.0  # rows without a value are not drawn
    fit = bayesgmm.fit(
        x, 2, labels=known, noise=True, missing="marginalize", random_seed=0, n_init=3
    )
    data = fit.labels.seen_in(fit.mixture.rows(x))
    total, firsts, rows = 0, 0, []
    for seed in range(30):
        new, table = simulated(fit, data, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.isnan(new.values), np.isnan(x))
        np.testing.assert_array_equal(table.all(axis=1), known == -1)
        labelled = ~table.all(axis=1)
        total, firsts = total + labelled.sum(), firsts + table[labelled, 0].sum()
        rows.append(new.values)
        of_first = new.values[labelled & table[:, 0]]
        mean = np.nanmean(of_first, axis=0)
        error = np.sqrt(np.diag(fit.covariances[0]) / (~np.isnan(of_first)).sum(axis=0))
        assert (np.abs(mean - fit.means[0]) < 4.5 * error).all()
    pi = fit.weights[0]
    assert firsts / total == pytest.approx(pi, abs=4.5 * np.sqrt(pi * (1 - pi) / total))
    free = np.array(rows)[:, (known == -1) & ~np.isnan(x).any(axis=1)].reshape(-1, 2)
    expected = fit.noise_share
    error = fit.noise_probability(free).std() / np.sqrt(len(free))
    assert fit.noise_probability(free).mean() == pytest.approx(expected, abs=4.5 * error)


def test_classes_are_called_what_they_are():
    """Numbers stay numbers beside a new class and noise; `classify` gives classes as `predict`."""
    rng = np.random.default_rng(0)
    x = np.vstack([rng.normal(m, 1, (40, 2)) for m in (0, 6, 12)])
    known = np.where(np.arange(120) % 3 > 0, -1, np.repeat([2, 1, -1], 40))
    fit = bayesgmm.fit(x, 3, "EII", labels=known, random_seed=0)
    assert fit.classes == (1, 2, "component 2") and type(fit.classes[0]) is int
    assert fit.predict(x[[0, 40, 80]]).tolist() == [2, 1, "component 2"]
    table = bayesgmm.classify(x[[0, 40, 80]], fit, responsibilities=True)
    assert table["component"].tolist() == ["2", "1", "component 2"]
    assert list(table)[2:] == ["r_1", "r_2", "r_component 2"]
    names = np.where(known < 0, None, np.array(["-", "b", "a"])[known])
    noisy = bayesgmm.fit(x[:80], 2, "EII", labels=names[:80], noise=True, random_seed=0)
    table = bayesgmm.classify(np.array([[0.0, 0.0], [6.0, 6.0], [99.0, 9.0]]), noisy)
    assert table["component"].tolist() == ["a", "b", "noise"]
    numbers = bayesgmm.fit(x[:80], 2, "EII", labels=known[:80], random_seed=0)
    assert bayesgmm.classify(x[:1], numbers)["component"].tolist() == [2]
