"""EM: its laws, its starts, how it ends, and what a fit tells and keeps."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy.special import entr, xlogy
from sklearn.mixture import GaussianMixture

import bayesgmm
from bayesgmm.em.result import Fit
from bayesgmm.em.status import Status
from bayesgmm.families import FAMILIES
from bayesgmm.mixture.prior import Prior
from bayesgmm.utils.errors import DegenerateFitWarning
from tests.conftest import COLUMN_SCALING, ROTATION, families_for, simulate

SKLEARN = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("with_prior", [False, True], ids=["ml", "map"])
def test_objective_never_falls(rng, d_and_family, k, with_prior):
    """Every iteration, from a random start; 1e-11 relative is rounding."""
    d, family = d_and_family
    x, _ = simulate(rng, 150, d, k)
    prior = Prior.from_data(x) if with_prior else None
    with warnings.catch_warnings():  # on the way into a singularity it rises as well
        warnings.simplefilter("ignore", DegenerateFitWarning)
        fit = bayesgmm.fit(
            x, k, family.name, prior=prior, start="random", n_init=1, random_seed=rng, max_iter=200
        )
    gains = np.diff(fit.history)
    assert np.all(gains >= -1e-11 * np.abs(fit.history[1:]))
    assert fit.objective == fit.history[-1]
    # what is reported belongs together
    assert fit.score_samples(x).sum() == pytest.approx(fit.loglik, rel=1e-11)
    assert (fit.objective == fit.loglik) == (not with_prior)


@pytest.mark.parametrize("form", list(SKLEARN))
def test_converges_where_scikit_learn_does(rng, form):
    """The four common types, from the same start: log-likelihood to 1e-8."""
    x, labels = simulate(rng, 300, 3, 3)
    within = np.array([np.cov(x[labels == g].T, ddof=0) for g in range(3)])
    ours = bayesgmm.fit(x, 3, form, start=labels, tol=1e-13, max_iter=20_000)
    theirs = GaussianMixture(
        3, covariance_type=form, reg_covar=0, tol=1e-14, max_iter=20_000,
        weights_init=np.bincount(labels) / 300,
        means_init=[x[labels == g].mean(axis=0) for g in range(3)],
        precisions_init={
            "full": np.linalg.inv(within),
            "tied": np.linalg.inv(np.einsum("g,gij->ij", np.bincount(labels) / 300, within)),
            "diag": 1 / np.array([x[labels == g].var(axis=0) for g in range(3)]),
            "spherical": 1 / np.array([x[labels == g].var(axis=0).mean() for g in range(3)]),
        }[form],
    ).fit(x)  # fmt: skip
    assert ours.family.name == SKLEARN[form]
    assert ours.loglik / 300 == pytest.approx(theirs.score(x), rel=1e-8)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_nested_families_do_not_do_better(rng, name):
    """Started from a smaller family's fit, a larger one never ends below it."""
    x, labels = simulate(rng, 200, 3, 2)
    small = bayesgmm.fit(x, 2, name, start=labels)
    for other, family in FAMILIES.items():
        if family.contains(small.family):
            large = bayesgmm.fit(x, 2, other, start=small)
            assert large.loglik >= small.loglik - 1e-9 * abs(small.loglik)


@pytest.mark.parametrize("d", [1, 2])
def test_equivalent_families_give_the_same(rng, d):
    """One component: all full families agree, with the closed form."""
    x, _ = simulate(rng, 80, d, 1)
    value = bayesgmm.fit(x, 1, "VVV").loglik
    covariance = np.cov(x.T, ddof=0).reshape(d, d)
    closed = -40 * (d * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + d)
    assert value == pytest.approx(closed, rel=1e-12)
    for name in families_for(d):
        if not (FAMILIES.get(name) and FAMILIES[name].diagonal or name in ("EII", "VII")):
            assert bayesgmm.fit(x, 1, name).loglik == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("start", ["labels", "kmeans"])
def test_equivariance(rng, name, start):
    """Shift, unit, and what else the family follows: same responsibilities, known loglik."""
    x, labels = simulate(rng, 150, 3, 2)
    n = len(x)
    # long steps follow a rotation only to the end, so that is where the ends must agree
    given = {"tol": 1e-13, "max_iter": 10_000}
    given |= {"start": labels} if start == "labels" else {"random_seed": 5, "n_init": 3}
    base = bayesgmm.fit(x, 2, name, **given)
    resp = base.predict_proba(x)
    moves = [(np.eye(3), 1e8), (1e-6 * np.eye(3), 0.0), (1e6 * np.eye(3), -3.0)]
    if name in COLUMN_SCALING:
        moves.append((np.diag([1e-6, 1.0, 1e6]), 1.0))
    if name in ROTATION and start == "labels":
        moves.append((np.linalg.qr(rng.standard_normal((3, 3)))[0], 0.0))
    for m, shift in moves:
        y = x @ m.T + shift
        moved = bayesgmm.fit(y, 2, name, **given)
        np.testing.assert_allclose(moved.predict_proba(y), resp, atol=1e-6)
        jacobian = n * np.linalg.slogdet(m)[1]
        assert moved.loglik == pytest.approx(base.loglik - jacobian, abs=1e-5 * n)


@pytest.mark.parametrize("name", ["EII", "VVI", "VVV"])
def test_single_precision_input(rng, name):
    """As good as the digits of the data allow."""
    x, labels = simulate(rng, 200, 2, 2)
    a = bayesgmm.fit(x, 2, name, start=labels)
    b = bayesgmm.fit(x.astype(np.float32), 2, name, start=labels)
    np.testing.assert_allclose(b.predict_proba(x.astype(np.float32)), a.predict_proba(x), atol=2e-5)


def test_order_of_rows_and_labels(rng):
    """Rows may come in any order; the labels of a start name its components."""
    x, labels = simulate(rng, 200, 2, 3)
    fit = bayesgmm.fit(x, 3, start=labels)
    order = rng.permutation(len(x))
    other = bayesgmm.fit(x[order], 3, start=labels[order])
    np.testing.assert_allclose(other.means, fit.means, rtol=1e-9)
    swapped = bayesgmm.fit(x, 3, start=np.array([2, 0, 1])[labels])
    np.testing.assert_allclose(swapped.means[[2, 0, 1]], fit.means, rtol=1e-9)


def test_when_em_stops_does_not_depend_on_n(rng):
    """Every row ten times: the same iterations, the same estimates."""
    x, labels = simulate(rng, 120, 2, 2, spread=1.0)
    one = bayesgmm.fit(x, 2, start=labels)
    ten = bayesgmm.fit(np.repeat(x, 10, axis=0), 2, start=np.repeat(labels, 10))
    assert one.n_iter == ten.n_iter
    np.testing.assert_allclose(ten.means, one.means, rtol=1e-9)


def test_tolerance_bounds_what_is_left(rng):
    """With tol per row left to gain, a tight run gains little more than that."""
    x, labels = simulate(rng, 500, 2, 3, spread=1.0)
    tight = bayesgmm.fit(x, 3, start=labels, tol=1e-14, max_iter=100_000)
    for tol in (1e-4, 1e-6, 1e-8):
        fit = bayesgmm.fit(x, 3, start=labels, tol=tol, max_iter=100_000)
        assert tight.loglik - fit.loglik < 10 * tol * len(x)


def test_starts_of_every_kind(rng):
    """Labels, one-hot responsibilities and the M-step's mixture are the same start."""
    x, labels = simulate(rng, 100, 2, 2)
    a = bayesgmm.fit(x, 2, start=labels, max_iter=0)
    b = bayesgmm.fit(x, 2, start=np.eye(2)[labels], max_iter=0)
    c = bayesgmm.fit(x, 2, start=a, max_iter=0)
    d = bayesgmm.fit(x, 2, start=a.mixture, max_iter=0)
    e = bayesgmm.fit(x, 2, start=np.array(["u", "v"])[labels], max_iter=0)
    for other in (b, c, d, e):
        assert other.loglik == pytest.approx(a.loglik, rel=1e-13)
    assert a.history == (a.loglik,)
    assert a.status is Status.MAX_ITER
    # the M-step's parameters are the groups' moments
    np.testing.assert_allclose(a.means, [x[labels == g].mean(axis=0) for g in (0, 1)], rtol=1e-12)
    # a start of another family is replaced by the family's closest member
    tied = bayesgmm.fit(x, 2, "EEE", start=a, max_iter=0)
    expected = a.weights @ a.covariances.reshape(2, 4)
    np.testing.assert_allclose(tied.covariances[0].ravel(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("best", "unknown start 'best'"),
        (np.zeros(10), "start has shape"),
        (np.zeros(100), "1 different labels"),
        (np.full((100, 2), 0.4), "row 0 of start sum to 0.8"),
        (np.column_stack([np.full(100, -0.5), np.full(100, 1.5)]), "negative"),
        (np.full((100, 2), np.nan), "NaN"),
        (np.full((100, 3), 1 / 3), r"\(100, 2\)"),
        (bayesgmm.Mixture([1.0], [[0, 0]], [np.eye(2)]), "1 components in 2 columns"),
        (np.r_[0, np.ones(99)], "singular covariance .*Pass another start"),
    ],
)
def test_bad_starts_are_refused(start, message):
    """Each with what is wrong."""
    x = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(ValueError, match=message):
        bayesgmm.fit(x, 2, start=start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components is 0"),
        ({"n_components": 2.5}, "n_components is 2.5"),
        ({"n_components": "two"}, "n_components is 'two'"),
        ({"n_init": 0}, "n_init is 0"),
        ({"max_iter": -1}, "max_iter is -1"),
        ({"tol": float("nan")}, "tol is nan"),
        ({"ridge": -1.0}, "ridge is -1"),
        ({"covariance_type": "ABC"}, "unknown covariance_type 'ABC': choose among EII"),
        ({"columns": ["none"]}, "no column 'none'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    """Each with its name and value."""
    with pytest.raises(ValueError, match=message):
        bayesgmm.fit(bayesgmm.datasets.load_faithful(), **({"n_components": 2} | arguments))


def test_seeds_and_starts_are_counted(rng):
    """A seed gives its fit again; more starts never do worse; the counts add up."""
    x, _ = simulate(rng, 300, 2, 4, spread=1.5)
    arguments = {"start": "k-means++", "random_seed": 3}
    a = bayesgmm.fit(x, 4, n_init=5, **arguments)
    b = bayesgmm.fit(x, 4, n_init=5, **arguments)
    assert a.loglik == b.loglik
    np.testing.assert_array_equal(a.means, b.means)
    more = bayesgmm.fit(x, 4, n_init=15, **arguments)
    assert more.loglik >= a.loglik
    made, sound, same = a.starts
    assert made == 5 and 1 <= same <= sound <= 5
    assert np.all(np.diff(a.weights) <= 0)  # components in order of size
    made, sound, same = bayesgmm.fit(x, 4, random_seed=3, n_init=12).starts
    assert made == 13 and 1 <= same <= sound <= 5  # the tree's, and the best five run on
    seed = np.random.SeedSequence(7)
    assert (
        bayesgmm.fit(x, 4, random_seed=seed).loglik == bayesgmm.fit(x, 4, random_seed=seed).loglik
    )


def test_number_of_threads_does_not_matter(monkeypatch):
    """A whole fit, bit for bit."""
    x = np.random.default_rng(1).normal(size=(60_000, 3))
    x[:30_000] += 2
    fits = []
    for n in ("1", "2", "3"):
        monkeypatch.setenv("BAYESGMM_NUM_THREADS", n)
        fits.append(bayesgmm.fit(x, 2, random_seed=0, n_init=1, max_iter=20))
    assert len({fit.loglik for fit in fits}) == 1
    np.testing.assert_array_equal(fits[0].covariances, fits[2].covariances)
    monkeypatch.setenv("BAYESGMM_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="BAYESGMM_NUM_THREADS is 'many'"):
        bayesgmm.fit(x, 2, random_seed=0)


def test_groups_are_recovered():
    """Parameters of a simulated mixture, within five standard errors."""
    truth = bayesgmm.Mixture(
        [0.3, 0.7], [[0, 0], [4, 1]], [[[1, 0.6], [0.6, 1]], [[2, -0.5], [-0.5, 0.5]]]
    )
    x, _ = truth.sample(20_000, 11)
    fit = bayesgmm.fit(x, 2, random_seed=0)
    order = np.argsort(fit.weights)
    np.testing.assert_allclose(
        fit.weights[order], truth.weights, atol=5 * np.sqrt(0.21 / 20_000) * 2
    )
    np.testing.assert_allclose(fit.means[order], truth.means, atol=0.08)
    np.testing.assert_allclose(fit.covariances[order], truth.covariances, atol=0.15)


def degenerate_data():
    rng = np.random.default_rng(0)
    return np.r_[rng.normal(size=(50, 2)), np.full((20, 2), 4.0)]


@pytest.mark.parametrize("name", ["VII", "VVI", "VVV"])
def test_collapse_is_reported_and_not_hidden(name):
    """Twenty equal rows: the last sound parameters, no criteria, and advice."""
    x = degenerate_data()
    with pytest.warns(DegenerateFitWarning, match="degenerate component .*prior"):
        fit = bayesgmm.fit(x, 2, name, random_seed=0)
    assert fit.status is Status.DEGENERATE
    assert not fit.converged
    assert np.isnan(fit.bic) and np.isnan(fit.aic) and np.isnan(fit.icl)
    assert np.all(np.isfinite(fit.covariances)) and np.isfinite(fit.loglik)
    assert fit.degenerate_component is not None
    smallest = np.linalg.det(fit.covariances)
    assert np.argmin(smallest) == fit.degenerate_component
    with_prior = bayesgmm.fit(x, 2, name, random_seed=0, prior=Prior.from_data(x))
    assert with_prior.converged
    assert bayesgmm.fit(x, 2, "EEE", random_seed=0).converged


def test_max_iter_is_reported():
    """In words, with what to do."""
    fit = bayesgmm.fit(bayesgmm.datasets.load_faithful(), 3, random_seed=0, max_iter=2, n_init=1)
    assert fit.status is Status.MAX_ITER
    assert "raise max_iter" in fit.advice


def test_criteria_follow_their_definitions():
    """AIC, BIC, ICL and entropy from the responsibilities; mclust's BIC has the other sign."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 3, "EEE", random_seed=0)
    resp = fit.predict_proba(x)
    assert fit.n_parameters == 11
    assert fit.aic == pytest.approx(-2 * fit.loglik + 22)
    assert fit.bic == pytest.approx(-2 * fit.loglik + 11 * np.log(272))
    assert fit.icl == pytest.approx(fit.bic - 2 * np.sum(np.log(resp.max(axis=1))))
    assert fit.entropy == pytest.approx(-np.sum(xlogy(resp, resp)))
    # mclust 6.0.0, stopped at 1e-5: BIC -2314.3163, ICL -2357.8242
    assert fit.bic == pytest.approx(2314.3, abs=0.05)
    assert fit.icl == pytest.approx(2357.8, abs=1.0)


@pytest.mark.parametrize("width", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("weighted", [False, True])
def test_entropy_and_certainty_are_those_of_the_rows(rng, d_and_family, width, weighted):
    """Whatever they are computed from: sums over the responsibilities, to 1e-8 a row."""
    d, family = d_and_family
    x, labels = simulate(rng, 150, d, 3, spread=1.0)
    x[labels == 0] *= width  # one component is narrow
    w = rng.integers(1, 4, len(x)).astype(float) if weighted else np.ones(len(x))
    fit = bayesgmm.fit(x, 3, family.name, start=labels, sample_weight=w, max_iter=20)
    resp = fit.predict_proba(x)
    assert fit.entropy == pytest.approx(w @ entr(resp).sum(axis=1), abs=1e-8 * w.sum())
    assert fit.log_map == pytest.approx(w @ np.log(resp.max(axis=1)), abs=1e-8 * w.sum())


def test_a_fit_survives_saving(tmp_path):
    """Bit for bit, with its prior, and without pickle."""
    x = bayesgmm.datasets.load_faithful()
    for prior in (None, Prior.from_data(x)):
        fit = bayesgmm.fit(x, 2, "VVI", random_seed=0, prior=prior)
        fit.save(tmp_path / "fit.npz")
        back = Fit.load(tmp_path / "fit.npz")
        for name in ("weights", "means", "covariances"):
            np.testing.assert_array_equal(getattr(back, name), getattr(fit, name))
        assert (back.loglik, back.bic, back.icl) == (fit.loglik, fit.bic, fit.icl)
        assert (back.history, back.status, back.starts) == (fit.history, fit.status, fit.starts)
        assert repr(back) == repr(fit)
        np.testing.assert_array_equal(back.predict_proba(x), fit.predict_proba(x))
    np.savez(tmp_path / "other.npz", a=1)
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "pickle.npz", meta=np.array({"a": 1}, dtype=object))
    for name in ("other", "text", "pickle"):
        with pytest.raises(ValueError, match="not a fit saved by this version of bayesgmm"):
            Fit.load(tmp_path / f"{name}.npz")


def test_labelled_results():
    """Names of the columns everywhere."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    dataset = fit.to_xarray()
    assert dataset["mu"].sel(component=0, feature="waiting") == fit.means[0, 1]
    assert dataset["Sigma"].dims == ("component", "feature", "feature_bis")
    table = fit.to_frame()
    assert list(table.columns)[:3] == ["pi", "mean eruptions", "mean waiting"]
    assert table["sd waiting"][1] == np.sqrt(fit.covariances[1, 1, 1])
    for text in (repr(fit), fit._repr_html_()):
        assert "VVV, K = 2" in text and "converged" in text and "eruptions" in text


def test_a_fit_is_a_distribution():
    """Draws come back as the mixture they were drawn from."""
    fit = bayesgmm.fit(bayesgmm.datasets.load_faithful(), 2, random_seed=0)
    x, component = fit.sample(5000, 1)
    assert np.mean(fit.predict(x) == component) > 0.98
    assert np.mean(fit.score_samples(x)) == pytest.approx(fit.loglik / fit.n, abs=0.1)


def test_spurious_maxima_are_not_estimates():
    """Two galaxies close together are no component: such a maximum loses, or says so."""
    x = bayesgmm.datasets.load_galaxies()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fits = [
            bayesgmm.fit(x, 6, "V", start="k-means++", random_seed=s, n_init=1) for s in range(10)
        ]
    spurious = [fit for fit in fits if fit.status is Status.SPURIOUS]
    assert spurious
    assert "spurious maximum: component" in str(caught[0].message)
    assert caught[0].category is DegenerateFitWarning
    for fit in spurious:
        assert not fit.converged
        assert 82 * fit.weights[fit.degenerate_component] < 2.25
    selection = bayesgmm.select(x, range(2, 8), random_seed=0, progressbar=False)
    # the reference's search, which discards such solutions: V, K = 3 with BIC 1575.090
    assert (selection.best.family.name, selection.best.n_components) == ("V", 3)
    assert selection.best.bic == pytest.approx(1575.090, abs=2e-3)
    for fit in selection.top(20):
        assert fit.family.name == "E" or np.all(82 * fit.weights > 2.25)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_memory_of_a_fit(dtype, layout):
    """Neither a copy of the rows nor anything of size n x K is made, whatever the input is."""
    n, d, k = 400_000, 6, 16
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2 * d)).astype(dtype)
    x[: n // 2] += 3
    x = x[:, ::2] if layout == "strided" else np.asarray(x[:, :d], order=layout)
    arguments = {"start": "k-means++", "n_init": 1, "max_iter": 2, "random_seed": 1}
    bayesgmm.fit(x[:20_000], k, **arguments)  # compiled, as for all of them
    tracemalloc.start()
    fit = bayesgmm.fit(x, k, **arguments)
    peak = tracemalloc.get_traced_memory()[1]
    labels = fit.predict(x)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    fit.predict(x)
    more = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # a copy of x takes at least 9.6 MB, responsibilities 51 MB; a start's 20 000 rows take 4
    assert peak < 9e6
    assert more < labels.nbytes + 9e6
