"""Where EM starts: labels, responsibilities or a mixture, or partitions made here.

A named start makes partitions of (at most some thousands of) the rows; EM takes one M-step from
each. Which of many are worth running to the end is the business of `search.py`. What the user
hands in is used as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .data import Data
from .em import pack
from .hierarchical import Labels, hierarchical_partitions
from .kernels import Parameters, Statistics
from .kernels.contract import FloatArray
from .kernels.partition import moments_of_partition, seed_and_divide
from .mixture import Mixture

# Gives the responsibilities (m, K) of the m rows of a slice.
type Memberships = Callable[[slice], FloatArray]
type Seed = int | np.random.Generator | np.random.SeedSequence | None

# Rows a named start looks at: more would cost time, and sharpen a guess that EM sharpens anyway.
_SUBSET = 20_000
_BLOCK = 4096


@dataclass(frozen=True)
class Start:
    """One place to start from, the same for every family.

    given: parameters, or expected statistics of a partition. guess: made here, not handed in. A
    guess's singular covariance may be shrunk towards the overall one, and its components have no
    order to keep.
    """

    given: Parameters | Statistics
    guess: bool = False

    @cached_property
    def full(self) -> FloatArray:
        """Statistics as EM reads them, with full scatters."""
        assert isinstance(self.given, Statistics)
        return pack(self.given, diagonal=False)

    @cached_property
    def diagonal(self) -> FloatArray:
        """Statistics as EM reads them, with the diagonals of the scatters."""
        assert isinstance(self.given, Statistics)
        return pack(self.given, diagonal=True)

    def shrunk(self, data: Data) -> Statistics:
        """Statistics with d + 1 rows' worth of the overall scatter: none is singular."""
        statistics = self.given
        assert isinstance(statistics, Statistics)
        overall = _covariance(data) / len(statistics.counts) ** (2 / data.d)
        return Statistics(
            statistics.counts + data.d + 1,
            statistics.means,
            statistics.scatters + (data.d + 1) * overall,
        )


def _covariance(data: Data) -> FloatArray:
    """Covariance of (the first of) the rows; only a scale is wanted."""
    block = data.part(0, _SUBSET)
    return np.cov(block.values, rowvar=False, ddof=0, aweights=block.weights).reshape(
        data.d, data.d
    )


class Sample:
    """The rows that starts are made from, in the coordinates in which they are divided."""

    def __init__(self, data: Data, at_most: int = _SUBSET, rng: np.random.Generator | None = None):
        used = np.arange(data.n) if data.weights is None else np.flatnonzero(data.weights)
        if len(used) > at_most:
            rng = rng or np.random.default_rng(0)
            used = np.sort(rng.choice(used, at_most, replace=False))
        self.data = data
        if len(used) < data.n:
            weights = None if data.weights is None else data.weights[used]
            self.data = replace(data, values=data.values[used], weights=weights)
        self._trees: dict[int, Labels] = {}

    @cached_property
    def centred(self) -> FloatArray:
        """Rows about the columns' centres (n, d)."""
        return np.ascontiguousarray(self.data.values - self.data.center, dtype=np.float64)

    @cached_property
    def standardised(self) -> FloatArray:
        """Rows with columns of unit variance (n, d)."""
        return self.centred / self.data.sd

    @cached_property
    def sphered(self) -> FloatArray:
        """Rows with the identity for a covariance (n, at most d)."""
        correlation = _covariance(self.data) / np.outer(self.data.sd, self.data.sd)
        values, vectors = np.linalg.eigh(correlation)
        kept = values > 1e-10 * values[-1]
        return np.ascontiguousarray(self.standardised @ (vectors[:, kept] / np.sqrt(values[kept])))

    @property
    def weights(self) -> FloatArray:
        """Weights of the rows, or nothing."""
        return np.empty(0) if self.data.weights is None else self.data.weights

    def grow(self, ks: Iterable[int]) -> None:
        """Make the hierarchical partitions of all these K at once."""
        missing = [k for k in ks if k not in self._trees]
        if missing:
            self._trees |= hierarchical_partitions(self.centred, missing)

    def hierarchical(self, k: int) -> Start:
        """The start from the tree of merged groups."""
        self.grow([k])
        return self.of_labels(self._trees[k], k)

    def seeded(self, z: FloatArray, k: int, rng: np.random.Generator) -> Start:
        """Rows divided by the nearest of K seeds of k-means++."""
        labels = np.empty(len(z), dtype=np.int64)
        seed_and_divide(z, self.weights, rng.random(k), labels)
        return self.of_labels(labels, k)

    def of_labels(self, labels: Labels, k: int) -> Start:
        """The start from a partition."""
        d = self.data.d
        counts, means, scatters = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
        labels = np.ascontiguousarray(labels, dtype=np.int64)
        moments_of_partition(self.centred, self.weights, labels, counts, means, scatters)
        return Start(Statistics(counts, means, scatters), guess=True)

    def of_responsibilities(self, resp: FloatArray) -> Start:
        """The start from responsibilities (n, K)."""
        return Start(_statistics(self.data, resp.shape[1], lambda rows: resp[rows]), guess=True)


def make_starts(
    start: Any, data: Data, n_components: int, n_init: int | None, random_seed: Seed
) -> list[Start]:
    """Starts from a name, labels (n,), responsibilities (n, K), or a mixture or fit.

    Raises
    ------
    ValueError
        Unknown name; wrong shape; labels that leave a component empty; rows that do not sum to 1.
    """
    if isinstance(start, str):
        check_name(start)
        sample = Sample(data, rng=subset_rng(random_seed))
        return named_starts(start, sample, n_components, n_init, random_seed)
    mixture = getattr(start, "mixture", start)
    if isinstance(mixture, Mixture):
        if mixture.n_components != n_components or mixture.d != data.d:
            raise ValueError(
                f"start has {mixture.n_components} components in {mixture.d} columns; the fit "
                f"asks for {n_components} in {data.d}."
            )
        return [Start(mixture.parameters_about(data.center))]
    return [Start(_statistics(data, n_components, _memberships(start, data.n, n_components)))]


def check_name(start: str) -> None:
    """Refuse a start that does not exist."""
    if start not in STARTS:
        raise ValueError(
            f"unknown start {start!r}: choose among {', '.join(STARTS)}, or pass n labels, "
            "an n x K array of responsibilities, or a Mixture or Fit."
        )


def named_starts(
    name: str, sample: Sample, n_components: int, n_init: int | None, random_seed: Seed
) -> list[Start]:
    """n_init starts of a kind (as many as that kind usually needs if None); 1 for one component."""
    kind = STARTS[name]
    if n_components == 1:
        return [sample.of_labels(np.zeros(sample.data.n, dtype=np.int64), 1)]
    if name == "hc":
        return [sample.hierarchical(n_components)]
    count = kind.n_init if n_init is None else n_init
    made = [] if name != "auto" else [sample.hierarchical(n_components)]
    rng = generators(random_seed, 1)[0]  # in turn: more starts leave the first ones as they were
    return made + [kind.make(sample, n_components, rng, i) for i in range(count)]


def generators(seed: Seed, n: int) -> list[np.random.Generator]:
    """Independent streams: more of them leave the first ones as they were."""
    if isinstance(seed, np.random.Generator):
        return list(seed.spawn(n))
    if isinstance(seed, np.random.SeedSequence):
        # A copy: spawning would change the caller's sequence, and with it the next fit.
        seed = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    else:
        seed = np.random.SeedSequence(seed)
    return [np.random.default_rng(child) for child in seed.spawn(n)]


def subset_rng(seed: Seed) -> np.random.Generator:
    """The stream that draws the rows to look at, apart from those of the starts."""
    return generators(seed, 1)[0].spawn(1)[0]


def _memberships(start: Any, n: int, n_components: int) -> Memberships:
    """What the user's labels, or responsibilities (n, K), say of some rows."""
    array = np.asarray(start)
    if array.ndim == 1 and len(array) == n:
        labels, index = np.unique(array, return_inverse=True)
        if len(labels) != n_components:
            raise ValueError(
                f"start has {len(labels)} different labels, the fit {n_components} components."
            )
        identity = np.eye(n_components)
        return lambda rows: identity[index[rows]]
    if array.shape != (n, n_components):
        raise ValueError(
            f"start has shape {array.shape}: pass {n} labels or responsibilities "
            f"({n}, {n_components})."
        )
    try:
        resp = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("start holds values that are not numbers.") from None
    if not np.all(np.isfinite(resp)) or np.any(resp < 0):
        raise ValueError("start holds a responsibility that is negative, NaN or infinite.")
    sums = resp.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > 1e-6:
        raise ValueError(
            f"responsibilities of row {worst} of start sum to {sums[worst]:.6g}, not to 1."
        )
    return lambda rows: resp[rows]


def _statistics(data: Data, n_components: int, memberships: Memberships) -> Statistics:
    """Counts, means and scatters of weighted rows, in blocks, about the means (two passes)."""
    counts = np.zeros(n_components)
    means = np.zeros((n_components, data.d))
    for z, resp in _weighted_blocks(data, memberships):
        counts += resp.sum(axis=0)
        means += resp.T @ z
    means /= np.where(counts > 0, counts, 1.0)[:, None]  # an empty group is the M-step's to refuse
    scatters = np.zeros((n_components, data.d, data.d))
    for z, resp in _weighted_blocks(data, memberships):
        for k, mean in enumerate(means):
            delta = z - mean
            scatters[k] += (resp[:, k, None] * delta).T @ delta
    return Statistics(counts, means, scatters)


def _weighted_blocks(data: Data, memberships: Memberships) -> Iterator[tuple[FloatArray, ...]]:
    """Blocks of centred rows (m, d) and of what they count for in each component (m, K)."""
    for start in range(0, data.n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        resp = memberships(rows)
        if data.weights is not None:
            resp = resp * data.weights[rows, None]
        yield data.values[rows] - data.center, resp


def _kmeans(sample: Sample, n_components: int, rng: np.random.Generator, i: int) -> Start:
    """k-means++ and k-means (scikit-learn's) on the standardised columns."""
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    groups = KMeans(n_components, n_init=1, random_state=int(rng.integers(2**31)))
    with threadpool_limits(1), warnings.catch_warnings():
        # One thread: with more, scikit-learn's sums depend on which ends first. Fewer distinct
        # rows than groups leave one empty, which the M-step sees.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = groups.fit(sample.standardised, sample_weight=sample.data.weights).labels_
    return sample.of_labels(labels, n_components)


def _seeds(sample: Sample, n_components: int, rng: np.random.Generator, i: int) -> Start:
    """Rows divided by the nearest seed of k-means++, standardised."""
    return sample.seeded(sample.standardised, n_components, rng)


def _seeds_in_turn(sample: Sample, n_components: int, rng: np.random.Generator, i: int) -> Start:
    """The same, by turns standardised and sphered: long groups need the second."""
    z = sample.sphered if i % 2 else sample.standardised
    return sample.seeded(z, n_components, rng)


def _random_rows(sample: Sample, n_components: int, rng: np.random.Generator, i: int) -> Start:
    """Rows divided by the nearest of K random rows, standardised."""
    z = sample.standardised
    seeds = z[rng.choice(len(z), n_components, replace=False)]
    distance = -2 * z @ seeds.T + np.sum(seeds**2, axis=1)
    return sample.of_labels(np.argmin(distance, axis=1), n_components)


def _random(sample: Sample, n_components: int, rng: np.random.Generator, i: int) -> Start:
    """Responsibilities uniform on the simplex, independently for every row."""
    return sample.of_responsibilities(rng.dirichlet(np.ones(n_components), size=sample.data.n))


def _no_more(sample: Sample, n_components: int, rng: np.random.Generator, i: int) -> Start:
    raise AssertionError("the hierarchical start is one")


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to make starts, and how many of it are usual."""

    make: Callable[[Sample, int, np.random.Generator, int], Start]
    n_init: int


STARTS: dict[str, Kind] = {
    "auto": Kind(_seeds_in_turn, 30),
    "hc": Kind(_no_more, 1),
    "kmeans": Kind(_kmeans, 10),
    "k-means++": Kind(_seeds, 10),
    "random_from_data": Kind(_random_rows, 10),
    "random": Kind(_random, 10),
}
