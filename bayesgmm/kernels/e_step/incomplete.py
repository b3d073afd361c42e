"""The pass in quadratic features over rows of which values are missing.

The features of a missing value are 0. Groups of many rows have marginal parameters of their own,
which then go through the same products as complete rows do; their sums are expanded to those of
all columns. Rows of rare groups share the complete parameters in common blocks, and each is
corrected: with y = C (b_m - P_mo z_o), the mean of its missing columns, its log density is that at
z_m = 0 plus (b_m - P_mo z_o)' y / 2 and a constant, and it adds the products of y to the sums.
Log densities are in the user's units, each of the columns that the row has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...utils.types import FloatArray
from ..calls import caller
from ..compilation import F1, F2, FLOAT, I1, INT, ROWS, entry, inlined
from ..products import add_outer_product, clear_padding, padded, product
from .arrays import EACH_ROW, VIEW
from .groups import table_of
from .marginal import (
    add_constant,
    add_expanded,
    add_variances,
    condition,
    encode_marginal,
    natural,
    place,
    room_for_missing,
)
from .quadratic import number_of_features, write_products
from .softmax import softmax
from .weighing import weigh

# Rows of a block: what rare rows miss is kept for each of them.
LARGEST_BLOCK = 64


class Room(NamedTuple):
    """Scratch of a block: phi (F, m), logits (K, m), and rows of m."""

    phi: FloatArray
    logits: FloatArray
    peak: FloatArray
    total: FloatArray
    power: FloatArray
    weights: FloatArray


def _signature(x: Any) -> Any:
    return FLOAT(x, VIEW, F2, I1, INT, INT, INT, F2, EACH_ROW, F1)


call_incomplete = caller(_signature(ROWS))


@entry(_signature)
def incomplete_pass(  # type: ignore[no-untyped-def]
    x, view, theta, packed, start, stop, block, sums, each, certainty
):
    """Add rows start..stop, in the groups' order, to sums (K, F); return their log-likelihood.

    packed are the groups. As `quadratic_pass` in all else.
    """
    own = prepared(x, view, theta, packed, block)
    table = own[2]
    rare = table.bounds[table.n_frequent]
    loglik = _frequent(own, start, min(stop, rare), block, sums, each, certainty)
    if stop > rare:
        loglik += _rare(own, max(start, rare), stop, block, sums, each, certainty)
    return loglik


@inlined
def prepared(x, view, theta, packed, block):  # type: ignore[no-untyped-def]
    """What a pass over groups reads, and scratch for its blocks of rows.

    Where there is noise theta's last row has the logarithm of its share, and nothing else. Given
    columns it is treated as any component, with precisions of 1, and its density put right after.
    """
    d = x.shape[1]
    n_components = len(theta)
    diagonal = theta.shape[1] == number_of_features(d, True)  # of one column they are the same
    table = table_of(packed, len(x), d)
    log_scale = -np.log(view.inverse_scale)
    full = theta.copy()
    for j in range(d):
        for k in range(n_components):
            full[k, 0] -= log_scale[j]
    of = natural(full, d, diagonal)
    if len(table.log_noise) > 0:
        last = n_components - 1
        full[last, 0] = theta[last, 0]
        for j in range(d):
            of.precision[0 if diagonal else j, j, last] = 1.0
    missing = room_for_missing(d, n_components, diagonal)
    wide = padded(block)
    room = Room(
        np.empty((theta.shape[1], wide)), np.empty((n_components, wide)), np.empty(wide),
        np.empty(wide), np.empty(wide), np.empty(wide if len(view.weights) > 0 else 0),
    )  # fmt: skip
    return x, view, table, of, full, diagonal, log_scale, missing, room


@inlined
def gather(x, order, start, m, view, out):  # type: ignore[no-untyped-def]
    """Write z (d, m and its padding) of rows order[start:start + m], with 0 for missing values."""
    for j in range(x.shape[1]):
        c = view.center[j]
        s = view.inverse_scale[j]
        row = out[j]
        for r in range(m):
            v = (x[order[start + r], j] - c) * s
            row[r] = v if v == v else 0.0  # noqa: PLR0124
        for r in range(m, padded(m)):
            row[r] = 0.0


@inlined
def gather_weights(weights, order, start, m, out):  # type: ignore[no-untyped-def]
    """Write the weights of rows order[start:start + m], if they have any."""
    for r in range(m if len(weights) > 0 else 0):
        out[r] = weights[order[start + r]]


@inlined
def write_in_order(order, start, m, total, logits, each):  # type: ignore[no-untyped-def]
    """Write what is asked of each row, to where the row stands."""
    for r in range(m if len(each.log_density) > 0 else 0):
        each.log_density[order[start + r]] = total[r]
    for r in range(m if len(each.resp) > 0 else 0):
        for k in range(len(logits)):
            each.resp[order[start + r], k] = logits[k, r]


@inlined
def _frequent(own, start, stop, block, sums, each, certainty):  # type: ignore[no-untyped-def]
    """Add the rows start..stop of groups that have parameters of their own."""
    x, view, table, of, full, diagonal, log_scale, missing, room = own
    of_group = np.empty(full.shape)
    of_sums = np.empty(full.shape if sums.shape[0] > 0 else (0, 0))
    loglik = 0.0
    g = np.searchsorted(table.bounds, start, side="right") - 1
    i = start
    while i < stop:
        end = min(stop, table.bounds[g + 1])
        columns, n_observed = table.columns[g], table.n_observed[g]
        if table.silent[g] == 1 and sums.shape[0] > 0:
            i = end  # rows that say nothing
        else:
            condition(of, columns, n_observed, diagonal, log_scale, missing)
            encode_marginal(full, of, columns, n_observed, diagonal, missing, of_group)
            exclude(table.allowed, g, of_group)
            set_noise(full, table.log_noise, g, of_group)
            of_sums[:] = 0.0
        while i < end:
            m = min(block, end - i)
            gather(x, table.order, i, m, view, room.phi[1:])
            write_products(x.shape[1], m, diagonal, room.phi)
            gather_weights(view.weights, table.order, i, m, room.weights)
            product(of_group, room.phi, m, room.logits)
            softmax(room.logits, m, room.peak, room.total, room.power)
            loglik += weigh(room.weights, 0, m, room.peak, room.total, room.logits, certainty)
            if sums.shape[0] > 0:
                clear_padding(room.logits, m)
                add_outer_product(room.logits, room.phi, m, of_sums)
            write_in_order(table.order, i, m, room.total, room.logits, each)
            i += m
        if sums.shape[0] > 0 and table.silent[g] == 0:
            add_expanded(of_sums, columns, n_observed, diagonal, missing, sums)
        g += 1
    return loglik


@inlined
def exclude(allowed, g, theta):  # type: ignore[no-untyped-def]
    """Give components that a group's rows cannot belong to no density."""
    for k in range(allowed.shape[1] if len(allowed) > 0 else 0):
        if allowed[g, k] == 0:
            theta[k, 0] = -np.inf


@inlined
def set_noise(full, log_noise, g, theta):  # type: ignore[no-untyped-def]
    """Write the noise in a group's rows to the last row of theta, if there is noise."""
    if len(log_noise) > 0:
        last = len(theta) - 1
        theta[last] = 0.0
        theta[last, 0] = full[last, 0] + log_noise[g]


@inlined
def _rare(own, start, stop, block, sums, each, certainty):  # type: ignore[no-untyped-def]
    """Add the rows start..stop of groups of few rows, block by block whatever their group."""
    x, view, table, of, full, diagonal, log_scale, missing, room = own
    d, n_components = of.linear.shape
    filled = np.empty((1 if diagonal else block, d, n_components))
    first = np.zeros((d, n_components))
    second = np.zeros((1 if diagonal else d, d, n_components))
    loglik = 0.0
    g = np.searchsorted(table.bounds, start, side="right") - 1
    i = start
    while i < stop:
        m = min(block, stop - i)
        gather(x, table.order, i, m, view, room.phi[1:])
        write_products(d, m, diagonal, room.phi)
        gather_weights(view.weights, table.order, i, m, room.weights)
        product(full, room.phi, m, room.logits)
        after = correct(own, g, i, m, filled)
        softmax(room.logits, m, room.peak, room.total, room.power)
        loglik += weigh(room.weights, 0, m, room.peak, room.total, room.logits, certainty)
        if sums.shape[0] > 0:
            clear_padding(room.logits, m)
            add_outer_product(room.logits, room.phi, m, sums)
            _add_filled(own, g, i, m, filled, first, second, sums)
        write_in_order(table.order, i, m, room.total, room.logits, each)
        g = after
        i += m
    if sums.shape[0] > 0 and not diagonal:
        for k in range(n_components):
            for i in range(d):
                sums[k, 1 + i] += first[i, k]
                for j in range(i, d):
                    sums[k, place(i, j, d)] += second[i, j, k]
    return loglik


@inlined
def correct(own, g, i, m, filled):  # type: ignore[no-untyped-def]
    """Correct the logits of rows i..i + m, and write the means of what they miss to filled.

    g is the group of the first; the group of the next row after them is returned.
    """
    x, view, table, of, full, diagonal, log_scale, missing, room = own
    d, n_components = of.linear.shape
    logits, phi = room.logits, room.phi
    values = np.empty((d, n_components))
    added = np.empty(n_components)
    known = -1
    for r in range(m):
        while i + r >= table.bounds[g + 1]:
            g += 1
        columns, n_observed = table.columns[g], table.n_observed[g]
        if g != known:
            condition(of, columns, n_observed, diagonal, log_scale, missing)
            if diagonal:
                add_constant(of, columns, n_observed, missing)
            known = g
        for k in range(n_components):
            added[k] = missing.constant[k]
        if not diagonal:
            _fill(of, columns, n_observed, missing, phi, r, values, filled[r], added)
        for k in range(n_components):
            logits[k, r] += added[k]
        for k in range(table.allowed.shape[1] if len(table.allowed) > 0 else 0):
            if table.allowed[g, k] == 0:
                logits[k, r] = -np.inf
        if len(table.log_noise) > 0:
            logits[n_components - 1, r] = full[n_components - 1, 0] + table.log_noise[g]
    while i + m < len(x) and i + m >= table.bounds[g + 1]:
        g += 1
    return g


@inlined
def _fill(of, columns, n_observed, missing, phi, r, values, filled, added):  # type: ignore[no-untyped-def]
    """Write the means of a row's missing columns to filled (d, K); add their term to added (K,)."""
    d, n_components = of.linear.shape
    n_missing = d - n_observed
    for q in range(n_missing):
        i = columns[n_observed + q]
        value = values[q]
        for k in range(n_components):
            value[k] = of.linear[i, k]
        for u in range(n_observed):
            j = columns[u]
            z = phi[1 + j, r]
            p = of.precision[i, j]
            for k in range(n_components):
                value[k] -= p[k] * z
    for q in range(n_missing):
        target = filled[q]
        for k in range(n_components):
            target[k] = 0.0
        for t in range(n_missing):
            c, value = missing.covariance[q, t], values[t]
            for k in range(n_components):
                target[k] += c[k] * value[k]
        value = values[q]
        for k in range(n_components):
            added[k] += 0.5 * value[k] * target[k]


@inlined
def _add_filled(own, g, i, m, filled, first, second, sums):  # type: ignore[no-untyped-def]
    """Add the moments of what rows i..i + m miss; g is the group of the first."""
    x, view, table, of, full, diagonal, log_scale, missing, room = own
    d, n_components = of.linear.shape
    weight = np.empty(n_components)
    weighted = np.empty(n_components)
    count = np.zeros(n_components)
    r = 0
    while r < m:
        while i + r >= table.bounds[g + 1]:
            g += 1
        columns, n_observed = table.columns[g], table.n_observed[g]
        count[:] = 0.0
        while r < m and i + r < table.bounds[g + 1]:
            for k in range(n_components):
                weight[k] = room.logits[k, r]
                count[k] += weight[k]
            if not diagonal:
                _add_row(
                    columns, n_observed, room.phi, r, filled[r], weight, weighted, first, second
                )
            r += 1
        condition(of, columns, n_observed, diagonal, log_scale, missing)
        if diagonal:
            for k in range(n_components):
                add_variances(count[k], columns, n_observed, missing, k, sums[k])
        for q in range(0 if diagonal else d - n_observed):
            for t in range(q + 1):
                a, b = columns[n_observed + q], columns[n_observed + t]
                target, c = second[min(a, b), max(a, b)], missing.covariance[q, t]
                for k in range(n_components):
                    target[k] += count[k] * c[k]


@inlined
def _add_row(columns, n_observed, phi, r, filled, weight, weighted, first, second):  # type: ignore[no-untyped-def]
    """Add the products of a row's missing columns with each other and with those observed."""
    n_components = len(weight)
    for q in range(len(columns) - n_observed):
        i = columns[n_observed + q]
        of_row = filled[q]
        target = first[i]
        for k in range(n_components):
            weighted[k] = weight[k] * of_row[k]
            target[k] += weighted[k]
        for u in range(n_observed):
            j = columns[u]
            z = phi[1 + j, r]
            target = second[min(i, j), max(i, j)]
            for k in range(n_components):
                target[k] += weighted[k] * z
        for t in range(q + 1):
            j = columns[n_observed + t]
            other = filled[t]
            target = second[min(i, j), max(i, j)]
            for k in range(n_components):
                target[k] += weighted[k] * other[k]
