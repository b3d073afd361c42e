"""Runs of a sampler on a density without the pairs of a row and a component that do not matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

import numpy as np
import xarray as xr

from ...density.mode import FreeDensity, Mode
from ...kernels.e_step.chunks import map_together
from ...utils.types import FloatArray
from ..run.interruption import refuse_if_stopped
from ..run.settings import Settings

# How much may be left out: the first that makes a small enough error about the mode, or the last.
_LEFT_OUT = 10.0, 1.0, 0.1
# The standard deviation that the error of the log density may have, beforehand and at the draws:
# no expectation is off by more, in standard deviations of its variable.
_EVEN, _UNEVEN = 0.01, 0.02
# Points besides the mode: so many at which it is decided what matters, and as many at which the
# error is looked at; the former are farther from the mode by this factor.
_POINTS, _SPREAD = 16, 2.0
# Draws at which the error is looked at.
_CHECKED = 64


class Prunable(FreeDensity, Protocol):
    """A compiled density from which pairs of a row and a component can be left out."""

    def pruned(self, points: FloatArray, left_out: float) -> Self:
        """The density without the pairs that do not matter at points (S, P), or itself."""


type Engine[D] = Callable[[D, Mode, Settings], tuple[FloatArray, xr.Dataset]]


def with_pruning[D: Prunable](engine: Engine[D]) -> Engine[D]:
    """The engine on a pruned density, or on the unpruned one if the draws show a difference."""

    def run(whole: D, mode: Mode, settings: Settings) -> tuple[FloatArray, xr.Dataset]:
        density = _pruned(whole, mode)
        vectors, stats = engine(density, mode, settings)
        if density is not whole and not _error_at_draws(whole, density, vectors) < _UNEVEN:
            refuse_if_stopped(vectors.shape[0], vectors.shape[1], settings)
            vectors, stats = engine(whole, mode, settings)
        return vectors, stats

    return run


def _pruned[D: Prunable](whole: D, mode: Mode) -> D:
    """The density without as many pairs as an even error about the mode allows."""
    rng = np.random.default_rng(0)  # what is left out does not depend on the chains' seed
    z = _SPREAD * rng.standard_normal((_POINTS, whole.size))
    near = mode.origin + rng.standard_normal((_POINTS, whole.size)) @ mode.root.T
    points = np.vstack([mode.origin, mode.origin + z @ mode.root.T])
    values = None
    for left_out in _LEFT_OUT:
        density = whole.pruned(points, left_out)
        if density is whole:
            break
        values = _values(whole, near) if values is None else values
        if np.std(values - _values(density, near)) < _EVEN:
            break
    return density


def _values(density: Prunable, points: FloatArray) -> FloatArray:
    """The log density at points (S, P)."""
    return np.array(map_together(density.data, lambda u: density(u)[0], list(points)))


def _error_at_draws(whole: Prunable, pruned: Prunable, vectors: FloatArray) -> float:
    """The standard deviation of the pruned log density's error at some draws (chain, draw, P)."""
    flat = vectors.reshape(-1, whole.size)
    some = flat[np.linspace(0, len(flat) - 1, _CHECKED).astype(int)]
    return float(np.std(_values(whole, some) - _values(pruned, some)))
