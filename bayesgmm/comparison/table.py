"""The comparison as a table: a DataFrame that prints, and renders, with its verdict."""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..utils.archive import write_text
from .columns import COLUMNS, PARTS, Column
from .rows import CONVERGED, FAILED
from .verdict import best_of, conclusion

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

# Fits that are printed, beside all posteriors; `.to_string()` and `.to_csv()` have all models.
_SHOWN = 12
# Least and most characters across that a printed table takes, and blanks between its columns.
_LEAST, _MOST, _BETWEEN = 80, 120, 2
_MISSING = "-"
# Columns that every model has: with these alone it is in no part of the table.
_IDENTITY = ("method", "family", "K", "n_parameters")
_CELL = "text-align:right;padding:0.15em 0.6em;white-space:nowrap"
_HEAD = "text-align:left;padding:0.15em 0.6em 0.15em 0;white-space:nowrap"


class Comparison(pd.DataFrame):
    """A DataFrame of models by criteria, as `compare` makes it.

    What is taken from it (`table["bic"]`, `table[table["K"] == 2]`) is an ordinary Series or
    DataFrame. It prints as a rich table with its conclusion, shows as HTML in a notebook, and is
    written by `to_csv` (every figure in full), `to_html` and `to_latex` (as it prints).

    `.attrs` has "columns" (every column's label, meaning, and whether lower or higher is better)
    and "reasons" (by model and column, why a figure that was asked for is not there).

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> grid = bayesgmm.select(X, [1, 2], ["EEE", "VVV"], random_seed=1, progressbar=False)
    >>> print(bayesgmm.compare(grid).conclusion)
    BIC and ICL agree on K = 2 (VVV).
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    @property
    def conclusion(self) -> str:
        """Which K the criteria choose, what is close to it, and what could not be compared."""
        return conclusion(self)

    @property
    def notes(self) -> list[str]:
        """Problems of the models, and reasons for figures that were asked for but are missing."""
        statuses = self["status"][self["status"] != CONVERGED]
        grouped: dict[str, list[str]] = {}
        for name, status in statuses.items():
            grouped.setdefault(status, []).append(str(name))
        found = [f"{'; '.join(names)}: {status}" for status, names in grouped.items()]
        return found + [
            f"{name}: no {label}: {reason}"
            for (name, label), reason in self._missing_reasons().items()
        ]

    def to_latex(self, buf: Any = None, **options: Any) -> str | None:
        """LaTeX, a tabular for each part of the printed table (booktabs rules).

        Parameters
        ----------
        buf : path or file, optional
            Where to write; returned as text if left out.
        **options
            Of `DataFrame.to_latex`.

        Returns
        -------
        str or None
        """
        options = {"escape": True} | options
        parts = self._parts(self)
        return _written(
            "\n".join(part.rename_axis(None).to_latex(**options) for _, part in parts), buf
        )

    def to_html(self, buf: Any = None) -> str | None:
        """HTML of the printed table, with its conclusion, verdicts and notes; meanings on hover.

        Parameters
        ----------
        buf : path or file, optional
            Where to write; returned as text if left out.

        Returns
        -------
        str or None
        """
        tables = "".join(self._html_part(title, part) for title, part in self._parts(self._shown))
        lists = _html_list("Verdicts", self._verdicts()) + _html_list("Notes", self.notes)
        return _written(f"<p><b>{escape(self.conclusion)}</b></p>{tables}{lists}", buf)

    def _repr_html_(self) -> str | None:
        return self.to_html() if self._complete() else pd.DataFrame(self).to_html()

    def _complete(self) -> bool:
        """Whether the table is as `compare` made it: columns can be dropped in place."""
        return set(COLUMNS) <= set(self.columns) and "reasons" in self.attrs

    def __repr__(self) -> str:
        from rich.console import Console

        if not self._complete():
            return str(pd.DataFrame(self))
        # In a notebook rich would show HTML by itself, and leave the text empty.
        console = Console(
            file=(text := io.StringIO()), width=_width(), color_system=None, force_jupyter=False
        )
        console.print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())

    __str__ = __repr__

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        if not self._complete():
            yield Text(str(pd.DataFrame(self)))
            return
        for title, part in self._parts(self._shown):
            for name, columns in _across(title, part, options.max_width):
                yield self._rich_part(name, columns)
        yield Text(self.conclusion, style="bold")
        for text in [*self._verdicts(), *self.notes]:
            yield Text(text)

    def _rich_part(self, title: str, part: pd.DataFrame) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
            padding=(0, 1), pad_edge=False, collapse_padding=True,
        )  # fmt: skip
        table.add_column("model", overflow="fold")  # a narrow terminal breaks lines, cuts nothing
        for label in part.columns:
            table.add_column(label, justify="right", overflow="fold")
        best = self._best()
        for name, row in part.iterrows():
            cells = [
                Text(cell, style="bold" if (name, label) in best else "")
                for label, cell in row.items()
            ]
            table.add_row(Text(str(name)), *cells)
        return table

    def _html_part(self, title: str, part: pd.DataFrame) -> str:
        meanings = {c.label: _meaning(c) for c in COLUMNS.values() if c.part == title}
        head = "".join(
            f'<th scope="col" style="{_CELL}" title="{escape(meanings[label])}">'
            f"{escape(label)}</th>"
            for label in part.columns
        )
        best, why = self._best(), self._missing_reasons()
        body = ""
        for name, row in part.iterrows():
            cells = ""
            for label, cell in row.items():
                text = f"<b>{escape(cell)}</b>" if (name, label) in best else escape(cell)
                reason = why.get((name, label), "")
                hover = f' title="{escape(reason)}"' if reason else ""
                cells += f'<td style="{_CELL}"{hover}>{text}</td>'
            body += f'<tr><th scope="row" style="{_HEAD}">{escape(str(name))}</th>{cells}</tr>'
        return (
            '<div class="scroll" style="overflow-x:auto"><table class="data" '
            'style="border-collapse:collapse;margin:0 0 1em">'
            f'<caption style="text-align:left;font-weight:bold">{escape(title)}</caption>'
            f'<thead style="border-bottom:1px solid"><tr><th scope="col" style="{_HEAD}">model</th>'
            f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    @property
    def _shown(self) -> pd.DataFrame:
        """The models that are printed: the first fits, and every posterior."""
        fits = self["ess_bulk"].isna() & self["elpd_loo"].isna()
        return pd.DataFrame(self[~fits | (fits.cumsum() <= _SHOWN)])

    def _parts(self, shown: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """The parts that have figures: a title, and models by labels as text."""
        for title in PARTS:
            columns = [
                name for name, column in COLUMNS.items()
                if column.part == title and self[name].notna().any()
            ]  # fmt: skip
            figures = [c for c in columns if c not in _IDENTITY]
            rows = shown[[self._has(name, figures) for name in shown.index]]
            if columns and len(rows):
                cells = {COLUMNS[c].label: [_cell(v, COLUMNS[c]) for v in rows[c]] for c in columns}
                yield title, pd.DataFrame(cells, index=rows.index, dtype=object)

    def _has(self, name: Any, figures: list[str]) -> bool:
        """Whether a model has one of the figures, or a reason why it has not."""
        reasons = self.attrs["reasons"].get(name, {})
        return bool(self.loc[name, figures].notna().any()) or any(c in reasons for c in figures)

    def _best(self) -> set[tuple[Any, str]]:
        """Model and label of the best figures of the columns that choose."""
        choosing = ("aic", "bic", "icl", "cv_loglik", "elpd_loo", "probability", "k_probability")
        return {(best_of(self, column), COLUMNS[column].label) for column in choosing}

    def _missing_reasons(self) -> dict[tuple[Any, str], str]:
        """Reasons for missing figures, by model and label."""
        return {
            (name, COLUMNS[column].label): reason
            for name, columns in self.attrs["reasons"].items()
            for column, reason in columns.items()
        }

    def _verdicts(self) -> list[str]:
        """Verdicts of the models shown, and how many are not shown."""
        shown = self._shown
        left = len(self) - len(shown)
        shown = shown[~shown["status"].str.startswith(FAILED)]
        more = [f"... and {left} more models: .to_string() and .to_csv() have all."] * (left > 0)
        return [*(f"{name}: {text}" for name, text in shown["verdict"].items()), *more]


def _width() -> int:
    """Characters across of the terminal, within limits."""
    return min(max(shutil.get_terminal_size().columns, _LEAST), _MOST)


def _across(title: str, part: pd.DataFrame, width: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """The columns of a part, as many at a time as fit across."""
    model = max(len(str(name)) for name in [*part.index, "model"])
    start, taken = 0, model
    for j, label in enumerate(part.columns):
        needed = _BETWEEN + max(len(text) for text in [label, *part[label]])
        if taken + needed > width and j > start:
            yield title, _filled(part.iloc[:, start:j])
            title, start, taken = "", j, model
        taken += needed
    yield title, _filled(part.iloc[:, start:])


def _filled(part: pd.DataFrame) -> pd.DataFrame:
    """The models with a figure."""
    return part[(part != _MISSING).any(axis=1)]


def _written(text: str, buf: Any) -> str | None:
    """The text, or None when it has been written to `buf`."""
    if buf is None:
        return text
    if hasattr(buf, "write"):
        buf.write(text)
    else:
        write_text(buf, text)
    return None


def _html_list(title: str, texts: list[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<p><b>{title}</b></p><ul>{items}</ul>" if texts else ""


def _meaning(column: Column) -> str:
    better = f"; {column.better} is better" if column.better else ""
    return column.meaning + better


def _cell(value: Any, column: Column) -> str:
    """A figure as it is shown: words as they are, numbers with the column's digits."""
    if value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return _MISSING
    return str(value) if column.digits is None else f"{value:.{column.digits}f}"
