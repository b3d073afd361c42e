"""The density of a mixture and noise together, where the noise's own is the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from ..data.chunks import answers_of_chunks
from ..data.data import Data
from ..kernels.e_step.chunk_groups import GroupsOfChunks, groups_in
from ..kernels.e_step.groups import Groups
from ..kernels.stored.chunk import Chunk
from ..utils.types import FloatArray


class Box(NamedTuple):
    """A box along axes (d, d), orthonormal rows: its ends (d,) there, about a centre (d,)."""

    axes: FloatArray
    low: FloatArray
    high: FloatArray
    center: FloatArray

    @classmethod
    def along(cls, ends: FloatArray) -> Box:
        """The box along the columns between ends (2, d)."""
        center = ends.mean(axis=0)
        return cls(np.eye(ends.shape[1]), ends[0] - center, ends[1] - center, center)

    @property
    def along_columns(self) -> bool:
        """Whether its axes are the columns."""
        return np.array_equal(self.axes, np.eye(len(self.axes)))

    @property
    def log_volume(self) -> float:
        """The logarithm of its volume."""
        return float(np.log(self.high - self.low).sum())

    def rows(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Rows (n, d) drawn uniformly from it."""
        along = rng.uniform(self.low, self.high, (n, len(self.low)))
        return np.asarray(along @ self.axes + self.center)


@dataclass(frozen=True, eq=False)
class Noise:
    """A density that is the same everywhere.

    Attributes
    ----------
    log_density : float
        Its logarithm, of rows that have all values.
    estimated : bool
        Whether it is one over the volume of the rows, and not given.
    ends : array (2, d), optional
        The columns' least and largest values: over these it is integrated where values are missing.
    box : Box, optional
        What it is one over the volume of; None where its density is given.
    """

    log_density: float
    estimated: bool
    ends: FloatArray | None = None
    box: Box | None = None

    @property
    def log_ranges(self) -> FloatArray:
        """Logarithms of the columns' ranges, (d,)."""
        assert self.ends is not None
        return np.asarray(np.log(self.ends[1] - self.ends[0]))

    @property
    def n_parameters(self) -> int:
        """Free parameters: the share, and the volume if it was estimated (mclust counts so)."""
        return 2 if self.estimated else 1

    def of_groups(self, groups: Groups) -> FloatArray:
        """The log density (S,) of the rows of each group.

        It is that of the columns they have, 0 of those that say nothing, and -inf of rows that
        cannot belong to every component: what is known to be of some is no noise.
        """
        out = np.full(len(groups.observed), self.log_density)
        if groups.incomplete:
            out += ~groups.observed @ self.log_ranges
        out[groups.silent] = 0.0
        if groups.admissible is not None:
            out[~groups.admissible.all(axis=1)] = -np.inf
        return out

    def rows(self, n: int, rng: np.random.Generator) -> FloatArray:
        """New rows (n, d) of noise.

        Raises
        ------
        NotImplementedError
            Noise of a given density, which is over nothing in particular.
        """
        if self.box is None:
            raise NotImplementedError(
                "noise of a given density says not where it ends, so that no rows can be drawn of "
                "it: fit with noise=True, or use its mixture (fit.mixture), that of what is not "
                "noise."
            )
        return self.box.rows(n, rng)

    def marginal(self, keep: list[int]) -> Noise:
        """The noise in some of the columns alone.

        Raises
        ------
        NotImplementedError
            It is over a box that is not along the columns.
        """
        if self.box is not None and not self.box.along_columns:
            raise NotImplementedError(
                "noise over a box along the principal axes is not uniform in some of the columns: "
                "fit with missing='marginalize', whose noise is over a box along the columns, or "
                "use its mixture (fit.mixture), that of what is not noise."
            )
        assert self.ends is not None
        dropped = np.delete(np.arange(self.ends.shape[1]), keep)
        density = self.log_density + float(self.log_ranges[dropped].sum())
        ends = self.ends[:, keep]
        return Noise(density, self.estimated, ends, None if self.box is None else Box.along(ends))

    def given(self, rest: list[int]) -> Noise:
        """The noise in some of the columns, given the others: uniform over their ranges."""
        assert self.ends is not None
        box = Box.along(self.ends[:, rest])
        return Noise(-box.log_volume, self.estimated, self.ends[:, rest], box)

    def of_rows(self, data: Data) -> float | FloatArray:
        """The log density of each row (n,), or of all."""
        groups = data.groups
        if isinstance(groups, GroupsOfChunks):
            return np.concatenate(answers_of_chunks(data, _OfChunk(self, groups.elsewhere)))
        return self.in_rows(groups)

    def in_rows(self, groups: Groups | None) -> float | FloatArray:
        """The log density of each row (n,) of some groups, or of all complete ones."""
        if groups is None:
            return self.log_density
        return np.asarray(self.of_groups(groups)[groups.of_rows])


@dataclass(frozen=True)
class _OfChunk:
    """The log density of noise in each row of a chunk."""

    noise: Noise
    groups: GroupsOfChunks

    def __call__(self, chunk: Chunk) -> FloatArray:
        found = self.noise.in_rows(groups_in(self.groups, chunk))
        return np.broadcast_to(found, len(chunk.values))


def mixed(
    of_components: FloatArray, log_noise: float | FloatArray, share: Any
) -> tuple[FloatArray, FloatArray]:
    """Log densities (n,) of components and noise together, and the noise's probabilities (n,)."""
    with np.errstate(divide="ignore"):
        a, b = np.log1p(-share) + of_components, np.log(share) + log_noise
    return np.logaddexp(a, b), expit(b - a)


def with_noise_column(resp: FloatArray, of_noise: FloatArray) -> FloatArray:
    """Responsibilities (n, K + 1) from those of the components alone and the noise's (n,)."""
    of_noise = of_noise[:, None]
    return np.hstack([(1 - of_noise) * resp, of_noise])
