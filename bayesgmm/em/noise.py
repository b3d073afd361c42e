"""A uniform component for noise: its density, its share, and the E-step beside it.

    p(x) = (1 - pi_0) sum_k q_k N(x | mu_k, Sigma_k) + pi_0 c

(Banfield & Raftery 1993, Biometrics 49, 803-821). c does not depend on the parameters, and for any
of these the likelihood is concave in pi_0, whose best value is found in every pass. EM then climbs
the likelihood with pi_0 at its best, and needs no other change: noise multiplies each row's weight.
A prior of pi_0 is part of what is best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data.blocks import slices
from ..data.chunks import are_in_chunks
from ..data.data import Data
from ..kernels.device.rows import DeviceRows
from ..kernels.e_step.contract import EStep, Parameters
from ..kernels.e_step.e_step import evaluate, pass_over
from ..kernels.e_step.groups import Groups
from ..mixture.noise import Noise, mixed
from ..mixture.noise_in_chunks import best_share_in_chunks, statistics_beside
from ..mixture.prior import Prior
from ..mixture.share_of_noise import (
    MOMENTS,
    UNIFORM,
    best_share,
    best_share_of,
    log_prior_of_share,
    moments_of,
)
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import positive
from .box_around import box_around

# Rows of which vectors are held at a time.
_BLOCK = 2**16


def read_noise(noise: Any, data: Data) -> Noise:
    """The noise of `fit`'s argument: True for one over the data's volume, a density, or a `Noise`.

    Where values are missing it is spread over the columns' ranges, and so it is over those that a
    row lacks.

    Raises
    ------
    ValueError
        Neither True nor a positive number.
    DataError
        Rows on a device.
    """
    if isinstance(data.values, DeviceRows):
        raise DataError("rows on a GPU cannot have noise: pass a NumPy array.")
    if isinstance(noise, Noise):
        return noise
    ends = np.stack([data.low, data.high])
    if noise is True:
        box = box_around(data)
        return Noise(-box.log_volume, True, ends, box)
    if noise is False:
        raise ValueError("noise is False: pass True or a density, or leave it out.")
    if isinstance(noise, str):
        raise ValueError(f"noise is {noise!r}: pass True, or the noise's density, a number.")
    return Noise(math.log(positive(noise, "noise")), False, ends)


@dataclass(frozen=True, eq=False)
class NoisyRows:
    """Rows of which some are noise, and the prior, if there is one."""

    data: Data
    noise: Noise
    prior: Prior | None = None

    @property
    def _of_share(self) -> tuple[float, float]:
        return UNIFORM if self.prior is None else self.prior.noise_share

    def best_share(self, parameters: Parameters) -> float:
        """The share of noise that is best at these parameters.

        Raises
        ------
        DegenerateComponentError
            A component's covariance is singular.
        """
        if are_in_chunks(self.data):
            return best_share_in_chunks(self.data, parameters, self.noise, self._of_share)
        return self._share(evaluate(self.data, parameters)[0])

    def _share(self, of_components: FloatArray) -> float:
        """The best share of noise, given the rows' log densities (n,) under the components alone.

        Of many rows by moments, a block at a time, so that no more vectors of all rows are needed.
        """
        blocks = list(slices(self.data.n, at_most=_BLOCK))
        if len(blocks) == 1:
            ratios = self._ratios(of_components, blocks[0])
            return best_share(ratios, self.data.counted, self._of_share)
        counted = self.data.counted
        moments = np.zeros(MOMENTS)
        for block in blocks:
            weights = np.ones(block.stop - block.start) if counted is None else counted[block]
            moments += moments_of(self._ratios(of_components, block), weights)
        return best_share_of(moments, self._of_share)

    def log_prior(self, parameters: Parameters) -> float:
        """The log prior density of the best share at these parameters."""
        if self._of_share == UNIFORM:
            return 0.0
        return float(log_prior_of_share(self.best_share(parameters), self._of_share))

    def _ratios(self, of_components: FloatArray, block: slice) -> FloatArray:
        """Log ratios of a block of rows, of the components' density to the noise's."""
        return of_components[block] - self._of_noise(block)

    def _of_noise(self, block: slice) -> float | FloatArray:
        """The log density of a block of rows in memory, or of all rows, under the noise."""
        groups = self.data.groups
        if groups is None:
            return self.noise.log_density
        assert isinstance(groups, Groups)
        return np.asarray(self._of_groups[groups.of_rows[block]])

    @cached_property
    def _of_groups(self) -> FloatArray:
        assert isinstance(self.data.groups, Groups)
        return self.noise.of_groups(self.data.groups)

    def _held(self, weights: FloatArray) -> tuple[Data, float]:
        """Rows with what they count for in the components, at the best share; log-likelihood.

        With the log prior of the share. weights (n,) are the rows' log densities under the
        components, which are replaced block by block.
        """
        data = self.data
        share, counted = self._share(weights), data.counted
        loglik = float(log_prior_of_share(share, self._of_share))
        for block in slices(data.n, at_most=_BLOCK):
            total, is_noise = mixed(weights[block], self._of_noise(block), share)
            loglik += float(total.sum() if counted is None else counted[block] @ total)
            weights[block] = 1 - is_noise
        if data.weights is not None:
            weights *= data.weights
        return replace(data, weights=weights), loglik

    def held(self, parameters: Parameters) -> Data:
        """Rows in memory with what they count for in the components, at the best share of noise."""
        return self._held(evaluate(self.data, parameters)[0])[0]

    def e_step(self, parameters: Parameters) -> EStep:
        """The results of a pass, at the best share of noise; statistics are without the noise.

        The log-likelihood has the log prior of the share with it, which EM maximises too. The
        certainty of responsibilities is left at 0: it needs all of them.

        Raises
        ------
        DegenerateComponentError
            A component's covariance is singular.
        """
        if are_in_chunks(self.data):
            share = self.best_share(parameters)
            step = statistics_beside(self.data, parameters, self.noise, share)
            of_prior = float(log_prior_of_share(share, self._of_share))
            return replace(step, loglik=step.loglik + of_prior)
        both = pass_over(self.data, parameters)  # densities, then statistics
        log_density = np.empty(self.data.n)
        both.evaluate(log_density, np.empty((0, 0)), None)
        both.rows, loglik = self._held(log_density)
        return replace(both.statistics(None, None), loglik=loglik, log_certainty=0.0)
