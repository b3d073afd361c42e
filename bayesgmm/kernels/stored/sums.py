"""Sums over chunks, added by a fixed tree: the same bits however the chunks are shared out.

Chunks 2 i and 2 i + 1 are added, then their sums by pairs, and so on. Whoever has some of the
chunks adds what is paired among them, so that few sums are passed on however many chunks there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...utils.types import FloatArray


class Node(NamedTuple):
    """Arrays summed over chunks start..start + width; width is a power of 2 that divides start."""

    start: int
    width: int
    sums: Sequence[FloatArray]


class TreeSums:
    """The tree so far: `nodes` that have no partner yet, in the order of their chunks."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def add(self, chunk: int, sums: Sequence[FloatArray]) -> None:
        """Add the sums of one chunk, after those of chunks before it."""
        self.join(Node(chunk, 1, sums))

    def join(self, node: Node) -> None:
        """Add a node, after those of chunks before it."""
        while self.nodes and _are_partners(self.nodes[-1], node):
            left = self.nodes.pop()
            node = Node(left.start, 2 * left.width, _added(left.sums, node.sums))
        self.nodes.append(node)

    def total(self) -> Sequence[FloatArray]:
        """The sums over all chunks."""
        *others, last = self.nodes
        total = last.sums
        for node in reversed(others):
            total = _added(node.sums, total)
        return total


def _are_partners(left: Node, right: Node) -> bool:
    width = left.width
    adjoin = right.width == width and left.start + width == right.start
    return adjoin and left.start % (2 * width) == 0


def _added(left: Sequence[FloatArray], right: Sequence[FloatArray]) -> list[FloatArray]:
    return [np.add(a, b) for a, b in zip(left, right, strict=True)]
