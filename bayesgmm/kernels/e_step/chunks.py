"""The pass over rows in chunks: one sweep for as many mixtures as there are to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...utils.threads import default_threads
from ...utils.types import FloatArray
from ..stored.chunk import ChangedChunkError, Chunk
from ..stored.rows import StoredRows
from ..stored.shared import SharedSweeps
from .chunk_groups import GroupsOfChunks, groups_in, labels_of
from .contract import Rows
from .groups import Groups


class Pass(Protocol):
    """The evaluation of one mixture, as a sweep uses it; pickled without its rows."""

    @property
    def center(self) -> FloatArray:
        """Subtracted from every row, (d,)."""

    @property
    def scale(self) -> FloatArray:
        """Divides the centred rows, (d,)."""

    @property
    def log_unit(self) -> float:
        """What the log densities that it writes are too high by."""

    @property
    def rows(self) -> Rows:
        """What it is evaluated over."""

    @property
    def groups(self) -> Groups | GroupsOfChunks | None:
        """None where no value is missing and nothing is known of components."""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of its sums over rows."""

    def add(
        self,
        x: NDArray[np.floating],
        weights: FloatArray,
        sums: Sequence[FloatArray],
        certainty: FloatArray,
        groups: Groups | None,
    ) -> float:
        """Add the sums over the rows of an array, and return their log-likelihood."""

    def of_rows(self, sums: Sequence[FloatArray]) -> FloatArray | None:
        """The sums (1 + d,) of ones and of the rows; None where it does not make them."""

    @property
    def reach(self) -> float:
        """The size of the means, which these sums are made by way of."""

    def step(self, sums: Sequence[FloatArray], loglik: float, log_certainty: float) -> Any:
        """The results, from the sums over all rows: an `EStep`, or what else it is made for."""

    def write(
        self,
        x: NDArray[np.floating],
        log_density: FloatArray,
        resp: FloatArray,
        groups: Groups | None,
    ) -> None:
        """Write log densities, and responsibilities, of the rows of an array."""


def shared_sweeps(values: StoredRows) -> SharedSweeps[Pass, Any]:
    """What makes passes over these rows."""
    if values.shared is None:
        values.shared = SharedSweeps(partial(_statistics, values))
    return values.shared


def in_chunks(rows: Rows | None) -> bool:
    """Whether rows are read in chunks."""
    return rows is not None and isinstance(rows.values, StoredRows)


def for_each_together[T](rows: Rows | None, work: Callable[[T], None], items: Sequence[T]) -> None:
    """Call work(item) for all items: on all threads, or so that they share sweeps over chunks."""
    if rows is not None and isinstance(rows.values, StoredRows):
        shared_sweeps(rows.values).together(work, items)
        return
    with ThreadPoolExecutor(default_threads()) as pool:
        list(pool.map(work, items))


def map_together[T, V](rows: Rows | None, work: Callable[[T], V], items: Sequence[T]) -> list[V]:
    """The values of work(item) for all items, made together."""
    found: dict[int, V] = {}

    def keep(i: int) -> None:
        found[i] = work(items[i])

    for_each_together(rows, keep, range(len(items)))
    return [found[i] for i in range(len(items))]


def _statistics(values: StoredRows, passes: Sequence[Pass]) -> list[Any]:
    """The results of every pass, by one sweep over the rows for all that see them alike."""
    steps: dict[int, Any] = {}
    kinds: dict[tuple[int, int], list[int]] = {}
    for i, one in enumerate(passes):
        kinds.setdefault((id(one.rows.weights), id(one.groups)), []).append(i)
    for alike in kinds.values():
        first = passes[alike[0]]
        work = _Sums([passes[i] for i in alike])
        sums = iter(values.sums(work, first.rows.weights, labels_of(first.groups)))
        for i in alike:
            *own, loglik, certainty = islice(sums, len(passes[i].shapes) + 2)
            steps[i] = passes[i].step(own, float(loglik[0]), float(certainty[0]))
    return [steps[i] for i in range(len(passes))]


@dataclass(frozen=True)
class _Sums:
    """The sums of every pass over a chunk, one after the other."""

    passes: Sequence[Pass]

    def __call__(self, chunk: Chunk) -> list[FloatArray]:
        groups = groups_in(self.passes[0].groups, chunk)
        return [array for one in self.passes for array in _summed(one, chunk, groups)]


def _summed(one: Pass, chunk: Chunk, groups: Groups | None) -> list[FloatArray]:
    """Sums over a chunk, its log-likelihood (1,) and certainty (1,).

    Raises
    ------
    ChangedChunkError
        It is not the chunk that was read first.
    """
    sums, certainty = [np.zeros(shape) for shape in one.shapes], np.zeros(1)
    loglik = one.add(chunk.values, chunk.weights, sums, certainty, groups)
    same = True
    if groups is not None:
        same = chunk.known is None or chunk.known.of_observed(chunk.at, chunk.values, groups.counts)
    elif not np.isfinite(loglik):  # far out there is no density
        same = bool(np.isfinite(chunk.values).all())
    elif chunk.known is not None and not len(chunk.weights):
        of_rows = one.of_rows(sums)
        same = of_rows is None or chunk.known.agree(
            chunk.at, of_rows, one.center, one.scale, one.reach
        )
    if not same:
        raise ChangedChunkError(chunk.number)
    return [*sums, np.array([loglik]), certainty]


@dataclass(frozen=True)
class _Rows:
    """Log density and responsibilities of the rows of a chunk, these if asked for."""

    one: Pass
    n_components: int

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, FloatArray]:
        m = len(chunk.values) if self.n_components else 0
        log_density, resp = np.empty(len(chunk.values)), np.empty((m, self.n_components))
        self.one.write(chunk.values, log_density, resp, groups_in(self.one.groups, chunk))
        return log_density, resp


def evaluate_chunks(
    values: StoredRows,
    one: Pass,
    log_density: FloatArray,
    resp: FloatArray,
    n_threads: int | None,
) -> None:
    """Write the log density (n,) in scaled units, and responsibilities (n, K) unless empty."""

    def take(chunk: int, found: tuple[FloatArray, FloatArray]) -> None:
        at = slice(values.edges[chunk], values.edges[chunk + 1])
        log_density[at] = found[0]
        resp[at] = found[1]

    labels = labels_of(one.groups)
    values.each(_Rows(one, resp.shape[1]), take, n_threads=n_threads, labels=labels)
