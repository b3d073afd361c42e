"""The M-step of every family, compiled: Sigma_k from counts n_k (K,) and scatters W_k.

Celeux & Govaert (1995), Pattern Recognition 28, 781-793, section 4. Scatters are (K, d, d), or
their diagonals (K, 1, d) where the orientation is I; the covariances have the same shape.

Fourteen families are few cases. Along known axes a family is its volume and its shape (`_along`).
The axes are the columns (I), every component's own principal axes (EEV, VEV), or axes in common
(EVE, VVE), found by plane rotations. Where shape and orientation vary, or are shared, together,
no axes are needed (`_pooled`: EEE, VEE; `_separate`: EVV, VVV).
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from ..kernels.calls import caller
from ..kernels.cholesky import cholesky
from ..kernels.compilation import BOOL, F1, F2, F3, FLOAT, INT, Entry, inlined, jit, part, typed
from ..utils.types import FloatArray
from .common_axes import common_axes
from .matrices import (
    CODES,
    EQUAL,
    IDENTITY,
    VARIABLE,
    compose,
    copy_matrix,
    eigen,
    fill_matrix,
    sum_of,
    trace_of_quotient,
)

# Where inner iterations stop: relative change of a volume, angle of a rotation.
_PRECISION = 1e-13


class WarmStart(NamedTuple):
    """Volumes (K,) and axes (d, d) at which inner iterations start, and leave what they found."""

    volumes: FloatArray
    axes: FloatArray


WARM_START = typed(WarmStart, F1, F2)
# codes, ratio; counts, scatters; sweeps, warm, start; out
M_STEP = nb.void(CODES, FLOAT, F1, F3, INT, BOOL, WARM_START, F3)
call_m_step = caller(M_STEP)


def m_step(shape: int, orientation: int) -> Entry:
    """The M-step of the families of that shape and orientation.

    Called as M_STEP says it writes the covariances that minimise sum_k tr(W_k Sigma_k^-1) +
    n_k log|Sigma_k| to out. At most `sweeps` inner iterations are made; they begin at `start` if
    warm, and leave there what they found. From a warm start the objective never rises, however few
    they are. A singular scatter may give covariances that are singular or not numbers. The ratio
    is for families under a bound (`eigenvalue_bound.py`).
    """
    if orientation == IDENTITY:
        return _along_columns
    if shape == orientation:
        return _pooled if shape == EQUAL else _separate
    return _along_own_axes if orientation == VARIABLE else _along_common_axes


@part(M_STEP, from_python=True)
def _along_columns(codes, ratio, counts, scatters, sweeps, warm, start, out):  # type: ignore[no-untyped-def]
    """EII VII EEI VEI EVI VVI: the axes are the columns."""
    n_components, rows, d = scatters.shape
    profiles = np.empty((n_components, d))  # sums of squares along the axes
    variances = np.empty((n_components, d))
    for k in range(n_components):
        for j in range(d):
            # At least 0: a singular scatter is so to rounding.
            profiles[k, j] = max(scatters[k, 0 if rows == 1 else j, j], 0.0)
    _along(codes, counts, profiles, sweeps, warm, start.volumes, variances)
    for k in range(n_components):
        for i in range(rows):
            for j in range(d):
                out[k, i, j] = 0.0
        for j in range(d):
            out[k, 0 if rows == 1 else j, j] = variances[k, j]


@part(M_STEP, from_python=True)
def _along_own_axes(codes, ratio, counts, scatters, sweeps, warm, start, out):  # type: ignore[no-untyped-def]
    """EEV VEV: every component has its own principal axes."""
    n_components, d, _ = scatters.shape
    profiles = np.empty((n_components, d))
    variances = np.empty((n_components, d))
    vectors = np.empty((n_components, d, d))
    for k in range(n_components):
        eigen(scatters[k], profiles[k], vectors[k])
        for j in range(d):
            profiles[k, j] = max(profiles[k, j], 0.0)
    _along(codes, counts, profiles, sweeps, warm, start.volumes, variances)
    for k in range(n_components):
        compose(variances[k], vectors[k], out[k])


@part(M_STEP, from_python=True)
def _along_common_axes(codes, ratio, counts, scatters, sweeps, warm, start, out):  # type: ignore[no-untyped-def]
    """EVE VVE: axes in common, found by plane rotations."""
    n_components, d, _ = scatters.shape
    profiles = np.empty((n_components, d))
    variances = np.empty((n_components, d))
    common_axes(codes.volume, counts, scatters, sweeps, warm, start.axes, profiles)
    for k in range(n_components):
        for j in range(d):
            profiles[k, j] = max(profiles[k, j], 0.0)
    _along(codes, counts, profiles, sweeps, warm, start.volumes, variances)
    for k in range(n_components):
        compose(variances[k], start.axes, out[k])


@jit()
def _along(codes, counts, profiles, sweeps, warm, volumes, variances):  # type: ignore[no-untyped-def]
    """Variances (K, d) along known axes from sums of squares (K, d): EII VII EEI VEI EVI VVI."""
    volume, shape, _ = codes
    n_components, d = profiles.shape
    n = sum_of(counts)
    if shape == VARIABLE:
        total = 0.0
        for k in range(n_components):
            logs = 0.0
            for j in range(d):
                logs += np.log(profiles[k, j])
            volumes[k] = np.exp(logs / d)
            total += volumes[k]
        for k in range(n_components):
            factor = 1.0 / counts[k] if volume == VARIABLE else total / (n * volumes[k])
            for j in range(d):
                variances[k, j] = profiles[k, j] * factor
    elif shape == IDENTITY:
        total = 0.0
        for k in range(n_components):
            total += sum_of(profiles[k])
        for k in range(n_components):
            v = total / (n * d)
            if volume == VARIABLE:
                v = sum_of(profiles[k]) / (counts[k] * d)
            volumes[k] = v
            for j in range(d):
                variances[k, j] = v
    elif volume == EQUAL:
        common = np.empty(d)
        for j in range(d):
            common[j] = 0.0
            for k in range(n_components):
                common[j] += profiles[k, j] / n
        for k in range(n_components):
            for j in range(d):
                variances[k, j] = common[j]
    else:
        _volumes_and_shape(counts, profiles, sweeps, warm, volumes, variances)


@inlined
def _volumes_and_shape(counts, profiles, sweeps, warm, volumes, variances):  # type: ignore[no-untyped-def]
    """VEI: volumes and shape in turn; convex in their logarithms, so there is one optimum."""
    n_components, d = profiles.shape
    common = np.empty(d)
    if not warm:
        for k in range(n_components):
            volumes[k] = sum_of(profiles[k]) / (counts[k] * d)
    for _ in range(sweeps):
        logs = 0.0
        for j in range(d):
            total = 0.0
            for k in range(n_components):
                total += profiles[k, j] / volumes[k]
            common[j] = total
            logs += np.log(total)
        scale = np.exp(-logs / d)
        change = 0.0
        for j in range(d):
            common[j] *= scale
        for k in range(n_components):
            v = 0.0
            for j in range(d):
                v += profiles[k, j] / common[j]
            v /= d * counts[k]
            change = max(change, abs(v - volumes[k]) / v)
            volumes[k] = v
        if not change > _PRECISION:
            break
    for k in range(n_components):
        for j in range(d):
            variances[k, j] = volumes[k] * common[j]


@part(M_STEP, from_python=True)
def _pooled(codes, ratio, counts, scatters, sweeps, warm, start, out):  # type: ignore[no-untyped-def]
    """EEE and VEE: volumes and one matrix in common, in turn."""
    n_components, d, _ = scatters.shape
    n = sum_of(counts)
    common = np.empty((d, d))
    lower = np.empty((d, d))
    if codes.volume == EQUAL:
        fill_matrix(common, 0.0)
        for k in range(n_components):
            for i in range(d):
                for j in range(d):
                    common[i, j] += scatters[k, i, j] / n
        for k in range(n_components):
            copy_matrix(common, out[k])
        return
    if not warm:
        for k in range(n_components):
            trace = 0.0
            for j in range(d):
                trace += scatters[k, j, j]
            start.volumes[k] = trace / (counts[k] * d)
    for _ in range(sweeps):
        fill_matrix(common, 0.0)
        for k in range(n_components):
            factor = 1.0 / start.volumes[k]
            for i in range(d):
                for j in range(d):
                    common[i, j] += factor * scatters[k, i, j]
        scale = np.exp(-cholesky(common, lower) / d)
        root = np.sqrt(scale)
        for i in range(d):
            for j in range(d):
                common[i, j] *= scale
                lower[i, j] *= root
        change = 0.0
        for k in range(n_components):
            v = trace_of_quotient(lower, scatters[k]) / (d * counts[k])
            change = max(change, abs(v - start.volumes[k]) / v)
            start.volumes[k] = v
        if not change > _PRECISION:
            break
    for k in range(n_components):
        for i in range(d):
            for j in range(d):
                out[k, i, j] = start.volumes[k] * common[i, j]


@part(M_STEP, from_python=True)
def _separate(codes, ratio, counts, scatters, sweeps, warm, start, out):  # type: ignore[no-untyped-def]
    """EVV and VVV: every component its own matrix, with a volume in common or its own."""
    n_components, d, _ = scatters.shape
    total = 0.0
    sizes = np.empty(n_components)
    if codes.volume == EQUAL:
        lower = np.empty((d, d))
        for k in range(n_components):
            sizes[k] = np.exp(cholesky(scatters[k], lower) / d)
            total += sizes[k]
    n = sum_of(counts)
    for k in range(n_components):
        factor = 1.0 / counts[k] if codes.volume == VARIABLE else total / (n * sizes[k])
        for i in range(d):
            for j in range(d):
                out[k, i, j] = factor * scatters[k, i, j]
