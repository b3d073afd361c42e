"""A scikit-learn estimator over `fit`."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..data.data import Data, as_data
from ..data.on_device import stays_there
from ..data.sources.dask import is_dask
from ..em.checks import Options, as_fit, check_options, check_problem
from ..em.fit import best_fit, fit_from, warn_of_columns
from ..em.multistart import SearchOptions, run_starts
from ..em.problem import Problem
from ..em.result import Fit
from ..em.starts.sample import Start
from ..em.starts.starts import STARTS, make_starts
from ..em.status import Status
from ..families import FamilyName, get_family
from ..mixture.mixture import Mixture
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_choice, check_integer, real_array
from ..utils.warnings import warn
from .covariance_types import covariance_type
from .initial_parameters import inverse, proportions, shaped
from .rows import as_named_data, new_rows, validated

# Fitted attributes that `predict` and the others use, as in scikit-learn.
_BY_HAND = ("weights_", "means_", "covariances_", "precisions_cholesky_")


class GaussianMixture(DensityMixin, BaseEstimator):
    """Gaussian mixture with the interface of `sklearn.mixture.GaussianMixture`.

    The same constructor arguments, methods and fitted attributes, over this library's EM.
    Differences on purpose: `covariance_type` may be any family of this library; `reg_covar`
    defaults to 0, so that nothing is regularised unless asked for; `tol` is the log-likelihood per
    row still to be gained (extrapolated), which stops later than scikit-learn's 1e-3 and at the
    same place for any n.

    Parameters
    ----------
    n_components : int
        Number of components K.
    covariance_type : str
        "full", "tied", "diag", "spherical", or any of the fourteen families (VVV, VEV, ...).
    tol : float
        Log-likelihood per row left to gain at which EM stops.
    reg_covar : float
        Added to every variance after each M-step, in squared data units.
    max_iter : int
        Most iterations per start.
    n_init : int, optional
        Number of starts, each run to the end, so that more are never worse; if left out 10, or
        31 short runs for "auto".
    init_params : {"auto", "hc", "kmeans", "k-means++", "random", "random_from_data"}
        How starts are made; see `fit`.
    weights_init, means_init, precisions_init : array, optional
        Start from these; what is left out comes from `init_params`. Shapes as of the fitted
        attributes.
    random_state : int, RandomState or None
        Seed of the starts.
    warm_start : bool
        Start the next `fit` from the last one's solution.
    missing : {"refuse", "marginalize"}
        What to do with rows that miss values (NaN); see `fit`.
    verbose, verbose_interval : int
        Print how every start ended; the interval is accepted for compatibility.

    Attributes
    ----------
    weights_, means_, covariances_, precisions_, precisions_cholesky_ : array
        Estimates, in scikit-learn's shapes for its four types; covariances (K, d, d) for others.
    converged_
        Whether EM converged, or its last iteration gained at most `tol` per row.
    n_iter_, lower_bound_, lower_bounds_, n_features_in_, feature_names_in_
        As in scikit-learn; lower bounds are mean log-likelihoods per row.
    fit_ : Fit
        The whole result.

    Estimates that are set by hand are used, after a fit or without one.

    See Also
    --------
    fit, DiscriminantAnalysis, Regression

    Examples
    --------
    >>> from bayesgmm import GaussianMixture, datasets
    >>> X = datasets.load_faithful()
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> round(model.bic(X), 2)
    2322.19
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: FamilyName | Literal["full", "tied", "diag", "spherical"] | str = "full",
        tol: float = 1e-8,
        reg_covar: float = 0.0,
        max_iter: int = 1000,
        n_init: int | None = None,
        init_params: str = "auto",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        missing: str = "refuse",
        verbose: int = 0,
        verbose_interval: int = 10,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.missing = missing
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    @classmethod
    def from_fit(cls, fit: Fit) -> Self:
        """A fitted estimator that holds a fit, as if it had made it.

        Parameters
        ----------
        fit : Fit
            Also a `Selection`, of which its best fit.

        Raises
        ------
        TypeError
            Something else.

        Examples
        --------
        >>> import bayesgmm
        >>> X = bayesgmm.datasets.load_faithful()
        >>> selection = bayesgmm.select(X, [2, 3], random_seed=1, progressbar=False)
        >>> bayesgmm.GaussianMixture.from_fit(selection)
        GaussianMixture(covariance_type='EEE', n_components=3)
        """
        fit = as_fit(fit)
        self = cls(fit.n_components, covariance_type=fit.family.name, missing=fit.mixture.missing)
        self.n_features_in_ = fit.d
        if fit.mixture.named:
            self.feature_names_in_ = np.array(fit.names, dtype=object)
        self._store(fit, self.tol)
        return self

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Estimate the mixture by EM.

        Parameters
        ----------
        X : array-like (n, d)
            The data.
        y : None
            Ignored.
        sample_weight : array-like (n,), optional
            Frequency weights, as for `bayesgmm.fit`.

        Raises
        ------
        ValueError
            Data or arguments that cannot be used; the message says which and the cure.
        """
        self._fit(X, sample_weight)
        return self

    def fit_predict(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name for the data
        y: Any = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> IntArray:
        """Fit as `fit` does, and give the most probable component of each row, (n,) of int."""
        rows = self._fit(X, sample_weight)
        return self.fit_.predict(X if is_dask(X) else rows)

    def predict(self, X: Any) -> IntArray:  # noqa: N803
        """The most probable component of each row, (n,)."""
        return self._mixture().predict(self._check(X))

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Responsibilities (n, K)."""
        return self._mixture().predict_proba(self._check(X))

    def score_samples(self, X: Any) -> FloatArray:  # noqa: N803
        """Log density of each row, (n,)."""
        return self._mixture().log_density(self._check(X))

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Mean log density per row; NaN, as `bic`, for a degenerate fit."""
        loglik, n = self._loglik(X)
        return loglik / n if self._has_estimate else float("nan")

    def sample(self, n_samples: int = 1) -> tuple[FloatArray, IntArray]:
        """Draw rows (n_samples, d) and their components, grouped by component."""
        mixture, n = self._mixture(), check_integer("n_samples", n_samples, 1)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        x, component = mixture.sample(n, rng)
        order = np.argsort(component, kind="stable")
        return x[order], component[order]

    def bic(self, X: Any) -> float:  # noqa: N803
        """Schwarz's criterion of the fitted mixture on X; lower is better.

        NaN, like `aic` and as `fit_.bic`, for a degenerate fit: its parameters are not an estimate.
        """
        loglik, n = self._loglik(X)
        return self._penalised(loglik, float(np.log(n)))

    def aic(self, X: Any) -> float:  # noqa: N803
        """Akaike's criterion of the fitted mixture on X; lower is better."""
        return self._penalised(self._loglik(X)[0], 2.0)

    def _loglik(self, x: Any) -> tuple[float, float]:
        """The log-likelihood of rows, and the number of those that have a value."""
        mixture, rows = self._mixture(), self._check(x)
        return float(mixture.log_density(rows).sum()), mixture.rows(rows).total

    def _penalised(self, loglik: float, penalty: float) -> float:
        if not self._has_estimate:
            return float("nan")
        return -2 * loglik + self._n_parameters() * penalty

    def _n_parameters(self) -> int:
        k, d = np.shape(self.means_)
        return get_family(self.covariance_type, d).n_parameters(k, d)

    @property
    def _has_estimate(self) -> bool:
        return bool(self._changed()) or self.fit_.status is not Status.DEGENERATE

    def _rows(self, x: Any) -> Any:
        """The checked rows, of which scikit-learn has noted the columns."""
        if stays_there(x):  # where scikit-learn cannot look at them
            data = as_data(x)
            self.n_features_in_ = data.d
            if data.named:
                self.feature_names_in_ = np.array(data.names, dtype=object)
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            return data
        return validated(self, x, dtype=[np.float64, np.float32])

    def _fit(self, x: Any, sample_weight: Any) -> Any:
        rows = self._rows(x)
        options = check_options(self.n_init, self.max_iter, self.tol, self.reg_covar, "reg_covar")
        k = check_integer("n_components", self.n_components, 1)
        names = getattr(self, "feature_names_in_", None)
        data = as_named_data(rows, names, sample_weight, self.missing)
        family = get_family(self.covariance_type, data.d)
        few = 0 < options.ridge and data.distinct_rows(k) < k <= data.n
        check_problem(data, 1 if few else k, family, None, options.ridge)
        problem = Problem(data, family, None, options.ridge)
        warn_of_columns(data, k > 1 and not problem.bounded)
        check_choice("init_params", self.init_params, STARTS)
        # So few different rows leave no partition without an empty group: rows in parts then.
        fit = self._best(problem, k, options, "random" if few else self.init_params)
        if self.verbose:
            print(f"{fit.family.name}, K = {fit.n_components}: {fit.advice}")
        self._store(fit, options.tol)
        if not self.converged_ and options.max_iter > 0:
            warn(fit.advice, ConvergenceWarning)
        return rows

    def _best(self, problem: Problem, k: int, options: Options, init: str) -> Fit:
        search, n_init = SearchOptions(options.max_iter, options.tol), options.n_init
        data = problem.data
        if self.warm_start and hasattr(self, "fit_") and self.fit_.d == data.d:
            if self.fit_.n_components == k:
                return fit_from(self.fit_, problem, k, 1, None, search)
        seed = check_random_state(self.random_state).randint(2**31)
        given = [value is not None for value in self._given()]
        if n_init is None and not any(given):
            return fit_from(init, problem, k, None, seed, search)
        count = 1 if all(given) else n_init
        others = None if count is None else count - STARTS[init].hierarchical
        starts = make_starts(init, data, k, others, seed)
        if any(given):
            starts = self._with_given(starts, data, k, options)
        return best_fit(problem, starts, search.to_the_end)

    def _with_given(self, starts: list[Start], data: Data, k: int, options: Options) -> list[Start]:
        """Starts with some parameters prescribed and the others as they are."""
        problem = Problem(data, get_family("VVV", data.d), None, options.ridge)
        at_once = SearchOptions(0, 0.0).to_the_end
        out = []
        for start in starts:
            guess = run_starts(problem, [start], at_once).results[0].parameters
            weights, means = guess.weights, guess.means + data.center
            covariances = guess.covariances
            if self.weights_init is not None:
                weights = proportions(self.weights_init)
            if self.means_init is not None:
                means = real_array(self.means_init, "means_init")
            if self.precisions_init is not None:
                kind = covariance_type(self.covariance_type)
                precisions = shaped(self.precisions_init, self.covariance_type, k, data.d)
                covariances = kind.expand(inverse(kind, precisions), k, data.d)
            try:
                mixture = Mixture(weights, means, covariances, data.names)
            except ValueError as error:
                raise ValueError(
                    f"weights_init, means_init or precisions_init cannot be used: {error}"
                ) from None
            out.append(Start(mixture.parameters_about(data.center)))
        return out

    def _given(self) -> tuple[ArrayLike | None, ...]:
        return self.weights_init, self.means_init, self.precisions_init

    def _store(self, fit: Fit, tol: float) -> None:
        self.fit_ = fit
        self.weights_ = np.array(fit.weights)
        self.means_ = np.array(fit.means)
        kind = covariance_type(self.covariance_type)
        self.covariances_ = kind.compact(fit.mixture)
        self.precisions_ = kind.inverted(self.covariances_)
        self.precisions_cholesky_ = kind.upper(self.covariances_)
        self._stored = {name: np.copy(getattr(self, name)) for name in _BY_HAND}
        gain = np.diff(fit.history[-2:])
        small_gain = fit.status is Status.MAX_ITER and len(gain) and gain[0] <= tol * fit.n
        self.converged_ = fit.converged or bool(small_gain)
        self.n_iter_ = fit.n_iter
        self.lower_bounds_ = [value / fit.n for value in fit.history[1:] or fit.history]
        self.lower_bound_ = fit.loglik / fit.n

    def __fit__(self) -> Fit:
        """The fit that the estimator stands for where a function takes one."""
        if not hasattr(self, "fit_"):
            raise NotFittedError(
                "fit is a GaussianMixture that is not fitted: pass it after its fit(X)."
            )
        if changed := self._changed():
            raise ValueError(
                f"{', '.join(sorted(changed))} of the GaussianMixture was set by hand: it is no "
                "longer a fit; pass its .fit_ for the fit as it was."
            )
        return self.fit_

    def _changed(self) -> set[str]:
        """Fitted attributes that were set by hand, since the fit or without one."""
        stored = getattr(self, "_stored", {})
        return {
            name
            for name in _BY_HAND
            if hasattr(self, name)
            and not np.array_equal(getattr(self, name), stored.get(name, np.nan))
        }

    def _mixture(self) -> Mixture:
        """The mixture of the fitted attributes: the fit's, unless they were set by hand."""
        check_is_fitted(self)
        changed = self._changed()
        if not changed:
            return self.fit_.mixture
        k, d = np.shape(self.means_)
        kind = covariance_type(self.covariance_type)
        if "precisions_cholesky_" in changed:
            upper = real_array(self.precisions_cholesky_, "precisions_cholesky_")
            covariances = kind.inverted(kind.squared(upper))
        else:
            covariances = real_array(self.covariances_, "covariances_")
        names = tuple(getattr(self, "feature_names_in_", ()))
        covariances = kind.expand(covariances, k, d)
        return Mixture(self.weights_, self.means_, covariances, names, missing=self.missing)

    def _check(self, x: Any) -> Any:
        check_is_fitted(self)
        if stays_there(x):
            return x
        return new_rows(self, x, [np.float64, np.float32])

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: whether values may be missing."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "refuse"
        return tags
