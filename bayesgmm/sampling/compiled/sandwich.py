"""Draws of a pseudo-posterior with the width that survey weights give its centre.

Weights in the likelihood put the posterior where the estimate for the population is, but not as
wide as that estimate varies from sample to sample: J^-1, J the curvature, in place of the sandwich
J^-1 V J^-1. The draws are moved by the linear map about the mode that makes the one the other
(Williams & Savitsky 2021, Int. Stat. Rev. 89, 72-107).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.linalg import solve_triangular

from ...density.log_posterior import LogPosterior
from ...density.mode import Mode, information
from ...em.standard_errors.information import Tangents
from ...em.standard_errors.sandwich import spread_of_scores
from ...kernels.e_step.contract import Parameters
from ...utils.matrices import as_full
from ...utils.types import FloatArray
from ..registry import DensityEngine
from ..run.settings import Settings

# Steps of differences, relative to the units of the coordinates.
_STEP = 1e-5


def with_sandwich(engine: DensityEngine) -> DensityEngine:
    """The engine, whose draws then have the sandwich's width about the mode."""

    def run(density: LogPosterior, mode: Mode, settings: Settings) -> tuple[FloatArray, xr.Dataset]:
        vectors, stats = engine(density, mode, settings)
        return widened(density, mode, vectors), stats

    return run


def widened(density: LogPosterior, mode: Mode, vectors: FloatArray) -> FloatArray:
    """Draws (chain, draw, P) moved about the mode.

    V is the spread of the rows' weighted scores, and the prior's own curvature, so that what the
    rows do not know about stays as the prior has it. In coordinates in which J is 1 the draws are
    multiplied by the symmetric root of V.
    """
    prior = LogPosterior(density.data, density.parametrisation, density.prior, likelihood=False)
    [parameters] = _full(density, mode.origin[None])
    spread = spread_of_scores(density.data, parameters, _tangents(density, mode), squared=True)
    spread = spread + information(prior, mode.origin)
    values, axes = np.linalg.eigh(mode.root.T @ spread @ mode.root)
    stretch = (axes * np.sqrt(np.maximum(values, 0.0))) @ axes.T
    flat = (vectors - mode.origin).reshape(-1, density.size)
    z = solve_triangular(mode.root, flat.T, lower=True)
    return np.asarray(mode.origin + (mode.root @ stretch @ z).T.reshape(vectors.shape))


def _full(density: LogPosterior, points: FloatArray) -> list[Parameters]:
    """The parameters at points (S, P), with covariances as matrices."""
    return [
        Parameters(p.weights, p.means, as_full(p.covariances)) for p in density.parameters(points)
    ]


def _tangents(density: LogPosterior, mode: Mode) -> Tangents:
    """Derivatives of the parameters in the coordinates, by central differences."""
    steps = _STEP * density.units()
    ahead = _full(density, mode.origin + np.diag(steps))
    behind = _full(density, mode.origin - np.diag(steps))

    def slope(name: str) -> FloatArray:
        pairs = zip(ahead, behind, steps, strict=True)
        return np.array([(getattr(a, name) - getattr(b, name)) / (2 * h) for a, b, h in pairs])

    without_noise = np.empty((len(steps), 0))
    return Tangents(slope("weights"), slope("means"), slope("covariances"), without_noise)
