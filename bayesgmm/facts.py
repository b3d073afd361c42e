"""Names and texts about a result, as every result shows them in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def html_rows(facts: Iterable[tuple[str, str]]) -> str:
    """Rows of an HTML table, a name and its text each."""
    return "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in facts
    )
