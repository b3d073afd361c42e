"""The default sampler: the same draws as NUTS where these are enough, else on until they are."""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from bayesgmm.posterior.posterior import Posterior
from bayesgmm.utils.errors import ConvergenceAdvice

QUIET = {"random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def three(x):
    """A component too many, nearly empty in part of the posterior: NUTS diverges."""
    return bayesgmm.refine(x, bayesgmm.fit(x, 3, "VVI", random_seed=1), **QUIET)


def test_enough_at_once_is_nuts(x):
    """Separated components: NUTS's own draws, bit by bit, and one step."""
    fit = bayesgmm.fit(x, 2, random_seed=1)
    ours = bayesgmm.refine(x, fit, **QUIET)
    nuts = bayesgmm.refine(x, fit, sampler="nutpie", **QUIET)
    np.testing.assert_array_equal(ours.tree["posterior"]["mu"], nuts.tree["posterior"]["mu"])
    assert [str(step) for step in ours.steps] == ["nutpie, 4 x 1000: target reached"]
    assert (ours.sampler, nuts.sampler, nuts.steps) == ("nutpie", "nutpie", ())


def test_the_target_is_reached(three):
    """After Gibbs sampling every quantity meets it, and the record says what NUTS lacked."""
    assert [step.sampler for step in three.steps][:2] == ["nutpie", "gibbs"]
    assert three.steps[0].missed and not three.steps[-1].missed
    assert all(q.rhat < 1.01 and q.ess >= 400 for q in three.diagnostics.quantities)
    assert three.diagnostics.problems == []
    assert three.sampler == "gibbs"
    assert "nutpie, 4 x 1000: not enough (" in repr(three)


def test_the_same_on_any_number_of_cores(x, three, tmp_path):
    """A seed gives the same runs and draws; a file keeps what was done."""
    one = bayesgmm.refine(x, three.fit, cores=1, **QUIET)
    assert one.steps == three.steps
    np.testing.assert_array_equal(one.tree["posterior"]["mu"], three.tree["posterior"]["mu"])
    three.save(tmp_path / "p.nc")
    assert Posterior.load(tmp_path / "p.nc").steps == three.steps


def test_no_longer_than_max_time(x, three):
    """The first run is made, and the warning says what would have come next."""
    with pytest.warns(
        ConvergenceAdvice, match=r"gibbs with thin = 10 would take .* max_time = 0 s"
    ):
        posterior = bayesgmm.refine(x, three.fit, max_time=0, **QUIET)
    assert [step.sampler for step in posterior.steps] == ["nutpie"]


def test_few_draws_are_left_alone(x, three):
    """200 draws cannot have 400 effective ones; an explicit target makes them more."""
    with pytest.warns(ConvergenceAdvice, match="so few draws cannot reach it: raise draws"):
        posterior = bayesgmm.refine(x, three.fit, draws=50, **QUIET)
    assert posterior.diagnostics.draws == 50 and len(posterior.steps) == 1
    fit = bayesgmm.fit(x, 2, random_seed=1)
    assert bayesgmm.refine(x, fit, draws=50, min_ess=600, **QUIET).diagnostics.draws == 300


def test_nuts_remains_where_gibbs_sampling_is_not_possible(x, three, monkeypatch):
    """Its draws, and the reason in the warning."""

    def refused(*_):
        raise ValueError("component 1 became too narrow")

    monkeypatch.setattr("bayesgmm.sampling.compiled.gibbs.gibbs", refused)
    with pytest.warns(ConvergenceAdvice, match="component 1 became too narrow"):
        posterior = bayesgmm.refine(x, three.fit, **QUIET)
    assert [step.sampler for step in posterior.steps] == [
        "nutpie"
    ] and posterior.sampler == "nutpie"


@pytest.mark.parametrize("name", ["min_ess", "max_time"])
def test_a_target_is_for_the_default_only(x, name):
    """A sampler that was named runs once."""
    with pytest.raises(ValueError, match=f"{name} is 5: only sampler='auto' has a target"):
        bayesgmm.refine(x, bayesgmm.fit(x, 2), sampler="gibbs", **{name: 5})
