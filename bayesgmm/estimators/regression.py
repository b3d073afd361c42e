"""Mixture regression as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..data.tables import MISSING, REFUSE
from ..mixture.prior import Prior
from ..selection.select import select
from ..utils.types import FloatArray
from ..utils.validation import check_choice
from .rows import as_named_data, new_rows, validated


class Regression(RegressorMixin, BaseEstimator):
    """Regression by a Gaussian mixture of X and y together: E[y | x], and intervals for y.

    The mixture is chosen by `select`. Of one component it is linear regression; of several a smooth
    curve, around which y may spread unevenly, and around several values.

    Parameters
    ----------
    n_components : int or iterable of int
        Numbers of components to choose among.
    covariance_type : str or iterable of str, optional
        Families to choose among; all if left out. Diagonal ones see no slope within a component.
    prior : Prior, optional
        Maximise the posterior density of the mixture; its columns are those of X and y.
    criterion : {"bic", "icl", "aic", "cv"}
        What chooses, for the density of X and y together.
    missing : {"refuse", "marginalize"}
        Whether values of X may be missing, when fitting and predicting: each row then counts with
        what it has, and y is predicted from that.
    random_state : int, RandomState or None
        Seed of the starts.

    Attributes
    ----------
    selection_ : Selection
        The grid that was searched, over the columns of X and then y.
    fit_ : Fit
        Its best fit: `bayesgmm.refine(table, model.fit_)` has the posterior, with
        `Posterior.regression`, for the table of both.
    response_ : str
        The name of y in it.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    See Also
    --------
    GaussianMixture : The same as a scikit-learn estimator.
    Mixture : A mixture with given parameters.

    References
    ----------
    Xu, Hinton & Jordan (1995), NIPS 7, 633-640. Cohn, Ghahramani & Jordan (1996), J. Artif. Intell.
    Res. 4, 129-145.

    Examples
    --------
    >>> from bayesgmm import Regression, datasets
    >>> geyser = datasets.load_faithful()
    >>> model = Regression(2, "VVV", random_state=0).fit(geyser[["eruptions"]], geyser["waiting"])
    >>> model.predict(geyser[["eruptions"]])[:2].round(1).tolist()
    [76.2, 53.0]
    """

    def __init__(
        self,
        n_components: Any = (1, 2, 3, 4, 5),
        covariance_type: Any = None,
        *,
        prior: Prior | None = None,
        criterion: str = "bic",
        missing: str = "refuse",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.prior = prior
        self.criterion = criterion
        self.missing = missing
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Choose and fit the mixture of X and y.

        Parameters
        ----------
        X : array-like (n, d)
            Rows.
        y : array-like (n,)
            The response.
        sample_weight : array-like (n,), optional
            What each row counts for.

        Raises
        ------
        ValueError
            Data or arguments that cannot be used, or no cell of the grid has an estimate.
        """
        name = getattr(y, "name", None)
        check_choice("missing", self.missing, MISSING)
        x, y = validated(self, X, y=y, dtype=np.float64, y_numeric=True)
        table = np.column_stack([x, y])
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(x.shape[1])])
        self.response_ = _other_than(names, str(name) if isinstance(name, str) else "y")
        self.selection_ = select(
            as_named_data(table, [*names, self.response_], sample_weight, self.missing),
            self.n_components, self.covariance_type,
            prior=self.prior, criterion=self.criterion, progressbar=False,
            random_seed=int(check_random_state(self.random_state).randint(2**31)),
        )  # fmt: skip
        self.fit_ = self.selection_.best
        return self

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: whether values may be missing."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != REFUSE
        return tags

    def predict(self, X: Any) -> FloatArray:  # noqa: N803
        """E[y | x] for each row, (n,).

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n,)
        """
        return self.predict_interval(X)[0]

    def predict_interval(self, X: Any, ci_prob: float = 0.89) -> tuple[FloatArray, FloatArray]:  # noqa: N803
        """E[y | x] (n,), and ends (n, 2) between which y lies with that probability.

        They take the estimates for the truth; `fit_.regression` has the standard deviation of y
        too.

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.
        ci_prob : float
            Probability of the equal-tailed interval.

        Returns
        -------
        mean : array (n,)
            E[y | x].
        ends : array (n, 2)
            Lower and upper end of the interval.
        """
        check_is_fitted(self)
        x = new_rows(self, X, np.float64)
        table = self.fit_.regression(self.response_, x, ci_prob=ci_prob)
        return table["mean"].to_numpy(), table[["lower", "upper"]].to_numpy()


def _other_than(names: Any, wanted: str) -> str:
    """The name wanted, lengthened until no column has it."""
    while wanted in names:
        wanted += "_"
    return wanted
