"""Means, intervals and diagnostics of a posterior's parameters as a table, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..utils.validation import check_choice, check_probability

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..em.result import Fit


def parameter_table(tree: xr.DataTree, ci_prob: float, var_names: Sequence[str]) -> pd.DataFrame:
    """ArviZ's summary of variables, unrounded, with equal-tailed intervals."""
    from arviz_stats import summary

    ci_prob = check_probability("ci_prob", ci_prob)
    there = [str(name) for name in tree["posterior"].data_vars]
    chosen = [var_names] if isinstance(var_names, str) else list(var_names)
    for name in chosen:
        check_choice("var_names", name, there)
    with np.errstate(invalid="ignore"):  # elements that are always 0 have no r-hat
        table: pd.DataFrame = summary(
            tree, var_names=chosen, ci_prob=ci_prob, ci_kind="eti", round_to="none"
        )
    return table


def without_copies(summary: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """A summary without the elements of Sigma that are another's copy, or 0 by the family."""
    k, i, j = np.indices((fit.n_components, fit.d, fit.d)).reshape(3, -1)
    own = (i <= j) & ~(fit.family.diagonal & (i < j)) & ~(fit.family.common & (k > 0))
    kept = np.ones(len(summary), dtype=bool)  # by place: names with commas may look like others
    sigma = summary.index.str.startswith("Sigma[")
    kept[sigma] = own[: sigma.sum()]
    table = summary[kept]
    if fit.family.common:
        table.index = table.index.str.replace("Sigma[0, ", "Sigma[all, ")
    return table
