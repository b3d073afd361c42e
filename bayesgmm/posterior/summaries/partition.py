"""The partition of the rows with the least posterior expected loss.

Wade & Ghahramani (2018), Bayesian Anal. 13, 559-626, for the losses and the ball around the
estimate; Rastelli & Friel (2018), Stat. Comput. 28, 1169-1186, for greedy moves on the draws
themselves; Dahl, Johnson & Mueller (2022), J. Comput. Graph. Stat. 31, 1189-1201, for restarts
that build the partition row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...data.data import Data
from ...mixture.draws import Draws
from ...mixture.evaluation import responsibilities
from ...utils.display import Displayed
from ...utils.threads import default_threads, for_each_chunk
from ...utils.types import FloatArray
from ...utils.validation import check_integer, random_stream, tail_probabilities
from .allocations import Allocations, sampled_allocations
from .coclustering import coclustering_matrix
from .partition_search import improve, losses_to

Loss = Literal["vi", "binder"]
type Labels = NDArray[np.int64]

# Limits of the candidates to start from: the tree needs an n x n matrix, and few draws are enough.
_TREE_ROWS = 2000
_TREE_DRAWS = 200
_OWN_DRAWS = 50
# Least number of clusters allowed by default: the best partition may have more than the draws have
# components, but each one allowed costs time.
_FEWEST_ALLOWED = 10


@dataclass(frozen=True, eq=False, repr=False)
class Partition(Displayed):
    """The partition of the rows with the least posterior expected loss that was found.

    Attributes
    ----------
    labels : int array (n,)
        The cluster of every row: 0, 1, ... in the order in which they appear.
    loss : str
        "vi": variation of information, in bits. "binder": the share of ordered pairs of rows that
        are together in one partition and apart in the other.
    losses : array (S,)
        Loss of this partition to the one drawn from each draw's responsibilities.
    max_clusters : int
        Most clusters that were allowed.
    """

    labels: Labels
    loss: Loss
    losses: FloatArray
    max_clusters: int

    @property
    def expected_loss(self) -> float:
        """Posterior mean of the loss."""
        return float(self.losses.mean())

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> Labels:
        """Rows of every cluster."""
        return np.bincount(self.labels)

    def radius(self, ci_prob: float = 0.89) -> float:
        """Radius of the ball around it, in the loss, that holds this much of the posterior."""
        tail_probabilities(ci_prob)
        return float(np.quantile(self.losses, ci_prob, method="higher"))

    def _title(self) -> str:
        return f"Partition of {len(self.labels)} rows into {self.n_clusters} clusters"

    def _lines(self) -> list[tuple[str, str]]:
        bound = ", as many as max_clusters allows" if self.n_clusters == self.max_clusters else ""
        return [
            ("rows of the clusters", ", ".join(map(str, self.sizes)) + bound),
            (f"expected loss ({self.loss})", f"{self.expected_loss:.4g}; a ball of radius "
             f"{self.radius():.4g} holds 89 % of the posterior"),
        ]  # fmt: skip


def best_partition(
    data: Data,
    draws: Draws,
    loss: Loss,
    *,
    max_clusters: int | None = None,
    n_runs: int = 4,
    random_seed: int | np.random.Generator | None = None,
) -> Partition:
    """The partition of least expected loss found; `Posterior.partition` has the parameters."""
    if loss not in get_args(Loss):
        raise ValueError(f"loss is {loss!r}: choose one of {', '.join(get_args(Loss))}.")
    if data.weights is not None:
        raise NotImplementedError(
            "the loss of a partition counts each row once, and these have weights: pass X, the "
            "rows as often as they count (np.repeat(X, counts, axis=0)), or once each."
        )
    check_integer("n_runs", n_runs, 0)
    if max_clusters is None:
        max_clusters = max(_FEWEST_ALLOWED, 4 * draws.n_components)
    limit = check_integer("max_clusters", max_clusters, 1)
    rng = random_stream(random_seed)
    expected_loss = _ExpectedLoss(sampled_allocations(data, draws, rng), loss, min(limit, data.n))
    starts = [
        expected_loss.best(_cuts(data, draws, expected_loss.limit)),
        expected_loss.best(_own(data, draws)),
        *np.full((n_runs, data.n), -1),
    ]
    orders = [rng.permutation(data.n) for _ in starts]
    for_each_chunk(
        lambda c: expected_loss.improve(starts[c], orders[c]), len(starts), default_threads()
    )
    labels = _by_appearance(expected_loss.best(starts))
    return Partition(labels, loss, expected_loss.losses(labels), expected_loss.limit)


class _ExpectedLoss:
    """The mean loss of a partition to drawn ones, and its minimisation."""

    def __init__(self, allocations: Allocations, loss: Loss, limit: int) -> None:
        self.allocations = allocations
        self.n_groups = int(allocations.max()) + 1
        self.limit = limit
        n = len(allocations)
        m = np.arange(n + 1, dtype=np.float64)
        self.f = (m / n) ** 2 if loss == "binder" else m * np.log2(np.maximum(m, 1)) / n

    def losses(self, labels: Labels) -> FloatArray:
        """The loss of labels to each drawn partition, (S,)."""
        losses = np.empty(self.allocations.shape[1])
        losses_to(self.allocations, labels, labels.max() + 1, self.n_groups, self.f, losses)
        return losses

    def improve(self, labels: Labels, order: Labels) -> None:
        """Lower the mean loss of labels in place, visiting rows in that order."""
        step = np.diff(self.f)
        improve(self.allocations, labels, order, self.limit, self.n_groups, self.f, step)

    def best(self, candidates: Iterable[Labels]) -> Labels:
        """The candidate of least mean loss, the first of equals; one cluster is always tried."""
        single = np.zeros(len(self.allocations), dtype=np.int64)
        allowed = [single, *(labels for labels in candidates if labels.max() < self.limit)]
        return min(allowed, key=lambda labels: float(self.losses(labels).mean()))


def _cuts(data: Data, draws: Draws, limit: int) -> Iterator[Labels]:
    """Cuts of the tree (average linkage) of 1 - co-clustering, where its matrix is affordable."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if 1 < data.n <= _TREE_ROWS:
        together = coclustering_matrix(data, draws.thinned(_TREE_DRAWS))
        distance = np.round(1 - together, 12)  # so that ties are ties on any number of threads
        tree = linkage(squareform(distance, checks=False), "average")
        for k in range(2, limit + 1):
            yield fcluster(tree, k, "maxclust").astype(np.int64) - 1


def _own(data: Data, draws: Draws) -> Iterator[Labels]:
    """The most probable partition under each of some draws."""
    for resp in responsibilities(data, draws.thinned(_OWN_DRAWS)):
        yield _by_appearance(np.argmax(resp, axis=1))


def _by_appearance(labels: Labels) -> Labels:
    """The clusters numbered in the order of their first rows."""
    _, first, index = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[index]
