"""Shared by the tests: simulated mixtures, and what each family may look like."""

from __future__ import annotations

import numpy as np
import pytest

from bayesgmm.families import FAMILIES, get_family

#: Families whose fit follows the data through a change of every column's own unit.
COLUMN_SCALING = {"EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV"}
#: Families whose fit follows a rotation of the data.
ROTATION = {"EII", "VII", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"}


def families_for(d):
    """Every family there is in d columns."""
    return ["E", "V"] if d == 1 else list(FAMILIES)


def simulate(rng, n, d, k, spread=3.0):
    """Rows of k Gaussian groups with covariances of their own, and the groups."""
    means = spread * rng.standard_normal((k, d))
    roots = np.eye(d) + 0.4 * rng.standard_normal((k, d, d))
    labels = np.sort(np.concatenate([np.arange(k), rng.integers(k, size=n - k)]))
    z = rng.standard_normal((n, d))
    return means[labels] + np.einsum("nij,nj->ni", roots[labels], z), labels


@pytest.fixture(params=[0, 1, 2], ids=lambda s: f"seed{s}")
def rng(request):
    """Generators of three seeds: a law holds for all of them."""
    return np.random.default_rng(request.param)


@pytest.fixture(
    params=[(d, f) for d in (1, 2, 5) for f in families_for(d)], ids=lambda p: f"d{p[0]}-{p[1]}"
)
def d_and_family(request):
    """(d, family) for one, two and five columns."""
    d, name = request.param
    return d, get_family(name, d)
