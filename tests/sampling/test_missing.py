"""The posterior of rows with missing values: of their marginal likelihood, in every part of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pymc.initial_point import make_initial_point_fn

import bayesgmm
from bayesgmm import Prior
from bayesgmm.data.data import as_data
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.families import get_family
from bayesgmm.families.parametrisation.parametrisation import parametrisation
from bayesgmm.kernels.e_step.e_step import _Pass
from bayesgmm.kernels.e_step.grouping import groups_of
from bayesgmm.sampling.compiled.gibbs_groups import allocate_groups
from bayesgmm.sampling.problem import PosteriorProblem
from bayesgmm.sampling.pymc.model import initial_point
from tests import reference_missing
from tests.kernels.test_incomplete import incomplete


@pytest.fixture(scope="module")
def known():
    """The rows, and a posterior of them by Gibbs sampling with imputation, of another program."""
    path = Path(__file__).parents[1] / "reference" / "missing" / "missing_posterior_faithful.json"
    table = json.loads(path.read_text())
    return np.array(table["data"], dtype=float), table


@pytest.fixture(scope="module", params=["nutpie", "gibbs"])
def posterior(known, request):
    """Draws under the prior of the reference."""
    x, _ = known
    spread = np.array([3.5, 53.0])
    prior = Prior([4.0, 76.0], np.diag(spread**2), 6.0, 0.06 * np.diag(spread**2))
    found = bayesgmm.fit(x, 2, missing="marginalize", random_seed=1)
    options = {"draws": 1000, "chains": 4, "random_seed": 1, "progressbar": False}
    return bayesgmm.refine(x, found, prior=prior, sampler=request.param, **options)


@pytest.mark.slow
def test_published_posterior(posterior, known):
    """Means within 4 Monte Carlo errors of both, sds within 8 %."""
    import arviz_stats as azs

    _, table = known
    draws = posterior.tree["posterior"].dataset
    order = np.argsort(draws["mu"].mean(("chain", "draw")).values[:, 0])
    i, j = np.tril_indices(2)
    found = [draws["pi"].values[..., order], draws["mu"].values[..., order, :].reshape(4, -1, 4)]
    found.append(draws["Sigma"].values[..., order, :, :][..., i, j].reshape(4, -1, 6))
    values = np.concatenate(found, axis=-1)
    error = [float(azs.mcse(np.ascontiguousarray(v))) for v in np.moveaxis(values, -1, 0)]
    z = (values.mean((0, 1)) - table["mean"]) / np.hypot(error, table["mc_error"])
    assert np.abs(z).max() < 4
    np.testing.assert_allclose(values.std((0, 1)), table["sd"], rtol=0.08)


@pytest.mark.slow
def test_summaries(posterior, known):
    """LOO of the observed parts, log-likelihoods row by row, labels."""
    x, _ = known
    assert posterior.loo().n_data_points == len(x)
    assert len(posterior.predict_proba(x)) == len(x)
    check = posterior.predictive_check("mean", n_draws=200)
    # Of eruptions alone: what waiting times are missing depends on them, and replicated rows keep
    # the pattern, not what it depends on.
    assert check["p_value"].to_numpy()[0] > 0.05


@pytest.mark.parametrize("family", ["VVV", "VVI", "VEE", "EII", "VVE"])
@pytest.mark.parametrize("width", [1.0, 1e-5])
def test_density_and_gradient(rng, family, width):
    """The compiled density differs from the prior's by SciPy's log-likelihood; exact gradient."""
    x = width * rng.standard_normal((60, 3)) + rng.choice([0.0, 4.0], 60)[:, None]
    x[rng.random(x.shape) < 0.25] = np.nan
    x[7] = np.nan
    data = as_data(x, missing="marginalize")
    sigma = np.array([[2.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.5]])
    full = get_family(family, 3).estimate(np.array([30.0, 30.0]), 30 * np.array([sigma, sigma]))
    if full.ndim == 2:
        full = full[:, :, None] * np.eye(3)
    of = parametrisation(get_family(family, 3), 2, 3, full)
    prior = Prior.from_data(data)
    whole = LogPosterior(data, of, prior)
    alone = LogPosterior(data, of, prior, likelihood=False)
    u = whole.space.free(
        {
            "pi": np.array([0.4, 0.6]),
            "mu": np.array([[0.0] * 3, [4.0] * 3]) + 0.1,
            **of.values_from(full * width**2, prior.inverse_wishart),
        }
    )
    [parameters] = whole.parameters(u[None])
    expected = reference_missing.expected_statistics(data, parameters)[0]
    value, gradient = whole(u)
    assert value - alone(u)[0] == pytest.approx(expected, rel=1e-8)
    steps = 1e-6 * np.diag(np.where(np.abs(gradient) > 0, whole.units(), 1.0)) * min(width * 10, 1)
    numeric = [(whole(u + s)[0] - whole(u - s)[0]) / (2 * s.sum()) for s in steps]
    size = np.abs(gradient).max()
    np.testing.assert_allclose(numeric / size, gradient / size, atol=2e-4)


def test_models_have_the_likelihood_of_what_is_there(known):
    """The model's term where it starts, 1e-6 beside the posterior's mode, is SciPy's there."""
    x, _ = known
    found = bayesgmm.fit(x, 2, missing="marginalize", random_seed=1)
    model = bayesgmm.build_model(x, found)
    assert [v.name for v in model.free_RVs] == ["pi", "mu", "bartlett_chi2", "bartlett_normal"]
    term = model.compile_logp(vars=[model["y"]], mode="FAST_COMPILE")
    start = make_initial_point_fn(model=model, overrides=initial_point(model, found))(0)
    problem = PosteriorProblem.of(x, found)
    expected = reference_missing.expected_statistics(problem.data, problem.mode)[0]
    assert term(start) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("labelled", [False, True])
def test_drawn_values_have_the_expected_moments(diagonal, labelled):
    """Sums of draws of components and missing values average to those of the E-step.

    Counts, first and second moments, of frequent and rare groups: within 5 errors, of some 60.
    """
    rng = np.random.default_rng([diagonal, labelled])
    rows, p = incomplete(rng, 400, 4, 3, diagonal, share=0.3, offset=50.0)
    if labelled:
        sets = np.array([[True, True, True], [True, False, False], [False, True, True]])
        rows.groups = groups_of(np.isnan(rows.values), rng.choice(3, 400), sets)
    assert 0 < rows.groups.n_frequent < len(rows.groups.observed)
    form = _Pass(rows, p, "quadratic")
    expected = np.zeros(form.theta.shape)
    how = (0, 400), 64, np.empty(0), rows.groups
    form._quadratic(rows.values, *how, expected, np.empty(1))
    view = form._view(np.empty(0))
    found = np.zeros((2000, *form.theta.shape))
    for sums in found:
        allocate_groups(rng, rows.values, view, form.theta, rows.groups.packed, sums)
    error = found.std(axis=0) / np.sqrt(len(found))
    z = (found.mean(axis=0) - expected) / error
    assert np.abs(z).max() < 5, z
