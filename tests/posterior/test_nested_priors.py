"""Priors of nested families: where a larger one concentrates on a smaller, evidences agree."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest

import bayesgmm
from bayesgmm import Prior

#: Families that have the common covariance diag(1, 4); spherical ones have not.
FAMILIES = [
    "VVI", "VVV", "VEI",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("EVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV")
    ),
]  # fmt: skip


@cache
def evidence(name, dof):
    """Of two components in 15 rows, by bridge sampling."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(15, 2)) * [1, 2]
    x[8:, 0] += 9
    prior = Prior([4.0, 0.0], [25.0, 25.0], dof, (dof + 3) * np.diag([1.0, 4.0]))
    fit = bayesgmm.fit(x, 2, name, prior=prior, random_seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bayesgmm.ConvergenceAdvice)
        posterior = bayesgmm.refine(
            x, fit, sampler="gibbs", draws=500, chains=2, random_seed=1, progressbar=False
        )
    return posterior.log_evidence("bridge", random_seed=1)


@pytest.mark.parametrize("name", FAMILIES)
def test_evidences_agree_where_the_prior_concentrates(name):
    """On EEI's, with 3000 degrees of freedom about one covariance: the constants are coherent.

    Within 4 errors and 0.02: with 300 the evidences differ by up to 0.07, and the difference falls
    as one over the degrees of freedom. The prior of 10 makes them differ by far more.
    """
    larger, smaller = evidence(name, 3000.0), evidence("EEI", 3000.0)
    error = np.hypot(larger.error, smaller.error)
    assert abs(larger.value - smaller.value) < 0.02 + 4 * error
    assert error < 0.06
