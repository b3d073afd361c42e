"""Random hyperparameters integrated out of the prior's density, exactly.

A `Prior` whose concentration or scale is a `Gamma` has a density of (pi, mu, Sigma) alone,

    p(pi, mu, Sigma) = p(mu | Sigma) E_a[Dirichlet(pi | a)] E_psi[p(Sigma | psi)],

and draws of (pi, mu, Sigma) from the posterior are draws under it: the draws of the
hyperparameters are not needed. The expectation over psi = diag(Psi) is in closed form wherever the
density given psi is a product over columns, psi_j^m exp(-c_j psi_j), as it is for full and diagonal
covariances; spherical ones have (sum_j psi_j)^m exp(-c sum_j psi_j), and take one integral of a
smooth function, as the expectation over a does.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammainccinv, gammaincinv, gammaln, logsumexp

from ...families import Family
from ...families.hyperparameters import Gamma
from ...families.log_constants import scale_power
from ...mixture.draws import Draws
from ...mixture.prior import Prior
from ...utils.matrices import diagonals
from ...utils.types import FloatArray

# Nodes of the two integrals. The trapezoidal rule converges exponentially for both: with these the
# error is that of rounding (`tests/posterior/test_integrated_prior.py`).
_NODES = 400
_STEPS = np.arange(0.0, 20.05, 0.1)
# Probability beyond the ends of the integral over a concentration.
_TAIL = 1e-18
# Bisections of the interval of the saddle point, which need not be exact.
_HALVINGS = 50


def log_correction(prior: Prior, family: Family, draws: Draws) -> FloatArray:
    """Log of the prior's density over that with the hyperparameters at their means.

    The latter is `Prior.log_density`.

    Parameters
    ----------
    prior : Prior
        Any; where nothing is random the logs are 0.
    family : Family
        Their family.
    draws : Draws
        S mixtures of the family.

    Returns
    -------
    array (S,)

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import Gamma, Prior
    >>> from bayesgmm.mixture.draws import Draws
    >>> from bayesgmm.families import get_family
    >>> from bayesgmm.posterior.evidence.marginal_prior import log_correction
    >>> prior = Prior.univariate(mean=0, variance=1, shape=3, scale=Gamma(2, 2))
    >>> draws = Draws(np.ones((1, 1)), np.zeros((1, 1, 1)), np.ones((1, 1, 1, 1)))
    >>> log_correction(prior, get_family("V", 1), draws)  # log(24 2^2 / 3^5 exp(1)), s = 1
    array([0.07])
    """
    total = np.zeros(len(draws))
    if isinstance(prior.concentration, Gamma) and draws.n_components > 1:
        total += _over_concentration(prior.concentration, draws.weights)
    if isinstance(prior.scale, Gamma):
        total += _over_scale(prior, prior.scale, family, draws.covariances)
    return total


def _over_concentration(a: Gamma, weights: FloatArray) -> FloatArray:
    """Log of E_a[Dirichlet(pi | a)] over the density at E[a]; weights (S, K).

    As a function of a the Dirichlet's density lies between a^(K - 1) exp(a s) and
    a^((K - 1) / 2) exp(a (s + K log K)) with s = sum_k log pi_k, up to constants, so that the
    integrand's tails lie within those of two gammas.
    """
    k = weights.shape[1]
    logs = np.log(weights).sum(axis=1, keepdims=True)
    slow, fast = a.rate - logs - k * np.log(k), a.rate - logs
    low = np.log(gammaincinv(a.shape + 0.5 * (k - 1), _TAIL) / fast)
    high = np.log(gammainccinv(a.shape + k - 1, _TAIL) / slow)
    log_a = low + (high - low) * np.linspace(0, 1, _NODES)
    values = np.exp(log_a)
    prior = a.shape * np.log(a.rate) - gammaln(a.shape) + a.shape * log_a - a.rate * values
    steps = np.log((high - low)[:, 0] / (_NODES - 1))
    return np.asarray(
        logsumexp(prior + log_dirichlet(values, logs, k), axis=1)
        + steps
        - log_dirichlet(np.asarray(a.mean), logs[:, 0], k)
    )


def log_dirichlet(a: FloatArray, logs: FloatArray, k: int) -> FloatArray:
    """Log density of K proportions whose logs sum to `logs`."""
    return np.asarray(gammaln(k * a) - k * gammaln(a) + (a - 1) * logs)


def _over_scale(prior: Prior, scale: Gamma, family: Family, covariances: FloatArray) -> FloatArray:
    """Log of E_psi[p(Sigma | psi)] over the density at E[psi]."""
    precisions = _precisions(covariances[:, :1] if family.common else covariances)
    rates = 0.5 * precisions.sum(axis=1)
    power = scale_power(prior.inverse_wishart.dof, family, covariances.shape[1], prior.d)
    means = np.asarray(scale.mean)
    if family.one_scale:  # t / h of one gamma t, whose mean is its shape
        one, mean = Gamma(scale.shape, 1.0), scale.shape
        rate = (rates / scale.rate).sum(axis=1)
        total = power * prior.d
        return _log_moment(one, total, rate) - total * np.log(mean) + rate * mean
    if family.spherical and prior.d > 1:
        power *= prior.d
        mean, rate = means.sum(), rates[:, 0]
        return _log_moment_of_sum(scale, power, rate) - power * np.log(mean) + rate * mean
    return np.asarray(
        np.sum(_log_moment(scale, power, rates) - power * np.log(means) + rates * means, axis=1)
    )


def _precisions(covariances: FloatArray) -> FloatArray:
    """Diagonals (S, D, d) of the inverses of covariances (S, D, d, d) or of variances (S, D, d)."""
    if covariances.ndim == 3:
        return 1.0 / covariances
    return diagonals(np.linalg.inv(covariances))


def _log_moment(psi: Gamma, power: float, rates: FloatArray) -> FloatArray:
    """Log E[psi_j^power exp(-rate_j psi_j)], (S, d), of gammas with a rate for each column."""
    shape = psi.shape
    constant = gammaln(shape + power) - gammaln(shape) + shape * np.log(psi.rate)
    return np.asarray(constant - (shape + power) * np.log(psi.rate + rates))


def _log_moment_of_sum(psi: Gamma, power: float, rate: FloatArray) -> FloatArray:
    """Log E[t^power exp(-rate t)], (S,), with t = sum_j psi_j of independent gammas.

    Where their rates differ t has no simple density, but a simple Laplace transform M. With
    t^p = Gamma(p + 1) / (2 pi i) int z^(-p - 1) exp(z t) dz over a line to the right of 0,

        E[t^p exp(-c t)] = Gamma(p + 1) / (2 pi i) int z^(-p - 1) M(c - z) dz

    over any line 0 < Re z < c + min_j rate_j. It goes through the saddle point, so that nothing
    cancels, in steps that grow outwards. Its two halves are conjugate.
    """
    ends = np.asarray(psi.rate) + rate[:, None]
    saddle = _saddle(power + 1, psi.shape, ends)
    curvature = (power + 1) / saddle**2 + np.sum(psi.shape / (ends - saddle[:, None]) ** 2, axis=1)
    width = 1 / np.sqrt(curvature)[:, None]
    z = saddle[:, None] + 1j * width * np.sinh(_STEPS)
    logs = -(power + 1) * np.log(z)
    for end in ends.T:
        logs -= psi.shape * np.log(end[:, None] - z)
    peak = logs[:, :1].real
    terms = np.exp(logs - peak).real * np.cosh(_STEPS)
    terms[:, 0] *= 0.5  # where the halves meet
    total = peak + np.log(width / np.pi * terms.sum(axis=1, keepdims=True) * _STEPS[1])
    constant = gammaln(power + 1) + psi.shape * np.sum(np.log(psi.rate))
    return np.asarray(constant + total[:, 0])


def _saddle(power: float, shape: float, ends: FloatArray) -> FloatArray:
    """Where z^(-power) prod_j (end_j - z)^(-shape) is least between 0 and the ends (S, d), (S,)."""
    low, high = np.zeros(len(ends)), ends.min(axis=1)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        falls = power / middle > np.sum(shape / (ends - middle[:, None]), axis=1)
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    return low
