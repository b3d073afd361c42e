"""The posterior of classes against closed forms, quadrature, SciPy, and its own calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import invwishart, multivariate_normal, multivariate_t

import bayesgmm
from bayesgmm import DiscriminantAnalysis, Prior
from bayesgmm.utils.errors import DataError

# Some posteriors are of few draws.
pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
PRIOR = Prior([0.0, 0.5], None, 6.0, [[2.0, 0.3], [0.3, 1.0]], 2.0, mean_strength=0.5)
QUIET = {"random_seed": 1, "progressbar": False}


def two_classes(rng, n_a, n_b):
    """Rows of two classes that overlap."""
    x = np.vstack([rng.normal(size=(n_a, 2)), rng.normal(1.0, 1.3, size=(n_b, 2))])
    return x, np.repeat(["b", "a"], [n_a, n_b])


def log_predictive(rows, prior, at):
    """Log density at new rows given rows of one Gaussian with a normal-inverse-Wishart prior.

    Murphy (2007), Conjugate Bayesian analysis of the Gaussian distribution, equation 258.
    """
    n, d = rows.shape
    mean = rows.mean(axis=0)
    about, gap = rows - mean, mean - prior.mean
    strength, dof = prior.mean_strength + n, prior.dof + n
    scale = prior.scale + about.T @ about
    scale = scale + prior.mean_strength * n / strength * np.outer(gap, gap)
    centre = (prior.mean_strength * prior.mean + n * mean) / strength
    shape = scale * (strength + 1) / (strength * (dof - d + 1))
    return multivariate_t(centre, shape, dof - d + 1).logpdf(at)


@pytest.mark.parametrize(
    ("model", "class_priors", "sampler"),
    [
        ("edda", None, "gibbs"),
        ("mclustda", [0.9, 0.1], "nutpie"),
        pytest.param("edda", [0.9, 0.1], "nutpie", marks=pytest.mark.slow),
        pytest.param("mclustda", None, "gibbs", marks=pytest.mark.slow),
        pytest.param("mclustda", None, "nutpie", marks=pytest.mark.slow),
    ],
)
def test_predictive_probabilities_in_closed_form(model, class_priors, sampler):
    """Student's t of each class; those of the estimates are far from it for 9 rows a class."""
    rng = np.random.default_rng(3)
    x, y = two_classes(rng, 9, 7)
    at = rng.normal(0.5, 1.5, size=(40, 2))
    classifier = DiscriminantAnalysis(
        model, covariance_type="VVV", n_components=1, class_priors=class_priors, random_state=0
    ).fit(x, y)
    posterior = classifier.refine(x, y, prior=PRIOR, sampler=sampler, draws=2000, **QUIET)
    alpha = PRIOR.concentration if model == "edda" else 1.0
    shares = alpha + np.array([7.0, 9.0]) if class_priors is None else np.array(class_priors)
    logs = np.stack([log_predictive(x[y == name], PRIOR, at) for name in ("a", "b")], axis=1)
    logs += np.log(shares / shares.sum())
    expected = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    found = posterior.predict_proba(at)
    # The error of the ratio of two means, by batches of draws: 20 of them.
    batches = []
    for part in np.array_split(np.arange(len(posterior.draws)), 20):
        some = type(posterior)(
            posterior.classes, posterior.posteriors, posterior.draws.at(part), posterior.starts,
            posterior.mixture,
        )  # fmt: skip
        batches.append(some.predict_proba(at))
    error = np.std(batches, axis=0) / np.sqrt(20)
    # 4.5 errors: forty rows are looked at, and twenty batches estimate each error.
    assert np.all(np.abs(found - expected) <= 4.5 * error + 1e-4)
    assert np.max(np.abs(classifier.predict_proba(at) - expected)) > 0.05
    assert list(posterior.predict(at)) == list(np.array(["a", "b"])[np.argmax(found, axis=1)])


@pytest.fixture(scope="module")
def edda():
    iris = bayesgmm.datasets.load_iris()
    x, y = iris.drop(columns="species"), iris["species"]
    classifier = DiscriminantAnalysis(covariance_type="EEE").fit(x, y)
    return x, y, classifier, classifier.refine(x, y, draws=200, sampler="nutpie", **QUIET)


@pytest.fixture(scope="module")
def mclustda():
    table = bayesgmm.datasets.load_diabetes()
    x, y = table.drop(columns="class"), table["class"]
    classifier = DiscriminantAnalysis(
        "mclustda", n_components=(1, 2), covariance_type=("VVI", "VVV"), random_state=0
    ).fit(x, y)
    return x, y, classifier, classifier.refine(x, y, draws=200, sampler="gibbs", **QUIET)


@pytest.mark.parametrize("which", ["edda", "mclustda"])
def test_intervals_by_hand(which, request):
    """Every draw's probabilities by SciPy, and their summaries."""
    x, _, classifier, posterior = request.getfixturevalue(which)
    rows, draws = np.asarray(x)[60:75], posterior.draws
    logs = np.empty((len(draws), len(rows), draws.n_components))
    for s, (pi, mu, sigma) in enumerate(
        zip(draws.weights, draws.means, draws.covariances, strict=True)
    ):
        for k in range(draws.n_components):
            logs[s, :, k] = np.log(pi[k]) + multivariate_normal(mu[k], sigma[k]).logpdf(rows)
    shares = np.exp(logs - logsumexp(logs, axis=2, keepdims=True))
    of_class = np.stack(
        [shares[:, :, classifier.of_component_ == c].sum(axis=2) for c in range(3)], axis=2
    )
    table = posterior.probabilities(x.iloc[60:75])
    assert list(table["class"].to_numpy()) == list(classifier.classes_)
    np.testing.assert_allclose(table["mean"], of_class.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(table["sd"], of_class.std(axis=0, ddof=1), atol=1e-3)
    low, high = np.quantile(of_class, [0.055, 0.945], axis=0)
    np.testing.assert_allclose(table["lower"], low, atol=1e-10)
    np.testing.assert_allclose(table["upper"], high, atol=1e-10)
    joint = logsumexp(
        np.stack([logsumexp(logs[:, :, classifier.of_component_ == c], axis=2) for c in range(3)]),
        axis=1,
    ).T
    np.testing.assert_allclose(
        posterior.predict_proba(x.iloc[60:75]),
        np.exp(joint - logsumexp(joint, axis=1, keepdims=True)),
        atol=1e-10,
    )


@pytest.mark.parametrize("which", ["edda", "mclustda"])
def test_draws_surround_the_estimate(which, request):
    """Rows, columns by name, classes in order, problems in words."""
    x, y, classifier, posterior = request.getfixturevalue(which)
    assert posterior.classes == tuple(classifier.classes_)
    assert len(posterior.posteriors) == (1 if which == "edda" else 3)
    shares = np.add.reduceat(posterior.draws.weights, posterior.starts, axis=1)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    spread = np.sqrt(classifier.class_priors_ * (1 - classifier.class_priors_) / len(y))
    assert np.all(np.abs(shares.mean(axis=0) - classifier.class_priors_) < spread)
    same = np.mean(posterior.predict(x) == classifier.predict(x))
    assert same > 0.95
    moved = x[x.columns[::-1]]
    np.testing.assert_array_equal(posterior.predict_proba(moved), posterior.predict_proba(x))
    assert posterior.classes[0] in repr(posterior)
    for text in posterior.problems:
        assert which == "edda" or text.startswith("class ")


@pytest.mark.slow
def test_missing_values_and_counts():
    """Rows with missing values; rows counted twice are the table repeated."""
    penguins = bayesgmm.datasets.load_penguins()
    y = penguins["species"]
    x = bayesgmm.datasets.load_penguins(features_only=True).to_numpy().copy()
    rng = np.random.default_rng(1)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[np.isnan(x).all(axis=1), 0] = 40.0
    classifier = DiscriminantAnalysis(covariance_type="VVV", missing="marginalize")
    twice = np.full(len(x), 2.0)
    options = QUIET | {"sampler": "nutpie", "draws": 500}
    counted = classifier.fit(x, y, twice).refine(x, y, twice, weights="counts", **options)
    x2, y2 = np.vstack([x, x]), pd.concat([y, y], ignore_index=True)
    repeated = classifier.fit(x2, y2).refine(x2, y2, **options)
    a, b = counted.probabilities(x), repeated.probabilities(x)
    sd = np.maximum(a["sd"], 1e-3)
    # Means of 2000 draws each: an effective thousand, so that .05 sd is one Monte Carlo error.
    assert float((np.abs(a["mean"] - b["mean"]) / sd).max()) < 0.35
    assert float(np.abs(np.log(a["sd"] / b["sd"]).where(a["sd"] > 0.02)).max()) < 0.25


def test_what_is_refused(edda, mclustda):
    """Other rows, other classes, and what a classifier has itself."""
    for x, y, classifier, _ in (edda, mclustda):
        with pytest.raises(DataError, match=r"not the same data: what was fitted has 1\d\d rows"):
            classifier.refine(x[1:], y[1:], **QUIET)
        other = y.to_numpy().copy()
        first, last = 0, len(y) - 1
        other[first], other[last] = other[last], other[first]
        with pytest.raises(DataError, match="with other classes"):
            classifier.refine(x, other, **QUIET)
        with pytest.raises(DataError, match="y has classes"):
            classifier.refine(x, y.str.upper(), **QUIET)
        with pytest.raises(ValueError, match=r"no model: refine\(X, fit, model="):
            classifier.refine(x, y, model=object(), **QUIET)
        with pytest.raises(DataError):
            edda[3].probabilities(np.zeros((2, 7)))
    x, y, classifier, posterior = mclustda
    with pytest.raises(TypeError, match="random_seed is 'a'"):
        classifier.refine(x, y, random_seed="a")
    with pytest.raises(ValueError, match="one for each class"):
        classifier.refine(x, y, checkpoint="kept", **QUIET)
    with pytest.raises(ValueError, match="ci_prob"):
        posterior.probabilities(x, ci_prob=2.0)
    weights = np.linspace(1, 2, len(y))
    weighted = DiscriminantAnalysis("mclustda", n_components=1, covariance_type="VVV")
    with pytest.raises(NotImplementedError, match="class_priors"):
        weighted.fit(x, y, weights).refine(x, y, weights, weights="pseudo", **QUIET)


@pytest.mark.slow
def test_predictive_probabilities_are_calibrated():
    """Of classes drawn from the prior: where p is said, a share p of rows is of the class.

    Exact for the posterior's predictive probabilities (any Bayesian statement under its prior); the
    estimates' are too sure with eight rows a class.
    """
    rng = np.random.default_rng(5)
    said, estimated, true = [], [], []
    for seed in range(60):
        sigmas = invwishart(PRIOR.dof, PRIOR.scale).rvs(2, random_state=rng)
        means = [rng.multivariate_normal(PRIOR.mean, s / PRIOR.mean_strength) for s in sigmas]
        x = np.vstack(
            [rng.multivariate_normal(m, s, 8) for m, s in zip(means, sigmas, strict=True)]
        )
        y = np.repeat([0, 1], 8)
        truth = rng.integers(2, size=100)
        at = np.array([rng.multivariate_normal(means[c], sigmas[c]) for c in truth])
        classifier = DiscriminantAnalysis(covariance_type="VVV", class_priors=[0.5, 0.5]).fit(x, y)
        posterior = classifier.refine(
            x, y, prior=PRIOR, sampler="gibbs", draws=250, random_seed=seed, progressbar=False
        )
        said.append(posterior.predict_proba(at)[:, 1])
        estimated.append(classifier.predict_proba(at)[:, 1])
        true.append(truth)
    said, estimated, true = map(np.array, (said, estimated, true))
    edges = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (said >= low) & (said < high)
        gap = np.where(inside, true - said, 0.0).sum(axis=1)  # of each data set
        z = gap.sum() / np.sqrt((gap**2).sum())
        assert abs(z) < 3.5  # six bins

    def log_score(p):
        return -np.log(np.clip(np.where(true == 1, p, 1 - p), 1e-12, 1)).mean(axis=1)

    better = log_score(estimated) - log_score(said)
    assert better.mean() > 3 * better.std() / np.sqrt(len(better))
