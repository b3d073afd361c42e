"""Importance resampling of an approximation's draws, judged by Pareto k.

Vehtari, Simpson, Gelman, Yao & Gabry (2024), J. Mach. Learn. Res. 25(72), 1-58, for the weights;
Yao, Vehtari, Simpson & Gelman (2018), Proc. ICML, 5581-5590, for judging an approximation by k.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import xarray as xr
from scipy.linalg import eigh

from ...posterior.diagnostics.engine_checks import MAX_PARETO_K
from ...utils.types import FloatArray


class Density(Protocol):
    """A posterior density of vectors of free coordinates."""

    def log_density(self, vectors: FloatArray) -> FloatArray:
        """Log density (S,) of vectors (S, P)."""

    def posterior(self, vectors: FloatArray) -> xr.Dataset:
        """The variables that vectors (chain, draw, P) stand for."""


# Fewer draws have no tail to fit; log weights that differ by less than this are all equal.
_LEAST, _EQUAL = 25, 1e-9


def corrected(
    points: Density,
    vectors: FloatArray,
    log_q: FloatArray,
    rng: np.random.Generator,
    *,
    shared: bool,
) -> xr.DataTree:
    """Independent draws of approximations, resampled by Pareto-smoothed importance weights.

    Every chain is resampled by itself, systematically and in order: a draw that counts for
    several stands several times in a row, so that effective sample sizes and r-hat see what the
    weights cost, as they see what autocorrelation costs. If a Pareto k is above 0.7 nothing can
    be corrected, and all chains keep the approximations' own draws.

    Parameters
    ----------
    points : Density
        The posterior.
    vectors : array (chain, draw, P)
        Draws of the approximations.
    log_q : array (chain, draw)
        Log density of each at its draws.
    rng : Generator
        Of the resampling.
    shared : bool
        Whether all chains are draws of one approximation, which then has one k.

    Returns
    -------
    xarray.DataTree
        `posterior`; `sample_stats` with lp, and by chain pareto_k and corrected.
    """
    n_chains, n_draws = log_q.shape
    density = points.log_density(vectors.reshape(-1, vectors.shape[2])).reshape(log_q.shape)
    log_ratio = np.where(np.isfinite(density), density - log_q, -np.inf)
    groups = log_ratio.reshape(1, -1) if shared else log_ratio
    of_groups = vectors.reshape(*groups.shape, -1)
    weights, k = zip(*map(_smoothed, groups, of_groups), strict=True)
    by_chain = np.array(weights).reshape(log_q.shape)
    sound = max(k) <= MAX_PARETO_K and bool(np.all(by_chain.max(axis=1) > 0))
    if sound:
        index = np.array([_systematic(w, rng) for w in by_chain])
        vectors = np.take_along_axis(vectors, index[:, :, None], axis=1)
        density = np.take_along_axis(density, index, axis=1)
    posterior = points.posterior(vectors)
    stats = xr.Dataset({
        "lp": (("chain", "draw"), density),
        "pareto_k": ("chain", np.resize(k, n_chains)),
        "corrected": ("chain", np.full(n_chains, sound)),
    })  # fmt: skip
    stats = stats.assign_coords({name: posterior[name] for name in ("chain", "draw")})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


def _smoothed(log_ratio: FloatArray, vectors: FloatArray) -> tuple[FloatArray, float]:
    """Weights, the largest 1, and Pareto k: infinite if there are too few draws to know.

    Draws that miss a region with most of the posterior's mass show a small k. But their weights
    then show that the posterior is wider than they are, so that k is at least that of `_implied`.
    """
    from arviz_stats.base import array_stats

    weights = np.zeros(len(log_ratio))
    inside = np.isfinite(log_ratio)
    if np.sum(inside) < _LEAST:
        return weights, np.inf
    if np.ptp(log_ratio[inside]) < _EQUAL:
        weights[inside] = 1.0
        return weights, -np.inf
    smooth, k = array_stats.psislw(-log_ratio[inside])
    weights[inside] = np.exp(smooth - smooth.max())
    if not np.isfinite(k):
        return weights, np.inf
    return weights, max(float(k), _implied(vectors[inside], weights[inside]))


def _implied(vectors: FloatArray, weights: FloatArray) -> float:
    """The Pareto k of normal draws, if the posterior were normal with the weighted covariance.

    Weights exp(z^2 (1 - 1/r) / 2) of standard normal z, for a variance of r, have a tail of index
    k = 1 - 1/r; r is the largest of any direction, about the draws' mean.
    """
    centred = vectors - vectors.mean(axis=0)
    sd = centred.std(axis=0)
    if len(vectors) <= centred.shape[1] or not np.all(sd > 0):
        return -np.inf
    white = centred / sd
    spread = (white * (weights / weights.sum())[:, None]).T @ white
    own = white.T @ white / len(white)
    largest = eigh(spread, own, eigvals_only=True)[-1]
    return float(1 - 1 / largest)


def _systematic(weights: FloatArray, rng: np.random.Generator) -> np.ndarray:
    """Indices by systematic resampling, in order: as many as weights, in proportion to these."""
    shares = np.cumsum(weights)
    marks = (np.arange(len(weights)) + rng.random()) / len(weights) * shares[-1]
    return np.searchsorted(shares, marks)
