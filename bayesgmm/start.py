"""Where EM starts: labels, responsibilities or a mixture become the first parameters.

A named start draws a random partition of (at most 20 000 of) the rows, takes one M-step from it,
and repairs what is singular there: a start is a guess, not an estimate. What the user hands in
is used as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data import Data
from .em import Problem
from .kernels import DegenerateComponentError, Parameters, Statistics, check_components
from .kernels.contract import FloatArray
from .mixture import Mixture

type Seed = int | np.random.Generator | np.random.SeedSequence | None

# Rows a named start looks at: more would cost time, and sharpen a guess that EM sharpens anyway.
_SUBSET = 20_000
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Start:
    """One place to start from, the same for every family.

    given: a mixture, or expected statistics of a partition. guess: made here, not handed in. A
    guess's singular covariance may be shrunk towards the overall one, and its components have no
    order to keep.
    """

    given: Mixture | Statistics
    guess: bool = False

    def parameters(self, problem: Problem, data: Data) -> Parameters:
        """First parameters of a family: one M-step from a partition, or the mixture itself.

        Raises
        ------
        DegenerateComponentError
            A covariance is singular and may not be mended.
        """
        if isinstance(self.given, Mixture):
            return _from_mixture(self.given, problem, data)
        try:
            parameters = problem.maximise(self.given)
            check_components(parameters, data.scale)
        except DegenerateComponentError:
            if not self.guess:
                raise
            parameters = problem.maximise(_shrunk(self.given, data))
        return parameters


def make_starts(
    start: Any, data: Data, n_components: int, n_init: int, random_seed: Seed
) -> list[Start]:
    """Starts from a name, labels (n,), responsibilities (n, K), or a mixture or fit.

    Raises
    ------
    ValueError
        Unknown name; wrong shape; labels that leave a component empty; rows that do not sum to 1.
    """
    if isinstance(start, str):
        if start not in STARTS:
            raise ValueError(
                f"unknown start {start!r}: choose among {', '.join(STARTS)}, or pass n labels, "
                "an n x K array of responsibilities, or a Mixture or Fit."
            )
        if n_components == 1:
            n_init = 1
        return [
            _named_start(STARTS[start], data, n_components, rng)
            for rng in generators(random_seed, n_init)
        ]
    mixture = getattr(start, "mixture", start)
    if isinstance(mixture, Mixture):
        if mixture.n_components != n_components or mixture.d != data.d:
            raise ValueError(
                f"start has {mixture.n_components} components in {mixture.d} columns; the fit "
                f"asks for {n_components} in {data.d}."
            )
        return [Start(mixture)]
    resp = _responsibilities(start, data.n, n_components)
    return [Start(_statistics(data.values, data.center, resp))]


def generators(seed: Seed, n: int) -> list[np.random.Generator]:
    """Independent streams, one a start: more starts leave the first ones as they were."""
    if isinstance(seed, np.random.Generator):
        return list(seed.spawn(n))
    if isinstance(seed, np.random.SeedSequence):
        # A copy: spawning would change the caller's sequence, and with it the next fit.
        seed = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    else:
        seed = np.random.SeedSequence(seed)
    return [np.random.default_rng(child) for child in seed.spawn(n)]


def _from_mixture(mixture: Mixture, problem: Problem, data: Data) -> Parameters:
    # The family's closest member (in Kullback-Leibler divergence), which is the M-step with the
    # start's own covariances for scatters; a start from the family is left as it is.
    counts = np.maximum(mixture.weights, 1e-100)  # times a variance it is still no denormal
    covariances = mixture.covariances
    if problem.family.diagonal:
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    scatters = counts.reshape(-1, *[1] * (covariances.ndim - 1)) * covariances
    parameters = mixture.parameters_about(data.center)
    return Parameters(
        parameters.weights, parameters.means, problem.family.estimate(counts, scatters)
    )


def _responsibilities(start: Any, n: int, n_components: int) -> FloatArray:
    """Responsibilities (n, K) from the user's labels or responsibilities."""
    array = np.asarray(start)
    if array.ndim == 1 and len(array) == n:
        labels, index = np.unique(array, return_inverse=True)
        if len(labels) != n_components:
            raise ValueError(
                f"start has {len(labels)} different labels, the fit {n_components} components."
            )
        return np.eye(n_components)[index]
    if array.shape != (n, n_components):
        raise ValueError(
            f"start has shape {array.shape}: pass {n} labels or responsibilities "
            f"({n}, {n_components})."
        )
    try:
        resp = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError("start holds values that are not numbers.") from None
    if not np.all(np.isfinite(resp)) or np.any(resp < 0):
        raise ValueError("start holds a responsibility that is negative, NaN or infinite.")
    worst = int(np.argmax(np.abs(resp.sum(axis=1) - 1)))
    if abs(resp[worst].sum() - 1) > 1e-6:
        raise ValueError(
            f"responsibilities of row {worst} of start sum to {resp[worst].sum():.6g}, not to 1."
        )
    return resp


def _statistics(values: NDArray[np.floating], center: FloatArray, resp: FloatArray) -> Statistics:
    """Counts, means and scatters of weighted rows, in blocks, about the means (two passes)."""
    counts = resp.sum(axis=0)
    d = values.shape[1]
    means = np.zeros((resp.shape[1], d))
    blocks = range(0, len(values), _BLOCK)
    for i in blocks:
        means += resp[i : i + _BLOCK].T @ (values[i : i + _BLOCK] - center)
    means /= np.where(counts > 0, counts, 1.0)[:, None]  # an empty group is the M-step's to refuse
    scatters = np.zeros((resp.shape[1], d, d))
    for i in blocks:
        z = values[i : i + _BLOCK] - center
        for k, mean in enumerate(means):
            delta = z - mean
            scatters[k] += (resp[i : i + _BLOCK, k, None] * delta).T @ delta
    return Statistics(counts, means, scatters)


def _named_start(
    partition: Callable[[FloatArray, int, np.random.Generator], FloatArray],
    data: Data,
    n_components: int,
    rng: np.random.Generator,
) -> Start:
    values = data.values
    if data.n > _SUBSET:
        values = values[np.sort(rng.choice(data.n, _SUBSET, replace=False))]
    resp = partition((values - data.center) / data.sd, n_components, rng)
    return Start(_statistics(values, data.center, resp), guess=True)


def _shrunk(statistics: Statistics, data: Data) -> Statistics:
    """Scatters with a few rows' worth of the overall one added, so that none is singular."""
    d = data.d
    weight = np.cov(data.values[:_SUBSET], rowvar=False, ddof=0).reshape(d, d) / len(
        statistics.counts
    ) ** (2 / d)
    return Statistics(
        statistics.counts + d + 1, statistics.means, statistics.scatters + (d + 1) * weight
    )


def _kmeans(z: FloatArray, n_components: int, rng: np.random.Generator) -> FloatArray:
    """k-means++ and k-means (scikit-learn's) on the standardised columns."""
    if n_components == 1:
        return np.ones((len(z), 1))
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    groups = KMeans(n_components, n_init=1, random_state=int(rng.integers(2**31)))
    with threadpool_limits(1), warnings.catch_warnings():
        # One thread: with more, scikit-learn's sums depend on which ends first. Fewer distinct
        # rows than groups leave one empty, which the M-step sees.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = groups.fit(z).labels_
    return np.eye(n_components)[labels]


def _kmeans_seeds(z: FloatArray, n_components: int, rng: np.random.Generator) -> FloatArray:
    """Rows divided by the nearest of K seeds of k-means++ (scikit-learn's), standardised."""
    from sklearn.cluster import kmeans_plusplus

    seeds, _ = kmeans_plusplus(z, n_components, random_state=int(rng.integers(2**31)))
    return _nearest(z, seeds)


def _random_rows(z: FloatArray, n_components: int, rng: np.random.Generator) -> FloatArray:
    """Rows divided by the nearest of K random rows, standardised."""
    return _nearest(z, z[rng.choice(len(z), n_components, replace=False)])


def _nearest(z: FloatArray, seeds: FloatArray) -> FloatArray:
    distance = -2 * z @ seeds.T + np.sum(seeds**2, axis=1)
    return np.eye(len(seeds))[np.argmin(distance, axis=1)]


def _random(z: FloatArray, n_components: int, rng: np.random.Generator) -> FloatArray:
    """Responsibilities uniform on the simplex, independently for every row."""
    return rng.dirichlet(np.ones(n_components), size=len(z))


STARTS: dict[str, Callable[[FloatArray, int, np.random.Generator], FloatArray]] = {
    "kmeans": _kmeans,
    "k-means++": _kmeans_seeds,
    "random_from_data": _random_rows,
    "random": _random,
}
