"""A block of rows after the softmax: sums of log densities, row weights, results by row."""

from __future__ import annotations

from ..compilation import inlined


@inlined
def weigh(row_weights, start, m, peak, total, logits, certainty):  # type: ignore[no-untyped-def]
    """The weighted sum of the log densities, total (m,); multiplies responsibilities by weights.

    row_weights (n,) is empty where all count once. The logarithms of the largest responsibilities
    are added to certainty (1,).
    """
    loglik = 0.0
    peaks = 0.0
    if row_weights.shape[0] == 0:
        for r in range(m):
            loglik += total[r]
            peaks += peak[r]
    else:
        for r in range(m):
            loglik += row_weights[start + r] * total[r]
            peaks += row_weights[start + r] * peak[r]
        for k in range(logits.shape[0]):
            for r in range(m):
                logits[k, r] *= row_weights[start + r]
    certainty[0] += peaks - loglik
    return loglik


@inlined
def write_rows(start, m, total, logits, each):  # type: ignore[no-untyped-def]
    """Write what is asked of each row."""
    if each.log_density.shape[0] > 0:
        for r in range(m):
            each.log_density[start + r] = total[r]
    if each.resp.shape[0] > 0:
        for r in range(m):
            for k in range(logits.shape[0]):
                each.resp[start + r, k] = logits[k, r]
