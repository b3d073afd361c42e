"""The compiled pass over few rows, from quadratic features that are computed once for all passes.

EM's loop makes it, and a sampler's density. Like the pass over many rows it has a form in quadratic
features and one about the components' means, for narrow components; the second is compiled only
when it is needed.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...utils.types import FloatArray
from ..calls import caller, uncounted
from ..compilation import F1, F2, F3, FLOAT, INT, LANES, R1, inlined, jit, part, typed
from ..device.rows import DeviceRows
from ..products import (
    add_outer_product,
    add_squared_lengths,
    add_symmetric_product,
    clear_padding,
    padded,
    product,
)
from ..stored.rows import StoredRows
from .accuracy import OF_FACTORS
from .arrays import COMPONENTS, MIXTURE, PASS_PARTS, STATISTICS, Moments
from .contract import Rows
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
from .quadratic import QUADRATIC_LIMIT, decode
from .softmax import LOG_2PI, softmax
from .weighing import weigh


class FewRows(NamedTuple):
    """Features phi (blocks, F, rows of a block) of n rows; the scale of their columns (d,).

    weights (n,) is empty where all count once; log_unit is the sum of their logarithms of the
    unit's volume, which the log-likelihood is without.
    """

    phi: FloatArray
    n: int
    weights: FloatArray
    scale: FloatArray
    log_unit: float


FEW = typed(FewRows, F3, INT, R1, R1, FLOAT)
_CENTRED = FLOAT(FEW, COMPONENTS, F2, F3, F1)
_call_centred = caller(_CENTRED)
FEW_ROWS = INT(PASS_PARTS, FEW, MIXTURE, STATISTICS, F1)
call_few_rows_pass = caller(FEW_ROWS)

# Features that are kept must stay in the processor's cache: a megabyte of them.
_RESIDENT = 2**17
_BLOCK = 256


class Features:
    """Quadratic features of few rows, computed once for all runs.

    Empty for many rows, rows with missing values, on a device or in chunks: passes read the rows.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @cached_property
    def full(self) -> FloatArray:
        """Features (blocks, (d + 1)(d + 2)/2, rows of a block)."""
        d = self._rows.values.shape[1]
        return self._make([(i, j) for i in range(d) for j in range(i, d)])

    @cached_property
    def diagonal(self) -> FloatArray:
        """Features (blocks, 2 d + 1, rows of a block)."""
        d = self._rows.values.shape[1]
        return self._make([(j, j) for j in range(d)])

    def _make(self, pairs: list[tuple[int, int]]) -> FloatArray:
        rows = self._rows
        n, d = rows.values.shape
        n_features = 1 + d + len(pairs)
        elsewhere = isinstance(rows.values, DeviceRows | StoredRows)
        elsewhere = elsewhere or getattr(rows, "groups", None) is not None
        if n * n_features > _RESIDENT or elsewhere:
            return np.empty((0, 0, 0))
        block = min(-(-n // LANES) * LANES, _BLOCK)
        n_blocks = -(-n // block)
        z = np.zeros((n_blocks * block, d))
        z[:n] = (rows.values - rows.center) / rows.scale
        phi = np.empty((n_blocks, n_features, block))
        for b in range(n_blocks):
            part = z[b * block : (b + 1) * block].T
            phi[b, 0] = 1.0
            phi[b, 1 : 1 + d] = part
            for f, (i, j) in enumerate(pairs, start=1 + d):
                np.multiply(part[i], part[j], out=phi[b, f])
        return phi


@part(FEW_ROWS)
def few_rows_pass(parts, rows, mixture, statistics, result):  # type: ignore[no-untyped-def]
    """Write the statistics of a mixture, and to result (3,) the other results of an E-step.

    These are the log-likelihood, the loss of digits, and the sum of the logarithms of the largest
    responsibilities. A mixture of one proportion more than components has noise, whose proportion
    is times its density in scaled coordinates; statistics are without it. The value is MADE;
    NO_CENTRED where a component is so narrow that the centred form is needed and its address is 0;
    else the first k whose covariance is singular.
    """
    rows, mixture, statistics = uncounted((rows, mixture, statistics))
    n_features = rows.phi.shape[1]
    n_components, height, d = mixture.covariances.shape
    n_all = len(mixture.weights)  # with the noise, if there is any
    components, precision = workspace(n_all, mixture.covariances)
    bad = prepare(parts.factoring, rows.scale, mixture, components, precision, result)
    if bad >= 0:
        return bad
    quadratic = result[LOSS] < QUADRATIC_LIMIT
    if not quadratic:
        result[LOSS] = OF_FACTORS * np.sqrt(result[LOSS])
        if parts.centred == 0:
            return NO_CENTRED
    result[LOG_CERTAINTY] = 0.0
    sums = np.zeros((n_all, n_features))
    second = np.zeros((n_all, height, d))
    about = components.means
    counts, first = statistics.counts, np.empty((n_components, d))
    if quadratic:
        theta = np.empty((n_all, n_features))
        encode_any(components, precision, theta)
        loglik = _quadratic(rows, theta, sums, result)
    else:
        loglik = _call_centred(parts.centred, (rows, components, sums, second, result))
    result[LOGLIK] = loglik - rows.log_unit
    if quadratic:
        decode(sums, height < d, first, second)
    for k in range(n_components):
        counts[k] = sums[k, 0]
        for j in range(d):
            first[k, j] = sums[k, 1 + j]
            if quadratic:
                about[k, j] = 0.0  # its moments are about the centre
    moments = Moments(counts, first, second)
    central_moments(moments, about, rows.scale, statistics.means, statistics.scatters)
    return MADE


@inlined
def _quadratic(rows, theta, sums, result):  # type: ignore[no-untyped-def]
    """Add the rows to sums (K, F) and return their log-likelihood."""
    features, n_rows, row_weights, _, _ = rows
    n_blocks, n_features, block = features.shape
    n_components = len(theta)
    logits = np.empty((n_components, block))
    peak = np.empty(block)
    total = np.empty(block)
    power = np.empty(block)
    certainty = result[LOG_CERTAINTY:]
    loglik = 0.0
    for b in range(n_blocks):
        phi = features[b]
        m = min(block, n_rows - b * block)
        product(theta, phi, m, logits)
        softmax(logits, m, peak, total, power)
        loglik += weigh(row_weights, b * block, m, peak, total, logits, certainty)
        clear_padding(logits, m)
        add_outer_product(logits, phi, m, sums)
    return loglik


@part(_CENTRED)
def centred_form(rows, components, sums, second, result):  # type: ignore[no-untyped-def]
    """The centred form: writes counts and first moments to sums, second moments to second."""
    (features, n_rows, row_weights, _, _), components = uncounted((rows, components))
    log_weights, z, factors, half_log_dets = components
    n_blocks, n_features, block = features.shape
    n_components, height, d = factors.shape
    logits = np.empty((n_components, block))
    delta = np.empty((d, block))
    y = np.empty((d, block))
    peak = np.empty(block)
    total = np.empty(block)
    power = np.empty(block)
    certainty = result[LOG_CERTAINTY:]
    loglik = 0.0
    for b in range(n_blocks):
        phi = features[b]
        m = min(block, n_rows - b * block)
        for k in range(n_components):
            _about(phi, z[k], m, delta)
            for r in range(padded(m)):
                y[0, r] = 0.0
            if height < d:
                for j in range(d):
                    for r in range(m):
                        y[0, r] += (factors[k, 0, j] * delta[j, r]) ** 2
            else:
                add_squared_lengths(factors[k], True, delta, m, y)
            constant = log_weights[k] + half_log_dets[k]
            for r in range(m):
                logits[k, r] = constant - 0.5 * (d * LOG_2PI + y[0, r])
        softmax(logits, m, peak, total, power)
        loglik += weigh(row_weights, b * block, m, peak, total, logits, certainty)
        clear_padding(logits, m)
        for k in range(n_components):
            _about(phi, z[k], m, delta)
            for r in range(m):
                sums[k, 0] += logits[k, r]
            for j in range(d):
                for r in range(padded(m)):
                    y[j, r] = logits[k, r] * delta[j, r]
                    sums[k, 1 + j] += y[j, r]
                if height < d:
                    for r in range(m):
                        second[k, 0, j] += y[j, r] * delta[j, r]
            if height == d:
                add_symmetric_product(y, delta, m, second[k])
    return loglik


@jit()
def _about(features, mean, m, delta):  # type: ignore[no-untyped-def]
    """Write the rows less a mean, from their features 1..d."""
    for j in range(len(mean)):
        for r in range(padded(m)):
            delta[j, r] = features[1 + j, r] - mean[j]
