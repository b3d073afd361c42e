"""Methods of `Fit` about rows, under its mixture: they only pass on their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from ..mixture.component_names import ComponentNames
from ..mixture.decomposition import Decomposition, decomposition
from ..mixture.mixture import Mixture
from ..mixture.probabilities import Probabilities
from ..mixture.projection import Projection, projection
from ..mixture.regression import regression
from ..utils.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd


class Predictions(Probabilities):
    """What a fit says of rows, those fitted or others."""

    mixture: Mixture

    @property
    def component_names(self) -> tuple[str, ...]:
        """What `with_component_names`, or the classes of labels, call them; empty if nothing."""
        return self.mixture.component_names

    @property
    def components(self) -> tuple[int, ...] | tuple[str, ...]:
        """What the components are called: their names, or 0, 1, ..., K - 1 where they have none."""
        return self.mixture.components

    def with_component_names(self, names: ComponentNames) -> Self:
        """The same fit with names for its components, which all tables, plots and files show.

        Posteriors made of it by `refine`, and reports, have the names too. The order of the
        components, and what `predict` returns, stay as they are.

        Parameters
        ----------
        names : sequence of K str, or mapping of component to name
            In the order of the components, or by their numbers; those that a mapping leaves out
            are called by their number. Empty takes all names away, but for those of classes.

        Returns
        -------
        Fit

        Raises
        ------
        ValueError
            Not one name for each component, an empty name, or the same twice.
        TypeError
            A name that is no text.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_faithful()
        >>> fit = bayesgmm.fit(X, 2, random_seed=1)
        >>> order = fit.means[:, 0].argsort().tolist()
        >>> named = fit.with_component_names(dict(zip(order, ["short", "long"])))
        >>> named.to_frame().loc["short", "mean waiting"].round(1)
        np.float64(54.5)
        """
        mixture = self.mixture.with_component_names(names)
        return cast(Self, replace(cast(Any, self), mixture=mixture))

    def predict(self, X: Any) -> IntArray:  # noqa: N803
        """The most probable component of each row, (n,) of int.

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        int array (n,)
        """
        return self.mixture.predict(X)

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Responsibilities of the components for each row, (n, K); rows sum to 1.

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n, K)
        """
        return self.mixture.predict_proba(X)

    def score_samples(self, X: Any) -> FloatArray:  # noqa: N803
        """Log density of each row under the mixture, (n,).

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n,)
        """
        return self.mixture.log_density(X)

    def impute(
        self,
        X: Any,  # noqa: N803
        draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """The rows with missing values filled in: `Mixture.impute` of the estimates.

        Parameters
        ----------
        X : array-like (n, d)
            Rows, of which values may be missing.
        draws : int, optional
            Give so many sets of rows, drawn; else one, of conditional means.
        random_seed : int or Generator, optional
            Seed.

        Returns
        -------
        array (n, d) or (draws, n, d)
        """
        return self.mixture.impute(X, draws, random_seed)

    def sample(
        self, n: int, random_seed: int | np.random.Generator | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Draw n rows (n, d) and their components (n,) from the fitted mixture.

        Parameters
        ----------
        n : int
            Rows to draw.
        random_seed : int or Generator, optional
            Seed.

        Returns
        -------
        x : array (n, d)
            Rows.
        component : int array (n,)
            The component each row came from.
        """
        return self.mixture.sample(n, random_seed)

    def marginal(self, columns: Sequence[str | int] | str | int) -> Mixture:
        """The mixture of some columns alone, as `Mixture.marginal`.

        Parameters
        ----------
        columns : str, int or sequence of them
            Names or positions to keep, in the order wanted.

        Returns
        -------
        Mixture
        """
        return self.mixture.marginal(columns)

    def conditional(self, given: Mapping[str | int, float]) -> Mixture:
        """The mixture of the other columns, given values of some, as `Mixture.conditional`.

        Parameters
        ----------
        given : mapping of column name or position to value
            At least one column, and not all.

        Returns
        -------
        Mixture
        """
        return self.mixture.conditional(given)

    def projection(self, n_directions: int | None = None, balance: float = 1.0) -> Projection:
        """The directions in which the components differ most, in means and covariances.

        mclust's `MclustDR` (whose lambda is the balance): what to look at where columns are many.

        Parameters
        ----------
        n_directions : int, optional
            At most so many; all in which the components differ if left out.
        balance : float
            From 0 to 1: 1 for differences of means alone, 0.5 for means and covariances alike.

        Returns
        -------
        Projection
            `.directions`, `.transform(X)`, and `.mixture`, the fit's mixture in these directions.

        Raises
        ------
        ValueError
            A single component, or components that do not differ.

        References
        ----------
        Scrucca (2010), Statistics and Computing 20, 471-484.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_iris(features_only=True)
        >>> found = bayesgmm.fit(X, 3, "VEV", random_seed=1).projection()
        >>> found.transform(X).shape
        (150, 2)
        """
        return projection(self.mixture, n_directions, balance)

    def decomposition(self) -> Decomposition:
        """The covariances as volume, shape and orientation, Sigma_k = lambda_k D_k A_k D_k'.

        The three letters of a family say which of these the components have in common.

        Returns
        -------
        Decomposition

        References
        ----------
        Celeux & Govaert (1995), Pattern Recognition 28, 781-793.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_iris(features_only=True)
        >>> parts = bayesgmm.fit(X, 2, "VEV", random_seed=1).decomposition()
        >>> bool(abs(parts.shape[0] - parts.shape[1]).max() < 1e-6)
        True
        """
        return decomposition(self.mixture.covariances, self.mixture.names, self.components)

    def regression(
        self,
        response: str | int,
        X: Any,  # noqa: N803
        *,
        given: Sequence[str | int] | str | int | None = None,
        ci_prob: float = 0.89,
    ) -> pd.DataFrame:
        """One column predicted from others: E[y | x] under the mixture, and an interval for y.

        Parameters
        ----------
        response : str or int
            The column y to predict, by name or position.
        X : array-like (m, q) or (m,)
            Rows of the columns given; of a table with more columns those are taken.
        given : sequence of str or int, optional
            The columns x to predict from; all others if left out.
        ci_prob : float
            Probability of the equal-tailed interval.

        Returns
        -------
        DataFrame
            One row per row of X, with its index if X is a pandas object: `mean` and `sd` of y given
            x, and `lower` and `upper`, between which y lies with probability ci_prob if the
            estimates are the truth; `Posterior.regression` adds how uncertain these are.

        Raises
        ------
        ValueError
            Unknown columns, or the response among those given; ci_prob out of range.
        DataError
            Rows that do not have the columns.

        References
        ----------
        Xu, Hinton & Jordan (1995), NIPS 7, 633-640. Cohn, Ghahramani & Jordan (1996), J. Artif.
        Intell. Res. 4, 129-145.

        Examples
        --------
        >>> import bayesgmm
        >>> fit = bayesgmm.fit(bayesgmm.datasets.load_faithful(), 2, random_seed=1)
        >>> fit.regression("waiting", [2.0, 4.5]).round(1).to_numpy().tolist()
        [[54.2, 5.6, 45.4, 63.1], [81.1, 5.6, 72.3, 90.0]]
        """
        return regression(self.mixture, response, X, given, ci_prob)
