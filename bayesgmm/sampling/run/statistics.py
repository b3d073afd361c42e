"""The statistics that a result keeps, under PyMC's names."""

from __future__ import annotations

import numpy as np
import xarray as xr

# What the engines report, each as far as it has it; lp have all.
_KEPT = (
    "diverging", "tree_depth", "reached_max_treedepth", "n_steps", "energy", "acceptance_rate",
    "step_size", "lp", "pareto_k", "corrected", "log_marginal_likelihood", "stages",
    "empty_expected", "empty_drawn",
)  # fmt: skip
_WHOLE = ("tree_depth", "n_steps")


def kept_statistics(stats: xr.Dataset) -> xr.Dataset:
    """Those of them that an engine has, counts as whole numbers."""
    stats = stats[[name for name in _KEPT if name in stats]]
    return stats.assign({name: stats[name].astype(np.int64) for name in _WHOLE if name in stats})
