"""Draws of a mixture's parameters, from its posterior or its prior."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..families import Family
from ..kernels.e_step.contract import Parameters
from ..utils.display import Displayed
from ..utils.matrices import diagonals
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Draws(Displayed):
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
            covariances = diagonals(covariances).copy()
        return cls(flat("pi", "component"), flat("mu", "component", "feature"), covariances)

    def _title(self) -> str:
        return f"{len(self)} draws of a mixture of {self.n_components} components"

    def _lines(self) -> list[tuple[str, str]]:
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
        if n_draws is None or check_integer("n_draws", n_draws, 1) >= len(self):
            return self
        return self.at(np.linspace(0, len(self) - 1, n_draws).round().astype(int))

    def at(self, index: IntArray) -> Draws:
        """The draws at those positions."""
        return Draws(self.weights[index], self.means[index], self.covariances[index])

    def permuted(self, permutations: IntArray) -> Draws:
        """Component j of draw s becomes what component permutations[s, j] was; (S, K)."""
        rows = np.arange(len(self))[:, None]
        return Draws(*(a[rows, permutations] for a in (self.weights, self.means, self.covariances)))

    def parameters(self, center: FloatArray) -> Iterator[Parameters]:
        """The parameters of every draw in turn, means relative to `center`."""
        for pi, mu, sigma in zip(self.weights, self.means, self.covariances, strict=True):
            yield Parameters(pi, mu - center, sigma)
