"""The pass over rows with missing values in plain NumPy and SciPy, row by row: obviously right."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from tests.reference_pass import full


def log_joint(rows, parameters, admissible=None):
    """Log pi_k N(x_o | mu_k, Sigma_k) of the columns o that each row has, (n, K)."""
    z = np.asarray(rows.values, dtype=np.float64) - rows.center
    covariances = full(parameters.covariances)
    with np.errstate(divide="ignore"):
        logs = np.tile(np.log(parameters.weights), (len(z), 1))
    for i, row in enumerate(z):
        [o] = np.nonzero(~np.isnan(row))
        for k, sigma in enumerate(covariances if len(o) else []):
            normal = multivariate_normal(parameters.means[k][o], sigma[np.ix_(o, o)])
            logs[i, k] += normal.logpdf(row[o])
    return logs if admissible is None else np.where(admissible, logs, -np.inf)


def expected_statistics(rows, parameters, weights=None, admissible=None):
    """Log-likelihood, counts, means (centred) and scatters (K, d, d), of rows with a value."""
    z = np.asarray(rows.values, dtype=np.float64) - rows.center
    covariances = full(parameters.covariances)
    logs = log_joint(rows, parameters, admissible)
    counted = ~np.isnan(z).all(axis=1)
    if admissible is not None:
        counted |= ~admissible.all(axis=1)
    share = counted * (np.ones(len(z)) if weights is None else weights)
    resp = np.exp(logs - logsumexp(logs, axis=1, keepdims=True)) * share[:, None]
    k, d = parameters.means.shape
    counts, first, second = resp.sum(axis=0), np.zeros((k, d)), np.zeros((k, d, d))
    for i, row in enumerate(z):
        o, m = np.nonzero(~np.isnan(row))[0], np.nonzero(np.isnan(row))[0]
        for c, sigma in enumerate(covariances):
            slope = sigma[np.ix_(m, o)] @ np.linalg.inv(sigma[np.ix_(o, o)])
            filled, spread = row.copy(), np.zeros((d, d))
            filled[m] = parameters.means[c][m] + slope @ (row[o] - parameters.means[c][o])
            spread[np.ix_(m, m)] = sigma[np.ix_(m, m)] - slope @ sigma[np.ix_(o, m)]
            first[c] += resp[i, c] * filled
            second[c] += resp[i, c] * (np.outer(filled, filled) + spread)
    means = first / np.where(counts > 0, counts, 1)[:, None]
    scatters = second - counts[:, None, None] * means[:, :, None] * means[:, None, :]
    return float(share @ logsumexp(logs, axis=1)), counts, means, scatters
