"""Log densities and responsibilities of rows under every draw of a mixture."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..data.blocks import slices
from ..data.data import Data
from ..kernels.cholesky import inverse_factors
from ..kernels.e_step.arrays import MixtureArrays, PassParts, only_read
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..kernels.e_step.many_draws import RowsOfDraws, evaluate_draws
from ..kernels.e_step.quadratic import quadratic_pass
from ..utils.threads import default_threads, for_each_chunk
from ..utils.types import FloatArray, IntArray
from .draws import Draws, NoisyDraws, RowDraws
from .noise import mixed, with_noise_column

# Rows up to which draws are evaluated many at a time, and calls into which these are divided.
_FEW_ROWS, _CALLS = 20_000, 16


def responsibilities(data: Data, draws: Draws) -> Iterator[FloatArray]:
    """Responsibilities of the rows under every draw in turn, (n, K), with noise (n, K + 1)."""
    for _, resp in evaluated(data, draws, responsibilities=True):
        yield resp


def log_densities(data: Data, draws: Draws) -> Iterator[tuple[slice, FloatArray]]:
    """Blocks of rows with their log density under every draw, (S, rows of the block)."""
    for rows, block in data.blocks(len(draws)):
        values = np.empty((len(draws), block.n))
        of_block = draws.of_rows(rows)
        for s, (value, _) in enumerate(evaluated(block, of_block, responsibilities=False)):
            values[s] = value
        yield rows, values


def evaluated(
    data: Data, draws: Draws, *, responsibilities: bool
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Log densities (n,), and responsibilities (n, K) or an empty array, of every draw in turn.

    The numbers are those of `evaluate`. For few rows its call would cost more than its work, so
    draws are evaluated many at a time, as many as fit in memory.
    """
    if isinstance(draws, RowDraws):  # known already
        yield from draws.evaluated()
        return
    few = data.n <= _FEW_ROWS and data.groups is None
    numbers_each = data.n * (1 + draws.n_components)
    for part in slices(len(draws), numbers_each, at_most=None if few else 1):
        some = draws.at(np.arange(part.start, part.stop))
        if few:
            yield from zip(*_evaluate_all(data, some, responsibilities), strict=True)
        else:
            [parameters] = some.parameters(data.center)
            found = evaluate(data, parameters, responsibilities=responsibilities)
            yield _beside_noise(*found, some, data)


def _beside_noise(
    density: FloatArray, resp: FloatArray, draw: Draws, data: Data
) -> tuple[FloatArray, FloatArray]:
    """Log densities and responsibilities of one draw, with its noise if it has any."""
    if not isinstance(draw, NoisyDraws):
        return density, resp
    density, of_noise = mixed(density, draw.noise.of_rows(data), draw.noise_share[0])
    return density, with_noise_column(resp, of_noise) if resp.size else resp


def _evaluate_all(
    data: Data, draws: Draws, responsibilities: bool
) -> tuple[FloatArray, list[FloatArray] | FloatArray]:
    """Log densities (S, n), and responsibilities (S, n, K or K + 1) or empty arrays."""
    size, n, k = len(draws), data.n, draws.n_columns
    x = np.ascontiguousarray(data.values, dtype=np.float64)
    means, covariances = draws.means - data.center, draws.covariances
    if covariances.ndim == 3:
        covariances = covariances[:, :, None, :]
    density = np.empty((size, n))
    resp = np.empty((size, n, k) if responsibilities else (0, 0, 0))
    log_unit = float(np.sum(np.log(data.scale)))
    rows = RowsOfDraws(only_read(x), only_read(data.center), only_read(data.scale), log_unit)
    mixtures = MixtureArrays(
        *(
            only_read(np.ascontiguousarray(a))
            for a in (_weights(draws, log_unit), means, covariances)
        )
    )
    quadratic = quadratic_pass.version(np.float64).address
    parts = PassParts(inverse_factors.address, quadratic, centred=0)
    bounds = np.linspace(0, size, _CALLS + 1).astype(int)

    def work(call: int) -> None:
        s, stop = int(bounds[call]), int(bounds[call + 1])
        while s < stop:
            s = int(evaluate_draws(parts, s, stop, rows, mixtures, density, resp))
            if s < stop:  # this draw needs the centred form
                one = Parameters(draws.weights[s], means[s], draws.covariances[s])
                density[s], found = _beside_noise(
                    *evaluate(data, one, responsibilities=responsibilities, n_threads=1),
                    draws.at(np.array([s])),
                    data,
                )
                if responsibilities:
                    resp[s] = found
                s += 1

    for_each_chunk(work, _CALLS, default_threads())
    return density, resp if responsibilities else [np.empty((0, 0))] * size


def _weights(draws: Draws, log_unit: float) -> FloatArray:
    """The weights as a pass reads them, with noise (S, K + 1) (`kernels/e_step/few_rows.py`)."""
    if not isinstance(draws, NoisyDraws):
        return draws.weights
    share = draws.noise_share[:, None]
    return np.hstack(
        [(1 - share) * draws.weights, share * np.exp(draws.noise.log_density + log_unit)]
    )


def mean_responsibilities(data: Data, draws: Draws) -> FloatArray:
    """Posterior mean of the responsibilities, (n, K), with noise (n, K + 1)."""
    total = np.zeros((data.n, draws.n_columns))
    for resp in responsibilities(data, draws):
        total += resp
    return total / len(draws)


def mean_log_likelihood(data: Data, draws: Draws) -> float:
    """Posterior mean of the log-likelihood, rows counted by their weights."""
    counted, total = data.counted, 0.0
    for rows, values in log_densities(data, draws):
        mean = values.mean(axis=0)
        total += math.fsum(mean if counted is None else counted[rows] * mean)
    return total


def occupied(data: Data, draws: Draws, rng: np.random.Generator) -> IntArray:
    """Number of components that hold a row, in an allocation drawn for every draw, (S,).

    Rows without a value, and noise, are nobody's.
    """
    if data.groups is not None and data.groups.n_silent:
        data = data.take(np.flatnonzero(~data.groups.says_nothing))
    counts = np.empty(len(draws), dtype=np.intp)
    for s, resp in enumerate(responsibilities(data, draws)):
        edges = resp.cumsum(axis=1)
        above = rng.random((data.n, 1)) * edges[:, -1:] >= edges
        found = np.unique(above.sum(axis=1))
        counts[s] = np.count_nonzero(found < draws.n_components)
    return counts
