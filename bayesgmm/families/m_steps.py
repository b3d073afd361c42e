"""The M-step of every family: Sigma_k from counts n_k (K,) and scatters W_k.

Celeux & Govaert (1995), section 4. Scatters are (K, d, d), or their diagonals (K, d) for the
families whose orientation is I; the result has the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels.contract import FloatArray

MStep = Callable[[FloatArray, FloatArray], FloatArray]


def _spherical(scatters: FloatArray, variances: FloatArray) -> FloatArray:
    """Variances (K,) or a number, as covariances of the scatters' own form."""
    n_components, d = scatters.shape[:2]
    variances = np.broadcast_to(variances, n_components)
    if scatters.ndim == 2:
        return np.repeat(variances[:, None], d, axis=1)
    return variances[:, None, None] * np.eye(scatters.shape[1])


def _trace(scatters: FloatArray) -> FloatArray:
    diagonals = scatters if scatters.ndim == 2 else np.diagonal(scatters, axis1=1, axis2=2)
    return np.asarray(diagonals.sum(axis=1))


def _eii(counts: FloatArray, scatters: FloatArray) -> FloatArray:
    return _spherical(scatters, _trace(scatters).sum() / (counts.sum() * scatters.shape[1]))


def _vii(counts: FloatArray, scatters: FloatArray) -> FloatArray:
    return _spherical(scatters, _trace(scatters) / (counts * scatters.shape[1]))


def _pooled(counts: FloatArray, scatters: FloatArray) -> FloatArray:
    """EEI and EEE: one covariance for all, on the diagonal or in full."""
    return np.repeat(scatters.sum(axis=0, keepdims=True) / counts.sum(), len(counts), axis=0)


def _free(counts: FloatArray, scatters: FloatArray) -> FloatArray:
    """VVI and VVV: every component its own."""
    return scatters / counts.reshape(-1, *[1] * (scatters.ndim - 1))


M_STEPS: dict[str, MStep] = {
    "EII": _eii,
    "VII": _vii,
    "EEI": _pooled,
    "VVI": _free,
    "EEE": _pooled,
    "VVV": _free,
}
