"""Probabilities of a mixture: distribution function, quantiles, regions of highest density."""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np

from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer, check_probability, random_stream
from .univariate import Univariate


class _Mixture(Protocol):
    """What is asked of a mixture."""

    weights: FloatArray
    means: FloatArray
    names: tuple[str, ...]

    @property
    def d(self) -> int: ...

    @property
    def variances(self) -> FloatArray: ...

    def marginal(self, columns: str | int, /) -> _Mixture: ...

    def sample(self, n: int, random_seed: Any, /) -> tuple[FloatArray, IntArray]: ...

    def log_density(self, x: Any, /) -> FloatArray: ...


class Probabilities:
    """What a mixture, or a fit by its mixture, says of probabilities."""

    def cdf(self, x: Any, column: str | int | None = None) -> FloatArray:
        """The distribution function of one column, P(X <= x).

        Parameters
        ----------
        x : array-like
            Values, in the column's units.
        column : str or int, optional
            The column, the others integrated out; needed where there are several.

        Returns
        -------
        array of the shape of x

        Raises
        ------
        ValueError
            No column named of several, or one that is not there.

        Examples
        --------
        >>> from bayesgmm import Mixture
        >>> mixture = Mixture([0.5, 0.5], [[-2.0], [2.0]], [[[1.0]], [[1.0]]])
        >>> mixture.cdf([0.0, 2.0]).round(3).tolist()
        [0.5, 0.75]
        """
        return self._of_one(column).cdf(np.asarray(x, dtype=np.float64))

    def quantile(self, p: Any, column: str | int | None = None) -> FloatArray:
        """The quantiles of one column: the values x with P(X <= x) = p.

        Parameters
        ----------
        p : array-like
            Probabilities from 0 to 1.
        column : str or int, optional
            The column, the others integrated out; needed where there are several.

        Returns
        -------
        array of the shape of p

        Raises
        ------
        ValueError
            A probability outside [0, 1]; no column named of several, or one that is not there.

        Examples
        --------
        >>> from bayesgmm import Mixture
        >>> mixture = Mixture([0.5, 0.5], [[-2.0], [2.0]], [[[1.0]], [[1.0]]])
        >>> mixture.quantile([0.25, 0.75]).round(3).tolist()
        [-2.0, 2.0]
        """
        shares = np.asarray(p, dtype=np.float64)
        if not np.all((shares >= 0) & (shares <= 1)):
            raise ValueError(f"p is {p!r}: pass probabilities from 0 to 1.")
        return self._of_one(column).quantile(shares)

    def highest_density_region(
        self, prob: float = 0.89, column: str | int | None = None
    ) -> FloatArray:
        """The smallest set of values of one column that has this probability, as intervals.

        Parameters
        ----------
        prob : float
            The probability of the set.
        column : str or int, optional
            The column, the others integrated out; needed where there are several.

        Returns
        -------
        array (m, 2)
            Lower and upper ends of m intervals, from the left.

        Raises
        ------
        ValueError
            A probability out of range; no column named of several, or one that is not there.

        References
        ----------
        Hyndman (1996), The American Statistician 50, 120-126.

        Examples
        --------
        >>> from bayesgmm import Mixture
        >>> mixture = Mixture([0.5, 0.5], [[-2.0], [2.0]], [[[0.25]], [[0.25]]])
        >>> mixture.highest_density_region(0.9).round(2).tolist()
        [[-2.82, -1.18], [1.18, 2.82]]
        """
        return self._of_one(column).region(check_probability("prob", prob))[1]

    def density_level(
        self,
        prob: float = 0.89,
        *,
        n_draws: int = 100_000,
        random_seed: int | np.random.Generator | None = 0,
    ) -> float:
        """The density at the edge of the region of highest density with this probability.

        Rows of `exp(log_density(X))` above it lie in the region. Exact for one column; of more it
        is the quantile of the density at draws of the mixture.

        Parameters
        ----------
        prob : float
            The probability of the region.
        n_draws : int
            Draws, where there are several columns: the probability is then met with a standard
            error of sqrt(prob (1 - prob) / n_draws).
        random_seed : int, Generator or None
            Seed of the draws.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            A probability or a number out of range.

        References
        ----------
        Hyndman (1996), The American Statistician 50, 120-126.

        Examples
        --------
        >>> from bayesgmm import Mixture
        >>> round(Mixture([1.0], [[0.0]], [[[1.0]]]).density_level(0.95), 4)
        0.0584
        """
        mixture, prob = self._mixture(), check_probability("prob", prob)
        n_draws = check_integer("n_draws", n_draws, 1)
        if mixture.d == 1:
            return self._of_one(None).region(prob)[0]
        rows, _ = mixture.sample(n_draws, random_stream(random_seed))
        return float(np.exp(np.quantile(mixture.log_density(rows), 1 - prob)))

    def _mixture(self) -> _Mixture:
        return cast(_Mixture, getattr(self, "mixture", self))

    def _of_one(self, column: str | int | None) -> Univariate:
        mixture = self._mixture()
        if column is None and mixture.d > 1:
            raise ValueError(
                f"the mixture has {mixture.d} columns: name one of {', '.join(mixture.names)}."
            )
        one = mixture if column is None else mixture.marginal(column)
        if one.d > 1:
            raise ValueError(f"column is {column!r}: name a single one.")
        return Univariate(one.weights, one.means[:, 0], np.sqrt(one.variances[:, 0]))
