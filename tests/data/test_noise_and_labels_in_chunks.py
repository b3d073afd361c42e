"""Noise and labels of rows in chunks: the numbers of rows in memory, and the same bits anywhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.em.box_around import box_around
from bayesgmm.em.noise import NoisyRows
from bayesgmm.mixture.certainty import Certainty
from bayesgmm.mixture.share_of_noise import best_share, best_share_of, moments_of
from bayesgmm.utils.errors import DataError

N, ROWS = 3000, 700


def made(seed=1, n=N):
    """Rows of three groups and noise, and their groups; -1 for noise."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    x = rng.normal(size=(n, 2)) + np.array([[0, 0], [6, 1], [0, 7.0]])[group]
    noise = rng.random(n) < 0.06
    x[noise] = rng.uniform(-9, 14, (noise.sum(), 2))
    return x, np.where(noise, -1, group)


X, GROUP = made()
LABELS = np.where(np.random.default_rng(2).random(N) < 0.2, GROUP, -1)
HOLES = np.where(np.random.default_rng(3).random(X.shape) < 0.1, np.nan, X)
HOLES[:ROWS] = X[:ROWS]
HOLES[[-1, -2]] = np.nan  # one of which has a label
LABELS[[-1, -2]] = -1, 2


def chunks(x=X, **options):
    missing = "marginalize" if np.isnan(x).any() else "refuse"
    return in_chunks(x, rows=ROWS, missing=missing, **options)


@pytest.mark.parametrize("spread", [1.0, 8.0, 100.0])
@pytest.mark.parametrize("shift", [-2.0, 1.0, 9.0])
def test_the_share_from_moments(spread, shift):
    """The best share is that of the rows themselves, at either end of its range too."""
    rng = np.random.default_rng(4)
    ratios, weights = rng.normal(shift, spread, 5000), rng.integers(0, 3, 5000).astype(float)
    ratios[:5] = np.inf, -1e4, 1e4, 63.99, -64.01
    expected = best_share(np.where(np.isinf(ratios), 1e5, ratios), weights)
    assert best_share_of(moments_of(ratios, weights)) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("scale", [(1, 1), (1e5, 1e-3)])
def test_the_volume(scale):
    """The smaller box is that of mclust's hypvol, by SVD of all rows: turned ones, and weights."""
    turn = np.array([[1, 1], [-1, 1.0]]) / np.sqrt(2)
    x = (X * [10, 1]) @ turn * scale + 1e3
    weights = np.random.default_rng(0).integers(0, 2, N).astype(float)
    for w in (None, weights):
        used = x if w is None else x[w > 0]
        axes = np.linalg.svd(used - used.mean(axis=0), full_matrices=False)[2]
        volumes = [np.log(np.ptp(y, axis=0)).sum() for y in (used, used @ axes.T)]
        for rows in (as_data(x, sample_weight=w), chunks(x, sample_weight=w)):
            assert box_around(rows).log_volume == pytest.approx(min(volumes), abs=1e-9)


CASES = {
    "noise": (X, {"noise": True}),
    "noise, holes": (HOLES, {"noise": True}),
    "labels": (X, {"labels": LABELS}),
    "all": (HOLES, {"noise": True, "labels": LABELS}),
}


@pytest.mark.parametrize("case", list(CASES))
def test_the_numbers_of_rows_in_memory(case):
    """A pass, standard errors, predictions and certainty at a fit; and the fit itself."""
    x, options = CASES[case]
    rows, missing = chunks(x), "marginalize" if np.isnan(x).any() else "refuse"
    few = {"random_seed": 0, "start": "k-means++", "n_init": 1}
    whole = bayesgmm.fit(x, 3, missing=missing, **few, **options)
    fit = bayesgmm.fit(rows, 3, **few, **options)
    assert type(fit) is type(whole)
    assert fit.loglik == pytest.approx(whole.loglik, abs=1e-4)  # each stops near the maximum
    assert fit.n == whole.n
    again = bayesgmm.fit(rows, 3, start=whole.mixture, max_iter=0, **options)
    same = bayesgmm.fit(x, 3, start=whole.mixture, max_iter=0, missing=missing, **options)
    for name in ("loglik", "entropy", "log_map", "bic"):
        assert getattr(again, name) == pytest.approx(getattr(same, name), rel=1e-10), name
    np.testing.assert_array_equal(whole.predict(rows), whole.predict(x))
    np.testing.assert_allclose(whole.score_samples(rows), whole.score_samples(x), rtol=1e-10)
    for method in ("information", "sandwich"):
        errors, of_whole = (
            bayesgmm.standard_errors(data, whole, method=method) for data in (rows, x)
        )
        np.testing.assert_allclose(errors.covariances, of_whole.covariances, rtol=1e-7)
        assert errors.noise_share == pytest.approx(of_whole.noise_share, rel=1e-8)
    a, b = Certainty.of(rows, whole), Certainty.of(as_data(x, missing=missing), whole)
    np.testing.assert_array_equal(a.sizes, b.sizes)
    for name in ("expected_error", "uncertain", "doubtful"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-9), name


def test_weights():
    """A pass beside noise over weighted rows is that over rows in memory."""
    weights = np.random.default_rng(5).integers(0, 3, N).astype(float)
    fit = bayesgmm.fit(X, 3, noise=True, start="hc")
    steps = [
        NoisyRows(data, fit.noise).e_step(fit.mixture.parameters_about(data.center))
        for data in (chunks(sample_weight=weights), as_data(X, sample_weight=weights))
    ]
    assert steps[0].loglik == pytest.approx(steps[1].loglik, rel=1e-12)
    np.testing.assert_allclose(steps[0].statistics.scatters, steps[1].statistics.scatters, 1e-9)


def sources(x, folder):
    """The same chunks from blocks, files and Dask."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    zarr, dd = pytest.importorskip("zarr"), pytest.importorskip("dask.dataframe")
    np.save(folder / "x.npy", x)
    parquet.write_table(
        pa.table({f"x{j}": x[:, j] for j in range(2)}), folder / "x.parquet", row_group_size=ROWS
    )
    array = zarr.create_array(folder / "x.zarr", shape=x.shape, chunks=(ROWS, 2), dtype="f8")
    array[:] = x
    parts = [pd.DataFrame(x[i : i + ROWS]).rename(columns="x{}".format) for i in range(0, N, ROWS)]
    frames = dd.concat([dd.from_pandas(part, npartitions=1) for part in parts])
    return [list(map(np.asarray, parts)), folder / "x.npy", folder / "x.parquet", array, frames]


@pytest.mark.slow
def test_the_same_bits_from_everywhere(tmp_path, monkeypatch):
    """Noise, labels and holes together give one fit to the last bit."""
    monkeypatch.setattr("bayesgmm.data.sources.files._WORTHWHILE", ROWS)
    options = {"noise": True, "labels": LABELS, "start": "k-means++", "n_init": 1, "max_iter": 20}
    expected = bayesgmm.fit(chunks(HOLES), 3, random_seed=0, **options)
    for source in sources(HOLES, tmp_path):
        fit = bayesgmm.fit(chunks_of(source), 3, random_seed=0, **options)
        assert fit.history == expected.history
        assert fit.noise_share == expected.noise_share
        np.testing.assert_array_equal(fit.covariances, expected.covariances)


def chunks_of(source):
    return in_chunks(source, rows=ROWS, missing="marginalize")


@pytest.mark.slow
def test_grids(monkeypatch):
    """Cells with and without noise are rows of one table, noise alone one of them."""
    whole = bayesgmm.select(X, [3], ["VVI"], noise=True, random_seed=0, progressbar=False)
    found = bayesgmm.select(chunks(), [3], ["VVI"], noise=True, random_seed=0, progressbar=False)
    names = ["family", "K", "loglik", "bic", "icl"]
    a, b = found.table[names].reset_index(drop=True), whole.table[names].reset_index(drop=True)
    pd.testing.assert_frame_equal(a, b, rtol=1e-6)
    # of many rows the starts are screened on some
    monkeypatch.setattr("bayesgmm.em.screening._SEARCHED_NUMBERS", 6000)
    screened = bayesgmm.fit(chunks(), 3, noise=True, labels=LABELS, random_seed=0)
    assert "screened on" in screened.remark
    expected = bayesgmm.fit(X, 3, noise=True, labels=LABELS, random_seed=0).loglik
    assert screened.loglik == pytest.approx(expected, abs=1e-3)


@pytest.mark.filterwarnings("ignore::bayesgmm.utils.errors.ConvergenceAdvice")  # few draws
@pytest.mark.slow
def test_posteriors(monkeypatch):
    """Draws by Laplace's approximation and leave-one-out, where the tree has some of the rows."""
    for module in ("posterior.rows_elsewhere", "sampling.run.datatree", "sampling.refine"):
        monkeypatch.setattr(f"bayesgmm.{module}.MOST_ROWS", 500)
    x, labels = X[:1500], LABELS[:1500]
    fit = bayesgmm.fit(x, 3, noise=True, labels=labels, random_seed=0)
    found = [
        bayesgmm.refine(
            data, fit, sampler="laplace", draws=100, chains=1, random_seed=1, progressbar=False
        )
        for data in (chunks(x), x)
    ]
    np.testing.assert_allclose(found[0].draws.means, found[1].draws.means, rtol=1e-8, atol=1e-8)
    assert found[0].loo().elpd == pytest.approx(found[1].loo().elpd, rel=1e-10)
    assert found[0].rows_at_hand.n == 500
    known = found[0].rows_at_hand.groups.components_of_rows
    numbers = found[0].tree["observed_data"]["row"].to_numpy()
    np.testing.assert_array_equal(known, fit.labels.table[numbers])


def test_pictures_show_noise():
    """Cells of noise are drawn, in grey."""
    pytest.importorskip("matplotlib")
    from bayesgmm.plots.view import view

    fit = bayesgmm.fit(X, 3, noise=True, start="hc")
    seen = view(chunks(), fit, ("a", "b"), None, 4)
    assert seen.binned.with_noise
    counts = seen.binned.marginals[0].sum(axis=1)
    expected = np.bincount(fit.predict_proba(X).argmax(axis=1), minlength=4)
    np.testing.assert_array_equal(counts, expected)
    bayesgmm.plots.plot_classification(chunks(), fit)
    bayesgmm.plots.plot_uncertainty(chunks(), fit)


def test_refusals():
    """Labels of another number of rows, and blocks that come once."""
    with pytest.raises(DataError, match="labels has 5 rows, the data have 3000"):
        bayesgmm.fit(chunks(), 3, labels=[0, 1, 2, 0, 1])
    with pytest.raises(DataError, match=r"in_chunks\(lambda: blocks\(\)\)"):
        bayesgmm.fit((X for _ in range(2)), 3)
