"""The tables of a report, with their numbers as text, in HTML and Markdown."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison.table import Comparison
from ..posterior.parameter_table import without_copies
from .analysis import Analysis

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 12
# What differs between reasons of one kind: names in quotes, numbers.
_NAMES_AND_NUMBERS = re.compile(r"'[^']*'|\d+(\.\d+)?")
# Columns up to which covariances are shown in full.
_WITH_COVARIANCES = 4


def selection_table(analysis: Analysis) -> pd.DataFrame:
    """The best cells of the grid, by family and K."""
    table = analysis.selection.table
    table = table[table["bic"].notna()].head(MOST_ROWS)
    table.index = [f"{f}, K = {k}" for f, k in zip(table["family"], table["K"], strict=True)]
    table = table[
        ["n_parameters", "loglik", "bic", "delta_bic", "icl", "starts_agreeing", "status"]
    ]
    return _as_text(
        table.rename(
            columns={
                "n_parameters": "parameters", "loglik": "log-likelihood", "bic": "BIC",
                "delta_bic": "BIC − lowest", "icl": "ICL", "starts_agreeing": "starts agreeing",
            }
        )
    )  # fmt: skip


def estimates_table(analysis: Analysis) -> pd.DataFrame:
    """The chosen fit's parameters by component."""
    fit = analysis.fit
    table = fit.to_frame()
    if fit.d > _WITH_COVARIANCES:
        table = table.iloc[:, : 1 + 2 * fit.d]
    table = table.T
    table.columns = analysis.component_titles
    return _as_text(table)


def summary_table(analysis: Analysis) -> pd.DataFrame:
    """Posterior means, intervals and diagnostics by parameter."""
    posterior = analysis.posterior
    assert posterior is not None
    fit = posterior.fit
    names = ("pi", "mu", "Sigma") if fit.d <= _WITH_COVARIANCES else ("pi", "mu")
    level = analysis.request.ci_prob
    names = (*names, *posterior.own_variables)
    table = without_copies(posterior.summary(level, var_names=names), fit)
    low, high = table.columns[2:4]
    effective = ["ess_bulk", "ess_tail"]
    table[effective] = table[effective].round()
    return _as_text(
        table[["mean", "sd", low, high, *effective, "r_hat"]].rename(
            columns={
                low: f"{50 * (1 - level):.3g} %", high: f"{50 * (1 + level):.3g} %",
                "ess_bulk": "ESS bulk", "ess_tail": "ESS tail", "r_hat": "r-hat",
            }
        )
    )  # fmt: skip


def sizes_table(analysis: Analysis) -> pd.DataFrame:
    """Sizes of the components and of the noise, and how certain their rows are."""
    import pandas as pd

    found, noise = analysis.certainty, analysis.noise_share
    titles, shares = analysis.component_titles, analysis.component_shares
    if noise:
        titles, shares = [*titles, "noise"], np.append(shares, noise)
    rows = {
        title: (
            f"{size:.10g}", f"{size / analysis.data.total:.1%}", f"{share:.1%}",
            f"{probability:.3f}" if size else "–",
        )
        for title, probability, size, share in zip(
            titles, found.probability, found.sizes, shares, strict=True
        )
    }  # fmt: skip
    columns = ["rows classified", "of all", "estimated share", "mean probability"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def diagnostics_table(analysis: Analysis) -> pd.DataFrame:
    """Every diagnostic, with the values that are good."""
    import pandas as pd

    assert analysis.posterior is not None
    d = analysis.posterior.diagnostics
    rows = {
        f"largest r-hat ({d.rhat_variable})": (f"{d.rhat:.4f}", "≤ 1.01"),
        "largest r-hat of label-invariant quantities": (f"{d.rhat_invariant:.4f}", "≤ 1.01"),
        "smallest bulk ESS": (f"{d.ess_bulk:.0f}", f"≥ {100 * d.chains}"),
        "smallest tail ESS": (f"{d.ess_tail:.0f}", f"≥ {100 * d.chains}"),
    }
    rows |= {c.name: (f"{c.value:.3g}", str(c.good)) for c in d.checks.values()}
    return _as_text(pd.DataFrame.from_dict(rows, orient="index", columns=["value", "good"]))


def prior_table(analysis: Analysis) -> pd.DataFrame:
    """The prior in words."""
    return _as_text(analysis.prior.to_frame().set_index("parameter"))


def columns_table(analysis: Analysis) -> pd.DataFrame:
    """Summaries of the columns."""
    import pandas as pd

    data = analysis.data
    rows = {
        name: (
            analysis.units.get(name) or "–",
            f"{data.low[j]:.6g}",
            f"{data.high[j]:.6g}",
            f"{data.center[j]:.6g}",
            f"{data.sd[j]:.4g}",
        )
        for j, name in enumerate(data.names)
    }
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["unit", "min", "max", "mean", "sd"]
    )


def failures_of(analysis: Analysis) -> dict[str, list[str]]:
    """The reasons of failed cells, each with its cells; reasons but for names and numbers are one.

    Of such the first one is shown.
    """
    tried = {family for family, _ in [*analysis.selection.fits, *analysis.selection.failures]}
    alike: dict[str, list[tuple[tuple[str, int], str]]] = {}
    for (family, k), reason in analysis.selection.failures.items():
        common = reason.replace(f"family {family}", "the family")
        alike.setdefault(_NAMES_AND_NUMBERS.sub("#", common), []).append(((family, k), common))
    reasons = {}
    for found in alike.values():
        (family, k), text = found[0]
        if any(other != text for _, other in found):
            text += f" (Of {family}, K = {k}; the others differ in names and numbers.)"
        reasons[text] = _by_number([cell for cell, _ in found], len(tried))
    return reasons


def _by_number(cells: list[tuple[str, int]], n_families: int) -> list[str]:
    """Cells (family, K) as texts, one for each K."""
    by_k: dict[int, list[str]] = {}
    for family, k in cells:
        by_k.setdefault(k, []).append(family)
    return [
        f"{'all families' if len(found) == n_families > 1 else ', '.join(found)} with K = {k}"
        for k, found in sorted(by_k.items())
    ]


def meanings_of(comparison: Comparison) -> dict[str, str]:
    """Meanings of the comparison's columns that have values, and which way is better."""
    return {
        column_attrs["label"]: column_attrs["meaning"]
        + (f"; {column_attrs['better']} is better" if column_attrs["better"] else "")
        for column, column_attrs in comparison.attrs["columns"].items()
        if comparison[column].notna().any() and column not in ("status", "verdict")
    }


def html_table(table: pd.DataFrame, caption: str) -> str:
    """A table as HTML, in a frame that scrolls by touch and by keyboard; first column, head."""
    head = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in table.columns)
    body = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
        + "</tr>\n"
        for name, row in zip(table.index, table.to_numpy(), strict=True)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f'<table class="data"><caption>{escape(caption)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def markdown_table(table: pd.DataFrame, caption: str) -> str:
    """A table as Markdown, under its caption."""
    lines = [["", *map(str, table.columns)], [":--", *["--:"] * len(table.columns)]]
    lines += [
        [str(name), *row] for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    ]
    head, ruler, *body = lines
    rows = [" | ".join(map(markdown_text, line)) for line in (head, *body)]
    rows.insert(1, " | ".join(ruler))
    return "\n".join([f"*{caption}*", "", *(f"| {row} |" for row in rows)])


def markdown_text(value: Any) -> str:
    """A text as Markdown shows it letter by letter: no HTML, link, heading, list or new line.

    An underscore between letters (a_b) means nothing there and stays.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    line = re.sub(r"[\\`\[\]|*~$]|(?<!\w)_+|_+(?!\w)", _escaped, escape(line, quote=False))
    line = re.sub(r"^(\d+)(?=[.)] )", r"\1\\", line)
    return re.sub(r"^(?=#|[-+=]( |$|[-+=]))", r"\\", line)


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"\\{sign}" for sign in found[0])


def fenced(text: str) -> str:
    """A block of code with a fence that nothing in the text closes."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(object).map(_cell)


def _cell(value: Any) -> str:
    """Missing as a dash, whole numbers whole, others to about four digits."""
    import pandas as pd

    if pd.isna(value):
        return "–"
    if isinstance(value, float | np.floating):
        value = float(value)
        if value == int(value) and abs(value) < 1e6:
            return f"{value:.0f}"
        digits = 2 if abs(value) >= 100 else 3 if abs(value) >= 1 else 4
        return f"{value:.{digits}f}" if 1e-3 <= abs(value) < 1e7 else f"{value:.3g}"
    return str(value)
