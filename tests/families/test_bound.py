"""The bound on the ratio of eigenvalues: its M-step is a maximum, and nothing collapses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import bayesgmm
from bayesgmm.families import FAMILIES, get_family
from bayesgmm.families.eigenvalue_bound import bounded_m_step
from bayesgmm.families.m_steps import WarmStart
from tests.conftest import families_for, simulate
from tests.families.test_families import deviance, scatters_of

BOUNDABLE = [name for name, family in FAMILIES.items() if family.boundable]


def bounded(family, counts, w, ratio):
    stack = np.ascontiguousarray(w.reshape(len(counts), -1, w.shape[-1]))
    out = np.empty_like(stack)
    volumes, axes = np.empty(len(counts)), np.empty((w.shape[-1], w.shape[-1]))
    start = WarmStart(volumes, axes)
    bounded_m_step(family.codes, ratio, counts, stack, 1, False, start, out)
    return out.reshape(w.shape)


def eigenvalues(sigma):
    return sigma if sigma.ndim == 2 else np.linalg.eigvalsh(sigma)


def test_which_families():
    """Those whose eigenvalues are free of each other, and in one column both."""
    assert BOUNDABLE == ["EII", "VII", "EEI", "VVI", "EEE", "EEV", "VVV"]
    assert all(get_family(name, 1).boundable for name in ("E", "V"))


@pytest.mark.parametrize("name", BOUNDABLE)
@pytest.mark.parametrize("ratio", [1.0, 2.0, 10.0])
def test_within_the_bound_and_a_maximum(rng, name, ratio):
    """No choice of eigenvalues within the bound, on the same axes, does better."""
    family = FAMILIES[name]
    counts, w = scatters_of(rng, 3, 3, family.diagonal)
    w = w * np.array([1.0, 30.0, 0.1]).reshape(-1, *[1] * (w.ndim - 1))
    sigma = bounded(family, counts, w, ratio)
    values = eigenvalues(sigma)
    assert values.max() <= ratio * values.min() * (1 + 1e-12)
    best = deviance(sigma, counts, w)
    assert best >= deviance(family.estimate(counts, w), counts, w) - 1e-9 * abs(best)
    if not family.common and name != "EEV" and not family.spherical:
        # a generic optimiser of log m and of where in the interval each eigenvalue is
        o = w if w.ndim == 2 else np.linalg.eigvalsh(w)

        def objective(free):
            v = np.exp(free[0] + np.log(ratio) / (1 + np.exp(-free[1:])))
            return np.sum(o.ravel() / v + np.repeat(counts, 3) * np.log(v))

        found = min(
            minimize(objective, np.r_[np.log(np.median(o)), rng.normal(size=9)]).fun
            for _ in range(5)
        )
        assert best <= found + 1e-6 * abs(found)


def test_a_wide_bound_changes_nothing(rng):
    """Where the unbounded estimate is within it, it is the estimate."""
    for d in (1, 3):
        for name in families_for(d):
            family = get_family(name, d)
            if not family.boundable:
                continue
            counts, w = scatters_of(rng, d, 2, family.diagonal)
            np.testing.assert_allclose(
                bounded(family, counts, w, 1e6), family.estimate(counts, w), rtol=1e-9, atol=1e-9
            )


@pytest.mark.parametrize("name", BOUNDABLE)
def test_no_collapse_and_monotone(rng, name):
    """Repeated rows, an outlier, more components than groups: EM rises to a bounded maximum."""
    x, _ = simulate(rng, 80, 2, 2)
    x[:15] = x[0]
    x[15] = 300.0
    for accelerate in (False, True):
        fit = bayesgmm.fit(
            x, 4, name, max_ratio=50.0, random_seed=0, n_init=5, accelerate=accelerate
        )
        assert fit.status.sound
        assert np.all(np.diff(fit.history) >= -1e-10 * np.abs(fit.history[1:]))
        values = np.linalg.eigvalsh(fit.covariances)
        assert values.max() <= 50 * values.min() * (1 + 1e-9)
    # wider bounds allow more: from the narrower one's estimate the likelihood only rises
    wider = bayesgmm.fit(x, 4, name, max_ratio=200.0, start=fit)
    assert wider.loglik >= fit.loglik - 1e-9 * abs(fit.loglik)


def test_grids_and_refusals():
    """Families that it cannot bound are told from those it can."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    selection = bayesgmm.select(x, range(1, 4), max_ratio=100.0, random_seed=0, progressbar=False)
    assert {family for family, _ in selection.sound} == set(BOUNDABLE)
    assert "eigenvalues are tied" in selection.failures["VEV", 2]
    with pytest.raises(ValueError, match="cannot bound family VVE.*choose among EII, VII"):
        bayesgmm.fit(x, 2, "VVE", max_ratio=10.0)
    for ratio in (0.5, float("nan"), -1):
        with pytest.raises(ValueError, match="max_ratio is"):
            bayesgmm.fit(x, 2, max_ratio=ratio)
    # fewer rows than columns is no obstacle under the bound
    assert bayesgmm.fit(x[::40], 2, "VVV", max_ratio=100.0, random_seed=0).status.sound
