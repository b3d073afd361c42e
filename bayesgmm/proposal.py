"""A density one can draw from, close to given draws: a Gaussian mixture fitted to them by EM.

A posterior of a mixture is often skewed, and may have several modes besides those of its labels;
one normal density then misses much of it. The library's own EM finds as many as BIC asks for.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from .errors import DegenerateFitWarning
from .fitting import fit
from .integrals import Whitening
from .kernels.contract import FloatArray
from .mixture import Mixture

# Numbers of normal components tried, as long as BIC improves, and random starts of each.
_SIZES = (1, 2, 4, 8)
_STARTS = 5
# Any mixture will do: EM need not go to the end.
_TOL = 1e-4
# Draws per free parameter below which another size is not tried.
_DRAWS_PER_PARAMETER = 2


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A normalised density of points in P coordinates: a mixture in whitened ones."""

    unit: Whitening
    mixture: Mixture

    @classmethod
    def of(cls, points: FloatArray, rng: np.random.Generator) -> Proposal:
        """Close to points (S, P), which need not be independent.

        Parameters
        ----------
        points : array (S, P)
            More than P of them.
        rng : Generator
            For EM's starts.

        Raises
        ------
        ValueError
            Points that fill no volume.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesgmm.proposal import Proposal
        >>> rng = np.random.default_rng(0)
        >>> points = np.concatenate([rng.normal(-9, 1, (500, 1)), rng.normal(9, 1, (500, 1))])
        >>> Proposal.of(points, rng).mixture.n_components
        2
        """
        try:
            unit = Whitening.of(points)
        except np.linalg.LinAlgError:
            raise ValueError(
                "the draws fill no volume: some parameters do not vary, or only together."
            ) from None
        white = unit.white(points)
        size = points.shape[1]
        best = fit(white, 1)
        with warnings.catch_warnings():  # a size that degenerates is only not chosen
            warnings.simplefilter("ignore", DegenerateFitWarning)
            for k in _SIZES[1:]:
                if _DRAWS_PER_PARAMETER * k * (size + 1) * (size + 2) / 2 > len(points):
                    break
                larger = fit(white, k, start="k-means++", n_init=_STARTS, tol=_TOL, random_seed=rng)
                if not (larger.status.sound and larger.bic < best.bic):
                    break
                best = larger
        return cls(unit, best.mixture)

    def sample(self, size: int, rng: np.random.Generator) -> FloatArray:
        """Independent draws (size, P)."""
        return self.unit.back(self.mixture.sample(size, rng)[0])

    def log_density(self, points: FloatArray) -> FloatArray:
        """Log density (S,) of points (S, P)."""
        return self.mixture.log_density(self.unit.white(points)) - self.unit.log_volume
