"""Posterior predictive checks: statistics of the observed rows against those of new ones.

Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-807. Where values are missing, statistics are
those of completed rows: what is missing is drawn by the same draw of the parameters as the new rows
(Gelman, Van Mechelen, Verbeke, Heitjan & Meulders 2005, Biometrics 61, 74-85). Those of the values
that are there would differ from new rows' wherever what is missing depends on other values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from ...data.data import Data
from ...mixture.mixture import Mixture
from ...utils.display import pair
from ...utils.types import FloatArray
from ...utils.validation import random_stream, tail_probabilities
from .functions import as_numbers, value_by_draw
from .imputations import completed_by
from .intervals import summarise
from .mixture_draws import MixtureDraws
from .predictive import replicates

if TYPE_CHECKING:
    import pandas as pd


def _skewness(x: FloatArray) -> FloatArray:
    away = x - x.mean(axis=0)
    square = away * away  # powers would take thirty times as long
    with np.errstate(invalid="ignore"):  # 0 / 0 of a constant column: refused by name below
        return np.asarray(np.mean(square * away, axis=0) / np.mean(square, axis=0) ** 1.5)


def _kurtosis(x: FloatArray) -> FloatArray:
    square = (x - x.mean(axis=0)) ** 2
    with np.errstate(invalid="ignore"):
        return np.asarray(np.mean(square * square, axis=0) / np.mean(square, axis=0) ** 2 - 3.0)


_BY_COLUMN: dict[str, Callable[[FloatArray], Any]] = {
    "mean": partial(np.mean, axis=0),
    "sd": partial(np.std, axis=0),
    "skewness": _skewness,
    "kurtosis": _kurtosis,
    "min": partial(np.min, axis=0),
    "quantile 0.05": partial(np.quantile, q=0.05, axis=0),
    "median": partial(np.median, axis=0),
    "quantile 0.95": partial(np.quantile, q=0.95, axis=0),
    "max": partial(np.max, axis=0),
}


@dataclass(frozen=True, slots=True)
class Statistic:
    """A function of rows (n, d), and labels of its values (by their number, if left out)."""

    function: Callable[[FloatArray], Any]
    of: tuple[str, ...] | None = None

    def labels(self, value: FloatArray, names: Sequence[str]) -> list[str]:
        """A label for every number of a value: "", columns or positions."""
        if self.of is not None:
            return list(self.of)
        if value.ndim == 0:
            return [""]
        return list(names) if value.shape == (len(names),) else [str(i) for i in range(value.size)]


def chosen(
    statistics: str | Sequence[str] | Mapping[str, Callable[[FloatArray], Any]] | None,
    mixture: Mixture,
) -> dict[str, Statistic]:
    """The statistics asked for: all built-in ones, some by name, or the user's own."""
    if statistics is not None and not len(statistics):
        raise ValueError("no statistics: name at least one, or leave them out for all.")
    if isinstance(statistics, Mapping):
        for name, function in statistics.items():
            if not callable(function):
                raise ValueError(
                    f"statistic {name!r} is {function!r}: pass a function of the rows."
                )
        return {name: Statistic(function) for name, function in statistics.items()}
    known = _built_in(mixture)
    names = [statistics] if isinstance(statistics, str) else list(statistics or known)
    for name in names:
        if name not in known:
            raise ValueError(
                f"no statistic {name!r}: choose from {', '.join(known)}, or pass a mapping from "
                "names to functions of the rows."
            )
    return {name: known[name] for name in names}


def _built_in(mixture: Mixture) -> dict[str, Statistic]:
    """The built-in statistics by name; log densities are those under this mixture."""
    known = {name: Statistic(function) for name, function in _BY_COLUMN.items()}
    if mixture.d > 1:
        pairs = tuple(pair(a, b) for a, b in combinations(mixture.names, 2))
        known["correlation"] = Statistic(_correlations, pairs)
    known["log density"] = Statistic(partial(_log_densities, mixture), ("min", "mean", "max"))
    return known


def _correlations(x: FloatArray) -> FloatArray:
    matrix = np.atleast_2d(np.corrcoef(x, rowvar=False))
    return matrix[np.triu_indices(len(matrix), 1)]


def _log_densities(mixture: Mixture, x: FloatArray) -> FloatArray:
    values = mixture.log_density(x)
    return np.array([values.min(), values.mean(), values.max()])


def check_table(
    data: Data,
    mixtures: MixtureDraws,
    statistics: Mapping[str, Statistic],
    ci_prob: float,
    random_seed: int | np.random.Generator | None,
) -> pd.DataFrame:
    """Observed against predicted statistics; `Posterior.predictive_check` has the columns."""
    import pandas as pd

    tail_probabilities(ci_prob)
    if data.counted is not None:  # without rows that have no value
        data = data.take(np.flatnonzero(data.counted))
    rng = random_stream(random_seed)
    new_rows = replicates(mixtures, data.n, rng)
    tables: Iterator[FloatArray] = iter([np.asarray(data.values, dtype=np.float64)])
    if data.incomplete:
        tables = _completed(data, mixtures, np.random.default_rng(rng.integers(2**63)))
    first = next(tables)
    values = {name: as_numbers(s.function(first), name) for name, s in statistics.items()}
    index = pd.MultiIndex.from_tuples(
        [(name, of) for name, s in statistics.items() for of in s.labels(values[name], data.names)],
        names=["statistic", "of"],
    )

    def all_of(x: FloatArray) -> FloatArray:
        return np.concatenate([np.ravel(s.function(x)) for s in statistics.values()])

    with threadpool_limits(1):  # the products are small: threads would spend their time waiting
        new, own = value_by_draw(all_of, new_rows), value_by_draw(all_of, chain([first], tables))
    undefined = np.isnan(own).any(axis=0) | np.isnan(new).any(axis=0)
    if undefined.any():
        name = " of ".join(filter(None, index[undefined][0]))
        raise ValueError(f"{name} is NaN for the rows or for new ones: return numbers.")
    smaller = np.minimum(np.mean(new <= own, axis=0), np.mean(new >= own, axis=0))
    columns = (
        {"observed": own.mean(axis=0)}
        | summarise(new, ci_prob)
        | {"p_value": np.minimum(2 * smaller, 1)}
    )
    return pd.DataFrame(columns, index=index)


def _completed(
    data: Data, mixtures: MixtureDraws, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """The rows (n, d) with what they miss drawn by every draw in turn."""
    for s in range(len(mixtures.draws)):
        yield completed_by(data, mixtures.draws.at(np.array([s])), rng)
