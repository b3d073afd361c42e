"""Which chains found the same mode of the posterior."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from ...utils.display import Displayed
from ...utils.types import FloatArray

# Chains are apart where this central part of their draws does not overlap, ...
_CENTRAL = (0.05, 0.95)
# ... and their means are this many Monte Carlo errors apart.
_ERRORS = 6.0


@dataclass(frozen=True, slots=True, repr=False)
class ChainModes(Displayed):
    """Groups of chains that found different modes, the one of highest posterior density first.

    Attributes
    ----------
    groups : tuple of tuples of int
        The chains of each group; one group if all chains agree.
    log_posterior : tuple of float
        Mean log posterior density of each group. It does not say how much of the posterior a
        mode holds: a broad mode may hold more than a high one.
    quantity : str
        What sets the groups apart most; empty for one group.
    means : tuple of float
        Its mean in each group.
    """

    groups: tuple[tuple[int, ...], ...]
    log_posterior: tuple[float, ...]
    quantity: str = ""
    means: tuple[float, ...] = ()

    @property
    def differ(self) -> bool:
        """Whether there is more than one group."""
        return len(self.groups) > 1

    @property
    def group_of(self) -> dict[int, int]:
        """The number of the group of each chain."""
        return {c: g for g, chains in enumerate(self.groups) for c in chains}

    def _title(self) -> str:
        modes = "mode" if len(self.groups) == 1 else "modes"
        return f"{len(self.group_of)} chains in {len(self.groups)} {modes}"

    def _lines(self) -> list[tuple[str, str]]:
        means = self.means or (None,) * len(self.groups)
        return [
            (_named(chains), f"mean log posterior {density:.1f}"
             + ("" if mean is None else f", mean of {self.quantity} {mean:.4g}"))
            for chains, density, mean in zip(self.groups, self.log_posterior, means, strict=True)
        ]  # fmt: skip

    def __str__(self) -> str:
        if not self.differ:
            return "all chains agree on one mode"
        groups = " and ".join(_named(chains) for chains in self.groups)
        return (
            f"{groups[0].upper()}{groups[1:]} found different modes of the posterior (mean log "
            f"posterior {_listed(self.log_posterior, '.1f')}; mean of {self.quantity} "
            f"{_listed(self.means, '.4g')}). They are not to be averaged: look at each alone, "
            f"posterior.of_chains({list(self.groups[0])}) say; start from the best of several "
            "fits; use fewer components or a stronger prior."
        )


def chain_modes(
    quantities: Mapping[str, FloatArray], log_posterior: FloatArray, chains: Sequence[int]
) -> ChainModes:
    """The chains in groups by mode of the posterior.

    Two chains are apart if in any quantity the central 90 % of their draws do not overlap and
    their means differ by more than 6 Monte Carlo errors, so that chains that are merely slow are
    not taken for modes. Chains that are not apart are in one group, and so are chains that a
    third one connects: it passes from the one to the other.

    Parameters
    ----------
    quantities : mapping of str to array (chains, draws)
        Relabelled parameters and label-invariant quantities, by name.
    log_posterior : array (chains, draws)
        Log posterior density of the draws, to a constant.
    chains : sequence of int
        Names of the chains.

    Returns
    -------
    ChainModes

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> mu = rng.standard_normal((4, 200)) + np.array([[0.0], [9.0], [0.0], [9.0]])
    >>> chain_modes({"mu": mu}, -(mu**2), [0, 1, 2, 3]).groups
    ((0, 2), (1, 3))
    """
    names = list(quantities)
    values = np.stack([quantities[name] for name in names])
    gaps = _gaps(values)
    apart = np.any(gaps > 0, axis=0)
    n_groups, group = connected_components(~apart, directed=False)
    density = np.array([log_posterior[group == g].mean() for g in range(n_groups)])
    order = np.argsort(-density, kind="stable")
    members = [np.flatnonzero(group == g) for g in order]
    groups = tuple(tuple(chains[i] for i in member.tolist()) for member in members)
    if n_groups == 1:
        return ChainModes(groups, (float(density[0]),))
    separating = int(np.argmax(gaps.max(axis=(1, 2))))
    return ChainModes(
        groups,
        tuple(density[order].tolist()),
        names[separating],
        tuple(float(values[separating, member].mean()) for member in members),
    )


def _gaps(values: FloatArray) -> FloatArray:
    """Gaps (q, a, b) between chains a and b in each quantity, in sds; 0 if they are not apart."""
    low, high = np.quantile(values, _CENTRAL, axis=2)
    gap = np.maximum(low[:, :, None] - high[:, None, :], low[:, None, :] - high[:, :, None])
    sd = values.std(axis=2)
    out = np.zeros_like(gap)
    for q, a, b in np.argwhere(gap > 0):
        if a < b and _means_differ(values[q, a], values[q, b]):
            out[q, a, b] = out[q, b, a] = gap[q, a, b] / max(sd[q, a], sd[q, b], 1e-300)
    return out


def _means_differ(a: FloatArray, b: FloatArray) -> bool:
    """Whether two chains' means differ by more than _ERRORS Monte Carlo errors."""
    error = math.hypot(_error(a), _error(b))
    return abs(float(a.mean() - b.mean())) > _ERRORS * error


def _error(chain: FloatArray) -> float:
    """Monte Carlo error of a chain's mean, 0 for a chain that does not move."""
    from arviz_stats.base import array_stats

    return float(array_stats.mcse(chain[None], method="mean")) if np.ptp(chain) > 0 else 0.0


def _named(chains: Sequence[int]) -> str:
    return ("chain " if len(chains) == 1 else "chains ") + ", ".join(map(str, chains))


def _listed(values: Sequence[float], form: str) -> str:
    return " and ".join(format(v, form) for v in values)
