"""Rows drawn from a mixture's parameters, and responsibilities a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..data.data import Data
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..utils.types import FloatArray, IntArray

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
