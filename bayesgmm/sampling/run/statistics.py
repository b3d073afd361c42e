"""The statistics that a result keeps, under PyMC's names."""

from __future__ import annotations

import numpy as np
import xarray as xr

# Statistics of the samplers, each of which has lp and some of the others.
_KEPT = (
    "diverging", "tree_depth", "reached_max_treedepth", "n_steps", "energy", "acceptance_rate",
    "step_size", "lp", "pareto_k", "corrected", "log_marginal_likelihood", "stages",
    "empty_expected", "empty_drawn", "nearly_empty",
)  # fmt: skip
_COUNTS = ("tree_depth", "n_steps")


def kept_statistics(stats: xr.Dataset) -> xr.Dataset:
    """The statistics to keep, of those that a sampler has; counts as integers."""
    stats = stats[[name for name in _KEPT if name in stats]]
    return stats.assign({name: stats[name].astype(np.int64) for name in _COUNTS if name in stats})
