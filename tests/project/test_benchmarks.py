"""The benchmarks run to their end, at sizes that tell nothing: so that they cannot rot."""

from __future__ import annotations

import math
import time
import warnings

import numpy as np
import pytest

import bayesgmm
from benchmarks import convergence, em, float32, gmmx, growth, memory, naive, page, peak, posterior
from benchmarks.problem import Case, Problem, per_iteration
from benchmarks.server import Unavailable
from benchmarks.timing import in_turn

TINY = Case(600, 2, 2)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """No other programs, few rows, a small product, and a page of our own."""

    def no_other(problem):
        raise Unavailable("not installed")

    others = dict.fromkeys(em.OTHERS, no_other)
    monkeypatch.setattr(em, "OTHERS", others)
    monkeypatch.setattr(convergence, "OTHERS", others)
    monkeypatch.setattr(em, "REST", 0.0)
    monkeypatch.setattr(growth, "REST", 0.0)
    monkeypatch.setattr(peak, "_SIZE", 64)
    monkeypatch.setattr(page, "PAGE", tmp_path / "docs" / "benchmarks.md")


def test_em(monkeypatch):
    cases = TINY, Case(600, 2, 2, "diag"), Case(600, 2, 2, "spherical"), Case(60, 8, 2, ridge=0.1)
    monkeypatch.setattr(em, "CASES", cases)
    em.run(rounds=1)
    text = page.PAGE.read_text()
    assert "| 600 | 2 | 2 | full |" in text
    assert text.count("not installed") == 3 * len(cases)


def test_convergence(monkeypatch):
    monkeypatch.setattr(convergence, "CASES", {"overlapping": (TINY,)})
    convergence.run(rounds=1)
    text = page.PAGE.read_text()
    assert convergence.PLAIN in text and convergence.THEIRS in text


def test_all_arrive_at_the_same_log_likelihood():
    found = convergence.measure("", TINY, rounds=1, patience=0.0)
    known = [end for end in found.ends if not end.reason]
    assert [end.name for end in known] == [convergence.LONG, convergence.PLAIN, convergence.THEIRS]
    for end in known:
        assert (found.best - end.loglik) / abs(found.best) < 2 * convergence.SAME


def test_growth(monkeypatch):
    monkeypatch.setattr(
        growth, "CURVES", {"n": [Case(500, 2, 2), TINY], "d": [TINY], "K": [Case(600, 2, 1)]}
    )
    growth.run(rounds=1)
    assert "figures/growth.png" in page.PAGE.read_text()
    assert (page.PAGE.parent / "figures" / "growth.png").stat().st_size > 10_000


def test_float32(monkeypatch):
    monkeypatch.setattr(float32, "CASES", (TINY,))
    float32.run(rounds=1)
    assert "| 600 | 2 | 2 |" in page.PAGE.read_text()


@pytest.mark.skipif(not memory._CLEAR.exists(), reason="only Linux tells the peak")
def test_memory(monkeypatch):
    monkeypatch.setattr(memory, "calls", lambda small: [("bayesgmm.fit", 2_000)])
    monkeypatch.setattr(memory, "LAYOUTS", {"float64": np.ascontiguousarray})
    memory.run(small=True)
    assert "| bayesgmm.fit | 2 000 |" in page.PAGE.read_text()


@pytest.mark.parametrize("call", [*memory.FITS, *memory.EVALUATIONS])
@pytest.mark.filterwarnings("ignore")
def test_every_call_whose_memory_is_measured(call):
    x = Problem.simulate(Case(400, memory.D, memory.K)).x
    if call in memory.FITS:
        memory.FITS[call](x)
    else:
        assert len(memory.EVALUATIONS[call](x)(x)) == len(x)


@pytest.mark.parametrize("layout", memory.LAYOUTS)
def test_a_layout_keeps_the_rows(layout):
    x = Problem.simulate(TINY).x
    np.testing.assert_allclose(memory.LAYOUTS[layout](x), x, rtol=1e-6)


def test_flops_of_a_full_and_a_diagonal_iteration():
    assert Case(10, 3, 2).flops == 10 * 2 * (3 * 4 + 3 * 4)
    assert Case(10, 3, 2, "diag").flops == Case(10, 3, 2, "spherical").flops == 10 * 2 * 12


def test_an_iteration_that_was_not_made_is_not_divided_by():
    with pytest.raises(AssertionError, match="ended after 3"):
        per_iteration(lambda most: 3, (3, 5))


def test_an_iteration_never_takes_less_than_no_time(monkeypatch):
    """A short run that others disturbed is made again."""
    clock = iter([0.0, 1.0, 1.0, 3.0, 3.0, 5.0, 5.0, 5.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert per_iteration(lambda most: most, (2, 5)) == 0.5
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    with pytest.raises(AssertionError, match="5 iterations took no longer than 2"):
        per_iteration(lambda most: most, (2, 5))


def test_a_budget_that_is_used_up_leaves_one_round():
    times = in_turn({"one": lambda: 1.0}, rounds=7, most=7, budget=0.0)
    assert len(times["one"].seconds) == 1
    assert len(in_turn({"one": lambda: 1.0}, rounds=3, most=3, budget=math.inf)["one"].others) == 3


def test_gmmx_says_why_it_gives_no_number(monkeypatch, tmp_path):
    monkeypatch.setattr(gmmx, "PYTHON", tmp_path / "python")
    with pytest.raises(Unavailable, match="not installed"):
        gmmx.em(Problem.simulate(TINY), "float64")
    with pytest.raises(Unavailable, match="no such family"):
        gmmx.em(Problem.simulate(Case(60, 2, 2, "spherical")), "float64")


@pytest.mark.slow
def test_posterior(monkeypatch):
    """Ours and PyMC's own mixture on few rows, and the other posteriors."""
    monkeypatch.setattr(posterior, "CASES", {})
    monkeypatch.setattr(posterior, "LARGE", Case(200, 2, 2, separation=8.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posterior.run(small=True)
    text = page.PAGE.read_text()
    assert "Laplace, 4 x 250" in text and "overlapping, seed 0" in text


@pytest.mark.slow
def test_pm_mixture_samples_the_same_posterior():
    """The rival is no straw man: its means are ours, where the data speak for themselves."""
    problem = Problem.simulate(Case(600, 2, 2, separation=8.0))
    fit = bayesgmm.fit(problem.x, 2, start=problem.start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTensor warns where there is no BLAS to link
        rival = naive.run(problem.x, fit, draws=300, tune=300)
    ours, _ = posterior.refined(problem.x, fit)
    for name in ("pi", "mu", "Sigma"):
        theirs = rival.posterior[name].mean(("chain", "draw")).to_numpy()
        mine = ours.tree["posterior"][name]
        sd = mine.std(("chain", "draw")).to_numpy()
        # Other priors: a tenth of a standard deviation at 300 rows a component, and the draws'.
        assert np.all(np.abs(theirs - mine.mean(("chain", "draw")).to_numpy()) < 0.5 * sd), name
