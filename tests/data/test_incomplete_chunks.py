"""Rows in chunks of which values are missing: each chunk is grouped by itself when it is read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.data.missing import rows_lacking
from bayesgmm.data.same_data import difference
from bayesgmm.kernels.e_step.chunk_groups import GroupsOfChunks
from bayesgmm.kernels.e_step.contract import Parameters
from bayesgmm.kernels.e_step.e_step import expected_statistics
from bayesgmm.utils.errors import DataError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

N, ROWS = 9000, 2000


def made(seed=1, n=N):
    """Rows of three groups with holes: a first chunk without any, and a row without a value."""
    rng = np.random.default_rng(seed)
    centers = np.array([[0, 0, 0], [5, 1, 0], [0, 6, 2.0]])
    x = rng.normal(size=(n, 3)) + centers[rng.integers(0, 3, n)]
    holes = rng.random(x.shape) < 0.15
    holes[:ROWS] = False
    holes[-500] = True
    return np.where(holes, np.nan, x)


X = made()
SILENT = np.flatnonzero(np.isnan(X).all(axis=1))


def chunks(x=X, **options):
    return in_chunks(x, rows=ROWS, missing="marginalize", **options)


@pytest.fixture(scope="module")
def fits():
    """In memory, and in chunks."""
    whole = bayesgmm.fit(X, 3, random_seed=0, missing="marginalize")
    return whole, bayesgmm.fit(chunks(), 3, random_seed=0)


def zarr_array(folder):
    zarr = pytest.importorskip("zarr")
    found = zarr.create_array(folder / "x.zarr", shape=X.shape, chunks=(ROWS, 2), dtype="f8")
    found[:] = X
    return found


def parquet_file(folder):
    """Nulls, as other programs write what is missing, and a NaN."""
    table = pa.table({f"x{j}": pa.array(X[:, j], from_pandas=j > 0) for j in range(3)})
    parquet.write_table(table, folder / "x.parquet", row_group_size=ROWS)
    return folder / "x.parquet"


def npy_file(folder):
    np.save(folder / "x.npy", X)
    return folder / "x.npy"


def dask_frame(folder):
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X).rename(columns="x{}".format).convert_dtypes()
    parts = [frame[i : i + ROWS] for i in range(0, N, ROWS)]
    return dd.concat([dd.from_pandas(part, npartitions=1) for part in parts])


SOURCES = {
    "blocks": lambda folder: [X[i : i + ROWS] for i in range(0, N, ROWS)],
    "npy": npy_file,
    "zarr": zarr_array,
    "parquet": parquet_file,
    "dask frame": dask_frame,
}


@pytest.mark.parametrize("kind", list(SOURCES))
def test_the_same_bits_from_everywhere(kind, fits, tmp_path, monkeypatch):
    """NaN, nulls and NA are missing values, and chunks give one fit to the last bit."""
    monkeypatch.setattr("bayesgmm.data.sources.files._WORTHWHILE", ROWS)
    source = chunks(SOURCES[kind](tmp_path))
    fit = bayesgmm.fit(source, 3, random_seed=0)
    assert fit.history == fits[1].history
    np.testing.assert_array_equal(fit.covariances, fits[1].covariances)
    np.testing.assert_array_equal(fit.score_samples(source), fits[1].score_samples(chunks()))


def test_the_same_numbers_as_in_memory(fits):
    """Chunks change the order of additions alone: fit, predictions, data, columns' summaries."""
    whole, fit = fits
    assert fit.loglik == pytest.approx(whole.loglik, rel=1e-13)
    assert fit.n == whole.n == N - len(SILENT)
    np.testing.assert_allclose(fit.means, whole.means, atol=1e-6)  # each stops near the maximum
    np.testing.assert_array_equal(fit.predict(chunks()), whole.predict(X))
    np.testing.assert_allclose(whole.score_samples(chunks()), whole.score_samples(X), rtol=1e-10)
    np.testing.assert_allclose(whole.predict_proba(chunks()), whole.predict_proba(X), atol=1e-9)
    assert not difference(fit.fingerprint, whole.fingerprint, "", "")
    a, b = chunks(), as_data(X, missing="marginalize")
    for name in ("low", "high", "center", "sd"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-12)
    np.testing.assert_array_equal(rows_lacking(a, [[0], [1, 2]]), rows_lacking(b, [[0], [1, 2]]))


@pytest.mark.parametrize("family", ["VVI", "EEE", "VVV"])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_forms_and_weights(family, scale):
    """Both forms of the pass, weights, and start labels; a narrow column takes the other form."""
    x = made(2, 3000) * [1, 1, scale] + [0, 0, 1e3 * (scale < 1)]
    weights = np.random.default_rng(0).integers(0, 3, len(x)).astype(float)
    start = np.arange(3000) % 3
    options = {"start": start, "max_iter": 20}
    fit = bayesgmm.fit(chunks(x, sample_weight=weights), 3, family, **options)
    whole = bayesgmm.fit(x, 3, family, missing="marginalize", sample_weight=weights, **options)
    assert fit.loglik == pytest.approx(whole.loglik, rel=1e-4)
    at = whole.mixture.parameters_about(as_data(x, missing="marginalize").center)
    both = [as_data(chunks(x, sample_weight=weights)), as_data(x, None, weights, "marginalize")]
    passes = [
        expected_statistics(rows, Parameters(at.weights, at.means, at.covariances)) for rows in both
    ]
    assert passes[0][0] == pytest.approx(passes[1][0], rel=1e-11)
    np.testing.assert_allclose(passes[0][1].scatters, passes[1][1].scatters, rtol=1e-7)


def test_complete_chunks_have_the_bits_of_complete_rows():
    """Where values may be missing and none is, nothing changes."""
    x = X[:ROWS]
    complete = in_chunks(x, rows=500)
    may_miss = in_chunks(x, rows=500, missing="marginalize")
    assert may_miss.groups is None
    histories = [bayesgmm.fit(rows, 2, random_seed=0).history for rows in (complete, may_miss)]
    assert histories[0] == histories[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayesgmm.utils.errors.ConvergenceAdvice")  # few draws
def test_errors_grids_and_posteriors():
    """Standard errors, a grid, Laplace's approximation and LOO of rows with holes, in chunks."""
    x = X[4000:6000]
    fit = bayesgmm.fit(x, 3, random_seed=0, missing="marginalize")
    rows = in_chunks(x, rows=700, missing="marginalize")
    for method in ("information", "sandwich"):
        errors, whole = (bayesgmm.standard_errors(data, fit, method=method) for data in (rows, x))
        np.testing.assert_allclose(errors.means, whole.means, rtol=1e-6)
        np.testing.assert_allclose(errors.covariances, whole.covariances, rtol=1e-6, atol=1e-12)
    grid = bayesgmm.select(rows, [2, 3], ["VVI"], random_seed=0)
    same = bayesgmm.select(x, [2, 3], ["VVI"], random_seed=0, missing="marginalize")
    assert grid.best.loglik == pytest.approx(same.best.loglik, rel=1e-9)
    how = {"sampler": "laplace", "draws": 100, "random_seed": 0, "progressbar": False}
    a, b = (bayesgmm.refine(data, fit, **how) for data in (rows, x))
    np.testing.assert_allclose(a.draws.means, b.draws.means, rtol=1e-6, atol=1e-6)
    assert a.loo().elpd == pytest.approx(b.loo().elpd, rel=1e-6)


def test_what_is_known_of_all_rows_is_small(fits):
    """No array of the rows' size is kept, and a pass is a sum over chunks of its own."""
    data = chunks()
    assert isinstance(data.groups, GroupsOfChunks)
    sizes = [v.size for v in vars(data.groups).values() if isinstance(v, np.ndarray)]
    assert max(sizes) <= max(9, len(SILENT))
    np.testing.assert_array_equal(data.groups.silent_rows, SILENT)
    seen = ~np.isnan(X)
    np.testing.assert_allclose(data.groups.together, seen.T.astype(float) @ seen)
    assert data.total == N - len(SILENT)


def test_refusals(tmp_path):
    """Infinite values, columns without one, pairs that no row has, and other holes than before."""
    x = X.copy()
    x[7001, 1] = np.inf
    with pytest.raises(DataError, match=r"'x1' holds an infinite value in row 7001 \(block 3"):
        chunks(x)
    with pytest.raises(DataError, match=r"'x0' holds a missing value in row 20\d\d \(block 1"):
        in_chunks(X, rows=ROWS)
    x[:, 1] = np.nan
    with pytest.raises(DataError, match="'x1' has no value in any row"):
        chunks(x)
    x = made(3)
    x[: N // 2, 0], x[N // 2 :, 1] = np.nan, np.nan
    with pytest.raises(DataError, match="'x0' and 'x1' have values together in 0 rows"):
        bayesgmm.fit(chunks(x), 2)
    for change in (np.nan, 0.5):
        blocks = [X[:4000].copy(), X[4000:].copy()]
        data = in_chunks(blocks, missing="marginalize")
        column = int(np.argmin(np.isnan(blocks[1][7])))
        blocks[1][7, column] = change
        with pytest.raises(DataError, match=r"block 1 .* holds other values"):
            bayesgmm.fit(data, 2, random_seed=0, max_iter=1)


def test_on_workers(fits):
    """The same bits on a cluster, of which sums come home."""
    distributed = pytest.importorskip("distributed")
    da = pytest.importorskip("dask.array")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        rows = in_chunks(da.from_array(X, chunks=(ROWS, 3)), client=client, missing="marginalize")
        assert bayesgmm.fit(rows, 3, random_seed=0).history == fits[1].history


def test_a_file_without_a_column_is_no_file_of_missing_values(tmp_path):
    """A column that one file calls otherwise is refused; one that folders stand for is not."""
    frame = pd.DataFrame(np.nan_to_num(X[:400]), columns=["a", "b", "c"])
    for year in (2020, 2021):
        (tmp_path / "hive" / f"year={year}").mkdir(parents=True)
        frame.to_parquet(tmp_path / "hive" / f"year={year}" / "0.parquet")
    by_folder = bayesgmm.in_chunks(tmp_path / "hive", missing="marginalize", columns=["a", "year"])
    assert bayesgmm.fit(by_folder, 1).n == 800
    frame.rename(columns={"b": "B"}).to_parquet(tmp_path / "hive" / "year=2021" / "1.parquet")
    for missing in ("refuse", "marginalize"):
        with pytest.raises(DataError, match=r"1.parquet, row group 0 has no column 'b'"):
            bayesgmm.fit(tmp_path / "hive", 1, columns=["a", "b"], missing=missing)
    assert bayesgmm.fit(tmp_path / "hive", 1, columns=["a", "c"]).n == 1200
    null = frame.assign(b=pd.array([None] * 400, dtype="Float64"))
    null.to_parquet(tmp_path / "hive" / "year=2021" / "1.parquet")
    found = bayesgmm.fit(tmp_path / "hive", 1, columns=["a", "b"], missing="marginalize")
    assert found.n == 1200
