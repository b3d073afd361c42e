"""What a report says of missing values: how many, in which components, and what is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.data import Data
from ..em.result import Fit
from ..mixture.merging import seen_by_components
from ..mixture.of_parameters import responsibility_blocks
from ..utils.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

# A component's share of missing values is spoken of from so far above that of all rows, in points
# and in standard errors.
_FAR, _ERRORS = 0.1, 3.0

_MEANING = (
    "Nothing was filled in: each row counts with the density of the values that it has. That is "
    "right if whether a value is missing depends on nothing but values that are there (missing at "
    "random): a test that was left out because of an earlier result does no harm, one that was "
    "left out because of what it would have shown does. The data cannot tell which it was; who "
    "collected them may."
)


@dataclass(frozen=True, slots=True, eq=False)
class MissingRates:
    """Shares of missing values by column: of all rows that have any value, and by component.

    of_all (d,), of_components (K, d) by responsibilities, whose sums are counts (K,). n_values is
    the number of missing ones, n_complete that of complete rows, n_empty of rows without a value,
    n_patterns of different sets of columns.
    """

    names: tuple[str, ...]
    of_all: FloatArray
    of_components: FloatArray
    counts: FloatArray
    n_values: int
    n_complete: int
    n_empty: int
    n_patterns: int

    @classmethod
    def of(cls, data: Data, fit: Fit) -> MissingRates | None:
        """The shares; None where no value is missing.

        Of components without the noise, by what is known of the rows' classes and their weights.
        """
        if not data.incomplete:
            return None
        missing = np.isnan(np.asarray(data.values))
        empty = missing.all(axis=1)
        rows = seen_by_components(fit, data)
        counts, lacking = np.zeros(fit.n_components), np.zeros((fit.n_components, data.d))
        for block, resp in responsibility_blocks(rows, fit.mixture.parameters_about(rows.center)):
            weights = 1.0 if rows.weights is None else rows.weights[block, None]
            held = resp * weights * ~empty[block, None]
            counts, lacking = counts + held.sum(axis=0), lacking + held.T @ missing[block]
        patterns = np.unique(missing[missing.any(axis=1)], axis=0)
        kept = None if data.weights is None else data.weights[~empty]
        return cls(
            data.names, np.average(missing[~empty], axis=0, weights=kept),
            lacking / np.maximum(counts, np.finfo(np.float64).tiny)[:, None],
            counts, int(missing.sum()), int((~missing.any(axis=1)).sum()), int(empty.sum()),
            len(patterns),
        )  # fmt: skip

    def table(self, titles: Sequence[str]) -> pd.DataFrame:
        """The shares of the columns that miss any, as text; titles (K,) of the components."""
        import pandas as pd

        some = np.flatnonzero(self.of_all > 0)
        shares = np.vstack([self.of_all, self.of_components])[:, some].T
        return pd.DataFrame(
            [[f"{share:.1%}" for share in row] for row in shares],
            index=[self.names[j] for j in some],
            columns=["all rows", *titles],
        )

    def sentences(self, titles: Sequence[str]) -> list[str]:
        """What is missing, what is assumed of it, and where to look twice."""
        n, ways = self.n_values, self.n_patterns
        first = (
            f"{n} value{'s are' if n > 1 else ' is'} missing, in {ways} "
            f"pattern{'s' if ways > 1 else ''}; {self.n_complete} rows are complete"
        )
        if self.n_empty:
            first += f", and {self.n_empty} without any value count in nothing"
        return [f"{first}.", _MEANING, *self._striking(titles)]

    def _striking(self, titles: Sequence[str]) -> list[str]:
        """The component and column of which more is missing than of all rows, by chance alone."""
        errors = np.sqrt(self.of_all * (1 - self.of_all) / np.maximum(self.counts, 1.0)[:, None])
        more = self.of_components - self.of_all
        k, j = np.unravel_index(np.argmax(more), more.shape)
        if more[k, j] < max(_FAR, _ERRORS * errors[k, j]):
            return []
        share, whole, title = self.of_components[k, j], self.of_all[j], titles[int(k)]
        return [
            f"Of the rows of {title} {share:.0%} lack {self.names[j]}, of all rows {whole:.0%}. "
            "Values that are there may explain that; if they do not, these values are not missing "
            f"at random, and what is said of {title} rests on rows that are not like those it "
            "lacks."
        ]
