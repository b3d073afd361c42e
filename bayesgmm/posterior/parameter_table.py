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
    chosen = chosen_variables(tree, var_names)
    with np.errstate(invalid="ignore"):  # elements that are always 0 have no r-hat
        table: pd.DataFrame = summary(
            tree, var_names=chosen, ci_prob=ci_prob, ci_kind="eti", round_to="none"
        )
    return table


def sensitivity_table(tree: xr.DataTree, var_names: Sequence[str]) -> pd.DataFrame:
    """ArviZ's power-scaling sensitivity to the groups `log_prior` and `log_likelihood`."""
    from arviz_stats import psense_summary

    chosen = chosen_variables(tree, var_names)
    tree = tree.copy()
    # "component" is the name of a dimension of ArviZ's result.
    renamed = tree["posterior"].to_dataset()[chosen].rename(component="mixture_component")
    tree["posterior"] = renamed
    with np.errstate(invalid="ignore"):  # elements that are always 0 have no distribution
        table: pd.DataFrame = psense_summary(tree, var_names=chosen)
    return table


def chosen_variables(tree: xr.DataTree, var_names: Sequence[str]) -> list[str]:
    """The names of variables of the posterior; other names are refused."""
    available = [str(name) for name in tree["posterior"].data_vars]
    chosen = [var_names] if isinstance(var_names, str) else list(var_names)
    if not chosen:
        raise ValueError(f"var_names is empty: choose among {', '.join(available)}.")
    return [check_choice("var_names", name, available) for name in chosen]


def without_copies(summary: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """A summary without the elements of Sigma that repeat another, or are 0 in the family."""
    k, i, j = np.indices((fit.n_components, fit.d, fit.d)).reshape(3, -1)
    own = (i <= j) & ~(fit.family.diagonal & (i < j)) & ~(fit.family.common & (k > 0))
    kept = np.ones(len(summary), dtype=bool)  # by position: names with commas may look like others
    sigma = summary.index.str.startswith("Sigma[")
    kept[sigma] = own[: sigma.sum()]
    table = summary[kept]
    if fit.family.common:
        first = f"Sigma[{fit.components[0]}, "
        table.index = table.index.str.replace(first, "Sigma[all, ", regex=False)
    return table
