"""A run of nutpie: waiting for it, its interruption, its statistics under PyMC's names."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr

from .interruption import TOO_LATE, keyboard_watched, largest_rectangle

# Seconds between looks at the keyboard.
_PATIENCE = 0.05
_NAMES = {
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "mean_tree_accept": "acceptance_rate",
    "logp": "lp",
}


def finished(*runs: Any) -> list[xr.DataTree]:
    """The draws of runs (`nutpie.sample(..., blocking=False)`), when they end or are interrupted.

    Raises
    ------
    KeyboardInterrupt
        Stopped before a chain had enough draws to judge it by, or after the last draw.
    """
    trees, stopped = list[xr.DataTree](), False
    with keyboard_watched(held=True) as pressed:  # the draws can be taken from nutpie only once
        while len(trees) < len(runs):
            try:
                trees.append(runs[len(trees)].wait(timeout=_PATIENCE))
            except TimeoutError:
                if pressed.is_set():
                    stopped = True
                    trees.append(_left_by(runs[len(trees)]))
    if pressed.is_set() and not stopped:
        raise KeyboardInterrupt(TOO_LATE)
    return [_with_names(tree) for tree in trees]


def _with_names(tree: xr.DataTree) -> xr.DataTree:
    stats = tree["sample_stats"].to_dataset()
    tree["sample_stats"] = xr.DataTree(stats.rename(_NAMES))
    return tree


def _left_by(run: Any) -> xr.DataTree:
    """The largest rectangle of draws in chains that end at different times (NaN-padded)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found chain dimension to be longer", UserWarning)
        tree = run.abort()
    made = np.isfinite(tree["sample_stats"]["logp"].to_numpy()).sum(axis=1)
    kept, n_draws = largest_rectangle(made)
    return tree.isel(chain=kept, draw=slice(0, n_draws))
