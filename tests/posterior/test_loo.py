"""Leave-one-out by importance sampling: its error, what it does not depend on, when it warns."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import bayesgmm
from bayesgmm import ConvergenceAdvice
from bayesgmm.mixture.prior import Prior
from tests.gibbs import gibbs_posterior
from tests.synthetic import make_posterior, posterior_of, scattered_draws, shuffled

X = bayesgmm.datasets.load_faithful().iloc[:120]


def outlier_posterior(k: int, seed: int = 0):
    """Forty standard normal values and one at 25 (exact term of the last for K = 1: -45.4)."""
    x = np.r_[np.random.default_rng(3).normal(0, 1, 40), 25.0][:, None]
    prior = Prior.from_data(x)
    fit = bayesgmm.fit(x, k, "V", prior=prior, random_seed=0)
    return gibbs_posterior(x, fit, prior, n_draws=500, seed=seed)


def test_an_influential_row_is_told():
    """Its term is 14 off, and Pareto k far above the limit: advice that names row and cure."""
    posterior = outlier_posterior(1)
    with pytest.warns(ConvergenceAdvice, match=r"row 40 is too influential.*log_evidence") as found:
        loo = posterior.loo()
    assert found[0].filename == __file__
    assert abs(float(loo.elpd_i[-1]) + 45.4) > 5
    assert float(loo.pareto_k[-1]) > 1


def test_compare_names_the_posteriors_whose_loo_is_off():
    with pytest.warns(ConvergenceAdvice, match="'(one|two)': row 40"):
        table = bayesgmm.compare({"one": outlier_posterior(1), "two": outlier_posterior(1, seed=1)})
    assert "LOO may be far off for 'one' and 'two'" in table.conclusion
    assert list(table["pareto_k_bad"]) == [1, 1]


def test_sound_rows_are_not_warned_of():
    fit = bayesgmm.fit(X, 2, random_seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_posterior(X, fit).loo()


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
def test_labels_do_not_change_loo():
    """Components of every draw in random orders: the same elpd, to rounding."""
    fit = bayesgmm.fit(X, 3, "EEE", random_seed=0)
    draws = scattered_draws(fit, 4, 50, 1, width=0.3)
    sorted_ = posterior_of(X, fit, draws).loo()
    for seed in range(3):
        mixed = posterior_of(X, fit, shuffled(draws, seed)[0]).loo()
        assert mixed.elpd == pytest.approx(sorted_.elpd, abs=1e-8)
        assert mixed["mcse"] == pytest.approx(sorted_["mcse"], rel=1e-6)


@pytest.mark.filterwarnings("ignore::bayesgmm.ConvergenceAdvice")
@pytest.mark.parametrize("width", [0.05, 0.1])
def test_monte_carlo_error_is_the_spread_over_sets_of_draws(width):
    """24 independent sets: their sd is known to 15 %, and is what each says, within 3 of that."""
    fit = bayesgmm.fit(X, 2, random_seed=0)
    loos = [
        posterior_of(X, fit, scattered_draws(fit, 4, 100, seed, width)).loo() for seed in range(24)
    ]
    spread = np.std([loo.elpd for loo in loos], ddof=1)
    told = np.mean([loo["mcse"] for loo in loos])
    assert 0.6 < told / spread < 1.6


def test_too_few_draws_are_refused():
    """A tail of five draws is the least that can be smoothed."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    with pytest.raises(ValueError, match="24 draws are too few for leave-one-out: refine with"):
        make_posterior(x, fit, n_chains=2, n_draws=12).loo()
    with pytest.warns(ConvergenceAdvice):  # 25 are enough to compute it, not to trust it
        assert np.isfinite(make_posterior(x, fit, n_chains=1, n_draws=25).loo().elpd)
