"""The sandwich against the rows' numerical scores, closed forms, bootstraps and repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm import standard_errors
from bayesgmm.data.data import as_data
from bayesgmm.em.standard_errors.information import LocalCoordinates
from bayesgmm.em.standard_errors.sandwich import scores
from bayesgmm.families import get_family
from bayesgmm.kernels.e_step.contract import Parameters
from tests.conftest import simulate

FAMILIES = ["EII", "VVI", "EEE", "VEE", "EEV", "VVE", "VVV"]


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_are_the_derivatives_of_log_densities(name):
    """Row by row, against SciPy's densities at two points of each coordinate."""
    rng = np.random.default_rng(0)
    x, _ = simulate(rng, 60, 2, 2)
    data, family = as_data(x), get_family(name, 2)
    fit = bayesgmm.fit(x, 2, name, random_seed=0)
    p = fit.mixture.parameters_about(data.center)
    p = Parameters(p.weights, p.means, fit.covariances)
    local = LocalCoordinates(data, family, p)
    [(_, found)] = scores(data, p, local.tangents)

    def log_densities(free):
        at = local.at(free)
        parts = [
            w * multivariate_normal(m + data.center, s).pdf(x)
            for w, m, s in zip(at.weights, at.means, at.covariances, strict=True)
        ]
        return np.log(np.sum(parts, axis=0))

    h = 1e-5
    for q in range(local.size):
        step = h * (np.arange(local.size) == q)
        slope = (log_densities(step) - log_densities(-step)) / (2 * h)
        # differences of 1e-5 leave 1e-8; far rows have scores of 10 and more
        assert found[:, q] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def heavy_tailed(rng, n=400):
    """Rows that a Gaussian is not right for."""
    return rng.standard_t(5, size=(n, 2)) @ np.array([[1.0, 0.4], [0.0, 2.0]])


def test_one_component_in_closed_form(rng):
    """Of a mean sd / sqrt n, of a variance the fourth moment's, whatever the distribution."""
    x = heavy_tailed(rng)
    fit = bayesgmm.fit(x, 1, "VVV")
    se = standard_errors(x, fit, "sandwich")
    about = x - x.mean(axis=0)
    squares = np.einsum("ni,nj->nij", about, about)
    # the information is a difference quotient, good to 1e-6
    assert se.means[0] == pytest.approx(x.std(axis=0) / np.sqrt(len(x)), rel=1e-5)
    assert se.covariances[0] == pytest.approx(squares.std(axis=0) / np.sqrt(len(x)), rel=1e-5)


@pytest.mark.parametrize("name", ["VVV", "EEE", "VEI"])
def test_near_the_information_where_the_model_is_right(name):
    """Of many rows of the fitted mixture; the spread of scores has an error of its own."""
    mixture = bayesgmm.Mixture([0.4, 0.6], [[0.0, 0.0], [4.0, 1.0]], [[[1.0, 0.0], [0.0, 1.0]]] * 2)
    x = mixture.sample(20_000, 3)[0]
    fit = bayesgmm.fit(x, 2, name, random_seed=0)
    one, other = (standard_errors(x, fit, method) for method in ("sandwich", "information"))
    assert one.weights == pytest.approx(other.weights, rel=0.03)
    assert one.means == pytest.approx(other.means, rel=0.03)


def test_near_the_bootstrap_where_it_is_wrong():
    """Which the information is not: tails are heavier than Gaussian."""
    rng = np.random.default_rng(5)
    x = np.concatenate([heavy_tailed(rng, 600), heavy_tailed(rng, 600) + [12.0, 0.0]])
    fit = bayesgmm.fit(x, 2, "EEE", random_seed=0)
    of = {
        method: standard_errors(
            x, fit, method, n_boot=299, random_seed=1, progressbar=False
        ).covariances[0, 0, 0]
        for method in ("sandwich", "bootstrap", "information")
    }
    # 299 replicates have an error of 4 %
    assert of["sandwich"] == pytest.approx(of["bootstrap"], rel=0.13)
    assert of["information"] < 0.8 * of["bootstrap"]


def test_counts_are_repeated_rows(rng):
    """A row that counts 3 is three rows."""
    x, _ = simulate(rng, 80, 2, 2)
    times = rng.integers(1, 4, size=80)
    fit = bayesgmm.fit(x, 2, "EEE", sample_weight=times, random_seed=0)
    repeated = np.repeat(x, times, axis=0)
    other = bayesgmm.fit(repeated, 2, "EEE", start=fit)
    one = standard_errors(x, fit, "sandwich", sample_weight=times, weights="counts")
    two = standard_errors(repeated, other, "sandwich")
    assert one.means == pytest.approx(two.means, rel=1e-4)
    assert one.covariances == pytest.approx(two.covariances, rel=1e-4)


def test_survey_weights_do_not_depend_on_their_scale(rng):
    """Twice the weights say no more; counts do. Of one component in closed form."""
    x = heavy_tailed(rng)
    survey = rng.gamma(2.0, size=len(x))
    found = {}
    for factor in (1.0, 2.0):
        w = factor * survey
        fit = bayesgmm.fit(x, 1, "VVV", sample_weight=w)
        for name in ("counts", "pseudo"):
            se = standard_errors(x, fit, "sandwich", sample_weight=w, weights=name)
            found[name, factor] = se.means[0]
    assert found["pseudo", 1.0] == pytest.approx(found["pseudo", 2.0], rel=1e-5)
    assert found["counts", 1.0] == pytest.approx(np.sqrt(2) * found["counts", 2.0], rel=1e-5)
    share = survey / survey.sum()
    about = x - share @ x
    assert found["pseudo", 1.0] == pytest.approx(np.sqrt(share**2 @ about**2), rel=1e-5)


def test_what_weights_are_has_to_be_said():
    """And only where it makes a difference."""
    x = np.random.default_rng(0).normal(size=(50, 2))
    w = np.linspace(1, 2, 50)
    fit = bayesgmm.fit(x, 1, "VVV", sample_weight=w)
    with pytest.raises(ValueError, match="pass weights='counts'"):
        standard_errors(x, fit, "sandwich", sample_weight=w)
    with pytest.raises(ValueError, match="weights is 'survey'"):
        standard_errors(x, fit, "sandwich", sample_weight=w, weights="survey")
    with pytest.raises(ValueError, match="only method='sandwich'"):
        standard_errors(x, fit, "information", sample_weight=w, weights="counts")
