"""Chains that go on where a posterior's draws end, and one tree of both.

A draw has all of a chain's state: the parameters and random hyperparameters, in the labels that
the sampler gave. So chains can be continued from a file, or after an interruption.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from ..posterior.labels.relabelling import permuted, relabelling_of_tree
from ..posterior.posterior import Posterior
from .compiled.empty_components import drawn_empty
from .compiled.sample import resume_directly
from .problem import PosteriorProblem
from .registry import Sampler
from .run.interruption import warn_of_interruption, was_stopped
from .run.settings import Settings

# Statistics of all draws together; the others have one value a draw.
_OF_ALL = ("empty_expected", "empty_drawn", "nearly_empty")


def steps_made(posterior: Posterior) -> int:
    """The steps of each chain that its draws tell of."""
    group = posterior.tree["posterior"]
    return int(group.sizes["draw"] * group.attrs["thin"])


def continued(
    posterior: Posterior, sampler: Sampler, settings: Settings, every: int = 1
) -> xr.DataTree:
    """Every `every`-th draw of a posterior, and the settings' draws more of the same chains.

    Parameters
    ----------
    posterior : Posterior
        The draws.
    sampler : Sampler
        The sampler that made them, which has a resuming engine.
    settings : Settings
        Of the draws to be made; its chains are the posterior's.
    every : int
        The posterior's draws to one of the tree.

    Returns
    -------
    xarray.DataTree
        In the labels that the sampler gave. Of fewer chains where an interruption left no more.

    Raises
    ------
    KeyboardInterrupt
        Interrupted before there were more draws.
    """
    before = _as_sampled(posterior.tree)
    group = before["posterior"]
    last = {
        str(name): variable.isel(draw=-1).transpose("chain", ...).to_numpy()
        for name, variable in group.data_vars.items()
    }
    problem = PosteriorProblem.of_rows(posterior.data, posterior.fit, posterior.prior)
    settings = replace(settings, made=steps_made(posterior))
    after, chains = resume_directly(problem, sampler, settings, last)
    at = np.arange(every - 1, group.sizes["draw"], every)
    tree = xr.DataTree.from_dict(
        {
            name: _one_after_another(
                before[name].to_dataset().isel(chain=chains, draw=at), after[name].to_dataset()
            )
            for name in ("posterior", "sample_stats")
        }
        | {"observed_data": before["observed_data"].to_dataset()}
    )
    earlier, attrs = group.attrs.get("sampling_time", 0.0), after["posterior"].attrs
    tree["posterior"].attrs = attrs | {"sampling_time": earlier + attrs["sampling_time"]}
    stats = tree["sample_stats"].to_dataset()
    if of_all := [name for name in _OF_ALL if name in stats]:
        expected = float(stats["empty_expected"]) if "empty_expected" in of_all else None
        values = {str(name): v.to_numpy() for name, v in tree["posterior"].data_vars.items()}
        drawn = drawn_empty(problem, values, expected)
        tree["sample_stats"] = xr.DataTree(stats.assign(drawn))
    made = after["posterior"].sizes
    if was_stopped(made["chain"], made["draw"], settings):
        warn_of_interruption(made["chain"], tree["posterior"].sizes["draw"])
        tree["posterior"].attrs["interrupted"] = 1
    return tree


def _as_sampled(tree: xr.DataTree) -> xr.DataTree:
    """The tree in the labels of the sampler."""
    back = np.argsort(relabelling_of_tree(tree).permutations, axis=1)
    out = tree.copy()
    out["posterior"] = xr.DataTree(permuted(tree["posterior"].to_dataset(), back))
    out["posterior"].attrs = tree["posterior"].attrs
    return out


def _one_after_another(before: xr.Dataset, after: xr.Dataset) -> xr.Dataset:
    """Draws of chains and those that follow, numbered anew."""
    of_all = {name: before[name] for name in _OF_ALL if name in before}
    parts = [part.drop_vars(["chain", "draw"]) for part in (before.drop_vars(of_all), after)]
    both = xr.concat(parts, "draw", data_vars="all").transpose("chain", "draw", ...)
    numbers = {name: np.arange(both.sizes[name]) for name in ("chain", "draw")}
    return both.assign_coords(numbers).assign(of_all)
