"""Rows, densities and functions of a posterior, against SciPy and the definitions."""

from __future__ import annotations

from itertools import count

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from scipy.stats import norm

import bayesgmm
from bayesgmm.mixture import draws
from bayesgmm.mixture.mixture import Mixture
from bayesgmm.posterior.summaries import coclustering
from tests.posterior.test_posterior import by_scipy
from tests.synthetic import make_posterior

TURN = count()


@pytest.fixture(scope="module")
def iris():
    """Four columns, three components."""
    x = bayesgmm.datasets.load_iris().iloc[:, :4]
    return make_posterior(x, bayesgmm.fit(x, 3, "VVV", random_seed=0), n_draws=20)


def each_draw(posterior):
    """Every draw as a Mixture, from the tree."""
    groups = (posterior.tree["posterior"][name].to_numpy() for name in ("pi", "mu", "Sigma"))
    flat = (a.reshape(-1, *a.shape[2:]) for a in groups)
    return [Mixture(*arrays, posterior.fit.names) for arrays in zip(*flat, strict=True)]


def responsibilities_by_scipy(posterior, rows):
    logs = by_scipy(posterior, rows)
    return np.exp(logs - logsumexp(logs, axis=2, keepdims=True))


# rows


def test_responsibilities_with_uncertainty(posterior, x, monkeypatch):
    """Mean, sd, quantiles and most probable component over the draws, by SciPy's densities."""
    rows = x.to_numpy()[:40]
    values = responsibilities_by_scipy(posterior, rows)
    monkeypatch.setattr("bayesgmm.data.blocks.MEMORY", 7 * values[:, 0].size)  # several blocks
    found = posterior.responsibilities(rows, ci_prob=0.8)
    assert found["mean"].dims == ("obs_id", "component")
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found["mean"], posterior.predict_proba(rows), atol=1e-12)
    np.testing.assert_allclose(found["sd"], values.std(axis=0), atol=1e-10)
    for name, probability in (("lower", 0.1), ("upper", 0.9)):
        expected = np.quantile(values, probability, axis=0)
        np.testing.assert_allclose(found[name], expected, atol=1e-12)
    first = np.argmax(values, axis=2)[:, :, None] == np.arange(2)
    np.testing.assert_allclose(found["most_probable"], first.mean(axis=0), atol=1e-15)
    assert posterior.responsibilities(n_draws=3).sizes["obs_id"] == len(x)


def test_coclustering_is_the_mean_product_of_responsibilities(posterior, x, monkeypatch):
    """r_i . r_j averaged over draws, 1 on the diagonal; whole, in blocks, and for some rows."""
    rows = x.to_numpy()[:40]
    values = responsibilities_by_scipy(posterior, rows)
    expected = np.einsum("sik,sjk->ij", values, values) / len(values)
    np.fill_diagonal(expected, 1)
    found = posterior.coclustering(rows)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    some = posterior.coclustering(rows, rows=[5, 2, 30])
    np.testing.assert_allclose(some, expected[np.ix_([5, 2, 30], [5, 2, 30])], atol=1e-12)
    assert some["obs_id"].to_numpy().tolist() == [5, 2, 30]
    random = posterior.coclustering(rows, rows=8, random_seed=1)
    picked = random["obs_id_bis"].to_numpy()
    assert len(set(picked)) == 8
    np.testing.assert_allclose(random, expected[np.ix_(picked, picked)], atol=1e-12)
    monkeypatch.setattr(coclustering, "_LIMIT", 7 * 40)  # 7 rows of the matrix
    monkeypatch.setattr(coclustering, "_TOGETHER", 3 * 2 * 40)  # 3 draws
    blocks = list(posterior.coclustering_blocks(rows))
    assert [b.start for b, _ in blocks] == list(range(0, 40, 7))
    np.testing.assert_allclose(np.vstack([b for _, b in blocks]), expected, atol=1e-12)
    with pytest.raises(ValueError, match=r"40 rows make a matrix of 40 x 40: pass rows="):
        posterior.coclustering(rows)


def test_coclustering_does_not_know_labels(posterior, x):
    """Components in another order in half of the draws: the same matrix."""
    d = posterior.draws
    order = np.where(np.arange(len(d))[:, None] % 2, [[0, 1]], [[1, 0]])
    at = np.arange(len(d))[:, None], order
    other = draws.Draws(d.weights[at], d.means[at], d.covariances[at])
    data = posterior.data.part(0, 50)
    np.testing.assert_allclose(
        coclustering.coclustering_matrix(data, d),
        coclustering.coclustering_matrix(data, other),
        atol=1e-12,
    )


# densities


def test_density_of_a_column_is_that_of_its_normals(posterior):
    """On the default grid: mean and quantiles of SciPy's densities; they cover all."""
    found = posterior.density(columns="waiting", ci_prob=0.8)
    grid = found["waiting"].to_numpy()
    mixtures = each_draw(posterior)
    values = np.array(
        [
            norm(m.means[:, 1], np.sqrt(m.covariances[:, 1, 1])).pdf(grid[:, None]) @ m.weights
            for m in mixtures
        ]
    )
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found["sd"], values.std(axis=0), rtol=1e-8)
    np.testing.assert_allclose(found["lower"], np.quantile(values, 0.1, axis=0), rtol=1e-10)
    np.testing.assert_allclose(found["upper"], np.quantile(values, 0.9, axis=0), rtol=1e-10)
    assert trapezoid(found["mean"], grid) == pytest.approx(1, abs=2e-4)


def test_density_on_a_plane_has_the_marginals(posterior):
    """Integrated over a column, the joint density is the density of the other."""
    joint = posterior.density()
    assert joint["mean"].dims == ("eruptions", "waiting")
    over = joint["mean"].integrate("eruptions")
    alone = posterior.density({"waiting": joint["waiting"].to_numpy()})
    np.testing.assert_allclose(over, alone["mean"], rtol=0.02, atol=1e-4)
    points = np.array([[70.0, 3.0], [50.0, 2.0]])
    lists = posterior.density(points, columns=["waiting", "eruptions"])
    assert lists["mean"].dims == ("point",)
    assert lists["waiting"].to_numpy().tolist() == [70, 50]
    grid = posterior.density({1: [70.0, 50.0], "eruptions": [3.0, 2.0]})
    np.testing.assert_allclose(lists["upper"], np.diagonal(grid["upper"]), rtol=1e-12)
    np.testing.assert_allclose(
        np.log(lists["mean"]), posterior.log_density([[3.0, 70.0], [2.0, 50.0]])["log_density"]
    )
    line = posterior.density([60.0, 70.0], columns=["waiting"], n_draws=5)
    assert line["mean"].dims == ("waiting",)
    table = pd.DataFrame({"waiting": points[:, 0], "eruptions": points[:, 1]})
    np.testing.assert_allclose(posterior.density(table)["mean"], lists["mean"], rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": "height"}, "no column 'height'"),
        ({"columns": []}, "name at least one"),
        ({"columns": ["waiting", 1]}, "name a column twice"),
        ({"at": [[1.0, 2.0, 3.0]]}, "the rows have 3 columns"),
        ({"at": {"waiting": [[1.0]]}}, "column 'waiting' has values of shape"),
        ({"at": {"waiting": 60.0}, "columns": "waiting"}, "leave columns out"),
        ({"at": {"waiting": np.nan}}, "missing value"),
        ({"columns": 0, "ci_prob": 0}, "ci_prob is 0"),
        ({"columns": 0, "n_draws": 0}, "n_draws is 0"),
    ],
)
def test_bad_densities_are_named(posterior, arguments, message):
    with pytest.raises(ValueError, match=message):
        posterior.density(**arguments)


def test_a_grid_is_made_up_for_two_columns_at_most(iris):
    with pytest.raises(ValueError, match="a grid of 4 columns"):
        iris.density()
    assert iris.density(columns=[2, 0])["mean"].dims == (iris.fit.names[2], iris.fit.names[0])
    renamed = iris.marginal([0]).__class__(iris.marginal([0]).draws, ("mean",), *[range(4)] * 2)
    assert renamed.density()["mean"].dims == ("column mean",)  # beside the mean of the density


# marginals and conditionals


def test_conditional_is_that_of_every_draw(posterior):
    """Weights, means and covariances of `Mixture.conditional`, draw by draw."""
    found = posterior.conditional({"eruptions": 3.1}).to_dataset().stack(s=("chain", "draw"))
    for s, mixture in enumerate(each_draw(posterior)):
        expected = mixture.conditional({0: 3.1})
        np.testing.assert_allclose(found["pi"][:, s], expected.weights, rtol=1e-9)
        np.testing.assert_allclose(found["mu"][..., s], expected.means, rtol=1e-12)
        np.testing.assert_allclose(found["Sigma"][..., s], expected.covariances, rtol=1e-9)


def test_conditional_density_is_joint_over_marginal(iris):
    """p(a, b | c, d) = p(a, b, c, d) / p(c, d), draw by draw by SciPy's densities."""
    row = iris.data.values[60]
    names = iris.fit.names
    given = {names[3]: row[3], names[1]: row[1]}
    conditional = iris.conditional(given)
    assert conditional.names == (names[0], names[2])
    values = conditional.function_of(lambda m: m.log_density(row[None, [0, 2]])[0])
    joint = logsumexp(by_scipy(iris, row[None]), axis=2)[:, 0]
    alone = [m.marginal([1, 3]).log_density(row[None, [1, 3]])[0] for m in each_draw(iris)]
    np.testing.assert_allclose(values.to_numpy().ravel(), joint - alone, rtol=1e-8)


def test_columns_may_be_given_one_by_one(iris):
    """Given a, then b, is given both; what is left out beforehand makes no difference."""
    names = iris.fit.names
    both = iris.conditional({names[0]: 5.9, names[1]: 3.0})
    steps = iris.conditional({names[0]: 5.9}).conditional({names[1]: 3.0})
    fewer = iris.marginal([2, 1, 0]).conditional({names[0]: 5.9, names[1]: 3.0})
    for a, b in (
        (both.to_dataset(), steps.to_dataset()),
        (both.marginal(names[2]).to_dataset(), fewer.to_dataset()),
    ):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-7, atol=1e-12)


def test_conditional_mean_is_the_regression(posterior):
    """The mean of the conditional mixture with its interval; of one normal it is linear."""
    conditional = posterior.conditional({"eruptions": 3.1})
    found = conditional.mean(ci_prob=0.8)
    mixtures = (m.conditional({0: 3.1}) for m in each_draw(posterior))
    values = np.array([m.weights @ m.means for m in mixtures])
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found["upper"], np.quantile(values, 0.9, axis=0), rtol=1e-10)
    density = conditional.density()
    assert trapezoid(density["mean"], density["waiting"]) == pytest.approx(1, abs=2e-4)


def test_regression_of_one_normal():
    """K = 1: intercept and slope of least squares, at any value."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 3))
    fit = bayesgmm.fit(x, 1)
    posterior = make_posterior(x, fit, n_draws=5)
    d = posterior.draws
    slope = np.linalg.solve(d.covariances[:, 0, 1:, 1:], d.covariances[:, 0, 1:, :1])[..., 0]
    value = np.array([0.3, -2.0])
    expected = d.means[:, 0, 0] + np.sum(slope * (value - d.means[:, 0, 1:]), axis=1)
    found = posterior.conditional({"x1": 0.3, "x2": -2.0}).draws.means[:, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "at least one"),
        ({"eruptions": 3.0, "waiting": 70.0}, "not for all"),
        ({"eruptions": 3.0, 0: 3.0}, "two values for one column"),
        ({"height": 1.0}, "no column 'height'"),
        ({"eruptions": np.nan}, "given nan: pass one finite number"),
        ({"eruptions": [3.0, 4.0]}, "pass (one finite|a) number"),
        ({"eruptions": "long"}, "pass (one finite|a) number"),
    ],
)
def test_bad_conditions_are_named(posterior, given, message):
    with pytest.raises(ValueError, match=message):
        posterior.conditional(given)
    with pytest.raises(ValueError, match=message):
        posterior.fit.mixture.conditional(given)


def test_draws_come_back_as_they_were(posterior):
    """The draws as a data set are those of the tree, whatever the family stores."""
    found = posterior.mixture_draws.to_dataset()
    for name in ("pi", "mu", "Sigma"):
        np.testing.assert_array_equal(found[name], posterior.tree["posterior"][name])
        assert found[name].dims == posterior.tree["posterior"][name].dims
    assert "2 components in eruptions, waiting" in repr(posterior.mixture_draws)


# functions


def test_functions_of_the_draws(posterior):
    """One draw at a time, or all at once: the same values, with coordinates, for ArviZ."""
    shift = posterior.function_of(lambda m: m.means[1] - m.means[0], dims="feature", name="shift")
    at_once = posterior.function_of(
        lambda pi, mu, sigma: mu[:, 1] - mu[:, 0], dims=["feature"], name="shift", vectorized=True
    )
    np.testing.assert_array_equal(shift, at_once)
    mu = posterior.tree["posterior"]["mu"]
    np.testing.assert_array_equal(shift, mu.sel(component=1) - mu.sel(component=0))
    table = az.summary(shift, round_to="none")
    assert list(table.index) == ["shift[eruptions]", "shift[waiting]"]
    assert float(table["mean"].iloc[0]) == pytest.approx(float(shift[..., 0].mean()))
    entropy = posterior.function_of(lambda m: -np.sum(m.weights * np.log(m.weights)))
    assert entropy.dims == ("chain", "draw")
    pi = posterior.tree["posterior"]["pi"]
    np.testing.assert_allclose(entropy, -(pi * np.log(pi)).sum("component"))


def test_functions_of_some_draws(posterior):
    """As many draws of every chain, evenly spaced, under their own coordinates."""
    some = posterior.function_of(lambda m: m.means, name="mu", n_draws=21)
    assert some.dims == ("chain", "draw", "mu_dim_0", "mu_dim_1")
    assert some["draw"].to_numpy().tolist() == [0, 25, 50, 74, 99]
    mu = posterior.tree["posterior"]["mu"].sel(draw=some["draw"].to_numpy())
    np.testing.assert_array_equal(some, mu)
    with pytest.raises(ValueError, match="n_draws is 3: use at least one of each of 4 chains"):
        posterior.function_of(lambda m: 0.0, n_draws=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": lambda m: "much"}, "the function gave 'much' for draw 0"),
        ({"function": lambda m: None}, "the function gave None for draw 0"),
        ({"function": lambda m: np.ones(1 + next(TURN) // 3)}, "the same shape"),
        ({"function": lambda m: m.means, "dims": "feature"}, "name one per axis"),
        ({"function": lambda m: m.means[0, :1], "dims": "feature"}, "name another dim"),
        (
            {"function": lambda pi, *_: pi.sum(), "vectorized": True},
            "first axis is that of the draw",
        ),
    ],
)
def test_bad_functions_are_named(posterior, arguments, message):
    with pytest.raises(ValueError, match=message):
        posterior.function_of(**arguments)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: p.responsibilities(ci_prob=1), "ci_prob is 1"),
        (lambda p: p.responsibilities(n_draws=0), "n_draws is 0"),
        (lambda p: p.responsibilities([[1.0, 2.0, 3.0]]), "3 columns"),
        (lambda p: p.coclustering(rows=0), "rows is 0"),
        (lambda p: p.coclustering(rows=273), "rows is 273: there are 272"),
        (lambda p: p.coclustering(rows=[1, 1]), "each once"),
        (lambda p: p.coclustering(rows=[-1]), "positions from 0 to 271"),
        (lambda p: p.coclustering(rows=[0.5]), "positions from 0 to 271"),
    ],
)
def test_bad_questions_are_answered_clearly(posterior, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(posterior)
