"""What the prior says of components, against arithmetic, whole fits and draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import eigvalsh

import bayesgmm
from bayesgmm import Prior
from bayesgmm.mixture.draws import Draws
from bayesgmm.posterior.prior_influence import PriorInfluence, prior_influence
from bayesgmm.utils.matrices import as_full
from tests.synthetic import make_posterior

#: Columns so far apart that nothing but their own units can tell them.
UNITS = np.array([1e-9, 1e9, 1.0, 1e4])


def clouds(seed, n=40, d=4):
    """Two clouds, one of them narrow in a direction that is no column's, and their classes."""
    rng = np.random.default_rng(seed)
    narrow = rng.normal(size=(n, d)) @ np.diag(np.linspace(1.0, 0.02, d))
    turned = narrow @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    x = np.vstack([rng.normal(size=(2 * n, d)) + 4.0, turned]) * UNITS[:d]
    return x, np.repeat([0, 1], [2 * n, n])


def influence(x, fit, prior):
    """Of a posterior of a few draws, which do not matter to the ratios."""
    return replace(make_posterior(x, fit, n_draws=4), prior=prior).prior_influence


def ratios(under, alone, units):
    """The largest ratio of standard deviations of each component, by SciPy."""
    pairs = zip(*(as_full(c) / np.outer(units, units) for c in (under, alone)), strict=True)
    return [math.sqrt(eigvalsh(*pair)[-1]) for pair in pairs]


@pytest.mark.parametrize("seed", [0, 1])
def test_one_gaussian_by_hand(seed):
    """(n S + Psi) / (n + nu + d + 2) about the mean, under the conjugate prior centred there."""
    x, _ = clouds(seed)
    x = x[80:]
    n, d = x.shape
    s = np.cov(x.T, bias=True)
    psi = np.diag(UNITS**2)
    prior = Prior(x.mean(axis=0), None, dof=7, scale=psi, mean_strength=1.0)
    found = influence(x, bayesgmm.fit(x, 1), prior).widening
    under = (n * s + psi) / (n + 7 + d + 2)
    assert found == pytest.approx(ratios(np.array([under]), np.array([s]), UNITS), rel=1e-8)
    assert found[0] > 2


@pytest.mark.parametrize("family", ["EII", "VII", "VVI", "EEE", "VVV", "VEV", "EVE"])
@pytest.mark.parametrize("kind", ["default", "conjugate", "random", "lkj"])
def test_rows_of_known_classes_as_whole_fits(family, kind):
    """Where every class is known a fit is one M-step, with a prior and without."""
    if kind == "lkj" and family not in {"EEE", "VVV", "VVI"}:
        pytest.skip("there is no such prior of this family")
    if kind == "random" and family in {"EII", "VII"}:
        pytest.skip("EM has the scale at its mean there")
    x, classes = clouds(2)
    prior = {
        "default": lambda: Prior.from_data(x),
        "conjugate": lambda: Prior.from_data(x, conjugate=True, n_components=2),
        "random": lambda: Prior.from_data(x, random_scale=True),
        "lkj": lambda: Prior.lkj_from_data(x),
    }[kind]()
    for_fit = replace(prior, integrate_scale=True) if kind == "random" else prior
    fits = [
        bayesgmm.fit(x, 2, family, labels=classes, prior=p, tol=1e-12, max_iter=5000)
        for p in (None, for_fit)
    ]
    found = influence(x, fits[0], prior)
    # Means and covariances settle in turn; under a random scale fits with axes of their own keep
    # what they are started at, 0.001 to 0.04 of the objective apart.
    loose = {"random": 1e-3, "lkj": 1e-2, "default": 1e-3}.get(kind, 1e-6)
    if kind == "random" and family in {"VEV", "EVE"}:
        loose = 0.03
    assert found.widening == pytest.approx(
        ratios(fits[1].covariances, fits[0].covariances, UNITS), rel=loose
    )
    assert found.learns_scale == (kind in {"random", "lkj"})


def test_nearly_collinear_columns_and_the_cure():
    """The default prior makes a line a cloud, as the posterior's draws show; a random scale not."""
    rng = np.random.default_rng(0)
    along = 1 - 2e-5
    x = np.vstack([
        rng.multivariate_normal([0, 0], [[1, along], [along, 1]], 150),
        rng.multivariate_normal([5, 0], [[1, 0.3], [0.3, 1]], 150),
    ])  # fmt: skip
    fit = bayesgmm.fit(x, 2, random_seed=0)
    line = int(np.argmin(np.linalg.det(fit.covariances)))
    for prior, wide in ((Prior.from_data(x), True), (Prior.from_data(x, random_scale=True), False)):
        posterior = bayesgmm.refine(
            x, fit, prior=prior, sampler="gibbs", draws=500, chains=2, thin=5, random_seed=1,
            progressbar=False,
        )  # fmt: skip
        found = posterior.prior_influence
        drawn = ratios(posterior.draws.covariances.mean(axis=0), fit.covariances, np.ones(2))
        # A posterior mean has smaller denominators than a mode: n + nu - d - 1, for n + nu + d + 1.
        assert found.widening[line] == pytest.approx(drawn[line], rel=0.1)
        assert found.widens is wide and ("prior" in found.sentences) is wide
        assert f"component {line}: up to" in repr(posterior) or not wide
    assert "random_scale=True" in influence(x, fit, Prior.from_data(x)).sentences["prior"]


def test_components_with_hardly_any_rows(x, posterior):
    """Counted over the draws; nothing is said of a posterior whose components have rows."""
    quiet = posterior.prior_influence
    assert quiet.some_few_rows == 0 and not quiet.sentences
    assert "few rows" not in repr(posterior)
    rng = np.random.default_rng(3)
    weights = rng.dirichlet([1, 1, 40], 500)
    draws = Draws(weights, np.zeros((500, 3, 2)), np.ones((500, 3, 2)))
    fit = bayesgmm.fit(x, 3, "VVI", random_seed=0)
    found = prior_influence(bayesgmm.data.data.as_data(x), 1.0, draws, fit, None)
    few = weights * len(x) < 2
    assert found.few_rows == pytest.approx(few.mean(axis=0))
    assert found.some_few_rows == pytest.approx(few.any(axis=1).mean())
    assert found.widening is None and set(found.sentences) == {"few rows"}
    assert f"in {few.any(axis=1).mean():.0%} of the draws" in repr(found)
    assert list(found._table().columns) == ["few_rows"]


def test_a_component_that_its_rows_leave_singular():
    x, _ = clouds(4, n=20)
    far = np.vstack([x, [[40, 41, 40, 40] * UNITS, [41, 40, 40, 42] * UNITS]])
    prior = Prior.from_data(far)
    fit = bayesgmm.fit(far, 2, prior=prior, random_seed=0)
    small = int(np.argmin(fit.weights))
    found = influence(far, fit, prior)
    assert fit.weights[small] * len(far) == pytest.approx(2, abs=1e-6)
    assert math.isinf(found.widening[small]) and np.isfinite(found.widening[1 - small])
    assert f"component {small}: singular by its rows alone" in found.sentences["prior"]


def test_rows_of_which_there_is_a_sample_stand_for_all(x):
    """Each for as many rows as there are more."""
    data = bayesgmm.data.data.as_data(x)
    fit = bayesgmm.fit(x, 2, random_seed=0)
    draws = make_posterior(x, fit, n_draws=4).draws
    often = bayesgmm.data.data.as_data(pd.concat([x] * 7))
    one = prior_influence(data, 7.0, draws, fit, Prior.from_data(x))
    all_ = prior_influence(often, 1.0, draws, fit, Prior.from_data(x))
    assert one.widening == pytest.approx(all_.widening, rel=1e-9)


def test_beside_noise_labels_holes_and_names():
    x, classes = clouds(5)
    known = np.where(np.arange(len(x)) % 5, -1, classes)
    holes = x.copy()
    holes[1::7, 2] = np.nan
    fit = bayesgmm.fit(
        holes, 2, noise=True, labels=known, missing="marginalize", random_seed=0
    ).with_component_names(["cloud", "line"])
    found = influence(holes, fit, Prior.from_data(holes, missing="marginalize"))
    assert found.widening[1] > 2 > found.widening[0]
    assert "component line: up to" in found.sentences["prior"]


def test_words():
    """One column has one direction; three components are named; a prior that learns is no cure."""
    wide = PriorInfluence(np.zeros(5), 0.0, np.arange(1.0, 6.0), range(5), True, True)
    assert wide.sentences["prior"] == (
        "makes components wider than their rows alone do (standard deviations, component 4: 5 "
        "times, component 3: 4 times, component 2: 3 times, others less)"
    )
    assert "doubles no standard deviation" in repr(replace(wide, widening=np.ones(5)))
