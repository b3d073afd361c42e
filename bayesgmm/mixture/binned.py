"""Rows in chunks as counts on a grid of cells: what a picture of very many rows shows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..data.blocks import slices
from ..data.chunks import answers_of_chunks, sums_over_chunks
from ..data.data import Data
from ..kernels.stored.chunk import Chunk
from ..utils.types import FloatArray, IntArray
from .mixture import Mixture
from .noise import Noise
from .of_parameters import RowsOfChunks

# Cells along each direction, and rows worked on at a time.
_CELLS, _BLOCK = 120, 2**16


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Weights of rows by cell.

    Attributes
    ----------
    edges : array (q, B + 1)
        Bounds of the cells in each direction: from the least value to the largest.
    marginals : array (q, K, B)
        Weights by direction, most probable component and cell.
    pairs : dict of (i, j) to array (K, B, B)
        Of direction i over direction j, i > j: by component, cell of i and cell of j.
    uncertainty : dict of (i, j) to array (B, B)
        The mean uncertainty of a cell's rows; 0 without any.
    with_noise : bool
        Whether the last of the K components is noise.
    """

    edges: FloatArray
    marginals: FloatArray
    pairs: dict[tuple[int, int], FloatArray]
    uncertainty: dict[tuple[int, int], FloatArray]
    with_noise: bool = False

    @classmethod
    def of(
        cls, data: Data, mixture: Mixture, directions: FloatArray, center: FloatArray,
        noise: Noise | None = None, share: float = 0.0,
    ) -> Binned:  # fmt: skip
        """Rows in chunks, less a center (d,) and in q directions (d, q), by two sweeps.

        Noise beside the mixture comes last among the components.
        """
        ranges = answers_of_chunks(data, _Range(directions, center))
        low = np.min([low for low, _ in ranges], axis=0)
        high = np.max([high for _, high in ranges], axis=0)
        edges = np.linspace(low, high, _CELLS + 1, axis=1)
        parameters = mixture.parameters_about(data.center)
        rows = RowsOfChunks.of(data, parameters, noise, share)
        work = _Counts(directions, center, edges, rows)
        marginals, *of_pairs = sums_over_chunks(data, work)
        places = _pairs(len(edges))
        counts, sums = of_pairs[: len(places)], of_pairs[len(places) :]
        means = [s / np.maximum(c.sum(axis=0), 1e-300) for s, c in zip(sums, counts, strict=True)]
        return cls(
            edges, marginals, dict(zip(places, counts, strict=True)),
            dict(zip(places, means, strict=True)), noise is not None,
        )  # fmt: skip


def _along(x: FloatArray, directions: FloatArray) -> FloatArray:
    """Rows (m, d) in directions (d, q); NaN where a value is missing that this depends on."""
    gone = np.isnan(x)
    if not gone.any():
        return np.asarray(x @ directions)
    z = np.where(gone, 0.0, x) @ directions
    z[gone.astype(np.float64) @ (directions != 0) > 0] = np.nan
    return np.asarray(z)


def _pairs(q: int) -> list[tuple[int, int]]:
    return [(i, j) for j, i in combinations(range(q), 2)]


@dataclass(frozen=True)
class _Range:
    """The least and the largest values of a chunk's rows in some directions."""

    directions: FloatArray
    center: FloatArray

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, FloatArray]:
        q = self.directions.shape[1]
        low, high = np.full(q, np.inf), np.full(q, -np.inf)
        for block in slices(len(chunk.values), at_most=_BLOCK):
            z = _along(chunk.values[block] - self.center, self.directions)
            low, high = np.fmin(low, np.fmin.reduce(z)), np.fmax(high, np.fmax.reduce(z))
        return low, high


@dataclass(frozen=True)
class _Counts:
    """A chunk's sums: `marginals`, then of every pair the weights, then their uncertainty."""

    directions: FloatArray
    center: FloatArray
    edges: FloatArray
    rows: RowsOfChunks

    def __call__(self, chunk: Chunk) -> list[FloatArray]:
        k, q = self.rows.n_columns, len(self.edges)
        places = _pairs(q)
        marginals = np.zeros((q, k, _CELLS))
        counts = [np.zeros((k, _CELLS, _CELLS)) for _ in places]
        sums = [np.zeros((_CELLS, _CELLS)) for _ in places]
        for view, resp, weights in self.rows.blocks(chunk, 1, _BLOCK):
            labels, doubt = np.argmax(resp, axis=1), 1 - resp.max(axis=1)
            z = _along(view.values - self.center, self.directions)
            cells, there = self._cells(z), ~np.isnan(z).T
            for j in range(q):
                at = labels * _CELLS + cells[j]
                some = weights * there[j]
                marginals[j] += np.bincount(at, some, marginals[j].size).reshape(k, -1)
            for number, (i, j) in enumerate(places):
                at = cells[i] * _CELLS + cells[j]
                some = weights * (there[i] & there[j])
                sums[number].flat += np.bincount(at, some * doubt, _CELLS**2)
                at += labels * _CELLS**2
                counts[number].flat += np.bincount(at, some, counts[number].size)
        return [marginals, *counts, *sums]

    def _cells(self, z: FloatArray) -> list[IntArray]:
        """The rows' cells in each direction; the first where there is none."""
        low, high = self.edges[:, 0], self.edges[:, -1]
        at = (z - low) * (_CELLS / np.where(high > low, high - low, 1.0))
        at = np.where(np.isnan(at), 0.0, at).astype(np.int64)
        return list(np.clip(at, 0, _CELLS - 1).T)
