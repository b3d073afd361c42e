"""Discriminant analysis as a scikit-learn classifier: EDDA and MclustDA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ..data.same_data import refuse_other_data
from ..data.tables import MISSING, REFUSE
from ..utils.errors import DataError
from ..utils.types import FloatArray
from ..utils.validation import check_choice, check_integer, real_array, whole_seed
from .class_models import MODELS, Choice, Labelled, divided
from .classification_scores import ClassificationScores
from .rows import as_named_data, new_rows, validated

if TYPE_CHECKING:
    import pandas as pd

    from .class_posterior import ClassPosterior

# Class priors may be off by so much, relative, to be still shares that sum to 1.
_ROUNDING = 1e-9
# What to do about rows that were not fitted.
_AGAIN = "pass the rows and classes that were fitted, or fit these first"


class DiscriminantAnalysis(ClassifierMixin, BaseEstimator):
    """Classification by Gaussian mixtures of known classes.

    "edda" is one Gaussian a class, all of one family: VVV is quadratic discriminant analysis, EEE
    linear, VVI naive Bayes, and eleven others lie between them. "mclustda" is a mixture for each
    class, chosen by `select`.

    Parameters
    ----------
    model : {"edda", "mclustda"}
        How a class is modelled.
    covariance_type : str or iterable of str, optional
        Families to choose among; all if left out.
    n_components : int or iterable of int
        Numbers of components to choose among for each class of "mclustda"; "edda" has one each.
    class_priors : array-like (C,), mapping or Series, optional
        Prior probabilities of the classes, in the order of `classes_`, or by class; if left out
        their shares of the rows, each counting as its weight.
    criterion : {"bic", "cv"}
        What chooses. "bic" is that of rows and classes together. "cv" is Brier's score of rows held
        out for "edda", and for each class of "mclustda" their log density, as in `select`.
    n_folds : int
        Folds of that cross-validation, which divide every class.
    missing : {"refuse", "marginalize"}
        Whether values may be missing, when fitting and predicting: each row then counts with the
        density of what it has. "edda" takes EM then.
    random_state : int, RandomState or None
        Seed of folds and starts.

    Attributes
    ----------
    classes_ : array (C,)
        The classes, sorted.
    class_priors_ : array (C,)
        Their prior probabilities.
    mixture_ : Mixture
        The components of all classes, in proportion to the priors; `of_component_` (K,) is the
        position in `classes_` that each belongs to.
    models_ : dict
        The family of each class, with its number of components for "mclustda".
    loglik_, n_parameters_, bic_
        Log-likelihood of rows and classes together, its free parameters, and BIC (lower is better).
    n_features_in_, feature_names_in_
        As in scikit-learn.

    See Also
    --------
    classify : Components of rows, with their uncertainty.
    GaussianMixture : The same as a scikit-learn estimator.

    References
    ----------
    Bensmail & Celeux (1996), JASA 91, 1743-1748 (EDDA). Fraley & Raftery (2002), JASA 97, 611-631
    (MclustDA).

    Examples
    --------
    >>> from bayesgmm import DiscriminantAnalysis, datasets
    >>> iris = datasets.load_iris()
    >>> X, species = iris.drop(columns="species"), iris["species"]
    >>> model = DiscriminantAnalysis().fit(X, species)
    >>> model.models_["setosa"], round(1 - model.score(X, species), 2)
    ('VEV', 0.02)
    """

    def __init__(
        self,
        model: str = "edda",
        *,
        covariance_type: Any = None,
        n_components: Any = (1, 2, 3, 4, 5),
        class_priors: ArrayLike | Mapping[Any, float] | None = None,
        criterion: str = "bic",
        n_folds: int = 10,
        missing: str = "refuse",
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.covariance_type = covariance_type
        self.n_components = n_components
        self.class_priors = class_priors
        self.criterion = criterion
        self.n_folds = n_folds
        self.missing = missing
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Estimate every class's density.

        Parameters
        ----------
        X : array-like (n, d)
            Rows.
        y : array-like (n,)
            Their classes.
        sample_weight : array-like (n,), optional
            What each row counts for.

        Raises
        ------
        ValueError
            Data, classes or arguments that cannot be used; the message says which and the cure.
        """
        make = MODELS[check_choice("model", self.model, MODELS)]
        rows, classes = self._labelled(X, y, sample_weight)
        choice = self._choice(rows.classes)
        found = make(rows, choice)
        self.classes_ = classes
        self.class_priors_ = choice.priors(rows)
        self.mixture_, self.of_component_ = found.mixture, found.of_component
        self.models_ = dict(zip(rows.classes, found.models, strict=True))
        self.loglik_, self.n_parameters_ = found.loglik, found.n_parameters
        self.bic_ = found.bic(rows.data.total)
        self._found, self._fingerprint = found, rows.data.fingerprint
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The most probable class of each row, (n,).

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n,)
            Classes.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[np.argmax(probabilities, axis=1)]

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Probabilities of the classes for each row, (n, C); rows sum to 1.

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n, number of classes)
        """
        check_is_fitted(self)
        x = new_rows(self, X, [np.float64, np.float32])
        return self._found.probabilities(x)

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: whether values may be missing."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != REFUSE
        return tags

    def refine(self, X: Any, y: Any, sample_weight: Any = None, **options: Any) -> ClassPosterior:  # noqa: N803
        """The posterior of the classes' densities, which says how sure the probabilities are.

        Of "edda" it is that of all classes together, in the family chosen; of "mclustda" each class
        has its own, in the family and number of components chosen. Class priors that were given
        stay as they are; others are drawn too.

        Parameters
        ----------
        X, y, sample_weight
            What was fitted.
        **options
            Of `refine`: random_seed, prior, sampler, draws, weights (what sample_weight means) and
            the others, but model and, for "mclustda", checkpoint.

        Returns
        -------
        ClassPosterior
            With `.probabilities(X)`, means and intervals, and `.predict_proba(X)`, the predictive
            probabilities.

        Raises
        ------
        DataError
            X and y are not what was fitted.
        ValueError, NotImplementedError
            As `refine`.

        Warns
        -----
        ConvergenceAdvice
            The chains have not converged.

        Examples
        --------
        >>> from bayesgmm import DiscriminantAnalysis, datasets
        >>> iris = datasets.load_iris()
        >>> X, species = iris.drop(columns="species"), iris["species"]
        >>> model = DiscriminantAnalysis(covariance_type="EEE").fit(X, species)
        >>> posterior = model.refine(X, species, random_seed=1)  # doctest: +SKIP
        >>> posterior.probabilities(X[70:71])  # doctest: +SKIP
        """
        from .class_posterior import class_posterior

        check_is_fitted(self)
        found, priors = self._found, self._choice(tuple(self.classes_.tolist())).class_priors
        rows, _ = self._copy()._labelled(X, y, sample_weight)
        refuse_other_data(self._fingerprint, rows.data.fingerprint, _AGAIN, "what was fitted")
        if rows.classes != tuple(self.classes_.tolist()):
            raise DataError(
                f"y has classes {list(rows.classes)}, and those fitted are "
                f"{self.classes_.tolist()}: {_AGAIN}."
            )
        return class_posterior(rows, found, priors, options)

    def candidates(self) -> pd.DataFrame:
        """The families that "edda" tried, best first, with why some have no estimate.

        Empty for "mclustda".

        Returns
        -------
        DataFrame
            Columns family, n_parameters, loglik, bic, criterion (lower is better) and reason.
        """
        import pandas as pd

        check_is_fitted(self)
        columns = ["family", "n_parameters", "loglik", "bic", "criterion", "reason"]
        table = pd.DataFrame(list(self._found.scores), columns=columns)
        return table.sort_values("criterion", kind="stable", ignore_index=True)

    def cross_validate(
        self,
        X: Any,  # noqa: N803
        y: Any,
        n_folds: int = 10,
        *,
        sample_weight: Any = None,
        random_seed: int | None = None,
    ) -> ClassificationScores:
        """Error and Brier's score of rows that were held out, each fold fitted anew.

        Everything is repeated in each fold, the choice of families and numbers of components too.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        n_folds : int
            Folds; every class is divided among them as evenly as it can be.
        random_seed : int, optional
            Divides the rows.

        Returns
        -------
        ClassificationScores
            With `.error`, `.brier` and their standard errors, and `.probabilities` (n, classes).

        Raises
        ------
        DataError
            A class has fewer rows than 2.
        ValueError
            As `fit`.
        """
        rows, classes = self._copy()._labelled(X, y, sample_weight)
        n_folds = check_integer("n_folds", n_folds, 2, rows.data.n, ": one for each row")
        smallest = int(np.argmin(np.bincount(rows.index)))
        if np.count_nonzero(rows.index == smallest) < 2:
            raise DataError(
                f"class {rows.classes[smallest]!r} has one row, and would have none in the fold "
                "that leaves it out: cross-validation needs two of every class."
            )
        folds = divided(rows.index, n_folds, whole_seed(random_seed))
        values, truth = np.asarray(rows.data.values), classes[rows.index]
        found = np.empty((rows.data.n, len(rows.classes)))
        for fold in range(n_folds):
            out = folds == fold
            model = self._copy().fit(values[~out], truth[~out], rows.weights[~out])
            found[out] = model.predict_proba(values[out])
        return ClassificationScores(found, rows.index, rows.weights, rows.classes, n_folds)

    def _copy(self) -> Self:
        copy: Self = clone(self)
        return copy

    def _labelled(self, x: Any, y: Any, sample_weight: Any) -> tuple[Labelled, NDArray[Any]]:
        """The checked rows, of which scikit-learn has noted the columns, and their classes.

        The classes (C,) are of the type that y has.
        """
        check_choice("missing", self.missing, MISSING)
        _refuse_unknown(np.asarray(y))
        x, y = validated(self, x, y=y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        names = getattr(self, "feature_names_in_", None)
        data = as_named_data(x, names, sample_weight, self.missing)
        classes, index = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y has one class, {classes.tolist()[0]!r}: pass rows of at least two classes."
            )
        rows = Labelled(data, index, tuple(classes.tolist()))
        if not rows.counts.all():
            empty = rows.classes[int(np.argmin(rows.counts))]
            raise DataError(f"class {empty!r} has only rows of weight 0: leave them out.")
        return rows, classes

    def _choice(self, classes: tuple[Any, ...]) -> Choice:
        priors, n_classes = None, len(classes)
        if self.class_priors is not None:
            priors = real_array(_by_class(self.class_priors, classes), "class_priors")
            sums_to_one = abs(priors.sum() - 1) <= _ROUNDING
            if priors.shape != (n_classes,) or not np.all(priors > 0) or not sums_to_one:
                raise ValueError(
                    f"class_priors are {priors.tolist()}: pass {n_classes} positive numbers that "
                    "sum to 1, in the order of the sorted classes."
                )
        seed = int(check_random_state(self.random_state).randint(2**31))
        n_folds = check_integer("n_folds", self.n_folds, 2)
        return Choice(
            self.covariance_type, self.n_components, priors, self.criterion, n_folds, seed
        )


def _by_class(priors: Any, classes: tuple[Any, ...]) -> Any:
    """The priors in the order of the classes, where they say of which class each is."""
    import pandas as pd

    if isinstance(priors, pd.Series) and not isinstance(priors.index, pd.RangeIndex):
        priors = priors.to_dict()
    if not isinstance(priors, Mapping):
        return priors
    if set(priors) != set(classes):
        raise ValueError(
            f"class_priors are of {list(priors)}, and the classes are {list(classes)}: pass a "
            "number for each of these."
        )
    return [priors[name] for name in classes]


def _refuse_unknown(y: Any) -> None:
    """Refuse classes that are missing; scikit-learn would say that their type is unknown."""
    import pandas as pd

    if y.ndim != 1 or y.dtype != object:
        return  # numbers are scikit-learn's to refuse
    missing = np.flatnonzero(pd.isna(y))
    if len(missing):
        raise ValueError(
            f"y has no class in {len(missing)} rows (first in row {missing[0]}): leave these rows "
            "out; fit(X, K, labels=y) uses rows whose class is not known."
        )
