"""Methods of `Posterior` about the mixture's density, functions of it, and new data.

They only check and pass on their arguments; the modules beside this one compute the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ...utils.types import FloatArray
from .mixture_draws import MixtureDraws
from .predictive import predictive_rows
from .predictive_checks import check_table, chosen
from .row_methods import RowSummaries

if TYPE_CHECKING:
    import pandas as pd


class Summaries(RowSummaries):
    """Summaries of the mixture and of new data, besides those of rows.

    In all of them `n_draws` uses only so many draws, evenly spaced, and intervals are equal-tailed,
    of probability `ci_prob`.
    """

    def density(
        self,
        at: ArrayLike | Mapping[str | int, ArrayLike] | None = None,
        *,
        columns: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> xr.Dataset:
        """The density of new rows, or of some of their columns, with its uncertainty.

        Parameters
        ----------
        at : mapping or array-like, optional
            - a mapping from columns to values: a grid of all their combinations;
            - a table or array (m, q): points in the q columns; (m,) for one column;
            - left out: a grid over one or two columns, 4 standard deviations beyond the means of
              the components.
        columns : sequence of str or int, optional
            The columns whose joint density is wanted; the others are integrated out, exactly, in
            every draw. All, if left out; those of `at` if that is a mapping.
        ci_prob, n_draws
            As in `responsibilities`.

        Returns
        -------
        xarray.Dataset
            `mean` (the posterior predictive density), `sd`, `lower` and `upper`, over the columns
            of the grid, or over `point` with the columns as coordinates.

        Raises
        ------
        ValueError
            Unknown columns, points of another shape, a default grid of three or more columns.

        Examples
        --------
        >>> posterior.density(columns="waiting")["mean"].plot()  # doctest: +SKIP
        >>> posterior.density({"waiting": [60, 70], "eruptions": 3.0})  # doctest: +SKIP
        """
        return self.mixture_draws.density(at, columns=columns, ci_prob=ci_prob, n_draws=n_draws)

    def marginal(self, columns: Sequence[str | int] | str | int) -> MixtureDraws:
        """The posterior of the mixture of some columns alone.

        Parameters
        ----------
        columns : sequence of str or int
            Names or positions to keep, in the order wanted.

        Returns
        -------
        MixtureDraws
            With `.density()`, `.mean()`, `.conditional()`, `.function_of()`, `.to_dataset()`.
        """
        return self.mixture_draws.marginal(columns)

    def conditional(self, given: Mapping[str | int, float]) -> MixtureDraws:
        """The posterior of the mixture of the other columns, given the values of some.

        Parameters
        ----------
        given : mapping of column name or position to value
            At least one column, and not all.

        Returns
        -------
        MixtureDraws
            The conditional mixture under every draw: `.mean()` is the regression on the given
            columns with its interval, `.density()` the conditional density with its interval, and
            `.to_dataset()` the draws of its proportions, means and covariances.

        Raises
        ------
        ValueError
            Unknown columns, a value that is not a number, all columns or none.

        Examples
        --------
        >>> posterior.conditional({"eruptions": 3.0}).mean()  # doctest: +SKIP
        """
        return self.mixture_draws.conditional(given)

    def regression(
        self,
        response: str | int,
        X: Any,  # noqa: N803 - scikit-learn's name for the data
        *,
        given: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> pd.DataFrame:
        """One column predicted from others, with the uncertainty of the mixture.

        Parameters
        ----------
        response, X, given
            As for `Fit.regression`.
        ci_prob : float
            Probability of the equal-tailed intervals.
        n_draws : int, optional
            At most so many draws: as many of every chain, evenly spaced.

        Returns
        -------
        DataFrame
            One row per row of X: `mean`, `sd`, `lower` and `upper` of the response's posterior
            predictive distribution, and `mean_lower`, `mean_upper`, the interval of the regression
            E[y | x] itself over the draws.

        Raises
        ------
        ValueError
            Unknown columns, or the response among those given; ci_prob or n_draws out of range.
        DataError
            Rows that do not have the columns.

        Examples
        --------
        >>> posterior.regression("waiting", [[2.0], [3.0], [4.0]])  # doctest: +SKIP
        """
        mixtures = self.mixture_draws.thinned(n_draws)
        return mixtures.regression(response, X, given=given, ci_prob=ci_prob)

    def function_of(
        self,
        function: Callable[..., Any],
        *,
        dims: str | Sequence[str] | None = None,
        coords: Mapping[str, Any] | None = None,
        name: str = "value",
        vectorized: bool = False,
        n_draws: int | None = None,
    ) -> xr.DataArray:
        """The posterior of any function of pi, mu and Sigma.

        Parameters
        ----------
        function : callable
            From a draw's `Mixture` (`.weights`, `.means`, `.covariances`, and all it can do) to a
            number or an array. If `vectorized`, from the arrays of all draws, pi (S, K), mu
            (S, K, d) and Sigma (S, K, d, d), to an array (S, ...).
        dims : str or sequence of str, optional
            Names of the value's axes; "component", "feature" and "feature_bis" get their
            coordinates. After the name and "_dim_0", ... if left out.
        coords : mapping, optional
            Coordinates for other axes.
        name : str
            What the value is called, as in `az.summary`.
        vectorized : bool
            Call the function once, with the arrays of all draws.
        n_draws : int, optional
            At most so many draws: as many of every chain, evenly spaced.

        Returns
        -------
        xarray.DataArray
            Over chain, draw and dims: for `az.summary(posterior.function_of(...))`.

        Raises
        ------
        ValueError
            Values that are not numbers, or not of one shape; dims or coords that do not fit them.

        Examples
        --------
        >>> posterior.function_of(lambda m: m.means[1] - m.means[0],
        ...                       dims="feature", name="shift")  # doctest: +SKIP
        """
        return self.mixture_draws.function_of(
            function, dims=dims, coords=coords, name=name, vectorized=vectorized, n_draws=n_draws
        )

    def predictive(
        self,
        n_rows: int | None = None,
        *,
        n_draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> xr.Dataset:
        """New data sets, one from every draw.

        Parameters
        ----------
        n_rows : int, optional
            Rows of each; as many as the posterior's data have if left out, or as the sample in the
            tree has of rows in chunks.
        n_draws : int, optional
            At most so many draws: as many of every chain, evenly spaced.
        random_seed : int or Generator, optional
            Seed.

        Returns
        -------
        xarray.Dataset
            `y` over chain, draw, obs_id and feature.

        Raises
        ------
        ValueError
            More than 1 GiB of them; n_rows or n_draws out of range.

        Examples
        --------
        >>> new = posterior.predictive(n_draws=100, random_seed=1)  # doctest: +SKIP
        """
        data = self.rows_at_hand
        as_many = data.n if data.weights is None else round(data.total)
        n = as_many if n_rows is None else n_rows
        return predictive_rows(self._all_draws.thinned(n_draws), n, random_seed)

    def predictive_check(
        self,
        statistics: str | Sequence[str] | Mapping[str, Callable[[FloatArray], Any]] | None = None,
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> pd.DataFrame:
        """Statistics of the rows against those of new data sets of as many rows.

        Of rows that are read in chunks it checks the random sample of 10 000 that the tree has.

        Parameters
        ----------
        statistics : mapping, or names, optional
            Functions of the rows (n, d) by name, which return a number or an array; or names of
            built-in ones: "mean", "sd", "skewness", "kurtosis", "min", "quantile 0.05", "median",
            "quantile 0.95", "max" of every column, "correlation" of every pair, and "log density"
            (smallest, mean and largest of the rows, all under the EM fit). All of these if left
            out. What rows miss is drawn for every draw of the parameters, and the statistics are
            those of the completed rows, so that they do not differ from new rows' where what is
            missing depends on other values.
        ci_prob : float
            Probability of the equal-tailed predictive interval.
        n_draws : int, optional
            At most so many new data sets: as many of every chain, evenly spaced. All draws if
            left out.
        random_seed : int or Generator, optional
            Seed of the new data sets.

        Returns
        -------
        DataFrame
            By statistic and what it is of: observed (where values are missing the mean over the
            draws); mean, sd, lower and upper of the new data sets; and p_value, twice the share of
            new data sets that are at least as large, or as small, whichever is smaller. It is near
            1 where the model reproduces the statistic. It is not uniform under the model: a
            parameter fitted to the statistic (a mean) pulls it towards 1 (Gelman, Meng & Stern
            1996).

        Raises
        ------
        ValueError
            An unknown statistic, one that is not a number; ci_prob or n_draws out of range.

        References
        ----------
        Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-807; Gelman, Van Mechelen, Verbeke,
        Heitjan & Meulders (2005), Biometrics 61, 74-85 (completed rows).

        Examples
        --------
        >>> posterior.predictive_check(n_draws=500, random_seed=1)  # doctest: +SKIP
        >>> posterior.predictive_check(
        ...     {"range": lambda x: x.max(axis=0) - x.min(axis=0)})  # doctest: +SKIP
        """
        mixture = self.fit.mixture
        mixtures = self._all_draws.thinned(n_draws)
        return check_table(
            self.rows_at_hand.repeated(),
            mixtures,
            chosen(statistics, mixture),
            ci_prob,
            random_seed,
        )
