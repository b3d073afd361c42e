"""The M-step of EM, compiled; a prior enters it as pseudo-data.

`hyper` packs a prior in centred coordinates: [a, nu, kappa0, b0 (d), B0 (d, d), L (d, d),
Psi (d, d)], with L the lower Cholesky factor of B0; an empty array is no prior. kappa0 = 0: the
means are independent of the covariances; else they have covariance Sigma_k / kappa0, and B0 is not
used. A random scale that is integrated out (`mixture/integrated_scale.py`) follows after Psi, or an
LKJ prior, for which nu + d + 1 is -2 (eta - 1), and Psi 0 (`lkj_step.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from ..families.m_steps import WARM_START, call_m_step
from ..families.matrices import CODES, Codes
from ..kernels.calls import caller, uncounted
from ..kernels.cholesky import cholesky, solve
from ..kernels.compilation import BOOL, F1, F2, F3, FLOAT, INT, R1, inlined, part, typed
from ..kernels.e_step.arrays import MIXTURE, STATISTICS
from ..mixture.log_prior import differ, of_lkj, write_scale
from .lkj_step import call_lkj_step

# A component that holds less than this many rows has emptied.
SMALLEST_COUNT = 1e-8


class Maximisation(NamedTuple):
    """What an M-step makes of statistics: the family, its addresses, ridge and bound.

    m_step is the address of the family's M-step, prior_means that of `prior_means`, or 0 without a
    prior, lkj_step that of `lkj_step`, or 0 without that prior. ridge is added to every variance;
    ratio is the largest of any two eigenvalues.
    """

    m_step: int
    prior_means: int
    lkj_step: int
    codes: Codes
    ridge: float
    ratio: float


_MAXIMISATION = typed(Maximisation, INT, INT, INT, CODES, FLOAT, FLOAT)
MAXIMISE = INT(_MAXIMISATION, R1, STATISTICS, INT, BOOL, BOOL, WARM_START, MIXTURE)
call_maximise = caller(MAXIMISE)
MEANS = nb.void(R1, F1, F2, F3, F2)
_call_means = caller(MEANS)


@part(MAXIMISE, level=1)
def maximise(how, hyper, statistics, sweeps, first, warm, start, new):  # type: ignore[no-untyped-def]
    """Write the M-step's mixture; return the first empty component, or -1.

    With a prior that is not conjugate, means and covariances are maximised in turn (ECM: Meng &
    Rubin 1993, Biometrika 80, 267-278), the means given the previous covariances; first: there
    are none yet. So is a random scale that is integrated out, at its expectation given these.
    """
    statistics, start, new = uncounted((statistics, start, new))
    counts, means, scatters = statistics
    weights, new_means, covariances = new
    n_components, rows, d = scatters.shape
    prior, lkj = len(hyper) > 0, of_lkj(hyper)
    concentration = hyper[0] if prior else 1.0
    strength = hyper[2] if prior else 0.0
    share = 1.0 if differ(how.codes) else 1.0 / n_components
    pseudo_counts = np.empty(n_components)
    pseudo = np.empty((n_components, rows, d)) if prior else scatters
    n_scaled = d if prior else 0
    psi = np.empty((n_scaled, n_scaled))
    total = 0.0
    empty = -1
    for k in range(n_components):
        if not (prior and not lkj) and not counts[k] > SMALLEST_COUNT and empty < 0:
            empty = k
        total += counts[k] + concentration - 1.0
    for k in range(n_components):
        weights[k] = (counts[k] + concentration - 1.0) / total
        pseudo_counts[k] = counts[k] + (share * (hyper[1] + d + 1.0) if prior else 0.0)
        if strength > 0.0:
            pseudo_counts[k] += 1.0  # of the mean's own density
    turns = 2 if prior and first and strength == 0.0 else 1
    for turn in range(turns):
        if prior and turns - turn == 1:
            _call_means(how.prior_means, (hyper, counts, means, covariances, new_means))
        else:
            for k in range(n_components):
                for j in range(d):
                    new_means[k, j] = means[k, j]
        if prior:
            write_scale(hyper, how.codes, covariances, not first or turn == 1, psi)
            _write_pseudo_scatters(hyper, psi, share, statistics, new_means, pseudo)
        if empty < 0 and lkj:
            call_lkj_step(
                how.lkj_step,
                (
                    how.codes, hyper[3 + d + 3 * d * d :], pseudo_counts, pseudo,
                    not first or turn == 1, covariances,
                ),
            )  # fmt: skip
        elif empty < 0:
            call_m_step(
                how.m_step,
                (
                    how.codes, how.ratio, pseudo_counts, pseudo, sweeps, warm or turn == 1, start,
                    covariances,
                ),
            )  # fmt: skip
    if how.ridge > 0.0:
        for k in range(n_components):
            for j in range(d):
                covariances[k, 0 if rows < d else j, j] += how.ridge
    return empty


@inlined
def _write_pseudo_scatters(hyper, psi, share, statistics, new_means, pseudo):  # type: ignore[no-untyped-def]
    """The scatters about the new means, with what the prior adds to them."""
    counts, means, scatters = statistics
    n_components, rows, d = scatters.shape
    strength = hyper[2]
    for k in range(n_components):
        for i in range(rows):
            for j in range(d if rows < d else i + 1):
                q = j if rows < d else i
                shift = counts[k] * (new_means[k, q] - means[k, q])
                v = scatters[k, i, j] + shift * (new_means[k, j] - means[k, j])
                shift = strength * (new_means[k, q] - hyper[3 + q])
                v += shift * (new_means[k, j] - hyper[3 + j])
                v += share * psi[q, j]
                pseudo[k, i, j] = v
                if rows == d:
                    pseudo[k, j, i] = v


@part(MEANS)
def prior_means(hyper, counts, means, covariances, out):  # type: ignore[no-untyped-def]
    """Mode of the means given the covariances: b0 + n B0 (Sigma + n B0)^-1 (xbar - b0).

    For the conjugate prior, whatever the covariances, b0 + n / (kappa0 + n) (xbar - b0).
    """
    n_components, rows, d = covariances.shape
    strength = hyper[2]
    b0 = hyper[3 : 3 + d]
    if strength > 0.0:
        for k in range(n_components):
            for i in range(d):
                out[k, i] = b0[i] + counts[k] / (strength + counts[k]) * (means[k, i] - b0[i])
        return
    spread = hyper[3 + d : 3 + d + d * d].reshape((d, d))
    matrix = np.empty((d, d))
    lower = np.empty((d, d))
    v = np.empty(d)
    for k in range(n_components):
        for i in range(d):
            for j in range(d):
                sigma = covariances[k, i, j] if rows == d else 0.0
                if rows < d and i == j:
                    sigma = covariances[k, 0, j]
                matrix[i, j] = sigma + counts[k] * spread[i, j]
        cholesky(matrix, lower)
        for i in range(d):
            v[i] = means[k, i] - b0[i]
        solve(lower, v)
        for i in range(d):
            shift = 0.0
            for j in range(d):
                shift += spread[i, j] * v[j]
            out[k, i] = b0[i] + counts[k] * shift
