"""Draws of an approximation made draws of the posterior, and how far that can be trusted.

Vehtari, Simpson, Gelman, Yao & Gabry (2024), J. Mach. Learn. Res. 25(72), 1-58, for the weights;
Yao, Vehtari, Simpson & Gelman (2018), Proc. ICML, 5581-5590, for judging an approximation by k.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import xarray as xr

from ..engine_checks import MAX_PARETO_K
from ..kernels.contract import FloatArray


class Target(Protocol):
    """A posterior in vectors of free coordinates."""

    def log_density(self, vectors: FloatArray) -> FloatArray:
        """Log density (S,) of vectors (S, P)."""

    def posterior(self, vectors: FloatArray) -> xr.Dataset:
        """The variables that vectors (chain, draw, P) stand for."""


def corrected(
    points: Target, vectors: FloatArray, log_q: FloatArray, rng: np.random.Generator
) -> xr.DataTree:
    """Independent draws of an approximation, resampled by Pareto-smoothed importance weights.

    Every chain is resampled by itself, systematically and in order: a draw that counts for
    several stands several times in a row, so that effective sample sizes and r-hat see what the
    weights cost, as they see what autocorrelation costs. A chain whose Pareto k is above 0.7
    cannot be corrected and keeps the approximation's own draws.

    Parameters
    ----------
    points : Target
        The posterior.
    vectors : array (chain, draw, P)
        Draws of the approximation.
    log_q : array (chain, draw)
        Its log density at the draws.
    rng : Generator
        Of the resampling.

    Returns
    -------
    xarray.DataTree
        `posterior`; `sample_stats` with lp, and by chain pareto_k and corrected.
    """
    density = points.log_density(vectors.reshape(-1, vectors.shape[2])).reshape(log_q.shape)
    density[np.isnan(density)] = -np.inf
    kept, k = zip(*[_resampled(*chain, rng) for chain in zip(density, log_q, strict=True)],
                  strict=True)  # fmt: skip
    index = np.array(kept)
    chosen = np.take_along_axis(vectors, index[:, :, None], axis=1)
    stats = xr.Dataset({
        "lp": (("chain", "draw"), np.take_along_axis(density, index, axis=1)),
        "pareto_k": ("chain", np.array(k)),
        "corrected": ("chain", np.array(k) <= MAX_PARETO_K),
    })  # fmt: skip
    posterior = points.posterior(chosen)
    stats = stats.assign_coords({name: posterior[name] for name in ("chain", "draw")})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


def _resampled(
    density: FloatArray, log_q: FloatArray, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Which draws to keep, in order, and Pareto k."""
    from arviz_stats.base import array_stats

    size = len(density)
    inside = np.flatnonzero(np.isfinite(density))
    if len(inside) < 5:
        return np.arange(size), np.inf
    smooth, k = array_stats.psislw(log_q[inside] - density[inside])
    if not k <= MAX_PARETO_K:
        return np.arange(size), float(k)
    shares = np.cumsum(np.exp(smooth - smooth.max()))
    marks = (np.arange(size) + rng.random()) / size * shares[-1]
    return inside[np.searchsorted(shares, marks)], float(k)
