"""The integrand of the evidence: likelihood times prior, as a density of free coordinates.

The density is the samplers' own, with random hyperparameters at their prior means. They are not
among the coordinates; a correction of the prior's density (`log_correction`) integrates them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...data.data import Data
from ...density.log_posterior import LogPosterior
from ...families import Family
from ...families.letters import Letter
from ...families.log_constants import LogConstant
from ...families.parametrisation.axes import Axes
from ...families.parametrisation.copies import is_nearest, log_copies, nearest_copy
from ...families.parametrisation.parametrisation import parametrisation
from ...mixture.draws import Draws, NoisyDraws
from ...mixture.prior import Prior
from ...utils.matrices import as_full, diagonals
from ...utils.threads import default_threads, for_each_chunk
from ...utils.types import FloatArray, IntArray
from .marginal_prior import log_correction
from .proposal import Proposal
from .region import Region

# In place of proportions that would round to 0, of which there is no logarithm.
_SMALLEST = float(np.finfo(np.float64).tiny)
# Parts into which points are divided for the threads.
_PARTS = 64
# Numbers held at a time as full covariances: 64 MiB.
_NUMBERS = 2**23


@dataclass(frozen=True, eq=False)
class Target:
    """Likelihood times prior in free coordinates, in one region of the K!.

    Attributes
    ----------
    density : LogPosterior
        The density in all regions, with random hyperparameters at their prior means.
    prior : Prior
        The prior, with its random hyperparameters.
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
        """The target in coordinates about the draws' mean covariances, where orientations are 0."""
        sigma = as_full(draws.covariances.mean(axis=0, keepdims=True), leading=2)[0]
        about_draws = parametrisation(family, draws.n_components, data.d, sigma, lkj=prior.lkj)
        fixed = prior.at_means()
        noise = draws.noise if isinstance(draws, NoisyDraws) else None
        return cls(LogPosterior(data, about_draws, fixed, noise=noise), prior, region)

    @cached_property
    def constant(self) -> LogConstant:
        """What the density lacks of the prior's constant, times the copies of each Sigma's axes.

        Of these copies one is integrated over.
        """
        value, error = self.density.parametrisation.missing_constant(self.prior.of_covariances)
        return LogConstant(value + (log_copies(self._axes) if self._axes else 0.0), error)

    @property
    def size(self) -> int:
        """Number P of coordinates: the free parameters of the family."""
        return self.density.size

    def points(self, draws: Draws) -> FloatArray:
        """The coordinates (S, P) of S draws."""
        parametrisation, prior = self.density.parametrisation, self.density.prior
        return np.concatenate([
            self.density.space.free(
                {
                    "pi": some.weights,
                    "mu": some.means,
                    **({"noise_share": some.noise_share} if isinstance(some, NoisyDraws) else {}),
                    **self._picked(
                        parametrisation.values_from(
                            as_full(some.covariances, leading=2), prior.of_covariances
                        )
                    ),
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
        edges = np.linspace(0, len(free), min(len(free), _PARTS) + 1).astype(int)

        def evaluate(part: int) -> None:
            for s in range(edges[part], edges[part + 1]):
                out[s] = self.density(free[s])[0]

        for_each_chunk(evaluate, len(edges) - 1, default_threads())
        out += self.constant.value - self._log_share(free)
        out[~np.isfinite(out)] = -np.inf
        if self.prior.random:
            regular = np.flatnonzero(np.isfinite(out))
            draws = self.mixtures(free[regular])
            out[regular] += log_correction(self.prior, self.density.parametrisation.family, draws)
        return out

    def log_ratios(self, proposal: Proposal, size: int, rng: np.random.Generator) -> FloatArray:
        """Log ratios (size,) of target to proposal at draws of the proposal; -inf out of order."""
        free = proposal.sample(size, rng)
        inside = self.region.holds(self.mixtures(free)) & self._are_picked(free)
        if not inside.any():
            raise ValueError(
                f"none of {size} proposals has its components in order: the draws do not "
                f"separate {self.density.parametrisation.n_components} components; use fewer."
            )
        out = np.full(size, -np.inf)
        out[inside] = self.log_joint(free[inside]) - proposal.log_density(free[inside])
        return out

    @property
    def _axes(self) -> Axes | None:
        """The parametrisation, if Sigma has several copies in it."""
        form = self.density.parametrisation
        return form if isinstance(form, Axes) and form.has_orientations else None

    def _picked(self, values: dict[str, FloatArray]) -> dict[str, FloatArray]:
        return values if self._axes is None else nearest_copy(self._axes, values)

    def _are_picked(self, free: FloatArray) -> NDArray[np.bool_]:
        if self._axes is None:
            return np.ones(len(free), dtype=bool)
        return is_nearest(self._axes, self.density.space.values(free))

    def _log_share(self, free: FloatArray) -> FloatArray | float:
        """What the density has of coordinates of the same rotation that are further from 0."""
        if self._axes is None:
            return 0.0
        width = self._axes.rotation.free_shape(self._axes.about.shape)
        own = self._axes.family.orientation == Letter.VARIABLE
        last = free[:, -int(np.prod(width)) :].reshape(len(free), *(width if own else width[1:]))
        return np.asarray(self._axes.rotation.log_share(last))

    def share_in_order(self, point: FloatArray, others: FloatArray) -> float:
        """Share of points (S, P) whose components are in the same order as those of `point`."""
        orders = self.region.permutations(self.mixtures(np.vstack([point, others])))
        return float(np.all(orders[1:] == orders[0], axis=1).mean())

    def _mixtures(self, free: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        parametrisation = self.density.parametrisation
        with np.errstate(over="ignore", invalid="ignore"):  # far out, where there is no density
            values = self.density.space.values(free)
            covariances = parametrisation.covariances(values, self.density.prior.of_covariances)
        if parametrisation.diagonal:
            covariances = diagonals(covariances)
        weights = values.get("pi", np.ones((len(free), 1)))
        return np.maximum(weights, _SMALLEST), values["mu"], covariances

    def _blocks(self, size: int) -> list[IntArray]:
        """Positions of so many draws, in blocks whose full covariances fit in memory."""
        parametrisation = self.density.parametrisation
        numbers_each = parametrisation.n_components * parametrisation.d**2
        blocks = 1 + size * numbers_each // _NUMBERS
        return np.array_split(np.arange(size), blocks)
