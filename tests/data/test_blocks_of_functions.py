"""Blocks that a function makes anew for each pass, and Datasets over Dask: odd ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.utils.errors import DataError

N, ROWS = 1200, 200


@pytest.fixture(scope="module")
def x():
    """Rows whose blocks are not alike."""
    rng = np.random.default_rng(7)
    return rng.normal(size=(N, 2)) + np.where(np.arange(N)[:, None] < 500, 0.0, 3.0)


def path_of(data):
    return bayesgmm.fit(data, 2, "VVI", random_seed=3, n_init=2).history


def test_one_array_that_is_filled_anew(x):
    """The block that is summed is not the one that has been read ahead since."""

    def filled():
        block = np.empty((ROWS, 2))
        for start in range(0, N, ROWS):
            block[:] = x[start : start + ROWS]
            yield block

    assert path_of(in_chunks(filled)) == path_of(in_chunks(x, rows=ROWS))


@pytest.mark.parametrize(
    "table", [np.asarray, pd.DataFrame, lambda x: None], ids=["array", "frame", "nothing"]
)
def test_a_function_that_gives_no_blocks(x, table):
    """The rows of an array, or the names of a table, are no blocks of one column."""
    with pytest.raises(DataError, match="the function gives a .*, not blocks of rows"):
        in_chunks(lambda: table(x))


@pytest.mark.parametrize("more", [0, 5])
def test_more_blocks_than_before(x, more):
    """Rows that are added later are not left out without a word; blocks without rows are none."""
    times = []

    def growing():
        times.append(1)
        yield from np.split(x, N // ROWS)
        if len(times) > 2:
            yield x[:more]

    data = in_chunks(growing)
    if not more:
        assert path_of(data) == path_of(in_chunks(x, rows=ROWS))
        return
    with pytest.raises(DataError, match="more than the 6 blocks with rows"):
        path_of(data)


def test_datasets_over_dask(x):
    """Columns that hold no numbers can be classes or left out, and are named otherwise."""
    da, xr = (pytest.importorskip(module) for module in ("dask.array", "xarray"))
    known = np.full(N, None, dtype=object)
    known[[3, 700]] = ["low", "high"]
    day = np.full(N, np.datetime64("2020-01-01", "ns"))
    of = {"a": x[:, 0], "b": x[:, 1], "kind": known, "day": day}
    rows = xr.Dataset({name: ("row", da.from_array(v, chunks=ROWS)) for name, v in of.items()})
    expected = bayesgmm.fit(in_chunks(x, rows=ROWS), 2, random_seed=3, labels=list(known))
    fit = bayesgmm.fit(rows, 2, random_seed=3, columns=["a", "b"], labels="kind")
    assert fit.history == expected.history
    assert bayesgmm.fit(rows.drop_vars("day"), 2, random_seed=3, labels="kind").names == ("a", "b")
    np.testing.assert_array_equal(fit.predict(rows).compute(), expected.predict(x))
    with pytest.raises(DataError, match=r"column 'day' holds datetime64\[ns\], not numbers"):
        bayesgmm.fit(rows.drop_vars("kind"), 2)
    one = bayesgmm.fit(xr.DataArray(da.from_array(x[:, 0], chunks=ROWS), dims="row"), 2)
    assert one.names == ("x0",)


def test_numbers_beyond_measure_have_a_place(tmp_path):
    """As a damaged file has them where nothing else tells: file, row group and row."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(1)
    for part in range(3):
        frame = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"])
        if part == 1:
            frame.loc[321, "b"] = -1.19e103
        frame.to_parquet(tmp_path / f"{part}.parquet", row_group_size=100, index=False)
    with pytest.raises(DataError, match=r"'b' reaches 1.19e\+103 .*row 721 \(.*1.parquet.*3.*\)"):
        in_chunks(tmp_path)
    with pytest.raises(DataError, match=r"'b' reaches 1.19e\+103, whose"):
        bayesgmm.fit(pd.read_parquet(tmp_path), 2)
