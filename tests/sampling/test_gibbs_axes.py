"""Volumes, shapes and axes given allocations: their steps, and the chain of them, by quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import digamma
from scipy.stats import kstest

from bayesgmm.families import FAMILIES
from bayesgmm.sampling.compiled import gibbs_axes, variates
from bayesgmm.sampling.compiled.gibbs_axes import AxesState
from tests.density_cases import KNOWN

SHAPED = [name for name in FAMILIES if name not in KNOWN]


def distribution_function(log_density, low, high):
    """Of a density on an interval, by cumulated trapezoids."""
    t = np.linspace(low, high, 20_001)
    p = np.exp(log_density(t) - log_density(t).max())
    total = np.concatenate([[0.0], np.cumsum(0.5 * (p[1:] + p[:-1]))])
    return lambda x: np.interp(x, t, total / total[-1])


@pytest.mark.parametrize("kappa", [0.0, 1e-9, 0.2, 0.25, 0.3, 4.0, 1e3, 1e8, 1e14])
def test_angles_are_von_mises(kappa):
    rng = np.random.default_rng(1)
    t = np.array([variates.half_von_mises(rng, kappa) for _ in range(5000)])
    width = min(0.5 * np.pi, 12 / np.sqrt(4 * kappa + 1e-300))
    exact = distribution_function(lambda t: -2 * kappa * np.sin(t) ** 2, -width, width)
    assert kstest(t, exact).pvalue > 1e-4


@pytest.mark.parametrize("c", [1e-12, 1e-3, 0.5, 3.0, 1e3, 1e8, 1e14])
def test_steps_of_a_shape(c):
    rng = np.random.default_rng(2)
    t = np.array([variates.hyperbolic(rng, c) for _ in range(5000)])
    width = np.arccosh(1 + 40 / c) if c < 1e6 else 9 / np.sqrt(c)
    exact = distribution_function(lambda t: -2 * c * np.sinh(0.5 * t) ** 2, -width, width)
    assert kstest(t, exact).pvalue > 1e-4


def grid_of(name, weights, scales):
    """Means of `functionals` for two components in two columns, on a grid of shapes and angles.

    Volumes are integrated: given the others they are inverse gamma.
    """
    volume, shape, axes = FAMILIES[name].letters
    few = name == "EVV"  # four dimensions
    z = np.linspace(-2.4, 2.4, 41 if few else 121)  # a = (e^z, e^-z)
    angle = np.linspace(0, np.pi, 48 if few else 180, endpoint=False)
    n_z, n_angles = (2 if letter == "V" else 1 for letter in (shape, axes))
    n_angles = 0 if axes == "I" else n_angles
    grids = np.meshgrid(*[z] * n_z, *[angle] * n_angles, indexing="ij", sparse=True)
    z = [grids[k % n_z] for k in (0, 1)]
    angles = [grids[n_z + k % n_angles] if n_angles else np.zeros(1) for k in (0, 1)]
    halves, rho = [], []
    for k in (0, 1):
        s, c = np.sin(angles[k]), np.cos(angles[k])
        [[p, q], [_, r]] = scales[k]
        first, second = c * c * p + 2 * c * s * q + s * s * r, s * s * p - 2 * c * s * q + c * c * r
        a, b = np.exp(z[k]), np.exp(-z[k])
        halves.append(0.5 * (first / a + second / b))
        rho.append((a - b) * c * s / np.sqrt((a * c * c + b * s * s) * (a * s * s + b * c * c)))
    power = 2 if name == "VVE" else 1
    if volume == "V":
        parts = [(w - power, h) for w, h in zip(weights, halves, strict=True)]
    else:
        parts = [(sum(weights) - power, halves[0] + halves[1])]
    logs = sum(-a * np.log(h) for a, h in parts)
    p = np.exp(logs - logs.max())
    log_volumes = [np.log(h) - digamma(a) for a, h in parts]
    values = [log_volumes[0], log_volumes[-1], np.abs(z[0]), z[1] ** 2, rho[0], rho[1] ** 2]
    values.append(rho[0] * rho[1])
    return np.array([np.sum(p * v) / np.sum(p) for v in values])


def functionals(state, sigma):
    """What does not depend on the order of the axes, nor on their directions."""
    z = 0.5 * np.diff(np.log(np.linalg.eigvalsh(sigma)))[:, 0]
    if not sigma[:, 0, 1].any():
        rho = np.zeros(2)
    else:
        rho = sigma[:, 0, 1] / np.sqrt(sigma[:, 0, 0] * sigma[:, 1, 1])
    return (
        np.log(state.volumes[0]), np.log(state.volumes[-1]), abs(z[0]), z[1] ** 2,
        rho[0], rho[1] ** 2, rho[0] * rho[1],
    )  # fmt: skip


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize("rows", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_the_chain_of_steps(name, rows):
    """Nearly round components of few rows, longer ones of more: means within 4.5 errors."""
    rng = np.random.default_rng([SHAPED.index(name), rows])
    length = [[[1.0], [0.9]]] if rows == 3 else [[[1.5], [0.7]]]
    roots = rng.standard_normal((2, 2, 12)) * length
    weights, scales = np.array([rows + 5.0, rows + 7.5]), rows / 12 * roots @ roots.mT
    volume, shape, axes = (letter.number(2) for letter in FAMILIES[name].letters)
    state = AxesState(
        np.ones(volume), np.zeros((shape, 2)) + [0.1, -0.1], np.tile(np.eye(2), (axes, 1, 1))
    )
    given = scales if axes else np.diagonal(scales, axis1=1, axis2=2)[:, None].copy()
    sigma, power = np.empty_like(given), 2.0 if name == "VVE" else 1.0
    found = []
    for _ in range(10_000):
        gibbs_axes.draw_axes(rng, power, weights, given, state, sigma)
        found.append(functionals(state, sigma if axes else sigma[:, 0, :, None] * np.eye(2)))
    found = np.array(found)
    error = [float(array_stats.mcse(v[None], method="mean")) for v in found.T]
    away = found.mean(axis=0) - grid_of(name, weights, scales)
    assert np.all(np.abs(away) <= 4.5 * np.array(error)), away / error


def test_axes_stay_orthonormal_and_volumes_common():
    """Many sweeps, and what the letters E say still holds to the last digits."""
    rng = np.random.default_rng(4)
    state = AxesState(np.ones(1), np.zeros((3, 4)), np.tile(np.eye(4), (1, 1, 1)))
    root, sigma = rng.standard_normal((3, 4, 9)), np.empty((3, 4, 4))
    scales = root @ np.swapaxes(root, 1, 2)
    for _ in range(30_000):
        gibbs_axes.draw_axes(rng, 1.0, np.full(3, 12.0), scales, state, sigma)
    axes = state.axes[0]
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-13)
    assert np.linalg.det(axes) > 0
    np.testing.assert_allclose(np.linalg.det(sigma), state.volumes[0] ** 4, rtol=1e-11)
    turned = axes.T @ sigma @ axes
    along = np.einsum("kii->ki", turned)[..., None] * np.eye(4)
    np.testing.assert_allclose(turned, along, atol=1e-11 * np.abs(turned).max())
