"""Folders of Parquet files that do not agree with each other, and what else lies in folders."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm import DataError, in_chunks
from bayesgmm.data.data import as_data

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=list("abc"))


def written(folder, *parts):
    """A folder with these tables, one a file."""
    folder.mkdir()
    for number, part in enumerate(parts):
        table = part if isinstance(part, pa.Table) else pa.Table.from_pandas(part)
        parquet.write_table(table, folder / f"{number}.parquet")
    return folder


def values(path, **options):
    """All numbers of a folder."""
    return np.asarray(in_chunks(path, **options).values)


def test_types_of_numbers_differ(tmp_path):
    """Numbers are read in a type that holds those of all files, whichever comes first."""
    x = FRAME.to_numpy()
    first = FRAME[:30]
    others = {
        "single": first.astype("f4"),
        "whole": first.round().astype(int),
        "truth": first > 0,
        "half": first.astype("f2"),
    }
    for name, part in others.items():
        for order, parts in enumerate([(part, FRAME[30:]), (FRAME[30:], part)]):
            found = values(written(tmp_path / f"{name}-{order}", *parts))
            expected = [part.to_numpy().astype(float), x[30:]]
            np.testing.assert_array_equal(found, np.vstack(expected[:: 1 - 2 * order]))
            assert found.dtype == np.float64
    halves = values(written(tmp_path / "halves", first.astype("f2"), first.astype("f4")))
    assert halves.dtype == np.float32


def test_decimal_numbers(tmp_path):
    """They are numbers, as in memory, but for the last bit."""
    frame = FRAME.assign(b=[Decimal(f"{v:.2f}") for v in FRAME["b"]])
    expected = as_data(frame)
    found = as_data(written(tmp_path / "decimal", frame))
    np.testing.assert_allclose(np.asarray(found.values), expected.values, rtol=5e-16)


def test_nothing_but_nulls_in_a_file(tmp_path):
    """A file whose column has no value has no type for it either; any may be the first."""
    nulls = pa.table({"a": FRAME["a"][:30], "b": pa.nulls(30), "c": FRAME["c"][:30]})
    holes = FRAME.copy()
    holes.loc[:29, "b"] = np.nan
    path = written(tmp_path / "nulls", nulls, FRAME[30:])
    np.testing.assert_array_equal(values(path, missing="marginalize"), holes)
    with pytest.raises(DataError, match=r"'b' holds a missing value in row 0 .*0.parquet, row"):
        in_chunks(path)


def test_files_that_do_not_agree(tmp_path):
    """Text beside numbers, columns that only some have, a name twice: files are named."""
    text = FRAME[30:].astype({"b": str})
    more, less = FRAME.assign(z=1.0), FRAME.drop(columns="b")
    twice = pa.Table.from_arrays([pa.array(FRAME["a"])] * 4, names=list("abcb"))
    cases = {
        "text": ((FRAME[:30], text), r"column 'b' holds .*string in .*1.parquet"),
        "text first": ((text, FRAME[:30]), r"column 'b' holds .*string in .*0.parquet"),
        "more": ((FRAME, more), r"0.parquet.* has no column 'z', which other files have"),
        "more first": ((more, FRAME), r"1.parquet.* has no column 'z', which other files have"),
        "less": ((FRAME, less), r"1.parquet.* has no column 'b', which other files have"),
        "twice": ((FRAME, twice), r"1.parquet.* has two columns named 'b'"),
    }
    for name, (parts, message) in cases.items():
        path = written(tmp_path / name, *parts)
        with pytest.raises(DataError, match=message):
            in_chunks(path)
        assert in_chunks(path, columns=["a", "c"]).names == ("a", "c")


def test_the_index_of_pandas_is_no_column(tmp_path):
    """As where pandas reads the file; by its name it is one."""
    frame = FRAME.set_index(pd.Index(np.random.default_rng(1).permutation(90), name="id"))
    assert in_chunks(written(tmp_path / "named", frame)).names == ("a", "b", "c")
    assert in_chunks(tmp_path / "named", columns=["id", "a"]).names == ("id", "a")
    unnamed = FRAME.set_index(np.random.default_rng(1).permutation(90))
    assert in_chunks(written(tmp_path / "unnamed", unnamed)).names == ("a", "b", "c")


def test_what_else_lies_in_a_folder(tmp_path):
    """Nothing, other files, links to the same rows; hidden files are left out."""
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"none' has no files to read"):
        in_chunks(tmp_path / "none")
    path = written(tmp_path / "ä b%20", FRAME[:30], FRAME[30:])
    (path / "_SUCCESS").write_text("")
    (path / ".1.crc").write_text("x")
    np.testing.assert_array_equal(values(path), FRAME)
    (path / "README.txt").write_text("hello")
    with pytest.raises(DataError, match=r"README.txt cannot be read: .*take it out of the folder"):
        in_chunks(path)
    (path / "README.txt").unlink()
    (path / "0.csv").write_text("hello")  # the first one, whose columns would be the folder's
    with pytest.raises(DataError, match=r"0.csv.*take it out of the folder"):
        in_chunks(path)
    (path / "0.csv").unlink()
    (path / "latest").symlink_to(path / "1.parquet")
    with pytest.raises(DataError, match=r"latest is the same file as .*1.parquet"):
        in_chunks(path)


def test_messages_name_the_file_of_a_row(tmp_path):
    """Of many files that are one chunk."""
    parts = [FRAME[i : i + 10].copy() for i in range(0, 90, 10)]
    parts[7].iloc[3, 1] = np.inf
    with pytest.raises(DataError, match=r"in row 73 \(.*7.parquet, row group 0\)") as caught:
        in_chunks(written(tmp_path / "many", *parts))
    assert "6.parquet" not in str(caught.value)
    path = written(tmp_path / "changed", *(FRAME[i : i + 10] for i in range(0, 90, 10)))
    data = in_chunks(path)
    assert "0.parquet, row group 0 to " in data.values.source.place(0)


def test_blocks_without_rows_and_texts_that_are_not_read():
    """They are none of the chunks; rows in messages are those of the whole."""
    parts = [FRAME[:0].astype(object), FRAME[:30], FRAME[:0], FRAME[30:]]
    for blocks in (parts, lambda: iter(parts)):
        data = in_chunks(blocks)
        np.testing.assert_array_equal(np.asarray(data.values), FRAME)
        assert data.values.n_chunks == 2
    texts = [part.assign(t="x") for part in parts]
    np.testing.assert_array_equal(values(texts, columns=["a", "c"]), FRAME[["a", "c"]])
    bad = FRAME.astype(object)
    bad.iloc[40, 1] = "oops"
    with pytest.raises(DataError, match=r"block 1 \(rows 30 to 89\) .*'oops' in row 40"):
        in_chunks([FRAME[:30], bad[30:]])


def test_paths_of_other_things(tmp_path):
    """Zarr arrays are read, groups and addresses and lists of paths answered."""
    zarr = pytest.importorskip("zarr")
    zarr.save(str(tmp_path / "rows.zarr"), FRAME.to_numpy())
    np.testing.assert_array_equal(values(tmp_path / "rows.zarr"), FRAME)
    zarr.open_group(str(tmp_path / "group.zarr"), mode="w").create_array(
        "x", shape=(3, 2), dtype="f8"
    )
    with pytest.raises(DataError, match=r"is a group of Zarr arrays \('x'\)"):
        bayesgmm.fit(tmp_path / "group.zarr", 1)
    with pytest.raises(DataError, match="is an address"):
        bayesgmm.fit("s3://bucket/rows.parquet", 1)
    with pytest.raises(DataError, match="a list of 2 paths"):
        bayesgmm.fit(["a.parquet", "b.parquet"], 1)


def test_a_dask_frame_with_a_name_twice():
    """It is said which."""
    dd = pytest.importorskip("dask.dataframe")
    frame = FRAME.set_axis(["a", "a", "b"], axis=1)
    with pytest.raises(DataError, match="two columns are named 'a'"):
        in_chunks(dd.from_pandas(frame, npartitions=2))
