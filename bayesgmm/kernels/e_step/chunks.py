"""The pass over rows in chunks: one sweep for as many mixtures as there are to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DataError
from ...utils.threads import default_threads
from ...utils.types import FloatArray
from ..stored.rows import StoredRows
from ..stored.shared import SharedSweeps
from ..stored.sweep import sweep
from .contract import EStep, Rows

# Chunks whose sums are added before those of others: as many groups of them, or as fit in memory.
_GROUPS, _GROUP_BYTES = 256, 2**25
_NO_WEIGHTS = np.empty(0)

type _Sums = tuple[list[FloatArray], float, float]


class Pass(Protocol):
    """The evaluation of one mixture, as a sweep uses it."""

    @property
    def rows(self) -> Rows:
        """What it is evaluated over."""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of its sums over rows."""

    def add(
        self,
        x: NDArray[np.floating],
        weights: FloatArray,
        sums: Sequence[FloatArray],
        certainty: FloatArray,
    ) -> float:
        """Add the sums over the rows of an array, and return their log-likelihood."""

    def of_rows(self, sums: Sequence[FloatArray]) -> FloatArray:
        """The sums (1 + d,) of ones and of the rows."""

    @property
    def reach(self) -> float:
        """The size of the means, which these sums are made by way of."""

    def step(self, sums: Sequence[FloatArray], loglik: float, log_certainty: float) -> EStep:
        """The results, from the sums over all rows."""

    def write(self, x: NDArray[np.floating], log_density: FloatArray, resp: FloatArray) -> None:
        """Write log densities, and responsibilities, of the rows of an array."""


class GroupedSums:
    """Sums over chunks: those of a group are added in their order, then those of all groups.

    Both are the same however the groups are shared out.
    """

    def __init__(self, one: Pass, n_chunks: int) -> None:
        size = 8 * sum(int(np.prod(shape)) for shape in one.shapes)
        self.n_groups = min(n_chunks, max(2, min(_GROUPS, _GROUP_BYTES // size)))
        self.n_chunks, self._group = n_chunks, 0
        self._of_group = [np.zeros(shape) for shape in one.shapes]
        self._sums = [np.zeros(shape) for shape in one.shapes]
        self.loglik, self.certainty = np.zeros(n_chunks), np.zeros(n_chunks)

    def take(self, chunk: int, found: _Sums) -> None:
        """Add the sums over the next chunk."""
        sums, self.loglik[chunk], self.certainty[chunk] = found
        group = chunk * self.n_groups // self.n_chunks
        if group != self._group:
            self._end_group()
            self._group = group
        for total, some in zip(self._of_group, sums, strict=True):
            total += some

    def _end_group(self) -> None:
        for total, some in zip(self._sums, self._of_group, strict=True):
            total += some
            some[:] = 0.0

    def step(self, one: Pass) -> EStep:
        """The results of the pass, after the last chunk."""
        self._end_group()
        return one.step(self._sums, float(self.loglik.sum()), float(self.certainty.sum()))


def shared_sweeps(values: StoredRows) -> SharedSweeps[Pass, EStep]:
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


def _statistics(values: StoredRows, passes: Sequence[Pass]) -> list[EStep]:
    """The E-step of every pass, by one sweep over the rows."""
    totals = [GroupedSums(one, values.n_chunks) for one in passes]

    def work(chunk: int, block: NDArray[np.floating]) -> list[_Sums]:
        return [_summed(values, one, chunk, block) for one in passes]

    def take(chunk: int, found: list[_Sums]) -> None:
        for total, sums in zip(totals, found, strict=True):
            total.take(chunk, sums)

    sweep(values.chunks(), values.n_chunks, work, take)
    return [total.step(one) for total, one in zip(totals, passes, strict=True)]


def _summed(values: StoredRows, one: Pass, chunk: int, block: NDArray[np.floating]) -> _Sums:
    rows, weights = one.rows, _NO_WEIGHTS
    if rows.weights is not None:
        weights = rows.weights[values.edges[chunk] : values.edges[chunk + 1]]
    sums, certainty = [np.zeros(shape) for shape in one.shapes], np.zeros(1)
    loglik = one.add(block, weights, sums, certainty)
    known, same = values.known, True
    if not np.isfinite(loglik):  # far out there is no density
        same = bool(np.isfinite(block).all())
    elif known is not None and not len(weights):
        same = known.agree(chunk, one.of_rows(sums), rows.center, rows.scale, one.reach)
    if not same:
        raise DataError(
            f"{values.source.place(chunk)} holds other values than when the data were first read: "
            "read them again."
        )
    return sums, loglik, float(certainty[0])


def evaluate_chunks(
    values: StoredRows,
    one: Pass,
    log_density: FloatArray,
    resp: FloatArray,
    n_threads: int | None,
) -> None:
    """Write the log density (n,) in scaled units, and responsibilities (n, K) unless empty."""

    def work(chunk: int, block: NDArray[np.floating]) -> None:
        at = slice(values.edges[chunk], values.edges[chunk + 1])
        one.write(block, log_density[at], resp[at])

    def nothing(chunk: int, _: Any) -> None:
        """The results are in their place."""

    sweep(values.chunks(), values.n_chunks, work, nothing, n_threads)
