"""Models of classes: one Gaussian each, of one family (EDDA), or a mixture each (MclustDA)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.special import xlogy

from ..data.data import Data, as_data
from ..data.tables import Table
from ..em.coverage import refuse_uncovered_pairs, undetermined
from ..em.fit import fit_with_labels
from ..em.labels import Labels
from ..em.multistart import SearchOptions
from ..em.problem import Problem
from ..em.result import Fit
from ..em.run import run_em
from ..em.starts.sample import weighted_partition
from ..families import Family, get_families
from ..families.letters import Letter
from ..kernels.e_step.contract import Parameters
from ..kernels.e_step.log_joint import expected_log_joint
from ..mixture.mixture import Mixture
from ..selection.criteria import criterion_of
from ..selection.select import select
from ..utils.errors import DataError, DegenerateComponentError
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_choice

# When EM ends where values are missing, as in `fit`.
_SEARCH = SearchOptions(max_iter=1000, tol=1e-8)


@dataclass(frozen=True)
class Labelled:
    """Rows with their classes: index (n,) of positions in `classes`."""

    data: Data
    index: IntArray
    classes: tuple[Any, ...]

    @property
    def weights(self) -> FloatArray:
        """What each row counts for."""
        return np.ones(self.data.n) if self.data.weights is None else self.data.weights

    @property
    def counts(self) -> FloatArray:
        """Rows of each class, by their weights."""
        return np.bincount(self.index, self.weights, len(self.classes))

    def of_class(self, c: int) -> Data:
        """The rows of one class as a table of their own.

        Raises
        ------
        DataError
            A column is constant in the class.
        """
        mine = self.index == c
        weights = None if self.data.weights is None else self.data.weights[mine]
        table = Table(np.asarray(self.data.values)[mine], self.data.names, self.data.named)
        return as_data(table, None, weights, self.data.missing)

    def only(self, used: np.ndarray) -> Labelled:
        """The same rows, of which those not used count 0."""
        weights = np.where(used, self.weights, 0.0)
        return replace(self, data=replace(self.data, weights=weights))


@dataclass(frozen=True)
class Choice:
    """What may be chosen among, and how."""

    covariance_type: Any
    n_components: Any
    class_priors: FloatArray | None
    criterion: str
    n_folds: int
    seed: int

    def priors(self, rows: Labelled) -> FloatArray:
        """Class priors as given, or the classes' shares of the rows."""
        shares = rows.counts / rows.counts.sum()
        return shares if self.class_priors is None else self.class_priors

    @property
    def n_free_priors(self) -> int:
        """Whether the priors are estimated: 1 or 0."""
        return int(self.class_priors is None)


class Candidate(NamedTuple):
    """A family that EDDA tried: numbers are NaN where it has no estimate, and `reason` says why."""

    family: str
    n_parameters: int
    loglik: float
    bic: float
    criterion: float
    reason: str = ""


@dataclass(frozen=True)
class ClassModel:
    """The density of every class, as one mixture of all their components.

    of_component (K,) is the class of each component. loglik is that of rows and classes together,
    sum_i log(prior f(x_i)) of each row's own class. models says what was chosen for each class;
    scores has a row for each candidate of EDDA: family, parameters, criterion, or why it failed.
    fits has the mixture of each class of MclustDA.
    """

    mixture: Mixture
    of_component: IntArray
    loglik: float
    n_parameters: int
    models: tuple[str, ...]
    scores: tuple[Candidate, ...] = ()
    fits: tuple[Fit, ...] = ()

    @property
    def starts(self) -> IntArray:
        """The first component of each class, (C,)."""
        return np.flatnonzero(np.diff(self.of_component, prepend=-1))

    def probabilities(self, x: Any) -> FloatArray:
        """Probabilities of the classes (n, C) at rows: sums of their components' responsibilities.

        The classes' components stand one after another.
        """
        return np.add.reduceat(self.mixture.predict_proba(x), self.starts, axis=1)

    def bic(self, n: float) -> float:
        """Schwarz's criterion for rows that count n; lower is better."""
        return -2 * self.loglik + self.n_parameters * float(np.log(n))


def edda(rows: Labelled, choice: Choice) -> ClassModel:
    """One Gaussian a class, in the family that the criterion prefers.

    With all classes known EM is one M-step (Bensmail & Celeux 1996, JASA 91, 1743-1748).

    Raises
    ------
    DataError
        Every family has a class with a singular covariance.
    """
    check_choice("criterion", choice.criterion, _EDDA_CRITERIA)
    families = get_families(choice.covariance_type, rows.data.d)
    made = {family: _try(rows, family, choice) for family in families}
    sound = {family: model for family, model in made.items() if isinstance(model, ClassModel)}
    if not sound:
        raise DataError(f"no family has an estimate: {'; '.join(map(str, made.values()))}.")
    score = _EDDA_CRITERIA[choice.criterion]
    values = {family: score(model, rows, family, choice) for family, model in sound.items()}
    candidates = tuple(
        _candidate(family, found, values.get(family, np.nan), rows)
        for family, found in made.items()
    )
    best = min(sound, key=lambda family: (np.isnan(values[family]), values[family]))
    return replace(sound[best], scores=candidates)


def _candidate(
    family: Family, found: ClassModel | str, criterion: float, rows: Labelled
) -> Candidate:
    if isinstance(found, str):
        size = family.n_parameters(len(rows.classes), rows.data.d)
        return Candidate(family.name, size, np.nan, np.nan, np.nan, found)
    bic = found.bic(rows.data.total)
    return Candidate(family.name, found.n_parameters, found.loglik, bic, criterion)


def _try(rows: Labelled, family: Family, choice: Choice) -> ClassModel | str:
    """The model of a family, or why it has none."""
    try:
        return _of_family(rows, family, choice)
    except DegenerateComponentError as error:
        name = rows.classes[error.component]
        return (
            f"class {name!r} has a singular covariance in family {family.name}: it has too few "
            "different rows"
        )
    except ValueError as error:  # far narrower than the classes together, or axes of its own
        return f"family {family.name}: {error}"


def _of_family(rows: Labelled, family: Family, choice: Choice) -> ClassModel:
    data, n_classes = rows.data, len(rows.classes)
    if data.incomplete:
        return _of_incomplete_rows(rows, family, choice)
    indicators = np.eye(n_classes)
    partition = weighted_partition(data, n_classes, lambda block: indicators[rows.index[block]])
    statistics = partition.moments(family.diagonal)
    found = run_em(Problem(data, family), statistics, max_iter=0, tol=0.0).parameters
    _refuse_free_axes(rows, family)
    p = Parameters(choice.priors(rows), found.means, found.covariances)
    size = family.n_parameters(n_classes, data.d)
    return ClassModel(
        Mixture(p.weights, p.means + data.center, p.covariances, data.names, named=data.named),
        np.arange(n_classes),
        expected_log_joint(p, statistics, data.scale)[0],
        size - (0 if choice.n_free_priors else n_classes - 1),
        (family.name,) * n_classes,
    )


def _refuse_free_axes(rows: Labelled, family: Family) -> None:
    """Refuse axes of its own for a class whose rows differ in fewer directions than all but one.

    With lengths in common, as in EEV, there is a maximum, but the others turn about freely.

    Raises
    ------
    DataError
        There is such a class.
    """
    if family.orientation != Letter.VARIABLE:
        return
    data = rows.data
    for c, name in enumerate(rows.classes):
        mine = np.asarray(data.values)[(rows.index == c) & (rows.weights > 0)]
        spanned = len(mine) - 1
        if not data.incomplete:
            spanned = int(np.linalg.matrix_rank((mine - mine[0]) / data.scale))
        if spanned < data.d - 1:
            raise DataError(
                f"class {name!r} has too few different rows to determine axes of its own: they "
                f"differ in {max(spanned, 0)} of {data.d} directions"
            )


def _of_incomplete_rows(rows: Labelled, family: Family, choice: Choice) -> ClassModel:
    """The same where values are missing, which takes EM, from the classes' means.

    Raises
    ------
    DegenerateComponentError, DataError
        A class has a singular covariance, or its values do not determine its parameters.
    """
    data, n_classes = rows.data, len(rows.classes)
    refuse_uncovered_pairs(data, family)
    problem, known = Problem(data, family), np.eye(n_classes, dtype=bool)
    labels = Labels(rows.index, known, rows.classes)
    fit = fit_with_labels("auto", problem, labels, None, choice.seed, _SEARCH)
    if not fit.status.sound:
        raise DegenerateComponentError(fit.degenerate_component or 0)
    _refuse_free_axes(rows, family)
    p = fit.mixture.parameters_about(data.center)
    if text := undetermined(problem.of_rows(labels.seen_in(data)), p):
        raise DataError(text)
    priors = choice.priors(rows)
    size = family.n_parameters(n_classes, data.d)
    return ClassModel(
        Mixture(
            priors, fit.means, fit.covariances, data.names, named=data.named, missing=data.missing
        ),
        np.arange(n_classes),
        fit.loglik + float(rows.counts @ (np.log(priors) - np.log(p.weights))),
        size - (0 if choice.n_free_priors else n_classes - 1),
        (family.name,) * n_classes,
    )


def _bic_of(model: ClassModel, rows: Labelled, family: Family, choice: Choice) -> float:
    return model.bic(rows.data.total)


def _held_out_brier(model: ClassModel, rows: Labelled, family: Family, choice: Choice) -> float:
    """Brier's score of rows held out, over folds that divide every class; NaN if one fails."""
    folds = divided(rows.index, choice.n_folds, choice.seed)
    total = 0.0
    for fold in range(choice.n_folds):
        out = folds == fold
        kept = _try(rows.only(~out), family, choice)
        if isinstance(kept, str):
            return float("nan")
        found = kept.probabilities(np.asarray(rows.data.values)[out])
        total += float(rows.weights[out] @ brier(found, rows.index[out]))
    return total / rows.data.total


_EDDA_CRITERIA: dict[str, Callable[[ClassModel, Labelled, Family, Choice], float]] = {
    "bic": _bic_of,
    "cv": _held_out_brier,
}


def brier(probabilities: FloatArray, index: IntArray) -> FloatArray:
    """Brier's score of each row (n,): half the squared distance from the truth, 0 to 1."""
    own = np.take_along_axis(probabilities, index[:, None], axis=1)[:, 0]
    return np.asarray(0.5 * (np.sum(probabilities**2, axis=1) - 2 * own + 1))


def divided(index: IntArray, n_folds: int, seed: int | None) -> IntArray:
    """The fold of each row (n,): every class is divided as evenly as it can be, at random."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(index))
    order = order[np.argsort(index[order], kind="stable")]
    folds = np.empty(len(index), dtype=np.intp)
    folds[order] = np.arange(len(index)) % n_folds
    return folds


def mclustda(rows: Labelled, choice: Choice) -> ClassModel:
    """A mixture for each class, of its own family and number of components.

    Fraley & Raftery (2002), JASA 97, 611-631.

    Raises
    ------
    DataError
        A class has no estimate.
    """
    priors, fits = choice.priors(rows), []
    folds = choice.n_folds if criterion_of(choice.criterion).folds else None
    for c, name in enumerate(rows.classes):
        try:
            fits.append(
                select(
                    rows.of_class(c), choice.n_components, choice.covariance_type,
                    random_seed=choice.seed, criterion=choice.criterion, cv=folds,
                    progressbar=False,
                ).best
            )  # fmt: skip
        except ValueError as error:
            raise DataError(f"class {name!r}: {error}") from None
    mixture = Mixture(
        np.concatenate([prior * fit.weights for prior, fit in zip(priors, fits, strict=True)]),
        np.concatenate([fit.means for fit in fits]),
        np.concatenate([fit.covariances for fit in fits]),
        rows.data.names,
        named=rows.data.named,
        missing=rows.data.missing,
    )
    return ClassModel(
        mixture,
        np.repeat(np.arange(len(fits)), [fit.n_components for fit in fits]),
        sum(fit.loglik for fit in fits) + float(xlogy(rows.counts, priors).sum()),
        sum(fit.n_parameters for fit in fits) + choice.n_free_priors * (len(fits) - 1),
        tuple(f"{fit.family.name}, K = {fit.n_components}" for fit in fits),
        fits=tuple(fits),
    )


#: How classes are modelled, by the name that `DiscriminantAnalysis` takes.
MODELS: dict[str, Callable[[Labelled, Choice], ClassModel]] = {"edda": edda, "mclustda": mclustda}
