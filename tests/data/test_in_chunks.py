"""Rows that are read in chunks: the same numbers wherever they come from, and clear errors."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.kernels.stored.rows import StoredRows
from bayesgmm.utils.errors import DataError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
dataset = pytest.importorskip("pyarrow.dataset")

N, D, ROWS = 150_000, 3, 70_000
CENTERS = np.array([[0, 0, 0], [5, 1, 0], [0, 6, 2.0]])


def made(seed=0, n=N):
    """Rows of three groups, in single precision."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, D)) + CENTERS[rng.integers(0, 3, n)]).astype(np.float32)


X = made()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The rows in files: chunks of 70 000 in all of them."""
    path = tmp_path_factory.mktemp("rows")
    np.save(path / "rows.npy", X)
    np.save(path / "fortran.npy", np.asfortranarray(X))
    np.save(path / "big-endian.npy", X.astype(">f4"))
    table = pa.table({name: X[:, j] for j, name in enumerate("abc")})
    os.mkdir(path / "parts")
    parquet.write_table(table[: 2 * ROWS], path / "parts" / "0.parquet", row_group_size=ROWS)
    parquet.write_table(table[2 * ROWS :], path / "parts" / "1.parquet")
    parquet.write_table(table, path / "whole.parquet", row_group_size=ROWS)
    return path


class Batches:
    """What gives the same blocks whenever it is iterated over."""

    def __iter__(self):
        for start in range(0, N, ROWS):
            yield pd.DataFrame(X[start : start + ROWS], columns=list("abc"))


def zarr_array(folder):
    zarr = pytest.importorskip("zarr")
    found = zarr.create_array(
        folder / "rows.zarr", shape=X.shape, chunks=(ROWS, 2), dtype="f4", overwrite=True
    )
    found[:] = X
    return found


def dask_array(folder):
    """Other chunks of columns than of rows, and tasks that all chunks share."""
    da = pytest.importorskip("dask.array")
    zero = da.zeros(N, chunks=1000).sum().astype("f4")
    return da.from_array(X, chunks=(ROWS, 2)) + zero


def dask_frame(folder):
    """Partitions of which one has no rows, and a column that is not read."""
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X, columns=list("abc")).assign(text="x")
    parts = [frame[:ROWS], frame[:0], frame[ROWS : 2 * ROWS], frame[2 * ROWS :]]
    frames = [dd.from_pandas(part, npartitions=1) for part in parts]
    return in_chunks(dd.concat(frames), columns=list("abc"))


def over_dask(folder):
    """A Dataset whose variables are Dask's."""
    xr = pytest.importorskip("xarray")
    columns = {name: ("row", X[:, j]) for j, name in enumerate("abc")}
    return xr.Dataset(columns).chunk(row=ROWS)


SOURCES = {
    "dask array": dask_array,
    "dask frame": dask_frame,
    "xarray over dask": over_dask,
    "memory": lambda folder: in_chunks(X, rows=ROWS),
    "blocks": lambda folder: in_chunks([X[i : i + ROWS] for i in range(0, N, ROWS)]),
    "function": lambda folder: in_chunks(lambda: iter(Batches())),
    "iterable": lambda folder: Batches(),
    "npy": lambda folder: in_chunks(str(folder / "rows.npy"), rows=ROWS),
    "npy, by column": lambda folder: in_chunks(folder / "fortran.npy", rows=ROWS),
    "npy, other bytes": lambda folder: in_chunks(folder / "big-endian.npy", rows=ROWS),
    "parquet file": lambda folder: folder / "whole.parquet",
    "parquet folder": lambda folder: str(folder / "parts"),
    "dataset": lambda folder: dataset.dataset(folder / "parts"),
    "zarr": lambda folder: in_chunks(zarr_array(folder), rows=ROWS),
}


@pytest.fixture(scope="module")
def reference():
    return bayesgmm.fit(in_chunks(X, rows=ROWS), 3, random_seed=0)


@pytest.mark.parametrize("kind", list(SOURCES))
def test_the_same_bits_from_everywhere(kind, folder, reference):
    """Memory, blocks, files and stores with the same chunks give one fit, to the last bit."""
    source = SOURCES[kind](folder)
    fit = bayesgmm.fit(source, 3, random_seed=0)
    assert fit.history == reference.history
    assert fit.entropy == reference.entropy
    assert fit.log_map == reference.log_map
    np.testing.assert_array_equal(fit.covariances, reference.covariances)
    np.testing.assert_array_equal(fit.fingerprint.moments, reference.fingerprint.moments)
    np.testing.assert_array_equal(fit.fingerprint.projections, reference.fingerprint.projections)
    np.testing.assert_array_equal(np.asarray(fit.score_samples(source)), reference.score_samples(X))


def test_starts_share_sweeps(monkeypatch, reference):
    """One reading of the rows serves all starts that go on with all of them; no bit changes."""
    served, sums = [], StoredRows.sums

    def counting(self, work, *of_rows):
        served.append(len(getattr(work, "passes", [])))
        return sums(self, work, *of_rows)

    monkeypatch.setattr(StoredRows, "sums", counting)
    assert bayesgmm.fit(in_chunks(X, rows=ROWS), 3, random_seed=0).history == reference.history
    assert max(served) == 5 and sum(served) > 2 * len(served)


def test_the_same_numbers_as_in_memory(reference):
    """Chunks change the order of additions alone."""
    fit = bayesgmm.fit(X, 3, random_seed=0)
    assert reference.loglik == pytest.approx(fit.loglik, rel=1e-13)
    np.testing.assert_allclose(reference.means, fit.means, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(reference.predict(in_chunks(X, rows=999)), fit.predict(X))
    np.testing.assert_allclose(
        reference.predict_proba(in_chunks(X, rows=999)), fit.predict_proba(X), atol=1e-12
    )
    assert "made and screened on 13107 rows drawn from all" in reference.advice
    assert not bayesgmm.data.same_data.difference(fit.fingerprint, reference.fingerprint, "", "")


def test_threads_change_no_bit(monkeypatch):
    """Chunks are finished in any order and summed in theirs."""
    histories = set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("BAYESGMM_NUM_THREADS", threads)
        data = in_chunks(X[:5000], rows=377)
        histories.add(bayesgmm.fit(data, 3, random_seed=0, n_init=2).history)
    assert len(histories) == 1


@pytest.mark.parametrize(("family", "rows"), [("VVV", 1), ("VVI", 77), ("EEE", 150)])
def test_weights_and_forms(family, rows):
    """A chunk of one row, weights, and components so narrow that the pass takes its other form."""
    x = bayesgmm.datasets.load_iris(features_only=True)
    weights = np.random.default_rng(rows).uniform(0, 2, 150) * (np.arange(150) % 7 > 0)
    chunked = in_chunks(x, rows=rows, sample_weight=weights)
    start = np.repeat([0, 1, 2], 50)
    fit = bayesgmm.fit(chunked, 3, family, start=start, max_iter=30)
    whole = bayesgmm.fit(x, 3, family, start=start, max_iter=30, sample_weight=weights)
    assert fit.loglik == pytest.approx(whole.loglik, rel=1e-11)
    np.testing.assert_allclose(fit.means, whole.means, rtol=1e-7)
    far = bayesgmm.fit(in_chunks(x * [1, 1, 1, 1e-6] + 1e3, rows=rows), 3, family, start=start)
    also = bayesgmm.fit(x * [1, 1, 1, 1e-6] + 1e3, 3, family, start=start)
    assert far.loglik == pytest.approx(also.loglik, rel=1e-9)


def test_parameters_far_from_the_rows():
    """Means a hundred million deviations away are no sign of other rows."""
    from bayesgmm.kernels.e_step.contract import Parameters
    from bayesgmm.kernels.e_step.e_step import expected_statistics

    data, whole = in_chunks(X[:1000], rows=300), as_data(X[:1000])
    for far in (1e3, 1e8):
        at = Parameters(np.full(2, 0.5), far * np.eye(3)[:2], np.array([np.eye(3)] * 2))
        loglik, expected = (expected_statistics(rows, at)[0] for rows in (data, whole))
        np.testing.assert_allclose(loglik, expected, rtol=1e-12)


def test_summary_of_chunks(rng):
    """Centre, spread and range as of the whole, also far from zero."""
    for offset in (0.0, 1e8):
        x = rng.standard_normal((1000, 3)) * [1, 1e-2, 1e3] + offset
        chunked, whole = in_chunks(x, rows=37), as_data(x)
        np.testing.assert_allclose(chunked.center, whole.center, rtol=1e-14, atol=1e-10)
        # The chunks' means are rounded, at 1e8 to a millionth of the smallest spread.
        np.testing.assert_allclose(chunked.sd, whole.sd, rtol=1e-6 if offset else 1e-12)
        np.testing.assert_array_equal(chunked.low, whole.low)
        np.testing.assert_array_equal(chunked.high, whole.high)


def test_columns_and_filters(folder):
    """Columns are chosen by name and others not read; filters leave rows out."""
    some = in_chunks(folder / "parts", columns=["c", "a"], filters=[("b", ">", 3.0)])
    expected = X[X[:, 1] > 3.0][:, [2, 0]]
    assert some.names == ("c", "a")
    order = np.array([40_000, 3, -1, 5, 3])
    np.testing.assert_array_equal(some.values[order], expected[order])
    np.testing.assert_array_equal(np.asarray(some.values), expected)
    np.testing.assert_array_equal(some.values[[3, 5, 40_000]], expected[[3, 5, 40_000]])
    np.testing.assert_array_equal(some.values[10:20], expected[10:20])
    fit = bayesgmm.fit(expected, 2, random_seed=0)
    chosen = bayesgmm.fit(some, 2, random_seed=0)
    assert chosen.loglik == pytest.approx(fit.loglik, rel=1e-12)
    np.testing.assert_array_equal(chosen.predict(folder / "parts"), fit.predict(X[:, [2, 0]]))
    table = pa.table({"a": X[:, 0], "year": np.arange(N) % 3 + 2000})
    dataset.write_dataset(
        table, folder / "hive", format="parquet", partitioning=["year"], partitioning_flavor="hive"
    )
    of_year = in_chunks(folder / "hive", columns=["a"], filters=[("year", "=", 2001)])
    found = np.asarray(of_year.values)[:, 0]
    np.testing.assert_array_equal(np.sort(found), np.sort(X[1::3, 0]))  # written by threads
    with pytest.raises(DataError, match="filters are for Parquet"):
        in_chunks(X, filters=[("b", ">", 3.0)])
    with pytest.raises(DataError, match="no column 'd'"):
        bayesgmm.fit(folder / "parts", 2, columns=["d"])


def test_memory_maps(folder, monkeypatch, reference):
    """A large one is read as the file it is, a small one is an array like others."""
    mapped = np.load(folder / "rows.npy", mmap_mode="r")
    assert np.shares_memory(as_data(mapped).values, mapped)
    monkeypatch.setattr("bayesgmm.data.sources.sources._LARGE", 1000)
    chunked = in_chunks(mapped, rows=ROWS)
    assert bayesgmm.fit(chunked, 3, random_seed=0).history == reference.history
    assert np.shares_memory(as_data(mapped[5:]).values, mapped)  # a part is no whole file


def test_estimators_and_standard_errors(folder, reference):
    """scikit-learn's interface, standard errors and a grid take what `fit` takes."""
    model = bayesgmm.GaussianMixture(3, random_state=0).fit(folder / "rows.npy")
    np.testing.assert_array_equal(
        model.predict(folder / "rows.npy"),
        bayesgmm.GaussianMixture(3, random_state=0).fit_predict(X),
    )
    assert model.n_features_in_ == D
    some = X[:4000]
    fit = bayesgmm.fit(some, 3, "VVI", random_seed=0)
    errors = bayesgmm.standard_errors(in_chunks(some, rows=900), fit, method="information")
    whole = bayesgmm.standard_errors(some, fit, method="information")
    np.testing.assert_allclose(errors.means, whole.means, rtol=1e-6)
    weights = np.random.default_rng(0).integers(1, 4, len(some))
    fit = bayesgmm.fit(some, 3, "VVI", random_seed=0, sample_weight=weights)
    for meaning in ("counts", "pseudo"):
        errors, whole = (
            bayesgmm.standard_errors(
                data, fit, method="sandwich", weights=meaning, sample_weight=weights
            )
            for data in (in_chunks(some, rows=900), some)
        )
        np.testing.assert_allclose(errors.means, whole.means, rtol=1e-6)
    grid = bayesgmm.select(in_chunks(some, rows=900), [1, 3], ["VVI", "EII"], random_seed=0)
    same = bayesgmm.select(some, [1, 3], ["VVI", "EII"], random_seed=0)
    assert grid.best.loglik == pytest.approx(same.best.loglik, rel=1e-9)


def test_pickled_rows_are_read_again(folder, reference):
    """What is sent to another process is the place, not the rows."""
    data = in_chunks(folder / "rows.npy", rows=ROWS)
    sent = pickle.dumps(data)
    assert len(sent) < 10_000
    assert bayesgmm.fit(pickle.loads(sent), 3, random_seed=0).history == reference.history


def bad_npy(folder, value):
    x = X.copy()
    x[140_123, 1] = value
    np.save(folder / "bad.npy", x)
    return folder / "bad.npy"


def test_values_that_are_none(tmp_path):
    """A message names column, row and chunk."""
    with pytest.raises(DataError, match=r"'x1' holds a missing value in row 140123 .*bad.npy"):
        bayesgmm.fit(bad_npy(tmp_path, np.nan), 2)
    with pytest.raises(DataError, match=r"'x1' holds an infinite value in row 140123"):
        bayesgmm.fit(bad_npy(tmp_path, np.inf), 2)
    frame = pd.DataFrame({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 4.0]})
    frame.to_parquet(tmp_path / "null.parquet")
    with pytest.raises(DataError, match=r"'a' holds a missing value in row 1 .*null.parquet"):
        bayesgmm.fit(tmp_path / "null.parquet", 1)
    frame.assign(a="text").to_parquet(tmp_path / "text.parquet")
    with pytest.raises(DataError, match="'a' holds .*string, not numbers"):
        bayesgmm.fit(tmp_path / "text.parquet", 1)
    assert bayesgmm.fit(tmp_path / "text.parquet", 1, columns=["b"]).names == ("b",)


def test_damaged_files(folder, tmp_path):
    """A damaged row group and a file that ends early are named."""
    table, path = (
        pa.table({name: X[:, j] for j, name in enumerate("abc")}),
        tmp_path / "bad.parquet",
    )
    parquet.write_table(table, path, row_group_size=ROWS, write_page_checksum=True)
    column = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    whole = bytearray(path.read_bytes())
    # in the header of a page, and one bit among the values, which only a checksum shows
    for at in (column.data_page_offset, column.data_page_offset + 5000):
        content = whole.copy()
        content[at : at + 20] = bytes(byte ^ 1 for byte in content[at : at + 20])
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"bad.parquet, row group 1 cannot be read"):
            bayesgmm.fit(path, 2)
    short = (folder / "rows.npy").read_bytes()[:-1000]
    (tmp_path / "short.npy").write_bytes(short)
    with pytest.raises(DataError, match=r"short.npy, rows .* cannot be read"):
        bayesgmm.fit(tmp_path / "short.npy", 2)
    (tmp_path / "no.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"no.npy is not a .npy file"):
        bayesgmm.fit(tmp_path / "no.npy", 2)
    with pytest.raises(DataError, match="there is no"):
        bayesgmm.fit(tmp_path / "none.npy", 2)
    np.save(tmp_path / "text.npy", np.array(["a", "b"]))
    with pytest.raises(DataError, match="not real numbers"):
        bayesgmm.fit(tmp_path / "text.npy", 2)


def test_data_that_change(tmp_path):
    """A file that was written again, and blocks that are others, are noticed."""
    path = tmp_path / "rows.npy"
    np.save(path, X)
    data = as_data(path)
    np.save(path, X[::-1])
    with pytest.raises(DataError, match=r"rows.npy has changed since it was opened"):
        bayesgmm.fit(data, 2)
    seed = iter(range(100))

    def others():
        yield made(next(seed), 1000)

    with pytest.raises(DataError, match="block 0 .* holds other values"):
        bayesgmm.fit(in_chunks(others), 2)
    size = iter(range(1000, 100, -1))

    def shorter():
        yield X[: next(size)]

    with pytest.raises(DataError, match="block 0 .* has 999 x 3 numbers, and had 1000 x 3"):
        bayesgmm.fit(in_chunks(shorter), 2)
    number = iter([2, 1, 1])

    def fewer():
        yield from [X[:100]] * next(number)

    with pytest.raises(DataError, match="there were 2 chunks"):
        bayesgmm.fit(in_chunks(fewer), 2)
    with pytest.raises(DataError, match="gives them once"):
        in_chunks(iter([X]))


def test_one_value_of_many_that_changes(tmp_path):
    """A value in one of 75 000 rows, changed by a tenth of a standard deviation, is noticed."""
    blocks = [X[:75_000].copy(), X[75_000:].copy()]
    data = in_chunks(blocks)
    assert bayesgmm.fit(data, 2, random_seed=0, max_iter=1).n == N
    blocks[1][1234, 2] += 0.1
    with pytest.raises(DataError, match="block 1 .* holds other values"):
        bayesgmm.fit(data, 2, random_seed=0, max_iter=1)


def test_what_would_not_fit_in_memory(monkeypatch):
    """All rows at once are refused before they are read, with what to do."""
    monkeypatch.setattr("bayesgmm.kernels.stored.rows._MEMORY", 1000)
    with pytest.raises(DataError, match="150000 rows of 3 columns in memory.*sample"):
        np.asarray(in_chunks(X, rows=ROWS).values)


def test_answers_about_dask_collections_wait(reference):
    """They are Dask arrays with the rows' chunks, and the numbers of rows in memory."""
    da, dd = pytest.importorskip("dask.array"), pytest.importorskip("dask.dataframe")
    xr = pytest.importorskip("xarray")
    x, some = X[:500], pd.DataFrame(X[:500], columns=list("bac")).assign(text="x")
    named = bayesgmm.fit(some[list("abc")], 3, random_seed=0)
    lazy = reference.predict_proba(X=da.from_array(x, chunks=(200, 1)))
    assert lazy.chunks == ((200, 200, 100), (3,))
    np.testing.assert_array_equal(lazy, reference.predict_proba(x))
    labels = named.predict(dd.from_pandas(some, npartitions=3))
    np.testing.assert_array_equal(labels.compute(), named.predict(some))
    columns = {name: ("row", some[name]) for name in "abc"}
    found = named.score_samples(xr.Dataset(columns).chunk(row=200))
    np.testing.assert_array_equal(found.compute(), named.score_samples(some))
    merged = bayesgmm.merge(some, named)
    np.testing.assert_array_equal(
        merged.predict(dd.from_pandas(some, npartitions=2), n_clusters=2).compute(),
        merged.predict(some, n_clusters=2),
    )
    model = bayesgmm.GaussianMixture(2, random_state=0)
    array = da.from_array(x, chunks=200)
    np.testing.assert_array_equal(model.fit_predict(array).compute(), model.predict(x))
    assert model.bic(array) == pytest.approx(model.bic(x))
    with pytest.raises(DataError, match="the rows have 2 columns"):
        reference.predict(array[:, :2])


def test_errors_name_the_chunk_of_a_dask_collection():
    """Values that are missing, text, other numbers of dimensions, other collections."""
    da, dd = pytest.importorskip("dask.array"), pytest.importorskip("dask.dataframe")
    dask = pytest.importorskip("dask")
    x = X[:500].copy()
    x[321, 1] = np.nan
    with pytest.raises(DataError, match=r"row 321 \(block 3 of the Dask collection \(rows 300 to"):
        in_chunks(da.from_array(x, chunks=100))
    frame = pd.DataFrame({"a": X[:9, 0], "b": X[:9, 1]})
    text = dd.from_pandas(frame, npartitions=3).map_partitions(
        lambda part: part.assign(b="x") if 4 in part.index else part, meta=frame[:0]
    )
    with pytest.raises(DataError, match=r"partition 1 of the Dask .*: column 'b' holds str values"):
        in_chunks(text)
    with pytest.raises(DataError, match="holds <U1|not real numbers"):
        in_chunks(da.from_array(np.array([["a"]])))
    with pytest.raises(DataError, match="3 dimensions"):
        in_chunks(da.zeros((2, 2, 2)))
    with pytest.raises(DataError, match=r"dask.array.from_delayed"):
        in_chunks(dask.delayed(lambda: x)())
    with pytest.raises(DataError, match="no rows"):
        in_chunks(da.zeros((0, 2)))
