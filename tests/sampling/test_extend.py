"""`Posterior.extend`: the same chains, longer; from a file, on any cores, after Ctrl-C."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest

import bayesgmm
from bayesgmm.posterior.labels.relabelling import relabelling_of_tree
from bayesgmm.posterior.posterior import Posterior
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.sampling.test_sampling import interrupted

QUIET = {"random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(
    scope="module",
    params=[("VVV", 2, "nutpie"), ("VEV", 2, "gibbs"), ("EEE", 2, "auto")],
    ids=lambda p: p[2],
)
def pair(request, x):
    """A posterior and the same with 400 draws more."""
    family, k, sampler = request.param
    fit = bayesgmm.fit(x, k, family, random_seed=1)
    posterior = bayesgmm.refine(x, fit, sampler=sampler, draws=600, **QUIET)
    return posterior, posterior.extend(400, progressbar=False)


def briefly(x, fit, **options):
    """A posterior of too few draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceAdvice)
        return bayesgmm.refine(x, fit, **options, **QUIET)


def sampled(posterior, name):
    """A variable (chain, draw, K, ...) in the labels that the sampler gave."""
    values = posterior.tree["posterior"][name].to_numpy()
    order = relabelling_of_tree(posterior.tree).permutations.reshape(*values.shape[:3])
    back = np.argsort(order, axis=2).reshape(*order.shape, *[1] * (values.ndim - 3))
    return np.take_along_axis(values, back, axis=2)


def test_the_draws_before_stay(pair):
    """Bit by bit, in the sampler's labels; those after them are of the same posterior."""
    before, after = pair
    assert dict(after.tree["sample_stats"].sizes) == {"chain": 4, "draw": 1000}
    means = sampled(after, "mu")
    np.testing.assert_array_equal(means[:, :600], sampled(before, "mu"))
    for name in ("lp", "step_size"):
        if name in before.tree["sample_stats"]:
            kept = after.tree["sample_stats"][name][:, :600]
            np.testing.assert_array_equal(kept, before.tree["sample_stats"][name])
    first, more = (part.reshape(-1, *means.shape[2:]) for part in np.split(means, [600], axis=1))
    # well separated: about as many effective draws as draws, and 5 standard errors
    error = first.std(axis=0) * np.sqrt(4 / len(more))
    assert np.all(np.abs(first.mean(axis=0) - more.mean(axis=0)) < 5 * error)
    np.testing.assert_allclose(first.std(axis=0), more.std(axis=0), rtol=0.25)


def test_the_same_from_a_file_on_one_core(pair, tmp_path):
    """A posterior says all that its extension needs; a second one has other random numbers."""
    before, after = pair
    before.save(tmp_path / "p.nc")
    again = Posterior.load(tmp_path / "p.nc").extend(400, cores=1, progressbar=False)
    np.testing.assert_array_equal(again.tree["posterior"]["mu"], after.tree["posterior"]["mu"])
    twice = before.extend(200, progressbar=False).extend(200, progressbar=False)
    assert twice.diagnostics.draws == 1000 and twice.sampler == before.sampler
    assert len(twice.steps) == (len(before.steps) and len(before.steps) + 2)
    last = sampled(twice, "mu")
    assert not np.any(last[:, 600:800] == last[:, 800:])


def test_a_chain_goes_on_where_it_was(x):
    """One sweep to a draw: over 60 chains, the draws at the seam are as alike as neighbours are."""
    fit = bayesgmm.fit(x, 3, "VVI", random_seed=1)
    short = briefly(x, fit, sampler="gibbs", thin=1, draws=10, chains=60)
    with pytest.warns(ConvergenceAdvice):
        pi = sampled(short.extend(10, progressbar=False), "pi")[..., 2]
    [within, seam] = [np.corrcoef(pi[:, i], pi[:, i + 1])[0, 1] for i in (8, 9)]
    # Fisher's z of a correlation has a standard deviation of 1 / sqrt(60)
    assert np.arctanh(seam) > 5 / np.sqrt(60)
    assert abs(np.arctanh(seam) - np.arctanh(within)) < 4 * np.sqrt(2 / 60)


def test_some_chains(pair):
    """Those that `of_chains` leaves go on."""
    longer = pair[0].of_chains([1, 3]).extend(400, progressbar=False)
    assert dict(longer.tree["posterior"]["pi"].sizes) == {"chain": 2, "draw": 1000, "component": 2}
    assert longer.diagnostics.rhat < 1.02


@pytest.mark.parametrize("sampler", ["nutpie", "gibbs"])
def test_an_interruption_keeps_the_draws(x, monkeypatch, sampler):
    """Ctrl-C: those before, and a full rectangle of those after them."""
    fit = bayesgmm.fit(x, 2, random_seed=1)
    posterior = briefly(x, fit, sampler=sampler, draws=100)
    if sampler == "nutpie":
        interrupted(monkeypatch, draws=100)
    else:
        _interrupt_gibbs(monkeypatch)
    with pytest.warns(ConvergenceAdvice, match="interrupted: .* draws of . chains"):
        longer = posterior.extend(10**6, cores=2, progressbar=False)
    assert longer.interrupted and not posterior.interrupted
    assert 104 <= longer.diagnostics.draws < 10**6
    assert np.all(np.isfinite(longer.tree["posterior"]["Sigma"]))


def _interrupt_gibbs(monkeypatch):
    """Ctrl-C when two chains have made some hundred draws each, whichever thread was first."""
    import _thread
    import signal

    from bayesgmm.sampling.compiled.gibbs import GibbsState

    signal.signal(signal.SIGINT, signal.default_int_handler)
    original, made = GibbsState.numbers, Counter()

    def numbers(self):
        made[id(self)] += 1
        if made[id(self)] == 300 and sum(n >= 300 for n in made.values()) == 2:
            _thread.interrupt_main()
        return original(self)

    monkeypatch.setattr(GibbsState, "numbers", numbers)


def test_what_has_no_chains(x):
    """Said in words: approximations, and chains that only a weight connects."""
    fit = bayesgmm.fit(x, 2, random_seed=1)
    posterior = briefly(x, fit, sampler="laplace", draws=50)
    with pytest.raises(ValueError, match="draws of 'laplace' have no chains that can go on"):
        posterior.extend(100)
    with pytest.raises(ValueError, match="draws is 3"):
        posterior.extend(3)
