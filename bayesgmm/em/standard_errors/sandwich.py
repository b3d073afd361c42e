"""The sandwich: the covariance of estimates under a model that need not be right.

I^-1 B I^-1, with I the observed information and B the spread of the rows' own scores (Huber 1967,
Proc. 5th Berkeley Symp. 1, 221-233; White 1982, Econometrica 50, 1-25). Where the model is right
both are the same, and it is the inverse of either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...data.chunks import are_in_chunks, sums_over_chunks
from ...data.data import Data
from ...kernels.e_step.chunk_groups import GroupsOfChunks
from ...kernels.e_step.contract import Parameters
from ...kernels.e_step.e_step import evaluate
from ...kernels.e_step.groups import Groups
from ...kernels.stored.chunk import Chunk
from ...mixture.noise import mixed
from ...mixture.of_parameters import RowsOfChunks
from ...utils.types import FloatArray, IntArray
from .information import Beside, Tangents

# Numbers that the sums over a chunk hold at a time: 8 MiB of them.
_AT_ONCE = 2**20


def scores(
    data: Data, parameters: Parameters, tangents: Tangents, beside: Beside | None = None
) -> Iterator[tuple[slice, FloatArray]]:
    """Derivatives of each row's log density in p coordinates, (m, p), in blocks of rows.

    By Fisher's identity they are the responsibilities' mean of the components' own, with
    y = Sigma_k^-1 (x - mu_k): dpi_k / pi_k + y' dmu_k + (y' dSigma_k y - tr Sigma_k^-1
    dSigma_k) / 2, all of it in the columns of which a row has values. Labels and noise are in the
    responsibilities; the noise's own is that of its share.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    parameters : Parameters
        The mixture, centred as the data, with covariances (K, d, d).
    tangents : Tangents
        Derivatives of the parameters in the coordinates.
    beside : Beside, optional
        Noise beside the mixture.
    """
    size, d = len(tangents.weights), data.d
    of_weights = tangents.weights / parameters.weights
    for rows, block in data.blocks(len(parameters.weights) + d * d + 2 * size):
        density, resp = evaluate(block, parameters, responsibilities=True)
        if beside is not None:
            share, log_noise = beside.share, beside.noise.of_rows(block)
            is_noise = mixed(density, log_noise, share)[1]
            resp *= 1 - is_noise[:, None]
        found = resp @ of_weights.T
        if beside is not None:
            found += _of_share(is_noise, share, tangents)
        for members, columns in _patterns(block):
            x = np.asarray(block.values)[np.ix_(members, columns)] - data.center[columns]
            found[members] += _of_columns(x, resp[members], columns, parameters, tangents)
        yield rows, found


def _of_share(is_noise: FloatArray, share: float, tangents: Tangents) -> FloatArray:
    """Scores (m, p) of rows in the share of noise, from their probabilities (m,) to be noise."""
    of_share = is_noise / share - (1 - is_noise) / (1 - share)
    return of_share[:, None] * tangents.noise[:, 0]


def _patterns(data: Data) -> Iterator[tuple[IntArray, IntArray]]:
    """Rows that have values in the same columns, and these; rows without a value are left out."""
    return _alike(data.groups, *data.values.shape)


def _alike(
    groups: Groups | GroupsOfChunks | None, n: int, d: int
) -> Iterator[tuple[IntArray, IntArray]]:
    """The same of n rows of d columns in these groups."""
    if not isinstance(groups, Groups) or not groups.incomplete:
        yield np.arange(n), np.arange(d)
        return
    for g, seen in enumerate(groups.observed):
        if seen.any():
            yield groups.order[groups.bounds[g] : groups.bounds[g + 1]], np.flatnonzero(seen)


def _of_columns(
    x: FloatArray,
    resp: FloatArray,
    columns: IntArray,
    parameters: Parameters,
    tangents: Tangents,
) -> FloatArray:
    """Scores (m, p) of rows x of some columns in the means and covariances."""
    across = np.ix_(columns, columns)
    size, q = len(tangents.weights), len(columns)
    found = np.zeros((len(x), size))
    for k, covariance in enumerate(parameters.covariances):
        precision = np.linalg.inv(covariance[across])
        slopes = tangents.covariances[:, k][:, across[0], across[1]].reshape(size, q * q)
        y = (x - parameters.means[k, columns]) @ precision
        squares = (y[:, :, None] * y[:, None, :]).reshape(len(y), q * q)
        own = y @ tangents.means[:, k, columns].T
        own += 0.5 * (squares - precision.ravel()) @ slopes.T
        found += resp[:, k, None] * own
    return found


def spread_of_scores(
    data: Data,
    parameters: Parameters,
    tangents: Tangents,
    squared: bool,
    beside: Beside | None = None,
) -> FloatArray:
    """The covariance (p, p) of the sum of all rows' scores, as if the rows were independent.

    Of rows in chunks it is summed where these are. The other parameters are those of `scores`.
    squared: a row's weight multiplies its score, so that its square counts; else the row stands
    so many times.
    """
    if are_in_chunks(data):
        noise, share = (None, 0.0) if beside is None else beside
        work = _OfChunk(RowsOfChunks.of(data, parameters, noise, share), tangents, squared)
        total, product, count = sums_over_chunks(data, work)
    else:
        counted = data.counted
        total, product, count = _no_sums(len(tangents.weights))
        for rows, score in scores(data, parameters, tangents, beside):
            weights = np.ones(len(score)) if counted is None else counted[rows]
            _add(score, weights, squared, total, product, count)
    return np.asarray(product - np.outer(total, total) / count)


def _no_sums(size: int) -> list[FloatArray]:
    """Sums (p,), (p, p) and (1,) of no rows: of scores, of their products, of weights."""
    return [np.zeros(size), np.zeros((size, size)), np.zeros(1)]


def _add(
    score: FloatArray,
    weights: FloatArray,
    squared: bool,
    total: FloatArray,
    product: FloatArray,
    count: FloatArray,
) -> None:
    """Add rows' scores to the sums."""
    if squared:
        score, weights = weights[:, None] * score, np.ones(len(score))
    total += weights @ score
    product += (weights[:, None] * score).T @ score
    count += weights.sum()


@dataclass(frozen=True)
class _OfChunk:
    """The sums over a chunk."""

    rows: RowsOfChunks
    tangents: Tangents
    squared: bool

    def __call__(self, chunk: Chunk) -> list[FloatArray]:
        parameters, center, tangents = self.rows.parameters, self.rows.center, self.tangents
        size, d = len(tangents.weights), len(center)
        of_weights, found = tangents.weights / parameters.weights, _no_sums(size)
        for view, resp, weights in self.rows.blocks(chunk, d * d + 2 * size, _AT_ONCE):
            x = np.asarray(view.values, dtype=np.float64) - center
            is_noise = resp[:, len(of_weights[0]) :]
            resp, groups = resp[:, : len(of_weights[0])], view.groups
            score = resp @ of_weights.T
            if is_noise.size:
                score += _of_share(is_noise[:, 0], self.rows.share, tangents)
            for members, columns in _alike(groups, *x.shape):
                some = x[np.ix_(members, columns)] if groups is not None else x
                score[members] += _of_columns(some, resp[members], columns, parameters, tangents)
            if groups is not None:  # rows without a value count nowhere
                weights = weights * ~groups.says_nothing
            _add(score, weights, self.squared, *found)
        return found


#: What a row's weight means, by the name that `standard_errors` takes: whether its square counts.
WEIGHTS: dict[str, bool] = {"counts": False, "pseudo": True}
