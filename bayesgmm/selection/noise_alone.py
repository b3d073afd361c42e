"""The model of no component: all rows are noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.data import Data
from ..em.noisy_fit import SUFFIX
from ..mixture.noise import Noise


@dataclass(frozen=True, slots=True)
class NoiseAlone:
    """Rows that are all noise: the model of no component, K = 0.

    Attributes
    ----------
    loglik : float
        n times the noise's log density.
    n_parameters : int
        1 if the volume was estimated, as mclust counts, else 0.
    n : float
        Rows, or their weights together.
    spread : float
        Standard deviation of the rows' log densities, 0 where all have all values.
    """

    loglik: float
    n_parameters: int
    n: float
    spread: float

    @classmethod
    def of(cls, data: Data, noise: Noise) -> NoiseAlone:
        """All the rows as noise of this density."""
        total = data.total
        if not data.incomplete:  # all rows alike
            return cls(total * noise.log_density, noise.n_parameters - 1, total, 0.0)
        counted = np.ones(data.n) if data.counted is None else data.counted
        of_rows = np.broadcast_to(noise.of_rows(data), data.n)
        loglik = float(np.sum(counted * of_rows))
        spread = np.sqrt(counted @ (of_rows - loglik / total) ** 2 / total)
        return cls(loglik, noise.n_parameters - 1, total, float(spread))

    @property
    def row(self) -> dict[str, Any]:
        """Its row in the table of a grid; all rows are certain, so that ICL is BIC."""
        bic = -2 * self.loglik + self.n_parameters * float(np.log(self.n))
        aic = -2 * self.loglik + 2 * self.n_parameters
        return {
            "family": SUFFIX[1:], "K": 0, "n_parameters": self.n_parameters,
            "loglik": self.loglik, "aic": aic, "bic": bic, "icl": bic,
            "cv_loglik": self.loglik / self.n, "cv_se": self.spread / float(np.sqrt(self.n)),
            "n_iter": 0,
            "starts_agreeing": "", "status": "converged", "note": "all rows are noise",
        }  # fmt: skip
