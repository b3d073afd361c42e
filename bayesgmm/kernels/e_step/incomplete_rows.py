"""The pass over rows of which values are missing, for callers that are compiled.

It stands in the place of `many_rows_pass`: the segments are the groups, and the unit's volume is in
the forms' log densities.
"""

from __future__ import annotations

import numpy as np

from ..compilation import inlined, part
from .accuracy import OF_FACTORS
from .arrays import EachRow, MixtureArrays, Moments, View
from .incomplete import call_incomplete
from .incomplete_centred import call_incomplete_centred
from .many_rows import BLOCK, MANY
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


@part(MANY)
def incomplete_rows_pass(parts, rows, mixture, statistics, result):  # type: ignore[no-untyped-def]
    """Write the statistics of a mixture; result and value as of `few_rows_pass`.

    parts.quadratic and parts.centred are addresses of the forms for missing values.
    """
    n_components, height, d = mixture.covariances.shape
    diagonal = height < d
    n_all = len(mixture.weights)  # with the noise, if there is any
    components, precision = workspace(n_all, mixture.covariances)
    bad = prepare(parts.factoring, rows.scale, mixture, components, precision, result)
    if bad >= 0:
        return bad
    view = View(rows.center, 1.0 / rows.scale, rows.weights)
    packed = rows.segments.reshape(rows.segments.size)
    moments = Moments(np.zeros(n_all), np.zeros((n_all, d)), np.zeros((n_all, height, d)))
    about = components.means
    none = EachRow(np.empty(0), np.empty((0, 0)))
    certainty = np.zeros(1)
    n = len(rows.values)
    if result[LOSS] < QUADRATIC_LIMIT and (diagonal or d <= QUADRATIC_MAX_COLUMNS):
        theta = np.empty((n_all, number_of_features(d, diagonal)))
        sums = np.zeros(theta.shape)
        encode_any(components, precision, theta)
        loglik = call_incomplete(
            parts.quadratic,
            (rows.values, view, theta, packed, 0, n, BLOCK, sums, none, certainty),
        )
        decode(sums, diagonal, moments.first, moments.second)
        for k in range(n_all):
            moments.counts[k] = sums[k, 0]
            for j in range(d):
                about[k, j] = 0.0  # its moments are about the centre
    elif parts.centred == 0:
        return NO_CENTRED
    else:
        result[LOSS] = OF_FACTORS * np.sqrt(result[LOSS])
        loglik = call_incomplete_centred(
            parts.centred,
            (
                rows.values, view,
                MixtureArrays(mixture.weights, about, _scaled(mixture.covariances, rows.scale)),
                packed, 0, n, BLOCK, moments, none, certainty,
            ),
        )  # fmt: skip
    result[LOGLIK] = loglik
    result[LOG_CERTAINTY] = certainty[0]
    statistics.counts[:] = moments.counts[:n_components]
    of_components = Moments(
        statistics.counts, moments.first[:n_components], moments.second[:n_components]
    )
    central_moments(of_components, about, rows.scale, statistics.means, statistics.scatters)
    return MADE


@inlined
def _scaled(covariances, scale):  # type: ignore[no-untyped-def]
    """Covariances in scaled coordinates."""
    n_components, height, d = covariances.shape
    out = np.empty((n_components, height, d))
    for k in range(n_components):
        for i in range(height):
            for j in range(d):
                out[k, i, j] = covariances[k, i, j] / (scale[j] * scale[i if height == d else j])
    return out
