"""The proposal density: a Gaussian mixture fitted to given draws by EM.

A posterior of a mixture is often skewed, and may have several modes besides those of its labels;
one normal density then misses much of it. EM fits as many components as BIC chooses, and
a tenth of the draws come from the same mixture widened, so that no weight in the tails is large
(Hesterberg 1995, Technometrics 37, 185-194).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ...em.fit import fit
from ...mixture.mixture import Mixture
from ...utils.errors import DegenerateFitWarning
from ...utils.types import FloatArray
from .integrals import Whitening

# Numbers of components tried after one, as long as BIC improves, and random starts of each.
_SIZES = (2, 4, 8)
_STARTS = 5
# Any mixture will do: EM need not converge fully.
_TOL = 1e-4
# Draws per free parameter below which another size is not tried.
_DRAWS_PER_PARAMETER = 2
# Share of the widened mixture, and the factor of its covariances.
_TAIL_SHARE, _TAIL_FACTOR = 0.1, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A normalised density of points in P coordinates: a mixture in whitened ones."""

    unit: Whitening
    mixture: Mixture

    @classmethod
    def of(cls, points: FloatArray, rng: np.random.Generator) -> Proposal:
        """The proposal fitted to points (S, P), which need not be independent.

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
        >>> from bayesgmm.posterior.evidence.proposal import Proposal
        >>> rng = np.random.default_rng(0)
        >>> points = np.concatenate([rng.normal(-9, 1, (500, 1)), rng.normal(9, 1, (500, 1))])
        >>> Proposal.of(points, rng).mixture.n_components  # two, and the same two widened
        4
        """
        try:
            unit = Whitening.of(points)
        except np.linalg.LinAlgError:
            raise ValueError(
                "the draws fill no volume: some parameters do not vary, or only together."
            ) from None
        return cls(unit, _with_tails(_best_mixture(unit.white(points), rng)))

    def sample(self, size: int, rng: np.random.Generator) -> FloatArray:
        """Independent draws (size, P)."""
        return self.unit.back(self.mixture.sample(size, rng)[0])

    def log_density(self, points: FloatArray) -> FloatArray:
        """Log density (S,) of points (S, P)."""
        return self.mixture.log_density(self.unit.white(points)) - self.unit.log_volume


def _best_mixture(white: FloatArray, rng: np.random.Generator) -> Mixture:
    """The mixture of best BIC for points (n, P); larger ones are tried until BIC gets worse."""
    n, size = white.shape
    best = fit(white, 1)
    with warnings.catch_warnings():  # a size that degenerates is only not chosen
        warnings.simplefilter("ignore", DegenerateFitWarning)
        for k in _SIZES:
            if _DRAWS_PER_PARAMETER * best.family.n_parameters(k, size) > n:
                break
            larger = fit(white, k, start="k-means++", n_init=_STARTS, tol=_TOL, random_seed=rng)
            if not (larger.status.sound and larger.bic < best.bic):
                break
            best = larger
    return best.mixture


def _with_tails(mixture: Mixture) -> Mixture:
    """The mixture with a share of its mass in components of widened covariances."""
    return Mixture(
        np.concatenate([(1 - _TAIL_SHARE) * mixture.weights, _TAIL_SHARE * mixture.weights]),
        np.concatenate([mixture.means, mixture.means]),
        np.concatenate([mixture.covariances, _TAIL_FACTOR * mixture.covariances]),
    )
