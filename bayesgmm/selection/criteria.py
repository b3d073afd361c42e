"""Criteria by which a grid of fits can be ranked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from ..utils.validation import check_choice

if TYPE_CHECKING:
    from ..em.result import Fit

#: The names that `select` takes.
CriterionName = Literal["bic", "icl", "aic", "cv"]
#: Cross-validated log-likelihood per row of a cell, and its standard error.
type Score = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion: a number for every cell of a grid.

    label is its name in a sentence, axis its label on a plot. value computes it from a cell's fit
    and cross-validation. sign is 1 where lower is better, -1 where higher is. folds is the number
    of folds of the cross-validation that it asks for; 0 where it needs none.
    """

    name: str
    label: str
    axis: str
    value: Callable[[Fit, Score], float]
    sign: int = 1
    folds: int = 0


def _of_fit(name: str) -> Criterion:
    """An information criterion, which a fit has as an attribute."""
    number, label = attrgetter(name), name.upper()
    axis = f"{label} (lower is better)"
    return Criterion(name, label, axis, lambda fit, score: float(number(fit)))


#: By the name that `select` takes.
CRITERIA = {
    criterion.name: criterion
    for criterion in (
        _of_fit("bic"),
        _of_fit("icl"),
        _of_fit("aic"),
        Criterion(
            "cv",
            "cross-validated log-likelihood",
            "log-likelihood per row, cross-validated (higher is better)",
            lambda fit, score: score[0],
            sign=-1,
            folds=10,
        ),
    )
}


def criterion_of(name: str) -> Criterion:
    """The criterion of that name.

    Raises
    ------
    ValueError
        An unknown name; the message lists the criteria.
    """
    return CRITERIA[check_choice("criterion", name, CRITERIA)]
