"""How results show themselves in a terminal and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_MOST_DECIMALS = 12


class Displayed(ABC):
    """A result that shows itself alike in a terminal and a notebook: title, lines, table."""

    __slots__ = ()

    @abstractmethod
    def _title(self) -> str:
        """What the result is, in one line."""

    def _lines(self) -> Sequence[tuple[str, str]]:
        """Names and texts, a line each."""
        return ()

    def _table(self) -> pd.DataFrame | None:
        """The table below them, if there is one."""
        return None

    def __repr__(self) -> str:
        lines = [self._title(), *(f"  {name}: {text}" for name, text in self._lines())]
        table = self._table()
        if table is not None:
            lines.append(table.to_string(float_format=_short))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = self._table()
        values = "" if table is None else table.to_html(float_format=_short, border=0)
        lines = f"<table>{html_rows(self._lines())}</table>" if self._lines() else ""
        return f"<p><b>{escape(self._title())}</b></p>{lines}{values}"


def beyond(value: float, limit: float, digits: int) -> str:
    """The value with so many decimals, or as many more as it takes to tell it from the limit.

    >>> beyond(0.5412, 0.5, 1), beyond(0.5002, 0.5, 1)
    ('0.54', '0.5002')
    """
    while digits < _MOST_DECIMALS and round(value, digits) == round(limit, digits):
        digits += 1
    return f"{value:.{digits}f}"


def pair(a: str, b: str) -> str:
    """Two names as one text, different for any other two: quoted where they contain commas."""
    return f"{a!r}, {b!r}" if ", " in a + b else f"{a}, {b}"


def visible(text: str) -> str:
    """The text with control characters spelt out, so that none of them acts on a terminal."""
    kept = (
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
    return "".join(kept)


def _short(value: float) -> str:
    return f"{value:.4g}"


def html_rows(lines: Iterable[tuple[str, str]]) -> str:
    """Rows of an HTML table, a name and its text each."""
    return "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in lines
    )
