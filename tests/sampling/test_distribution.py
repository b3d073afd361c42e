"""`bayesgmm.pymc.GaussianMixture` in users' models: `pm.Mixture`'s numbers, and what PyMC does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm import DataError
from bayesgmm.pymc import GaussianMixture

PYTHON = "FAST_COMPILE"
FORMS = ("sigma", "chol", "cov", "tau")


def covariance_of(form, free):
    """A covariance in that form, (J, d, d) or sigma (J, d), from free numbers (J, d, d)."""
    d = free.type.shape[-1]
    if form == "sigma":
        return pt.exp(free[:, 0])
    return pt.tril(free) + 3 * np.eye(d) if form == "chol" else free @ free.mT + np.eye(d)


def both(form, w, mu, free, x, one_column=False):
    """The log densities by this distribution, and by pm.Mixture."""
    covariance = covariance_of(form, free)
    k, d = mu.type.shape[-2:]
    ours = GaussianMixture.dist(
        w, mu[..., 0] if one_column else mu, **{form: covariance}, one_column=one_column
    )
    components = []
    for c in range(k):
        of_one = covariance[c % free.type.shape[0]]
        form_there = "chol" if form == "sigma" else form
        of_one = pt.diag(of_one) if form == "sigma" else of_one
        components.append(pm.MvNormal.dist(mu[..., c, :], **{form_there: of_one}))
    theirs = pm.Mixture.dist(w, components) if k > 1 else components[0]
    return pm.logp(ours, x[:, 0] if one_column else x), pm.logp(theirs, x)


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
@pytest.mark.parametrize("by_row", ["none", "w", "mu", "both"])
@pytest.mark.parametrize("form", FORMS)
def test_it_is_pymc_s_mixture(form, by_row, seed):
    """Value, and gradient in every input and in the rows, over random shapes, to 1e-9."""
    rng = np.random.default_rng([seed, len(by_row), FORMS.index(form)])
    n, d, k = rng.integers(1, 300), rng.integers(1, 5), rng.integers(2, 5)
    one_column = bool(d == 1 and rng.integers(2))
    values = [
        rng.dirichlet(np.ones(k), n if by_row in ("w", "both") else None),
        2 * rng.standard_normal((*(n,) * (by_row in ("mu", "both")), k, d)),
        rng.standard_normal((rng.choice([1, k]), d, d)),
        3 * rng.standard_normal((n, d)),
    ]
    variables = [pt.TensorType("float64", v.shape)() for v in values]
    row_weights = rng.standard_normal(n) if rng.integers(2) else np.ones(n)
    outputs = []
    for log_density in both(form, *variables, one_column):
        total = (row_weights * log_density).sum() if np.ptp(row_weights) else log_density.sum()
        outputs += [log_density, *pt.grad(total, variables)]
    results = pytensor.function(variables, outputs, mode=PYTHON)(*values)
    for ours, theirs in zip(results[:5], results[5:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


@pytest.mark.parametrize("form", ["sigma", "cov"])
def test_it_is_scipy_s_by_row(rng, form):
    """Proportions and means of every row's own, by SciPy row by row."""
    n, d, k = 30, 3, 2
    w, mu = rng.dirichlet(np.ones(k), n), rng.standard_normal((n, k, d))
    root = rng.standard_normal((k, d, d))
    sigma = rng.uniform(0.5, 2.0, (k, d))
    cov = root @ np.swapaxes(root, 1, 2) + np.eye(d)
    given = {"sigma": sigma, "cov": cov}[form]
    covariances = [np.diag(s**2) for s in sigma] if form == "sigma" else cov
    x = rng.standard_normal((n, d))
    result = pm.logp(GaussianMixture.dist(w, mu, **{form: given}), x).eval(mode=PYTHON)
    terms = [
        [np.log(w[i, c]) + multivariate_normal(mu[i, c], covariances[c]).logpdf(x[i])]
        for c in range(k)
        for i in range(n)
    ]
    expected = logsumexp(np.reshape(terms, (k, n)), axis=0)
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sigma", [1.5, np.array([0.5, 2.0]), np.array([[0.5, 1.0, 2.0]])])
def test_shapes_of_sigma(sigma):
    """A number, one for each component, one for each column of all."""
    rng = np.random.default_rng(0)
    mu, x, w = rng.standard_normal((2, 3)), rng.standard_normal((20, 3)), np.array([0.3, 0.7])
    full = np.broadcast_to(sigma[:, None] if np.ndim(sigma) == 1 else sigma, (2, 3))
    result, expected = (
        pm.logp(GaussianMixture.dist(w, mu, sigma=s), x).eval(mode=PYTHON) for s in (sigma, full)
    )
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def rows(n=100):
    rng = np.random.default_rng(1)
    return np.concatenate([rng.normal(0, 1, (n // 2, 2)), rng.normal(4, 1, (n - n // 2, 2))])


@pytest.fixture
def model():
    with pm.Model() as found:
        x = pm.Data("x", rows())
        w = pm.Dirichlet("w", np.ones(2))
        mu = pm.Normal("mu", [[0, 0], [4, 4]], 1, shape=(2, 2))
        GaussianMixture("y", w, mu, sigma=pm.HalfNormal("s", shape=2), observed=x)
    return found


def test_what_pymc_does_with_a_model(model):
    """Prior and posterior predictive draws, pointwise densities, other data, printing."""
    prior = pm.sample_prior_predictive(20, model=model, random_seed=1)
    assert prior["prior_predictive"]["y"].shape == (1, 20, 100, 2)
    with model:
        tree = xr.DataTree.from_dict({"posterior": prior["prior"].to_dataset()})
        tree = pm.compute_log_likelihood(tree, progressbar=False)
        assert tree["log_likelihood"]["y"].shape == (1, 20, 100)
        draw = tree["posterior"].isel(chain=0, draw=3)
        expected = pm.logp(
            GaussianMixture.dist(draw["w"].values, draw["mu"].values, sigma=draw["s"].values),
            rows(),
        ).eval(mode=PYTHON)
        np.testing.assert_allclose(tree["log_likelihood"]["y"][0, 3], expected, rtol=1e-10)
        pm.set_data({"x": rows()[:7]})
        new = pm.sample_posterior_predictive(tree, progressbar=False, random_seed=1)
    assert new["posterior_predictive"]["y"].shape == (1, 20, 7, 2)
    assert "y ~ GaussianMixture(w, mu, " in model.str_repr()


def test_observe_and_do(model):
    """A variable that becomes data, and one that becomes a constant."""
    with pm.Model() as free:
        GaussianMixture("z", [0.4, 0.6], [[0.0, 0.0], [1.0, 1.0]], cov=np.eye(2), shape=(3, 2))
    x = rows()[:3]
    observed = pm.observe(free, {"z": x})
    expected = free.compile_logp(mode=PYTHON)({"z": x})
    assert observed.compile_logp(mode=PYTHON)({}) == pytest.approx(expected, rel=1e-12)
    assert pm.do(model, {"w": np.array([0.5, 0.5])})["w"] not in model.free_RVs


def test_a_minibatch_counts_for_all(model):
    """total_size scales the log density of the rows that are there."""
    with pm.Model() as few:
        GaussianMixture(
            "y", [0.5, 0.5], [[0.0, 0.0], [4.0, 4.0]], sigma=1.0, observed=rows()[:20],
            total_size=(100, 2),
        )  # fmt: skip
    logp = few.compile_logp(mode=PYTHON)({})
    alone = pm.logp(
        GaussianMixture.dist([0.5, 0.5], [[0.0, 0.0], [4.0, 4.0]], sigma=1.0), rows()[:20]
    )
    assert logp == pytest.approx(5 * alone.eval(mode=PYTHON).sum(), rel=1e-12)


def test_a_mixture_of_mixtures():
    """`pm.Mixture` around ours, with a component for noise."""
    x, w, mu = rows(), np.array([0.5, 0.5]), np.array([[0.0, 0.0], [4.0, 4.0]])
    noise = pm.MvNormal.dist(np.zeros(2), 25 * np.eye(2))
    ours = GaussianMixture.dist(w, mu, sigma=1.0)
    result = pm.logp(pm.Mixture.dist([0.9, 0.1], [ours, noise]), x).eval(mode=PYTHON)
    of_noise = multivariate_normal(np.zeros(2), 25 * np.eye(2)).logpdf(x)
    terms = [np.log(0.9) + pm.logp(ours, x).eval(mode=PYTHON), np.log(0.1) + of_noise]
    np.testing.assert_allclose(result, logsumexp(terms, axis=0), rtol=1e-12)


@pytest.mark.parametrize("mode", [PYTHON, "NUMBA"])
def test_draws_by_row(mode):
    """Each row from its own proportions and means; one column as numbers. Five standard errors."""
    n = 20_000
    p = np.linspace(0.0, 1.0, n)
    means = np.stack([np.full(n, -50.0), np.linspace(0, 100.0, n)], axis=1)
    y = GaussianMixture.dist(np.stack([1 - p, p], axis=1), means, sigma=1.0, one_column=True)
    drawn = pytensor.function([], y, mode=mode)()
    second = drawn > -25
    assert abs(second.sum() - p.sum()) < 5 * np.sqrt((p * (1 - p)).sum())
    residuals = drawn - np.where(second, means[:, 1], -50.0)
    assert abs(residuals.mean()) < 5 / np.sqrt(n)
    assert abs(residuals.var() - 1) < 5 * np.sqrt(2 / n)


W, MU, X = np.full(2, 0.5), np.zeros((2, 2)), np.zeros((4, 2))


@pytest.mark.parametrize(
    ("error", "match", "make"),
    [
        (NotImplementedError, "one set", lambda: GaussianMixture.dist([[W]], MU, sigma=1.0)),
        (NotImplementedError, "one set", lambda: GaussianMixture.dist(W, [[MU]], sigma=1.0)),
        (NotImplementedError, "by row", lambda: GaussianMixture.dist(W, MU, cov=[[np.eye(2)]])),
        (ValueError, "give one of", lambda: GaussianMixture.dist(W, MU)),
        (ValueError, "cov, sigma", lambda: GaussianMixture.dist(W, MU, np.eye(2), sigma=1.0)),
        (ValueError, "2 components", lambda: GaussianMixture.dist(W, np.zeros((3, 2)), sigma=1.0)),
        (ValueError, r"sigma\[None", lambda: GaussianMixture.dist(W, MU, sigma=np.ones(3))),
    ],
)  # fmt: skip
def test_what_is_refused(error, match, make):
    """In words, where the variable is made."""
    with pytest.raises(error, match=match):
        make()


def test_rows_that_do_not_fit_are_refused():
    """Parameters of another number of rows than there are: not a batch, an error."""
    w = np.full((3, 2), 0.5)
    node = pm.logp(GaussianMixture.dist(w, MU, sigma=1.0), pt.as_tensor(X))
    with pytest.raises(ValueError, match="one set of parameters"):
        pytensor.function([], node, mode=pytensor.compile.mode.Mode("py", None))()


@pytest.mark.parametrize("made", [np.ma.masked_invalid, pd.DataFrame])
def test_missing_values_are_marginalised_not_imputed(made):
    """Masked arrays and tables like arrays with NaN: no value becomes a parameter; compiled too."""
    x = rows()
    x[3, 1] = x[7, 0] = np.nan
    values = []
    for observed in (x, made(x)):
        with pm.Model() as model:
            w = pm.Dirichlet("w", np.ones(2))
            GaussianMixture("y", w, MU + 1.0, sigma=1.5, observed=observed)
        assert [v.name for v in model.free_RVs] == ["w"]
        mode = PYTHON if observed is x else "NUMBA"
        values.append(model.compile_dlogp(mode=mode)({"w_simplex__": np.array([0.4])}))
    np.testing.assert_allclose(*values, rtol=1e-12)


@pytest.mark.parametrize("form", [*FORMS, "one column"])
def test_rows_that_miss_values(form):
    """Densities by SciPy of what each row has, gradients by differences of them."""
    rng = np.random.default_rng(len(form))
    d = 1 if form == "one column" else 3
    root = rng.standard_normal((2, d, d))
    cov = root @ root.mT + np.eye(d)
    x = 50 + 2 * rng.standard_normal((60, d))
    x[rng.random(x.shape) < 0.3] = np.nan
    x[7] = np.nan
    w, mu = np.array([0.3, 0.7]), 50 + rng.standard_normal((2, d))
    of = {
        "sigma": lambda c: c[..., None] ** 2 * np.eye(d), "cov": lambda c: lower(c),
        "chol": lambda c: np.tril(c) @ np.tril(c).mT, "tau": lambda c: np.linalg.inv(lower(c)),
        "one column": lambda c: c[:, None, None] ** 2,
    }[form]  # fmt: skip
    given = {
        "sigma": np.sqrt(np.diagonal(cov, axis1=1, axis2=2)), "cov": cov,
        "chol": np.linalg.cholesky(cov), "tau": np.linalg.inv(cov),
        "one column": np.sqrt(cov[:, 0, 0]),
    }[form]  # fmt: skip
    start = [w, mu if d > 1 else mu[:, 0], given]
    variables = [pt.TensorType("float64", v.shape)() for v in start]
    covariance = {"sigma" if d == 1 else form: variables[2]}
    mixture = GaussianMixture.dist(*variables[:2], **covariance)
    density = pm.logp(mixture, pt.constant(x if d > 1 else x[:, 0]))
    weights = rng.uniform(0.5, 2.0, 60)
    gradients = [pt.grad(total, variables) for total in (density.sum(), (weights * density).sum())]
    found, *slopes = pytensor.function(variables, [density, *sum(gradients, [])], mode=PYTHON)(
        *start
    )

    def by_scipy(w, mu, c):
        values = np.zeros(60)
        for i, row in enumerate(x):
            [o] = np.nonzero(~np.isnan(row))
            terms = [
                multivariate_normal(np.ravel(m)[o], s[np.ix_(o, o)]).logpdf(row[o]) if len(o) else 0
                for m, s in zip(mu, of(c), strict=True)
            ]
            values[i] = logsumexp(terms, b=w) - (0 if len(o) else np.log(w.sum()))
        return values

    np.testing.assert_allclose(found, by_scipy(*start), rtol=1e-9, atol=1e-9)
    for i, v in enumerate(start):
        for at in [tuple(a) for a in rng.permutation(list(np.ndindex(v.shape)))[:5]]:
            ends = []
            for step in (1e-5, -1e-5):
                moved = [u.copy() for u in start]
                moved[i][at] += step
                ends.append(by_scipy(*moved))
            change = (ends[0] - ends[1]) / 2e-5
            for counts, slope in ((np.ones(60), slopes[i]), (weights, slopes[3 + i])):
                assert slope[at] == pytest.approx(counts @ change, rel=1e-5, abs=1e-5)


def lower(matrices):
    """The symmetric matrices of which the lower triangles are these."""
    return np.tril(matrices) + np.tril(matrices, -1).mT


def test_rows_that_miss_values_share_their_parameters():
    """Proportions by row are refused with the reason; infinite values too."""
    x = rows()
    x[3, 1] = np.nan
    with pm.Model() as model:
        GaussianMixture("y", np.full((100, 2), 0.5), W[:, None] * MU, sigma=1.0, observed=x)
    with pytest.raises(NotImplementedError, match="the same for all rows"):
        model.compile_logp(mode=PYTHON)({})
    x[3, 1] = np.inf
    with pm.Model(), pytest.raises(DataError, match="1 of the observed values are infinite"):
        GaussianMixture("y", W, MU, sigma=1.0, observed=x)


@pytest.mark.slow
def test_advi_by_minibatches():
    """`pm.fit` on a tenth of the rows at a time finds the means of all, 0 and 4, to 0.25."""
    x = rows(1000)
    with pm.Model():
        w = pm.Dirichlet("w", np.ones(2))
        mu = pm.Normal("mu", [[1, 1], [3, 3]], 2, shape=(2, 2), initval=[[1.0, 1.0], [3.0, 3.0]])
        batch = pm.Minibatch(x, batch_size=100)
        GaussianMixture("y", w, mu, sigma=1.0, observed=batch, total_size=len(x))
        found = pm.fit(
            1500, progressbar=False, random_seed=1, obj_optimizer=pm.adam(learning_rate=0.02)
        )
    mean = found.sample(500, random_seed=1)["posterior"].mean(("chain", "draw"))
    np.testing.assert_allclose(mean["mu"], [[0, 0], [4, 4]], atol=0.25)
    np.testing.assert_allclose(mean["w"], [0.5, 0.5], atol=0.1)


def test_the_graph_of_a_model(model):
    """Observed rows, and what they depend on, in PyMC's drawing."""
    text = pm.model_to_mermaid(model)
    assert "y ~ gaussianmixture" in text.lower().replace("_", "")
    assert all(f"{name} --> y" in text for name in ("w", "mu", "s"))
