"""The report as one HTML file: style and pictures inside, no script, no network."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import plots
from ..comparison import Comparison
from ..posterior import without_copies
from ..prior import Prior
from ..versions import versions
from . import verdict
from .analysis import Analysis, analyse

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as PNG in the page, with the words that stand for it."""

    source: str
    alt: str
    caption: str

    @classmethod
    def of(cls, figure: Figure, alt: str, caption: str) -> Picture:
        """Draw the figure."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130)
        code = base64.b64encode(buffer.getvalue()).decode()
        return cls(f"data:image/png;base64,{code}", alt, caption)


def report(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    path: str | Path = "report.html",
    *,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Iterable[str] | None = None,
    columns: Sequence[str] | None = None,
    prior: Prior | None = None,
    refine: bool = True,
    n_init: int | None = None,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    random_seed: int = 0,
    title: str = "",
    source: str = "",
    progressbar: bool = True,
) -> Path:
    """Select, refine and compare, and write what was found to one HTML file.

    Parameters
    ----------
    X : array-like (n, d)
        Data, as for `fit`.
    path : str or Path
        The file to write.
    n_components, covariance_type, columns, n_init, random_seed
        As for `select`; the grid is fitted by maximum likelihood and ranked by BIC.
    prior : Prior, optional
        Prior of the posterior; `Prior.from_data(X)` if left out.
    refine : bool
        Sample the best cell's posterior with PyMC.
    draws, tune, chains
        As for `refine`.
    title, source : str
        Title of the report, and where the data come from.
    progressbar : bool
        Show progress on standard error.

    Returns
    -------
    Path
        The file written.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_galaxies()
    >>> bayesgmm.report(X, "report.html", n_components=range(1, 7))  # doctest: +SKIP
    PosixPath('report.html')
    """
    path = Path(path)
    if not path.parent.is_dir():  # before minutes of work, not after
        raise FileNotFoundError(f"no directory {path.parent} to write {path.name} to.")
    analysis = analyse(
        X, n_components=n_components, covariance_type=covariance_type, columns=columns,
        prior=prior, with_posterior=refine, n_init=n_init, draws=draws, tune=tune, chains=chains,
        random_seed=random_seed, title=title, source=source, progressbar=progressbar,
    )  # fmt: skip
    partial = path.with_name(path.name + ".partial")
    partial.write_text(render(analysis), encoding="utf-8")
    os.replace(partial, path)  # a reader never sees half a report
    return path


def render(analysis: Analysis) -> str:
    """The report of an analysis as HTML."""
    environment = Environment(
        loader=PackageLoader("bayesgmm.reporting"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    posterior = analysis.posterior
    page = environment.get_template("report.html").render(
        a=analysis,
        conclusion=verdict.conclusion(analysis),
        family=verdict.describe(analysis),
        pictures=_pictures(analysis),
        columns=_columns(analysis),
        selection=_html(_selection(analysis), index=False),
        n_cells=len(analysis.selection.table),
        failures=_failures(analysis),
        estimates=_html(_estimates(analysis)),
        summary=None if posterior is None else _html(_summary(analysis)),
        comparison=analysis.comparison.to_html(),
        meanings=_meanings(analysis.comparison),
        prior=_html(analysis.prior.to_frame().set_index("parameter")),
        command=_command(analysis),
        versions=versions(),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )
    return page


def _pictures(analysis: Analysis) -> dict[str, Picture]:
    fit, posterior = analysis.fit, analysis.posterior
    what = f"{fit.family.name} with K = {fit.n_components}"
    band = posterior if posterior is not None and posterior.fit is fit else None
    out = {}
    if len(analysis.selection.table) > 1:
        out["bic"] = Picture.of(
            plots.plot_bic(analysis.selection),
            f"BIC against the number of components, one line per family; lowest at {what}.",
            "BIC of every cell; lower is better, the best is ringed.",
        )
    if fit.d == 1:
        out["fit"] = Picture.of(
            plots.plot_density(analysis.data, fit, band),
            f"Histogram of {fit.names[0]} with the fitted density and its components.",
            "The data and the fitted density; coloured lines are the components"
            + (", the blue band the posterior's 89 % interval." if band else "."),
        )
    else:
        out["fit"] = Picture.of(
            plots.plot_classification(analysis.data, fit),
            f"Pairs of columns with rows coloured by component of {what}, and ellipses.",
            "Rows by most probable component; a larger point is less certain. An ellipse holds "
            "95 % of its component."
            + (" The columns shown are those that differ most." if fit.d > 5 else ""),
        )
    if posterior is not None:
        out["posterior"] = Picture.of(
            plots.plot_posterior(posterior),
            "Posterior intervals of proportions and means by component, with the EM estimates.",
            "Posterior mean (dot) and 89 % interval (bar) of each component; x marks the EM "
            "estimate.",
        )
        out["trace"] = Picture.of(
            plots.plot_trace(posterior),
            "Traces of the proportions and the log posterior density over the draws.",
            "Traces: chains that mix look like the same noise, without trends or jumps.",
        )
    return out


def _columns(analysis: Analysis) -> list[dict[str, str]]:
    data = analysis.data
    return [
        {
            "name": name,
            "unit": analysis.units.get(name, ""),
            "low": f"{data.low[j]:.6g}",
            "high": f"{data.high[j]:.6g}",
            "mean": f"{data.center[j]:.6g}",
            "sd": f"{data.sd[j]:.4g}",
        }
        for j, name in enumerate(data.names)
    ]


def _selection(analysis: Analysis) -> pd.DataFrame:
    table = analysis.selection.table
    table = table[table["status"] != "failed"].head(_MOST_ROWS)
    table = table[
        ["family", "K", "n_parameters", "loglik", "bic", "delta_bic", "icl", "starts_agreeing",
         "status"]
    ]  # fmt: skip
    return table.rename(
        columns={"n_parameters": "parameters", "loglik": "log-likelihood", "bic": "BIC",
                 "delta_bic": "BIC − best", "icl": "ICL", "starts_agreeing": "starts agreeing"}
    )  # fmt: skip


def _failures(analysis: Analysis) -> dict[str, list[str]]:
    """Reasons, each with the cells it stopped."""
    reasons: dict[str, list[str]] = {}
    for (family, k), reason in analysis.selection.failures.items():
        reasons.setdefault(reason, []).append(f"{family}, K = {k}")
    return reasons


def _estimates(analysis: Analysis) -> pd.DataFrame:
    fit = analysis.fit
    table = fit.to_frame() if fit.d <= 4 else fit.to_frame().iloc[:, : 1 + 2 * fit.d]
    table = table.T
    table.columns = [f"component {k}" for k in table.columns]
    return table


def _summary(analysis: Analysis) -> pd.DataFrame:
    posterior = analysis.posterior
    assert posterior is not None
    fit = posterior.fit
    names = ("pi", "mu", "Sigma") if fit.d <= 4 else ("pi", "mu")
    table = without_copies(posterior.summary(var_names=names), fit)
    low, high = table.columns[2:4]
    return table[["mean", "sd", low, high, "ess_bulk", "ess_tail", "r_hat"]].rename(
        columns={low: "5.5 %", high: "94.5 %", "ess_bulk": "ESS bulk", "ess_tail": "ESS tail",
                 "r_hat": "r-hat"}
    )  # fmt: skip


def _meanings(comparison: Comparison) -> dict[str, str]:
    """What the columns that have figures mean, and which way is better."""
    return {
        told["label"]: told["meaning"] + (f"; {told['better']} is better" if told["better"] else "")
        for column, told in comparison.attrs["columns"].items()
        if comparison[column].notna().any() and column not in ("status", "verdict")
    }


def _html(table: pd.DataFrame, index: bool = True) -> str:
    """A table as HTML; without names of its axes, which would cost a header line of their own."""
    shown = table.map(_cell).rename_axis(index=None, columns=None)
    return shown.to_html(border=0, classes="data", index=index)


def _cell(value: Any) -> str:
    """Missing as a dash, whole numbers whole, others to about four digits."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or str(value) == "<NA>":
        return "–"
    if isinstance(value, float | np.floating):
        value = float(value)
        if value == int(value) and abs(value) < 1e6:
            return f"{value:.0f}"
        digits = 2 if abs(value) >= 100 else 3 if abs(value) >= 1 else 4
        return f"{value:.{digits}f}" if 1e-3 <= abs(value) < 1e7 else f"{value:.3g}"
    return str(value)


def _command(analysis: Analysis) -> str:
    s = analysis.settings
    ks = s["n_components"]
    contiguous = ks == list(range(ks[0], ks[-1] + 1))
    k = f"{ks[0]}:{ks[-1]}" if contiguous and len(ks) > 1 else ",".join(map(str, ks))
    parts = [f"bayesgmm report {analysis.source or 'data.csv'} -k {k}"]
    parts.append(f"--families {','.join(s['covariance_type'])}")
    parts.append("--columns '" + ",".join(s["columns"]) + "'")
    if s["n_init"] is not None:
        parts.append(f"--n-init {s['n_init']}")
    parts.append(f"--seed {s['random_seed']}")
    if s["with_posterior"]:
        parts.append(f"--draws {s['draws']} --tune {s['tune']} --chains {s['chains']}")
    else:
        parts.append("--no-refine")
    return " \\\n  ".join(parts)
