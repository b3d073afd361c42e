"""Sums over chunks by a fixed tree."""

from __future__ import annotations

import numpy as np
import pytest

from bayesgmm.kernels.stored.sums import TreeSums


@pytest.mark.parametrize("n", [1, 2, 7, 64, 100])
def test_who_adds_which_chunks_changes_no_bit(n):
    """Parts of any chunks, in any number, joined in the chunks' order."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 3)) * 10.0 ** rng.integers(-8, 8, (n, 1))
    whole = TreeSums()
    for chunk in range(n):
        whole.add(chunk, [x[chunk]])
    np.testing.assert_allclose(whole.total()[0], x.sum(axis=0), rtol=1e-12)
    for n_parts in (1, 2, 3, n):
        owner = rng.integers(0, n_parts, n)
        parts = [TreeSums() for _ in range(n_parts)]
        for chunk in range(n):
            parts[owner[chunk]].add(chunk, [x[chunk]])
        joined = TreeSums()
        for node in sorted((node for p in parts for node in p.nodes), key=lambda node: node.start):
            joined.join(node)
        np.testing.assert_array_equal(joined.total()[0], whole.total()[0])
    neighbours = TreeSums()
    for chunk in range(n // 3, n):
        neighbours.add(chunk, [x[chunk]])
    assert len(neighbours.nodes) <= 2 * np.log2(2 * n)
