"""Chains in different modes are told apart, reported, and never averaged in silence."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import bayesgmm
from bayesgmm.posterior.diagnostics.chain_modes import chain_modes
from bayesgmm.posterior.posterior import Posterior
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.synthetic import make_posterior, posterior_of, scattered_draws


def walk(rng, size, phi):
    """Autoregressive chains of unit variance."""
    out = np.empty(size)
    out[:, 0] = rng.standard_normal(size[0])
    for t in range(1, size[1]):
        out[:, t] = phi * out[:, t - 1] + np.sqrt(1 - phi**2) * rng.standard_normal(size[0])
    return out


def groups(mu, names=(0, 1, 2, 3)):
    """The groups of chains of one quantity, whose density is largest at 0."""
    return chain_modes({"mu": mu}, -(mu**2), names).groups


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_modes_are_told_apart(rng, phi):
    """Chains around 0 and around 8, in any number and order; the higher density comes first."""
    mu = walk(rng, (4, 300), phi)
    assert groups(mu + np.array([[8.0], [0], [8], [0]])) == ((1, 3), (0, 2))
    assert groups(mu + np.array([[0.0], [0], [8], [0]]), (4, 5, 6, 7)) == ((4, 5, 7), (6,))
    assert groups(mu + np.array([[0.0], [30], [8], [16]])) == ((0,), (2,), (3,), (1,))


@pytest.mark.parametrize(("phi", "most"), [(0.0, 0), (0.9, 0), (0.97, 0), (0.99, 5)])
def test_slow_chains_are_not_taken_for_modes(phi, most):
    """False alarms in 20 runs of 40 quantities: seldom even with 1.5 effective draws a chain."""
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = walk(rng, (4 * 40, 300), phi).reshape(40, 4, 300)
        found = chain_modes({str(i): v for i, v in enumerate(values)}, values[0], range(4))
        alarms += found.differ
    assert alarms <= most


def test_a_chain_between_two_modes_connects_them(rng):
    """Where a chain passes from one mode to the other, slow mixing is what there is to report."""
    mu = walk(rng, (3, 300), 0.0) + np.array([[0.0], [8], [0]])
    mu[2, 150:] += 8
    assert groups(mu, (0, 1, 2)) == ((0, 1, 2),)


def test_chains_that_stand_still(rng):
    """A chain that does not move is apart where it lies outside the others, and alone is one."""
    mu = walk(rng, (4, 300), 0.0)
    mu[1] = 9.0
    assert groups(mu) == ((0, 2, 3), (1,))
    mu[1] = 0.0
    assert groups(mu) == ((0, 1, 2, 3),)
    assert groups(mu[:1], (0,)) == ((0,),)


@pytest.fixture(scope="module")
def x():
    """Three groups; two components can share them in more than one way."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(c, 0.5, (80, 2)) for c in (0, 4, 8)])


@pytest.fixture(scope="module")
def bimodal(x):
    """Chains 0 and 2 around one maximum of the likelihood, 1 and 3 around another."""
    parts = np.repeat([0, 1, 2], 80)
    one, other = (bayesgmm.fit(x, 2, "EII", start=s) for s in ((parts > 0), (parts > 1)))
    a, b = (scattered_draws(f, 4, 100, 0) for f in (one, other))
    which = xr.DataArray([True, False, True, False], dims="chain")
    lp = np.random.default_rng(0).standard_normal((4, 100)) - [[200], [205], [200], [205]]
    return posterior_of(x, one, xr.where(which, a, b), lp=lp)


def test_posterior_tells_the_modes(bimodal):
    """Groups, their log posterior, and plain words in .problems and on the page."""
    modes = bimodal.chain_modes
    assert modes.groups == ((0, 2), (1, 3))
    assert modes.group_of == {0: 0, 2: 0, 1: 1, 3: 1}
    assert modes.log_posterior == pytest.approx((-200, -205), abs=0.3)
    assert modes.quantity
    sentence = next(p for p in bimodal.diagnostics.problems if "modes" in p)
    assert sentence.startswith("Chains 0, 2 and chains 1, 3 found different modes")
    assert "They are not to be averaged" in sentence
    assert "posterior.of_chains([0, 2])" in sentence
    assert not any("raise draws" in p for p in bimodal.diagnostics.problems)  # no cure for modes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sentence in repr(bimodal)
        assert "not to be averaged" in bimodal._repr_html_()


@pytest.mark.parametrize(
    "average",
    [
        Posterior.summary,
        Posterior.predict_proba,
        Posterior.log_density,
        Posterior.loo,
        Posterior.responsibilities,
        Posterior.coclustering,
        Posterior.partition,
        Posterior.density,
        Posterior.predictive,
        Posterior.predictive_check,
        lambda posterior: posterior.marginal(["x0"]),
        lambda posterior: posterior.function_of(lambda mixture: mixture.weights[0]),
    ],
)
def test_modes_are_not_averaged_in_silence(bimodal, average):
    """What averages over chains warns; of one mode alone it does not."""
    with pytest.warns(ConvergenceAdvice, match="found different modes") as caught:
        average(bimodal)
    assert {warning.filename for warning in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        average(bimodal.of_chains([0, 2]))


def test_chains_of_one_mode(bimodal):
    """A posterior of its own: draws, statistics, labels and counts of those chains."""
    relabelled = bimodal.relabel("ecr")
    part = relabelled.of_chains([3, 1])
    group = part.tree["posterior"]
    assert group["chain"].values.tolist() == [3, 1]
    np.testing.assert_array_equal(group["mu"][0], relabelled.tree["posterior"]["mu"][3])
    assert part.tree["sample_stats"]["lp"].shape == (2, 100)
    assert part.diagnostics.chains == 2
    assert part.chain_modes.groups == ((3, 1),)
    assert "one mode" in str(part.chain_modes)
    np.testing.assert_array_equal(
        part.relabelling.permutations[:100], relabelled.relabelling.permutations[300:]
    )
    assert part.tree.attrs["relabelled_draws"] == part.relabelled_draws
    assert relabelled.tree["posterior"].sizes["chain"] == 4
    assert part.predict_proba().shape == (240, 2)


@pytest.mark.parametrize("chains", [[], [0, 0], [4]])
def test_chains_that_are_not_there(bimodal, chains):
    """None, twice the same, or another name."""
    with pytest.raises(ValueError, match=r"name some of \[0, 1, 2, 3\]"):
        bimodal.of_chains(chains)


def test_swapped_labels_are_no_mode(x):
    """Chains with other labels are one mode once they are relabelled, by invariants all along."""
    fit = bayesgmm.fit(x, 3, "EII", start=np.repeat([0, 1, 2], 80))
    draws = scattered_draws(fit, 4, 100, 0)
    for name in ("pi", "mu", "Sigma"):
        draws[name][1] = draws[name][1].roll(component=1).to_numpy()
    swapped = posterior_of(x, fit, draws)
    assert sorted(swapped.chain_modes.groups) == [(0, 2, 3), (1,)]
    assert swapped.diagnostics.rhat_invariant < 1.05
    settled = swapped.relabel("ecr")
    assert settled.relabelled_draws == 100
    assert not settled.chain_modes.differ


def test_invariant_quantities(x):
    """Entropy of pi and log densities at means and midpoints, with their r-hat and ESS."""
    fit = bayesgmm.fit(x, 3, "VVV", start=np.repeat([0, 1, 2], 80))
    posterior = make_posterior(x, fit)
    table = posterior.diagnostics.table
    invariant = table[table["invariant"]]
    between = {f"log density between means {a} and {b}" for a, b in ((0, 1), (1, 2))}
    at = {f"log density at mean {k}" for k in range(3)}
    assert set(invariant.index) == {"log posterior", "entropy of pi"} | at | between
    worst = max(posterior.diagnostics.rhat, posterior.diagnostics.rhat_invariant)
    assert table["r_hat"].max() == worst
    assert table[["ess_bulk", "ess_tail"]].min().min() > 100
    shuffled = posterior_of(
        x, fit, posterior.tree["posterior"].to_dataset().isel(component=[2, 0, 1])
    )
    rolled = shuffled.diagnostics.table
    np.testing.assert_allclose(
        rolled[rolled["invariant"]].iloc[:, 1:].astype(float),
        invariant.iloc[:, 1:].astype(float), rtol=1e-9,
    )  # fmt: skip


def test_label_problems_and_real_ones_are_told_apart(x):
    """The worst quantity is named: a parameter if only labels are unsettled, else an invariant."""
    fit = bayesgmm.fit(x, 3, "EII", start=np.repeat([0, 1, 2], 80))
    draws = scattered_draws(fit, 4, 100, 0)
    for name in ("pi", "mu", "Sigma"):
        draws[name][1, :40] = draws[name][1, :40].roll(component=1).to_numpy()
    problems = " ".join(posterior_of(x, fit, draws).diagnostics.problems)
    assert "the labels are ambiguous" in problems and "posterior.relabel" in problems
    lp = np.random.default_rng(0).standard_normal((4, 100)) + [[0], [0], [0], [2]]
    problems = " ".join(posterior_of(x, fit, draws, lp=lp).diagnostics.problems)
    assert "R-hat of log posterior" in problems and "even in label-invariant quantities" in problems


def test_several_modes_are_started_in_and_told_apart():
    """Three clusters, two components: which two share one is a mode each, of equal right."""
    rng = np.random.default_rng(0)
    corners = 12 * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    x = corners[np.repeat([0, 1, 2], [60, 80, 100])] + rng.standard_normal((240, 2))
    fit = bayesgmm.fit(x, 2, "VVV", random_seed=1)
    with pytest.warns(ConvergenceAdvice, match="different modes"):
        posterior = bayesgmm.refine(
            x, fit, sampler="nutpie", n_modes=3, draws=200, chains=2, random_seed=1,
            progressbar=False,
        )  # fmt: skip
    assert [sorted(g) for g in posterior.chain_modes.groups] == [[0, 1], [2, 3], [4, 5]]
    shares = [posterior.of_chains(g).draws.weights.mean(axis=0).max() for g in ([0], [2], [4])]
    together = np.array([140, 160, 180]) / 240  # of the two clusters that share a component
    error = 3 * np.sqrt(together * (1 - together) / 240) + 1 / 240  # the prior's two rows
    np.testing.assert_allclose(np.sort(shares), together, atol=error.max())
    mine = posterior.of_chains([0, 1]).summary(var_names=["mu"])["mean"].to_numpy()
    np.testing.assert_allclose(np.sort(mine), np.sort(fit.means.ravel()), atol=0.5)


def test_modes_are_for_samplers_that_start_in_them():
    """Others start in one."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=1)
    with pytest.raises(ValueError, match="n_modes is 2: sampler 'pymc' starts in one"):
        bayesgmm.refine(x, fit, n_modes=2, sampler="pymc")


def test_a_fit_of_weighted_rows_is_not_refined():
    """The posterior would be of other data."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, sample_weight=np.full(272, 2.0), random_seed=1)
    with pytest.raises(ValueError, match="the fit is of weighted rows"):
        bayesgmm.refine(x, fit)
