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

if TYPE_CHECKING:
    import xarray as xr

# Numbers held at a time when rows meet draws: 64 MiB.
_BLOCK_NUMBERS = 2**23


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


def log_densities(data: Data, draws: Draws) -> Iterator[tuple[slice, FloatArray]]:
    """Blocks of rows with their log density under every draw, (S, rows of the block)."""
    for rows, block in row_blocks(data, len(draws)):
        values = np.empty((len(draws), block.n))
        for s, parameters in enumerate(draws.parameters(data.center)):
            values[s] = evaluate(block, parameters)[0]
        yield rows, values


def mean_responsibilities(data: Data, draws: Draws) -> FloatArray:
    """Posterior mean of the responsibilities, (n, K)."""
    total = np.zeros((data.n, draws.n_components))
    for parameters in draws.parameters(data.center):
        total += evaluate(data, parameters, responsibilities=True)[1]
    return total / len(draws)


def occupied(
    data: Data, draws: Draws, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Components that hold at least one row, in an allocation drawn for every draw, (S,)."""
    counts = np.empty(len(draws), dtype=np.intp)
    for s, parameters in enumerate(draws.parameters(data.center)):
        edges = evaluate(data, parameters, responsibilities=True)[1].cumsum(axis=1)
        above = rng.random((data.n, 1)) * edges[:, -1:] >= edges
        counts[s] = len(np.unique(above.sum(axis=1)))
    return counts
