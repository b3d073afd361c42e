"""Deterministic starts of EM: one tree of merged groups, cut at any number of groups.

Model-based agglomerative clustering (Banfield & Raftery 1993, Biometrics 49:803-821; Fraley 1998,
SIAM J. Sci. Comput. 20:270-281) of the scaled singular vectors of the standardised columns
(Scrucca & Raftery 2015, Adv. Data Anal. Classif. 9:447-460): the start that mclust calls
hc(modelName = "VVV", use = "SVD"). One column is cut at its quantiles, as mclust does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.blocks import slices
from ...utils.types import FloatArray
from .agglomeration import agglomerate

type Labels = NDArray[np.int64]

# Rows in a tree of up to 20 columns, which takes 0.1 s (and 32 MB); its time grows as n^2 d^2.
_LIMIT = 2000
_COLUMNS = 20
_SMALLEST = 300
_BLOCK = 4096
# Above so many numbers BLAS would use several threads: slower here, and its sums would depend on
# their number. Below, the 1 ms that limiting them takes is as long as the tree itself takes.
_THREADED = 10_000
# Directions of a smaller relative spread are rounding errors of collinear columns.
_NULL = 1e-8


def hierarchical_partitions(
    z: FloatArray, ks: Sequence[int], rng: np.random.Generator | None = None
) -> dict[int, Labels]:
    """Partition rows into k groups for every k of ks, by one tree.

    Equal rows stay together, and neither their order nor that of the others matters. Of more than
    about 2000 different rows a random subset makes the tree; the other rows join the group under
    which they are most likely.

    Parameters
    ----------
    z : array (n, d)
        Rows, centred, in any units.
    ks : sequence of int
        Numbers of groups.
    rng : Generator, optional
        Draws the subset; the same rows every time if it is not given.

    Returns
    -------
    dict of k to labels (n,)
        Labels 0 to k - 1, in the order in which the groups appear in the rows.

    Raises
    ------
    ValueError
        A k below 1, or above the number of different rows.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.1], [5.0, 5.2], [0.2, 0.0], [5.1, 5.0]])
    >>> hierarchical_partitions(rows, [1, 2])
    {1: array([0, 0, 0, 0]), 2: array([0, 1, 0, 1])}
    """
    distinct, counts, index = _distinct_rows(np.asarray(z, dtype=np.float64))
    for k in ks:
        if not 1 <= k <= len(distinct):
            raise ValueError(
                f"{k} groups of {len(distinct)} different rows: ask for 1 to {len(distinct)}."
            )
    if min(distinct.shape) == 1:  # one column, or nothing to divide
        partitions = {k: _quantile_partition(counts, k) for k in ks}
    else:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1) if distinct.size > _THREADED else nullcontext():
            partitions = _tree_partitions(distinct, counts, ks, rng)
    return {int(k): _in_order(labels[index], k) for k, labels in partitions.items()}


def _distinct_rows(z: FloatArray) -> tuple[FloatArray, FloatArray, Labels]:
    """Different rows in lexical order, their counts, and the position of each row among them."""
    order = np.lexsort(z.T[::-1])
    ordered = z[order]
    new = np.ones(len(z), dtype=bool)
    new[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
    index = np.empty(len(z), dtype=np.int64)
    index[order] = np.cumsum(new) - 1
    return ordered[new], np.bincount(index).astype(np.float64), index


def _in_order(labels: Labels, k: int) -> Labels:
    """The same groups, numbered as they appear."""
    _, first = np.unique(labels, return_index=True)
    rank = np.empty(k, dtype=np.int64)
    rank[labels[np.sort(first)]] = np.arange(k)
    return rank[labels]


def _quantile_partition(counts: FloatArray, k: int) -> Labels:
    """Values in order (their counts are given) between the quantiles 1/k, 2/k, ...; none empty.

    A value equal to a quantile belongs to the upper group. Where quantiles coincide, the next
    value is a group.
    """
    m = len(counts)
    below = np.cumsum(counts)
    last_row = int(below[-1]) - 1
    labels = np.zeros(m, dtype=np.int64)
    start = 0
    for g in range(1, k):
        first_row = -(-last_row * g // k)  # quantiles interpolate between rows 0 and last_row
        value = int(np.searchsorted(below, first_row, side="right"))
        start = min(max(value, start + 1), m - k + g)
        labels[start:] = g
    return labels


def _tree_partitions(
    rows: FloatArray, counts: FloatArray, ks: Sequence[int], rng: np.random.Generator | None
) -> dict[int, Labels]:
    """Partitions of different rows (m, d) by the tree of all or some of them."""
    m, d = rows.shape
    limit = max(int(_LIMIT * min(1, _COLUMNS / d)), _SMALLEST, *ks)
    if m <= limit:
        return _cut(*tree_of_rows(rows, counts), ks)
    rng = np.random.default_rng(0) if rng is None else rng
    some = np.sort(rng.choice(m, limit, replace=False))
    transform = _Transform.of(rows[some], counts[some])
    scores = transform(rows[some])
    partitions = _cut(*_tree(scores, counts[some]), ks)
    groups = {k: _Groups.of(scores, counts[some], labels) for k, labels in partitions.items()}
    everywhere = {k: np.empty(m, dtype=np.int64) for k in partitions}
    for block in slices(m, at_most=_BLOCK):
        scores = transform(rows[block])
        for k, labels in everywhere.items():
            labels[block] = groups[k].most_likely(scores)
    for k, labels in everywhere.items():
        labels[some] = partitions[k]
    return everywhere


def tree_of_rows(rows: FloatArray, counts: FloatArray) -> tuple[Labels, Labels]:
    """The merges of different rows (m, d), in their order: which group stays, which joins it."""
    return _tree(_Transform.of(rows, counts)(rows), counts)


@dataclass(frozen=True, slots=True)
class _Transform:
    """Scaled singular vectors: standardised columns Y = U S V' become U S^(1/2) = Y V S^(-1/2)."""

    center: FloatArray
    rotation: FloatArray

    @classmethod
    def of(cls, rows: FloatArray, counts: FloatArray) -> _Transform:
        total = counts.sum()
        center = counts @ rows / total
        y = np.sqrt(counts)[:, None] * (rows - center)
        sd = np.sqrt(np.sum(y**2, axis=0) / (total - 1))
        varies = np.ptp(rows, axis=0) > 0
        unit = np.where(varies, 1 / np.where(varies, sd, 1), 0)
        _, s, v = np.linalg.svd(y * unit, full_matrices=False)
        kept = s > _NULL * s[0]
        return cls(center, unit[:, None] * v[kept].T / np.sqrt(s[kept]))

    def __call__(self, rows: FloatArray) -> FloatArray:
        return (rows - self.center) @ self.rotation


def _tree(scores: FloatArray, counts: FloatArray) -> tuple[Labels, Labels]:
    """Merges in their order: names of the groups that stay and of those merged into them."""
    kept, gone = (np.empty(len(scores) - 1, dtype=np.int64) for _ in range(2))
    agglomerate(np.ascontiguousarray(scores.T), counts, kept, gone)
    return kept, gone


def _cut(kept: Labels, gone: Labels, ks: Sequence[int]) -> dict[int, Labels]:
    """Labels (names of groups made 0 to k - 1) after the merges that leave k groups."""
    m = len(kept) + 1
    merges = list(zip(kept.tolist(), gone.tolist(), strict=True))
    partitions = {}
    for k in ks:
        name = list(range(m))
        for stays, goes in reversed(merges[: m - k]):  # later merges of `stays` are applied first
            name[goes] = name[stays]
        partitions[k] = np.unique(name, return_inverse=True)[1]
    return partitions


@dataclass(frozen=True, slots=True)
class _Groups:
    """Gaussian groups with covariances shrunk towards the common one, to classify rows.

    offsets (k,) are the log-densities at the means (k, d), up to a constant; factors (k, d, d)
    are inverse Cholesky factors of the covariances.
    """

    offsets: FloatArray
    means: FloatArray
    factors: FloatArray

    @classmethod
    def of(cls, scores: FloatArray, counts: FloatArray, labels: Labels) -> _Groups:
        k = int(labels.max()) + 1
        d = scores.shape[1]
        common = (counts[:, None] * scores).T @ scores / counts.sum()
        offsets, means, factors = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
        for g in range(k):
            own = labels == g
            n = counts[own].sum()
            means[g] = counts[own] @ scores[own] / n
            delta = scores[own] - means[g]
            # d + 1 rows' worth of a k-th of the volume: no group is too small for a covariance
            shrunk = (counts[own, None] * delta).T @ delta + (d + 1) / k ** (2 / d) * common
            factors[g] = np.linalg.inv(np.linalg.cholesky(shrunk / (n + d + 1)))
            offsets[g] = np.log(n) + np.linalg.slogdet(factors[g])[1]
        return cls(offsets, means, factors)

    def most_likely(self, scores: FloatArray) -> Labels:
        """The group (m,) under which each row is most likely."""
        logs = [
            offset - np.sum(((scores - mean) @ factor.T) ** 2, axis=1) / 2
            for offset, mean, factor in zip(self.offsets, self.means, self.factors, strict=True)
        ]
        return np.argmax(logs, axis=0)
