"""The density of a mixture and noise together, where the noise's own is the same everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from ..utils.types import FloatArray


def mixed(of_components: FloatArray, log_noise: float, share: Any) -> tuple[FloatArray, FloatArray]:
    """Log densities (n,) of components and noise together, and the noise's probabilities (n,)."""
    with np.errstate(divide="ignore"):
        a, b = np.log1p(-share) + of_components, np.log(share) + log_noise
    return np.logaddexp(a, b), expit(b - a)


def with_noise_column(resp: FloatArray, of_noise: FloatArray) -> FloatArray:
    """Responsibilities (n, K + 1) from those of the components alone and the noise's (n,)."""
    of_noise = of_noise[:, None]
    return np.hstack([(1 - of_noise) * resp, of_noise])
