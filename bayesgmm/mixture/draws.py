"""Draws of a mixture's parameters, from its posterior or its prior."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..families import Family
from ..kernels.e_step.contract import Parameters
from ..utils.display import Displayed
from ..utils.matrices import diagonals
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer
from .noise import Noise

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

    @property
    def n_columns(self) -> int:
        """Columns of responsibilities: K, and with noise one more."""
        return self.n_components

    @property
    def shares(self) -> FloatArray:
        """Shares of all rows (S, K), with noise (S, K + 1)."""
        return self.weights

    @property
    def components(self) -> Draws:
        """The draws of what is not noise: all of it here."""
        return self

    def thinned(self, n_draws: int | None) -> Draws:
        """At most n_draws of them, evenly spaced."""
        if n_draws is None or check_integer("n_draws", n_draws, 1) >= len(self):
            return self
        return self.at(np.linspace(0, len(self) - 1, n_draws).round().astype(int))

    def at(self, index: IntArray) -> Draws:
        """The draws at those positions."""
        return Draws(self.weights[index], self.means[index], self.covariances[index])

    def of_rows(self, rows: slice | NDArray[np.integer]) -> Draws:
        """The draws that apply to those rows: all of them are the same for every row."""
        return self

    def permuted(self, permutations: IntArray) -> Draws:
        """Component j of draw s becomes what component permutations[s, j] was; (S, K)."""
        rows = np.arange(len(self))[:, None]
        return Draws(*(a[rows, permutations] for a in (self.weights, self.means, self.covariances)))

    def parameters(self, center: FloatArray) -> Iterator[Parameters]:
        """The parameters of every draw in turn, means relative to `center`."""
        for pi, mu, sigma in zip(self.weights, self.means, self.covariances, strict=True):
            yield Parameters(pi, mu - center, sigma)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NoisyDraws(Draws):
    """Draws of components beside noise: `weights` are those of what is not noise.

    noise_share (S,); noise, its density.
    """

    noise_share: FloatArray
    noise: Noise

    @property
    def n_columns(self) -> int:
        """Columns of responsibilities: K, and the noise's."""
        return self.n_components + 1

    @property
    def shares(self) -> FloatArray:
        """Shares of all rows, (S, K + 1) with that of the noise."""
        noise = self.noise_share[:, None]
        return np.hstack([(1 - noise) * self.weights, noise])

    def at(self, index: IntArray) -> Draws:
        """The draws at those positions."""
        some = self.components.at(index)
        return replace(
            self, weights=some.weights, means=some.means, covariances=some.covariances,
            noise_share=self.noise_share[index],
        )  # fmt: skip

    @property
    def components(self) -> Draws:
        """The draws of what is not noise."""
        return Draws(self.weights, self.means, self.covariances)

    def permuted(self, permutations: IntArray) -> Draws:
        """Component j of draw s becomes what component permutations[s, j] was; (S, K)."""
        some = self.components.permuted(permutations)
        return replace(self, weights=some.weights, means=some.means, covariances=some.covariances)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RowDraws(Draws):
    """Draws under which n rows have densities of their own; pi and mu are averages over the rows.

    log_density (S, n); log_joint (S, n, K), that of the row and its component.
    """

    log_density: FloatArray
    log_joint: FloatArray

    def at(self, index: IntArray) -> Draws:
        """The draws at those positions."""
        return RowDraws(*(getattr(self, f.name)[index] for f in fields(self)))

    def of_rows(self, rows: slice | NDArray[np.integer]) -> Draws:
        """The draws that apply to those rows."""
        return replace(
            self, log_density=self.log_density[:, rows], log_joint=self.log_joint[:, rows]
        )

    def permuted(self, permutations: IntArray) -> Draws:
        """Component j of draw s becomes what component permutations[s, j] was; (S, K)."""
        one = Draws(self.weights, self.means, self.covariances).permuted(permutations)
        joint = np.take_along_axis(self.log_joint, permutations[:, None, :], axis=2)
        return RowDraws(one.weights, one.means, one.covariances, self.log_density, joint)

    def evaluated(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Log densities (n,) and responsibilities (n, K) of the rows under every draw in turn."""
        for density, joint in zip(self.log_density, self.log_joint, strict=True):
            shares = np.exp(joint - joint.max(axis=1, keepdims=True))
            yield density, shares / shares.sum(axis=1, keepdims=True)
