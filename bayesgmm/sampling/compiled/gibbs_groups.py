"""Gibbs sampling of rows in groups: allocations, then the values that rows miss, compiled.

The allocations are drawn given the values that are there alone, and what a row misses given these
and its component: it costs one component's conditional mean and as many normal variates, little
beside the densities of all components. The sums are those of complete rows then, so that all other
steps of a sweep know nothing of missing values.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import ArrayLike

from ...kernels.calls import caller
from ...kernels.compilation import F2, I1, INT, R2, ROWS, inlined, part, typed
from ...kernels.e_step.arrays import VIEW, only_read
from ...kernels.e_step.groups import Groups
from ...kernels.e_step.incomplete import (
    LARGEST_BLOCK,
    correct,
    exclude,
    gather,
    prepared,
    set_noise,
)
from ...kernels.e_step.marginal import condition, encode_marginal
from ...kernels.e_step.quadratic import write_products
from ...kernels.e_step.softmax import softmax
from ...kernels.products import add_outer_product, clear_padding, product
from ...mixture.noise import Noise
from ...utils.types import FloatArray, IntArray
from .variates import choose


class GroupedRows(NamedTuple):
    """Rows (n, d) that are in groups, `Groups.packed`, and the address of `allocate_groups`.

    All are empty, and 0, where rows are complete and can be of any component.
    """

    values: FloatArray
    packed: IntArray
    allocating: int


GROUPED_ROWS = typed(GroupedRows, R2, I1, INT)
_ALLOCATE = nb.void(nb.types.npy_rng, ROWS, VIEW, F2, I1, F2)
call_allocate_groups = caller(_ALLOCATE)


@part(_ALLOCATE, from_python=True)
def allocate_groups(rng, x, view, theta, packed, sums):  # type: ignore[no-untyped-def]
    """Draw the rows' components and missing values; add the features of both to sums (K, F).

    theta (K, F) is the mixture, packed are the groups. Rows that say nothing are left out. Of rows
    that are noise the missing values are drawn too, and mean nothing: nobody reads the sums.
    """
    own = prepared(x, view, theta, packed, LARGEST_BLOCK)
    _, _, table, of, full, diagonal, log_scale, missing, room = own
    n, d = x.shape
    of_group = np.empty(theta.shape)
    filled = np.empty((1 if diagonal else LARGEST_BLOCK, d, len(theta)))
    made = -1  # the group that `missing` and `of_group` are of
    g = 0
    i = 0
    while i < n:
        while i >= table.bounds[g + 1]:
            g += 1
        frequent = g < table.n_frequent
        end = table.bounds[g + 1] if frequent else n
        if frequent and table.silent[g] == 1:
            i = end
            continue
        m = min(LARGEST_BLOCK, end - i)
        gather(x, table.order, i, m, view, room.phi[1:])
        write_products(d, m, diagonal, room.phi)
        if frequent:
            if g != made:
                columns, n_observed = table.columns[g], table.n_observed[g]
                condition(of, columns, n_observed, diagonal, log_scale, missing)
                encode_marginal(full, of, columns, n_observed, diagonal, missing, of_group)
                exclude(table.allowed, g, of_group)
                set_noise(full, table.log_noise, g, of_group)
                made = g
            product(of_group, room.phi, m, room.logits)
        else:
            product(full, room.phi, m, room.logits)
            correct(own, g, i, m, filled)
            made = -1
        softmax(room.logits, m, room.peak, room.total, room.power)
        choose(rng, room.logits, m, room.peak)
        if not frequent or table.n_observed[g] < d:
            _fill(rng, own, g, made, i, m)
            write_products(d, m, diagonal, room.phi)
        clear_padding(room.logits, m)
        add_outer_product(room.logits, room.phi, m, sums)
        i += m


@inlined
def _fill(rng, own, g, made, i, m):  # type: ignore[no-untyped-def]
    """Draw what rows i..i + m miss, each given its component; g is the group of the first."""
    _, _, table, of, _, diagonal, log_scale, missing, room = own
    d, n_components = of.linear.shape
    y = np.empty(d)
    for r in range(m):
        while i + r >= table.bounds[g + 1]:
            g += 1
        columns, n_observed = table.columns[g], table.n_observed[g]
        if n_observed == d:
            continue
        if g != made:
            condition(of, columns, n_observed, diagonal, log_scale, missing)
            made = g
        k = 0
        while k < n_components - 1 and room.logits[k, r] == 0.0:
            k += 1
        if diagonal:
            for q in range(d - n_observed):
                sd = np.sqrt(missing.covariance[0, q, k])
                drawn = missing.mean[q, k] + sd * rng.standard_normal()
                room.phi[1 + columns[n_observed + q], r] = drawn
        else:
            _draw(rng, of, missing, columns, n_observed, k, r, y, room.phi)


@inlined
def _draw(rng, of, missing, columns, n_observed, k, r, y, phi):  # type: ignore[no-untyped-def]
    """Write a draw of what a row of component k misses to phi; y (d,) is scratch.

    With C = L^-T L^-1 and v = b_m - P_mo z_o it is L^-T (L^-1 v + e), e standard normal.
    """
    n_missing = len(columns) - n_observed
    lower = missing.lower  # L^-1
    for q in range(n_missing):
        j = columns[n_observed + q]
        y[q] = of.linear[j, k]
        for u in range(n_observed):
            y[q] -= of.precision[j, columns[u], k] * phi[1 + columns[u], r]
    for q in range(n_missing - 1, -1, -1):
        v = rng.standard_normal()
        for t in range(q + 1):
            v += lower[q, t, k] * y[t]
        y[q] = v
    for q in range(n_missing):
        v = 0.0
        for t in range(q, n_missing):
            v += lower[t, q, k] * y[t]
        phi[1 + columns[n_observed + q], r] = v


def grouped_rows(values: ArrayLike, groups: Groups | None, noise: Noise | None) -> GroupedRows:
    """Rows as the sweeps read them where they are in groups; nothing where they are not."""
    if groups is None:
        return GroupedRows(only_read(np.empty((0, 0))), np.empty(0, dtype=np.int64), 0)
    rows = np.ascontiguousarray(values, dtype=np.float64)
    packed = groups.packed if noise is None else groups.packed_beside(noise.of_groups(groups))
    return GroupedRows(only_read(rows), packed, allocate_groups.address)
