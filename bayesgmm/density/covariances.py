"""Covariances in free coordinates, compiled: one map for each kind of parametrisation."""

from __future__ import annotations

import math

import numpy as np

from ..families.matrices import compose
from ..kernels.compilation import inlined, jit, part
from .bartlett import bartlett_covariance, bartlett_factor, pull_back_triangle
from .maps import COVARIANCES, MAP
from .rotations import pull_back_rotation, rotation

_LOG_2, _LOG_2PI = math.log(2.0), math.log(2.0 * math.pi)


@part(MAP, level=1)
def variances(step, at, covariances, of_rows, slope):  # type: ignore[no-untyped-def]
    """Logarithms of the variances; inverse gammas. fixed: [shape].

    The coordinates are (K, d), or (K, 1) for spherical covariances, or one row of these if
    shared. For d = 1 the covariances come as full ones, which are the same.
    """
    (u, shared, fixed, psi), (g_u, g_means, g_psi) = at, slope
    counts, first, second, pseudo_counts, pseudo = of_rows
    n_components, _, d = covariances.shape
    blocks = 1 if shared else n_components
    width = len(u) // blocks
    if step == COVARIANCES:
        for k in range(n_components):
            for j in range(d):
                covariances[k, 0, j] = np.exp(u[(k % blocks) * width + j % width])
        return 0.0
    for k in range(n_components):
        for j in range(d):
            p = 1.0 / covariances[k, 0, j]
            g_means[k, j] = p * first[k, j]
            i = (k % blocks) * width + j % width
            g_u[i] += 0.5 * (p * second[k, 0, j] - counts[k])
    total = _of_pseudo_rows(covariances, pseudo_counts, pseudo)
    shape = fixed[0]
    for j in range(width):
        beta = 0.5 * psi[j]
        for q in range(j + 1, d if width < d else 0):
            beta += 0.5 * psi[q]
        constant = shape * np.log(beta) - math.lgamma(shape)
        for b in range(blocks):
            i = b * width + j
            quotient = beta * np.exp(-u[i])
            total += constant - shape * u[i] - quotient
            g_u[i] += quotient - shape
            for q in range(d):
                if width == d and q == j:
                    g_psi[q] += shape - quotient
                elif width < d:
                    g_psi[q] += (shape - quotient) * 0.5 * psi[q] / beta
    return total


@inlined
def _of_pseudo_rows(covariances, pseudo_counts, pseudo):  # type: ignore[no-untyped-def]
    """The log density of pseudo-rows under variances (K, 1, d)."""
    total = 0.0
    for k in range(len(covariances)):
        for j in range(covariances.shape[2]):
            v = covariances[k, 0, j]
            total -= 0.5 * (pseudo_counts[k] * np.log(v) + pseudo[k, 0, j] / v)
    return total


@part(MAP, level=1)
def bartlett(step, at, covariances, of_rows, slope):  # type: ignore[no-untyped-def]
    """Bartlett's T by the logarithms of its squared diagonal, then its strict lower part by rows.

    P = M T T' M'. fixed: [nu, L (d, d), M (d, d), the diagonal of Psi's mean (d,)], Psi = L L'.
    """
    (u, shared, fixed, psi), (g_u, g_means, g_psi) = at, slope
    counts, first, second, pseudo_counts, pseudo = of_rows
    n_components, _, d = covariances.shape
    blocks = 1 if shared else n_components
    n_lower = d * (d - 1) // 2
    dof = fixed[0]
    root = fixed[1 : 1 + d * d].reshape((d, d))
    m = fixed[1 + d * d : 1 + 2 * d * d].reshape((d, d))
    expected = fixed[1 + 2 * d * d :]
    chi2 = np.empty((blocks, d))
    for c in range(blocks):
        for j in range(d):
            chi2[c, j] = np.exp(u[c * d + j])
    lower = u[blocks * d :].reshape((blocks, n_lower))
    y = np.empty((d, d))
    if step == COVARIANCES:
        for k in range(n_components):
            bartlett_covariance(root, chi2[k % blocks], lower[k % blocks], y, covariances[k])
        return 0.0
    g_chi2 = np.zeros((blocks, d))
    g_lower = g_u[blocks * d :].reshape((blocks, n_lower))
    b = np.empty((d, d))
    half = np.empty((d, d))
    total = 0.0
    for k in range(n_components):
        c = k % blocks
        bartlett_factor(m, chi2[c], lower[c], b)
        precision_times(b, first[k], g_means[k])
        products_with(second[k], b, half)
        pull_back_triangle(counts[k], m, half, chi2[c], g_chi2[c], g_lower[c])
        if pseudo_counts[k] > 0.0:
            products_with(pseudo[k], b, half)
            for j in range(d):
                total += 0.5 * pseudo_counts[k] * np.log(chi2[c, j] * m[j, j] * m[j, j])
                for i in range(d):
                    total -= 0.5 * b[j, i] * half[i, j]
    for c in range(blocks):
        f = 0
        for i in range(d):
            ratio = psi[i] / expected[i]
            log_ratio = np.log(ratio)
            shape = 0.5 * (dof - i)
            value = chi2[c, i]
            total += shape * (np.log(value) + log_ratio - _LOG_2) - 0.5 * ratio * value
            total -= math.lgamma(shape)
            g_u[c * d + i] += g_chi2[c, i] * value + shape - 0.5 * ratio * value
            g_psi[i] += shape - 0.5 * ratio * value
            for _ in range(i):
                value = lower[c, f]
                total += 0.5 * (log_ratio - _LOG_2PI - ratio * value * value)
                g_lower[c, f] -= ratio * value
                g_psi[i] += 0.5 - 0.5 * ratio * value * value
                f += 1
    return total


@jit()
def precision_times(b, vector, out):  # type: ignore[no-untyped-def]
    """Write B'B v."""
    d = len(vector)
    for j in range(d):
        out[j] = 0.0
    for i in range(d):
        v = 0.0
        for j in range(d):
            v += b[i, j] * vector[j]
        for j in range(d):
            out[j] += b[i, j] * v


@jit()
def products_with(matrix, b, out):  # type: ignore[no-untyped-def]
    """Write C B'."""
    d = len(b)
    for i in range(d):
        for j in range(d):
            v = 0.0
            for q in range(d):
                v += matrix[i, q] * b[j, q]
            out[i, j] = v


@part(MAP, level=1)
def axes(step, at, covariances, of_rows, slope):  # type: ignore[no-untyped-def]
    """Volume, shape and orientation, Sigma_k = lambda_k D_k A_k D_k'.

    u: log lambda (one, or K); d - 1 coordinates of log A (J, d - 1), which sums to 0; those of
    D (J, d(d - 1)/2) (`rotations.py`); J = 1 or K, or for D none. fixed: [nu, e, the logarithm of
    Haar's constant, numbers of volumes, shapes and orientations, the power of |Psi|, Psi's mean
    (d, d), the matrices about which the orientations are (J, d, d)]. The prior is the inverse
    Wishart's kernel as a density with respect to d lambda^e, d log A and the orthogonal matrices'
    own measure, without the constant but for what a random Psi makes of it.
    """
    (u, _, fixed, psi), (g_u, g_means, g_psi) = at, slope
    counts, first, second, pseudo_counts, pseudo = of_rows
    n_components, rows, d = covariances.shape
    weight, power, constant = fixed[0] + d + 1.0, fixed[1], fixed[2]
    volumes, shapes, orientations = int(fixed[3]), int(fixed[4]), int(fixed[5])
    scale = fixed[7 : 7 + d * d].reshape((d, d)).copy()
    about = fixed[7 + d * d :].reshape((orientations, d, d))
    contrasts, angles = volumes + shapes * (d - 1), d * (d - 1) // 2
    log_a = u[volumes:contrasts].reshape((shapes, d - 1))
    skew = u[contrasts:].reshape((orientations, angles))
    variance = np.empty((n_components, d))  # along the axes
    for k in range(n_components):
        _along_axes(u[k % volumes], log_a[k % shapes], variance[k])
    resolvent = np.empty((orientations, d, d))
    axis = np.empty((orientations, d, d))
    total = constant
    for o in range(orientations):
        total += rotation(skew[o], about[o], resolvent[o], axis[o])
    if step == COVARIANCES:
        for k in range(n_components):
            if orientations == 0:
                for j in range(d):
                    covariances[k, 0, j] = variance[k, j]
            else:
                compose(variance[k], axis[k % orientations], covariances[k])
        return 0.0
    g_log_a = g_u[volumes:contrasts].reshape((shapes, d - 1))
    g_skew = g_u[contrasts:].reshape((orientations, angles))
    g_axis = np.zeros((orientations, d, d))
    turned = np.empty((d, d))
    squares = np.empty(d)
    g_log = np.empty(d)
    total += _of_random_scale(fixed[6], psi, scale, g_psi)
    about_axes = np.empty(d)
    for k in range(n_components):
        o = k % orientations if orientations > 0 else 0
        of_prior = weight + pseudo_counts[k]
        _squares(pseudo[k], scale, axis, o, turned, squares)
        for j in range(d):
            total -= 0.5 * (of_prior * np.log(variance[k, j]) + squares[j] / variance[k, j])
        _squares(second[k], scale, axis, o, turned, squares)
        for j in range(d):
            g_log[j] = 0.5 * (squares[j] / variance[k, j] - counts[k] - weight)
            g_u[k % volumes] += g_log[j]
            for i in range(d if orientations > 0 else 0):
                g_axis[o, i, j] -= turned[i, j] / variance[k, j]
        _pull_back_whole(g_log, g_log_a[k % shapes])
        _pull_back_scale(psi, variance[k], axis, o, g_psi)
        if orientations == 0:
            for j in range(d):
                g_means[k, j] = first[k, j] / variance[k, j]
        else:
            _precision_by_axes(axis[o], variance[k], first[k], about_axes, g_means[k])
    for v in range(volumes):
        total += power * u[v]
        g_u[v] += power
    for o in range(orientations):
        pull_back_rotation(g_axis[o], about[o], resolvent[o], skew[o], g_skew[o])
    return total


@inlined
def _of_random_scale(power, psi, scale, g_psi):  # type: ignore[no-untyped-def]
    """Put psi in the place of Psi's diagonal; return what that is to the log of the constant."""
    total = 0.0
    for j in range(len(psi)):
        total += power * np.log(psi[j] / scale[j, j])
        g_psi[j] += power
        scale[j, j] = psi[j]
    return total


@inlined
def _pull_back_scale(psi, variance, axis, o, g_psi):  # type: ignore[no-untyped-def]
    """Add the gradient of -tr(Psi Sigma_k^-1)/2 in log psi; without axes they are the columns."""
    for i in range(len(psi)):
        if len(axis) == 0:
            g_psi[i] -= 0.5 * psi[i] / variance[i]
        else:
            for j in range(len(psi)):
                g_psi[i] -= 0.5 * psi[i] * axis[o, i, j] * axis[o, i, j] / variance[j]


@inlined
def _along_axes(log_volume, log_a, variance):  # type: ignore[no-untyped-def]
    """Write a component's variances along its axes."""
    _whole(log_a, variance)
    for j in range(len(variance)):
        variance[j] = np.exp(log_volume + variance[j])


@inlined
def _precision_by_axes(axis, variance, vector, work, out):  # type: ignore[no-untyped-def]
    """Write D diag(1/v) D' times a vector."""
    d = len(variance)
    for j in range(d):
        work[j] = 0.0
        for i in range(d):
            work[j] += axis[i, j] * vector[i]
        work[j] /= variance[j]
    for i in range(d):
        out[i] = 0.0
        for j in range(d):
            out[i] += axis[i, j] * work[j]


@inlined
def _whole(part, out):  # type: ignore[no-untyped-def]
    """Write d numbers of sum 0 from d - 1 orthonormal coordinates (PyMC's `ZeroSumTransform`)."""
    d = len(out)
    s = 0.0
    for j in range(d - 1):
        s += part[j]
    shift = s / (np.sqrt(d) + d)
    for j in range(d - 1):
        out[j] = part[j] - shift
    out[d - 1] = -s / np.sqrt(d)


@inlined
def _pull_back_whole(gradient, out):  # type: ignore[no-untyped-def]
    """Add to out the gradient in the d - 1 coordinates."""
    d = len(gradient)
    s = 0.0
    for j in range(d - 1):
        s += gradient[j]
    shift = s / (np.sqrt(d) + d) + gradient[d - 1] / np.sqrt(d)
    for j in range(d - 1):
        out[j] += gradient[j] - shift


@jit()
def _squares(matrix, scale, axis, o, turned, out):  # type: ignore[no-untyped-def]
    """With C = matrix + Psi write C D to turned, and the diagonal of D'C D to out.

    A matrix (1, d) is a diagonal, and D is then the identity.
    """
    d = len(out)
    for j in range(d):
        if len(matrix) < d:
            out[j] = matrix[0, j] + scale[j, j]
        else:
            out[j] = 0.0
            for i in range(d):
                v = 0.0
                for q in range(d):
                    v += (matrix[i, q] + scale[i, q]) * axis[o, q, j]
                turned[i, j] = v
                out[j] += axis[o, i, j] * v
