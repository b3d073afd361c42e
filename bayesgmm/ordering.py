"""An order of the components: one of the K! copies of a mixture's posterior, cut out exactly.

Under a prior that treats all components alike, the posterior is the same in each of the K! regions
in which a function of a component puts the components in one order. Any function will do; a good
one cuts where there are few draws. Ours are linear in a component's features: its mean, the
logarithm of its proportion, and that of its volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from .draws import Draws
from .families import Family
from .kernels.contract import FloatArray

# A gap of so many standard deviations has hardly a draw on its other side.
_CLEAR = 4.0
# Added to features' unit variances, for features that vary only together.
_RIDGE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Ordering:
    """Components ascend in a linear function of their features.

    Attributes
    ----------
    name : str
        What they ascend in.
    direction : array (d + 2,)
        Coefficients of the mean, the log proportion and the log volume |Sigma_k|^(1/d).
    center : array (d,)
        Subtracted from the means.
    """

    name: str
    direction: FloatArray
    center: FloatArray

    def permutations(self, draws: Draws) -> NDArray[np.intp]:
        """The order (S, K) that makes each draw's components ascend."""
        return np.argsort(_features(draws, self.center) @ self.direction, axis=1)

    def holds(self, draws: Draws) -> NDArray[np.bool_]:
        """Whether the components of each draw ascend, (S,)."""
        heights = _features(draws, self.center) @ self.direction
        return np.asarray(np.all(np.diff(heights, axis=1) > 0, axis=1))

    def cut(self, draws: Draws) -> float:
        """Share of the draws in another order than their components have on average."""
        heights = _features(draws, self.center) @ self.direction
        usual = np.argsort(heights.mean(axis=0))
        return float(np.mean(np.any(np.diff(heights[:, usual], axis=1) <= 0, axis=1)))

    def applied(self, draws: Draws) -> Draws:
        """The draws with their components put in order: the posterior in the ordered region."""
        return draws.permuted(self.permutations(draws))


def best_ordering(
    draws: Draws, family: Family, center: FloatArray, names: Sequence[str]
) -> Ordering:
    """The ordering that separates the draws' components best.

    Separation is the smallest gap between neighbours, in standard deviations of that gap over the
    draws. A mean's column, the proportion and the volume are tried first; where none of them
    separates clearly, so are Fisher's linear discriminants of all features.

    Parameters
    ----------
    draws : Draws
        S draws whose labels are settled as far as they can be.
    family : Family
        Their family.
    center : array (d,)
        The data's centre.
    names : sequence of str
        Of the d columns.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import Draws
    >>> from bayesgmm.families import get_family
    >>> from bayesgmm.ordering import best_ordering
    >>> rng = np.random.default_rng(0)
    >>> means = rng.normal([[[0.0, 9.0], [1.0, 0.0]]], 1.0, (50, 2, 2))
    >>> draws = Draws(rng.dirichlet([9, 9], 50), means, np.ones((50, 2, 2)))
    >>> best_ordering(draws, get_family("EEI", 2), np.zeros(2), ["height", "width"]).name
    'the mean of width'
    """
    features = _features(draws, center)
    plain = list(zip(_axis_names(names, family), np.eye(features.shape[2]), strict=False))
    best = max(plain, key=lambda item: _separation(features @ item[1]))
    if _separation(features @ best[1]) < _CLEAR:
        discriminants = [("a discriminant of all features", w) for w in _discriminants(features)]
        best = max([best, *discriminants], key=lambda item: _separation(features @ item[1]))
    return Ordering(*best, center)


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


def _discriminants(features: FloatArray) -> FloatArray:
    """Directions in which components differ most for their spread within (Fisher 1936), (F, F)."""
    means = features.mean(axis=0)
    rest = (features - means).reshape(-1, features.shape[2])
    size = rest.std(axis=0)
    within = np.cov(rest / size, rowvar=False) + _RIDGE * np.eye(len(size))
    between = np.cov(means / size, rowvar=False)
    return np.asarray(eigh(between, within)[1].T / size)
