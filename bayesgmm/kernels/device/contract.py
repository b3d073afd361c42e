"""Input and output of a pass on a device."""

from __future__ import annotations

from typing import NamedTuple

from ...utils.types import FloatArray


class Encoded(NamedTuple):
    """Parameters in scaled coordinates, as a form of the pass reads them.

    center (d,) and inverse_scale (d,) scale the user's rows; log_weights (K,) and means (K, d);
    factors (K, d, d), or (K, 1, d) where diagonal, are inverse Cholesky factors of the covariances;
    constants (K,) the logarithms of pi_k |factor_k| (2 pi)^(-d/2). theta (K, F) is the mixture in
    quadratic features, empty in the centred form.
    """

    center: FloatArray
    inverse_scale: FloatArray
    log_weights: FloatArray
    means: FloatArray
    factors: FloatArray
    constants: FloatArray
    theta: FloatArray
    diagonal: bool

    @property
    def quadratic(self) -> bool:
        """Whether this is for the quadratic form."""
        return bool(self.theta.size)


class Sums(NamedTuple):
    """Sums over the rows that a pass computes.

    The log-likelihood, the logs of the rows' largest responsibilities, and sums of features (K, F);
    or counts (K,), first (K, d) and second moments (K, d, d), or (K, 1, d) where diagonal.
    """

    loglik: float
    log_certainty: float
    of_components: tuple[FloatArray, ...]
