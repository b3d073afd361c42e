"""Names and texts: as every result shows them in a notebook, and as an error suggests them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class Displayed(ABC):
    """A result that shows itself alike in a terminal and a notebook: a title, facts, a table."""

    __slots__ = ()

    @abstractmethod
    def _title(self) -> str:
        """What it is, in a line."""

    def _lines(self) -> Sequence[tuple[str, str]]:
        """Names and texts, a line each."""
        return ()

    def _figures(self) -> pd.DataFrame | None:
        """The table below them, if there is one."""
        return None

    def __repr__(self) -> str:
        lines = [self._title(), *(f"  {name}: {text}" for name, text in self._lines())]
        table = self._figures()
        if table is not None:
            lines.append(table.to_string(float_format=_short))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = self._figures()
        figures = "" if table is None else table.to_html(float_format=_short, border=0)
        facts = f"<table>{html_rows(self._lines())}</table>" if self._lines() else ""
        return f"<p><b>{escape(self._title())}</b></p>{facts}{figures}"


def pair(a: str, b: str) -> str:
    """Two names as one text, unlike that of any other two: quoted where they hold commas."""
    return f"{a!r}, {b!r}" if ", " in a + b else f"{a}, {b}"


def visible(text: str) -> str:
    """The text without what steers a terminal: escapes and other control characters are spelt."""
    kept = (
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
    return "".join(kept)


def _short(value: float) -> str:
    return f"{value:.4g}"


def html_rows(facts: Iterable[tuple[str, str]]) -> str:
    """Rows of an HTML table, a name and its text each."""
    return "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in facts
    )
