"""Merging by entropy: mclust's numbers, and the laws of every hierarchy."""

from __future__ import annotations

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from scipy.special import entr
from scipy.stats import norm

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.mixture import of_parameters
from bayesgmm.mixture.merging import Merging, merge
from bayesgmm.mixture.mixture import Mixture

# From R 4.2.2, mclust 6.0.0, on faithful, iris[, 1:4] and the three columns of our diabetes.csv:
#   m <- Mclust(x)                                  # iris: G = 4, modelNames = "VEV"
#   m$z <- do.call(estep, list(data = x, modelName = m$modelName, parameters = m$parameters))$z
#   m$classification <- map(m$z); cc <- clustCombi(m)
# "entropies": -sum(z * log(z)) of cc$combiz[[k]], k = K..1; "rows": rows that classification[[k]]
# assigns to the pair that combiM[[k - 1]] merges; "groups": the cluster of each component by the
# product of the combiM; "optim": clustCombiOptim(cc)$numClusters.combi.
# fmt: off
MCLUST = {
    "faithful": {
        "weights": [0.165678399056, 0.356369626513, 0.47795197443],
        "means": [
            [3.79306552923, 77.5210513324],
            [2.03759631461, 54.4911576008],
            [4.46324471984, 80.8334387763],
        ],
        "lower_triangles": [
            [0.0782544809913, 0.480197853467, 33.7671463961],
        ],
        "entropies": [42.3571926684, 0.492556420369, 2.44249065418e-15],
        "rows": [175, 272],
        "groups": [[0, 1, 2], [0, 1, 0], [0, 0, 0]],
        "optim": 2,
    },
    "iris": {
        "weights": [0.260421962259, 0.0729113710748, 0.300393236084, 0.366273430583],
        "means": [
            [5.09741931244, 3.52383250921, 1.4723230688, 0.265784459791],
            [4.67947210206, 3.08570921974, 1.42512846961, 0.17533464609],
            [5.91432358872, 2.77724575492, 4.20367467093, 1.29871658226],
            [6.54714119118, 2.94971116312, 5.48200077092, 1.98542289916],
        ],
        "lower_triangles": [
            [0.128366824038, 0.111656017258, 0.171561065791, 0.0156871131668, 0.0102617975208,
             0.0284441886754, 0.00668466319594, 0.00298957431759, 0.00575064603039,
             0.0107321392294],
            [0.0405913744477, -0.000564403371108, 0.00638248153414, 0.0201908113982,
             0.00113385114606, 0.0177386613168, 0.000429131888025, 0.000807117321512,
             0.00183502151753, 0.00227902059067],
            [0.222849624584, 0.0748893806997, 0.0799985219908, 0.144220387233, 0.0722319053124,
             0.164469082933, 0.0424554165424, 0.0340468614166, 0.0488066249124, 0.0330026666647],
            [0.424940027168, 0.106652886286, 0.116020189864, 0.329485006801, 0.0871982214589,
             0.36110129915, 0.0637108693451, 0.0610682177376, 0.0864601355863, 0.0866279386124],
        ],
        "entropies": [11.8745816658, 5.78809284088, 2.53235197298e-14, 1.7763568394e-15],
        "rows": [100, 50, 150],
        "groups": [[0, 1, 2, 3], [0, 1, 2, 2], [0, 0, 1, 1], [0, 0, 0, 0]],
        "optim": 2,
    },
    "diabetes": {
        "weights": [0.555362973816, 0.247943158779, 0.196693867405],
        "means": [
            [91.3584263909, 357.867169451, 165.850585578],
            [104.640121242, 515.733178328, 314.580680489],
            [230.329079065, 1103.21235322, 81.4048732872],
        ],
        "lower_triangles": [
            [61.4130871708, 93.8442983162, 2051.41931957, 33.8421188364, 365.214116194,
             2643.75976883],
            [194.349394895, 940.159394428, 7271.80689373, -546.287854898, -2775.99176123,
             24757.4385372],
            [5451.21861507, 19936.6096657, 80705.1463396, -2473.12090446, -10272.6204995,
             2243.08390631],
        ],
        "entropies": [17.5208763598, 4.21536213136, 1.66533453694e-15],
        "rows": [117, 145],
        "groups": [[0, 1, 2], [0, 0, 1], [0, 0, 0]],
        "optim": 2,
    },
}

# fmt: on
#: The same for the mixture `six` below; "lines": mclust:::pcws2_reg(c(0, cumsum(rev(rows))),
#: rev(entropies)), as its entPlot(abc = "normalized") draws, intercept and slope.
SIX = {
    "entropies": [
        269.953606306283,
        179.936852514881,
        83.9623868581846,
        13.5090536141033,
        3.22523927660463,
        0,
    ],
    "rows": [197, 296, 204, 500, 600],
    "groups": [
        [0, 1, 2, 3, 4, 5],
        [0, 0, 1, 2, 3, 4],
        [0, 0, 0, 1, 2, 3],
        [0, 0, 0, 1, 1, 2],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
    ],
    "optim": 3,
    "lines": [[-1.25210685829585, 0.0120533020385856], [-386.868088763666, 0.361116058325826]],
}  # fmt: skip


def six():
    """Six round components, three clouds: 600 rows spread without chance, and the mixture."""
    means = np.array([[0, 0], [1.5, 0.5], [2, 2], [6, 0], [6.5, 2], [3, 7]], dtype=float)
    i = np.arange(600)
    z = norm.ppf(np.modf((i[:, None] + 0.5) * [0.754877666, 0.569840291])[0])
    return means[i % 6] + z, Mixture(np.full(6, 1 / 6), means, np.tile(np.eye(2), (6, 1, 1)))


def by_mclust(name):
    """The rows, and mclust's mixture as pasted above."""
    values = MCLUST[name]
    means = np.array(values["means"])
    k, d = means.shape
    sigma = np.zeros((k, d, d))
    sigma[:, *np.tril_indices(d)] = values["lower_triangles"]  # faithful's, EEE, serves them all
    sigma += np.tril(sigma, -1).swapaxes(1, 2)
    weights = np.array(values["weights"])
    x = getattr(bayesgmm.datasets, f"load_{name}")(features_only=True)
    return x, Mixture(weights / weights.sum(), means, sigma, tuple(x.columns))


def as_groups(merging, c):
    """The cluster of each component, clusters numbered by their first component."""
    group = np.empty(merging.n_components, dtype=int)
    for j, cluster in enumerate(merging.clusters(c)):
        group[list(cluster)] = j
    return group.tolist()


def random_case(rng, k=6, d=2, n=400):
    """Components that overlap, and rows drawn from them."""
    roots = np.eye(d) + 0.4 * rng.standard_normal((k, d, d))
    mixture = Mixture(
        rng.dirichlet(np.full(k, 5.0)),
        2 * rng.standard_normal((k, d)),
        roots @ roots.swapaxes(1, 2) + 0.1 * np.eye(d),
    )
    return mixture, mixture.sample(n, rng)[0]


@pytest.mark.parametrize("name", [*MCLUST, "six"])
def test_hierarchy_is_that_of_mclust(name):
    """The same merges, entropies, rows counted and elbow from the same parameters."""
    x, mixture = six() if name == "six" else by_mclust(name)
    expected = SIX if name == "six" else MCLUST[name]
    merging = merge(x, mixture)
    k = mixture.n_components
    # below 1e-9 mclust's entropies are the rounding of its responsibilities' sums
    np.testing.assert_allclose(merging.entropies, expected["entropies"], rtol=1e-7, atol=1e-9)
    assert list(merging.rows) == expected["rows"]
    for c, groups in zip(range(k, 0, -1), expected["groups"], strict=True):
        assert as_groups(merging, c) == groups
    assert merging.suggest("clusters") == expected["optim"]


def test_elbow_against_rows_is_the_one_mclust_draws():
    """Two lines that share the point of the bend, over the cumulative number of merged rows."""
    elbow = merge(*six()).elbow()
    assert (elbow.n_clusters, elbow.against) == (3, "rows")
    assert elbow.x == (0, 600, 1100, 1304, 1600, 1797)
    np.testing.assert_allclose(elbow.lines, SIX["lines"], rtol=1e-8)


@pytest.mark.parametrize("c", [2, 3, 4, 5])
def test_elbow_finds_the_bend(rng, c):
    """Entropies on two lines bend where they were made to, whatever their slopes."""
    k = 6
    rows = rng.integers(50, 200, k - 1).astype(float)  # from 1 cluster up
    low, high = rng.uniform(0, 0.02), rng.uniform(0.1, 0.5)
    entropies = np.concatenate([[0], np.cumsum(rows * np.where(np.arange(1, k) < c, low, high))])
    mixture = random_case(rng)[0]
    merges = merge(*reversed(random_case(rng))).merges
    merging = Merging(mixture, 500, merges, tuple(entropies[::-1]), tuple(rows[::-1]))
    assert merging.suggest() == c
    np.testing.assert_allclose(np.array(merging.elbow().lines)[:, 1], [low, high], atol=1e-9)


def test_entropies_are_those_of_the_responsibilities(rng):
    """-sum t log t at every stage; they never rise, and one cluster has none."""
    mixture, x = random_case(rng)
    merging = merge(x, mixture)
    assert merging.entropies[-1] == 0
    assert np.all(np.diff(merging.entropies) <= 0)
    for c, entropy in zip(range(6, 0, -1), merging.entropies, strict=True):
        t = merging.predict_proba(x, c)
        assert t.shape == (400, c)
        np.testing.assert_allclose(t.sum(axis=1), 1, atol=1e-12)
        assert entropy == pytest.approx(entr(t).sum(), rel=1e-9, abs=1e-9)
        np.testing.assert_array_equal(merging.predict(x, c), t.argmax(axis=1))


def test_each_merge_is_the_best_of_its_stage(rng):
    """No other pair lowers the entropy by more; the rows counted are those of the pair."""
    mixture, x = random_case(rng)
    merging = merge(x, mixture)
    for c, pair, count in zip(range(6, 1, -1), merging.merges, merging.rows, strict=True):
        clusters = merging.clusters(c)
        i, j = sorted(clusters.index(part) for part in pair)
        t = merging.predict_proba(x, c)
        left = {
            (a, b): entr(np.delete(t, [a, b], axis=1)).sum() + entr(t[:, a] + t[:, b]).sum()
            for a, b in combinations(range(c), 2)
        }
        assert left[i, j] == min(left.values())
        assert count == np.isin(t.argmax(axis=1), [i, j]).sum()


def test_order_of_components_does_not_matter(rng):
    """Renumbered components give the renumbered hierarchy."""
    mixture, x = random_case(rng)
    order = rng.permutation(6)
    mixed = Mixture(mixture.weights[order], mixture.means[order], mixture.covariances[order])
    merging, other = merge(x, mixture), merge(x, mixed)
    np.testing.assert_allclose(other.entropies, merging.entropies, rtol=1e-10)
    assert other.rows == merging.rows
    assert other.suggest() == merging.suggest()
    for c in range(1, 7):
        renumbered = {frozenset(order[list(part)].tolist()) for part in other.clusters(c)}
        assert renumbered == {frozenset(part) for part in merging.clusters(c)}


def test_weights_count_like_rows():
    """A row of weight 2 is two rows, one of weight 0 none."""
    x, mixture = six()
    weights = np.arange(600) % 3
    weighted = merge(as_data(x, sample_weight=weights), mixture)
    repeated = merge(np.repeat(x, weights, axis=0), mixture)
    np.testing.assert_allclose(weighted.entropies, repeated.entropies, rtol=1e-10)
    assert weighted.rows == repeated.rows
    assert weighted.n == repeated.n


def test_blocks_change_nothing(monkeypatch):
    """Sums and labels by seven rows at a time."""
    x, mixture = six()
    whole = merge(x, mixture)
    monkeypatch.setattr(of_parameters, "_BLOCK", 7 * mixture.n_components)
    parts = merge(x, mixture)
    np.testing.assert_allclose(parts.entropies, whole.entropies, rtol=1e-12)
    assert (parts.merges, parts.rows) == (whole.merges, whole.rows)
    np.testing.assert_array_equal(parts.predict(x, 3), whole.predict(x, 3))


def test_memory_does_not_grow_with_the_rows():
    """Less than a third of n x K responsibilities, at 300 000 rows and 12 components."""
    mixture, x = random_case(np.random.default_rng(0), k=12, n=300_000)
    rows = mixture.rows(x)
    merge(x[:1000], mixture)  # compiled, imported
    tracemalloc.start()
    merge(rows, mixture)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000 * 12 * 8 / 3


def test_distant_components_do_not_lose_digits():
    """Entropies of 1e-12 are right to their own digits, not to those of n."""
    mixture = Mixture([0.5, 0.5], [[0.0], [15.0]], [[[1.0]], [[1.0]]])
    x = np.linspace(-1, 1, 100)[:, None]
    log_odds = 15 * x[:, 0] - 112.5  # of the second component
    expected = np.sum(np.exp(log_odds) * (1 - log_odds))
    assert merge(x, mixture).entropies[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("k", "suggested"), [(1, 1), (2, 2), (3, 2)])
def test_few_components(k, suggested):
    """One, two and three have no elbow to look for, and the value says so."""
    mixture = Mixture(np.full(k, 1 / k), 20.0 * np.arange(k)[:, None], np.ones((k, 1, 1)))
    merging = merge(mixture.sample(100, 0)[0], mixture)
    assert merging.suggest() == suggested
    assert len(merging.table) == k
    assert "hardly overlap" in repr(merging)
    assert ("no elbow" if k < 3 else "no other place") in repr(merging)
    if k < 3:
        with pytest.raises(ValueError, match=f"at least 3 components, the mixture has {k}"):
            merging.elbow()


def test_table_and_words():
    """A row per number of clusters, and where to go from there."""
    x, mixture = six()
    merging = merge(x, mixture)
    table = merging.table
    assert table["clusters"].tolist() == [6, 5, 4, 3, 2, 1]
    assert table["merged"].tolist()[:3] == ["", "{0} + {1}", "{0, 1} + {2}"]
    assert table["drop"].sum() == pytest.approx(merging.entropies[0])
    np.testing.assert_allclose(table["drop_per_row"][1:], table["drop"][1:] / table["rows"][1:])
    assert table["rows"].tolist()[1:] == list(merging.rows)
    assert merging.clusters() == ((0, 1, 2), (3, 4), (5,))
    text = repr(merging)
    assert "3 clusters: {0, 1, 2}, {3, 4}, {5}" in text
    assert ".predict(X, 3)" in text
    assert "{0} + {1}" in merging._repr_html_()


def test_fit_and_its_mixture_agree():
    """A Fit is merged as its mixture; tables may bring more columns."""
    x = bayesgmm.datasets.load_iris()
    columns = [c for c in x.columns if c != "species"]
    fit = bayesgmm.fit(x[columns], 3, random_seed=0)
    merging = merge(x, fit)
    assert merging.entropies == merge(x[columns], fit.mixture).entropies
    assert merging.entropies[0] == pytest.approx(fit.entropy, rel=1e-6)


@pytest.mark.parametrize("c", [0, 7, 2.0, "3"])
def test_impossible_numbers_of_clusters_are_refused(c):
    """With the range there is."""
    x, mixture = six()
    with pytest.raises(
        ValueError,
        match="n_clusters is .*: pass (a whole number|at most 6)",
    ):
        merge(x, mixture).predict(x, c)


def test_bad_arguments_are_refused():
    """What is no fit, rows of other columns, an unknown regressor."""
    x, mixture = six()
    with pytest.raises(TypeError, match="fit is a list: pass a Fit, a Mixture, a Selection"):
        merge(x, [0.5, 0.5])
    with pytest.raises(bayesgmm.DataError, match="3 columns"):
        merge(np.ones((4, 3)), mixture)
    with pytest.raises(ValueError, match="against is 'n'"):
        merge(x, mixture).suggest("n")
