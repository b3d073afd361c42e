"""Covariances as volume, shape and orientation, of which the families' names speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..utils.display import Displayed
from ..utils.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Decomposition(Displayed):
    """The parts of covariances Sigma_k = lambda_k D_k A_k D_k'.

    Attributes
    ----------
    volume : array (K,)
        lambda_k = det(Sigma_k)^(1/d).
    shape : array (K, d)
        The diagonals of A_k, in falling order; their product is 1.
    orientation : array (K, d, d)
        Rotations D_k, whose columns are the axes; the largest coordinate of each axis is positive.
    names : tuple of d str
        Column names.
    components : tuple of K int or str
        What the components are called.
    """

    volume: FloatArray
    shape: FloatArray
    orientation: FloatArray
    names: tuple[str, ...]
    components: tuple[int, ...] | tuple[str, ...]

    @property
    def covariances(self) -> FloatArray:
        """The covariances again, (K, d, d)."""
        scaled = self.orientation * (self.volume[:, None] * self.shape)[:, None, :]
        return np.asarray(scaled @ self.orientation.swapaxes(1, 2))

    def to_frame(self) -> pd.DataFrame:
        """One row per component and axis: volume, shape, and the axis in the columns."""
        import pandas as pd

        k, d = self.shape.shape
        index = pd.MultiIndex.from_product(
            [self.components, range(1, d + 1)], names=["component", "axis"]
        )
        table = pd.DataFrame(
            {"volume": np.repeat(self.volume, d), "shape": self.shape.ravel()}, index=index
        )
        axes = self.orientation.swapaxes(1, 2).reshape(k * d, d)
        return table.join(pd.DataFrame(axes, index=index, columns=list(self.names)))

    def _title(self) -> str:
        return "Covariances by volume, shape and orientation"

    def _table(self) -> pd.DataFrame:
        return self.to_frame()


def decomposition(
    covariances: FloatArray,
    names: tuple[str, ...],
    components: tuple[int, ...] | tuple[str, ...],
) -> Decomposition:
    """The decomposition of covariances (K, d, d)."""
    values, axes = np.linalg.eigh(covariances)
    values, axes = values[:, ::-1], axes[:, :, ::-1]
    volume = np.exp(np.mean(np.log(values), axis=1))
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None, :], axis=1)
    return Decomposition(
        volume, values / volume[:, None], axes * np.sign(largest), names, components
    )
