"""Every Python block and every command of the README and the docs runs; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bayesgmm.cli import app
from bayesgmm.datasets import load_faithful

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```\n(bayesgmm .*?)^```$", re.MULTILINE | re.DOTALL)
# Those that sample, or fit every family and number of components.
LONG = {"refine", "compare", "report", "demo"}


def blocks(page):
    return BLOCK.findall(page.read_text())


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_python_blocks_run_and_print_what_they_show(page, capsys):
    """One namespace a page; an output block after the code is what the code prints."""
    namespace = {}
    for code, shown in blocks(page):
        exec(compile(code, str(page), "exec"), namespace)
        printed = capsys.readouterr().out
        if shown:
            assert [w for w in words(printed) if isinstance(w, str)] == [
                w for w in words(shown) if isinstance(w, str)
            ]
            # draws of one seed differ from machine to machine, within their Monte Carlo error
            numbers = [w for w in words(shown) if isinstance(w, float)]
            assert [w for w in words(printed) if isinstance(w, float)] == pytest.approx(
                numbers, rel=0.02, abs=0.03
            )


def commands(page):
    return [line for block in COMMANDS.findall(page.read_text()) for line in block.splitlines()]


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda p: p.name)
@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_commands_run(page, long, tmp_path, monkeypatch):
    """One directory a page, with the data that the commands name; the long ones in slow tests."""
    monkeypatch.chdir(tmp_path)
    load_faithful().to_csv("eruptions.csv", index=False)
    lines = [line.split() for line in commands(page) if long or line.split()[1] not in LONG]
    assert lines
    for line in lines:
        result = CliRunner().invoke(app, line[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"
        for out in [b for a, b in zip(line, line[1:], strict=False) if a == "--out"]:
            assert (tmp_path / out).stat().st_size > 0


def words(text):
    """The text without the layout of its columns, decimal numbers as numbers.

    How many iterations EM makes is a matter of rounding too.
    """
    text = re.sub(r"after \d+ iterations", "after some iterations", text)
    return [float(w) if re.fullmatch(r"-?\d+\.\d+", w) else w for w in text.split()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    """Relative links name files of the project."""
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
