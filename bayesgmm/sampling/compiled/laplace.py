"""Laplace's approximation: draws of the normal density at the mode, corrected by their weights."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...density.mode import FreeDensity, Mode
from ...kernels.e_step.chunks import map_together
from ...utils.types import FloatArray
from ..run.importance import corrected
from ..run.kept import KeptChains
from ..run.settings import Settings

_NAME, _DIMS = "u", ("chain", "draw", "coordinate")


def laplace(density: FreeDensity, mode: Mode, settings: Settings) -> tuple[FloatArray, xr.Dataset]:
    """Draws (chain, draw, P) of the density's coordinates, and statistics.

    Tierney & Kadane (1986), J. Am. Stat. Assoc. 81, 82-86, for the approximation; `corrected` for
    the importance weights that turn its draws into draws of the posterior, and for their Pareto k.
    """
    rng = np.random.default_rng(settings.random_seed)
    size = density.size
    z = rng.standard_normal((settings.chains, settings.draws, size))
    log_q = -0.5 * np.sum(z**2, axis=2) - 0.5 * size * np.log(2 * np.pi)
    log_q -= np.sum(np.log(np.diagonal(mode.root)))
    kept = KeptChains.of_run(density, mode, settings)
    tree = corrected(_Points(density, kept), mode.origin + z @ mode.root.T, log_q, rng, shared=True)
    return tree["posterior"][_NAME].to_numpy(), tree["sample_stats"].to_dataset()


class _Points:
    """The density in the form that `corrected` takes."""

    def __init__(self, density: FreeDensity, kept: KeptChains) -> None:
        self._density, self._kept = density, kept

    def log_density(self, vectors: FloatArray) -> FloatArray:
        """Log density (S,) at vectors (S, P), on all threads."""
        density = self._density

        def values(some: FloatArray) -> FloatArray:
            return np.array(map_together(density.data, lambda u: density(u)[0], list(some)))

        return self._kept.log_densities(vectors, values)

    def posterior(self, vectors: FloatArray) -> xr.Dataset:
        """The vectors themselves."""
        chains, draws = (np.arange(n) for n in vectors.shape[:2])
        return xr.Dataset({_NAME: (_DIMS, vectors)}, coords={"chain": chains, "draw": draws})
