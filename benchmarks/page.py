"""`docs/benchmarks.md`, one section a benchmark: each rewrites its own and leaves the others."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_TOP = """\
# Benchmarks

Written by `python -m benchmarks` (`make bench`), which runs every measurement anew and replaces
what is below. Each section names the machine it was measured on. A number of another machine will
differ; the ratios are what to compare.
"""


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Print a table to the terminal and give it back as Markdown."""
    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, justify="right")
    for row in rows:
        shown.add_row(*row)
    # A file gets whole lines; only a terminal wraps.
    Console(width=None if sys.stdout.isatty() else 200).print(shown)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---:|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_section(name: str, text: str) -> None:
    """Put a section between its marks, at the end of the page if it is new."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else _TOP
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(page):
        page = pattern.sub(lambda _: section, page)
    else:
        page = page.rstrip() + "\n\n" + section + "\n"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    print(f"written: {PAGE.parent.name}/{PAGE.name}, section {name}")


def milliseconds(seconds: float) -> str:
    """Three digits that matter."""
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def seconds(value: float) -> str:
    """Three digits that matter, but no more than milliseconds."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def count(n: int) -> str:
    """A number with its thousands apart."""
    return f"{n:,}".replace(",", " ")


def prose(doc: str | None) -> str:
    """A module's docstring without its title."""
    return (doc or "").partition("\n\n")[2].strip()
