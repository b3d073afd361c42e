"""The M-step of EM, compiled; a prior enters it as pseudo-data.

`hyper` packs a prior in centred coordinates: [a, nu, kappa0, b0 (d), B0 (d, d), L (d, d),
Psi (d, d)], with L the lower Cholesky factor of B0; an empty array is no prior. kappa0 = 0: the
means are independent of the covariances; else they have covariance Sigma_k / kappa0, and B0 is not
used.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from ..families.m_steps import call_m_step
from ..kernels.calls import caller
from ..kernels.cholesky import cholesky, solve
from ..kernels.compilation import BOOL, F1, F2, F3, FLOAT, INT, R1, part
from ..mixture.log_prior import differ

# A component that holds less than this many rows has emptied.
SMALLEST_COUNT = 1e-8


MAXIMISE = INT(
    INT, INT, INT, INT, INT, R1, FLOAT, FLOAT, F1, F2, F3, INT, BOOL, BOOL, F1, F2, F1, F2, F3,
)  # fmt: skip
call_maximise = caller(MAXIMISE)
MEANS = nb.void(R1, F1, F2, F3, F2)
_call_means = caller(MEANS)


@part(MAXIMISE, level=1)
def maximise(  # type: ignore[no-untyped-def]
    m_step, means_step, volume, shape, orientation, hyper, ridge, ratio, counts, means, scatters,
    sweeps, first, warm, volumes, axes, new_weights, new_means, covariances,
):  # fmt: skip
    """Write the M-step's proportions (K,), means (K, d) and covariances; return an empty k or -1.

    scatters and covariances are (K, d, d), or (K, 1, d) if diagonal. With a prior that is not
    conjugate, means and covariances are maximised in turn (ECM: Meng & Rubin 1993, Biometrika 80,
    267-278), the means given the previous covariances; first: there are none yet. m_step and
    means_step are addresses, of the family's M-step and, with a prior, of `prior_means`.
    """
    n_components, rows, d = scatters.shape
    prior = len(hyper) > 0
    concentration = hyper[0] if prior else 1.0
    strength = hyper[2] if prior else 0.0
    share = 1.0 if differ(volume, shape, orientation) else 1.0 / n_components
    pseudo_counts = np.empty(n_components)
    pseudo = np.empty((n_components, rows, d)) if prior else scatters
    total = 0.0
    empty = -1
    for k in range(n_components):
        if not prior and not counts[k] > SMALLEST_COUNT and empty < 0:
            empty = k
        total += counts[k] + concentration - 1.0
    for k in range(n_components):
        new_weights[k] = (counts[k] + concentration - 1.0) / total
        pseudo_counts[k] = counts[k] + (share * (hyper[1] + d + 1.0) if prior else 0.0)
        if strength > 0.0:
            pseudo_counts[k] += 1.0  # of the mean's own density
    turns = 2 if prior and first and strength == 0.0 else 1
    for turn in range(turns):
        if prior and turns - turn == 1:
            _call_means(means_step, (hyper, counts, means, covariances, new_means))
        else:
            for k in range(n_components):
                for j in range(d):
                    new_means[k, j] = means[k, j]
        if prior:
            for k in range(n_components):
                for i in range(rows):
                    for j in range(d if rows < d else i + 1):
                        q = j if rows < d else i
                        shift = counts[k] * (new_means[k, q] - means[k, q])
                        v = scatters[k, i, j] + shift * (new_means[k, j] - means[k, j])
                        shift = strength * (new_means[k, q] - hyper[3 + q])
                        v += shift * (new_means[k, j] - hyper[3 + j])
                        v += share * hyper[3 + d + 2 * d * d + q * d + j]
                        pseudo[k, i, j] = v
                        if rows == d:
                            pseudo[k, j, i] = v
        if empty < 0:
            call_m_step(
                m_step,
                (
                    volume, shape, orientation, ratio, pseudo_counts, pseudo, sweeps,
                    warm or turn == 1, volumes, axes, covariances,
                ),
            )  # fmt: skip
    if ridge > 0.0:
        for k in range(n_components):
            for j in range(d):
                covariances[k, 0 if rows < d else j, j] += ridge
    return empty


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
