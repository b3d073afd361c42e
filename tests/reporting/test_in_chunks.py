"""Reports of rows in chunks: from a folder with one command, without all rows at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm.cli.app import app
from bayesgmm.data.data import as_data
from bayesgmm.data.in_chunks import in_chunks
from bayesgmm.kernels.stored import rows as stored
from bayesgmm.mixture.binned import Binned
from bayesgmm.mixture.certainty import Certainty

pytest.importorskip("pyarrow")
N = 40_000
Z = np.random.default_rng(0).choice(2, N, p=[0.6, 0.4])
X = np.random.default_rng(1).normal(size=(N, 3)) + np.array([[0.0, 0, 0], [3, 1, 0]])[Z]


@pytest.fixture(scope="module")
def fit():
    return bayesgmm.fit(X, 2, "EII", random_seed=1)


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_over_chunks_are_those_over_rows(fit, weighted):
    """How certain the rows are, counted chunk by chunk."""
    weights = np.random.default_rng(2).integers(0, 3, N) if weighted else None
    here = Certainty.of(as_data(X, None, weights), fit)
    there = Certainty.of(in_chunks(X, rows=7000, sample_weight=weights), fit)
    for name in here.__slots__:
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-10)


def test_cells_are_a_histogram(fit):
    """NumPy's, component by component, in columns and in a direction."""
    data, mixture = in_chunks(X, rows=7000), fit.mixture
    directions = np.array([[1.0, 0.5], [0, 0.5], [0, 0]])
    found = Binned.of(data, mixture, directions, fit.means[0])
    z, labels = (X - fit.means[0]) @ directions, fit.predict(X)
    doubt = 1 - fit.predict_proba(X).max(axis=1)
    np.testing.assert_array_equal(found.edges[:, [0, -1]].T, [z.min(axis=0), z.max(axis=0)])
    for k in range(2):
        mine = z[labels == k]
        expected = np.histogram2d(mine[:, 1], mine[:, 0], [found.edges[1], found.edges[0]])[0]
        # A row on an edge may be in the cell beside.
        assert np.abs(found.pairs[1, 0][k] - expected).sum() <= 4
        assert np.abs(found.marginals[0][k] - expected.sum(axis=0)).sum() <= 4
    total = (found.uncertainty[1, 0] * found.pairs[1, 0].sum(axis=0)).sum()
    assert total == pytest.approx(doubt.sum(), rel=1e-9)


def test_a_report_from_a_folder(tmp_path, monkeypatch):
    """One command; the rows cannot be had at once."""
    (tmp_path / "parts").mkdir()
    for i in range(4):
        part = pd.DataFrame(X[i::4], columns=["a", "b", "c"])
        part.to_parquet(tmp_path / "parts" / f"{i}.parquet", row_group_size=2000)
    monkeypatch.setattr(stored, "_MEMORY", 3 * (N - 1))
    shown = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.scatter", lambda *given, **_: shown.append(len(given[1]))
    )
    out = tmp_path / "report.md"
    command = ["report", tmp_path / "parts", "-k", "1:2", "--families", "EII", "--draws", "60",
               "--chains", "2", "--tune", "20", "--out", out, "--quiet"]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, command)))
    assert result.exit_code == 0, result.output
    text = out.read_text()
    assert "mixture of 2 Gaussian components" in text
    assert "of the 40000 rows" in text
    assert "a darker cell has more of them" in text
    assert 'X = "parts"' in text or "X = 'parts'" in text
    assert "the SHA-256 of the chunks" in text
    assert max(shown, default=0) < 100  # cells, not rows
    assert {p.stem for p in (tmp_path / "report_figures").iterdir()} >= {
        "classification", "uncertainty", "density", "coclustering", "predictive", "check"
    }  # fmt: skip
