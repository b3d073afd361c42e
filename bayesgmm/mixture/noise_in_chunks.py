"""Passes over rows in chunks beside noise; neither keeps a number for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.data import Data
from ..kernels.e_step.chunk_groups import GroupsOfChunks
from ..kernels.e_step.chunks import Pass, shared_sweeps
from ..kernels.e_step.contract import EStep, Parameters, Rows
from ..kernels.e_step.e_step import pass_over
from ..kernels.e_step.groups import Groups
from ..kernels.stored.rows import StoredRows
from ..utils.types import FloatArray
from .noise import Noise, mixed
from .share_of_noise import MOMENTS, best_share_of, moments_of

_NO_MATRIX = np.empty((0, 0))


def best_share_in_chunks(
    data: Data, parameters: Parameters, noise: Noise, prior: tuple[float, float]
) -> float:
    """The share of noise that is best at these parameters and under this prior, by one sweep.

    Raises
    ------
    DegenerateComponentError
        A component's covariance is singular.
    """
    assert isinstance(data.values, StoredRows)
    return float(shared_sweeps(data.values)(_Ratios(pass_over(data, parameters), noise, prior)))


def statistics_beside(data: Data, parameters: Parameters, noise: Noise, share: float) -> EStep:
    """The results of a pass over rows in chunks, beside this share of noise.

    Statistics are without the noise, and the certainty is 0: it would need responsibilities.

    Raises
    ------
    DegenerateComponentError
        A component's covariance is singular.
    """
    assert isinstance(data.values, StoredRows)
    step: EStep = shared_sweeps(data.values)(_Beside(pass_over(data, parameters), noise, share))
    return step


@dataclass(frozen=True)
class _OfBoth:
    """What passes beside noise have in common: the pass of the components alone."""

    one: Pass
    noise: Noise

    @property
    def center(self) -> FloatArray:
        """As the components' pass, like all that follows."""
        return self.one.center

    @property
    def scale(self) -> FloatArray:
        return self.one.scale

    @property
    def rows(self) -> Rows:
        return self.one.rows

    @property
    def groups(self) -> Groups | GroupsOfChunks | None:
        return self.one.groups

    @property
    def reach(self) -> float:
        return self.one.reach

    @property
    def log_unit(self) -> float:
        return self.one.log_unit

    def write(
        self, x: NDArray[np.floating], log_density: FloatArray, resp: FloatArray,
        groups: Groups | None,
    ) -> None:  # fmt: skip
        """Of the components alone."""
        self.one.write(x, log_density, resp, groups)

    def _of_components(self, x: NDArray[np.floating], groups: Groups | None) -> FloatArray:
        """Log densities (m,) of a chunk's rows under the components alone."""
        found = np.empty(len(x))
        self.one.write(x, found, _NO_MATRIX, groups)
        return found - self.one.log_unit


def _counted(n: int, weights: FloatArray, groups: Groups | None) -> FloatArray:
    """What each of n rows counts for; those that say nothing do not count."""
    counted = weights if len(weights) else np.ones(n)
    return counted if groups is None else counted * ~groups.says_nothing


@dataclass(frozen=True)
class _Ratios(_OfBoth):
    """The best share of noise: sums are moments (bins, terms) of the rows' log ratios."""

    prior: tuple[float, float]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [MOMENTS]

    def add(
        self, x: NDArray[np.floating], weights: FloatArray, sums: Sequence[FloatArray],
        certainty: FloatArray, groups: Groups | None,
    ) -> float:  # fmt: skip
        """Add the moments of a chunk's rows."""
        ratios = self._of_components(x, groups) - self.noise.in_rows(groups)
        sums[0][:] += moments_of(ratios, _counted(len(x), weights, groups))
        return 0.0

    def of_rows(self, sums: Sequence[FloatArray]) -> None:
        """None: the pass that follows sees whether they are the same rows."""

    def step(self, sums: Sequence[FloatArray], loglik: float, log_certainty: float) -> float:
        """The best share."""
        return best_share_of(sums[0], self.prior)


@dataclass(frozen=True)
class _Beside(_OfBoth):
    """The statistics beside a share of noise: the components' sums, and those of what is noise."""

    share: float

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [*self.one.shapes, (1 + len(self.center),)]

    def add(
        self, x: NDArray[np.floating], weights: FloatArray, sums: Sequence[FloatArray],
        certainty: FloatArray, groups: Groups | None,
    ) -> float:  # fmt: skip
        """Add the sums over a chunk's rows; return their log-likelihood in the user's units."""
        of_components = self._of_components(x, groups)
        total, is_noise = mixed(of_components, self.noise.in_rows(groups), self.share)
        counted = _counted(len(x), weights, groups)
        self.one.add(x, counted * (1 - is_noise), sums[:-1], np.zeros(1), groups)
        if groups is None:
            sums[-1][0] += is_noise.sum()
            sums[-1][1:] += np.einsum("i,ij->j", is_noise, (x - self.center) / self.scale)
        return float(np.sum(counted * total))

    def of_rows(self, sums: Sequence[FloatArray]) -> FloatArray | None:
        """Sums (1 + d,) of ones and of the scaled rows, which no mixture changes."""
        of_components = self.one.of_rows(sums[:-1])
        return None if of_components is None else of_components + sums[-1]

    def step(self, sums: Sequence[FloatArray], loglik: float, log_certainty: float) -> Any:
        """The results, from the sums over all rows."""
        return replace(self.one.step(sums[:-1], 0.0, 0.0), loglik=loglik, log_certainty=0.0)
