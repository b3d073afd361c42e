"""What the evidence is an integral of: likelihood times prior, as a density of free coordinates.

The density is the samplers' own, with random hyperparameters at their prior means. They are no
coordinates here: what the prior's density changes by when they are integrated out is added.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...data.data import Data
from ...density.log_posterior import LogPosterior
from ...families import Family
from ...families.parametrisation.parametrisation import parametrisation
from ...mixture.draws import Draws
from ...mixture.prior import Prior
from ...utils.matrices import as_full, diagonals
from ...utils.threads import default_threads, for_each_chunk
from ...utils.types import FloatArray, IntArray
from .marginal_prior import log_correction
from .proposal import Proposal
from .region import Region

# In place of proportions that would round to 0, of which there is no logarithm.
_SMALLEST = float(np.finfo(np.float64).tiny)
# Parts that points are divided into, which threads evaluate.
_PARTS = 64
# Numbers held at a time as full covariances: 64 MiB.
_NUMBERS = 2**23


@dataclass(frozen=True, eq=False)
class Target:
    """Likelihood times prior in free coordinates, in one region of the K!.

    Attributes
    ----------
    density : LogPosterior
        In all regions, with random hyperparameters at their prior means.
    prior : Prior
        With random hyperparameters.
    region : Region
        The rule that picks one order of the components.
    """

    density: LogPosterior
    prior: Prior
    region: Region

    @classmethod
    def about(
        cls, draws: Draws, data: Data, family: Family, prior: Prior, region: Region
    ) -> Target:
        """In coordinates about draws of the posterior, which say where orientations are 0."""
        sigma = as_full(draws.covariances.mean(axis=0, keepdims=True), leading=2)[0]
        form = parametrisation(family, draws.n_components, data.d, sigma)
        given = replace(
            prior, concentration=prior.expected_concentration, scale=prior.expected_scale
        )
        return cls(LogPosterior(data, form, given), prior, region)

    @property
    def size(self) -> int:
        """Number P of coordinates: the free parameters of the family."""
        return self.density.size

    def points(self, draws: Draws) -> FloatArray:
        """The coordinates (S, P) of S draws."""
        form, prior = self.density.parametrisation, self.density.prior
        return np.concatenate([
            self.density.space.free(
                {
                    "pi": some.weights,
                    "mu": some.means,
                    **form.values_from(as_full(some.covariances, leading=2), prior.inverse_wishart),
                }
            )
            for some in (draws.at(rows) for rows in self._blocks(len(draws)))
        ])  # fmt: skip

    def mixtures(self, free: FloatArray) -> Draws:
        """The mixtures at coordinates (S, P); their proportions are not 0."""
        parts = [self._mixtures(free[rows]) for rows in self._blocks(len(free))]
        weights, means, covariances = (np.concatenate(a) for a in zip(*parts, strict=True))
        return Draws(weights, means, covariances)

    def log_joint(self, free: FloatArray) -> FloatArray:
        """Log of likelihood, prior and Jacobian (S,) at coordinates (S, P), whatever the order.

        -inf where a covariance is singular in double precision.
        """
        out = np.empty(len(free))
        ends = np.linspace(0, len(free), min(len(free), _PARTS) + 1).astype(int)

        def evaluate(part: int) -> None:
            for s in range(ends[part], ends[part + 1]):
                out[s] = self.density(free[s])[0]

        for_each_chunk(evaluate, len(ends) - 1, default_threads())
        out[~np.isfinite(out)] = -np.inf
        if self.prior.random:
            regular = np.flatnonzero(np.isfinite(out))
            draws = self.mixtures(free[regular])
            out[regular] += log_correction(self.prior, self.density.parametrisation.family, draws)
        return out

    def log_ratios(self, proposal: Proposal, size: int, rng: np.random.Generator) -> FloatArray:
        """Log of target over proposal at draws of the proposal; -inf out of order, (size,)."""
        free = proposal.sample(size, rng)
        inside = self.region.holds(self.mixtures(free))
        if not inside.any():
            raise ValueError(
                f"none of {size} proposals has its components in order: the draws do not tell "
                f"{self.density.parametrisation.n_components} components apart; use fewer."
            )
        out = np.full(size, -np.inf)
        out[inside] = self.log_joint(free[inside]) - proposal.log_density(free[inside])
        return out

    def share_in_order(self, point: FloatArray, others: FloatArray) -> float:
        """Share of points (S, P) whose components the rule puts in the same order as one's."""
        orders = self.region.permutations(self.mixtures(np.vstack([point, others])))
        return float(np.all(orders[1:] == orders[0], axis=1).mean())

    def _mixtures(self, free: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        form = self.density.parametrisation
        with np.errstate(over="ignore", invalid="ignore"):  # far out, where there is no density
            values = self.density.space.values(free)
            covariances = form.covariances(values, self.density.prior.inverse_wishart)
        if form.diagonal:
            covariances = diagonals(covariances)
        weights = values.get("pi", np.ones((len(free), 1)))
        return np.maximum(weights, _SMALLEST), values["mu"], covariances

    def _blocks(self, size: int) -> list[IntArray]:
        """Positions of so many draws, in blocks whose full covariances fit in memory."""
        form = self.density.parametrisation
        blocks = 1 + size * form.n_components * form.d**2 // _NUMBERS
        return np.array_split(np.arange(size), blocks)
