"""What the evidence is an integral of: likelihood times prior, as a density of free coordinates.

Random hyperparameters are no coordinates: the prior's density has them integrated out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.data import Data
from ...kernels.e_step.e_step import evaluate
from ...mixture.prior import Prior
from ...utils.errors import DegenerateComponentError
from ...utils.types import FloatArray
from .coordinates import Coordinates
from .marginal_prior import log_correction
from .proposal import Proposal
from .region import Region


@dataclass(frozen=True, eq=False)
class Target:
    """Likelihood times prior in free coordinates, in one region of the K!."""

    data: Data
    prior: Prior
    coordinates: Coordinates
    region: Region

    @property
    def size(self) -> int:
        """Number P of coordinates."""
        return self.coordinates.size

    def log_joint(self, free: FloatArray) -> FloatArray:
        """Log of likelihood, prior and Jacobian (S,) at coordinates (S, P), whatever the order.

        -inf where a covariance is singular in double precision.
        """
        draws = self.coordinates.draws(free)
        family, center = self.coordinates.family, self.data.center
        out = self.coordinates.log_jacobian(draws)
        for s, parameters in enumerate(draws.parameters(center)):
            try:
                out[s] += evaluate(self.data, parameters)[0].sum()
                out[s] += self.prior.log_density(parameters, family, center)
            except DegenerateComponentError:
                out[s] = -np.inf
        regular = np.flatnonzero(np.isfinite(out))
        out[regular] += log_correction(self.prior, family, draws.at(regular))
        return out

    def log_ratios(self, proposal: Proposal, size: int, rng: np.random.Generator) -> FloatArray:
        """Log of target over proposal at draws of the proposal; -inf out of order, (size,)."""
        free = proposal.sample(size, rng)
        inside = self.region.holds(self.coordinates.draws(free))
        if not inside.any():
            raise ValueError(
                f"none of {size} proposals has its components in order: the draws do not tell "
                f"{self.coordinates.n_components} components apart; use fewer."
            )
        out = np.full(size, -np.inf)
        out[inside] = self.log_joint(free[inside]) - proposal.log_density(free[inside])
        return out
