"""The sandwich: the covariance of estimates under a model that need not be right.

I^-1 B I^-1, with I the observed information and B the spread of the rows' own scores (Huber 1967,
Proc. 5th Berkeley Symp. 1, 221-233; White 1982, Econometrica 50, 1-25). Where the model is right
both are the same, and it is the inverse of either.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...data.data import Data
from ...data.missing import refuse_missing
from ...kernels.e_step.contract import Parameters
from ...kernels.e_step.e_step import evaluate
from ...utils.types import FloatArray
from .information import Tangents


def scores(
    data: Data, parameters: Parameters, tangents: Tangents
) -> Iterator[tuple[slice, FloatArray]]:
    """Derivatives of each row's log density in p coordinates, (m, p), in blocks of rows.

    By Fisher's identity they are the responsibilities' mean of the components' own, with
    y = Sigma_k^-1 (x - mu_k): dpi_k / pi_k + y' dmu_k + (y' dSigma_k y - tr Sigma_k^-1
    dSigma_k) / 2.

    Parameters
    ----------
    data : Data
        Rows (n, d).
    parameters : Parameters
        The mixture, centred as the data, with covariances (K, d, d).
    tangents : Tangents
        Derivatives of the parameters in the coordinates.
    """
    refuse_missing(data, "the sandwich")
    weights, means, covariances = parameters.weights, parameters.means, parameters.covariances
    precisions = np.linalg.inv(covariances)
    size, d = len(tangents.weights), means.shape[1]
    traces = np.einsum("kij,qkji->qk", precisions, tangents.covariances)
    constants = tangents.weights / weights - 0.5 * traces
    for rows, block in data.blocks(len(weights) + d * d + 2 * size):
        resp = evaluate(block, parameters, responsibilities=True)[1]
        x = np.asarray(block.values) - data.center
        found = resp @ constants.T
        for k, precision in enumerate(precisions):
            y = (x - means[k]) @ precision
            squares = (y[:, :, None] * y[:, None, :]).reshape(len(y), d * d)
            own = y @ tangents.means[:, k].T
            own += 0.5 * squares @ tangents.covariances[:, k].reshape(size, d * d).T
            found += resp[:, k, None] * own
        yield rows, found


def spread_of_scores(
    data: Data, blocks: Iterator[tuple[slice, FloatArray]], squared: bool
) -> FloatArray:
    """The covariance (p, p) of the sum of all rows' scores, as if the rows were independent.

    squared: a row's weight multiplies its score, so that its square counts; else the row stands
    so many times.
    """
    total, product, count = np.zeros(()), np.zeros(()), 0.0
    for rows, score in blocks:
        weights = np.ones(len(score)) if data.weights is None else data.weights[rows]
        if squared:
            score, weights = weights[:, None] * score, np.ones(len(score))
        total = total + weights @ score
        product = product + (weights[:, None] * score).T @ score
        count += float(weights.sum())
    return np.asarray(product - np.outer(total, total) / count)


#: What a row's weight means, by the name that `standard_errors` takes: whether its square counts.
WEIGHTS: dict[str, bool] = {"counts": False, "pseudo": True}
