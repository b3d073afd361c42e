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


def m_step(name, counts, scatters):
    """The closed M-steps, from the table of Celeux & Govaert (1995), (K, d, d); None if not here.

    Written out one by one, so that it shares no line with the library.
    """
    k, d = scatters.shape[:2]
    n, pooled = counts.sum(), scatters.sum(axis=0)
    identity = np.eye(d)
    if name in ("EII", "E"):
        return np.array([np.trace(pooled) / (n * d) * identity] * k)
    if name in ("VII", "V"):
        return np.array(
            [np.trace(w) / (c * d) * identity for w, c in zip(scatters, counts, strict=True)]
        )
    if name == "EEI":
        return np.array([np.diag(np.diag(pooled)) / n] * k)
    if name == "VVI":
        return np.array([np.diag(np.diag(w)) / c for w, c in zip(scatters, counts, strict=True)])
    if name == "EEE":
        return np.array([pooled / n] * k)
    if name == "VVV":
        return np.array([w / c for w, c in zip(scatters, counts, strict=True)])
    return None


def plain_em(x, labels, name, n_iter):
    """EM from labels in plain NumPy, about the data's mean: weights, means, covariances, loglik."""
    center = x.mean(axis=0)
    z = x - center
    resp = np.eye(labels.max() + 1)[labels]
    for _ in range(n_iter + 1):
        counts = resp.sum(axis=0)
        means = resp.T @ z / counts[:, None]
        scatters = np.array([(resp[:, k, None] * (z - m)).T @ (z - m) for k, m in enumerate(means)])
        weights, covariances = counts / counts.sum(), m_step(name, counts, scatters)
        logs = np.column_stack(
            [
                np.log(weights[k]) + multivariate_normal(means[k], covariances[k]).logpdf(z)
                for k in range(len(weights))
            ]
        )
        resp = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    return weights, means + center, covariances, logsumexp(logs, axis=1).sum()


def log_prior_kernel(prior, family, weights, means, covariances):
    """The prior's log density but for its constant, by SciPy and the restricted kernel."""
    d = means.shape[1]
    total = (prior.concentration - 1) * np.log(weights).sum()
    total += multivariate_normal(prior.mean, prior.mean_covariance).logpdf(means).sum()
    for sigma in covariances[: 1 if family.common else None]:
        total -= 0.5 * (prior.dof + d + 1) * np.linalg.slogdet(sigma)[1]
        total -= 0.5 * np.trace(np.linalg.solve(sigma, prior.scale))
    return total
