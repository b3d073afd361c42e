"""A grid of fits to rows with labels, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..em.fit import fit_with_labels
from ..em.labels import read_labels
from ..em.multistart import SearchOptions
from ..em.problem import Problem
from ..em.result import Fit
from ..em.starts.sample import Start
from ..utils.errors import DataError, DegenerateComponentError
from ..utils.progress import progress
from ..utils.validation import Seed
from .grid import Place
from .selection import CellName, Selection

type How = tuple[str, int | None, Seed, SearchOptions]
type Found = tuple[dict[CellName, Fit], dict[CellName, str]]


def grid_with_labels(
    found: Selection,
    problem: Problem,
    labels: Any,
    places: Sequence[Place],
    how: How,
    progressbar: bool,
) -> Selection:
    """The grid `found` with these cells; the other arguments are those of `fits_with_labels`."""
    with progress("Fitting the grid", len(places), progressbar) as tick:
        fits, failures = fits_with_labels(problem, labels, places, how, tick)
    return replace(found, fits=found.fits | fits, failures=found.failures | failures)


def fits_with_labels(
    problem: Problem,
    labels: Any,
    places: Sequence[Place],
    how: How,
    tick: Callable[[], None],
) -> Found:
    """The fits of these cells, and the reasons of those without one.

    Components are those of the classes in every cell, so that none is split or merged: a cell also
    starts from the fits of the families that its own contains.

    Parameters
    ----------
    problem : Problem
        Of the rows, for any family.
    labels : array-like
        As `fit` takes them.
    places : sequence of pairs
        Families, from small to large, and numbers of components.
    how : tuple
        Name of the starts, how many, the seed, and options of the search.
    tick : callable
        Called after each cell.
    """
    start, n_init, seed, options = how
    fits: dict[CellName, Fit] = {}
    failures: dict[CellName, str] = {}
    for family, k in places:
        name = family.name, k
        smaller = [
            Start(fit.mixture.parameters_about(problem.data.center))
            for (_, other), fit in fits.items()
            if other == k and fit.status.sound and family.contains(fit.family)
        ]
        try:
            known = read_labels(labels, problem.data.n, k)
            of_family = problem.of_family(family)
            fits[name] = fit_with_labels(start, of_family, known, n_init, seed, options, smaller)
            if not fits[name].status.sound:
                failures[name] = fits[name].advice
        except (DataError, DegenerateComponentError) as error:
            failures[name] = str(error)
        tick()
    return fits, failures
