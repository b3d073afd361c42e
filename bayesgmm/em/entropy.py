"""The uncertainty of a fit's responsibilities: their entropy, and what ICL takes off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.chunks import are_in_chunks, sums_over_chunks
from ..data.data import Data
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.e_step import evaluate
from ..kernels.e_step.log_joint import expected_log_joint
from ..kernels.stored.chunk import Chunk
from ..mixture.noise import Noise, mixed, with_noise_column
from ..mixture.of_parameters import RowsOfChunks
from ..utils.types import FloatArray
from .run import EMResult

# Rounding error of an entropy, per row, that is too small to matter.
_NEGLIGIBLE = 1e-9
# Rows whose probabilities are held at a time.
_BLOCK = 2**18


def entropy_of(result: EMResult, data: Data) -> float:
    """Entropy of the responsibilities, summed over the rows: log-likelihood less EM's Q.

    (Hathaway 1986, Stat. Prob. Lett. 4, 53-56.) Where values are missing, Q has their density too,
    and where narrow components leave the difference no digits it says nothing: then it is summed
    row by row.
    """
    p = result.parameters
    if len(p.weights) == 1:
        return 0.0
    if not data.incomplete:
        joint, rounding = expected_log_joint(p, result.statistics, data.scale)
        if rounding < _NEGLIGIBLE * data.total:
            return max(result.loglik - joint, 0.0)
    return uncertainty(data, p)[0]


def uncertainty(
    data: Data, p: Parameters, noise: Noise | None = None, share: float = 0.0
) -> tuple[float, float]:
    """The entropy of the responsibilities, and the sum of the logarithms of the largest.

    Beside noise with its share these have a column for it.
    """
    if are_in_chunks(data):
        [sums] = sums_over_chunks(data, _Uncertainty(RowsOfChunks.of(data, p, noise, share)))
        return float(sums[0]), float(sums[1])
    entropy, log_map = 0.0, 0.0
    for _, block in data.blocks(len(p.weights) + (noise is not None), _BLOCK):
        of_components, resp = evaluate(block, p, responsibilities=True)
        if noise is not None:
            resp = with_noise_column(resp, mixed(of_components, noise.of_rows(block), share)[1])
        weights = np.ones(block.n) if block.counted is None else block.counted
        of_block = _of_responsibilities(resp, weights)
        entropy, log_map = entropy + of_block[0], log_map + of_block[1]
    return entropy, log_map


def _of_responsibilities(resp: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """The entropy of responsibilities (m, K), and the sum of the logarithms of the largest."""
    logs = np.log(np.where(resp > 0, resp, 1.0))
    entropy = -float(weights @ np.sum(resp * logs, axis=1))
    return entropy, float(weights @ np.log(resp.max(axis=1)))


@dataclass(frozen=True)
class _Uncertainty:
    """The same of a chunk, (2,)."""

    rows: RowsOfChunks

    def __call__(self, chunk: Chunk) -> list[FloatArray]:
        found = np.zeros(2)
        for view, resp, weights in self.rows.blocks(chunk, self.rows.n_columns, _BLOCK):
            groups = view.groups
            counted = weights if groups is None else weights * ~groups.says_nothing
            found += _of_responsibilities(resp, counted)
        return [found]
