"""Every Python block of the README and the docs runs, in order; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


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
