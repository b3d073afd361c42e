"""Shared by the tests: simulated mixtures, and what each family may look like."""

from __future__ import annotations

import signal
import sys

import numpy as np
import pytest
from scipy.linalg import expm

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


def factors(family, sigma):
    """Volumes (K,), shapes (K, d) and orientations (K, d, d) of members (K, d, d) of a family."""
    k, d = sigma.shape[:2]
    volume = np.exp(np.linalg.slogdet(sigma)[1] / d)
    if family.orientation == "V":
        turn = np.linalg.eigh(sigma)[1]
    elif family.orientation == "E":  # what they share diagonalises any combination of them
        turn = np.repeat(np.linalg.eigh(np.tensordot(1 + np.arange(k), sigma, 1))[1][None], k, 0)
    else:
        turn = np.repeat(np.eye(d)[None], k, axis=0)
    shape = np.einsum("kji,kjl,kli->ki", turn, sigma, turn) / volume[:, None]
    return volume, shape, turn


def path_within(family, sigma, rng):
    """A random smooth path h -> (K, d, d) through sigma, at h = 0, that stays in the family."""
    k, d = sigma.shape[:2]
    volume, shape, turn = factors(family, sigma)

    def draw(letter, *size):
        rows = {"I": 1, "E": 1, "V": k}[letter]
        return (letter != "I") * np.repeat(rng.standard_normal((rows, *size)), k // rows, axis=0)

    grow = draw(family.volume)
    stretch = draw(family.shape, d)
    stretch -= stretch.mean(axis=1, keepdims=True)
    skew = draw(family.orientation, d, d)
    skew = (skew - np.swapaxes(skew, 1, 2)) / 2

    def path(h):
        turned = turn @ expm(h * skew)
        axes = volume[:, None] * np.exp(h * grow)[:, None] * shape * np.exp(h * stretch)
        return np.einsum("kij,kj,klj->kil", turned, axes, turned)

    return path


def slope(function, h=1e-5):
    """The derivative at 0, by central differences."""
    return (function(h) - function(-h)) / (2 * h)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Ctrl-C interrupts, though a shell ignores it for what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=[0, 1, 2], ids=lambda s: f"seed{s}")
def rng(request):
    """Generators of three seeds: a law holds for all of them."""
    return np.random.default_rng(request.param)


#: For tests with `rng` that take long: its other seeds are slow.
quick_with_one_seed = pytest.mark.parametrize(
    "rng", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))], indirect=True
)


@pytest.fixture(
    params=[(d, f) for d in (1, 2, 5) for f in families_for(d)], ids=lambda p: f"d{p[0]}-{p[1]}"
)
def d_and_family(request):
    """(d, family) for one, two and five columns."""
    d, name = request.param
    return d, get_family(name, d)


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves figures open, of which Matplotlib warns when there are twenty."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
