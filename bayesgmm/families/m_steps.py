"""The M-step of every family, compiled: Sigma_k from counts n_k (K,) and scatters W_k.

Celeux & Govaert (1995), Pattern Recognition 28, 781-793, section 4. Scatters are (K, d, d), or
their diagonals (K, 1, d) where the orientation is I; the covariances have the same shape.

Fourteen families are few cases. Along known axes a family is its volume and its shape (`_along`).
The axes are the columns (I), every component's own principal axes (EEV, VEV), or axes in common
(EVE, VVE), found by plane rotations. Where shape and orientation vary, or are shared, together,
no axes are needed (`_pooled`: EEE, VEE; `_separate`: EVV, VVV).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..kernels.calls import caller
from ..kernels.factor import cholesky
from ..kernels.primitives import F1, F2, F3, Entry, inlined, jit, part

EQUAL, VARIABLE, IDENTITY = 0, 1, 2

# Where inner iterations stop: relative change of a volume, angle of a rotation.
_PRECISION = 1e-13
_ANGLE = 1e-10
# Inner sweeps of one M-step among many: none lowers the objective, and the next goes on.
FEW_SWEEPS = 2
_TINY = 1e-300


_I, _F = nb.int64, nb.float64
# volume, shape, orientation, ratio; counts, scatters; sweeps, warm; volumes, axes, out
M_STEP = nb.void(_I, _I, _I, _F, F1, F3, _I, nb.boolean, F1, F2, F3)
call_m_step = caller(M_STEP)


def m_step(shape: int, orientation: int) -> Entry:
    """The M-step of the families of that shape and orientation.

    Called as M_STEP says it writes the covariances that minimise sum_k tr(W_k Sigma_k^-1) +
    n_k log|Sigma_k| to out. volume, shape and orientation are EQUAL, VARIABLE or IDENTITY. At
    most `sweeps` inner iterations are made; they start from volumes (K,) and axes (d, d) if warm,
    and leave there what they found. From a warm start the objective never rises, however few they
    are. A singular scatter may give covariances that are singular or not numbers. The ratio is
    for families under a bound (`bound.py`).
    """
    if orientation == IDENTITY:
        return _along_columns
    if shape == orientation:
        return _pooled if shape == EQUAL else _separate
    return _along_own_axes if orientation == VARIABLE else _along_common_axes


@part(M_STEP)
def _along_columns(  # type: ignore[no-untyped-def]
    volume, shape, orientation, ratio, counts, scatters, sweeps, warm, volumes, axes, out
):  # fmt: skip
    """EII VII EEI VEI EVI VVI: the axes are the columns."""
    n_components, rows, d = scatters.shape
    profiles = np.empty((n_components, d))  # sums of squares along the axes
    variances = np.empty((n_components, d))
    for k in range(n_components):
        for j in range(d):
            # At least 0: a singular scatter is so to rounding.
            profiles[k, j] = max(scatters[k, 0 if rows == 1 else j, j], 0.0)
    _along(volume, shape, counts, profiles, sweeps, warm, volumes, variances)
    for k in range(n_components):
        for i in range(rows):
            for j in range(d):
                out[k, i, j] = 0.0
        for j in range(d):
            out[k, 0 if rows == 1 else j, j] = variances[k, j]


@part(M_STEP)
def _along_own_axes(  # type: ignore[no-untyped-def]
    volume, shape, orientation, ratio, counts, scatters, sweeps, warm, volumes, axes, out
):  # fmt: skip
    """EEV VEV: every component has its own principal axes."""
    n_components, d, _ = scatters.shape
    profiles = np.empty((n_components, d))
    variances = np.empty((n_components, d))
    vectors = np.empty((n_components, d, d))
    for k in range(n_components):
        eigen(scatters[k], profiles[k], vectors[k])
        for j in range(d):
            profiles[k, j] = max(profiles[k, j], 0.0)
    _along(volume, shape, counts, profiles, sweeps, warm, volumes, variances)
    for k in range(n_components):
        compose(variances[k], vectors[k], out[k])


@part(M_STEP)
def _along_common_axes(  # type: ignore[no-untyped-def]
    volume, shape, orientation, ratio, counts, scatters, sweeps, warm, volumes, axes, out
):  # fmt: skip
    """EVE VVE: axes in common, found by plane rotations."""
    n_components, d, _ = scatters.shape
    profiles = np.empty((n_components, d))
    variances = np.empty((n_components, d))
    _common_axes(volume, counts, scatters, sweeps, warm, axes, profiles)
    for k in range(n_components):
        for j in range(d):
            profiles[k, j] = max(profiles[k, j], 0.0)
    _along(volume, shape, counts, profiles, sweeps, warm, volumes, variances)
    for k in range(n_components):
        compose(variances[k], axes, out[k])


@jit()
def _along(volume, shape, counts, profiles, sweeps, warm, volumes, variances):  # type: ignore[no-untyped-def]
    """Variances (K, d) along known axes from sums of squares (K, d): EII VII EEI VEI EVI VVI."""
    n_components, d = profiles.shape
    n = _sum(counts)
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
        return
    if shape == IDENTITY:
        total = 0.0
        for k in range(n_components):
            total += _sum(profiles[k])
        for k in range(n_components):
            v = total / (n * d)
            if volume == VARIABLE:
                v = _sum(profiles[k]) / (counts[k] * d)
            volumes[k] = v
            for j in range(d):
                variances[k, j] = v
        return
    common = np.empty(d)
    if volume == EQUAL:
        for j in range(d):
            common[j] = 0.0
            for k in range(n_components):
                common[j] += profiles[k, j] / n
        for k in range(n_components):
            for j in range(d):
                variances[k, j] = common[j]
        return
    # VEI: volumes and shape in turn; convex in their logarithms, so there is one optimum.
    if not warm:
        for k in range(n_components):
            volumes[k] = _sum(profiles[k]) / (counts[k] * d)
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


@part(M_STEP)
def _pooled(  # type: ignore[no-untyped-def]
    volume, shape, orientation, ratio, counts, scatters, sweeps, warm, volumes, axes, out
):  # fmt: skip
    """EEE and VEE: volumes and one matrix in common, in turn."""
    n_components, d, _ = scatters.shape
    n = _sum(counts)
    common = np.empty((d, d))
    lower = np.empty((d, d))
    if volume == EQUAL:
        _fill(common, 0.0)
        for k in range(n_components):
            for i in range(d):
                for j in range(d):
                    common[i, j] += scatters[k, i, j] / n
        for k in range(n_components):
            _copy(common, out[k])
        return
    if not warm:
        for k in range(n_components):
            trace = 0.0
            for j in range(d):
                trace += scatters[k, j, j]
            volumes[k] = trace / (counts[k] * d)
    for _ in range(sweeps):
        _fill(common, 0.0)
        for k in range(n_components):
            factor = 1.0 / volumes[k]
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
            change = max(change, abs(v - volumes[k]) / v)
            volumes[k] = v
        if not change > _PRECISION:
            break
    for k in range(n_components):
        for i in range(d):
            for j in range(d):
                out[k, i, j] = volumes[k] * common[i, j]


@part(M_STEP)
def _separate(  # type: ignore[no-untyped-def]
    volume, shape, orientation, ratio, counts, scatters, sweeps, warm, volumes, axes, out
):  # fmt: skip
    """EVV and VVV: every component its own matrix, with a volume in common or its own."""
    n_components, d, _ = scatters.shape
    total = 0.0
    sizes = np.empty(n_components)
    if volume == EQUAL:
        lower = np.empty((d, d))
        for k in range(n_components):
            sizes[k] = np.exp(cholesky(scatters[k], lower) / d)
            total += sizes[k]
    n = _sum(counts)
    for k in range(n_components):
        factor = 1.0 / counts[k] if volume == VARIABLE else total / (n * sizes[k])
        for i in range(d):
            for j in range(d):
                out[k, i, j] = factor * scatters[k, i, j]


@inlined
def _common_axes(volume, counts, scatters, sweeps, warm, axes, profiles):  # type: ignore[no-untyped-def]
    """EVE and VVE: write axes D in common, and the sums of squares (K, d) along them.

    Minimises sum_k n_k sum_j log (D'W_kD)_jj for VVE (Flury 1984, JASA 79, 892-898), or
    sum_k prod_j (D'W_kD)_jj^(1/d) for EVE, which is what is left when the variances along the
    axes are at their optimum. A cold start takes the axes of the pooled scatter, and if there are
    sweeps to reach the optimum it tries those of each W_k as well.
    """
    n_components, d, _ = scatters.shape
    values = np.empty(d)
    trial = np.empty((d, d))
    turned = np.empty((n_components, d, d))
    pooled = np.zeros((d, d))
    for k in range(n_components):
        for i in range(d):
            for j in range(d):
                pooled[i, j] += scatters[k, i, j]
    best = np.inf
    alone = warm or n_components == 1 or sweeps <= FEW_SWEEPS
    for start in range(1 if alone else n_components + 1):
        if warm:
            _copy(axes, trial)
        else:
            eigen(pooled if start == 0 else scatters[start - 1], values, trial)
        _turn_all(scatters, trial, turned)
        value = _rotate(volume, counts, turned, trial, sweeps, not warm)
        if start == 0 or value < best:
            best = value
            _copy(trial, axes)
            for k in range(n_components):
                for j in range(d):
                    profiles[k, j] = turned[k, j, j]


@jit()
def _fill(matrix, value):  # type: ignore[no-untyped-def]
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] = value


@jit()
def _copy(matrix, out):  # type: ignore[no-untyped-def]
    # Numba's own assignment brings code for error messages with it, seconds to compile.
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            out[i, j] = matrix[i, j]


@jit()
def _sum(x):  # type: ignore[no-untyped-def]
    total = 0.0
    for v in x:
        total += v
    return total


@inlined
def _turn_all(scatters, axes, turned):  # type: ignore[no-untyped-def]
    """D'W_kD for all k."""
    n_components, d, _ = scatters.shape
    half = np.empty((d, d))
    for k in range(n_components):
        w = scatters[k]
        for i in range(d):
            for j in range(d):
                total = 0.0
                for q in range(d):
                    total += w[i, q] * axes[q, j]
                half[i, j] = total
        for i in range(d):
            for j in range(d):
                total = 0.0
                for q in range(d):
                    total += axes[q, i] * half[q, j]
                turned[k, i, j] = total


@inlined
def _rotate(volume, counts, turned, axes, sweeps, globally):  # type: ignore[no-untyped-def]
    """Rotate in every plane in turn until nothing is gained; return the objective.

    turned (K, d, d) is D'W_kD and follows axes D. globally: look at the whole circle of a plane,
    else only downhill from where it is.
    """
    n_components, d, _ = turned.shape
    mean = np.empty(n_components)
    cosine = np.empty(n_components)
    sine = np.empty(n_components)
    factor = np.empty(n_components)
    for _ in range(sweeps):
        largest = 0.0
        for p in range(d):
            for q in range(p + 1, d):
                for k in range(n_components):
                    w = turned[k]
                    mean[k] = 0.5 * (w[p, p] + w[q, q])
                    cosine[k] = 0.5 * (w[p, p] - w[q, q])
                    sine[k] = w[p, q]
                    factor[k] = counts[k]
                    if volume == EQUAL:
                        rest = 0.0
                        for j in range(d):
                            if j != p and j != q:
                                rest += np.log(max(w[j, j], _TINY))
                        factor[k] = np.exp(rest / d)
                angle = 0.5 * _best_angle(volume, d, mean, cosine, sine, factor, globally)
                if angle == 0.0:
                    continue
                largest = max(largest, abs(angle))
                c = np.cos(angle)
                s = np.sin(angle)
                for i in range(d):
                    a = axes[i, p]
                    b = axes[i, q]
                    axes[i, p] = c * a + s * b
                    axes[i, q] = c * b - s * a
                for k in range(n_components):
                    w = turned[k]
                    for i in range(d):
                        a = w[i, p]
                        b = w[i, q]
                        w[i, p] = c * a + s * b
                        w[i, q] = c * b - s * a
                    for i in range(d):
                        a = w[p, i]
                        b = w[q, i]
                        w[p, i] = c * a + s * b
                        w[q, i] = c * b - s * a
        if largest <= _ANGLE:
            break
    value = 0.0
    for k in range(n_components):
        logs = 0.0
        for j in range(d):
            logs += np.log(max(turned[k, j, j], _TINY))
        value += np.exp(logs / d) if volume == EQUAL else counts[k] * logs
    return value


@jit()
def _plane(volume, d, mean, cosine, sine, factor, t):  # type: ignore[no-untyped-def]
    """The objective of a plane at angle t/2, and its first and second derivatives.

    The variances along the two axes are m + u and m - u, with u(t) = cosine cos t + sine sin t.
    """
    c = np.cos(t)
    s = np.sin(t)
    value = 0.0
    first = 0.0
    second = 0.0
    for k in range(len(mean)):
        u = cosine[k] * c + sine[k] * s
        du = sine[k] * c - cosine[k] * s
        m = mean[k]
        product = max((m - u) * (m + u), 1e-30 * m * m + _TINY)
        log1 = -2.0 * u * du / product  # derivatives of log(product); u'' = -u
        log2 = -2.0 * (du * du - u * u) / product - log1 * log1
        if volume == EQUAL:
            power = factor[k] * np.exp(np.log(product) / d)
            value += power
            first += power * log1 / d
            second += power * (log2 / d + log1 * log1 / (d * d))
        else:
            value += factor[k] * np.log(product)
            first += factor[k] * log1
            second += factor[k] * log2
    return value, first, second


@inlined
def _best_angle(volume, d, mean, cosine, sine, factor, globally):  # type: ignore[no-untyped-def]
    """The t in (-pi/2, pi/2] that minimises the plane's objective, 0 where nothing is gained."""
    at = 0.0
    value, first, second = _plane(volume, d, mean, cosine, sine, factor, 0.0)
    here = value
    if globally:
        for step in range(-7, 9):
            t = step * (np.pi / 16.0)
            trial, g, h = _plane(volume, d, mean, cosine, sine, factor, t)
            if trial < value:
                at, value, first, second = t, trial, g, h
    for _ in range(8 if globally else 2):
        if first == 0.0:
            break
        step = -first / second if second > 0.0 else -0.2 * np.sign(first)
        step = min(max(step, -0.5), 0.5)
        improved = False
        for _ in range(30):
            trial, g, h = _plane(volume, d, mean, cosine, sine, factor, at + step)
            # values tell angles apart down to 1e-8; below, the slope does
            if trial < value or (abs(step) < 1e-5 and abs(g) < abs(first)):
                improved = True
                break
            step *= 0.25
            if abs(step) < 1e-12:
                break
        if not improved:
            break
        at += step
        value, first, second = trial, g, h
    return at if value <= here or abs(at) < 1e-5 else 0.0


@jit()
def compose(variances, axes, out):  # type: ignore[no-untyped-def]
    """Write D diag(variances) D'."""
    d = len(variances)
    for i in range(d):
        for j in range(i + 1):
            total = 0.0
            for q in range(d):
                total += axes[i, q] * variances[q] * axes[j, q]
            out[i, j] = total
            out[j, i] = total


@jit()
def trace_of_quotient(lower, matrix):  # type: ignore[no-untyped-def]
    """tr((L L')^-1 M): the sum of squares of L^-1 R for M = R R', without R."""
    d = len(matrix)
    total = 0.0
    column = np.empty(d)
    for j in range(d):  # (L L')^-1 M e_j, of which only entry j counts
        for i in range(d):
            v = matrix[i, j]
            for q in range(i):
                v -= lower[i, q] * column[q]
            column[i] = v / lower[i, i]
        for i in range(d - 1, j - 1, -1):
            v = column[i]
            for q in range(i + 1, d):
                v -= lower[q, i] * column[q]
            column[i] = v / lower[i, i]
        total += column[j]
    return total


@jit()
def eigen(matrix, values, vectors):  # type: ignore[no-untyped-def]
    """Write eigenvalues, largest first, and eigenvectors (columns) of a symmetric matrix."""
    d = len(matrix)
    a = matrix.copy()
    size = 0.0
    for i in range(d):
        for j in range(d):
            vectors[i, j] = 1.0 if i == j else 0.0
            size += a[i, j] * a[i, j]
    for _ in range(30):
        off = 0.0
        for p in range(d):
            for q in range(p + 1, d):
                off += a[p, q] * a[p, q]
        if not off > 1e-34 * size:  # also where it is not a number
            break
        for p in range(d):
            for q in range(p + 1, d):
                if a[p, q] == 0.0:
                    continue
                # Golub & Van Loan, Matrix Computations, section 8.5: the smaller rotation
                tau = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                t = 1.0 / (abs(tau) + np.sqrt(1.0 + tau * tau))
                if tau < 0.0:
                    t = -t
                c = 1.0 / np.sqrt(1.0 + t * t)
                s = t * c
                for i in range(d):
                    x = a[i, p]
                    y = a[i, q]
                    a[i, p] = c * x - s * y
                    a[i, q] = s * x + c * y
                for i in range(d):
                    x = a[p, i]
                    y = a[q, i]
                    a[p, i] = c * x - s * y
                    a[q, i] = s * x + c * y
                a[p, q] = 0.0
                a[q, p] = 0.0
                for i in range(d):
                    x = vectors[i, p]
                    y = vectors[i, q]
                    vectors[i, p] = c * x - s * y
                    vectors[i, q] = s * x + c * y
    for i in range(d):
        values[i] = a[i, i]
    for i in range(d):  # selection sort, largest first
        best = i
        for j in range(i + 1, d):
            if values[j] > values[best]:
                best = j
        if best != i:
            v = values[i]
            values[i] = values[best]
            values[best] = v
            for j in range(d):
                v = vectors[j, i]
                vectors[j, i] = vectors[j, best]
                vectors[j, best] = v
