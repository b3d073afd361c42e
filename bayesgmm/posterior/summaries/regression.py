"""Mixture regression under posterior draws: predictions, and a band around the regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...data.like_input import like_input
from ...mixture.draws import Draws
from ...mixture.evaluation import responsibilities
from ...mixture.regression import Columns, Conditionals, component_regressions, row_index
from ...utils.matrices import as_full
from ...utils.types import FloatArray
from ...utils.validation import tail_probabilities

if TYPE_CHECKING:
    import pandas as pd

    from ...data.data import Data

_NAMES = ("mean", "sd", "lower", "upper", "mean_lower", "mean_upper")


class NamedDraws(Protocol):
    """Draws of mixtures, as far as a regression needs them."""

    @property
    def draws(self) -> Draws:
        """Weights, means and covariances."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""

    def marginal(self, columns: Sequence[str | int] | str | int) -> NamedDraws:
        """The same draws in some columns."""

    def rows(self, x: Any) -> Data:
        """Rows of these columns."""


def regression_intervals(
    mixtures: NamedDraws,
    response: str | int,
    x: Any,
    given: Sequence[str | int] | str | int | None,
    ci_prob: float,
) -> pd.DataFrame:
    """The response at rows of the other columns, as `Posterior.regression` gives it."""
    import pandas as pd

    ends = tail_probabilities(ci_prob)
    columns = Columns.of(mixtures.names, response, given)
    marginal = mixtures.marginal(columns.given)
    each = len(mixtures.draws) * mixtures.draws.n_components * len(mixtures.names)
    new = marginal.rows(x)
    out = np.empty((new.n, len(_NAMES)))
    for part, block in new.blocks(each):
        weights = np.stack(list(responsibilities(block, marginal.draws)))
        for at, there, some in columns.by_what_is_there(block):
            rows = np.asarray(block.values)[np.ix_(at, there)]
            out[part.start + at] = _summaries(rows, weights[:, at], mixtures.draws, some, ends)
    table = pd.DataFrame(out, columns=list(_NAMES), index=row_index(x))
    return like_input(table, x)


def _summaries(
    rows: FloatArray, weights: FloatArray, draws: Draws, columns: Columns, ends: tuple[float, float]
) -> FloatArray:
    """The table's numbers (m, 6) of some rows (m, q) with responsibilities (S, m, K).

    The posterior predictive distribution of the response is the mixture of those under the S
    draws: S K Gaussians.
    """
    covariances = as_full(draws.covariances, leading=2)
    means, sd = component_regressions(draws.means, covariances, columns, rows)
    band = np.quantile(np.sum(weights * means, axis=2), ends, axis=0)
    n_draws = len(draws)
    there = Conditionals(_side_by_side(weights) / n_draws, _side_by_side(means), sd.ravel())
    quantiles = [there.quantile(probability) for probability in ends]
    return np.stack([there.mean, np.sqrt(there.variance), *quantiles, *band], axis=1)


def _side_by_side(values: FloatArray) -> FloatArray:
    """Values (S, m, K) as (m, S K)."""
    return np.moveaxis(values, 0, 1).reshape(values.shape[1], -1)
