"""The pass over many rows on one thread, for callers that are compiled.

A sampler's density makes it, on as many threads as there are chains. The forms are those of
`expected_statistics`, called by their addresses. Pairs of a row and a component that do not matter
can be left out of it (Neal & Hinton 1998, section 4, do so in EM): most of the work, where
components are well separated.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..calls import caller
from ..compilation import F1, F2, F3, I2, R1, inlined, part
from .accuracy import OF_FACTORS
from .moments import central_moments
from .preparation import (
    LOG_CERTAINTY,
    LOGLIK,
    LOSS,
    MADE,
    NO_CENTRED,
    encode_any,
    prepare,
    workspace,
)
from .quadratic import QUADRATIC_LIMIT, QUADRATIC_MAX_COLUMNS, decode, number_of_features

_I, _F, _B = nb.int64, nb.float64, nb.boolean
_ROWS = nb.types.Array(nb.float64, 2, "A", readonly=True)
call_quadratic = caller(_F(_ROWS, R1, R1, F2, _B, _I, _I, _I, F1, F2, F1, F2, F1))
_call_centred = caller(
    _F(_ROWS, R1, R1, F1, F2, F3, _B, F1, _I, _I, _I, F1, F1, F2, F3, F1, F2, F1)
)
MANY = _I(_I, _I, _I, F2, F2, I2, R1, R1, F1, _F, F1, F2, F3, F1, F2, F3, F1)
call_many_rows_pass = caller(MANY)
BLOCK = 256


@part(MANY)
def many_rows_pass(  # type: ignore[no-untyped-def]
    factoring, quadratic, centred, x, settled, segments, center, scale, row_weights, log_unit,
    weights, means, covariances, counts, centers, scatters, result,
):  # fmt: skip
    """Write the statistics of a mixture; arguments, result and value as of `few_rows_pass`.

    x (n, d) are the rows as they are; row_weights (n,) is empty where all count once.

    Where settled (K, F) is not empty, x holds only rows between components, and settled the sums
    of the features of the rows that belong to one alone. A segment says of which rows of x it
    speaks, how many components matter there, and which: start, stop, number, k, k, ... Narrow
    components then want a pass over all rows, and ask for it as for the centred form.
    """
    n, d = x.shape
    n_components, rows, _ = covariances.shape
    log_weights, z, factors, half_log_dets, precision = workspace(covariances)
    bad = prepare(
        factoring, scale, weights, means, covariances, log_weights, z, factors, half_log_dets,
        precision, result,
    )  # fmt: skip
    if bad >= 0:
        return bad
    diagonal = rows < d
    inverse_scale = 1.0 / scale
    first = np.zeros((n_components, d))
    second = np.zeros((n_components, rows, d))
    certainty = np.zeros(1)
    none = np.empty(0)
    if result[LOSS] < QUADRATIC_LIMIT and (diagonal or d <= QUADRATIC_MAX_COLUMNS):
        theta = np.empty((n_components, number_of_features(d, diagonal)))
        sums = np.zeros(theta.shape)
        encode_any(log_weights, z, precision, half_log_dets, theta)
        loglik = _quadratic_sums(
            quadratic, x, settled, segments, center, inverse_scale, row_weights, theta, diagonal,
            sums, certainty,
        )  # fmt: skip
        decode(sums, diagonal, first, second)
        for k in range(n_components):
            counts[k] = sums[k, 0]
            for j in range(d):
                z[k, j] = 0.0  # its moments are about the centre
    elif centred == 0 or settled.size > 0:
        return NO_CENTRED
    else:
        result[LOSS] = OF_FACTORS * np.sqrt(result[LOSS])
        for k in range(n_components):
            counts[k] = 0.0
        loglik = _call_centred(
            centred,
            (
                x, center, inverse_scale, log_weights, z, factors, True, half_log_dets, 0, n,
                BLOCK, row_weights, counts, first, second, none, np.empty((0, 0)), certainty,
            ),
        )  # fmt: skip
    result[LOGLIK] = loglik - log_unit
    result[LOG_CERTAINTY] = certainty[0]
    central_moments(counts, first, second, z, scale, centers, scatters)
    return MADE


@inlined
def _quadratic_sums(  # type: ignore[no-untyped-def]
    quadratic, x, settled, segments, center, inverse_scale, row_weights, theta, diagonal,
    sums, certainty,
):  # fmt: skip
    """Add all rows, or the pairs that matter, to sums (K, F), and return their log-likelihood."""
    n_components, n_features = theta.shape
    none, no_resp = np.empty(0), np.empty((0, 0))
    loglik = 0.0
    if settled.size == 0:
        loglik = call_quadratic(
            quadratic,
            (
                x, center, inverse_scale, theta, diagonal, 0, len(x), BLOCK, row_weights, sums,
                none, no_resp, certainty,
            ),
        )  # fmt: skip
    for k in range(len(settled)):
        for f in range(n_features):
            loglik += theta[k, f] * settled[k, f]
            sums[k, f] += settled[k, f]
    some = np.empty((n_components, n_features))
    of_some = np.empty((n_components, n_features))
    for s in range(len(segments)):
        start, stop, number = segments[s, 0], segments[s, 1], segments[s, 2]
        for i in range(number):
            k = segments[s, 3 + i]
            for f in range(n_features):
                some[i, f] = theta[k, f]
                of_some[i, f] = 0.0
        loglik += call_quadratic(
            quadratic,
            (
                x, center, inverse_scale, some[:number], diagonal, start, stop, BLOCK,
                row_weights, of_some[:number], none, no_resp, certainty,
            ),
        )  # fmt: skip
        for i in range(number):
            k = segments[s, 3 + i]
            for f in range(n_features):
                sums[k, f] += of_some[i, f]
    return loglik
