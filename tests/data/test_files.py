"""Tables in text files: what is written is read, however it is written."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayesgmm
from bayesgmm.cli.app import app
from bayesgmm.data.files import TextFormat, read_file, read_table

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "blank": " "}


def frame(seed=0, n=40):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "length": rng.normal(0, 1e3, n).round(3),
        "width": rng.gamma(2, 1, n).round(6),
        "count": rng.integers(-5, 100, n),
    })  # fmt: skip


@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("ending", [".csv", ".txt", ".dat", ".txt.gz"])
def test_the_separator_is_told_from_the_first_lines(tmp_path, name, decimal, ending):
    """Every separator that is not the decimal mark; blanks not in a .csv. And it is said."""
    separator, x = SEPARATORS[name], frame()
    if separator == decimal or (separator == " " and ending == ".csv"):
        return
    path = tmp_path / f"x{ending}"
    x.to_csv(path, index=False, sep=separator, decimal=decimal)
    found = read_file(path, TextFormat(decimal=decimal))
    pd.testing.assert_frame_equal(found.frame, x)
    assert found.guessed == (separator != ",")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_encodings(tmp_path, encoding):
    """As named; as UTF-8 another one is refused, not misread."""
    x = frame().rename(columns={"length": "Länge"})
    path = tmp_path / "x.csv"
    x.to_csv(path, index=False, encoding=encoding)
    pd.testing.assert_frame_equal(read_table(path, TextFormat(encoding=encoding)), x)
    if encoding != "utf-8":
        with pytest.raises(bayesgmm.DataError, match="is not text in utf-8.*latin-1"):
            read_table(path)


def test_without_a_header(tmp_path):
    """Columns are numbered, and the first row is data."""
    x = frame()
    path = tmp_path / "x.csv"
    x.to_csv(path, index=False, header=False)
    found = read_table(path, TextFormat(header=False))
    assert list(found) == ["x0", "x1", "x2"]
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize(
    "text",
    [
        '"a,b";c\n1;2\n3;4\n',  # a comma in a quoted name
        'a,b\n"1",2\n3,4\n',
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\n1,2\n\n3,4\n",  # an empty line
        "\ufeffa,b\n1,2\n3,4\n",  # a byte-order mark
    ],
)
def test_quotes_line_ends_and_empty_lines(tmp_path, text):
    """Are no part of the values."""
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode())
    found = read_table(path)
    assert found.shape == (2, 2)
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sep", ";;"), "';;' is no single character"),
        (("--sep", ",", "--decimal", ","), "',' cannot be the decimal mark"),
        (("--decimal", ""), "cannot be the decimal mark"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, message):
    """Are refused before the file is read."""
    frame().to_csv(tmp_path / "x.csv", index=False)
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "x.csv"), "-k", "1", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_an_encoding_that_there_is_not(tmp_path):
    """Is named."""
    frame().to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(bayesgmm.DataError, match="unknown encoding: utf-88: name the encoding"):
        read_table(tmp_path / "x.csv", TextFormat(encoding="utf-88"))


def test_standard_input(monkeypatch):
    """A continental table through a pipe gives the numbers of the table."""
    x = frame()
    text = x.to_csv(index=False, sep=";", decimal=",")
    arguments = ["fit", "-", "-k", "1", "--decimal", ",", "--json"]
    result = CliRunner().invoke(app, arguments, input=text)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["loglik"] == bayesgmm.fit(x, 1).loglik
    assert "separated by semicolons (--sep names another" in result.stderr
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(bayesgmm.DataError, match="standard input is not a CSV file"):
        read_table("-")


def test_decimal_commas_are_named(tmp_path):
    """In place of a number that they would have become."""
    path = tmp_path / "x.csv"
    frame().to_csv(path, index=False, sep=";", decimal=",")
    result = CliRunner().invoke(app, ["fit", str(path), "-k", "1"])
    assert result.exit_code == 1 and "add --decimal ," in result.stderr


def test_identifiers_are_noted(tmp_path):
    """Numbers of rows among the data, unless columns are named; counts are none."""
    x = frame()
    x.insert(0, "id", np.arange(100, 140))
    path = tmp_path / "x.csv"
    x.to_csv(path, index=False)
    result = CliRunner().invoke(app, ["fit", str(path), "-k", "1"])
    assert "'id' numbers the rows" in result.stderr
    assert "--columns length,width,count" in result.stderr
    result = CliRunner().invoke(app, ["fit", str(path), "-k", "1", "--columns", "length,count"])
    assert "numbers the rows" not in result.stderr
