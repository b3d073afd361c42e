"""The evidence of families with volumes, shapes and axes of their own, beside quadrature."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import gammaln

import bayesgmm
from bayesgmm.families import FAMILIES
from bayesgmm.mixture.prior import Prior
from bayesgmm.utils.errors import ConvergenceAdvice
from tests.families.test_axes_prior import NAMES
from tests.families.test_prior_constants import log_integral
from tests.sampling.test_direct import refined
from tests.sampling.test_orientations import STRENGTH, two_groups

QUICK = ("VEI", "VEV")


def stretched_groups(seed):
    """Two components too far apart to share a row, and a prior with axes of its own."""
    x, labels = two_groups(seed)
    x[labels == 0] *= [2.0, 1.0]
    psi = [[0.5, 0.1], [0.1, 1.5]]
    return x, labels, Prior(x.mean(axis=0), None, 6.0, psi, mean_strength=STRENGTH)


def known_allocations(name, x, labels, prior):
    """The exact log evidence: the kernel's integrals, the means', and the proportions'."""
    total, weights, scales = np.log(2.0), [], []
    for k in (0, 1):
        rows = x[labels == k]
        n, shift = len(rows), rows.mean(axis=0) - prior.mean
        about = rows - rows.mean(axis=0)
        shrunk = STRENGTH * n / (STRENGTH + n) * np.outer(shift, shift)
        scales.append(prior.scale + about.T @ about + shrunk)
        weights.append(prior.dof + 3 + n)
        total += -n * np.log(2 * np.pi) + np.log(STRENGTH / (STRENGTH + n)) + gammaln(1 + n)
    before = log_integral(name, [prior.dof + 3] * 2, [prior.scale] * 2)
    return total - gammaln(2 + len(x)) + log_integral(name, weights, scales) - before


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in NAMES]
)
def test_two_components_in_two_columns(name):
    """Bridge and importance sampling within 4 errors of quadrature, which are below 0.1."""
    x, labels, prior = stretched_groups(0)
    if name[2] == "I":
        prior = Prior(prior.mean, None, 6.0, np.diagonal(prior.scale), mean_strength=STRENGTH)
    posterior = refined(x, bayesgmm.fit(x, 2, name, start=labels), prior=prior, random_seed=0)
    exact = known_allocations(name, x, labels, prior)
    for method in ("bridge", "importance"):
        found = posterior.log_evidence(method, random_seed=1)
        assert not found.problems
        assert found.error < 0.1
        assert abs(found.value - exact) < 4 * found.error, method


@pytest.mark.slow
def test_families_agree_where_the_prior_concentrates_on_equal_spheres():
    """Psi = nu I and nu large: all fourteen have the evidence of EII within 4 errors.

    At nu = 10^4 a variance has a prior deviation of 1.4 %, and the mean log likelihood of 60 rows
    moves by less than 0.05 with as many free parameters as a family has.
    """
    x, labels = two_groups(1)
    nu, found = 1e4, {}
    for name in FAMILIES:
        prior = Prior(x.mean(axis=0), None, nu, nu * np.eye(2), mean_strength=STRENGTH)
        fit = bayesgmm.fit(x, 2, name, start=labels, prior=prior)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceAdvice)
            posterior = refined(x, fit, random_seed=0)
        found[name] = posterior.log_evidence(random_seed=1)
    for name, evidence in found.items():
        apart = abs(evidence.value - found["EII"].value)
        assert apart < 0.05 + 4 * np.hypot(evidence.error, found["EII"].error), name
