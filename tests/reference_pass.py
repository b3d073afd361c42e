"""The pass's contract in a dozen lines of plain NumPy and SciPy: slow, and obviously right."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal


def full(covariances):
    """Covariances (K, d, d) from themselves or from variances (K, d)."""
    if covariances.ndim == 2:
        return covariances[:, :, None] * np.eye(covariances.shape[1])
    return covariances


def log_joint(rows, parameters):
    """Log pi_k N(x_i | mu_k, Sigma_k), (n, K)."""
    z = np.asarray(rows.values, dtype=np.float64) - rows.center
    covariances = full(parameters.covariances)
    with np.errstate(divide="ignore"):
        return np.column_stack(
            [
                np.log(parameters.weights[k])
                + multivariate_normal(parameters.means[k], covariances[k]).logpdf(z)
                for k in range(len(parameters.weights))
            ]
        )


def responsibilities(rows, parameters):
    """(n, K), rows summing to 1."""
    logs = log_joint(rows, parameters)
    return np.exp(logs - logsumexp(logs, axis=1, keepdims=True))


def expected_statistics(rows, parameters):
    """Log-likelihood, counts, means (centred) and scatters (K, d, d)."""
    z = np.asarray(rows.values, dtype=np.float64) - rows.center
    resp = responsibilities(rows, parameters)
    counts = resp.sum(axis=0)
    means = resp.T @ z / np.where(counts > 0, counts, 1)[:, None]
    scatters = np.array([(resp[:, k, None] * (z - m)).T @ (z - m) for k, m in enumerate(means)])
    return logsumexp(log_joint(rows, parameters), axis=1).sum(), counts, means, scatters
