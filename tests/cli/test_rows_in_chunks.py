"""Folders of Parquet files and .npy files on the command line: read in chunks."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm.cli.app import app
from bayesgmm.data import by_name
from bayesgmm.data.sources import sources
from bayesgmm.data.sources.parquet import ArrowDataset

pytest.importorskip("pyarrow")


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_folder_is_opened_once(tmp_path, monkeypatch):
    """With weights and classes of its columns, each of which is read once."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 2)) + np.where(np.arange(300)[:, None] < 120, 0.0, 4.0)
    table = pd.DataFrame(x, columns=["a", "b"]).assign(times=1.0, kind=None)
    table.loc[[3, 200], "kind"] = ["low", "high"]
    table.to_parquet(tmp_path / "0.parquet", index=False)
    opened, read = [], []
    open_dataset, column = sources.open_dataset, ArrowDataset.column

    def opening(path):
        opened.append(path)
        return open_dataset(path)

    def reading(self, name):
        read.append(name)
        return column(self, name)

    for module in (sources, by_name):
        monkeypatch.setattr(module, "open_dataset", opening)
    monkeypatch.setattr(ArrowDataset, "column", reading)
    run("fit", tmp_path, "-k", 2, "--weights", "times", "--labels", "kind", "--json")
    assert len(opened) == 1
    assert sorted(read) == ["kind", "times"]


@pytest.mark.slow
def test_a_folder_and_an_array(tmp_path):
    """The fit of the rows in all files, with a column of weights and others left out."""
    x = bayesgmm.datasets.load_faithful()
    table = x.assign(text="a", count=np.arange(len(x)) % 3)
    (tmp_path / "parts").mkdir()
    table[:100].to_parquet(tmp_path / "parts" / "0.parquet")
    table[100:].to_parquet(tmp_path / "parts" / "1.parquet")
    np.save(tmp_path / "rows.npy", x.to_numpy())
    whole = bayesgmm.fit(x, 2, random_seed=0)
    out = tmp_path / "fit.npz"
    found = run("fit", tmp_path / "rows.npy", "-k", 2, "--out", out, "--json")
    assert found["loglik"] == pytest.approx(whole.loglik, rel=1e-12)
    assert bayesgmm.Fit.load(out).names == ("x0", "x1")
    columns = ("--columns", ",".join(x.columns))
    found = run("fit", tmp_path / "parts", "-k", 2, *columns, "--json")
    assert found["loglik"] == pytest.approx(whole.loglik, rel=1e-12)
    weighted = run("fit", tmp_path / "parts", "-k", 2, *columns, "--weights", "count", "--json")
    expected = bayesgmm.fit(x, 2, random_seed=0, sample_weight=table["count"])
    assert weighted["loglik"] == pytest.approx(expected.loglik, rel=1e-12)
    table["kind"] = np.where(x["eruptions"] < 2, "short", None)  # text, which is not among the rows
    table[:100].to_parquet(tmp_path / "parts" / "0.parquet")
    table[100:].to_parquet(tmp_path / "parts" / "1.parquet")
    found = run("fit", tmp_path / "parts", "-k", 2, *columns, "--labels", "kind",
                "--noise", "volume", "--out", out, "--json")  # fmt: skip
    expected = bayesgmm.fit(x, 2, random_seed=0, labels=table["kind"], noise=True)
    assert found["loglik"] == pytest.approx(expected.loglik, rel=1e-6)
    for folder in (tmp_path / "classes", tmp_path / "classes"):  # also over an old one
        run("classify", tmp_path / "parts", out, "--out", folder, "--json")
    known = pd.read_parquet(tmp_path / "classes")["component"]
    assert (known.to_numpy() == expected.predict(x)).mean() > 0.99
    with pytest.raises(AssertionError, match="no column 'kinds'"):
        run("fit", tmp_path / "parts", "-k", 2, *columns, "--labels", "kinds", "--json")
    table = table.drop(columns="kind")
    table[:100].to_parquet(tmp_path / "parts" / "0.parquet")
    holes = x.mask(np.random.default_rng(0).random(x.shape) < 0.1)
    holes[100:].to_parquet(tmp_path / "parts" / "1.parquet")
    holes = np.vstack([x[:100], holes[100:]])
    found = run("fit", tmp_path / "parts", "-k", 2, "--missing", "marginalize", *columns,
                "--out", out, "--json")  # fmt: skip
    expected = bayesgmm.fit(holes, 2, random_seed=0, missing="marginalize")
    assert found["loglik"] == pytest.approx(expected.loglik, rel=1e-11)
    sizes = run("classify", tmp_path / "parts", out, "--json")["sizes"]
    assert sizes == {str(k): np.sum(expected.predict(holes) == k) for k in range(2)}
    with pytest.raises(AssertionError, match="has no column 'text', which other files have"):
        run("fit", tmp_path / "parts", "-k", 2, "--json")
