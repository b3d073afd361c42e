"""Starts of EM: labels, responsibilities or a mixture from the user, or partitions made here.

A named start makes partitions of (at most some thousands of) the rows; EM takes one M-step from
each. `em/multistart.py` decides which of many are run to convergence. A start from the user is
used as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.data import Data
from ...mixture.mixture import Mixture
from ...utils.validation import Seed, check_seed, real_array
from .sample import Memberships, Sample, Start, weighted_partition


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
                f"asks for {n_components} in {data.d}: pass a start of that many."
            )
        if mixture.named and data.named and mixture.names != data.names:
            if set(mixture.names) != set(data.names):
                raise ValueError(
                    f"start has columns {', '.join(mixture.names)}, the data "
                    f"{', '.join(data.names)}: pass a start of the same columns."
                )
            mixture = mixture.marginal(data.names)  # the same in the data's order
        return [Start(mixture.parameters_about(data.center))]
    return [
        Start(weighted_partition(data, n_components, _memberships(start, data.n, n_components)))
    ]


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
    """n_init starts of a kind (the kind's own number if None); a single one for K = 1."""
    kind = STARTS[name]
    if n_components == 1:
        return [sample.of_labels(np.zeros(sample.data.n, dtype=np.int64), 1)]
    made = [sample.hierarchical(n_components)] if kind.hierarchical else []
    if kind.make is None:
        return made
    made = [replace(start, sure=True) for start in made]
    count = kind.n_init if n_init is None else n_init
    rng = generators(random_seed, 1)[0]  # in turn: more starts leave the first ones as they were
    return made + [kind.make(sample, n_components, rng, i) for i in range(count)]


def is_screened(start: Any) -> bool:
    """Whether starts of that name get short runs, of which only the best are continued."""
    return isinstance(start, str) and start in STARTS and STARTS[start].screened


def generators(seed: Seed, n: int) -> list[np.random.Generator]:
    """Independent streams: more of them leave the first ones as they were."""
    seed = check_seed(seed)
    if isinstance(seed, np.random.Generator):
        return list(seed.spawn(n))
    if isinstance(seed, np.random.SeedSequence):
        # A copy: spawning would change the caller's sequence, and with it the next fit.
        seed = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    else:
        seed = np.random.SeedSequence(seed)
    return [np.random.default_rng(child) for child in seed.spawn(n)]


def repeatable(seed: Seed) -> int | np.random.SeedSequence:
    """A seed that gives the same streams however often it is used."""
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence(generators(seed, 1)[0].integers(2**32, size=4).tolist())
    return np.random.SeedSequence() if seed is None else seed


def subset_rng(seed: Seed) -> np.random.Generator:
    """The random stream that draws the subset of rows, apart from those of the starts."""
    return generators(seed, 1)[0].spawn(1)[0]


def _memberships(start: Any, n: int, n_components: int) -> Memberships:
    """The responsibilities of any rows, from the user's labels or responsibilities (n, K)."""
    if isinstance(start, np.ma.MaskedArray) and np.ma.is_masked(start):
        raise ValueError("start has masked values: pass a label or responsibilities for each row.")
    try:
        array = np.asarray(start)
    except ValueError:
        array = np.empty(0)
    if array.ndim == 0:
        held = " its .fit_," if hasattr(start, "fit_") else ""
        raise TypeError(
            f"start is a {type(start).__name__}: pass{held} a Fit, a Mixture, n labels, "
            f"responsibilities (n, K), or one of {', '.join(STARTS)}."
        )
    if array.ndim == 1 and len(array) == n:
        if _any_missing(array):
            raise ValueError("start has a missing label: pass a label for each row.")
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
        resp = real_array(array, "start")
    except ValueError:
        raise ValueError(
            "start holds values that are not numbers: pass labels or responsibilities (n, K)."
        ) from None
    if not np.all(np.isfinite(resp)) or np.any(resp < 0):
        raise ValueError("start holds a responsibility that is negative, NaN or infinite.")
    sums = resp.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > 1e-6:
        raise ValueError(
            f"responsibilities of row {worst} of start sum to {sums[worst]:.6g}, not to 1."
        )
    return lambda rows: resp[rows]


def _any_missing(labels: NDArray[Any]) -> bool:
    """Whether a label is NaN, NaT or None: what is not equal to itself, or nothing."""
    return bool(np.any(labels != labels)) or (  # noqa: PLR0124
        labels.dtype == object and any(v is None for v in labels)
    )


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
    """The same, by turns standardised and sphered: elongated groups need the second."""
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


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to make starts.

    make, from the rows, K, a stream and a number in the series, one of them; None where there are
    no random ones. n_init, how many are usual. hierarchical, whether the hierarchical partition
    comes first. screened, whether all get short runs, of which only the best are continued.
    """

    make: Callable[[Sample, int, np.random.Generator, int], Start] | None
    n_init: int = 10
    hierarchical: bool = False
    screened: bool = False


STARTS: dict[str, Kind] = {
    "auto": Kind(_seeds_in_turn, 30, hierarchical=True, screened=True),
    "hc": Kind(None, 1, hierarchical=True),
    "kmeans": Kind(_kmeans),
    "k-means++": Kind(_seeds),
    "random_from_data": Kind(_random_rows),
    "random": Kind(_random),
}
