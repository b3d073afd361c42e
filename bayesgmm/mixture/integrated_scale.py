"""A random scale integrated out of the covariances' prior, for EM.

With psi_j ~ Gamma(g, h_j) the density of the covariances given psi is in prod_j psi_j^m
exp(-r_j psi_j), r_j = sum_k (Sigma_k^-1)_jj / 2 over distinct covariances, so that psi_j given them
is Gamma(g + m, h_j + r_j) and the integral over psi is in prod_j (h_j + r_j)^-(g + m). Where Psi is
one number t ~ Gamma(g, 1), psi_j = t / h_j, both hold of t with d m and 1 + sum_j r_j / h_j.
To EM psi are missing data, whose expectation given the covariances takes Psi's place in the M-step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..families import Family
from ..families.hyperparameters import Gamma
from ..families.log_constants import scale_power
from ..kernels.compilation import inlined, jit
from ..utils.matrices import as_full
from ..utils.types import FloatArray


class RandomScale(NamedTuple):
    """g, the power m or d m, the integral's constant, whether Psi is one number; rates h (d,)."""

    shape: float
    power: float
    constant: float
    one: float
    rates: FloatArray


def integrable(family: Family, d: int) -> bool:
    """Whether the integral is in closed form: spherical families see the sum of psi alone."""
    return d == 1 or not family.spherical


def packed_scale(scale: Gamma, dof: float, family: Family, n_components: int) -> FloatArray:
    """A random scale as compiled code reads it (`scale_at`), for a family that is not spherical.

    The constant makes of the density at E[psi], without its trace, that with psi integrated out.
    """
    rates, means = np.asarray(scale.rate), np.asarray(scale.mean)
    d, g = len(rates), scale.shape
    power = scale_power(dof, family, n_components, d)
    if family.one_scale:
        power *= d
        constant = math.lgamma(g + power) - math.lgamma(g) - power * math.log(g)
    else:
        each = math.lgamma(g + power) - math.lgamma(g) + g * np.log(rates) - power * np.log(means)
        constant = float(np.sum(each))
    return np.concatenate([[g, power, constant, float(family.one_scale)], rates])


def expected_scale_given(
    scale: Gamma, dof: float, family: Family, covariances: FloatArray
) -> FloatArray:
    """E[psi] (d,) given covariances (K, d, d) or variances (K, d) of a family not spherical."""
    k, d = len(covariances), covariances.shape[-1]
    full = as_full(covariances)[: 1 if family.common else k]
    halves = 0.5 * np.einsum("kjj->j", np.linalg.inv(full))
    rates, power = np.asarray(scale.rate), scale_power(dof, family, k, d)
    if family.one_scale:
        return (scale.shape + d * power) / (1.0 + np.sum(halves / rates)) / rates
    return np.asarray((scale.shape + power) / (rates + halves))


@inlined
def scale_at(hyper, start, d):  # type: ignore[no-untyped-def]
    """The random scale that begins at this place."""
    return RandomScale(
        hyper[start], hyper[start + 1], hyper[start + 2], hyper[start + 3],
        hyper[start + 4 : start + 4 + d],
    )  # fmt: skip


@jit()
def add_halves(lower, diagonal, halves):  # type: ignore[no-untyped-def]
    """Add the diagonal of (L L')^-1 / 2 to halves (d,)."""
    d = len(halves)
    v = np.empty(d)
    for j in range(d):
        total = 0.0
        for i in range(j, d):
            v[i] = 1.0 if i == j else 0.0
            if not diagonal:
                for q in range(j, i):
                    v[i] -= lower[i, q] * v[q]
            v[i] /= lower[i, i]
            if i == j or not diagonal:
                total += v[i] * v[i]
        halves[j] += 0.5 * total


@jit()
def log_integral(scale, halves):  # type: ignore[no-untyped-def]
    """What the integral over psi puts in the place of the trace at E[psi]."""
    total = scale.constant
    if scale.one > 0.0:
        rate = 1.0
        for j in range(len(halves)):
            rate += halves[j] / scale.rates[j]
        return total - (scale.shape + scale.power) * np.log(rate)
    for j in range(len(halves)):
        total -= (scale.shape + scale.power) * np.log(scale.rates[j] + halves[j])
    return total


@jit()
def write_expected_scale(scale, halves, psi):  # type: ignore[no-untyped-def]
    """Write diag(E[psi]) (d, d) given r (d,)."""
    rate = 1.0
    for j in range(len(halves)):
        rate += halves[j] / scale.rates[j]
    for j in range(len(halves)):
        for i in range(len(halves)):
            psi[i, j] = 0.0
        psi[j, j] = scale.shape + scale.power
        psi[j, j] /= rate * scale.rates[j] if scale.one > 0.0 else scale.rates[j] + halves[j]
