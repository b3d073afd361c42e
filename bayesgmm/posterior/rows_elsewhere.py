"""Posteriors of rows that are read in chunks: their trees have a sample of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self, cast

import xarray as xr

from ..data.data import Data
from ..data.same_data import refuse_other_data
from ..em.labelled_fit import LabelledFit
from ..em.result import Fit
from ..utils.errors import DataError
from ..utils.types import IntArray
from .of_model import ROW, rows_of

#: Rows of the sample.
MOST_ROWS = 10_000
_N_ROWS = "n_rows"


def marked_as_sample(observed: xr.Dataset, numbers: IntArray, n: int) -> xr.Dataset:
    """The group `observed_data`, marked as those with these numbers among n rows."""
    # A coordinate: ArviZ takes every variable here for one to be compared with predictions.
    return observed.assign_coords({ROW: ("obs_id", numbers)}).assign_attrs({_N_ROWS: n})


def _refuse_sample(tree: xr.DataTree) -> None:
    """Refuse to take the sample in a tree for the rows that the draws are conditional on.

    Raises
    ------
    DataError
        What to do.
    """
    observed = tree["observed_data"]
    if _N_ROWS in observed.attrs:
        raise DataError(
            f"the posterior is of {observed.attrs[_N_ROWS]} rows that were read in chunks, of "
            f"which it keeps {observed.sizes['obs_id']}: pass them by posterior.with_rows(X)."
        )


class WithRows:
    """The rows that a posterior is conditional on, wherever they are."""

    tree: xr.DataTree
    fit: Fit
    rows: Data | None

    @property
    def data(self) -> Data:
        """The rows that the posterior is conditional on.

        Raises
        ------
        DataError
            They were read in chunks, and the posterior comes from a file: `with_rows`.
        """
        if self.rows is not None:
            return self.rows
        _refuse_sample(self.tree)
        return rows_of(self.tree, self.fit)

    @property
    def rows_at_hand(self) -> Data:
        """The same rows; of those that are read in chunks the sample in the tree."""
        return rows_of(self.tree, self.fit)

    @property
    def times_at_hand(self) -> float:
        """How many rows each of the rows at hand stands for: 1, unless they are a sample."""
        observed = self.tree["observed_data"]
        return float(observed.attrs.get(_N_ROWS, observed.sizes["obs_id"])) / len(observed["y"])

    def with_rows(self, X: Any) -> Self:  # noqa: N803 - scikit-learn's name for the data
        """The same posterior with its rows, which a file does not have where they are in chunks.

        Parameters
        ----------
        X : array-like (n, d)
            The rows that it is conditional on.

        Returns
        -------
        Posterior

        Raises
        ------
        DataError
            Other rows.

        Examples
        --------
        >>> Posterior.load("posterior.nc").with_rows("folder").loo()  # doctest: +SKIP
        """
        rows = self.fit.mixture.rows(X)
        refuse_other_data(self.fit.fingerprint, rows.fingerprint, "pass the posterior's rows.")
        if isinstance(self.fit, LabelledFit):
            rows = self.fit.labels.seen_in(rows)
        return cast(Self, replace(cast(Any, self), rows=rows))
