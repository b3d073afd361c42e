"""What the samplers are tried on, unless a test has its own."""

from __future__ import annotations

import pytest

import bayesgmm
from bayesgmm.sampling.pymc.model import build_model
from tests.faithful import PRIOR, short_first


@pytest.fixture(scope="module")
def x():
    return bayesgmm.datasets.load_faithful()


@pytest.fixture(scope="module")
def fit(x):
    return short_first(x, prior=PRIOR)


@pytest.fixture(scope="module")
def model(x, fit):
    return build_model(x, fit)
