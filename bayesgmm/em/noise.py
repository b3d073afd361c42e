"""A uniform component for noise: its density, its share, and the E-step beside it.

    p(x) = (1 - pi_0) sum_k q_k N(x | mu_k, Sigma_k) + pi_0 c

(Banfield & Raftery 1993, Biometrics 49, 803-821). c does not depend on the parameters, and for any
of these the likelihood is concave in pi_0, whose best value is found in every pass. EM then climbs
the likelihood with pi_0 at its best, and needs no other change: noise multiplies each row's weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data.chunks import are_in_chunks
from ..data.data import Data
from ..kernels.device.rows import DeviceRows
from ..kernels.e_step.contract import EStep, Parameters
from ..kernels.e_step.e_step import evaluate, measured_statistics
from ..mixture.noise import Noise, mixed
from ..mixture.noise_in_chunks import best_share_in_chunks, statistics_beside
from ..mixture.share_of_noise import best_share
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import positive
from .box_around import box_around


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
    """Rows of which some are noise."""

    data: Data
    noise: Noise

    def best_share(self, parameters: Parameters) -> float:
        """The share of noise that is best at these parameters.

        Raises
        ------
        DegenerateComponentError
            A component's covariance is singular.
        """
        if are_in_chunks(self.data):
            return best_share_in_chunks(self.data, parameters, self.noise)
        return self._log_densities(parameters)[1]

    def _log_densities(self, parameters: Parameters) -> tuple[FloatArray, float]:
        """Log densities (n,) under the Gaussian components alone, and the best share of noise."""
        of_components = evaluate(self.data, parameters)[0]
        log_ratios = of_components - self.noise.of_rows(self.data)
        return of_components, best_share(log_ratios, self.data.counted)

    def _mixed(self, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
        """Log densities (n,) at the best share of noise, and the probabilities (n,) to be noise."""
        of_components, share = self._log_densities(parameters)
        return mixed(of_components, self.noise.of_rows(self.data), share)

    def without_noise(self, is_noise: FloatArray) -> Data:
        """The rows with weights, of which the probabilities to be noise are taken off."""
        weights = np.ones(self.data.n) if self.data.weights is None else self.data.weights
        return replace(self.data, weights=weights * (1 - is_noise))

    def held(self, parameters: Parameters) -> Data:
        """Rows in memory with what they count for in the components, at the best share of noise."""
        return self.without_noise(self._mixed(parameters)[1])

    def e_step(self, parameters: Parameters) -> EStep:
        """The results of a pass, at the best share of noise; statistics are without the noise.

        The certainty of responsibilities is left at 0: it needs all of them.

        Raises
        ------
        DegenerateComponentError
            A component's covariance is singular.
        """
        if are_in_chunks(self.data):
            share = self.best_share(parameters)
            return statistics_beside(self.data, parameters, self.noise, share)
        total, is_noise = self._mixed(parameters)
        step = measured_statistics(self.without_noise(is_noise), parameters)
        counted = self.data.counted
        counted = np.ones(self.data.n) if counted is None else counted
        return replace(step, loglik=float(counted @ total), log_certainty=0.0)
