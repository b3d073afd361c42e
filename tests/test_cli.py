"""The command line, as a user types it."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm.cli import app


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "eruptions.csv"
    bayesgmm.datasets.load_faithful().to_csv(path, index=False)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_report_from_csv(csv, tmp_path):
    """A CSV file in, an HTML file out, its name printed."""
    out = tmp_path / "out.html"
    result = run(
        "report", csv, "-k", "1:3", "--families", "EEE, VVV", "--columns", "waiting,eruptions",
        "--no-refine", "--n-init", 2, "--out", out, "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"Report written to {out}" in result.stdout
    page = out.read_text()
    assert "Gaussian mixture of eruptions" in page
    assert "--families EEE,VVV" in page
    assert "--columns &#39;waiting,eruptions&#39;" in page


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("a,b\n1,2\n3,x\n4,5\n", [], "column 'b' holds str values"),
        ("a,b\n1,2\n3,\n4,5\n", [], "column 'b' has 1 missing value"),
        ("a,b\n1,2\n3,4\n", ["--columns", "c"], "no column 'c'"),
        ("a,b\n1,2\n3,4\n5,1\n7,7\n", ["--families", "XYZ"], "unknown covariance_type 'XYZ'"),
        ("", [], "not a CSV file"),
    ],
)
def test_bad_data_is_one_line_and_exit_code_1(tmp_path, content, arguments, message):
    """Problems with the data name the column or value; there is no traceback."""
    path = tmp_path / "bad.csv"
    path.write_text(content)
    result = run("report", path, "--no-refine", "-q", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.glob("*.html"))


def test_missing_file_and_bad_numbers(tmp_path):
    """A path that is not there, and a -k that is no number."""
    result = run("report", tmp_path / "no.csv", "-q")
    assert result.exit_code == 1
    assert "No such file" in result.output
    for k in ("0:3", "a", "5:2", ""):
        assert run("report", tmp_path / "no.csv", "-k", k).exit_code == 2


def test_help_and_version():
    """--help lists the commands, --version the version."""
    assert bayesgmm.__version__ in run("--version").output
    text = run("--help").output
    assert "report" in text and "demo" in text
    assert "bayesgmm report penguins.csv" in run("report", "--help").output


def test_a_data_frame_read_back_gives_the_same_numbers(csv):
    """The command line and Python see the same data."""
    a = bayesgmm.fit(pd.read_csv(csv), 2, random_seed=0, n_init=1)
    b = bayesgmm.fit(bayesgmm.datasets.load_faithful(), 2, random_seed=0, n_init=1)
    assert a.loglik == b.loglik
