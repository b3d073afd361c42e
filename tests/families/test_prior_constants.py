"""The constants and draws of the priors that are restricted to a family, beside quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, gammaln, kv, logsumexp, multigammaln
from scipy.stats import wishart

from bayesgmm.families import get_family
from bayesgmm.families.equal_volumes import EqualVolumes, log_group
from bayesgmm.families.inverse_wishart import InverseWishart
from bayesgmm.families.log_constants import log_constant
from bayesgmm.mixture.prior import Prior
from tests.families.test_axes_prior import NAMES, PSI, K, quadrature

DOF = 7.0


def log_integral(name, weights, scales):
    """Log integral of prod_k |S_k|^-w_k/2 exp(-tr(C_k S_k^-1)/2) over a family in two columns.

    By the trapezoidal rule over log lambda, the orthonormal contrast of log a, and the angle, one
    component after another wherever they do not share it.
    """
    volume, shape, orientation = name
    contrast, level = np.linspace(-4.5, 4.5, 181), np.linspace(-6, 6, 321)
    angle = np.arange(48 if orientation != "I" else 1) * np.pi / 48
    a = np.exp(contrast / np.sqrt(2))[:, None]
    c, s = np.cos(angle), np.sin(angle)
    # with respect to d lambda, or to both variances: their product, and sqrt(2) of the axes' units
    measure = 2 * level + 0.5 * np.log(2) if name == "VVE" else level
    sizes = level[1] - level[0], contrast[1] - contrast[0], 1 / len(angle)

    def over(logs, axis):
        return logsumexp(logs, axis=axis, keepdims=True) + np.log(sizes[axis])

    total = 0.0
    for w, psi in zip(weights, scales, strict=True):
        along = c * c * psi[0, 0] + 2 * c * s * psi[0, 1] + s * s * psi[1, 1]
        trace = along / a + (np.trace(psi) - along) * a
        logs = -w * level[:, None, None] - 0.5 * np.exp(-level)[:, None, None] * trace
        if volume == "V":
            logs = over(logs + measure[:, None, None], 0)
        logs = over(logs, 1) if shape == "V" else logs
        logs = over(logs, 2) if orientation == "V" else logs
        total = total + logs
    if volume == "E":
        total = over(total + measure[:, None, None], 0)
    total = over(total, 1) if shape == "E" else total
    total = over(total, 2) if orientation != "V" else total
    return float(np.squeeze(total))


@pytest.mark.parametrize("level", [-2.0, 0.0, 1.5])
def test_groups_of_two_are_bessel_functions(level):
    """Namely int exp(-z (e^x + e^-x)) sqrt(2) dx = sqrt(2) 2 K_0(2 z)."""
    exact = np.log(2 * np.sqrt(2) * kv(0, 2 * np.exp(level)))
    assert log_group(np.array([level]), 2)[0] == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("d", [2, 3, 6])
def test_one_group_is_of_gamma_variables(d):
    """K = 1: no product is shared, and the variables are gammas of shape power / d."""
    groups = EqualVolumes(1, d, 4.0 * d)
    assert groups.log_integral == pytest.approx(d * np.log(6.0) - 0.5 * np.log(d), abs=1e-10)
    y = np.exp(groups.draw(np.random.default_rng(d), 20_000)).reshape(-1, d)
    error = 2.0 / np.sqrt(len(y))
    np.testing.assert_allclose(y.mean(axis=0), 4.0, atol=4.5 * error)
    np.testing.assert_allclose(np.cov(y, rowvar=False), 4.0 * np.eye(d), atol=0.4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "psi",
    [PSI[2], 3.0 * np.eye(2), pytest.param(np.diag([1.0, 20.0]), marks=pytest.mark.slow)],
)
def test_constants_are_quadrature_s(name, psi):
    """Within 4.5 of their errors; exact where Psi has no directions, or the axes none."""
    psi = psi if name[2] != "I" else np.diag(np.diagonal(psi))
    got = log_constant(InverseWishart(2, DOF, psi), get_family(name, 2), K)
    exact = -log_integral(name, [DOF + 3] * K, [psi] * K)
    assert (got.error == 0.0) == (name[2] == "I" or psi[0, 0] == psi[1, 1])
    assert got.error < 0.02
    assert abs(got.value - exact) < 4.5 * got.error + 1e-5


@pytest.mark.parametrize(
    "name", ["VEE", "EVE", "VVE", "EEV", "VEV", pytest.param("EVV", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("d", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_one_component_is_the_wishart_s(name, d):
    """A Wishart density of variances and axes has the factor prod |p_i - p_j| besides the kernel.

    The ratio of the two is by bridge sampling: the mean of 1 over the gaps has no variance.
    """
    psi = np.diag([1.0, 3.0, 9.0][:d])
    prior = Prior(np.zeros(d), np.eye(d), DOF, psi)
    value, error = log_constant(prior.inverse_wishart, get_family(name, d), 1)
    power = 1.0 if name != "VVE" else float(d)  # of lambda in the measure
    weight = DOF + d + 1
    n = weight - 2 * power / d + d - 1
    own = prior.sample(1, name, 20_000, 0).covariances[:, 0]
    theirs = wishart(n, np.linalg.inv(psi)).rvs(20_000, random_state=1)

    def log_gaps(p):
        i, j = np.tril_indices(d, -1)
        return np.log(np.abs(p[:, i] - p[:, j])).sum(axis=1)

    here = log_gaps(1 / np.linalg.eigvalsh(own))
    there = -log_gaps(np.linalg.eigvalsh(theirs))
    ratio = 0.0
    for _ in range(200):
        ratio += np.log(expit(there - ratio).mean() / expit(here + ratio).mean())
    # Wishart in (p, D): volume of rotations pi^(d^2/2) / Gamma_d(d/2) d!^-1 over ordered p
    log_wishart = multigammaln(0.5 * n, d) - 0.5 * n * np.log(np.linalg.det(0.5 * psi))
    volume = 0.5 * d * d * np.log(np.pi) - multigammaln(0.5 * d, d) - gammaln(d + 1)
    units = 0.0 if name == "VVE" else -0.5 * np.log(d)
    exact = log_wishart - volume + ratio + units
    assert abs(value + exact) < 4.5 * np.hypot(error, 0.01)


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_quadrature_s_means(name):
    """Means of numbers that no order or direction of the axes changes, in two columns."""
    psi = PSI[2] if name[2] != "I" else np.diag([3.0, 6.0])
    prior = Prior(np.zeros(2), np.eye(2), DOF, psi)
    sigma = prior.sample(K, name, 2000, 1).covariances
    sigma = sigma if sigma.ndim == 4 else sigma[..., None] * np.eye(2)
    logs = 0.5 * np.linalg.slogdet(sigma)[1]
    variances = np.diagonal(sigma, axis1=-2, axis2=-1)
    correlation = sigma[..., 0, 1] / np.sqrt(variances.prod(axis=-1))
    found = {
        "log volume": logs[:, 0],
        "product of log volumes": logs.prod(axis=1),
        "log variance": np.log(variances[:, 0, 0]),
    }
    if name[2] != "I":
        found["correlation"] = correlation[:, 0]
        found["product of correlations"] = correlation.prod(axis=1)
    expected = quadrature(name, psi, DOF)
    for what, draws in found.items():
        z = (draws.mean() - expected[what]) / (draws.std() / np.sqrt(len(draws)))
        assert abs(z) < 4.5, what
