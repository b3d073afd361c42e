"""Classes of rows written chunk by chunk: whole, or what was there stays."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm import classify
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.mixture import written_classes

pytest.importorskip("pyarrow")
zarr = pytest.importorskip("zarr")

N, ROWS = 5000, 900


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 2)) + np.where(rng.random((N, 1)) < 0.4, 0.0, 3.0)
    return pd.DataFrame(x, columns=["a", "b"])


@pytest.fixture(scope="module")
def fit(table):
    return bayesgmm.fit(table, 2, "VVI", random_seed=0)


@contextmanager
def full_disk():
    """Files cannot become longer than 3000 bytes, as if there were no space left."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def content(folder):
    """All files below a folder, hidden ones too."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read(path):
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="r")
        return pd.DataFrame({name: array[:] for name, array in group.arrays()})
    return pd.read_parquet(path)


@pytest.mark.parametrize("name", ["classes", "classes.zarr"])
@pytest.mark.parametrize("rows", ["memory", "equal", "unequal"])
def test_what_classify_gives(name, rows, table, fit, tmp_path):
    """The same numbers, from memory and from chunks of any lengths, also beside noise."""
    frames = [table[:ROWS], table[ROWS : 3 * ROWS], table[3 * ROWS :]]
    source = {
        "memory": table,
        "equal": in_chunks(table, rows=ROWS),
        "unequal": in_chunks(frames),
    }[rows]
    for of in (fit, bayesgmm.fit(table, 2, "VVI", random_seed=0, noise=1e-4)):
        assert classify(source, of, responsibilities=True, out=tmp_path / name) is None
        expected = classify(table, of, responsibilities=True)
        found = read(tmp_path / name)[list(expected.columns)]
        np.testing.assert_array_equal(found["component"], expected["component"])
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files here")
@pytest.mark.parametrize("name", ["classes", "classes.zarr"])
def test_a_full_disk(name, table, fit, tmp_path):
    """The error says so, and what was written before is there to the byte, and nothing else."""
    rows, path = in_chunks(table, rows=ROWS), tmp_path / name
    classify(rows, fit, out=path)
    before = content(tmp_path)
    named = "" if path.suffix else r"/part-00000\d.parquet"
    for source in (rows, in_chunks([table[:ROWS], table[ROWS : 3 * ROWS], table[3 * ROWS :]])):
        for out in (path, tmp_path / f"new {name}"):
            with full_disk(), pytest.raises(OSError, match=f"File too large: '{out}{named}'$"):
                classify(source, fit, responsibilities=True, out=out)
            assert content(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files here")
def test_a_folder_that_cannot_be_written_to(table, fit, tmp_path, monkeypatch):
    """Errors of libraries that are nothing but words keep them."""

    def fail(*_):
        raise OSError("the store is read-only")

    monkeypatch.setattr(written_classes, "_put", fail)
    with pytest.raises(OSError, match=f"the store is read-only: '{tmp_path / 'c.zarr'}'"):
        classify(in_chunks(table, rows=ROWS), fit, out=tmp_path / "c.zarr")
    with pytest.raises(OSError, match=f"directory: '{tmp_path / 'none' / 'c'}'"):
        classify(table, fit, out=tmp_path / "none" / "c")


def test_others_are_not_replaced(table, fit, tmp_path):
    """Folders and files that hold something else stay, and names of components are written."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "part-000000.parquet").write_text("mine, perhaps")
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    before = content(tmp_path)
    for path in ("mine", "mine/notes.txt"):
        with pytest.raises(FileExistsError, match="holds notes.txt|mine/notes.txt is not replaced"):
            classify(table, fit, out=tmp_path / path)
    assert content(tmp_path) == before
    named = fit.with_component_names(["left", "right"])
    for name in ("new", "new.zarr"):
        classify(table, named, out=tmp_path / name)
        expected = classify(table, named)["component"]
        np.testing.assert_array_equal(read(tmp_path / name)["component"], expected)
