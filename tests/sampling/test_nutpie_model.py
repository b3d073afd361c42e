"""nutpie by its private class and by its public way: one posterior, and a trial that tells."""

from __future__ import annotations

import re

import numpy as np
import nutpie
import nutpie.compile_pymc
import pytest
from arviz_stats.base import array_stats
from scipy.stats import truncnorm

import bayesgmm
from bayesgmm.density.callbacks import DENSITY
from bayesgmm.kernels.compilation import part
from bayesgmm.sampling.run import nutpie_model
from tests.faithful import PRIOR, short_first


@pytest.fixture(autouse=True)
def tried_anew():
    nutpie_model.problem_with_addresses.cache_clear()
    yield
    nutpie_model.problem_with_addresses.cache_clear()


def refined(seed, family="VVV"):
    x = bayesgmm.datasets.load_faithful()
    fit = short_first(x, covariance_type=family)
    options = {"sampler": "nutpie", "draws": 1000, "progressbar": False}
    return bayesgmm.refine(x, fit, prior=PRIOR, random_seed=seed, **options)


def gone(monkeypatch):
    monkeypatch.delattr(nutpie.compile_pymc, "CompiledPyMCModel")


def with_other_arguments(monkeypatch):
    monkeypatch.setattr(nutpie.compile_pymc, "CompiledPyMCModel", lambda *, address: None)


def with_another_density(monkeypatch):
    """What is sampled is not what was given: twice the log density."""

    @part(DENSITY)
    def twice(size, z, gradient, value, where):
        value[0] = 0.0
        for i in range(size):
            value[0] -= z[i] * z[i]
            gradient[i] = -2 * z[i]
        return 0

    monkeypatch.setattr(nutpie_model, "standard_normal", twice)


def test_the_installed_nutpie_takes_addresses():
    """And is asked once in a process."""
    assert nutpie_model.problem_with_addresses() is None
    assert nutpie_model.problem_with_addresses.cache_info().misses == 1


@pytest.mark.parametrize(("seed", "family"), [(1, "VVV"), (2, "VVV"), (3, "VEV")])
def test_the_public_way_gives_the_same_posterior(monkeypatch, seed, family):
    """Old Faithful, seeds of its own: means within 4 Monte Carlo errors, deviations within 15 %.

    The warning names what is wrong and points at this file.
    """
    usual = refined(seed, family)
    gone(monkeypatch)
    nutpie_model.problem_with_addresses.cache_clear()
    with pytest.warns(UserWarning, match=r"CompiledPyMCModel.* a Python function") as said:
        public = refined(seed + 10, family)
    assert [w.filename for w in said] == [__file__]
    assert public.diagnostics.divergences == 0
    a, b = (p.summary().astype(float) for p in (usual, public))
    error = np.hypot(a["mcse_mean"], b["mcse_mean"])
    assert (np.abs(a["mean"] - b["mean"]) < 4 * error).all()
    np.testing.assert_allclose(a["sd"], b["sd"], rtol=0.15)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (gone, "ImportError: .*CompiledPyMCModel"),
        (with_other_arguments, "TypeError: .*unexpected keyword"),
        (with_another_density, "samples another density"),
    ],
)
def test_each_change_is_noticed(monkeypatch, change, problem):
    """A class that is gone, that is made in another way, that samples something else."""
    change(monkeypatch)
    assert re.search(problem, nutpie_model.problem_with_addresses())


class CutNormal:
    """Two standard normal coordinates, the first below 1: above there is no density."""

    size = 2

    def __call__(self, z):
        return (np.nan if z[0] > 1.0 else -0.5 * float(z @ z)), -z


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_there_is_no_density_the_public_way_goes_back(monkeypatch, seed):
    """Means and variances are those of the cut normal, within 4 of their Monte Carlo errors.

    Cut off are trajectories too, which NUTS sees as divergences: its draws are worth fewer, and
    the errors are estimated from them.
    """
    gone(monkeypatch)
    with pytest.warns(UserWarning, match="Python function"):
        model = nutpie_model.nutpie_model(CutNormal(), lambda seed: np.full(2, 0.5))
    tree = nutpie.sample(
        model, draws=2000, tune=300, chains=2, seed=seed, save_warmup=False, progress_bar=False
    )
    z = tree["posterior"]["z"].to_numpy()
    assert z[..., 0].max() <= 1.0 < z[..., 1].max()
    cut = truncnorm(-np.inf, 1.0)
    for i, (mean, variance) in enumerate([cut.stats(), (0.0, 1.0)]):
        for values, expected in ((z[..., i], mean), ((z[..., i] - mean) ** 2, variance)):
            error = float(array_stats.mcse(values, chain_axis=0, draw_axis=1, method="mean"))
            assert abs(values.mean() - expected) < 4 * error
