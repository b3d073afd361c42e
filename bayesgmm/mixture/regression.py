"""Mixture regression: the distribution of one column at rows of the others.

Given the other columns x, every component is Gaussian in the response y, with a mean that is linear
in x; its weight is its responsibility for x. E[y | x] is therefore a smooth curve, and y need not
vary alike, nor around one value, everywhere (Xu, Hinton & Jordan 1995). Rows that miss some of x
are given the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from ..data.data import Data
from ..data.like_input import like_input
from ..kernels.e_step.e_step import evaluate
from ..kernels.e_step.groups import Groups
from ..utils.types import FloatArray, IntArray
from ..utils.validation import tail_probabilities
from .conditional import position, positions
from .mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

    from .noisy_mixture import NoisyMixture

# Halvings of the bracket of a quantile: to the last digit of its width.
_HALVINGS = 54


@dataclass(frozen=True, slots=True)
class Conditionals:
    """Univariate Gaussian mixtures, one for each of m rows.

    weights (m, K) sum to 1; means (m, K); sd (K,). Beside them there may be noise, uniform over
    ends (2,), of shares is_noise (m,) or 0; then the weights sum to what is left.
    """

    weights: FloatArray
    means: FloatArray
    sd: FloatArray
    is_noise: float | FloatArray = 0.0
    ends: FloatArray | None = None

    @property
    def mean(self) -> FloatArray:
        """Expectations (m,)."""
        total = np.sum(self.weights * self.means, axis=1)
        return np.asarray(total if self.ends is None else total + self.is_noise * self.ends.mean())

    @property
    def variance(self) -> FloatArray:
        """Variances (m,): within the components and between them."""
        about = self.means - self.mean[:, None]
        total = np.sum(self.weights * (self.sd**2 + about**2), axis=1)
        if self.ends is not None:
            spread = np.ptp(self.ends) ** 2 / 12 + (self.ends.mean() - self.mean) ** 2
            total = total + self.is_noise * spread
        return np.asarray(total)

    def quantile(self, probability: float) -> FloatArray:
        """Quantiles (m,), by halving the range of those of the components."""
        ends = self.means + ndtri(probability) * self.sd
        used = self.weights > 0
        low = np.min(np.where(used, ends, np.inf), axis=1)
        high = np.max(np.where(used, ends, -np.inf), axis=1)
        if self.ends is not None:
            low, high = np.minimum(low, self.ends[0]), np.maximum(high, self.ends[1])
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            z = (middle[:, None] - self.means) / self.sd
            share = np.sum(self.weights * ndtr(z), axis=1)
            if self.ends is not None:
                share += self.is_noise * np.clip((middle - self.ends[0]) / np.ptp(self.ends), 0, 1)
            below = share < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(0.5 * (low + high))


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions of the columns of a regression: the response and those it is given."""

    response: int
    given: list[int]

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        response: str | int,
        given: Sequence[str | int] | str | int | None,
    ) -> Columns:
        """The columns by name or position; all others are given where none are named.

        Raises
        ------
        ValueError
            Unknown columns, none to be given, or the response among them.
        """
        at = position(response, names)
        if given is None:
            others = [j for j in range(len(names)) if j != at]
        else:
            others = positions(given, names)
        if at in others:
            raise ValueError(f"column {names[at]!r} is the response: leave it out of given.")
        if not others:
            raise ValueError(f"the mixture has no column besides {names[at]!r} to be given.")
        return cls(at, others)

    def by_what_is_there(self, rows: Data) -> Iterator[tuple[IntArray, IntArray, Columns]]:
        """Rows (m,) that have the same of the given columns, these (q,), and the regression."""
        groups = rows.groups
        if not isinstance(groups, Groups):
            yield np.arange(rows.n), np.arange(rows.d), self
            return
        for g, seen in enumerate(groups.observed):
            there = np.flatnonzero(seen)
            given = [self.given[j] for j in there]
            at = groups.order[groups.bounds[g] : groups.bounds[g + 1]]
            yield at, there, Columns(self.response, given)


def component_regressions(
    means: FloatArray, covariances: FloatArray, columns: Columns, x: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Means (..., m, K) of the response in every component at m rows x, and its sd (..., K).

    Of one mixture or many: means (..., K, d), covariances (..., K, d, d).
    """
    y, at = columns.response, columns.given
    within, across = covariances[..., at, :][..., at], covariances[..., at, y]
    slopes = np.linalg.solve(within, across[..., None])[..., 0]
    # about each component's own mean, so that no digit is lost far from zero
    about = x[:, None, :] - means[..., None, :, at]
    fitted = means[..., None, :, y] + np.sum(about * slopes[..., None, :, :], axis=-1)
    return fitted, np.sqrt(covariances[..., y, y] - np.sum(across * slopes, axis=-1))


def regression(
    mixture: Mixture,
    response: str | int,
    x: Any,
    given: Sequence[str | int] | str | int | None = None,
    ci_prob: float = 0.89,
    beside: NoisyMixture | None = None,
) -> pd.DataFrame:
    """The response at rows of the other columns, as `Fit.regression` gives it.

    beside: the mixture with its noise.
    """
    import pandas as pd

    tails = tail_probabilities(ci_prob)
    columns = Columns.of(mixture.names, response, given)
    marginal = mixture.marginal(columns.given)
    new = marginal.rows(x)
    noise = None if beside is None else beside.marginal(columns.given)
    ends = None if beside is None else beside.noise.given([columns.response]).ends
    out = np.empty((new.n, 4))
    for part, block in new.blocks(mixture.n_components * mixture.d):
        about = marginal.parameters_about(block.center)
        weights = evaluate(block, about, responsibilities=True)[1]
        is_noise = np.zeros(block.n) if noise is None else noise.is_noise(block)
        for at, there, some in columns.by_what_is_there(block):
            rows = np.asarray(block.values)[np.ix_(at, there)]
            found = Conditionals(
                (1 - is_noise[at, None]) * weights[at],
                *component_regressions(mixture.means, mixture.covariances, some, rows),
                is_noise[at],
                None if ends is None else ends[:, 0],
            )
            quantiles = [found.quantile(probability) for probability in tails]
            values = np.stack([found.mean, np.sqrt(found.variance), *quantiles], axis=1)
            out[part.start + at] = values
    table = pd.DataFrame(out, columns=["mean", "sd", "lower", "upper"], index=row_index(x))
    return like_input(table, x)


def row_index(x: Any) -> Any:
    """The index of rows that are a pandas object; else None."""
    import pandas as pd

    index = getattr(x, "index", None)
    return index if isinstance(index, pd.Index) else None
