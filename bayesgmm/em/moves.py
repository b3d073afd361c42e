"""Expected statistics with a component split, or two merged or separated: starts of EM.

Statistics with the diagonals of the scatters alone give others of that kind.
Ueda, Nakano, Ghahramani & Hinton (2000), Neural Computation 12, 2109-2128.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..kernels.e_step.contract import Statistics
from ..mixture.splitting import halves, longest_axis, principal_axes, square_like
from ..utils.matrices import as_diagonals
from ..utils.types import FloatArray

# The pairs of components that are tried merged, and the components that are tried split.
_PAIRS = 2
_SPLITS = 2
# Axes along which coinciding components are separated: the longest ones.
_AXES = 64
# Of two coinciding components one takes this fraction of its scatter, the other 2 less this.
_NARROWER = 0.25


def splits(s: Statistics) -> list[Statistics]:
    """The largest components, each in turn halved across its longest axis."""
    out = []
    for k in np.argsort(-s.counts, kind="stable")[:_SPLITS]:
        variance, axis = longest_axis(s.scatters[k] / s.counts[k])
        if variance > 0:
            out.append(_halved(s, int(k), variance, axis))
    return out


def _halved(s: Statistics, k: int, variance: float, axis: FloatArray) -> Statistics:
    """Component k halved across an axis, the other half last."""
    # the halves of a Gaussian have their means at sqrt(2/pi) standard deviations
    shift = axis * np.sqrt(variance * 2 / np.pi)
    low, high, narrower = halves(s.means[k], s.scatters[k], shift, s.counts[k])
    counts, means, scatters = (
        np.concatenate([a, a[k : k + 1]]) for a in (s.counts, s.means, s.scatters)
    )
    counts[[k, -1]] /= 2
    means[[k, -1]] = high, low
    scatters[k] = scatters[-1] = narrower / 2
    return Statistics(counts, means, scatters)


def merges(s: Statistics) -> list[Statistics]:
    """The closest pairs of components merged, by the distance of means in pooled sds."""
    spread = as_diagonals(s.scatters).sum(axis=0) / s.counts.sum()
    scaled = s.means / np.sqrt(spread)
    distance = np.sum((scaled[:, None] - scaled[None]) ** 2, axis=2)
    pairs = sorted((distance[a, b], a, b) for a in range(len(scaled)) for b in range(a))
    return [merged(s, a, b) for _, a, b in pairs[:_PAIRS]]


def merged(s: Statistics, a: int, b: int) -> Statistics:
    """Components a and b merged into one, which comes last."""
    rest = [k for k in range(len(s.counts)) if k not in (a, b)]
    count = max(s.counts[a] + s.counts[b], np.finfo(float).tiny)
    mean = (s.counts[a] * s.means[a] + s.counts[b] * s.means[b]) / count
    gap = s.means[a] - s.means[b]
    between = s.counts[a] * s.counts[b] / count * square_like(s.scatters[a], gap)
    scatter = s.scatters[a] + s.scatters[b] + between
    return Statistics(
        np.append(s.counts[rest], count),
        np.vstack([s.means[rest], mean]),
        np.concatenate([s.scatters[rest], scatter[None]]),
    )


def separated(s: Statistics, a: int, b: int) -> Iterator[Statistics]:
    """Coinciding components a and b separated: along the longest axes in turn, and in width."""
    both = merged(s, a, b)
    k = len(both.counts) - 1
    if not both.counts[k] > 0 or not np.all(np.isfinite(both.scatters[k])):
        return
    order = np.argsort([*(j for j in range(k + 2) if j not in (a, b)), a, b])
    for variance, axis in islice(principal_axes(both.scatters[k] / both.counts[k]), _AXES):
        if variance > 0:
            yield _reordered(_halved(both, k, variance, axis), order)
    wide = s.scatters.copy()
    wide[a] = _NARROWER * s.scatters[a]
    wide[b] = (2 - _NARROWER) * s.scatters[b]
    yield Statistics(s.counts, s.means, wide)


def _reordered(s: Statistics, order: NDArray[np.intp]) -> Statistics:
    """Components in another order."""
    return Statistics(s.counts[order], s.means[order], s.scatters[order])
