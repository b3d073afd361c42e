"""Point estimates of a partition: brute force over all partitions, and what must not matter."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import bayesgmm
from bayesgmm.data.data import as_data
from bayesgmm.mixture.draws import Draws
from bayesgmm.posterior.summaries.allocations import sampled_allocations
from bayesgmm.posterior.summaries.coclustering import coclustering_matrix
from bayesgmm.posterior.summaries.partition import Partition, best_partition
from bayesgmm.posterior.summaries.partition_search import losses_to
from tests.synthetic import make_posterior

LOSSES = ("vi", "binder")


def partitions_of(n):
    """All partitions of n rows, as labels in order of appearance (restricted growth strings)."""
    if n == 1:
        yield (0,)
        return
    for head in partitions_of(n - 1):
        for label in range(max(head) + 2):
            yield (*head, label)


def entropy(*labels):
    """Entropy in bits of the joint distribution of labels of equally probable rows."""
    share = np.unique(np.stack(labels, axis=1), axis=0, return_counts=True)[1] / len(labels[0])
    return -np.sum(share * np.log2(share))


def variation_of_information(a, b):
    return 2 * entropy(a, b) - entropy(a) - entropy(b)


def binder(a, b):
    pairs = combinations(range(len(a)), 2)
    return 2 / len(a) ** 2 * sum((a[i] == a[j]) != (b[i] == b[j]) for i, j in pairs)


BY_DEFINITION = {"vi": variation_of_information, "binder": binder}


def overlapping(rng, n, d=2, k=3, s=60):
    """Rows, and draws of a mixture whose components overlap."""
    means = 1.5 * rng.standard_normal((k, d))
    x = means[rng.integers(k, size=n)] + rng.standard_normal((n, d))
    return as_data(x), Draws(
        rng.dirichlet(np.full(k, 5.0), s),
        means + 0.3 * rng.standard_normal((s, k, d)),
        np.exp(0.2 * rng.standard_normal((s, k, 1, 1))) * np.eye(d),
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_those_of_the_definitions(rng, loss):
    """The compiled loss is Binder's, and the variation of information from entropies."""
    n, s, groups, clusters = 30, 20, 4, 3
    allocations = rng.integers(groups, size=(n, s)).astype(np.int16)
    labels = rng.integers(clusters, size=n)
    m = np.arange(n + 1.0)
    f = (m / n) ** 2 if loss == "binder" else m * np.log2(np.maximum(m, 1)) / n
    found = np.empty(s)
    losses_to(allocations, labels, clusters, groups, f, found)
    expected = [BY_DEFINITION[loss](labels, allocations[:, i]) for i in range(s)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n", [2, 5, 7])
def test_no_partition_is_better(rng, loss, n):
    """The search finds the least expected loss over all partitions, as it is defined."""
    data, draws = overlapping(rng, n, s=15)
    found = best_partition(data, draws, loss, random_seed=3)
    allocations = sampled_allocations(data, draws, np.random.default_rng(3))

    def expected_loss(labels):
        return np.mean([BY_DEFINITION[loss](labels, z) for z in allocations.T])

    least = min(expected_loss(np.array(labels)) for labels in partitions_of(n))
    assert found.expected_loss == pytest.approx(least, abs=1e-12)
    assert expected_loss(found.labels) == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_search_is_as_good_as_many(rng, loss):
    """At sizes without brute force: sixty restarts find nothing better by a thousandth."""
    data, draws = overlapping(rng, 120, k=4)
    few = best_partition(data, draws, loss, random_seed=1)
    many = best_partition(data, draws, loss, random_seed=1, n_runs=60)
    assert many.expected_loss <= few.expected_loss + 1e-12
    assert few.expected_loss <= 1.001 * many.expected_loss


def test_sampled_allocations_have_the_pairs_probabilities(rng):
    """Shares of draws in which two rows are together, within their Monte Carlo errors."""
    data, draws = overlapping(rng, 12, s=4000)
    allocations = sampled_allocations(data, draws, np.random.default_rng(0))
    together = [z[:, None] == z[None, :] for z in allocations.T]
    p = coclustering_matrix(data, draws)
    error = np.sqrt(p * (1 - p) / len(draws))
    assert np.all(np.abs(np.mean(together, axis=0) - p) <= 5 * error + 1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_labels_of_draws_do_not_matter(rng, loss):
    """Components of every draw in a random order: the same partition."""
    data, draws = overlapping(rng, 60)
    order = np.argsort(rng.random(draws.weights.shape), axis=1)
    other = Draws(
        np.take_along_axis(draws.weights, order, 1),
        np.take_along_axis(draws.means, order[:, :, None], 1),
        np.take_along_axis(draws.covariances, order[:, :, None, None], 1),
    )
    a, b = (best_partition(data, d, loss, random_seed=5) for d in (draws, other))
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.expected_loss == pytest.approx(b.expected_loss, abs=1e-12)


def test_seed_and_threads(rng, monkeypatch):
    """The same seed gives the same partition, on one thread or several."""
    data, draws = overlapping(rng, 60)
    first = best_partition(data, draws, "vi", random_seed=5)
    monkeypatch.setenv("BAYESGMM_NUM_THREADS", "1")
    second = best_partition(data, draws, "vi", random_seed=5)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.losses, second.losses)


def test_clear_groups_are_found():
    """Groups far apart are the partition, at no loss; clusters are numbered as they appear."""
    rng = np.random.default_rng(0)
    truth = np.repeat([2, 0, 1], 20)
    x = 100.0 * truth[:, None] + rng.standard_normal((60, 2))
    posterior = make_posterior(x, bayesgmm.fit(x, 3, "EII", random_seed=0), n_draws=10)
    for loss in LOSSES:
        partition = posterior.partition(loss, random_seed=0)
        np.testing.assert_array_equal(partition.labels, np.repeat([0, 1, 2], 20))
        assert partition.expected_loss == partition.radius(0.99) == 0
        assert partition.sizes.tolist() == [20, 20, 20]
        assert f"({loss})" in repr(partition)
    one = posterior.partition(max_clusters=1)
    assert one.n_clusters == 1
    assert "as many as max_clusters allows" in repr(one)
    few = posterior.partition(X=x[:21], max_clusters=2, n_runs=0, n_draws=7)
    assert few.n_clusters == 2
    assert len(few.losses) == 7


def test_radius_holds_the_probability():
    """At least the asked share of drawn partitions lies within the ball, and less in a smaller."""
    partition = Partition(np.array([0, 1]), "vi", np.linspace(0, 1, 50), 2)
    for probability in (0.1, 0.5, 0.89):
        radius = partition.radius(probability)
        assert np.mean(partition.losses <= radius) >= probability
        assert np.mean(partition.losses < radius) < probability + 0.02
    with pytest.raises(ValueError, match="ci_prob is 2"):
        partition.radius(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "rand"}, "loss is 'rand': choose one of vi, binder"),
        ({"n_runs": -1}, "n_runs is -1"),
        ({"max_clusters": 0}, "max_clusters is 0"),
        ({"n_draws": 0}, "n_draws is 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    x = bayesgmm.datasets.load_faithful()
    posterior = make_posterior(x, bayesgmm.fit(x, 2, random_seed=0), n_draws=5)
    with pytest.raises(ValueError, match=message):
        posterior.partition(**arguments)
