"""Rows drawn from a mixture's parameters, and responsibilities a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..data.blocks import slices
from ..data.data import Data
from ..kernels.e_step.chunk_groups import GroupsOfChunks
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..kernels.e_step.view import View
from ..kernels.stored.chunk import Chunk
from ..utils.types import FloatArray, IntArray
from .noise import Noise, mixed, with_noise_column

# Responsibilities computed at a time: 2 MiB of them.
_BLOCK = 2**18


def draw_rows(
    parameters: Parameters, n: int, rng: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """Independent rows (n, d) of a mixture, in its means' coordinates, and their components."""
    component = rng.choice(len(parameters.weights), size=n, p=parameters.weights)
    return rows_of_components(parameters, component, rng), component


def rows_of_components(
    parameters: Parameters, component: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Independent rows (n, d), each of the component (n,) that is named."""
    z = rng.standard_normal((len(component), parameters.means.shape[1]))
    for k, sigma in enumerate(parameters.covariances):
        mine = component == k
        root = np.diag(np.sqrt(sigma)) if sigma.ndim == 1 else np.linalg.cholesky(sigma)
        z[mine] = parameters.means[k] + z[mine] @ root.T
    return z


def responsibility_blocks(rows: Data, parameters: Parameters) -> Iterator[tuple[slice, FloatArray]]:
    """The rows' responsibilities a block at a time, so that n x K of them are never held."""
    for block, part in rows.blocks(len(parameters.weights), _BLOCK):
        yield block, evaluate(part, parameters, responsibilities=True)[1]


@dataclass(frozen=True, slots=True)
class RowsOfChunks:
    """How chunks of rows are evaluated where they are: by a mixture, in these coordinates.

    groups: what is known of the rows' groups; noise: what is beside the mixture, with this share.
    """

    parameters: Parameters
    center: FloatArray
    scale: FloatArray
    groups: GroupsOfChunks | None
    noise: Noise | None = None
    share: float = 0.0

    @classmethod
    def of(
        cls, data: Data, parameters: Parameters, noise: Noise | None = None, share: float = 0.0
    ) -> RowsOfChunks:
        """By these parameters, in the coordinates of the data."""
        groups = data.groups
        known = groups.elsewhere if isinstance(groups, GroupsOfChunks) else None
        return cls(parameters, data.center, data.scale, known, noise, share)

    @property
    def n_columns(self) -> int:
        """Columns of the responsibilities: the noise has one too."""
        return len(self.parameters.weights) + (self.noise is not None)

    def blocks(
        self, chunk: Chunk, numbers_each: int, at_most: int
    ) -> Iterator[tuple[View, FloatArray, FloatArray]]:
        """Rows with their groups, responsibilities and weights (m,), as by `slices`.

        Responsibilities are (m, K), or (m, K + 1) with those of the noise.
        """
        for block in slices(len(chunk.values), numbers_each, at_most):
            x = chunk.values[block]
            known = self.groups
            groups = None if known is None else known.of_rows_with(x, chunk.labels[block])
            view = View(x, self.center, self.scale, groups=groups)
            density, resp = evaluate(view, self.parameters, responsibilities=True, n_threads=1)
            if self.noise is not None:
                log_noise = self.noise.in_rows(groups)
                resp = with_noise_column(resp, mixed(density, log_noise, self.share)[1])
            yield view, resp, chunk.weights[block] if len(chunk.weights) else np.ones(len(x))
