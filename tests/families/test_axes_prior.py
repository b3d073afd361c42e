"""The prior of volume, shape and orientation: NUTS without rows against what is known exactly."""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.special import digamma, polygamma
from scipy.stats import ks_2samp, kstest, special_ortho_group

from bayesgmm.data.data import as_data
from bayesgmm.density.log_posterior import LogPosterior
from bayesgmm.density.mode import Mode
from bayesgmm.families import get_family
from bayesgmm.families.parametrisation.axes import Axes
from bayesgmm.families.parametrisation.parametrisation import parametrisation
from bayesgmm.families.parametrisation.rotations import Cayley, Turn, rotation
from bayesgmm.mixture.prior import Prior
from bayesgmm.sampling.compiled.nuts import nuts
from bayesgmm.sampling.run.settings import Settings

K = 2
NAMES = ["VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV"]
#: Axes well determined by it.
PSI = {
    2: np.array([[3.0, 4.0], [4.0, 9.0]]),
    3: np.array([[2.0, 0.5, 0.0], [0.5, 3.0, 1.0], [0.0, 1.0, 6.0]]),
}


def sampled(name, psi, seed=0, draws=2000):
    """Values of the variables and Sigma of draws of the prior, and its degrees of freedom."""
    d = len(psi)
    prior = Prior(np.zeros(d), np.eye(d), d + 5, psi)
    centre = np.repeat((psi / (prior.dof - d - 1))[None], K, axis=0)
    form = parametrisation(get_family(name, d), K, d, centre)
    density = LogPosterior(as_data(np.eye(d + 1, d)), form, prior, likelihood=False)
    values = {
        "pi": np.full(K, 1 / K),
        "mu": np.zeros((K, d)),
        **form.values_from(centre, prior.inverse_wishart),
    }
    origin = density.space.free(values)
    mode = Mode(origin, density(origin)[0], 0.3 * np.eye(len(origin)), True)
    settings = Settings(draws, 500, 4, seed, 0.8, None, False)
    vectors, stats = nuts(density, mode, settings)
    assert stats["diverging"].mean() < 0.01
    values = density.space.values(vectors)
    return values, form.covariances(values, prior.inverse_wishart), prior.dof


def check(draws, expected, error=0.0):
    """The mean of draws (chain, draw) within 4.5 Monte Carlo errors; 40 such checks are made."""
    assert float(az.ess(draws)) > 100
    assert abs(draws.mean() - expected) < 4.5 * np.hypot(float(az.mcse(draws)), error)


@pytest.mark.parametrize(("d", "whole"), [(2, 2 * np.pi), (3, 8 * np.pi**2)])
def test_cayley_s_constant(d, whole):
    """|I + S|^-(d - 1), 1 + |s|^2 for d = 2 and 3, integrates to what the constant says."""
    surface = {2: 2.0, 3: 4 * np.pi}[d]
    power = {2: 0, 3: 2}[d]
    integral = quad(lambda r: surface * r**power * (1 + r * r) ** -(d - 1), 0, np.inf)[0]
    assert Cayley(np.eye(d)).constant == pytest.approx(-np.log(integral), abs=1e-8)
    # the total volume of rotations is that integral, times dD = 2 dS at the identity
    assert integral * 2 ** (d * (d - 1) / 2) == pytest.approx(whole, rel=1e-8)


@pytest.mark.parametrize("d", [2, 3])
def test_turns_of_a_rotation_share_haar_s_density(rng, d):
    """The sum over t + 2 pi m about one axis is 1/2 pi, or (1 - cos t) / 4 pi^2 dt d axis."""
    turn = Turn(np.eye(d))
    for t in (0.0, 0.3, 1.5, np.pi, 6.0):
        many = t + 2 * np.pi * np.arange(-12, 13)
        axis = rng.standard_normal(1 if d == 2 else 3)
        free = many[:, None] * axis / np.linalg.norm(axis)
        each = np.exp(turn.log_measure(free)) * (many**2 if d == 3 else 1.0)
        haar = (1 - np.cos(t)) / (4 * np.pi**2) if d == 3 else 1 / (2 * np.pi)
        assert each.sum() == pytest.approx(haar, rel=1e-9)
        same = np.broadcast_to(turn.backward(free[12]), (25, d, d))
        np.testing.assert_allclose(turn.backward(free), same, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_rotations_there_and_back(rng, d):
    """Haar's draws, the identity, and nearly half turns, about any D0."""
    about = special_ortho_group.rvs(d, size=3, random_state=rng)
    form = rotation(about)
    assert isinstance(form, Turn if d < 4 else Cayley)
    half = np.diag([-1.0, -1.0, 1.0, 1.0][:d])
    small = rotation(np.eye(d)).backward(1e-3 * rng.standard_normal(d * (d - 1) // 2))
    for value in (special_ortho_group.rvs(d, 3, rng), about, about @ (half @ small)):
        found = form.backward(form.forward(value))
        np.testing.assert_allclose(found, value, atol=1e-12 if d < 4 else 1e-9)
    if d < 4:
        exact = [
            about[i] @ expm(form.skew(np.full((3, d * (d - 1) // 2), 1.1))[i]) for i in range(3)
        ]
        np.testing.assert_allclose(form.backward(np.full((3, d * (d - 1) // 2), 1.1)), exact)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["VEE", "EEV"])
def test_isotropic_orientations_are_uniform(name, seed):
    """Psi = I: angles by Kolmogorov and Smirnov; traces in three columns have moments 0 and 1.

    Diaconis & Shahshahani (1994), J. Appl. Probab. 31A, 49-62, for the moments.
    """
    axes = sampled(name, np.eye(2), seed)[0]["orientation"].reshape(4, 2000, -1, 2, 2)[:, :, 0]
    angle = np.arctan2(axes[..., 1, 0], axes[..., 0, 0])
    # the angle's sine and cosine have hundreds of effective draws and more of 8000
    assert kstest(angle[:, ::50].ravel(), "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3
    check(np.cos(angle), 0.0)
    check(np.sin(angle), 0.0)
    axes = sampled(name, np.eye(3), seed)[0]["orientation"].reshape(4, 2000, -1, 3, 3)[:, :, 0]
    trace = np.trace(axes, axis1=-2, axis2=-1)
    check(trace, 0.0)
    check(trace**2, 1.0)


@pytest.mark.parametrize("d", [2, 3])
def test_shapes_of_vei_are_ratios_of_gammas(d):
    """1 / a_j is in proportion to g_j / psi_j, g_j ~ Gamma(s K / d), s = d (nu + d + 1)/2 - 1."""
    psi = np.diag(np.diagonal(PSI[d]))
    values, _, dof = sampled("VEI", psi)
    s = d * (dof + d + 1) / 2 - 1
    g = np.random.default_rng(0).gamma(s * K / d, size=(100_000, d)) / np.diagonal(psi)
    exact = np.log(g[:, :1] / g[:, 1:])
    got = np.log(values["shape"][..., 1:] / values["shape"][..., :1])
    for j in range(d - 1):
        check(got[..., j], exact[:, j].mean(), exact[:, j].std() / np.sqrt(len(exact)))
        assert ks_2samp(got[:, ::10, j].ravel(), exact[:, j]).pvalue > 1e-3


def quadrature(name, psi, dof):
    """Exact means in two columns, K = 2, by the trapezoidal rule; the volumes by their formula.

    With a_k = (e^z, e^-z) and angles t_k every volume is inverse gamma given z and t, whose
    normalising constants are what is left of the prior's kernel as a density of z and t.
    """
    family = get_family(name, 2)
    n_z, n_t = (K if letter == "V" else 1 for letter in (family.shape, family.orientation))
    n_t = 0 if family.orientation == "I" else n_t
    grids = [np.linspace(-3.6, 3.6, 61)] * n_z + [np.arange(40) * np.pi / 40] * n_t
    grid = np.meshgrid(*grids, indexing="ij", sparse=True)
    z = [grid[k % n_z] for k in range(K)]
    t = [grid[n_z + k % n_t] if n_t else np.zeros(()) for k in range(K)]
    axes = [(np.cos(a), np.sin(a)) for a in t]
    along = [c * c * psi[0, 0] + 2 * c * s * psi[0, 1] + s * s * psi[1, 1] for c, s in axes]
    across = [s * s * psi[0, 0] - 2 * c * s * psi[0, 1] + c * c * psi[1, 1] for c, s in axes]
    half = [
        0.5 * (p * np.exp(-a) + q * np.exp(a)) for p, q, a in zip(along, across, z, strict=True)
    ]
    if family.volume == "V":
        alpha = dof + 3 - (2 if family.shape == "V" else 1)
        rates, log_p = half, -alpha * (np.log(half[0]) + np.log(half[1]))
    else:
        alpha, rate = 2 * (dof + 3) - 1, half[0] + half[1]
        rates, log_p = [rate, rate], -alpha * np.log(rate)
    p = np.exp(log_p - log_p.max())
    p = p / p.sum()
    logs = [np.log(r) - digamma(alpha) for r in rates]
    first = np.exp(z[0]) * axes[0][0] ** 2 + np.exp(-z[0]) * axes[0][1] ** 2
    correlations = []
    for a, (c, s) in zip(z, axes, strict=True):
        big, small = np.exp(a), np.exp(-a)
        variances = (big * c * c + small * s * s) * (big * s * s + small * c * c)
        correlations.append((big - small) * c * s / np.sqrt(variances))
    shared = polygamma(1, alpha) if family.volume == "E" else 0.0
    return {
        "log volume": np.sum(p * logs[0]),
        "product of log volumes": np.sum(p * (logs[0] * logs[1] + shared)),
        "log variance": np.sum(p * (logs[0] + np.log(first))),
        "correlation": np.sum(p * correlations[0]),
        "product of correlations": np.sum(p * correlations[0] * correlations[1]),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_family_in_two_columns(name):
    """Means of numbers that no order or direction of the axes changes."""
    psi = PSI[2] if name[2] != "I" else np.diag([3.0, 6.0])
    _, sigma, dof = sampled(name, psi, seed=3)
    expected = quadrature(name, psi, dof)
    logs = 0.5 * np.linalg.slogdet(sigma)[1]
    variances = np.diagonal(sigma, axis1=-2, axis2=-1)
    correlation = sigma[..., 0, 1] / np.sqrt(variances.prod(axis=-1))
    check(logs[..., 0], expected["log volume"])
    check(logs.prod(axis=-1), expected["product of log volumes"])
    check(np.log(variances[..., 0, 0]), expected["log variance"])
    if name[2] != "I":
        check(correlation[..., 0], expected["correlation"])
        check(correlation.prod(axis=-1), expected["product of correlations"])


@pytest.mark.parametrize("name", ["VEE", "EVE", "VVE", "EEV"])
def test_orientations_in_three_columns(name):
    """With q_j = sum_k (D_k' Psi D_k)_jj the orientations' density is prod_j q_j^-s.

    Its power s is all other variables' doing: integrated out they leave that of the volumes over
    the columns, or of each variance where all are free. By importance sampling from Haar's draws.
    """
    d, psi = 3, PSI[3]
    values, _, dof = sampled(name, psi, seed=5)
    weight = dof + d + 1
    s = {
        "VEE": K * (0.5 * d * weight - 1) / d,
        "EVE": (0.5 * K * d * weight - 1) / d,
        "VVE": K * (0.5 * weight - 1),
        "EEV": (0.5 * K * d * weight - 1) / d,
    }[name]

    def log_products(axes):
        return np.log(np.einsum("...oij,il,...olj->...j", axes, psi, axes)).sum(axis=-1)

    n_axes = K if name[2] == "V" else 1
    own = values["orientation"].reshape(4, -1, n_axes, d, d)
    rng = np.random.default_rng(1)
    haar = special_ortho_group.rvs(d, size=300_000 * n_axes, random_state=rng)
    exact = log_products(haar.reshape(-1, n_axes, d, d))
    weights = np.exp(-s * (exact - exact.min()))
    weights /= weights.sum()
    assert 1 / np.sum(weights**2) > 1000
    for power in (1, 2):
        f, g = log_products(own) ** power, exact**power
        mean = weights @ g
        check(f, mean, np.sqrt(np.sum(weights**2 * (g - mean) ** 2)))


@pytest.mark.parametrize("name", ["EVE", "EEV", "VEV"])
@pytest.mark.parametrize("seed", [0, 1])
def test_copies_of_a_covariance_have_one_density(name, seed):
    """Two axes reversed, or in another order: the same Sigma, and lp but for the Jacobian."""
    rng = np.random.default_rng(seed)
    family, d = get_family(name, 3), 3
    number = 1 if family.orientation == "E" else K
    about = np.atleast_3d(special_ortho_group.rvs(d, number, random_state=rng)).reshape(-1, d, d)
    form = Axes(family, K, d, about)
    prior = Prior(np.zeros(d), np.eye(d), d + 5, PSI[d])
    density = LogPosterior(as_data(rng.standard_normal((20, d))), form, prior)
    values = density.space.values(0.3 * rng.standard_normal(density.size))
    order = [1, 2, 0]  # an even permutation keeps a rotation a rotation
    signs = np.array([-1.0, 1.0, -1.0])
    other = values | {
        "shape": values["shape"][..., order],
        "orientation": (values["orientation"] * signs)[..., order],
    }
    sigma, same = (form.covariances(v, prior.inverse_wishart) for v in (values, other))
    np.testing.assert_allclose(same, sigma, rtol=1e-9, atol=1e-12)
    points = [density.space.free(v) for v in (values, other)]
    here, there = (density(u)[0] - density.space.log_measure(u) for u in points)
    assert np.shape(density.space.log_measure(points[0])) == ()
    assert there == pytest.approx(here, abs=1e-7)
