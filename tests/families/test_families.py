"""M-steps are maxima within their family; families nest, count and equate as they should."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from bayesgmm.families import FAMILIES, get_family
from tests.conftest import COLUMN_SCALING, ROTATION, families_for


def scatters_of(rng, d, k, diagonal):
    counts = rng.uniform(20, 80, k)
    roots = rng.standard_normal((k, d, d + 3))
    w = roots @ np.swapaxes(roots, 1, 2) * counts[:, None, None]
    return counts, (np.diagonal(w, axis1=1, axis2=2).copy() if diagonal else w)


def deviance(sigma, counts, w):
    """What the M-step minimises: sum_k tr(W_k Sigma_k^-1) + n_k log|Sigma_k|."""
    if sigma.ndim == 2:
        return np.sum(w / sigma) + np.sum(counts[:, None] * np.log(sigma))
    traces = np.trace(np.linalg.solve(sigma, w), axis1=1, axis2=2)
    return np.sum(traces + counts * np.linalg.slogdet(sigma)[1])


def member(family, free, d, k):
    """A member of the family from free numbers: volume, shape and orientation in turn."""
    free = iter(free)

    def take(n):
        return np.array(list(itertools.islice(free, n)))

    def letter(code, make, none):
        if code == "I":
            return [none] * k
        return [make()] * k if code == "E" else [make() for _ in range(k)]

    volumes = letter(family.volume, lambda: np.exp(take(1)[0]), None)

    def shape():
        logs = np.append(take(d - 1), 0.0)
        return np.exp(logs - logs.mean())

    shapes = letter("I" if family.univariate else family.shape, shape, np.ones(d))

    def rotation():
        s = np.zeros((d, d))
        s[np.tril_indices(d, -1)] = take(d * (d - 1) // 2)
        s -= s.T
        return np.linalg.solve(np.eye(d) + s, np.eye(d) - s)

    turns = letter("I" if family.univariate else family.orientation, rotation, np.eye(d))
    sigma = np.array(
        [v * q @ np.diag(a) @ q.T for v, a, q in zip(volumes, shapes, turns, strict=True)]
    )
    return np.diagonal(sigma, axis1=1, axis2=2) if family.diagonal else sigma


@pytest.mark.parametrize("k", [1, 2, 3])
def test_m_step_is_a_maximum(rng, d_and_family, k):
    """Neither random members of the family nor an optimiser from one of them do better."""
    d, family = d_and_family
    counts, w = scatters_of(rng, d, k, family.diagonal)
    best = deviance(family.estimate(counts, w), counts, w)
    size = family.n_covariance_parameters(k, d) if not family.univariate else k
    for _ in range(25):
        assert (
            deviance(member(family, rng.normal(0, 1.5, size + 3 * k * d * d), d, k), counts, w)
            >= best
        )
    if d <= 2:  # a generic optimiser is reliable here
        start = rng.normal(0, 0.5, k + k * (d - 1) + k * d * (d - 1) // 2)
        found = minimize(
            lambda free: deviance(member(family, free, d, k), counts, w),
            start,
            method="Nelder-Mead",
            options={"maxfev": 4000, "xatol": 1e-6, "fatol": 1e-9, "adaptive": True},
        )  # fmt: skip
        assert found.fun >= best - 1e-8 * abs(best)


@pytest.mark.parametrize("k", [2, 3])
def test_estimates_have_the_family_s_form(rng, d_and_family, k):
    """Equal letters give equal volumes, shapes and orientations."""
    d, family = d_and_family
    counts, w = scatters_of(rng, d, k, family.diagonal)
    sigma = family.estimate(counts, w)
    if sigma.ndim == 2:
        sigma = sigma[:, :, None] * np.eye(d)
    volumes = np.exp(np.linalg.slogdet(sigma)[1] / d)
    if family.volume == "E":
        np.testing.assert_allclose(volumes, volumes[0], rtol=1e-10)
    elif k > 1:
        assert np.ptp(volumes) > 0
    if family.common:
        np.testing.assert_allclose(sigma, np.broadcast_to(sigma[0], sigma.shape), rtol=1e-12)
    np.testing.assert_array_equal(sigma, np.swapaxes(sigma, 1, 2))


def test_nesting(rng):
    """A family that contains another never does worse on the same statistics."""
    for d, k in ((2, 2), (5, 3)):
        counts, w = scatters_of(rng, d, k, diagonal=False)
        value = {}
        for name, family in FAMILIES.items():
            mine = np.diagonal(w, axis1=1, axis2=2) if family.diagonal else w
            sigma = family.estimate(counts, mine)
            full = sigma[:, :, None] * np.eye(d) if sigma.ndim == 2 else sigma
            value[name] = deviance(full, counts, w)
        for a, b in itertools.permutations(FAMILIES.values(), 2):
            if a.contains(b):
                assert value[a.name] <= value[b.name] + 1e-9 * abs(value[b.name])


def test_the_order_of_families():
    """contains() is the order I < E < V in every letter."""
    vvv, eii, vii = FAMILIES["VVV"], FAMILIES["EII"], FAMILIES["VII"]
    assert vvv.contains(eii) and vii.contains(eii) and vvv.contains(vvv)
    assert not eii.contains(vii) and not vii.contains(FAMILIES["EEI"])


@pytest.mark.parametrize("d", [2, 5])
def test_one_component_needs_no_families(rng, d):
    """For K = 1 only the identity and the diagonal matter."""
    counts, w = scatters_of(rng, d, 1, diagonal=False)
    expected = {"I": w[0] / counts[0]}
    for name, family in FAMILIES.items():
        if family.diagonal or family.spherical:
            continue
        np.testing.assert_allclose(family.estimate(counts, w)[0], expected["I"], rtol=1e-12)
        assert name[0] in "EV"


@pytest.mark.parametrize("name", list(FAMILIES))
def test_equivariance(rng, name):
    """Scaling, per-column scaling and rotation of the scatters move the estimate along."""
    d, k = 3, 2
    family = FAMILIES[name]
    counts, w = scatters_of(rng, d, k, diagonal=False)

    def estimate(scatters):
        if family.diagonal:
            scatters = np.diagonal(scatters, axis1=1, axis2=2)
        sigma = family.estimate(counts, scatters)
        return sigma[:, :, None] * np.eye(d) if sigma.ndim == 2 else sigma

    base = estimate(w)
    moves = [4.0 * np.eye(d)]
    if name in COLUMN_SCALING:
        moves.append(np.diag([1e-3, 1.0, 1e3]))
    if name in ROTATION:
        moves.append(np.linalg.qr(rng.standard_normal((d, d)))[0])
    for m in moves:
        np.testing.assert_allclose(
            estimate(m @ w @ m.T),
            m @ base @ m.T,
            rtol=1e-9,
            # axes in common are found to angles of 1e-10
            atol=1e-10 * np.abs(m @ base @ m.T).max(),
        )


def test_names():
    """scikit-learn's names, one column, and errors that list what there is."""
    assert get_family("full", 3) is FAMILIES["VVV"]
    assert get_family("tied", 3).name == "EEE"
    assert get_family("diag", 3).name == "VVI"
    assert get_family("spherical", 3).name == "VII"
    assert get_family("tied", 1).name == get_family("EEI", 1).name == "E"
    assert get_family("VVV", 1).name == "V"
    assert get_family(FAMILIES["EEE"], 2) is FAMILIES["EEE"]
    assert families_for(1) == ["E", "V"]
    for wrong in ("XYZ", "", None, 3, "vvv"):
        with pytest.raises(ValueError, match="unknown covariance_type"):
            get_family(wrong, 2)
    with pytest.raises(ValueError, match="for one column"):
        get_family("E", 2)
