"""Ctrl-C at random moments of everything that takes long: the truth comes back, or nothing.

What comes back is compared with the rows and with the same call left alone: log-likelihoods with
densities of all rows, replicates and draws with the first ones of the whole run.
"""

from __future__ import annotations

import signal
import threading
import time
import warnings
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module

import numpy as np
import pytest

import bayesgmm
from bayesgmm.reporting import render
from bayesgmm.selection.selection import Selection
from tests.conftest import simulate

pytestmark = [
    pytest.mark.skipif(
        not hasattr(signal, "pthread_kill"), reason="signals go to a thread on POSIX systems only"
    ),
    # Where the collector of garbage calls Python (JAX has it do so) a Ctrl-C is lost, as it would
    # be in any program, and the result is whole.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
QUIET = {"random_seed": 1, "progressbar": False}


@cache
def rows(n, d=3, k=3):
    return simulate(np.random.default_rng(5), n, d, k)[0]


@cache
def fitted(n):
    return bayesgmm.fit(rows(n), 3, random_seed=1)


@dataclass
class Outcome:
    """What a call gave (None for KeyboardInterrupt), whether Ctrl-C came before it ended."""

    result: object
    pressed: bool
    warned: bool
    seconds: float


def call(work, delay=None):
    """Call, and press Ctrl-C after so many seconds of work (a busy machine makes time pass)."""
    main, pressed, result = threading.main_thread().ident, threading.Event(), None
    ended, begin = threading.Event(), time.process_time()

    def press():
        while not ended.wait(0.001):
            if delay is not None and time.process_time() - begin >= delay:
                pressed.set()
                signal.pthread_kill(main, signal.SIGINT)
                return

    watch = threading.Thread(target=press)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            watch.start()
            result = work()
            in_time = pressed.is_set()
            ended.set()
            watch.join()
            time.sleep(0.001)  # a Ctrl-C that came too late is noticed here
        except KeyboardInterrupt:
            in_time = True
        seconds = time.process_time() - begin
        ended.set()
        watch.join()
    warned = any(issubclass(w.category, bayesgmm.InterruptionAdvice) for w in caught)
    return Outcome(result, in_time, warned, seconds)


def true_of(fit, x):
    """A fit's log-likelihood is that of its mixture at all rows."""
    assert fit.n == len(x)
    expected = fit.mixture.log_density(x).sum()
    np.testing.assert_allclose(fit.loglik, expected, rtol=1e-9, atol=1e-6)


def check_fit(x, fit, whole):
    true_of(fit, x)
    assert fit.loglik == whole.loglik


def check_selection(x, found, whole):
    for fit in found.fits.values():
        true_of(fit, x)
    assert set(found.fits) | set(found.failures) == set(whole.fits) | set(whole.failures)
    assert found.interrupted or found.table.equals(whole.table)
    assert not (found.cv and found.interrupted)


def check_noisy_selection(found, whole):
    for fit in found.fits.values():
        expected = fit.score_samples(FEW()).sum()
        np.testing.assert_allclose(fit.loglik, expected, rtol=1e-9, atol=1e-6)
    assert set(found.fits) | set(found.failures) == set(whole.fits) | set(whole.failures)
    assert found.interrupted or found.table.equals(whole.table)


def check_errors(found, whole):
    made = len(found.replicates.weights)
    assert made >= 20
    assert found.interrupted == (made < len(whole.replicates.weights))
    for some, every, se in zip(found.replicates, whole.replicates, found.se, strict=True):
        np.testing.assert_array_equal(some, every[:made])
        np.testing.assert_array_equal(se, np.std(some, axis=0, ddof=1))


def check_tests(found, whole):
    for test, other in zip(found.tests, whole.tests, strict=False):
        made = len(test.replicates)
        assert made >= 19
        np.testing.assert_array_equal(test.replicates, other.replicates[:made])
        assert test.statistic == other.statistic
    assert found.interrupted or len(found.tests) == len(whole.tests)


def check_posterior(found, whole):
    density, every = (p.tree["sample_stats"]["lp"].to_numpy() for p in (found, whole))
    assert density.shape[1] >= 4 and np.isfinite(density).all()
    assert found.interrupted == (density.shape != every.shape)
    for chain in density:  # the first draws of a chain of the whole run
        assert any(np.array_equal(chain, other[: len(chain)]) for other in every)


def check_report(x, analysis, whole):
    check_selection(x, analysis.selection, whole.selection)
    true_of(analysis.fit, x)
    stopped = analysis.selection.interrupted
    assert analysis.posterior is None or not stopped
    stopped = stopped or (analysis.posterior is not None and analysis.posterior.interrupted)
    text = render(analysis, "markdown", {})
    assert ("**Interrupted: " in text) == stopped


def make_report(x, path):
    """Write a report; the analysis that it was written of."""
    path.unlink(missing_ok=True)
    kept = []
    with pytest.MonkeyPatch.context() as patch:
        module = import_module(
            "bayesgmm.reporting.report"
        )  # the package has a function of the name
        write = module.write
        patch.setattr(module, "write", lambda *a: (kept.append(a[0]), write(*a)))
        try:
            bayesgmm.report(
                x, path, n_components=[1, 2], covariance_type=["EEE", "VVV"], draws=100, tune=50,
                chains=2, **QUIET,
            )  # fmt: skip
        except KeyboardInterrupt:
            assert not path.exists()
            raise
    assert path.exists()
    return kept[0]


def selected(x, **options):
    return bayesgmm.select(x, **{"n_components": range(1, 4)} | options, **QUIET)


def refined(n, sampler, **options):
    return bayesgmm.refine(rows(n), fitted(n), sampler=sampler, **options, **QUIET)


def errors_of(method):
    return bayesgmm.standard_errors(rows(400), fitted(400), method, n_boot=150, **QUIET)


FEW, MANY = partial(rows, 300), partial(rows, 40_000)
#: What is called, and the check of what comes back against the same call left alone.
CASES = {
    "fit": (
        lambda: bayesgmm.fit(MANY(), 4, random_seed=1),
        lambda found, whole: check_fit(MANY(), found, whole),
    ),
    "select few rows": (
        lambda: selected(FEW()), lambda found, whole: check_selection(FEW(), found, whole),
    ),
    "select many rows": (
        lambda: selected(MANY(), n_components=range(1, 6), covariance_type=["EEI", "VVV"]),
        lambda found, whole: check_selection(MANY(), found, whole),
    ),
    "select cv": (
        lambda: selected(FEW(), covariance_type=["EEE", "VVV"], cv=100, criterion="cv"),
        lambda found, whole: check_selection(FEW(), found, whole),
    ),
    "select beside noise": (
        lambda: selected(FEW(), covariance_type=["EEE", "VVV"], noise=True, n_init=4),
        check_noisy_selection,
    ),
    "bootstrap_lrt": (
        lambda: bayesgmm.bootstrap_lrt(
            FEW(), "EEE", max_components=3, n_boot=40, n_init=3, all_tests=True, **QUIET
        ),
        check_tests,
    ),
    **{
        f"standard_errors {method}": (partial(errors_of, method), check_errors)
        for method in ("bootstrap", "weighted", "parametric")
    },
    "refine nutpie": (partial(refined, 400, "nutpie", cores=2), check_posterior),
    "refine gibbs": (partial(refined, 400, "gibbs", draws=300, cores=2), check_posterior),
    "refine laplace": (partial(refined, 400, "laplace", draws=2000), check_posterior),
}  # fmt: skip


@pytest.fixture(autouse=True)
def keyboard():
    """Processes in the background of a shell ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(work, check, moments):
    """Interrupt at so many moments of the whole duration; how often something came back."""
    call(work)  # whatever is compiled or imported
    whole = call(work)
    small, kept = bayesgmm.fit(FEW(), 2, random_seed=1), 0
    rng = np.random.default_rng(moments)
    for i in range(moments):
        outcome = call(work, whole.seconds * (i + rng.random()) / moments)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        # nothing is left behind that other work could meet
        assert bayesgmm.fit(FEW(), 2, random_seed=1).loglik == small.loglik
        if outcome.result is None:
            continue
        kept += 1
        check(outcome.result, whole.result)
        assert outcome.warned <= outcome.pressed
        if not isinstance(outcome.result, bayesgmm.Fit) and hasattr(outcome.result, "interrupted"):
            assert outcome.warned == outcome.result.interrupted
    return kept


@pytest.mark.parametrize("name", CASES)
def test_three_moments(name):
    interrupt(*CASES[name], moments=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_twenty_moments(name):
    """Of all but `fit`, which is all or nothing, something comes back at some of them."""
    kept = interrupt(*CASES[name], moments=20)
    print(f"{name}: something came back at {kept} of 20 moments")
    assert kept > 0 or name == "fit"


@pytest.mark.slow
def test_a_report(tmp_path):
    """Twenty moments: a report that says so first, or no file."""
    interrupt(
        lambda: make_report(FEW(), tmp_path / "report.md"),
        lambda found, whole: check_report(FEW(), found, whole),
        moments=20,
    )


def test_ctrl_c_that_a_library_makes_another_error_of(monkeypatch, tmp_path):
    """As matplotlib's compiled code does: it is an interruption still, and no file is left."""
    module = import_module("bayesgmm.reporting.report")

    def drawn(analysis, progressbar):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ValueError("Invalid bounding box")

    monkeypatch.setattr(module, "figures_of", drawn)
    with pytest.raises(KeyboardInterrupt):
        make_report(FEW(), tmp_path / "report.md")
    monkeypatch.setattr(module, "figures_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # an error of its own stays what it is
        make_report(FEW(), tmp_path / "report.md")
    assert not list(tmp_path.iterdir())


def test_a_grid_of_some_of_the_rows_is_told_of_all(monkeypatch, tmp_path):
    """Interrupted before any cell was run on all rows: each has the log-likelihood of all rows."""
    from bayesgmm.selection import select as module

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_continue_on_all_rows", stop)
    with pytest.warns(bayesgmm.InterruptionAdvice, match="interrupted: .* `resume`"):
        found = selected(MANY(), n_components=[1, 2, 3], covariance_type=["EEE", "VVV"])
    assert len(found.sound) == 6
    for fit in found.fits.values():
        true_of(fit, MANY())
        assert fit.status.value == "interrupted" and not fit.converged and "resume" in fit.advice
    assert "INTERRUPTED" in repr(found)
    found.save(tmp_path / "grid.npz")
    again = Selection.load(tmp_path / "grid.npz")
    assert again.interrupted and again.table.equals(found.table)
    # a grid that is resumed and interrupted again has lost nothing
    monkeypatch.setattr(module.Grid, "start", stop)
    with pytest.warns(bayesgmm.InterruptionAdvice):
        twice = selected(
            MANY(), n_components=[1, 2, 3], covariance_type=["EEE", "VVV"], resume=found
        )
    for cell, fit in found.fits.items():
        np.testing.assert_allclose(twice.fits[cell].loglik, fit.loglik, rtol=1e-12)
    with pytest.raises(KeyboardInterrupt, match="before a cell of the grid had an estimate"):
        selected(MANY(), n_components=[1, 2, 3], covariance_type=["EEE", "VVV"])


@pytest.mark.parametrize("moment", ["wait", "abort"])
def test_ctrl_c_while_nutpie_hands_over_its_draws(monkeypatch, moment):
    """They can be taken once: the conversion is not cut short, and nothing is sampled again."""
    nutpie = import_module("nutpie.sample")
    runs, convert = [], nutpie._arrow_to_arviz

    def pressed(*arguments, **options):
        runs.append(arguments)
        signal.raise_signal(signal.SIGINT)
        return convert(*arguments, **options)

    whole = refined(400, "nutpie", cores=2)
    monkeypatch.setattr(nutpie, "_arrow_to_arviz", pressed)
    if moment == "wait":  # the last draw had been made
        with pytest.raises(KeyboardInterrupt, match="after the last draw"):
            refined(400, "nutpie", cores=2)
    else:  # a second Ctrl-C
        found = call(partial(refined, 400, "nutpie", cores=2, draws=20_000), 0.3).result
        assert found.interrupted and found.tree["posterior"].sizes["draw"] < 20_000
        density = found.tree["sample_stats"]["lp"].to_numpy()
        assert np.isfinite(density).all()
        same = min(density.shape[1], whole.tree["posterior"].sizes["draw"])
        every = whole.tree["sample_stats"]["lp"].to_numpy()
        assert any(np.array_equal(density[0, :same], chain[:same]) for chain in every)
    assert len(runs) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
