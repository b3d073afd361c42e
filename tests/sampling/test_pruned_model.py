"""Rows of a user's model without the pairs that do not matter: all rows to 1e-9, bounded losses."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import bayesgmm
from bayesgmm.density.pruning import prune
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.pymc import GaussianMixture, lkj_covariances
from bayesgmm.sampling.compiled.pruning import with_pruning
from bayesgmm.sampling.pymc.density import ModelDensity
from bayesgmm.sampling.pymc.likelihood.op import MixtureLogLikelihood
from bayesgmm.sampling.pymc.likelihood.pruned import PrunedLogLikelihood, rows_as_numbers
from bayesgmm.sampling.pymc.model_problem import ModelProblem
from bayesgmm.sampling.run.settings import Settings
from tests.sampling.test_model_problem import difference

NONE = np.empty((0, 0))


@pytest.fixture(scope="module")
def x():
    """Rows of three components, some of them between two."""
    rng = np.random.default_rng(1)
    means = np.array([[0.0, 0.0], [40.0, 0.3], [70.0, 0.0]])
    return means[rng.integers(3, size=4000)] + rng.standard_normal((4000, 2)) * [6.0, 0.1]


@pytest.fixture(scope="module")
def fit(x):
    return bayesgmm.fit(x, 3, "VVV", random_seed=1)


@pytest.mark.parametrize("form", ["sigma", "chol", "cov", "tau", "bartlett"])
def test_the_op(x, fit, form):
    """All rows as by the other Op; pruned ones lose K times 0.01 at most."""
    cov = fit.covariances
    sigma = np.sqrt(np.diagonal(cov, axis1=1, axis2=2)).copy()
    forms = {
        "sigma": (sigma, NONE, NONE),
        "chol": (np.linalg.cholesky(cov), NONE, NONE),
        "cov": (cov, NONE, NONE),
        "tau": (np.linalg.inv(cov), NONE, NONE),
        "bartlett": (1 / sigma**2, np.array([[0.3], [-0.2], [0.1]]), np.eye(2)),
    }
    covariance, below, root = forms[form]
    data, at = fit.mixture.rows(x), [fit.weights[None], fit.means[None], covariance, below, root]
    inputs = [pt.as_tensor_variable(v).type() for v in at]
    numbers = pt.vector()
    outputs = PrunedLogLikelihood(form)(*inputs, numbers)
    function = pytensor.function([*inputs, numbers], outputs, mode="FAST_COMPILE")
    value, *slopes = function(*at, rows_as_numbers(data, None))
    densities, *expected = MixtureLogLikelihood(form)(*at, x)
    assert value == pytest.approx(densities.sum().eval(mode="FAST_COMPILE"), rel=1e-11)
    expected = [e.eval(mode="FAST_COMPILE") for e in expected]
    for a, b in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-7)
    if form == "bartlett":  # other covariances than the fit's
        return
    variances = (sigma**2).copy() if form == "sigma" else cov
    kept = prune(data, [Parameters(fit.weights, fit.means - data.center, variances)], 0.01)
    assert kept is not None
    assert kept.pairs < 0.6 * 3 * len(x)
    pruned, *slopes = function(*at, rows_as_numbers(data, kept))
    assert pruned == pytest.approx(value, rel=1e-12)  # the tangent touches there
    for a, b in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-7)


def of_components(x, fit, **likelihood):
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(3))
        mu = pm.Normal("centre", fit.means, [10.0, 1.0], shape=(3, 2))
        chol = lkj_covariances("chol", 2.0, pm.HalfNormal("sd", [10.0, 1.0], shape=(3, 2)))
        GaussianMixture("y", w, mu, chol=chol, observed=x, **likelihood)
    return model


@pytest.mark.slow
def test_draws_are_of_the_same_posterior(x, fit):
    """Pruned, and by PyMC's own graph: log densities at draws differ by a constant to 0.05."""
    problem = ModelProblem.of(x, fit, of_components(x, fit))
    density, whole = problem.density(), ModelDensity(problem.coordinates)
    mode = problem.mode(density)
    assert density(mode.origin)[0] == pytest.approx(whole(mode.origin)[0], rel=1e-12)
    seen = []

    def engine(density, mode, settings):
        seen.append(density)
        z = np.random.default_rng(1).standard_normal((2, 50, density.size))
        return mode.origin + z @ mode.root.T, None

    settings = Settings(50, 10, 2, 1, 0.8, None, False)
    vectors, _ = with_pruning(engine)(density, mode, settings)
    [pruned] = seen
    assert pruned is not density
    lost = [whole(u)[0] - pruned(u)[0] for u in vectors.reshape(-1, density.size)]
    assert np.std(lost) < 0.02
    assert np.abs(np.mean(lost)) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("family", ["VVV", "EEI"])
def test_unedited_models_of_many_rows(x, family):
    """The default posterior within 4 Monte Carlo errors, both of pruned rows."""
    fit = bayesgmm.fit(x, 3, family, random_seed=1)
    model = bayesgmm.build_model(x, fit)
    ours = bayesgmm.refine(x, fit, random_seed=2, progressbar=False)
    theirs = bayesgmm.refine(x, fit, model=model, random_seed=3, progressbar=False)
    assert difference(ours, theirs) < 4


def test_scaled_rows_are_left_to_pymc(x, fit):
    """Where the rows' term is more than the mixture's density, the graph stays as it is."""
    from bayesgmm.sampling.pymc.prunable_rows import PrunableRows

    for options, bare in (({}, True), ({"total_size": (8000, 2)}, False)):
        problem = ModelProblem.of(x, fit, of_components(x, fit, **options))
        model = problem.coordinates.model
        rows = PrunableRows.of(model, problem.term, problem.data, problem.mixture_at)
        assert (rows is not None) == bare
