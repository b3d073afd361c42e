"""A user's PyMC model through `refine`: the same posterior, labels, rows, the user's variables."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.families import FAMILIES
from bayesgmm.sampling.problem import PosteriorProblem
from bayesgmm.sampling.pymc.density import ModelDensity
from bayesgmm.sampling.pymc.likelihood import GaussianMixture
from bayesgmm.sampling.pymc.model_problem import ModelProblem
from bayesgmm.utils.errors import DataError

FEW = {"draws": 500, "chains": 4, "progressbar": False, "random_seed": 1}


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def fit(x):
    return bayesgmm.fit(x, 2, random_seed=1)


def difference(a, b):
    """The largest difference of two posteriors' means, in Monte Carlo errors."""
    a, b = (p.summary(var_names=["pi", "mu", "Sigma"]).astype(float) for p in (a, b))
    moving = (a["sd"] > 0).to_numpy()
    error = np.hypot(a["mcse_mean"], b["mcse_mean"])[moving]
    return float((np.abs(a["mean"] - b["mean"])[moving] / error).max())


def same_posterior(x, family):
    """Of a model that nobody edited, and of the default way, by seeds of their own."""
    fit = bayesgmm.fit(x, 2, family, random_seed=1)
    ours = bayesgmm.refine(x, fit, random_seed=2, progressbar=False)
    model = bayesgmm.build_model(x, fit)
    theirs = bayesgmm.refine(x, fit, model=model, random_seed=3, progressbar=False)
    assert theirs.relabelling.method == "ecr"
    assert theirs.own_variables == []
    assert difference(ours, theirs) < 4


@pytest.mark.slow
def test_an_unedited_model_has_the_default_posterior(x):
    """Means of pi, mu and Sigma, within 4 Monte Carlo errors."""
    same_posterior(x, "VVV")


@pytest.mark.slow
@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in ("E", "V", "VVV")])
def test_unedited_models_of_all_families(x, family):
    """The families of several columns."""
    same_posterior(x, family)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["E", "V"])
def test_unedited_models_of_one_column(x, family):
    """The families of one column."""
    same_posterior(x[["waiting"]], family)


@pytest.fixture(scope="module")
def holes(x):
    """The rows, of which a tenth of the values is missing."""
    return x.mask(np.random.default_rng(1).random(x.shape) < 0.1)


@pytest.mark.filterwarnings("ignore::bayesgmm.utils.errors.ConvergenceAdvice")
def test_missing_values_have_the_default_density(holes):
    """An unedited model and the library's own density differ by a constant, whatever the draws."""
    assert holes.isna().all(axis=1).any()
    fit = bayesgmm.fit(holes, 2, missing="marginalize", random_seed=1)
    model = bayesgmm.build_model(holes, fit)
    of_model = ModelProblem.of(holes, fit, model)
    own = PosteriorProblem.of(holes, fit, None)
    whole = LogPosterior(own.data, own.parametrisation, own.prior)
    tree = bayesgmm.refine(holes, fit, sampler="laplace", draws=10, chains=2, random_seed=1).tree
    drawn = {rv.name: tree["posterior"][rv.name].to_numpy() for rv in model.free_RVs}
    values = {name: value.reshape(20, *value.shape[2:]) for name, value in drawn.items()}
    density = ModelDensity(of_model.coordinates)
    pairs = zip(of_model.coordinates.vectors(values), whole.space.free(values), strict=True)
    assert np.ptp([density(a)[0] - whole(b)[0] for a, b in pairs]) < 1e-8


def test_an_edited_model_of_missing_values(holes):
    """A prior that holds a mean; everything that is said of rows; its log densities are SciPy's."""
    fit = bayesgmm.fit(holes, 2, missing="marginalize", random_seed=1)
    model = bayesgmm.build_model(holes, fit)
    with model:
        pm.Potential("known", -0.5 * ((model["mu"][0, 1] - fit.means[0, 1]) / 0.01) ** 2)
    posterior = bayesgmm.refine(holes, fit, model=model, **FEW)
    assert "'known' tells the components apart" in posterior.relabelling.reason
    draws = posterior.tree["posterior"]
    assert float(draws["mu"][..., 0, 1].std()) < 0.02
    assert posterior.predict_proba().shape == (len(holes), 2)
    rows = posterior.with_log_likelihood().tree["log_likelihood"]["y"].isel(chain=0, draw=3)
    at = draws.isel(chain=0, draw=3)
    for i in np.flatnonzero(holes.isna().to_numpy().any(axis=1))[:20]:
        seen = holes.iloc[i].notna().to_numpy()
        densities = [
            multivariate_normal(m[seen], s[np.ix_(seen, seen)]).pdf(holes.iloc[i][seen])
            if seen.any()
            else 1.0
            for m, s in zip(at["mu"].to_numpy(), at["Sigma"].to_numpy(), strict=True)
        ]
        expected = np.log(at["pi"].to_numpy() @ densities)
        assert float(rows[i]) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert np.isfinite(posterior.loo().elpd)


def test_missing_values_by_row_are_refused(holes):
    """By name, before anything is compiled."""
    fit = bayesgmm.fit(holes, 2, missing="marginalize", random_seed=1)
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(2), shape=(len(holes), 2))
        mu = pm.Normal("m", fit.means, 1.0, shape=(2, 2))
        GaussianMixture("y", w, mu, cov=fit.covariances, observed=holes)
    with pytest.raises(DataError, match="differ by row"):
        bayesgmm.refine(holes, fit, model=model)


def test_a_term_that_tells_components_apart(x, fit, tmp_path):
    """A known gap keeps the labels, says why, and is in the summary and the file."""
    model = bayesgmm.build_model(x, fit)
    with model:
        gap = pm.Deterministic("gap", model["mu"][0, 1] - model["mu"][1, 1])
        pm.Potential("known gap", pm.logp(pm.Normal.dist(25.0, 1.0), gap))
    posterior = bayesgmm.refine(x, fit, model=model, **FEW | {"draws": 1000})
    assert posterior.own_variables == ["gap"]
    summary = posterior.summary().astype(float)
    expected = summary["mean"]["mu[0, waiting]"] - summary["mean"]["mu[1, waiting]"]
    assert summary["mean"]["gap"] == pytest.approx(expected)
    posterior.save(tmp_path / "gap.nc")
    again = bayesgmm.Posterior.load(tmp_path / "gap.nc")
    assert "'known gap' tells the components apart" in again.relabelling.reason
    assert again.prior is None
    with pytest.raises(ValueError, match="known gap"):
        again.relabel("stephens")
    for ask in (again.log_evidence, again.with_log_prior, again.prior_sensitivity):
        with pytest.raises(ValueError, match="prior is in the model"):
            ask()
    table = bayesgmm.compare({"edited": again, "fit": fit})
    assert table.loc["edited", "elpd_loo"] == again.loo().elpd


@pytest.mark.slow
def test_sigma_in_the_model_is_the_posterior_s(x):
    """`Sigma=True`: the variable has the covariances that the library computes, by its own dims."""
    fit = bayesgmm.fit(x, 2, "EEE", random_seed=1)
    model = bayesgmm.build_model(x, fit, Sigma=True)
    assert model.named_vars_to_dims["Sigma"] == ("component", "feature", "feature_bis")
    with model:
        pm.Potential("small", -0.01 * pt.trace(model["Sigma"][0]))
    posterior = bayesgmm.refine(x, fit, model=model, **FEW)
    assert posterior.tree["posterior"]["Sigma"].dims[2:] == ("component", "feature", "feature_bis")


def by_group(x, group, k=2):
    """A model of the user's own: proportions by group, LKJ covariances."""
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(k), shape=(group.max() + 1, k))
        mu = pm.Normal("centre", np.mean(x, axis=0), 3 * np.std(x, axis=0), shape=(k, 2))
        sd = pm.HalfNormal("sd", 2 * np.std(x, axis=0), shape=(k, 2))
        rho = pm.Uniform("rho", -1, 1, shape=k)
        zero = pt.zeros(k)
        chol = pt.stack(
            [
                pt.stack([sd[:, 0], zero], axis=-1),
                pt.stack([rho * sd[:, 1], pt.sqrt(1 - rho**2) * sd[:, 1]], axis=-1),
            ],
            axis=-2,
        )
        GaussianMixture("y", w[group], mu, chol=chol, observed=x)
    return model


@pytest.fixture(scope="module")
def grouped():
    """Rows in three groups with proportions 0.2, 0.5 and 0.9."""
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], 100)
    first = rng.random(300) < np.array([0.2, 0.5, 0.9])[group]
    x = rng.standard_normal((300, 2)) + np.where(first, 3.0, -3.0)[:, None]
    fit = bayesgmm.fit(x, 2, random_seed=1)
    return x, group, fit, bayesgmm.refine(x, fit, model=by_group(x, group), **FEW)


def test_proportions_by_group(grouped):
    """Started at the fit, relabelled as the model is symmetric, each group's own proportions."""
    x, _, fit, posterior = grouped
    assert posterior.relabelling.method == "ecr"
    assert posterior.diagnostics.problems == []
    w = posterior.tree["posterior"]["w"]
    assert w.dims[-1] == "component"
    upper = int(np.argmax(fit.means[:, 0]))
    np.testing.assert_allclose(w.mean(("chain", "draw"))[:, upper], [0.2, 0.5, 0.9], atol=0.12)
    assert {"w", "sd", "rho"} == set(posterior.own_variables)


def test_rows_of_a_model_by_row_are_scipy_s(grouped):
    """Log densities and responsibilities of rows at some draws; what needs one density says no."""
    x, group, _, posterior = grouped
    draw = posterior.tree["posterior"].isel(chain=1, draw=7)
    w, mu, sigma = (draw[name].to_numpy() for name in ("w", "mu", "Sigma"))
    joint = np.log(w[group]) + np.transpose(
        [multivariate_normal(m, s).logpdf(x) for m, s in zip(mu, sigma, strict=True)]
    )
    rows = posterior.with_log_likelihood().tree["log_likelihood"]["y"].isel(chain=1, draw=7)
    np.testing.assert_allclose(rows, logsumexp(joint, axis=1), rtol=1e-9)
    shares = posterior.draws.at(np.array([507])).evaluated()
    np.testing.assert_allclose(
        next(iter(shares))[1], np.exp(joint - logsumexp(joint, axis=1)[:, None]), atol=1e-12
    )
    assert posterior.partition(random_seed=1).n_clusters == 2
    assert np.allclose(posterior.predict_proba(), posterior.responsibilities()["mean"])
    for ask in (lambda: posterior.predict_proba(x[:3]), posterior.density, posterior.predictive):
        with pytest.raises(ValueError, match="depend on more than pi, mu and Sigma"):
            ask()


def test_the_report_of_a_model_by_row(grouped, tmp_path):
    """Without what needs one density of all rows, and without a prior that is not the model's."""
    x, _, _, posterior = grouped
    options = {"n_components": [2], "covariance_type": "VVV", "progressbar": False}
    text = bayesgmm.report(x, tmp_path / "r.md", results=posterior, **options).read_text()
    assert "Given the model's priors" in text and r"rho\[1\]" in text
    assert "## Prior" not in text and "## Predictive check" not in text
    assert "## Posterior" in text and "## Diagnostics" in text


def test_switched_labels_are_put_back(grouped, tmp_path):
    """Everything that belongs to a component moves, and by any method, after saving too."""
    _, _, _, posterior = grouped
    posterior.save(tmp_path / "rows.nc")
    again = bayesgmm.Posterior.load(tmp_path / "rows.nc").relabel("stephens")
    np.testing.assert_allclose(again.predict_proba(), posterior.predict_proba())


def test_errors(x, fit):
    """Models, rows and arguments that do not fit."""
    model = bayesgmm.build_model(x, fit)
    with pytest.raises(TypeError, match=r"pass a pymc\.Model"):
        bayesgmm.refine(x, fit, model="model")
    with pytest.raises(DataError, match="has no mixture"):
        bayesgmm.refine(x, fit, model=bayesgmm.build_model(x, fit, likelihood=False))
    with pytest.raises(ValueError, match="leave prior out"):
        bayesgmm.refine(x, fit, model=model, prior=bayesgmm.Prior.from_data(x))
    with pytest.raises(ValueError, match="samples no PyMC model"):
        bayesgmm.refine(x, fit, model=model, sampler="gibbs")
    with pytest.raises(ValueError, match="n_modes"):
        bayesgmm.refine(x, fit, model=model, n_modes=2)
    three = bayesgmm.fit(x, 3, random_seed=1)
    with pytest.raises(ValueError, match="2 components, the fit 3"):
        bayesgmm.refine(x, three, model=model)
    other = bayesgmm.fit(x[:200], 2, random_seed=1)
    with pytest.raises(DataError, match="have the rows X"):
        bayesgmm.refine(x[:200], other, model=model)
    diagonal = bayesgmm.fit(x, 2, "VVI", random_seed=1)
    with pytest.raises(ValueError, match="family VVI"):
        bayesgmm.refine(x, diagonal, model=model)
