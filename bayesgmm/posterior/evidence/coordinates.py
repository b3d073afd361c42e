"""Free coordinates of mixtures: every draw a vector of real numbers, and back.

    q = [log(pi_k / pi_K) for k < K, mu about the centre, one block per distinct covariance]

A block is the logarithms of the variances (one if spherical, d if diagonal) or, for a full
covariance L L', log L_jj and then the rest of L by rows. Evidence is an integral over q.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from ...families import Family
from ...mixture.draws import Draws
from ...utils.types import FloatArray

# In place of proportions that would round to 0, of which there is no logarithm.
_SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """The free coordinates of K components of a family that can be sampled.

    Parameters
    ----------
    family : Family
        One whose covariances are full, diagonal or spherical, all free or all shared.
    n_components : int
        K.
    center : array (d,)
        Subtracted from the means, so that an offset of the data loses no digits.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.posterior.evidence.coordinates import Coordinates
    >>> from bayesgmm.mixture.draws import Draws
    >>> from bayesgmm.families import get_family
    >>> coordinates = Coordinates(get_family("VII", 2), 2, np.zeros(2))
    >>> draws = Draws(np.full((1, 2), 0.5), np.ones((1, 2, 2)), np.ones((1, 2, 2)))
    >>> coordinates.of(draws)
    array([[0., 1., 1., 1., 1., 0., 0.]])
    """

    family: Family
    n_components: int
    center: FloatArray

    @property
    def d(self) -> int:
        """Number of columns."""
        return len(self.center)

    @property
    def size(self) -> int:
        """Number P of coordinates: the free parameters of the family."""
        return self.family.n_parameters(self.n_components, self.d)

    @property
    def _distinct(self) -> int:
        return 1 if self.family.common else self.n_components

    @property
    def _full(self) -> bool:
        return not (self.family.diagonal or self.family.spherical)

    def of(self, draws: Draws) -> FloatArray:
        """The coordinates (S, P) of S draws."""
        logs = np.log(draws.weights)
        parts = (
            logs[:, :-1] - logs[:, -1:],
            draws.means - self.center,
            self._blocks(draws.covariances[:, : self._distinct]),
        )
        return np.concatenate([part.reshape(len(draws), -1) for part in parts], axis=1)

    def draws(self, free: FloatArray) -> Draws:
        """The mixtures at coordinates (S, P)."""
        n, k, d = len(free), self.n_components, self.d
        ratios, means, blocks = np.split(free, [k - 1, k - 1 + k * d], axis=1)
        weights = softmax(np.pad(ratios, ((0, 0), (0, 1))), axis=1)
        weights = np.maximum(weights, _SMALLEST)
        distinct = self._covariances(blocks.reshape(n, self._distinct, -1))
        covariances = np.broadcast_to(distinct, (n, k, *distinct.shape[2:]))
        return Draws(weights, means.reshape(n, k, d) + self.center, covariances)

    def log_jacobian(self, draws: Draws) -> FloatArray:
        """Log |d parameters / d q| of S draws, (S,).

        The parameters are those `Prior.log_density` is a density of: pi without its last element,
        the means, and the free elements of the distinct covariances.
        """
        blocks = self._blocks(draws.covariances[:, : self._distinct])
        total = np.log(draws.weights).sum(axis=1)
        if (
            self._full
        ):  # dSigma = 2^d prod_j L_jj^(d - j) dL, j = 0..d-1, and dL_jj = L_jj dlog L_jj
            powers = self.d + 1.0 - np.arange(self.d)
            log_dets = blocks[..., : self.d] @ powers + self.d * np.log(2.0)
            return np.asarray(total + log_dets.sum(axis=1))
        return np.asarray(total + blocks.sum(axis=(1, 2)))

    def _blocks(self, covariances: FloatArray) -> FloatArray:
        """Coordinates (S, D, m) of D distinct covariances."""
        if self._full:
            lower = np.linalg.cholesky(covariances)
            diagonal = np.log(np.diagonal(lower, axis1=2, axis2=3))
            return np.concatenate([diagonal, lower[..., *np.tril_indices(self.d, -1)]], axis=2)
        variances = covariances.reshape(*covariances.shape[:2], self.d)
        return np.log(variances[..., :1] if self.family.spherical else variances)

    def _covariances(self, blocks: FloatArray) -> FloatArray:
        """D distinct covariances as `Draws` keeps them, from their coordinates (S, D, m)."""
        shape = (*blocks.shape[:2], self.d)
        if self._full:
            lower = np.zeros((*shape, self.d))
            index = np.arange(self.d)
            lower[..., index, index] = np.exp(blocks[..., : self.d])
            lower[..., *np.tril_indices(self.d, -1)] = blocks[..., self.d :]
            return lower @ np.swapaxes(lower, -1, -2)
        variances = np.broadcast_to(np.exp(blocks), shape)
        return variances if self.family.diagonal else variances[..., None]
