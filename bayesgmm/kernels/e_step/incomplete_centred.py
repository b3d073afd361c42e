"""The pass about each component's own mean, over rows of which values are missing.

Each group has its own Cholesky factors L, with the columns observed before those missing: L_oo is
that of the observed ones, and given them the others have slope A = L_mo L_oo^-1 and covariance
L_mm L_mm', in which nothing cancels. Log densities are in the user's units, each of the columns
that the row has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...utils.types import FloatArray
from ..calls import caller
from ..cholesky import cholesky
from ..compilation import F1, FLOAT, I1, INT, ROWS, entry, inlined, jit
from ..products import add_squared_lengths, add_symmetric_product, clear_padding, padded
from .arrays import EACH_ROW, MIXTURE, MOMENTS, VIEW
from .groups import table_of
from .incomplete import gather_weights, write_in_order
from .softmax import LOG_2PI, softmax
from .weighing import weigh


class _Group(NamedTuple):
    """A group's constants (K,), means (K, d) and factors (K, d d), columns observed first.

    inverse (K, d d) has L_oo^-1, one row after the other; lower (K, d, d) is L, or the standard
    deviations (K, 1, d).
    """

    constants: FloatArray
    means: FloatArray
    inverse: FloatArray
    lower: FloatArray


def _signature(x: Any) -> Any:
    return FLOAT(x, VIEW, MIXTURE, I1, INT, INT, INT, MOMENTS, EACH_ROW, F1)


call_incomplete_centred = caller(_signature(ROWS))


@entry(_signature)
def incomplete_centred_pass(  # type: ignore[no-untyped-def]
    x, view, mixture, packed, start, stop, block, moments, each, certainty
):
    """Add rows start..stop, in the groups' order, to the moments; return their log-likelihood.

    The mixture is in scaled coordinates; packed are the groups. Beside noise it has one proportion
    more, the noise's share. As `centred_pass` in all else.
    """
    d = x.shape[1]
    n_components, height, _ = mixture.covariances.shape
    n_all = len(mixture.weights)
    table = table_of(packed, len(x), d)
    log_scale = -np.log(view.inverse_scale)
    group = _Group(
        np.empty(n_components), np.empty((n_components, d)), np.empty((n_components, d * d)),
        np.empty((n_components, height, d)),
    )  # fmt: skip
    wide = padded(block)
    z, delta, y = np.empty((d, wide)), np.empty((d, wide)), np.empty((d, wide))
    logits, squares = np.empty((n_all, wide)), np.empty((1, wide))
    peak, total, power = np.empty(block), np.empty(block), np.empty(block)
    weights = np.empty(wide if len(view.weights) > 0 else 0)
    wanted = len(moments.counts) > 0
    loglik = 0.0
    g = np.searchsorted(table.bounds, start, side="right") - 1
    i = start
    while i < stop:
        end = min(stop, table.bounds[g + 1])
        n_observed = table.n_observed[g]
        columns = table.columns[g]
        if table.silent[g] == 1 and wanted:
            i = end  # rows that say nothing
        else:
            _factor(mixture, columns, n_observed, log_scale, group)
            _exclude(table.allowed, g, group.constants)
        counts = np.zeros(n_components)
        first = np.zeros((n_components, n_observed))
        second = np.zeros((n_components, n_observed, n_observed))
        while i < end:
            m = min(block, end - i)
            _gather_observed(x, table.order, i, m, view, columns[:n_observed], z)
            gather_weights(view.weights, table.order, i, m, weights)
            for k in range(n_components):
                _distances(z, group, k, n_observed, m, delta, squares)
                for r in range(m):
                    logits[k, r] = group.constants[k] - 0.5 * squares[0, r]
            for k in range(n_components, n_all):
                logits[k] = np.log(mixture.weights[k]) + table.log_noise[g]
            softmax(logits, m, peak, total, power)
            loglik += weigh(weights, 0, m, peak, total, logits, certainty)
            if wanted:
                clear_padding(logits, m)
                for k in range(n_components):
                    counts[k] += _add(
                        z[:n_observed], group.means[k], logits[k], m, delta, y, first[k], second[k]
                    )
            write_in_order(table.order, i, m, total, logits, each)
            i += m
        if wanted and table.silent[g] == 0:
            for k in range(n_components):
                moments.counts[k] += counts[k]
                _expand(
                    counts[k], first[k], second[k], group, k, columns, n_observed,
                    moments.first[k], moments.second[k],
                )  # fmt: skip
        g += 1
    return loglik


@inlined
def _exclude(allowed, g, constants):  # type: ignore[no-untyped-def]
    """Give components that a group's rows cannot belong to no density."""
    for k in range(len(constants) if len(allowed) > 0 else 0):
        if allowed[g, k] == 0:
            constants[k] = -np.inf


@jit()
def _factor(mixture, columns, n_observed, log_scale, out):  # type: ignore[no-untyped-def]
    """Write the group's constants, means and factors."""
    weights, means, covariances = mixture
    n_components, height, d = covariances.shape
    ordered = np.empty((height, d))
    for k in range(n_components):
        lower = out.lower[k]
        for i in range(d):
            out.means[k, i] = means[k, columns[i]]
            if height < d:
                lower[0, i] = np.sqrt(covariances[k, 0, columns[i]])
            for j in range(d if height == d else 0):
                ordered[i, j] = covariances[k, columns[i], columns[j]]
        if height == d:
            cholesky(ordered, lower)
        constant = np.log(weights[k]) - 0.5 * n_observed * LOG_2PI
        for i in range(n_observed):
            constant -= log_scale[columns[i]]
            constant -= np.log(lower[i, i] if height == d else lower[0, i])
        out.constants[k] = constant
        if height == d:
            _invert(lower, n_observed, out.inverse[k, : n_observed * n_observed])


@inlined
def _invert(lower, n, flat):  # type: ignore[no-untyped-def]
    """Write the inverse of L's first n rows and columns."""
    inverse = flat.reshape((n, n))
    for i in range(n):
        for j in range(n):
            v = 1.0 if i == j else 0.0
            for q in range(j, i):
                v -= lower[i, q] * inverse[q, j]
            inverse[i, j] = v / lower[i, i] if j <= i else 0.0


@inlined
def _gather_observed(x, order, start, m, view, columns, out):  # type: ignore[no-untyped-def]
    """Write z of the columns observed, and the padding of 0, of rows order[start:start + m]."""
    for u in range(len(columns)):
        j = columns[u]
        for r in range(m):
            out[u, r] = (x[order[start + r], j] - view.center[j]) * view.inverse_scale[j]
        for r in range(m, padded(m)):
            out[u, r] = 0.0


@inlined
def _distances(z, group, k, n_observed, m, delta, squares):  # type: ignore[no-untyped-def]
    """Write the squared distances of rows from a component's mean, in its own width."""
    for r in range(padded(m)):
        squares[0, r] = 0.0
    for u in range(n_observed):
        for r in range(padded(m)):
            delta[u, r] = z[u, r] - group.means[k, u]
    if group.lower.shape[1] < group.means.shape[1]:
        for u in range(n_observed):
            for r in range(m):
                squares[0, r] += (delta[u, r] / group.lower[k, 0, u]) ** 2
    else:
        flat = group.inverse[k, : n_observed * n_observed]
        inverse = flat.reshape((n_observed, n_observed))
        add_squared_lengths(inverse, True, delta, m, squares)


@jit()
def _add(z, mean, weight, m, delta, y, first, second):  # type: ignore[no-untyped-def]
    """Add a component's moments about its mean, and return its count."""
    count = 0.0
    for r in range(m):
        count += weight[r]
    for u in range(len(z)):
        for r in range(padded(m)):
            delta[u, r] = z[u, r] - mean[u]
            y[u, r] = weight[r] * delta[u, r]
            first[u] += y[u, r]
    add_symmetric_product(y, delta, m, second)
    return count


@jit()
def _expand(count, of_first, of_second, group, k, columns, n_observed, first, second):  # type: ignore[no-untyped-def]
    """Add a group's moments of the columns observed, with what they imply of the others."""
    d = len(columns)
    n_missing = d - n_observed
    for u in range(n_observed):
        first[columns[u]] += of_first[u]
    if group.lower.shape[1] < d:
        for u in range(n_observed):
            second[0, columns[u]] += of_second[u, u]
        for q in range(n_observed, d):
            second[0, columns[q]] += count * group.lower[k, 0, q] ** 2
    else:
        lower, flat = group.lower[k], group.inverse[k, : n_observed * n_observed]
        inverse = flat.reshape((n_observed, n_observed))
        for u in range(n_observed):
            for w in range(u + 1):
                of_second[w, u] = of_second[u, w]  # only the lower triangle was made
                _add_to(second, columns[u], columns[w], of_second[u, w])
        slope = np.zeros((n_missing, n_observed))
        along = np.zeros((n_missing, n_observed))
        for q in range(n_missing):
            for u in range(n_observed):
                for w in range(u, n_observed):
                    slope[q, u] += lower[n_observed + q, w] * inverse[w, u]
            for u in range(n_observed):
                first[columns[n_observed + q]] += slope[q, u] * of_first[u]
                for w in range(n_observed):
                    along[q, u] += slope[q, w] * of_second[w, u]
                _add_to(second, columns[n_observed + q], columns[u], along[q, u])
            for t in range(q + 1):
                v = 0.0
                for w in range(t + 1):
                    v += (
                        lower[n_observed + q, n_observed + w]
                        * lower[n_observed + t, n_observed + w]
                    )
                v *= count
                for u in range(n_observed):
                    v += along[q, u] * slope[t, u]
                _add_to(second, columns[n_observed + q], columns[n_observed + t], v)


@inlined
def _add_to(second, i, j, value):  # type: ignore[no-untyped-def]
    """Add to the lower triangle, which alone is read."""
    second[max(i, j), min(i, j)] += value
