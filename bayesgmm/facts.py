"""Names and texts: as every result shows them in a notebook, and as an error suggests them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from html import escape


def html_rows(facts: Iterable[tuple[str, str]]) -> str:
    """Rows of an HTML table, a name and its text each."""
    return "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in facts
    )


def nearest(name: str, names: Sequence[str]) -> str:
    """A question after the name that was probably meant, "" where none is near."""
    by_lower = {n.lower(): n for n in names}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[found[0]]!r}?)" if found else ""
