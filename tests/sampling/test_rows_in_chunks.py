"""Posteriors of rows in chunks: a sample is kept, and nothing reads all of them at once."""

from __future__ import annotations

import numpy as np
import pytest

import bayesgmm
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.kernels.stored import rows as stored
from bayesgmm.posterior.rows_elsewhere import MOST_ROWS
from bayesgmm.utils.errors import CostAdvice, DataError

N = 24_000
Z = np.random.default_rng(0).choice(2, N, p=[0.6, 0.4])
X = np.random.default_rng(1).normal(size=(N, 2)) + 6.0 * Z[:, None]
OPTIONS = {"draws": 600, "chains": 2, "random_seed": 3, "progressbar": False}


@pytest.fixture(scope="module")
def fit():
    return bayesgmm.fit(X, 2, "VVI", random_seed=1)


@pytest.fixture(scope="module")
def posterior(fit):
    """By the default; more than the sample of the rows cannot be had at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "_MEMORY", 2 * (MOST_ROWS + 1))
        return bayesgmm.refine(in_chunks(X, rows=5000), fit, **OPTIONS)


def test_the_default_begins_with_laplace(posterior, fit):
    """And its draws are those of the rows in memory, within Monte Carlo error."""
    assert [step.sampler for step in posterior.steps] == ["laplace"]
    whole = bayesgmm.refine(X, fit, sampler="laplace", **OPTIONS)
    for name in ("weights", "means", "covariances"):
        mine, other = getattr(posterior.draws, name), getattr(whole.draws, name)
        sd = other.std(axis=0)
        assert (np.abs(mine.mean(axis=0) - other.mean(axis=0)) < 5 * sd / np.sqrt(600)).all()
        np.testing.assert_allclose(mine.std(axis=0), sd, rtol=0.25)


def test_a_sample_is_in_the_tree(posterior, tmp_path):
    """Rows are those of the data; what all rows are needed for reads them in chunks."""
    y = posterior.tree["observed_data"]["y"].to_numpy()
    assert y.shape == (MOST_ROWS, 2)
    assert len({row.tobytes() for row in y} - {row.tobytes() for row in X}) == 0
    assert posterior.data.n == N
    assert posterior.relabel("stephens").rows is posterior.rows
    assert posterior.predictive(n_draws=2, random_seed=0)["y"].sizes["obs_id"] == MOST_ROWS
    few = posterior.of_chains([0])
    assert few.mean_loglik == pytest.approx(
        bayesgmm.Posterior(few.tree, few.fit, few.prior, few.with_rows(X).data).mean_loglik,
        rel=1e-12,
    )
    table = bayesgmm.compare({"a": posterior, "b": few}, evidence="laplace", random_seed=0)
    assert table["elpd_loo"].isna().all()
    assert "posterior.loo()" in table.attrs["reasons"]["a"]["elpd_loo"]
    assert table["log_evidence"].notna().all()
    posterior.save(tmp_path / "p.nc")
    read = bayesgmm.Posterior.load(tmp_path / "p.nc")
    with pytest.raises(DataError, match=rf"{N} rows .* keeps {MOST_ROWS}: .*with_rows"):
        read.loo()
    assert read.summary()["mean"].tolist() == posterior.summary()["mean"].tolist()
    with pytest.raises(DataError, match="not the same data"):
        read.with_rows(X[::-1])
    assert read.with_rows(X).data.n == N


@pytest.mark.slow
def test_leave_one_out_reads_chunks(posterior):
    """The terms of the rows in memory."""
    few = posterior.of_chains([0])
    whole = few.with_rows(X)
    np.testing.assert_allclose(few.loo().elpd_i, whole.loo().elpd_i, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::bayesgmm.utils.errors.ConvergenceAdvice")
@pytest.mark.parametrize(
    ("separation", "memory", "why"),
    [(0.8, 2**27, "of the pairs of a row and a component matter"), (4.0, 100, "not fit in memory")],
)
def test_gradients_that_are_passes_are_said(separation, memory, why, monkeypatch):
    """Why nothing is left out, and what costs less; pruned rows say nothing."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(4000, 1)) + separation * (rng.random((4000, 1)) < 0.5)
    data, fit = in_chunks(x, rows=1500), bayesgmm.fit(x, 2, "E", random_seed=1)
    options = {"sampler": "nutpie", "draws": 20, "tune": 10, "chains": 2, "progressbar": False}
    monkeypatch.setattr(stored, "_MEMORY", memory)
    with pytest.warns(CostAdvice, match=rf"{why}.*sampler='laplace'"):
        try:
            bayesgmm.refine(data, fit, random_seed=1, **options)
        except DataError:  # the tree's rows do not fit either
            assert memory == 100
