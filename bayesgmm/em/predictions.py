"""Methods of `Fit` about rows, under its mixture: they only pass on their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..mixture.mixture import Mixture
from ..mixture.regression import regression
from ..utils.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd


class Predictions:
    """What a fit says of rows, those fitted or others."""

    mixture: Mixture

    def predict(self, X: Any) -> IntArray:  # noqa: N803
        """The most probable component of each row, (n,) of int."""
        return self.mixture.predict(X)

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Responsibilities of the components for each row, (n, K); rows sum to 1."""
        return self.mixture.predict_proba(X)

    def score_samples(self, X: Any) -> FloatArray:  # noqa: N803
        """Log density of each row under the mixture, (n,)."""
        return self.mixture.log_density(X)

    def impute(
        self,
        X: Any,  # noqa: N803
        draws: int | None = None,
        random_seed: int | np.random.Generator | None = None,
    ) -> FloatArray:
        """The rows with missing values filled in: `Mixture.impute` of the estimates."""
        return self.mixture.impute(X, draws, random_seed)

    def sample(
        self, n: int, random_seed: int | np.random.Generator | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Draw n rows (n, d) and their components (n,) from the fitted mixture."""
        return self.mixture.sample(n, random_seed)

    def marginal(self, columns: Sequence[str | int] | str | int) -> Mixture:
        """The mixture of some columns alone, as `Mixture.marginal`."""
        return self.mixture.marginal(columns)

    def conditional(self, given: Mapping[str | int, float]) -> Mixture:
        """The mixture of the other columns, given values of some, as `Mixture.conditional`."""
        return self.mixture.conditional(given)

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
