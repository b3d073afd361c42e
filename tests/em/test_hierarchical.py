"""The tree of groups: mclust's partitions, a slow agglomeration's merges, and laws."""

from __future__ import annotations

import json

import numpy as np
import pytest

import bayesgmm
from bayesgmm.em.starts.agglomeration import agglomerate
from bayesgmm.em.starts.hierarchical import _LIMIT, hierarchical_partitions
from tests.places import REFERENCE


def same_partition(a, b):
    """Whether two labellings divide the rows alike."""
    pairs = len(set(zip(np.asarray(a).tolist(), np.asarray(b).tolist(), strict=True)))
    return pairs == len(np.unique(a)) == len(np.unique(b))


def load_case(name):
    """Centred rows, and mclust's partitions of them."""
    path = REFERENCE / "reference" / f"ref_{name}.json"
    if not path.is_file():
        pytest.skip("the reference data are not here")
    case = json.loads(path.read_text())
    x = getattr(bayesgmm.datasets, f"load_{name}")()[case["columns"]].to_numpy(dtype=float)
    return x - x.mean(axis=0), {int(k): p for k, p in case["start_partitions"].items()}


def level(n, scatter, a):
    """Fraley's (1998) criterion of one group."""
    return n * np.log(np.linalg.det(scatter / n) + (np.trace(scatter) + a) / n)


def scatter_of(x, counts):
    delta = x - counts @ x / counts.sum()
    return (counts[:, None] * delta).T @ delta


def merges_by_force(x, counts):
    """The merges, from the rows of every pair of groups at every step."""
    d = x.shape[1]
    a = np.trace(scatter_of(x, counts)) / (counts.sum() * d)
    groups = {i: [i] for i in range(len(x))}
    merges = []

    def worth(rows):
        return level(counts[rows].sum(), scatter_of(x[rows], counts[rows]), a)

    while len(groups) > 1:
        costs = {
            (i, j): worth(groups[i] + groups[j]) - worth(groups[i]) - worth(groups[j])
            for i in groups
            for j in groups
            if i < j
        }
        i, j = min(costs, key=costs.get)
        groups[i] += groups.pop(j)
        merges.append((i, j))
    return merges


def merges(x, counts):
    kept, gone = np.empty((2, len(x) - 1), dtype=np.int64)
    n_reread = agglomerate(np.ascontiguousarray(x.T), counts, kept, gone)
    return list(zip(kept.tolist(), gone.tolist(), strict=True)), n_reread


@pytest.mark.parametrize("d", [1, 2, 3, 7])
@pytest.mark.parametrize("spread", [0.05, 1.0, 20.0])
def test_merges_are_the_cheapest(rng, d, spread):
    """Merges of weighted rows at several scales: determinant or trace decides the criterion."""
    x = spread * rng.standard_normal((24, d))
    x[:12] += 3 * spread
    counts = rng.integers(1, 4, size=24).astype(float)
    assert merges(x, counts)[0] == merges_by_force(x, counts)


@pytest.mark.parametrize("name", ["iris", "diabetes", "penguins", "galaxies", "acidity"])
def test_partitions_of_mclust(name):
    """The same groups for every K: the tree for d > 1, the quantiles for d = 1."""
    z, expected = load_case(name)
    partitions = hierarchical_partitions(z, list(expected))
    for k, labels in expected.items():
        assert same_partition(partitions[k], labels), f"K = {k}"


def test_faithful_against_mclust():
    """With 16 repeated rows mclust's tree follows their order; ours joins them first.

    (With partition = dupPartition(x) mclust's hcVVV makes our groups, K = 1..9.)
    """
    z, expected = load_case("faithful")
    partitions = hierarchical_partitions(z, list(expected))
    x = z / z.std(axis=0, ddof=1)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    scores = u * np.sqrt(s)
    a = np.mean(scores**2)
    ones = np.ones(len(z))

    def worth(labels):
        rows = [np.asarray(labels) == g for g in np.unique(labels)]
        return sum(level(r.sum(), scatter_of(scores[r], ones[r]), a) for r in rows)

    for (
        k,
        labels,
    ) in expected.items():  # measured: 0.6 to 12.8 lower (better), then 6.3 to 7.2 higher
        assert worth(partitions[k]) <= worth(labels) + (1e-9 if k <= 6 else 8)
    gains = {}
    for k in range(2, 6):
        for family in ("VVV", "EEE"):
            ours, theirs = (
                bayesgmm.fit(z, k, family, start=start, max_iter=5000, tol=1e-9).loglik
                for start in (partitions[k], np.asarray(expected[k]))
            )
            gains[k, family] = ours - theirs
    # measured: +7.86 for (3, VVV), -0.90 for (4, VVV), the same maximum in the other six
    assert sum(gain >= -1e-3 for gain in gains.values()) >= 7
    assert min(gains.values()) > -1
    assert sum(gains.values()) > 5


@pytest.mark.parametrize("name", ["iris", "faithful", "penguins"])
def test_order_of_rows_does_not_matter(name, rng):
    """The same groups in any order of the rows, ties and repeated rows included."""
    z, expected = load_case(name)
    order = rng.permutation(len(z))
    x = z[order] + rng.standard_normal(z.shape[1])
    first = hierarchical_partitions(z, list(expected))
    second = hierarchical_partitions(x - x.mean(axis=0), list(expected))
    for k in expected:
        assert same_partition(first[k][order], second[k])


def test_units_do_not_matter(rng):
    """Units, signs and order of the columns change nothing."""
    z = rng.standard_normal((80, 3)) @ rng.standard_normal((3, 3))
    z[:30] += 4
    first = hierarchical_partitions(z, range(1, 8))
    second = hierarchical_partitions((z * [1e-6, -3, 1e9])[:, [2, 0, 1]], range(1, 8))
    for k, labels in first.items():
        np.testing.assert_array_equal(labels, second[k])


def test_one_tree():
    """Fewer groups are unions of more, whatever else is asked for; labels follow the rows."""
    z = np.random.default_rng(5).standard_normal((60, 2))
    partitions = hierarchical_partitions(z, range(1, 61))
    for k in range(1, 61):
        labels, first = np.unique(partitions[k], return_index=True)
        np.testing.assert_array_equal(labels, np.arange(k))
        assert np.all(np.diff(first) > 0)
        if k > 1:
            both = partitions[k] * 100 + partitions[k - 1]
            assert len(np.unique(both)) == k
    alone = hierarchical_partitions(z, [4])
    assert list(alone) == [4]
    np.testing.assert_array_equal(alone[4], partitions[4])
    assert hierarchical_partitions(z, []) == {}


def test_equal_rows_stay_together(rng):
    """Rows of a coarse grid, many of them equal."""
    z = rng.integers(-3, 4, size=(300, 2)).astype(float)
    _, index = np.unique(z, axis=0, return_inverse=True)
    for k, labels in hierarchical_partitions(z, [2, 5, 20]).items():
        assert len(np.unique(labels)) == k
        assert len(set(zip(index.ravel().tolist(), labels.tolist(), strict=True))) == 1 + max(
            index.ravel()
        )


def test_minus_zero_is_zero():
    z = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="3 groups of 2 different rows"):
        hierarchical_partitions(z, [3])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda z: np.column_stack([z, z @ [1.0, 2.0]]),  # collinear
        lambda z: np.column_stack([z, np.zeros(len(z))]),  # constant
        lambda z: z[:, :1] * [1.0, -2.0, 1e5],  # one line in space
        lambda z: np.column_stack([z, z[:, :1] + 1e-6 * z[:, 1:] ** 2]),  # nearly collinear
        lambda z: np.random.default_rng(0).standard_normal((8, 20)),  # n < d
        lambda z: z[:2],
    ],
)
def test_singular_rows(spoil, rng):
    """Directions without spread are left out."""
    z = spoil(rng.standard_normal((50, 2)))
    z = z - z.mean(axis=0)
    for k, labels in hierarchical_partitions(z, range(1, min(7, len(z) + 1))).items():
        assert len(np.unique(labels)) == k


def test_collinear_column_changes_nothing_but_weights(rng):
    """Two separated groups are found in a plane in space."""
    z = rng.standard_normal((60, 2))
    z[:20] += 12
    z = np.column_stack([z, z @ [1.0, -0.5]])
    assert same_partition(hierarchical_partitions(z, [2])[2], np.arange(60) < 20)


@pytest.mark.parametrize("d", [1, 3])
def test_too_many_groups(d):
    z = np.repeat(np.arange(3.0), 4)[:, None] * np.ones(d)
    for k, message in ((4, "4 groups of 3 different rows: ask for 1 to 3"), (0, "0 groups of")):
        with pytest.raises(ValueError, match=message):
            hierarchical_partitions(z, [2, k])
    assert same_partition(hierarchical_partitions(z, [3])[3], z[:, 0])
    np.testing.assert_array_equal(hierarchical_partitions(z[:4], [1])[1], np.zeros(4))


@pytest.mark.parametrize(
    ("values", "k", "labels"),
    [
        (range(10), 3, [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]),
        ([1, 1, 1, 1, 2, 3, 4], 2, [0, 0, 0, 0, 1, 1, 1]),
        ([1, 1, 1, 1, 2, 3, 4], 4, [0, 0, 0, 0, 1, 2, 3]),
        ([1, 2, 2, 2, 2, 2, 2, 3], 3, [0, 1, 1, 1, 1, 1, 1, 2]),
        ([3, 9, 9, 9, 9, 9, 9, 9], 2, [0, 1, 1, 1, 1, 1, 1, 1]),
        ([3, 3, 3, 3, 3, 3, 3, 9], 2, [0, 0, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_quantiles_of_one_column(values, k, labels):
    """Groups between quantiles, none empty where they coincide."""
    z = np.array(values, dtype=float)[:, None]
    np.testing.assert_array_equal(hierarchical_partitions(z, [k])[k], labels)


def test_subset_of_many_rows(rng):
    """Beyond the limit a subset makes the tree, and the other rows join its groups."""
    n = 3 * _LIMIT
    truth = rng.integers(3, size=n)
    z = rng.standard_normal((n, 2)) * np.array([[1, 1], [0.2, 3], [2, 0.5]])[truth]
    z += np.array([[0, 0], [8, 0], [0, 9]])[truth]
    partitions = hierarchical_partitions(z, [1, 3, 6])
    assert [len(np.unique(labels)) for labels in partitions.values()] == [1, 3, 6]
    agreement = [np.bincount(truth[partitions[3] == g]).max() for g in range(3)]
    assert sum(agreement) > 0.99 * n
    again = hierarchical_partitions(z, [3])
    np.testing.assert_array_equal(again[3], partitions[3])
    order = rng.permutation(n)
    assert same_partition(hierarchical_partitions(z[order], [6])[6], partitions[6][order])
    drawn = [hierarchical_partitions(z, [6], np.random.default_rng(s))[6] for s in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_more_groups_than_the_limit():
    z = np.random.default_rng(0).standard_normal((_LIMIT + 100, 2))
    k = _LIMIT + 50
    assert len(np.unique(hierarchical_partitions(z, [k])[k])) == k


@pytest.mark.parametrize("shape", ["normal", "grid", "curve", "tails", "groups"])
def test_work_grows_as_the_square(shape):
    """Rows of costs are read again a few times a row at most, whatever the number of rows."""
    rng = np.random.default_rng(0)
    for m in (150, 300, 600, 1200):
        x = {
            "normal": lambda m: rng.standard_normal((m, 4)),
            "grid": lambda m: np.array([(i % 20, i // 20) for i in range(m)], dtype=float),
            "curve": lambda m: np.column_stack([np.arange(m), np.arange(m) ** 1.5]),
            "tails": lambda m: np.exp(2 * rng.standard_normal((m, 3))),
            "groups": lambda m: rng.standard_normal((m, 2)) + 9 * rng.integers(4, size=(m, 1)),
        }[shape](m)
        x = (x - x.mean(axis=0)) / x.std(axis=0) / m**0.25
        made, n_reread = merges(x, np.ones(m))
        assert n_reread <= 3 * m
        assert sorted(gone for _, gone in made) == list(range(1, m))
