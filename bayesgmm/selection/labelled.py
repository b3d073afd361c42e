"""A grid of fits to rows with labels."""

from __future__ import annotations

from typing import Any

from ..em.fit import fit_with_labels
from ..em.labels import read_labels
from ..em.problem import Problem
from ..em.result import Fit
from ..families import Family
from .one_by_one import Cells, How
from .selection import Selection


def grid_with_labels(
    found: Selection, problem: Problem, labels: Any, cells: Cells, how: How, progressbar: bool
) -> Selection:
    """The grid `found` with these cells.

    Components are those of the classes in every cell, so that none is split or merged: a cell also
    starts from the fits of the families that its own contains.

    Parameters
    ----------
    found : Selection
        What there is of the grid.
    problem : Problem
        Of the rows, for any family.
    labels : array-like
        As `fit` takes them.
    cells : Cells
        Which ones.
    how : How
        How each is searched.
    progressbar : bool
        Show a bar.
    """

    def fit_at(family: Family, k: int, how: How) -> Fit:
        known = read_labels(labels, problem.data.n, k)
        starts = cells.starts(problem, family, k, how)
        of_family = problem.of_family(family)
        return fit_with_labels(
            how.start, of_family, known, how.n_init, how.seed, how.options, starts
        )

    cells.search(fit_at, how, "Fitting the grid", progressbar)
    return cells.added_to(found)
