"""Whether covariances belong to a family."""

from __future__ import annotations

import numpy as np

from ..utils.types import FloatArray
from .family import Family
from .matrices import EQUAL, IDENTITY, VARIABLE

# Far above the rounding errors of nearly singular covariances, far below differences that matter.
_CLOSE = 1e-3


def belongs(family: Family, covariances: FloatArray) -> bool:
    """Whether the covariances, positive definite, are of the family, up to rounding.

    They are (K, d, d), or (K, d) variances for a diagonal family.

    Examples
    --------
    >>> from bayesgmm.families import get_family
    >>> sigma = np.array([[[1.0, 0.5], [0.5, 1.0]], [[2.0, 1.0], [1.0, 2.0]]])
    >>> [belongs(get_family(name, 2), sigma) for name in ("VEE", "EEE", "VVI", "VVV")]
    [True, False, False, True]
    """
    if covariances.ndim == 2:
        return family.diagonal and _diagonal_belongs(family, covariances)
    volume, shape, orientation = family.codes
    d = covariances.shape[-1]
    if covariances.ndim != 3 or covariances.shape[1] != d:
        return False
    signs, log_dets = np.linalg.slogdet(covariances)
    if not np.all(signs > 0):
        return False
    if volume == EQUAL and np.ptp(log_dets) > d * _CLOSE:
        return False
    if (family.spherical or orientation == IDENTITY) and np.any(covariances * (1 - np.eye(d))):
        return False
    normalised = covariances / np.exp(log_dets / d)[:, None, None]  # of volume 1
    if family.spherical:
        return _close(normalised, np.eye(d), 1.0)
    if shape == EQUAL and orientation == VARIABLE:
        eigenvalues = np.linalg.eigvalsh(normalised)
        return _close(eigenvalues, eigenvalues[0], eigenvalues[0].max())
    if shape == EQUAL:
        sd = np.sqrt(np.diagonal(normalised[0]))
        return _close(normalised, normalised[0], np.outer(sd, sd))
    if orientation == EQUAL:  # matrices of the same axes commute
        products = normalised @ normalised[0]
        size = np.abs(products).max(axis=(1, 2), keepdims=True)
        return _close(products, np.swapaxes(products, 1, 2), size)
    return True


def _diagonal_belongs(family: Family, variances: FloatArray) -> bool:
    if not np.all(variances > 0):
        return False
    volume, shape, _ = family.codes
    logs = np.log(variances)
    volumes = logs.mean(axis=1)
    if volume == EQUAL and np.ptp(volumes) > _CLOSE:
        return False
    forms = logs - volumes[:, None]
    if family.spherical:
        return _close(forms, np.zeros_like(forms), 1.0)
    return shape != EQUAL or _close(forms, forms[0], 1.0)


def _close(a: FloatArray, b: FloatArray, size: FloatArray | float) -> bool:
    return bool(np.all(np.abs(a - b) <= _CLOSE * size))
