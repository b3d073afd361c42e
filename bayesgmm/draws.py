"""Draws of a posterior or a prior as mixtures: what reads the data once per draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .data import Data
from .facts import Shown
from .families import Family
from .kernels import Parameters, evaluate
from .kernels.contract import FloatArray
from .kernels.each import evaluate_each
from .kernels.factor import inverse_factors
from .kernels.quadratic import quadratic_pass
from .kernels.threads import default_threads, for_each_chunk

if TYPE_CHECKING:
    import xarray as xr

# Numbers held at a time when rows meet draws: 64 MiB.
_BLOCK_NUMBERS = 2**23
# Rows up to which draws are evaluated many at a time, and calls into which these are divided.
_FEW_ROWS, _CALLS = 20_000, 16


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Draws(Shown):
    """Parameters of S draws, chains one after another.

    weights (S, K); means (S, K, d) in the data's units; covariances (S, K, d, d), or variances
    (S, K, d) for a diagonal family.
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    @classmethod
    def from_dataset(cls, posterior: xr.Dataset, family: Family) -> Draws:
        """The draws of pi, mu and Sigma in a posterior group."""

        def flat(name: str, *dims: str) -> FloatArray:
            array = posterior[name].transpose("chain", "draw", *dims).to_numpy()
            return np.ascontiguousarray(array.reshape(-1, *array.shape[2:]), dtype=np.float64)

        covariances = flat("Sigma", "component", "feature", "feature_bis")
        if family.diagonal:
            covariances = np.diagonal(covariances, axis1=2, axis2=3).copy()
        return cls(flat("pi", "component"), flat("mu", "component", "feature"), covariances)

    def _title(self) -> str:
        return f"{len(self)} draws of a mixture of {self.n_components} components"

    def _facts(self) -> list[tuple[str, str]]:
        arrays = {"weights": self.weights, "means": self.means, "covariances": self.covariances}
        return [(name, f"array {array.shape}") for name, array in arrays.items()]

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return int(self.weights.shape[1])

    def thinned(self, n_draws: int | None) -> Draws:
        """At most n_draws of them, evenly spaced."""
        if n_draws is None or n_draws >= len(self):
            return self
        if n_draws < 1:
            raise ValueError(f"n_draws is {n_draws}: use at least one draw.")
        return self.at(np.linspace(0, len(self) - 1, n_draws).round().astype(int))

    def at(self, index: NDArray[np.intp]) -> Draws:
        """The draws at those positions."""
        return Draws(self.weights[index], self.means[index], self.covariances[index])

    def permuted(self, permutations: NDArray[np.intp]) -> Draws:
        """Component j of draw s becomes what component permutations[s, j] was; (S, K)."""
        rows = np.arange(len(self))[:, None]
        return Draws(*(a[rows, permutations] for a in (self.weights, self.means, self.covariances)))

    def parameters(self, center: FloatArray) -> Iterator[Parameters]:
        """Every draw in the coordinates centred there."""
        for pi, mu, sigma in zip(self.weights, self.means, self.covariances, strict=True):
            yield Parameters(pi, mu - center, sigma)


def fits_in_memory(numbers: int) -> bool:
    """Whether so many numbers may be held at a time: 64 MiB of them."""
    return numbers <= _BLOCK_NUMBERS


def row_blocks(data: Data, per_row: int) -> Iterator[tuple[slice, Data]]:
    """The rows in blocks, so that per_row numbers for each of a block's rows fit in memory."""
    size = max(1, _BLOCK_NUMBERS // per_row)
    for start in range(0, data.n, size):
        rows = slice(start, min(start + size, data.n))
        yield rows, replace(data, values=data.values[rows])


def responsibilities(data: Data, draws: Draws) -> Iterator[FloatArray]:
    """Responsibilities of the rows under every draw in turn, (n, K)."""
    for _, resp in _evaluated(data, draws, responsibilities=True):
        yield resp


def log_densities(data: Data, draws: Draws) -> Iterator[tuple[slice, FloatArray]]:
    """Blocks of rows with their log density under every draw, (S, rows of the block)."""
    for rows, block in row_blocks(data, len(draws)):
        values = np.empty((len(draws), block.n))
        for s, (value, _) in enumerate(_evaluated(block, draws, responsibilities=False)):
            values[s] = value
        yield rows, values


def _evaluated(
    data: Data, draws: Draws, *, responsibilities: bool
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Log densities (n,), and responsibilities (n, K) or an empty array, of every draw in turn.

    What `evaluate` gives. Under few rows its call would cost more than what it does, so draws are
    evaluated many at a time, as many as fit in memory.
    """
    few = data.n <= _FEW_ROWS
    step = max(1, _BLOCK_NUMBERS // (data.n * (1 + draws.n_components))) if few else 1
    for start in range(0, len(draws), step):
        some = draws.at(np.arange(start, min(start + step, len(draws))))
        if few:
            yield from zip(*_evaluate_all(data, some, responsibilities), strict=True)
        else:
            [parameters] = some.parameters(data.center)
            yield evaluate(data, parameters, responsibilities=responsibilities)


def _evaluate_all(
    data: Data, draws: Draws, responsibilities: bool
) -> tuple[FloatArray, list[FloatArray] | FloatArray]:
    """Log densities (S, n), and responsibilities (S, n, K) or empty arrays."""
    size, n, k = len(draws), data.n, draws.n_components
    x = np.ascontiguousarray(data.values, dtype=np.float64)
    means, covariances = draws.means - data.center, draws.covariances
    if covariances.ndim == 3:
        covariances = covariances[:, :, None, :]
    density = np.empty((size, n))
    resp = np.empty((size, n, k) if responsibilities else (0, 0, 0))
    log_unit = float(np.sum(np.log(data.scale)))
    mixtures = [np.ascontiguousarray(a) for a in (draws.weights, means, covariances)]
    parts = inverse_factors.address, quadratic_pass.version(np.float64).address
    bounds = np.linspace(0, size, _CALLS + 1).astype(int)

    def work(call: int) -> None:
        s, stop = int(bounds[call]), int(bounds[call + 1])
        while s < stop:
            s = int(
                evaluate_each(
                    *parts, s, stop, x, data.center, data.scale, log_unit, *mixtures, density, resp
                )
            )
            if s < stop:  # this one wants the centred form
                one = Parameters(draws.weights[s], means[s], draws.covariances[s])
                density[s], found = evaluate(
                    data, one, responsibilities=responsibilities, n_threads=1
                )
                if responsibilities:
                    resp[s] = found
                s += 1

    for_each_chunk(work, _CALLS, default_threads())
    return density, resp if responsibilities else [np.empty((0, 0))] * size


def mean_responsibilities(data: Data, draws: Draws) -> FloatArray:
    """Posterior mean of the responsibilities, (n, K)."""
    total = np.zeros((data.n, draws.n_components))
    for resp in responsibilities(data, draws):
        total += resp
    return total / len(draws)


def occupied(
    data: Data, draws: Draws, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Components that hold at least one row, in an allocation drawn for every draw, (S,)."""
    counts = np.empty(len(draws), dtype=np.intp)
    for s, resp in enumerate(responsibilities(data, draws)):
        edges = resp.cumsum(axis=1)
        above = rng.random((data.n, 1)) * edges[:, -1:] >= edges
        counts[s] = len(np.unique(above.sum(axis=1)))
    return counts
