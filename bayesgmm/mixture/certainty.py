"""How certain the rows' components are: sums over all rows, wherever these are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.chunks import are_in_chunks, sums_over_chunks
from ..data.data import Data
from ..kernels.stored.chunk import Chunk
from ..utils.types import FloatArray
from .classification import called, classify
from .of_parameters import RowsOfChunks
from .of_results import estimate_of, mixture_of, noise_of

# Uncertainties of rows that are doubtful, and of those that are not quite certain.
DOUBTFUL, UNCERTAIN = 0.2, 0.1
# Rows evaluated at a time.
_BLOCK = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class Certainty:
    """How certain the rows' most probable components are under a fit.

    Rows without a value, which do not count for the fit, are not among them.

    Attributes
    ----------
    sizes : array (K,) or (K + 1,)
        Rows, or the weights of rows, whose most probable component each is; noise last.
    probability : array (K,) or (K + 1,)
        The mean probability of these rows to be of it, by their weights; NaN without any.
    expected_error : float
        The share of rows expected to belong to another component than their most probable.
    uncertain : float
        The share of rows whose most probable component has probability at most 90 %.
    doubtful : float
        The share of rows, each counted once, whose uncertainty is above 0.2.
    """

    sizes: FloatArray
    probability: FloatArray
    expected_error: float
    uncertain: float
    doubtful: float

    @classmethod
    def of(cls, data: Data, fit: Any) -> Certainty:
        """The sums over rows of data, for a fit of the same columns."""
        return _of_chunks(data, fit) if are_in_chunks(data) else _of_rows(data, fit)


def _of_rows(data: Data, fit: Any) -> Certainty:
    table, weights = classify(data, fit), np.ones(data.n) if data.weights is None else data.weights
    if data.groups is not None:
        says_something = ~data.groups.says_nothing
        table, weights = table[says_something], weights[says_something]
    labels, uncertainty = table["component"].to_numpy(), table["uncertainty"].to_numpy()
    mine = [labels == name for name in called(fit)]
    sizes = np.array([float(weights[rows].sum()) for rows in mine])
    certain = np.array([weights[rows] @ (1.0 - uncertainty[rows]) for rows in mine])
    return Certainty(
        sizes,
        _mean(certain, sizes),
        float(np.average(uncertainty, weights=weights)),
        float(np.average(1.0 - uncertainty <= 1 - UNCERTAIN, weights=weights)),
        float(np.mean(uncertainty > DOUBTFUL)),
    )


def _of_chunks(data: Data, fit: Any) -> Certainty:
    found = estimate_of(fit)
    parameters = mixture_of(found, beside_noise=True).parameters_about(data.center)
    work = _Sums(RowsOfChunks.of(data, parameters, *noise_of(found)))
    sizes, certain, of_all = sums_over_chunks(data, work)
    error, uncertain, doubtful, rows = of_all
    total = sizes.sum()
    return Certainty(
        sizes, _mean(certain, sizes), error / total, uncertain / total, doubtful / rows
    )


def _mean(sums: FloatArray, weights: FloatArray) -> FloatArray:
    """The means of weighted sums; NaN where no row counts."""
    return np.divide(sums, weights, out=np.full(len(sums), np.nan), where=weights > 0)


@dataclass(frozen=True)
class _Sums:
    """Sums over a chunk: of weights and probabilities by component, and over all rows."""

    rows: RowsOfChunks

    def __call__(self, chunk: Chunk) -> list[FloatArray]:
        k = self.rows.n_columns
        sizes, certain, of_all = np.zeros(k), np.zeros(k), np.zeros(4)
        for view, resp, weights in self.rows.blocks(chunk, 1, _BLOCK):
            if view.groups is not None:
                says_something = ~view.groups.says_nothing
                resp, weights = resp[says_something], weights[says_something]
            labels, largest = np.argmax(resp, axis=1), resp.max(axis=1)
            sizes += np.bincount(labels, weights, k)
            certain += np.bincount(labels, weights * largest, k)
            of_all[0] += weights @ (1 - largest)
            of_all[1] += weights @ (largest <= 1 - UNCERTAIN)
            of_all[2] += np.count_nonzero(1 - largest > DOUBTFUL)
            of_all[3] += len(labels)
        return [sizes, certain, of_all]
