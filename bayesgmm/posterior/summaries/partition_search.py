"""Search for the partition of least mean loss to many partitions: rows move, clusters join.

Binder's loss and the variation of information of two partitions, with clusters of n_g and m_h rows
of which n_gh are common, are both

    sum_g f(n_g) + sum_h f(m_h) - 2 sum_gh f(n_gh)

for one function f of whole numbers, m^2 / n^2 and (m / n) log m, so that one search serves both
(Dahl, Johnson & Mueller 2022, J. Comput. Graph. Stat. 31, 1189-1201). f is a table (n + 1,);
allocations is (n, S): the cluster of every row in each of S partitions.
"""

from __future__ import annotations

import numpy as np

from ...kernels.compilation import inlined, jit

# Least gain of a move, relative to f(n), the scale of the loss: less may be rounding.
_LEAST_GAIN = 1e-12


@inlined
def _tabulate(allocations, labels, n_clusters, n_groups):  # type: ignore[no-untyped-def]
    """Sizes n_g (G,) and common rows n_gh (G, S, H) of every partition, labelled rows only."""
    n, n_partitions = allocations.shape
    sizes = np.zeros(n_clusters, np.int64)
    common = np.zeros((n_clusters, n_partitions, n_groups), np.int32)
    for i in range(n):
        if labels[i] >= 0:
            sizes[labels[i]] += 1
            table = common[labels[i]]
            for s in range(n_partitions):
                table[s, allocations[i, s]] += 1
    return sizes, common


@jit()
def losses_to(allocations, labels, n_clusters, n_groups, f, losses):  # type: ignore[no-untyped-def]
    """Write the loss of labels (n,), 0 to n_clusters - 1, to each of S partitions (S,)."""
    sizes, common = _tabulate(allocations, labels, n_clusters, n_groups)
    own = 0.0
    for g in range(n_clusters):
        own += f[sizes[g]]
    for s in range(len(losses)):
        loss = own
        for h in range(n_groups):
            size = 0
            for g in range(n_clusters):
                size += common[g, s, h]
                loss -= 2.0 * f[common[g, s, h]]
            loss += f[size]
        losses[s] = max(loss, 0.0)  # of equal partitions it is 0 but for rounding


@jit()
def improve(allocations, labels, order, n_clusters, n_groups, f, step):  # type: ignore[no-untyped-def]
    """Lower the mean loss of labels (n,) in place until no move of a row and no union helps.

    Rows labelled -1 are put, in the given order, where the loss of the rows so far is least. At
    most n_clusters clusters are made. A row stays where it is unless another cluster is better; of
    equally good ones it takes the first. step (n,) holds the differences of f.
    """
    sizes, common = _tabulate(allocations, labels, n_clusters, n_groups)
    least = _LEAST_GAIN * f[-1]
    going = True
    while going:
        while _move_rows(allocations, labels, order, sizes, common, step, least):
            pass
        going = _join(labels, sizes, common, f, least)


@inlined
def _move_rows(allocations, labels, order, sizes, common, step, least):  # type: ignore[no-untyped-def]
    """Move every row to its best cluster; return whether one changed."""
    changed = False
    for i in order:
        row = allocations[i]
        old = labels[i]
        if old >= 0:
            sizes[old] -= 1
            for s in range(len(row)):
                common[old, s, row[s]] -= 1
        best = _best_cluster(row, old, sizes, common, step, least)
        sizes[best] += 1
        for s in range(len(row)):
            common[best, s, row[s]] += 1
        labels[i] = best
        changed = changed or best != old
    return changed


@inlined
def _best_cluster(row, old, sizes, common, step, least):  # type: ignore[no-untyped-def]
    """The cluster in which a row adds least loss, maybe an empty one; the old if none is better."""
    best = old
    lowest = np.inf
    if old >= 0:
        lowest = _added_loss(row, sizes[old], common[old], step) - least
    empty_seen = old >= 0 and sizes[old] == 0
    for g in range(len(sizes)):
        if g == old or (sizes[g] == 0 and empty_seen):
            continue
        empty_seen = empty_seen or sizes[g] == 0
        added = _added_loss(row, sizes[g], common[g], step)
        if added < lowest:
            lowest = added
            best = g
    return best


@inlined
def _added_loss(row, size, common, step):  # type: ignore[no-untyped-def]
    """What the row adds to the mean loss in a cluster of that size and those common rows."""
    total = 0.0
    for s in range(len(row)):
        total += step[common[s, row[s]]]
    return step[size] - 2.0 * total / len(row)


@inlined
def _join(labels, sizes, common, f, least):  # type: ignore[no-untyped-def]
    """Join the two clusters whose union lowers the mean loss most; return whether any does."""
    n_clusters, n_partitions, n_groups = common.shape
    lowest = -least
    into = taken = -1
    for a in range(n_clusters):
        for b in range(a + 1, n_clusters):
            if sizes[a] == 0 or sizes[b] == 0:
                continue
            total = 0.0
            for s in range(n_partitions):
                for h in range(n_groups):
                    u = common[a, s, h]
                    v = common[b, s, h]
                    total += f[u + v] - f[u] - f[v]
            gain = f[sizes[a] + sizes[b]] - f[sizes[a]] - f[sizes[b]] - 2.0 * total / n_partitions
            if gain < lowest:
                lowest = gain
                into, taken = a, b
    if into < 0:
        return False
    sizes[into] += sizes[taken]
    sizes[taken] = 0
    for s in range(n_partitions):
        for h in range(n_groups):
            common[into, s, h] += common[taken, s, h]
            common[taken, s, h] = 0
    for i in range(len(labels)):
        if labels[i] == taken:
            labels[i] = into
    return True
