"""One posterior of chains that stay in different modes, each mode with the weight that it has.

The weight of a mode is its share of the evidence, which bridge sampling gives from the draws in it
alone (Meng & Wong 1996, Stat. Sinica 6, 831-860). The modes must be apart, so that the proposal
fitted to one hardly reaches another: they are where Gibbs sampling does not pass between them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ..posterior.evidence.evidence import Evidence
from ..posterior.labels.relabelling import with_counts
from ..posterior.posterior import Posterior
from ..utils.types import FloatArray, IntArray
from .run.settings import Settings


@dataclass(frozen=True, slots=True)
class Weighed:
    """Chains of draws from all modes in proportion to their weights, and those weights."""

    posterior: Posterior
    weights: FloatArray
    error: float

    def __str__(self) -> str:
        shares = " and ".join(f"{weight:.3f}" for weight in self.weights)
        return f"modes weighed {shares} (standard error of log ratios {self.error:.2g})"


def weighed_modes(posterior: Posterior, settings: Settings) -> Weighed | None:
    """The posterior of all modes that chains are in; None where an evidence is not to be had.

    Parameters
    ----------
    posterior : Posterior
        Draws of chains that found different modes.
    settings : Settings
        The chains and draws of the result, and its seed.
    """
    groups = posterior.chain_modes.groups
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong is in `problems`
            found = [_evidence(posterior, group, settings) for group in groups]
    except (ValueError, NotImplementedError):  # too few draws, or a prior without its constant
        return None
    if any(evidence.problems for evidence in found):
        return None
    weights = np.exp([evidence.value - max(e.value for e in found) for evidence in found])
    weights /= weights.sum()
    names = posterior.tree["posterior"]["chain"].to_numpy().tolist()
    places = [np.array([names.index(chain) for chain in group]) for group in groups]
    chain, draw = _picked(places, weights, posterior.tree["posterior"].sizes["draw"], settings)

    def of_both(group: xr.Dataset) -> xr.Dataset:
        if not {"chain", "draw"} <= set(group.dims):
            return group
        where = {"chain": (("chain", "draw"), chain), "draw": (("chain", "draw"), draw)}
        at = {name: xr.DataArray(index, dims=dims) for name, (dims, index) in where.items()}
        numbers = {name: np.arange(n) for name, n in zip(where, chain.shape, strict=True)}
        return group.drop_vars(["chain", "draw"]).isel(at).assign_coords(numbers)

    tree = posterior.tree.map_over_datasets(of_both)
    tree.attrs = dict(posterior.tree.attrs)
    error = float(np.sqrt(2) * max(evidence.error for evidence in found))
    return Weighed(replace(posterior, tree=with_counts(tree)), weights, error)


def _evidence(posterior: Posterior, group: tuple[int, ...], settings: Settings) -> Evidence:
    return posterior.of_chains(group).log_evidence("bridge", random_seed=settings.random_seed)


def _picked(
    places: list[IntArray], weights: FloatArray, n_draws: int, settings: Settings
) -> tuple[IntArray, IntArray]:
    """Chain and draw (chains, draws) of each draw of the result, in random order of the modes.

    A mode's draws keep their order, evenly spaced, so that what is alike shows in r-hat and ESS.
    """
    rng = np.random.default_rng(settings.random_seed)
    edges = np.concatenate([[0.0], np.cumsum(weights)])
    which = np.empty((settings.chains, settings.draws), dtype=np.int64)
    for row in which:
        marks = (np.arange(settings.draws) + rng.random()) / settings.draws
        row[:] = rng.permutation(np.clip(np.searchsorted(edges, marks) - 1, 0, len(weights) - 1))
    chain, draw = np.empty_like(which), np.empty_like(which)
    for g, chains in enumerate(places):
        here = which == g
        number = int(here.sum())
        at = ((np.arange(number) + 0.5) * (len(chains) * n_draws / max(number, 1))).astype(int)
        chain[here], draw[here] = chains[at // n_draws], at % n_draws
    return chain, draw
