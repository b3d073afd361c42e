"""The pass over the data, in every form, behind one interface.

    expected_statistics(rows, parameters) -> (loglik, Statistics)      the E-step
    evaluate(rows, parameters)            -> log densities, responsibilities of given rows

`expected_statistics` never stores anything of size n: memory is one block per thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DegenerateComponentError
from ...utils.threads import default_threads, for_each_chunk
from ...utils.types import FloatArray
from ..cholesky import precisions
from ..device import device_pass
from ..device.contract import Encoded
from ..device.rows import DeviceRows
from ..stored.rows import StoredRows
from .accuracy import OF_FACTORS, ROUNDING
from .arrays import Components, EachRow, MixtureArrays, Moments, View, only_read
from .centred import centred_pass
from .chunks import evaluate_chunks, shared_sweeps
from .contract import EStep, Parameters, Rows, Statistics, total_weight
from .factored import factored
from .groups import Groups
from .incomplete import LARGEST_BLOCK, incomplete_pass
from .incomplete_centred import incomplete_centred_pass
from .moments import central_moments
from .quadratic import (
    QUADRATIC_LIMIT,
    QUADRATIC_MAX_COLUMNS,
    decode,
    encode,
    encode_diagonal,
    quadratic_pass,
)
from .softmax import LOG_2PI

__all__ = [
    "DegenerateComponentError", "EStep", "FloatArray", "Parameters", "Rows", "Statistics",
    "check_components", "evaluate", "expected_statistics", "measured_statistics", "pass_over",
]  # fmt: skip

_MAX_CHUNKS = 32
_CHUNK_BYTES = 2**25
_BLOCK_BYTES = 3 * 2**16
_LARGEST_BLOCK = 512
# Multiplications below which a pass stays on one thread, and that make a chunk worth its call.
_SERIAL_WORK = 2_000_000
_CHUNK_WORK = 1_000_000

_NO_VECTOR = np.empty(0)
_NO_MATRIX = np.empty((0, 0))
_NO_STACK = np.empty((0, 0, 0))
_NOTHING = EachRow(_NO_VECTOR, _NO_MATRIX)


def check_components(parameters: Parameters, scale: FloatArray) -> None:
    """Raise DegenerateComponentError if a covariance is singular in the data's scale."""
    factored(parameters, scale)


def expected_statistics(
    rows: Rows,
    parameters: Parameters,
    *,
    n_threads: int | None = None,
    block: int | None = None,
    form: str | None = None,
) -> tuple[float, Statistics]:
    """The E-step: log-likelihood and expected sufficient statistics in one pass over the rows.

    Rows that have weights w_i give sum_i w_i log p(x_i), and statistics weighted alike: a row of
    weight 2 counts as two, one of weight 0 as none. Without weights none are multiplied.

    The result does not depend on n_threads at all, and on block (rows handled at a time) only
    through rounding. form ("quadratic" or "centred") is chosen by accuracy and speed.
    """
    step = _Pass(rows, parameters, form).statistics(n_threads, block)
    return step.loglik, step.statistics


def measured_statistics(rows: Rows, parameters: Parameters) -> EStep:
    """The E-step with its rounding error and the certainty of its responsibilities."""
    return _Pass(rows, parameters, None).statistics(None, None)


def pass_over(rows: Rows, parameters: Parameters) -> _Pass:
    """The pass itself, for those who make more of it than its results."""
    return _Pass(rows, parameters, None)


def evaluate(
    rows: Rows,
    parameters: Parameters,
    *,
    responsibilities: bool = False,
    n_threads: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Log mixture density (n,) of every row, and responsibilities (n, K) if asked (else 0 x 0).

    Neither depends on the rows' weights.
    """
    n, n_components = len(rows.values), len(parameters.weights)
    log_density = np.empty(n)
    resp = np.empty((n, n_components)) if responsibilities else _NO_MATRIX
    _Pass(rows, parameters, None).evaluate(log_density, resp, n_threads)
    return log_density, resp


def _row_weights(rows: Rows) -> tuple[FloatArray, float]:
    """The rows' weights (empty where all count once), and their sum."""
    weights = getattr(rows, "weights", None)  # rows need not have the attribute
    if weights is not None and len(weights) != len(rows.values):  # compiled code would read on
        raise ValueError(
            f"{len(weights)} weights for {len(rows.values)} rows: cut both alike (Data.part does)."
        )
    return _NO_VECTOR if weights is None else weights, total_weight(rows)


# The forms of the pass, by name.
_IS_QUADRATIC = {"quadratic": True, "centred": False}


class _Pass:
    """One evaluation of the mixture over the rows: form chosen, parameters encoded."""

    def __init__(self, rows: Rows, parameters: Parameters, form: str | None) -> None:
        self.rows: Rows = rows
        self.center, self.scale = rows.center, rows.scale
        self.weights = np.array(parameters.weights, dtype=np.float64)  # also if only to be read
        self.scaled = scaled = factored(parameters, rows.scale)
        self.inverse_scale = 1.0 / rows.scale
        quadratic = None if form is None else _IS_QUADRATIC[form]
        n_components, d = scaled.means.shape
        few = scaled.diagonal or d <= QUADRATIC_MAX_COLUMNS
        if isinstance(rows.values, DeviceRows):
            few = device_pass.in_features(rows.values, n_components, scaled.diagonal, few)
        stack = _NO_STACK
        if scaled.diagonal:
            stack = scaled.factors[:, 0] ** 2
            size = np.sqrt(np.sum(stack**2, axis=1))
        elif few or quadratic:
            stack = np.empty_like(scaled.factors)
            precisions(scaled.factors, stack)
            size = np.sqrt(np.sum(stack**2, axis=(1, 2)))
        else:  # the trace, which is at least the norm
            size = np.einsum("kij,kij->k", scaled.factors, scaled.factors)
        loss = float(np.max(size * (1.0 + np.sum(scaled.means**2, axis=1))))
        self.quadratic = loss < QUADRATIC_LIMIT and few if quadratic is None else quadratic
        # z'Pz cancels against m'Pm in the quadratic form; in the centred one only z - m does.
        self.rounding = ROUNDING * (loss if self.quadratic else OF_FACTORS * math.sqrt(loss))
        if self.quadratic:
            n_features = 2 * d + 1 if scaled.diagonal else (d + 1) * (d + 2) // 2
            self.theta = np.empty((n_components, n_features))
            write = encode_diagonal if scaled.diagonal else encode
            write(scaled.log_weights, scaled.means, stack, scaled.half_log_dets, self.theta)
            self.width = n_features + n_components
        else:
            self.width = 3 * d + n_components
        self.groups = getattr(rows, "groups", None)  # rows need not have the attribute
        of_rows = getattr(self.groups, "of_rows", None)  # those of chunks have none
        if of_rows is not None and len(of_rows) != len(rows.values):
            raise ValueError("the groups are those of other rows: cut both alike (Data.take does).")
        if self.groups is not None and not self.groups.suit(n_components):
            raise ValueError(f"the rows' labels are not for {n_components} components.")
        # Of the change of variables; each row has its own where values are missing.
        self.unit = float(np.sum(np.log(rows.scale)))
        self.log_unit = 0.0 if self.groups is not None else self.unit
        self.work = len(rows.values) * n_components * (d + 1) * (2 if scaled.diagonal else d + 2)

    def __getstate__(self) -> dict[str, Any]:
        """What adds to sums and writes of rows elsewhere needs: not the rows."""
        return self.__dict__ | {"rows": None, "groups": getattr(self.groups, "elsewhere", None)}

    def statistics(self, n_threads: int | None, block: int | None) -> EStep:
        values = self.rows.values
        weights = _row_weights(self.rows)[0]
        if isinstance(values, DeviceRows):
            found = device_pass.sums(values, self._encoded(), self.rows.weights)
            return self.step(found.of_components, found.loglik, found.log_certainty)
        if isinstance(values, StoredRows):
            return shared_sweeps(values)(self)
        block, bounds = self._chunks(block)
        n_chunks = len(bounds)
        loglik, certainty = np.zeros(n_chunks), np.zeros((n_chunks, 1))
        sums = [np.zeros((n_chunks, *shape)) for shape in self.shapes]

        def work(c: int) -> None:
            some = [array[c] for array in sums]
            how = bounds[c], block, weights
            loglik[c] = self._add(values, *how, some, certainty[c], self.groups)

        for_each_chunk(work, n_chunks, self._threads(n_threads))
        totals = [array.sum(axis=0) for array in sums]
        return self.step(totals, float(loglik.sum()), float(certainty.sum()))

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums over rows: of features, or of moments about the means."""
        if self.quadratic:
            return [self.theta.shape]
        n_components, d = self.scaled.means.shape
        return [
            (n_components,), (n_components, d), (n_components, 1 if self.scaled.diagonal else d, d),
        ]  # fmt: skip

    def add(
        self,
        x: NDArray[np.floating],
        weights: FloatArray,
        sums: Sequence[FloatArray],
        certainty: FloatArray,
        groups: Groups | None,
    ) -> float:
        """Add the sums over all rows of an array; return their log-likelihood.

        It is in scaled units, unless the array is a chunk of rows of which others are incomplete.
        """
        loglik = self._add(x, *self._whole(x, groups), weights, sums, certainty, groups)
        if self.groups is not None and groups is None:
            loglik -= (float(weights.sum()) if len(weights) else len(x)) * self.unit
        return loglik

    @property
    def reach(self) -> float:
        """The size of the scaled means."""
        return float(np.abs(self.scaled.means).max())

    def of_rows(self, sums: Sequence[FloatArray]) -> FloatArray:
        """Sums (1 + d,) of ones and of the scaled rows, which no mixture changes."""
        if self.quadratic:
            return np.asarray(sums[0][:, : 1 + len(self.inverse_scale)].sum(axis=0))
        counts, first, _ = sums
        return np.append(counts.sum(), (first + counts[:, None] * self.scaled.means).sum(axis=0))

    def _add(
        self,
        x: NDArray[np.floating],
        bounds: tuple[int, int],
        block: int,
        weights: FloatArray,
        sums: Sequence[FloatArray],
        certainty: FloatArray,
        groups: Groups | None,
    ) -> float:
        if self.quadratic:
            return self._quadratic(x, bounds, block, weights, groups, sums[0], certainty)
        return self._centred(x, bounds, block, weights, groups, Moments(*sums), certainty)

    def step(self, sums: Sequence[FloatArray], loglik: float, log_certainty: float) -> EStep:
        """The results of a pass, from its sums over all rows."""
        if self.quadratic:
            [total] = sums
            n_components, d = self.scaled.means.shape
            counts, first = total[:, 0].copy(), np.empty((n_components, d))
            second = np.empty((n_components, 1 if self.scaled.diagonal else d, d))
            decode(total, self.scaled.diagonal, first, second)
            about = np.zeros_like(first)
        else:
            (counts, first, second), about = sums, self.scaled.means
        statistics = self._unscale(counts, first, second, about)
        loglik -= _row_weights(self.rows)[1] * self.log_unit
        return EStep(loglik, statistics, self.rounding, log_certainty)

    def _encoded(self) -> Encoded:
        """The mixture as a pass on a device reads it."""
        scaled, rows = self.scaled, self.rows
        constants = scaled.log_weights + scaled.half_log_dets - 0.5 * len(rows.scale) * LOG_2PI
        theta = self.theta if self.quadratic else _NO_MATRIX
        return Encoded(
            rows.center, self.inverse_scale, scaled.log_weights, scaled.means, scaled.factors,
            constants, theta, scaled.diagonal,
        )  # fmt: skip

    def evaluate(self, log_density: FloatArray, resp: FloatArray, n_threads: int | None) -> None:
        values = self.rows.values
        if isinstance(values, DeviceRows):
            device_pass.evaluate(values, self._encoded(), log_density, resp)
        elif isinstance(values, StoredRows):
            evaluate_chunks(values, self, log_density, resp, n_threads)
        else:
            block, bounds = self._chunks(None)
            each = EachRow(log_density, resp)

            def work(c: int) -> None:
                self._write(values, bounds[c], block, each, self.groups)

            for_each_chunk(work, len(bounds), self._threads(n_threads))
        log_density -= self.log_unit

    def write(
        self, x: NDArray[np.floating], log_density: FloatArray, resp: FloatArray,
        groups: Groups | None,
    ) -> None:  # fmt: skip
        """Write the log density in units as those of `add`, and responsibilities, of all rows."""
        self._write(x, *self._whole(x, groups), EachRow(log_density, resp), groups)
        if self.groups is not None and groups is None:
            log_density -= self.unit

    def _whole(self, x: NDArray[np.floating], groups: Groups | None) -> tuple[tuple[int, int], int]:
        """The bounds of all rows of an array, and rows at a time."""
        block = self._block()
        return (0, len(x)), block if groups is None else min(block, LARGEST_BLOCK)

    def _write(
        self, x: NDArray[np.floating], bounds: tuple[int, int], block: int, each: EachRow,
        groups: Groups | None,
    ) -> None:  # fmt: skip
        unused = np.empty(1)
        if self.quadratic:
            self._quadratic(x, bounds, block, _NO_VECTOR, groups, _NO_MATRIX, unused, each)
        else:
            nothing = Moments(_NO_VECTOR, _NO_MATRIX, _NO_STACK)
            self._centred(x, bounds, block, _NO_VECTOR, groups, nothing, unused, each)

    def _quadratic(
        self,
        x: NDArray[np.floating],
        bounds: tuple[int, int],
        block: int,
        weights: FloatArray,
        groups: Groups | None,
        sums: FloatArray,
        certainty: FloatArray,
        each: EachRow = _NOTHING,
    ) -> float:
        view, theta = self._view(weights), self.theta
        how = *bounds, block, sums, each, certainty
        if groups is not None:
            return incomplete_pass.version(x.dtype)(x, view, theta, groups.packed, *how)
        return quadratic_pass.version(x.dtype)(x, view, theta, self.scaled.diagonal, *how)

    def _centred(
        self,
        x: NDArray[np.floating],
        bounds: tuple[int, int],
        block: int,
        weights: FloatArray,
        groups: Groups | None,
        moments: Moments,
        certainty: FloatArray,
        each: EachRow = _NOTHING,
    ) -> float:
        view, scaled = self._view(weights), self.scaled
        how = *bounds, block, moments, each, certainty
        if groups is not None:
            mixture = MixtureArrays(self.weights, scaled.means, scaled.covariances)
            return incomplete_centred_pass.version(x.dtype)(x, view, mixture, groups.packed, *how)
        components = Components(
            scaled.log_weights, scaled.means, scaled.factors, scaled.half_log_dets
        )
        return centred_pass.version(x.dtype)(x, view, components, True, *how)

    def _view(self, weights: FloatArray) -> View:
        arrays = self.center, self.inverse_scale, weights
        return View(*(only_read(array) for array in arrays))

    def _block(self) -> int:
        """Rows at a time."""
        if not self.quadratic:
            return _LARGEST_BLOCK
        # What the block's features take stays in the cache.
        return min(max(_BLOCK_BYTES // (8 * self.width) // 64 * 64, 64), _LARGEST_BLOCK)

    def _chunks(self, block: int | None) -> tuple[int, list[tuple[int, int]]]:
        """Rows at a time, and the chunks' bounds: functions of the problem, not of the machine."""
        n = len(self.rows.values)
        block = self._block() if block is None else block
        n_blocks = -(-n // block)
        per_chunk = 8 * self.scaled.means.shape[0] * self.width
        if not self.quadratic:
            per_chunk += self.scaled.factors.nbytes
        worthwhile = min(_CHUNK_BYTES // per_chunk, self.work // _CHUNK_WORK)
        n_chunks = min(n_blocks, _MAX_CHUNKS, max(2, worthwhile))
        if self.groups is not None:
            return min(block, LARGEST_BLOCK), self.groups.chunks(n_chunks)
        edges = [min(n, block * (n_blocks * c // n_chunks)) for c in range(n_chunks)] + [n]
        return block, list(pairwise(edges))

    def _threads(self, n_threads: int | None) -> int:
        if n_threads is not None:
            return n_threads
        return default_threads() if self.work > _SERIAL_WORK else 1

    def _unscale(
        self, counts: FloatArray, first: FloatArray, second: FloatArray, about: FloatArray
    ) -> Statistics:
        means = np.empty_like(first)
        moments = Moments(counts, first, second)
        central_moments(moments, about, self.rows.scale, means, second)
        return Statistics(counts, means, second[:, 0] if self.scaled.diagonal else second)
