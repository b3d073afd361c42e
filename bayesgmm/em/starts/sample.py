"""A start of EM, and the rows that starts are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from ...data.chunks import are_in_chunks
from ...data.data import Data
from ...kernels.e_step.contract import Parameters, Statistics
from ...mixture.imputation import completed, completion
from ...utils.types import FloatArray
from ..problem import pack
from .hierarchical import Labels, hierarchical_partitions
from .partition import moments_of_partition, seed_and_divide

# Gives the responsibilities (m, K) of the m rows of a slice.
type Memberships = Callable[[slice], FloatArray]
# Fills in what some rows miss.
type Completion = Callable[[Data], Data]


# Most rows that a named start is made from: more would cost time, and EM refines the start anyway.
_SUBSET = 20_000
# Columns, or rows if fewer, up to which rows are sphered: that takes time in the cube of them.
_SPHERED = 1000
# Rows whose sums are made at a time.
_BLOCK = 4096


@dataclass(frozen=True)
class Partition:
    """A partition of the rows, which gives its statistics in the form that a family needs.

    moments(diagonal): the statistics, with the diagonals (K, d) of the scatters or all of them.
    """

    n_components: int
    moments: Callable[[bool], Statistics]


@dataclass(frozen=True)
class Start:
    """One start of EM, the same for every family.

    given: parameters, or a partition, or its expected statistics. guess: made here, not handed in.
    A guess's singular covariance may be shrunk towards the overall one, and the order of its
    components means nothing. sure: run to convergence without a short run first.
    """

    given: Parameters | Statistics | Partition
    guess: bool = False
    sure: bool = False

    @property
    def n_components(self) -> int:
        """Number of components K."""
        given = self.given
        return given.n_components if isinstance(given, Partition) else len(given.means)

    @cached_property
    def full(self) -> FloatArray:
        """Statistics as EM reads them, with full scatters."""
        return pack(self._statistics(diagonal=False), diagonal=False)

    @cached_property
    def diagonal(self) -> FloatArray:
        """Statistics as EM reads them, with the diagonals of the scatters."""
        return pack(self._statistics(diagonal=True), diagonal=True)

    def _statistics(self, diagonal: bool) -> Statistics:
        given = self.given
        assert not isinstance(given, Parameters)
        return given.moments(diagonal) if isinstance(given, Partition) else given

    def shrunk(self, data: Data, diagonal: bool) -> Statistics:
        """Statistics with d + 1 rows of overall covariance added, so that none is singular."""
        statistics = self._statistics(diagonal)
        full = statistics.scatters.ndim == 3
        overall = _covariance(data) if full else _variances(data)
        overall = overall / len(statistics.counts) ** (2 / data.d)
        return Statistics(
            statistics.counts + data.d + 1,
            statistics.means,
            statistics.scatters + (data.d + 1) * overall,
        )


def _covariance(data: Data) -> FloatArray:
    """Covariance of (the first of) the rows, which need only be of the right size."""
    block = completed(data.part(0, _SUBSET))
    return np.cov(np.asarray(block.values), rowvar=False, ddof=0, aweights=block.weights).reshape(
        data.d, data.d
    )


def _variances(data: Data) -> FloatArray:
    """Variances (d,): the diagonal of `_covariance`, without the rest."""
    block = completed(data.part(0, _SUBSET))
    mean = np.average(block.values, axis=0, weights=block.weights)
    return np.asarray(np.average((block.values - mean) ** 2, axis=0, weights=block.weights))


def _spheres(data: Data, standardised: FloatArray) -> FloatArray:
    """Directions (d, r) along which standardised rows have unit variance and no correlation."""
    if data.d <= data.n:
        correlation = _covariance(data) / np.outer(data.sd, data.sd)
        values, vectors = np.linalg.eigh(correlation)
        kept = values > 1e-10 * values[-1]
        return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))
    # more columns than rows: in the space of the rows, without a (d, d) matrix
    weights = np.ones(data.n) if data.weights is None else data.weights
    share = weights / weights.sum()
    rows = np.sqrt(share)[:, None] * (standardised - share @ standardised)
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > 1e-10 * values[-1]
    return np.asarray(rows.T @ (vectors[:, kept] / values[kept]))


class Sample:
    """The rows that starts are made from, in the coordinates in which they are divided."""

    def __init__(self, data: Data, at_most: int = _SUBSET, rng: np.random.Generator | None = None):
        used = np.arange(data.n) if data.counted is None else np.flatnonzero(data.counted)
        if len(used) > at_most:
            rng = rng or np.random.default_rng(0)
            used = np.sort(rng.choice(used, at_most, replace=False))
        self.data, self.chosen = data, used
        if len(used) < data.n or (data.incomplete and are_in_chunks(data)):
            self.data = data.take(used)
            self.data = replace(self.data, values=np.asarray(self.data.values))
        self._trees: dict[int, Labels] = {}

    @cached_property
    def complete(self) -> Data:
        """The rows, with missing values filled in."""
        return completed(self.data)

    @cached_property
    def centred(self) -> FloatArray:
        """Rows about the columns' centres (n, d)."""
        rows = np.asarray(self.complete.values) - self.data.center
        return np.ascontiguousarray(rows, dtype=np.float64)

    @cached_property
    def standardised(self) -> FloatArray:
        """Rows with columns of unit variance (n, d)."""
        return self.centred / self.data.sd

    @cached_property
    def sphered(self) -> FloatArray:
        """Rows with identity covariance, (n, at most d); standardised ones if n and d are large."""
        if min(self.data.n, self.data.d) > _SPHERED:
            return self.standardised
        return np.ascontiguousarray(self.standardised @ _spheres(self.complete, self.standardised))

    @property
    def weights(self) -> FloatArray:
        """Weights of the rows, or nothing."""
        return np.empty(0) if self.data.weights is None else self.data.weights

    def grow(self, ks: Iterable[int]) -> None:
        """Make the hierarchical partitions of all these K at once."""
        missing = [k for k in ks if k not in self._trees]
        if missing:
            self._trees |= hierarchical_partitions(self.centred, missing)

    def hierarchical(self, k: int) -> Start:
        """The start from the tree of merged groups."""
        self.grow([k])
        return self.of_labels(self._trees[k], k)

    def seeded(self, z: FloatArray, k: int, rng: np.random.Generator) -> Start:
        """Rows divided by the nearest of K seeds of k-means++."""
        labels = np.empty(len(z), dtype=np.int64)
        seed_and_divide(z, self.weights, rng.random(k), labels)
        return self.of_labels(labels, k)

    def of_labels(self, labels: Labels, k: int) -> Start:
        """The start from a partition."""
        return Start(Partition(k, partial(self._moments, labels, k)), guess=True)

    def _moments(self, labels: Labels, k: int, diagonal: bool) -> Statistics:
        d = self.data.d
        counts, means = np.empty(k), np.empty((k, d))
        scatters = np.empty((k, 1 if diagonal else d, d))
        labels = np.ascontiguousarray(labels, dtype=np.int64)
        moments_of_partition(self.centred, self.weights, labels, counts, means, scatters)
        return Statistics(counts, means, scatters[:, 0] if diagonal else scatters)

    def of_responsibilities(self, resp: FloatArray) -> Start:
        """The start from responsibilities (n, K)."""
        return Start(
            weighted_partition(self.complete, resp.shape[1], lambda rows: resp[rows]), True
        )


def weighted_partition(data: Data, n_components: int, memberships: Memberships) -> Partition:
    """A partition to whose groups each row belongs in parts, by its memberships."""
    fill = completion(data)
    if not are_in_chunks(data):
        data = fill(data)
    return Partition(n_components, partial(_statistics, data, fill, n_components, memberships))


def _statistics(
    data: Data, fill: Completion, n_components: int, memberships: Memberships, diagonal: bool
) -> Statistics:
    """Counts, means and scatters of weighted rows, in blocks, about the means (two passes)."""
    counts = np.zeros(n_components)
    means = np.zeros((n_components, data.d))
    for z, resp in _weighted_blocks(data, fill, memberships):
        counts += resp.sum(axis=0)
        means += resp.T @ z
    means /= np.where(counts > 0, counts, 1.0)[:, None]  # an empty group is the M-step's to refuse
    scatters = np.zeros((n_components, data.d) if diagonal else (n_components, data.d, data.d))
    for z, resp in _weighted_blocks(data, fill, memberships):
        for k, mean in enumerate(means):
            delta = z - mean
            scatters[k] += (
                resp[:, k] @ delta**2 if diagonal else (resp[:, k, None] * delta).T @ delta
            )
    return Statistics(counts, means, scatters)


def _weighted_blocks(
    data: Data, fill: Completion, memberships: Memberships
) -> Iterator[tuple[FloatArray, ...]]:
    """Blocks of centred rows (m, d) and of what they count for in each component (m, K)."""
    for rows, block in data.blocks(at_most=_BLOCK):
        resp = memberships(rows)
        if block.weights is not None:
            resp = resp * block.weights[:, None]
        yield np.asarray(fill(block).values) - data.center, resp
