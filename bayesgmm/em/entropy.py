"""The entropy of a fit's responsibilities, which ICL takes off."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from ..data.data import Data
from ..kernels.e_step.log_joint import expected_log_joint
from ..mixture.of_parameters import responsibility_blocks
from .run import EMResult

# Rounding error of an entropy, per row, that is too small to matter.
_NEGLIGIBLE = 1e-9


def entropy_of(result: EMResult, data: Data) -> float:
    """Entropy of the responsibilities, summed over the rows: log-likelihood less EM's Q.

    (Hathaway 1986, Stat. Prob. Lett. 4, 53-56.) Where narrow components leave the difference no
    digits, it is summed row by row.
    """
    p = result.parameters
    if len(p.weights) == 1:
        return 0.0
    joint, rounding = expected_log_joint(p, result.statistics, data.scale)
    if rounding < _NEGLIGIBLE * data.total:
        return max(result.loglik - joint, 0.0)
    entropy, weights = 0.0, data.counted
    for block, resp in responsibility_blocks(data, p):
        of_rows = -np.sum(xlogy(resp, resp), axis=1)
        entropy += float(of_rows.sum() if weights is None else weights[block] @ of_rows)
    return entropy
