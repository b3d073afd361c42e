"""The density of a mixture and noise together, where the noise's own is the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from ..data.data import Data
from ..kernels.e_step.groups import Groups
from ..utils.types import FloatArray


@dataclass(frozen=True, eq=False)
class Noise:
    """A density that is the same everywhere.

    Attributes
    ----------
    log_density : float
        Its logarithm, of rows that have all values.
    estimated : bool
        Whether it is one over the volume of the rows, and not given.
    log_ranges : array (d,), optional
        Logarithms of the columns' ranges, over which it is integrated where values are missing.
    """

    log_density: float
    estimated: bool
    log_ranges: FloatArray | None = None

    @property
    def n_parameters(self) -> int:
        """Free parameters: the share, and the volume if it was estimated (mclust counts so)."""
        return 2 if self.estimated else 1

    def of_groups(self, groups: Groups) -> FloatArray:
        """The log density (S,) of the rows of each group.

        It is that of the columns they have, 0 of those that say nothing, and -inf of rows that
        cannot belong to every component: what is known to be of some is no noise.
        """
        out = np.full(len(groups.observed), self.log_density)
        if groups.incomplete:
            assert self.log_ranges is not None
            out += ~groups.observed @ self.log_ranges
        out[groups.silent] = 0.0
        if groups.admissible is not None:
            out[~groups.admissible.all(axis=1)] = -np.inf
        return out

    def of_rows(self, data: Data) -> float | FloatArray:
        """The log density of each row (n,), or of all."""
        if data.groups is None:
            return self.log_density
        return np.asarray(self.of_groups(data.groups)[data.groups.of_rows])


def mixed(
    of_components: FloatArray, log_noise: float | FloatArray, share: Any
) -> tuple[FloatArray, FloatArray]:
    """Log densities (n,) of components and noise together, and the noise's probabilities (n,)."""
    with np.errstate(divide="ignore"):
        a, b = np.log1p(-share) + of_components, np.log(share) + log_noise
    return np.logaddexp(a, b), expit(b - a)


def with_noise_column(resp: FloatArray, of_noise: FloatArray) -> FloatArray:
    """Responsibilities (n, K + 1) from those of the components alone and the noise's (n,)."""
    of_noise = of_noise[:, None]
    return np.hstack([(1 - of_noise) * resp, of_noise])
