"""Every sampler of an edited model; its interruption; its report."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest

import bayesgmm
from bayesgmm.utils.errors import InterruptionAdvice
from tests.sampling.test_sampling import interrupted

OTHERS = ("pymc", "advi", "fullrank_advi", "smc", "pathfinder", "numpyro", "blackjax")


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def fit(x):
    return bayesgmm.fit(x, 2, random_seed=1)


@pytest.fixture(scope="module")
def model(x, fit):
    """A model in which the gap of two means is known to 1."""
    model = bayesgmm.build_model(x, fit)
    with model:
        gap = pm.Deterministic("gap", model["mu"][0, 1] - model["mu"][1, 1])
        pm.Potential("known gap", pm.logp(pm.Normal.dist(25.0, 1.0), gap))
    return model


@pytest.fixture(scope="module")
def by_nutpie(x, fit, model):
    return bayesgmm.refine(x, fit, model=model, random_seed=1, progressbar=False)


@pytest.mark.filterwarnings("ignore::bayesgmm.utils.errors.ConvergenceAdvice")
@pytest.mark.parametrize(
    "sampler", ["laplace", *(pytest.param(s, marks=pytest.mark.slow) for s in OTHERS)]
)
def test_every_sampler_has_the_posterior(x, fit, model, by_nutpie, sampler):
    """Means within 0.3 sd, and sds within a quarter: few draws, and approximations among them."""
    posterior = bayesgmm.refine(
        x, fit, model=model, sampler=sampler, draws=300, chains=2, random_seed=2, progressbar=False
    )
    a, b = (p.summary().astype(float) for p in (by_nutpie, posterior))
    moving = a["sd"] > 0
    assert "gap" in b.index and "known gap" in posterior.relabelling.reason
    assert (((a["mean"] - b["mean"]).abs() / a["sd"])[moving] < 0.3).all()
    assert np.allclose((b["sd"] / a["sd"])[moving], 1.0, atol=0.25)


def test_an_interruption_keeps_the_draws(x, fit, model, monkeypatch):
    """Ctrl-C: a posterior of the draws made so far, whose labels and variables are there."""
    interrupted(monkeypatch, draws=100)
    with pytest.warns(InterruptionAdvice, match="interrupted: .* draws of . chains"):
        posterior = bayesgmm.refine(
            x, fit, model=model, draws=200_000, chains=2, cores=2, random_seed=1,
            progressbar=False,
        )  # fmt: skip
    assert posterior.interrupted
    assert 0 < posterior.tree["posterior"].sizes["draw"] < 200_000
    assert posterior.own_variables == ["gap"]
    assert np.isfinite(posterior.tree["posterior"]["gap"]).all()


def test_an_interruption_without_draws(x, fit, model, monkeypatch):
    """Ctrl-C during warm-up leaves nothing."""
    interrupted(monkeypatch, draws=0)
    with pytest.raises(KeyboardInterrupt):
        bayesgmm.refine(x, fit, model=model, tune=10**6, draws=10, random_seed=1, progressbar=False)


def test_the_report_of_an_edited_model(x, by_nutpie, tmp_path):
    """The model's own variable, its sentences and pictures; no prior that is not the model's."""
    path = bayesgmm.report(
        x, tmp_path / "report.md", results={"known gap": by_nutpie}, n_components=[2],
        covariance_type="VVV", progressbar=False,
    )  # fmt: skip
    text = path.read_text()
    assert "Given the model's priors" in text and "## Prior" not in text
    assert "known gap" in text and "| gap" in text
    assert "prior is in the model" in text
    assert (tmp_path / "report_figures" / "check.png").exists()
