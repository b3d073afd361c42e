"""The border: good tables give the same numbers, bad ones a message with the cure."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from scipy import sparse

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.mixture.prior import Prior
from bayesgmm.utils.errors import DataError

X = bayesgmm.datasets.load_iris(features_only=True)
VALUES = X.to_numpy()


def nullable(frame):
    return frame.astype("Float64")


GOOD = {
    "array": VALUES,
    "fortran": np.asfortranarray(VALUES),
    "big-endian": VALUES.astype(">f8"),
    "list": VALUES.tolist(),
    "pandas": X,
    "pandas nullable": nullable(X),
    "polars": pl.from_pandas(X),
    "pyarrow": pa.Table.from_pandas(X),
    "xarray array": xr.DataArray(
        VALUES, dims=("row", "column"), coords={"column": list(X.columns)}
    ),
    "xarray dataset": xr.Dataset({c: ("row", X[c].to_numpy()) for c in X.columns}),
}
NAMED = {"pandas", "pandas nullable", "polars", "pyarrow", "xarray array", "xarray dataset"}


@pytest.mark.parametrize("kind", list(GOOD))
def test_any_table_gives_the_same_fit(kind):
    """Whatever the container, the numbers and the names are the same."""
    labels = np.repeat([0, 1, 2], 50)
    fit = bayesgmm.fit(GOOD[kind], 3, "VVI", start=labels)
    assert fit.loglik == pytest.approx(
        bayesgmm.fit(VALUES, 3, "VVI", start=labels).loglik, rel=1e-13
    )
    assert list(fit.names) == (list(X.columns) if kind in NAMED else ["x0", "x1", "x2", "x3"])
    np.testing.assert_allclose(fit.predict_proba(GOOD[kind]), fit.predict_proba(VALUES), atol=1e-12)


@pytest.mark.parametrize(
    "column",
    [
        X["sepal_length"] if "sepal_length" in X else X.iloc[:, 0],
        VALUES[:, 0],
        VALUES[:, 0].tolist(),
        pl.Series("a", VALUES[:, 0]),
        xr.DataArray(VALUES[:, 0], dims="row", name="a"),
    ],
    ids=["pandas", "array", "list", "polars", "xarray"],
)
def test_one_column(column):
    """A one-dimensional input is one column."""
    assert as_data(column).values.shape == (150, 1)


def test_whole_numbers_and_booleans_count_as_numbers():
    """Integers of any width and booleans become doubles."""
    frame = pd.DataFrame({"a": [1, 2, 3, 5], "b": [True, False, True, True]})
    for table in (frame, pl.from_pandas(frame), frame.astype("Int64"), frame.to_numpy(dtype=int)):
        data = as_data(table)
        assert data.values.dtype == np.float64
        assert data.values.tolist() == [[1, 1], [2, 0], [3, 1], [5, 1]]


def test_the_caller_s_array_is_neither_copied_nor_changed():
    """Doubles and singles are read where they lie, also after a fit."""
    for dtype in (np.float64, np.float32):
        x = VALUES.astype(dtype)
        before = x.copy()
        assert as_data(x).values is x
        bayesgmm.fit(x, 2, random_seed=0, n_init=1)
        np.testing.assert_array_equal(x, before)


def test_columns_are_chosen_by_name():
    """columns= picks and orders; text in the others does not matter."""
    penguins = bayesgmm.datasets.load_penguins()
    data = as_data(penguins, ["body_mass_g", "bill_length_mm"])
    assert data.names == ("body_mass_g", "bill_length_mm")
    assert as_data(data, ["bill_length_mm"]).values[3, 0] == penguins["bill_length_mm"][3]


def test_summary_is_numpy_s(rng):
    """Centre, spread and range, also far from zero."""
    for offset in (0.0, 1e8, -1e10):
        x = rng.standard_normal((1000, 3)) * [1, 1e-2, 1e3] + offset
        data = as_data(x)
        # x.mean() itself rounds: by 1e-16 of the offset, and of the spread
        np.testing.assert_allclose(data.center, x.mean(axis=0), rtol=1e-14, atol=1e-10)
        np.testing.assert_allclose(data.sd, (x - x.mean(axis=0)).std(axis=0), rtol=1e-9)
        assert np.all(np.log2(data.scale) % 1 == 0)
        assert np.all((data.scale / data.sd > 0.7) & (data.scale / data.sd < 1.42))


BAD = {
    "nan": (np.array([[1, np.nan], [2, 3]]), r"'x1' has 1 missing value .* row 0.*dropna"),
    "None": (pd.DataFrame({"a": [1, 2, 3.0], "b": [None, 2, None]}), "'b' has 2 missing values"),
    "null": (pl.DataFrame({"a": [1, 2, None]}), "'a' has 1 missing value"),
    "NA": (pd.DataFrame({"a": [1, 2, pd.NA]}, dtype="Int64"), "'a' has 1 missing value"),
    "infinity": ([[1.0, 2], [3, -np.inf]], r"'x1' holds an infinite value \(-inf in row 1\)"),
    "text": (
        pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}),
        "'b' holds str values .*'u' in row 0.*columns=",
    ),
    "text array": (np.array([["1", "2"], ["3", "4"]]), "'x0' holds str"),
    "mixed": (pd.DataFrame({"a": [1, "x"]}), r"'a' holds str values \('x' in row 1\)"),
    "dates": (pd.DataFrame({"t": [datetime.date(2020, 1, 1)] * 2}), "'t' holds date values"),
    "times": (pd.DataFrame({"t": pd.to_datetime(["2020", "2021"])}), "'t' holds"),
    "complex": (np.ones((3, 2)) * 1j, "complex"),
    "sparse": (sparse.eye(3).tocsr(), "toarray"),
    "empty rows": (np.empty((0, 2)), "empty"),
    "empty columns": (pd.DataFrame(index=range(3)), "empty"),
    "ragged": ([[1, 2], [3]], "equal lengths"),
    "three dimensions": (np.ones((2, 2, 2)), "3 dimensions"),
    "number": (3.0, "the data are a float: pass rows by columns"),
    "None at all": (None, "NoneType"),
    "path": ("data.csv", "names no file that is read in chunks"),
    "lazy": (pl.LazyFrame({"a": [1, 2]}), "collect"),
    "one row": ([[1.0, 2.0]], "1 row"),
    "constant": (
        np.column_stack([VALUES[:, 0], np.full(150, 7.0)]),
        "'x1' is constant .7 in all 150 rows.*drop",
    ),
    "same names": (pd.DataFrame(VALUES[:, :2], columns=["a", "a"]), "two columns are named 'a'"),
    "offset": (
        1e16 + 2 * (VALUES[:, :1] > 5),
        "too little for double precision.*subtract an offset",
    ),
    "overflow": (VALUES * 1e120, "overflows.*larger unit"),
    "underflow": (VALUES * 1e-120, "underflows.*smaller unit"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_bad_tables_are_refused_with_the_cure(kind):
    """The message names the column, the value or row, and what to do."""
    x, message = BAD[kind]
    with pytest.raises(DataError, match=message):
        bayesgmm.fit(x, 1)


@pytest.mark.parametrize("family", ["EEE", "VVV"])
def test_dependent_columns(family):
    """Duplicate and dependent columns are named; diagonal families and priors take them."""
    double = np.column_stack([VALUES[:, :2], VALUES[:, 0]])
    with pytest.raises(DataError, match="'x0' and 'x2' carry the same information"):
        bayesgmm.fit(double, 2, family)
    affine = np.column_stack([VALUES[:, :2], 1e6 - 1e-3 * VALUES[:, 1]])
    with pytest.raises(DataError, match="'x1' and 'x2'"):
        bayesgmm.fit(affine, 2, family)
    combined = np.column_stack([VALUES[:, :2], VALUES[:, 0] + 2 * VALUES[:, 1]])
    with pytest.raises(DataError, match="linearly dependent"):
        bayesgmm.fit(combined, 2, family)
    assert bayesgmm.fit(double, 2, "VVI", random_seed=0).converged
    assert bayesgmm.fit(double, 2, family, prior=Prior.from_data(double), random_seed=0).converged


def test_fewer_rows_than_columns():
    """Full families need more rows than columns; diagonal ones and priors do not."""
    x = np.random.default_rng(0).normal(size=(6, 8))
    with pytest.raises(DataError, match="6 rows cannot determine a covariance of 8 columns"):
        bayesgmm.fit(x, 1)
    assert np.isfinite(bayesgmm.fit(x, 1, "VVI").loglik)
    assert np.isfinite(bayesgmm.fit(x, 2, prior=Prior.from_data(x), random_seed=0).loglik)


def test_fewer_distinct_rows_than_components():
    """Ties do not count; the message says how many components are possible."""
    x = np.repeat([[0.0, 1], [2, 3], [5, 9]], 20, axis=0)
    for k in (3, 4, 10):
        with pytest.raises(DataError, match=f"3 distinct rows .* n_components = {k}: .* at most 2"):
            bayesgmm.fit(x, k, "EII")
    assert as_data(x).distinct_rows(3) == 3
    assert as_data(x).distinct_rows(4) == 3
    assert as_data(np.array([[0.0], [-0.0], [1.0]])).distinct_rows(2) == 2
    assert as_data(np.array([[0.0], [-0.0], [1.0]])).distinct_rows(3) == 2


def test_new_rows_are_matched_by_name():
    """Another order or more columns are fine, missing or renamed ones are not."""
    fit = bayesgmm.fit(X, 2, "VVI", random_seed=0)
    expected = fit.predict_proba(VALUES)
    np.testing.assert_array_equal(fit.predict_proba(X[X.columns[::-1]]), expected)
    np.testing.assert_array_equal(fit.predict_proba(X.assign(text="a")), expected)
    with pytest.raises(DataError, match="the fit has 4"):
        fit.predict(VALUES[:, :3])
    with pytest.raises(DataError, match="pass the same columns"):
        fit.predict(X.rename(columns={X.columns[0]: "other"}))
    with pytest.raises(DataError, match="missing value"):
        fit.predict(X.assign(**{X.columns[1]: np.nan}))
    assert fit.predict(VALUES[0]).shape == (1,)  # one row
    assert fit.predict(np.repeat(VALUES[:1], 3, axis=0)).shape == (
        3,
    )  # constant rows are fine here


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [1, 3, 7, 20, 100])
def test_blocks_are_the_rows_in_order(rng, weighted, size):
    """Each row once, with its weight, in blocks that keep the bound; the last one may be short."""
    x = rng.normal(size=(20, 2))
    data = as_data(x, sample_weight=rng.integers(1, 9, 20) if weighted else None)
    blocks = list(data.blocks(5, at_most=5 * size + 4))
    assert [block.n for _, block in blocks[:-1]] == [size] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate([block.values for _, block in blocks]), x)
    for rows, block in blocks:
        np.testing.assert_array_equal(block.values, x[rows])
        np.testing.assert_array_equal(block.center, data.center)
        if weighted:
            np.testing.assert_array_equal(block.weights, data.weights[rows])
    assert all(block.n == 1 for _, block in data.blocks(5, at_most=2))  # never less than a row
