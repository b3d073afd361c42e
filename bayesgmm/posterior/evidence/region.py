"""One of the K! copies of a mixture's posterior, cut out exactly.

Under a prior that treats all components alike, the posterior has the same integral over each of K!
regions if every mixture's K! permutations lie one in each. Any rule that picks one order of K
components makes such regions; a good one cuts where there are few draws. Both rules here use a
component's features: its mean, the logarithm of its proportion, and that of its volume.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from ...data.data import Data
from ...families import Family
from ...mixture.draws import Draws
from ...utils.types import FloatArray, IntArray
from ..labels.matching import assign_all

# Components whose gap is so many standard deviations hardly ever change their order.
_CLEAR = 4.0
# Draws that the centres of a matching are computed from, and most rounds: any centres are valid.
_FITTED, _ROUNDS = 4000, 20
# Added to features' unit variances, for features that do not vary, or only together.
_RIDGE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Region(ABC):
    """A rule that picks one order of every mixture's components.

    Attributes
    ----------
    name : str
        The rule in words.
    center : array (d,)
        Subtracted from the means.
    """

    name: str
    center: FloatArray

    @abstractmethod
    def permutations(self, draws: Draws) -> IntArray:
        """The order (S, K) that the rule picks for each draw's components."""

    def holds(self, draws: Draws) -> NDArray[np.bool_]:
        """Whether the components of each draw are in that order, (S,)."""
        permutations = self.permutations(draws)
        return np.asarray(np.all(permutations == np.arange(permutations.shape[1]), axis=1))

    def cut(self, draws: Draws) -> float:
        """Share of the draws for which another order is picked than for most."""
        counts = np.unique(self.permutations(draws), axis=0, return_counts=True)[1]
        return float(1 - counts.max() / counts.sum())

    def applied(self, draws: Draws) -> Draws:
        """The draws with their components put in order: the posterior in this region."""
        return draws.permuted(self.permutations(draws))


@final
@dataclass(frozen=True, slots=True, eq=False)
class WithinKinds(Region):
    """Components that the rows' labels tell apart, but for those of one kind.

    Attributes
    ----------
    kinds : tuple of (array, Region)
        The components of each kind of several, and the rule for their order.
    """

    kinds: tuple[tuple[IntArray, Region], ...]

    def permutations(self, draws: Draws) -> IntArray:
        """The order that they are in, and in each kind that which its rule picks."""
        out = np.tile(np.arange(draws.n_components), (len(draws), 1))
        for kind, region in self.kinds:
            out[:, kind] = kind[region.permutations(_some(draws, kind))]
        return out


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ordering(Region):
    """Components ascend in one of their features.

    Attributes
    ----------
    feature : int
        Among the d means, the log proportion and the log volume |Sigma_k|^(1/d).
    """

    feature: int

    def permutations(self, draws: Draws) -> IntArray:
        """The order that makes the components ascend."""
        return np.argsort(_features(draws, self.center)[:, :, self.feature], axis=1)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Matching(Region):
    """Components are matched to K normal densities of features so that their product is largest.

    Attributes
    ----------
    means : array (K, d + 2)
    whitening : array (K, d + 2, d + 2)
        W_k with W_k W_k' the inverse of the k-th covariance matrix.
    """

    means: FloatArray
    whitening: FloatArray

    @classmethod
    def of(cls, draws: Draws, center: FloatArray) -> Matching:
        """A matching to the draws' average components, iterated until no draw changes.

        Parameters
        ----------
        draws : Draws
            S draws relabelled as far as they can be.
        center : array (d,)
            The data's centre.
        """
        draws = draws.thinned(_FITTED)
        unit = _features(draws, center).std(axis=(0, 1))
        unit = np.where(unit > 0, unit, 1.0)
        for _ in range(_ROUNDS):
            features = _features(draws, center) / unit
            covariances = np.array([np.cov(f, rowvar=False) for f in np.swapaxes(features, 0, 1)])
            roots = np.linalg.cholesky(covariances + _RIDGE * np.eye(len(unit)))
            whitening = np.swapaxes(np.linalg.inv(roots), 1, 2) / unit[:, None]
            matching = cls(
                "matched to the draws' average components", center,
                features.mean(axis=0) * unit, whitening,
            )  # fmt: skip
            if matching.holds(draws).all():
                break
            draws = matching.applied(draws)
        return matching

    def permutations(self, draws: Draws) -> IntArray:
        """The order in which the product of the components' densities is largest."""
        features = _features(draws, self.center)
        agreement = [
            np.linalg.slogdet(w)[1] - 0.5 * np.sum(((features - m) @ w) ** 2, axis=2)
            for m, w in zip(self.means, self.whitening, strict=True)
        ]
        return assign_all(np.stack(agreement, axis=1))


def best_region(draws: Draws, family: Family, center: FloatArray, names: Sequence[str]) -> Region:
    """The region that separates the draws' components best.

    Ordered by the means of a column, the proportions or the volumes, if one of these separates
    them clearly, measured by the smallest gap between neighbours in standard deviations of that gap
    over the draws. Else matched to the average components.

    Parameters
    ----------
    draws : Draws
        S draws relabelled as far as they can be.
    family : Family
        Their family.
    center : array (d,)
        The data's centre.
    names : sequence of str
        Of the d columns.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.mixture.draws import Draws
    >>> from bayesgmm.families import get_family
    >>> from bayesgmm.posterior.evidence.region import best_region
    >>> rng = np.random.default_rng(0)
    >>> means = rng.normal([[[0.0, 9.0], [1.0, 0.0]]], 1.0, (50, 2, 2))
    >>> draws = Draws(rng.dirichlet([9, 9], 50), means, np.ones((50, 2, 2)))
    >>> best_region(draws, get_family("EEI", 2), np.zeros(2), ["height", "width"]).name
    'ordered by the mean of width'
    """
    features = _features(draws, center)
    axes = list(_axis_names(names, family))
    separations = [_separation(features[:, :, i]) for i in range(len(axes))]
    best = int(np.argmax(separations))
    if separations[best] < _CLEAR:
        return Matching.of(draws, center)
    return Ordering(f"ordered by {axes[best]}", center, best)


def region_of_labels(draws: Draws, data: Data, family: Family) -> tuple[Region, float]:
    """The region of draws given rows with labels, and the log number of copies of it.

    Components of one kind, which are admissible in the same rows, can exchange their names.
    """
    assert data.groups is not None
    kinds = [kind for kind in data.groups.kinds if len(kind) > 1]
    rules = [best_region(_some(draws, k), family, data.center, data.names) for k in kinds]
    copies = float(sum(gammaln(len(kind) + 1) for kind in kinds))
    name = "; ".join(rule.name for rule in rules)
    return WithinKinds(name, data.center, tuple(zip(kinds, rules, strict=True))), copies


def _some(draws: Draws, components: IntArray) -> Draws:
    """The draws of some of the components."""
    parts = (draws.weights, draws.means, draws.covariances)
    return Draws(*(part[:, components] for part in parts))


def _axis_names(names: Sequence[str], family: Family) -> Iterator[str]:
    yield from (f"the mean of {name}" for name in names)
    yield "proportion"
    if not family.common:
        yield "volume"


def _features(draws: Draws, center: FloatArray) -> FloatArray:
    """Mean about the centre, log proportion and log volume of each component, (S, K, d + 2)."""
    d = draws.means.shape[2]
    if draws.covariances.ndim == 3:
        log_dets = np.log(draws.covariances).sum(axis=2)
    else:
        log_dets = np.linalg.slogdet(draws.covariances)[1]
    extra = np.stack([np.log(draws.weights), log_dets / d], axis=2)
    return np.concatenate([draws.means - center, extra], axis=2)


def _separation(heights: FloatArray) -> float:
    """Smallest gap between neighbours over its standard deviation; infinite for one component."""
    ascending = heights[:, np.argsort(heights.mean(axis=0))]
    gaps = np.diff(ascending, axis=1)
    return float(np.min(gaps.mean(axis=0) / gaps.std(axis=0), initial=np.inf))
