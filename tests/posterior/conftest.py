"""A posterior of Old Faithful for each form of covariances, unless a test has its own."""

from __future__ import annotations

import pytest

import bayesgmm
from tests.synthetic import make_posterior


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module", params=["VVV", "VVI", "EII"])
def posterior(x, request):
    return make_posterior(x, bayesgmm.fit(x, 2, request.param, random_seed=0))
