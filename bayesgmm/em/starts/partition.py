"""Partitions to start from, compiled: rows by their nearest seed, and a partition's statistics."""

from __future__ import annotations

import numpy as np

from ...kernels.compilation import jit


@jit()
def seed_and_divide(z, row_weights, uniforms, labels):  # type: ignore[no-untyped-def]
    """Label rows by the nearest of K seeds, drawn as k-means++ draws them.

    A seed is a row drawn with probability proportional to its squared distance from the nearest
    seed so far (Arthur & Vassilvitskii 2007, SODA, 1027-1035). z is (n, d), row_weights (n,) or
    nothing, uniforms (K,) numbers in [0, 1), labels (n,).
    """
    n, d = z.shape
    distance = np.empty(n)
    for i in range(n):
        labels[i] = 0
        distance[i] = np.inf
    for k in range(len(uniforms)):
        total = 0.0
        for i in range(n):
            w = row_weights[i] if len(row_weights) > 0 else 1.0
            total += w * (distance[i] if k > 0 else 1.0)
        goal = uniforms[k] * total
        seed = 0
        for i in range(n):
            w = row_weights[i] if len(row_weights) > 0 else 1.0
            part = w * (distance[i] if k > 0 else 1.0)
            if part > 0.0:
                seed = i
                goal -= part
                if goal < 0.0:
                    break
        for i in range(n):
            square = 0.0
            for j in range(d):
                square += (z[i, j] - z[seed, j]) ** 2
            if square < distance[i]:
                distance[i] = square
                labels[i] = k


@jit()
def moments_of_partition(z, row_weights, labels, counts, means, scatters):  # type: ignore[no-untyped-def]
    """Counts (K,), means (K, d) and scatters of labelled rows, in two passes.

    scatters are (K, d, d), or (K, 1, d) for their diagonals alone.
    """
    n, d = z.shape
    diagonal = scatters.shape[1] < d
    n_components = len(counts)
    for k in range(n_components):
        counts[k] = 0.0
        for i in range(d):
            means[k, i] = 0.0
        for i in range(scatters.shape[1]):
            for j in range(d):
                scatters[k, i, j] = 0.0
    for i in range(n):
        w = row_weights[i] if len(row_weights) > 0 else 1.0
        counts[labels[i]] += w
        for j in range(d):
            means[labels[i], j] += w * z[i, j]
    for k in range(n_components):
        for j in range(d):
            means[k, j] /= max(counts[k], 1e-300)
    delta = np.empty(d)
    weighted = np.empty(d)
    for i in range(n):
        w = row_weights[i] if len(row_weights) > 0 else 1.0
        k = labels[i]
        for j in range(d):
            delta[j] = z[i, j] - means[k, j]
            weighted[j] = w * delta[j]
        if diagonal:
            for j in range(d):
                scatters[k, 0, j] += weighted[j] * delta[j]
            continue
        for j in range(d):
            for q in range(j + 1):
                scatters[k, j, q] += weighted[j] * delta[q]
    for k in range(0 if diagonal else n_components):
        for j in range(d):
            for q in range(j):
                scatters[k, q, j] = scatters[k, j, q]
