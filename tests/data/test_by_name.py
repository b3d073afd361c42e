"""Weights and labels by the names of columns, from every kind of table that has names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import bayesgmm
from bayesgmm import DataError, in_chunks
from bayesgmm.data.by_name import by_name
from bayesgmm.data.data import as_data

pa = pytest.importorskip("pyarrow")
dd = pytest.importorskip("dask.dataframe")

N = 60
X = np.random.default_rng(0).normal(size=(N, 2)) + 4.0 * (np.arange(N)[:, None] % 2)
KIND = np.array(["even", "odd"], dtype=object)[np.arange(N) % 2]
KIND[::5] = None
TIMES = np.arange(N) % 3 + 1
FRAME = pd.DataFrame({"kind": KIND, "a": X[:, 0], "times": TIMES, "b": X[:, 1]})


class Blocks:
    """Gives the same tables whenever it is iterated over, one of them without rows."""

    def __iter__(self):
        """The blocks."""
        return iter([FRAME[:20], FRAME[:0], FRAME[20:]])


def folder(path):
    """Files of which one has no rows, and one has its columns in another order."""
    parts = FRAME[:20], FRAME[:0], FRAME[20:][["b", "kind", "times", "a"]]
    for number, part in enumerate(parts):
        part.to_parquet(path / f"{number}.parquet", index=False, row_group_size=7)
    return path


def dataset(path):
    """Variables of texts are objects there."""
    return xr.Dataset({name: ("row", FRAME[name].to_numpy(object)) for name in ["kind"]} | {
        name: ("row", FRAME[name].to_numpy()) for name in ["a", "times", "b"]
    })  # fmt: skip


TABLES = {
    "pandas": lambda _: FRAME,
    "polars": lambda _: pl.from_pandas(FRAME),
    "pyarrow": lambda _: pa.table(FRAME),
    "xarray": dataset,
    "folder": folder,
    "dataset": lambda path: pytest.importorskip("pyarrow.dataset").dataset(folder(path)),
    "checked": lambda path: in_chunks(folder(path), columns=["a", "b"]),
    "blocks": lambda _: Blocks(),
    "dask": lambda _: dd.from_pandas(FRAME, npartitions=3),
}


@pytest.mark.parametrize("kind", TABLES)
def test_columns_by_name(kind, tmp_path):
    """They are the columns themselves, and none of the data."""
    table = TABLES[kind](tmp_path)
    columns, weights, labels = by_name(table, None, "times", "kind")
    np.testing.assert_array_equal(weights, TIMES)
    assert [None if pd.isna(v) else v for v in labels] == KIND.tolist()
    assert sorted(columns) == ["a", "b"]
    data = as_data(table, columns, weights)
    np.testing.assert_array_equal(np.asarray(data.values)[:, data.names.index("b")], X[:, 1])
    with pytest.raises(DataError, match=r"no column 'kinds' \(did you mean 'kind'\?\).* labels"):
        by_name(table, None, None, "kinds")
    with pytest.raises(DataError, match="'kind' is the column of labels, which are not data"):
        by_name(table, ["a", "kind"], None, "kind")


def test_verbs(tmp_path):
    """Fits, grids and standard errors with columns by name are those with the columns."""
    table = folder(tmp_path)
    expected = bayesgmm.fit(FRAME[["a", "b"]], 2, "EEE", random_seed=0, labels=KIND)
    fit = bayesgmm.fit(table, 2, "EEE", random_seed=0, columns=["a", "b"], labels="kind")
    assert fit.loglik == pytest.approx(expected.loglik, rel=1e-7)
    assert list(fit.predict(table)) == list(expected.predict(FRAME))
    grid = bayesgmm.select(
        table, 2, "EEE", random_seed=0, columns=["b", "a"], labels="kind", progressbar=False
    )
    assert grid.best.loglik == pytest.approx(expected.loglik, rel=1e-7)
    weighted = bayesgmm.fit(
        FRAME[["a", "b"]], 2, "EEE", random_seed=0, sample_weight=FRAME["times"]
    )
    found = bayesgmm.fit(table, 2, "EEE", random_seed=0, columns=["a", "b"], sample_weight="times")
    assert found.loglik == pytest.approx(weighted.loglik, rel=1e-7)
    errors = bayesgmm.standard_errors(table, found, "information", sample_weight="times")
    again = bayesgmm.standard_errors(FRAME, weighted, "information", sample_weight=FRAME["times"])
    np.testing.assert_allclose(errors.means, again.means, rtol=1e-3)


def test_what_has_no_names(tmp_path):
    """Arrays, their files, and rows that have been checked are told what to pass."""
    np.save(tmp_path / "rows.npy", X)
    for rows in (X, tmp_path / "rows.npy", X.tolist()):
        with pytest.raises(DataError, match="labels='kind' names a column, and those of the data"):
            bayesgmm.fit(rows, 2, labels="kind")
    for rows in (as_data(FRAME[["a", "b"]]), in_chunks([FRAME[["a", "b"]]])):
        with pytest.raises(DataError, match="pass the table itself"):
            bayesgmm.fit(rows, 2, sample_weight="times")


def test_a_file_without_the_column(tmp_path):
    """Its rows are not rows without a class: file and column are named."""
    folder(tmp_path)
    FRAME.drop(columns="kind").to_parquet(tmp_path / "3.parquet", index=False)
    for table in (tmp_path, in_chunks(tmp_path, columns=["a", "b"])):
        with pytest.raises(DataError, match=r"3.parquet.* has no column 'kind', which other files"):
            bayesgmm.fit(table, 2, columns=["a", "b"], labels="kind")


def test_filters_hold_for_classes_too(tmp_path):
    """Classes are those of the rows that pass; a column that folders stand for can be one."""
    for kind, rows in FRAME.drop(columns="kind").groupby(FRAME["times"]):
        (tmp_path / f"site={kind}x").mkdir()
        rows.to_parquet(tmp_path / f"site={kind}x" / "0.parquet", index=False)
    some = in_chunks(tmp_path, columns=["a", "b"], filters=[("a", ">", 2.0)])
    _, times, sites = by_name(some, None, "times", "site")
    assert len(times) == some.n == np.sum(X[:, 0] > 2)
    assert [f"{time}x" for time in times] == list(sites)
