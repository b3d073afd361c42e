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
    kept = {
        f"Sigma[{k}, {fit.names[i]}, {fit.names[j]}]"
        for k in range(1 if fit.family.common else fit.n_components)
        for i in range(fit.d)
        for j in range(i, fit.d)
        if not (fit.family.diagonal and i < j)
    }
    table = summary.loc[[i for i in summary.index if not i.startswith("Sigma") or i in kept]]
    if fit.family.common:
        table.index = table.index.str.replace("Sigma[0, ", "Sigma[all, ")
    return table
