"""Agglomeration of rows into Gaussian groups, by the classification likelihood.

The criterion of groups with unconstrained covariances is sum_k n_k log |W_k / n_k|, W_k their
scatters (Banfield & Raftery 1993, Biometrics 49:803-821), which groups of few rows make -infinity.
Fraley (1998, SIAM J. Sci. Comput. 20:270-281) keeps it finite by a trace term, whose scaling here
is the one that reproduces the merges of mclust (alpha = beta = 1):

    level_k = n_k log(|W_k / n_k| + (tr W_k + a) / n_k),    a = tr W / (n d), W all rows' scatter

A merge costs level_ij - level_i - level_j, and the cheapest is made until one group is left. Only
the costs of the group just made change, so that n rows take n^2 costs in all.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from ...kernels.calls import caller
from ...kernels.compilation import F1, F2, FLOAT, I1, INT, inlined, part, typed
from ...utils.types import FloatArray

type Labels = NDArray[np.int64]

_BLOCK = 64
# Costs are compared on this grid: rows on a lattice (all measured ones) are full of ties, and
# rounding errors, which differ between machines, should not break them.
_GRID = 2.0**32


class Groups(NamedTuple):
    """Groups side by side: how many rows and how much weight each has (m,), and their moments.

    size are numbers of different rows, 0 for groups that are gone; mean (d, m); scatter (p, m),
    packed by rows, and its trace (m,).
    """

    size: Labels
    weight: FloatArray
    mean: FloatArray
    scatter: FloatArray
    trace: FloatArray


class Scratch(NamedTuple):
    """Room for a block of pairs: `work`, a factor (p,), and which groups are in it."""

    work: FloatArray
    factor: FloatArray
    pairs: Labels
    points: Labels


_GROUPS = typed(Groups, I1, F1, F2, F2, F1)
_PAIRS = nb.void(INT, INT, I1, FLOAT, _GROUPS, F2, F1)
_call_pairs = caller(_PAIRS)
_POINTS = nb.void(INT, INT, I1, F1, FLOAT, _GROUPS, F2, F1)
_call_points = caller(_POINTS)


@part(_PAIRS)
def _add_determinants(c, n, index, floor, groups, work, out):  # type: ignore[no-untyped-def]
    """Add |W / n| of group c joined with each of the groups index[:n] (n <= _BLOCK) to out there.

    work (p + d + 2, _BLOCK): its first p rows become the packed covariances, then their factors
    L D L' by columns, pair beside pair so that the loops over pairs are vectorised.
    """
    _, count, mean, scatter, _ = groups
    d = len(mean)
    p = len(scatter)
    delta = work[p : p + d]
    inverse, det = work[p + d], work[p + d + 1]
    for r in range(n):
        k = index[r]
        inverse[r] = 1.0 / (count[c] + count[k])
        det[r] = count[c] * count[k] * inverse[r]
    q = 0
    for i in range(d):
        for r in range(n):
            delta[i, r] = mean[i, index[r]] - mean[i, c]
        for j in range(i + 1):
            cell = work[q]
            for r in range(n):
                w = scatter[q, c] + scatter[q, index[r]] + det[r] * delta[i, r] * delta[j, r]
                cell[r] = w * inverse[r]
            q += 1
    for r in range(n):
        det[r] = 1.0
    for j in range(d):
        pivot = work[j * (j + 3) // 2]
        for r in range(n):
            v = pivot[r] if pivot[r] > floor else 0.0
            det[r] *= v
            pivot[r] = 1.0 / v if v > 0.0 else 0.0
        for i in range(j + 1, d):
            left = work[i * (i + 1) // 2 + j]
            for k in range(j + 1, i + 1):
                upper = work[k * (k + 1) // 2 + j]
                cell = work[i * (i + 1) // 2 + k]
                for r in range(n):
                    cell[r] -= left[r] * upper[r] * pivot[r]
    for r in range(n):
        out[index[r]] += det[r]


@part(_POINTS)
def _add_point_determinants(c, n, index, factor, det, groups, work, out):  # type: ignore[no-untyped-def]
    """The same for groups without a scatter of their own, from W_c = L L' and its determinant.

    |W_c + w delta delta'| = |W_c| (1 + w |L^-1 delta|^2) takes d^2 where the whole takes d^3.
    factor (p,) is L packed by rows, its diagonal inverted; det is |W_c / n_c|.
    """
    count, mean = groups.weight, groups.mean
    d = len(mean)
    total = work[d]
    for r in range(n):
        total[r] = 0.0
    q = 0
    for i in range(d):
        delta = work[i]
        for r in range(n):
            delta[r] = mean[i, index[r]] - mean[i, c]
        for j in range(i):
            upper = work[j]
            for r in range(n):
                delta[r] -= factor[q + j] * upper[r]
        q += i + 1
        for r in range(n):
            delta[r] *= factor[q - 1]
            total[r] += delta[r] * delta[r]
    for r in range(n):
        share = count[c] / (count[c] + count[index[r]])
        out[index[r]] += det * share**d * (1.0 + count[index[r]] * share * total[r])


@inlined
def _factorise(w, n, d, floor, factor):  # type: ignore[no-untyped-def]
    """Cholesky factor of packed w (p,) into factor, diagonal inverted; |w / n|, 0 if singular."""
    det = 1.0
    for i in range(d):
        a = i * (i + 1) // 2
        for j in range(i + 1):
            b = j * (j + 1) // 2
            v = w[a + j]
            for q in range(j):
                v -= factor[a + q] * factor[b + q]
            if j < i:
                factor[a + j] = v * factor[b + j]
        if not v > n * floor:
            return 0.0
        factor[a + i] = 1.0 / np.sqrt(v)
        det *= v / n
    return det


@inlined
def _join(add_pairs, add_points, c, m, a, groups, scratch, out):  # type: ignore[no-untyped-def]
    """Write out[:m], the levels that group c would have together with each of the groups :m.

    Return c's own level.
    """
    size, count, mean, scatter, trace = groups
    d = len(mean)
    work, factor, pairs, points = scratch
    floor = 1e-15 * d * a  # a smaller variance is rounding error
    for k in range(m):
        out[k] = 0.0
    for i in range(d):
        mine = mean[i, c]
        theirs = mean[i]
        for k in range(m):
            out[k] += (theirs[k] - mine) ** 2
    for k in range(m):
        n = count[c] + count[k]
        out[k] = (trace[c] + trace[k] + count[c] * count[k] / n * out[k] + a) / n
    det = 0.0
    if size[c] > d:
        det = _factorise(scatter[:, c], count[c], d, floor, factor)
    n_pairs = n_points = 0
    for k in range(m):
        if size[k] > 0 and size[c] + size[k] > d:  # else the determinant is zero
            if size[k] == 1 and det > 0.0:
                points[n_points] = k
                n_points += 1
            else:
                pairs[n_pairs] = k
                n_pairs += 1
        if n_points == _BLOCK or (k == m - 1 and n_points > 0):
            _call_points(add_points, (c, n_points, points, factor, det, groups, work, out))
            n_points = 0
        if n_pairs == _BLOCK or (k == m - 1 and n_pairs > 0):
            _call_pairs(add_pairs, (c, n_pairs, pairs, floor, groups, work, out))
            n_pairs = 0
    for k in range(m):
        out[k] = (count[c] + count[k]) * np.log(out[k])
    return count[c] * np.log(det + (trace[c] + a) / count[c])


@inlined
def _cheapest(m, age, cost, best, partner):  # type: ignore[no-untyped-def]
    """The group with the cheapest merge, and how many rows of costs were read again for it."""
    n_reread = 0
    while True:
        i = 0
        for k in range(1, m):
            if best[k] < best[i]:
                i = k
        if age[partner[i]] < age[i]:
            return i, n_reread
        n_reread += 1
        row = cost[i]
        best[i] = np.inf
        for k in range(m):
            if row[k] < best[i] and age[k] < age[i]:
                best[i] = row[k]
                partner[i] = k


@inlined
def _merge(i, j, groups):  # type: ignore[no-untyped-def]
    """Add group j to group i."""
    size, count, mean, scatter, trace = groups
    weight = count[i] * count[j] / (count[i] + count[j])
    size[i] += size[j]
    size[j] = 0
    count[i] += count[j]
    trace[i] += trace[j]
    q = 0
    for k in range(len(mean)):
        delta = mean[k, j] - mean[k, i]
        trace[i] += weight * delta * delta
        for u in range(k + 1):
            scatter[q, i] += scatter[q, j] + weight * delta * (mean[u, j] - mean[u, i])
            q += 1
    for k in range(len(mean)):
        mean[k, i] += count[j] / count[i] * (mean[k, j] - mean[k, i])


@inlined
def _mean_variance(x, counts):  # type: ignore[no-untyped-def]
    """Average over the rows of x (d, m) of the variances of columns that stand for counts each."""
    total = 0.0
    for i in range(len(counts)):
        total += counts[i]
    variance = 0.0
    for row in x:
        centre = 0.0
        for i in range(len(counts)):
            centre += counts[i] * row[i]
        centre /= total
        for i in range(len(counts)):
            variance += counts[i] * (row[i] - centre) ** 2
    return variance / (total * len(x))


def agglomerate(x: FloatArray, counts: FloatArray, kept: Labels, gone: Labels) -> int:
    """Merge the columns of x (d, m), each standing for counts (m,) equal rows, into one group.

    Fill kept and gone (m - 1,), in the order of the merges: the groups joined, each named by the
    smallest index in it, the smaller name first. Return how many rows of costs had to be read
    again (a few m in all: the work is m^2 costs, and as much memory).

    Every cost is kept once, in the row of the younger group, so that a new group fills its own
    row and leaves the others as they are. A row whose cheapest partner is gone keeps that cost as
    a lower bound until it is the smallest of all (Muellner 2011, arXiv:1109.2378, sec. 3.1).
    """
    return int(
        _agglomerate(
            _add_determinants.address, _add_point_determinants.address, x, counts, kept, gone
        )
    )


@part(INT(INT, INT, F2, F1, I1, I1), from_python=True)
def _agglomerate(add_pairs, add_points, x, counts, kept, gone):  # type: ignore[no-untyped-def]
    """`agglomerate`, with the addresses of the parts that add determinants."""
    d, m = x.shape
    p = d * (d + 1) // 2
    size = np.empty(m, np.int64)
    groups = Groups(size, counts.copy(), x.copy(), np.zeros((p, m)), np.zeros(m))
    level = np.empty(m)
    name = np.empty(m, np.int64)
    age = np.empty(m, np.int64)
    cost = np.empty((m, m))
    best = np.empty(m)
    partner = np.empty(m, np.int64)
    scratch = Scratch(
        np.empty((p + d + 2, _BLOCK)),
        np.empty(p),
        np.empty(_BLOCK, np.int64),
        np.empty(_BLOCK, np.int64),
    )
    for i in range(m):
        size[i] = 1
        name[i] = i
        age[i] = i
    a = _mean_variance(x, counts)
    n_reread = 0
    for step in range(2 * m - 1):  # m single rows, then m - 1 merges
        i = step
        if step >= m:
            i, n = _cheapest(m, age, cost, best, partner)
            n_reread += n
            j = partner[i]
            kept[step - m] = min(name[i], name[j])
            gone[step - m] = max(name[i], name[j])
            name[i] = kept[step - m]
            _merge(i, j, groups)
            age[i] = step
            age[j] = 2 * m  # younger than all: nobody's partner
            best[j] = np.inf
        end = min(step, m)
        row = cost[i]
        level[i] = _join(add_pairs, add_points, i, end, a, groups, scratch, row)
        best[i] = np.inf
        partner[i] = i
        for k in range(end):
            row[k] = np.floor((row[k] - level[i] - level[k]) * _GRID + 0.5)
            if row[k] < best[i] and age[k] < age[i]:
                best[i] = row[k]
                partner[i] = k
    return n_reread
