"""The pass over many rows on one thread, for callers that are compiled.

A sampler's density makes it, on as many threads as there are chains. The forms are those of
`expected_statistics`, called by their addresses. Pairs of a row and a component that do not matter
can be left out of it (Neal & Hinton 1998, section 4, do so in EM): most of the work, where
components are well separated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...utils.types import FloatArray, IntArray
from ..calls import caller
from ..compilation import F1, F2, FLOAT, I2, INT, R1, inlined, part, typed
from .accuracy import OF_FACTORS
from .arrays import MIXTURE, PASS_PARTS, STATISTICS, EachRow, Moments, View
from .centred import call_centred
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
from .quadratic import (
    QUADRATIC_LIMIT,
    QUADRATIC_MAX_COLUMNS,
    call_quadratic,
    decode,
    number_of_features,
)


class ManyRows(NamedTuple):
    """Rows (n, d) as they are, with their columns' center and scale (d,).

    weights (n,) is empty where all count once; log_unit is the sum of their logarithms of the
    unit's volume, which the log-likelihood is without.

    Where owned (K, F) is not empty, there are only rows between components, and owned has the
    sums of the features of the rows that belong to one alone. A segment has the rows that it is
    for, the number of components that matter to them, and which: start, stop, number, k, k, ...
    Narrow components then need a pass over all rows: the value is NO_CENTRED for this as well.
    """

    values: FloatArray
    owned: FloatArray
    segments: IntArray
    center: FloatArray
    scale: FloatArray
    weights: FloatArray
    log_unit: float


MANY_ROWS = typed(ManyRows, F2, F2, I2, R1, R1, R1, FLOAT)
MANY = INT(PASS_PARTS, MANY_ROWS, MIXTURE, STATISTICS, F1)
call_many_rows_pass = caller(MANY)
BLOCK = 256


@part(MANY)
def many_rows_pass(parts, rows, mixture, statistics, result):  # type: ignore[no-untyped-def]
    """Write the statistics of a mixture; result and value as of `few_rows_pass`."""
    n_components, height, d = mixture.covariances.shape
    diagonal = height < d
    n_all = len(mixture.weights)  # with the noise, if there is any
    components, precision = workspace(n_all, mixture.covariances)
    bad = prepare(parts.factoring, rows.scale, mixture, components, precision, result)
    if bad >= 0:
        return bad
    view = View(rows.center, 1.0 / rows.scale, rows.weights)
    moments = Moments(np.zeros(n_all), np.zeros((n_all, d)), np.zeros((n_all, height, d)))
    about = components.means
    certainty = np.zeros(1)
    if result[LOSS] < QUADRATIC_LIMIT and (diagonal or d <= QUADRATIC_MAX_COLUMNS):
        theta = np.empty((n_all, number_of_features(d, diagonal)))
        sums = np.zeros(theta.shape)
        encode_any(components, precision, theta)
        loglik = quadratic_sums(parts.quadratic, rows, view, theta, diagonal, sums, certainty)
        decode(sums, diagonal, moments.first, moments.second)
        for k in range(n_all):
            moments.counts[k] = sums[k, 0]
            for j in range(d):
                about[k, j] = 0.0  # its moments are about the centre
    elif parts.centred == 0 or rows.owned.size > 0:
        return NO_CENTRED
    else:
        result[LOSS] = OF_FACTORS * np.sqrt(result[LOSS])
        loglik = call_centred(
            parts.centred,
            (
                rows.values, view, components, True, 0, len(rows.values), BLOCK, moments,
                EachRow(np.empty(0), np.empty((0, 0))), certainty,
            ),
        )  # fmt: skip
    result[LOGLIK] = loglik - rows.log_unit
    result[LOG_CERTAINTY] = certainty[0]
    statistics.counts[:] = moments.counts[:n_components]
    of_components = Moments(
        statistics.counts, moments.first[:n_components], moments.second[:n_components]
    )
    central_moments(of_components, about, rows.scale, statistics.means, statistics.scatters)
    return MADE


@inlined
def quadratic_sums(quadratic, rows, view, theta, diagonal, sums, certainty):  # type: ignore[no-untyped-def]
    """Add all rows, or the pairs that matter, to sums (K, F), and return their log-likelihood."""
    n_components, n_features = theta.shape
    owned, segments = rows.owned, rows.segments
    none = EachRow(np.empty(0), np.empty((0, 0)))
    loglik = 0.0
    if owned.size == 0:
        loglik = call_quadratic(
            quadratic,
            (rows.values, view, theta, diagonal, 0, len(rows.values), BLOCK, sums, none, certainty),
        )
    for k in range(len(owned)):
        for f in range(n_features):
            loglik += theta[k, f] * owned[k, f]
            sums[k, f] += owned[k, f]
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
                rows.values, view, some[:number], diagonal, start, stop, BLOCK, of_some[:number],
                none, certainty,
            ),
        )  # fmt: skip
        for i in range(number):
            k = segments[s, 3 + i]
            for f in range(n_features):
                sums[k, f] += of_some[i, f]
    return loglik
