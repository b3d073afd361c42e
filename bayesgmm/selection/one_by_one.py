"""Cells of a grid that are searched one after the other: those with labels or noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..em.multistart import SearchOptions
from ..em.problem import Problem
from ..em.result import Fit
from ..em.starts.sample import Start
from ..em.status import Status
from ..families import Family
from ..utils.errors import DataError, DegenerateComponentError
from ..utils.progress import progress
from ..utils.validation import Seed
from .grid import Place
from .selection import CellName, Selection

#: Why a cell has no estimate where Ctrl-C came before it.
NOT_FITTED = "not fitted: the search was interrupted."


@dataclass(frozen=True, slots=True)
class How:
    """How a cell is searched: name of the starts (or a mixture), how many, seed, options."""

    start: object
    n_init: int | None
    seed: Seed
    options: SearchOptions

    def only(self, fit: Fit) -> How:
        """One pass over the rows with the fit's parameters, in place of a search."""
        return replace(self, start=fit.mixture, options=replace(self.options, max_iter=0))


@dataclass
class Cells:
    """Cells and what has become of them.

    Attributes
    ----------
    places : sequence of pairs
        Families, from small to large, and numbers of components.
    known : mapping of (family name, K) to Fit
        Fits of an earlier grid, which cells start from too.
    suffix : str
        What follows the family in the names of the cells.
    fits, failures : dict
        What was found, and the reasons of cells without an estimate.
    interrupted : bool
        Whether Ctrl-C came: cells are then given what is known of them, and no search.
    """

    places: Sequence[Place]
    known: Mapping[CellName, Fit]
    suffix: str = ""
    interrupted: bool = False
    fits: dict[CellName, Fit] = field(default_factory=dict)
    failures: dict[CellName, str] = field(default_factory=dict)

    def search(
        self, fit_at: Callable[[Family, int, How], Fit], how: How, title: str, show: bool
    ) -> None:
        """Fill the cells by `fit_at(family, K, how)`, with a bar."""
        with progress(title, len(self.places), show) as tick:
            for family, k in self.places:
                if not self.interrupted:
                    try:
                        self._take(family, k, fit_at, how)
                    except KeyboardInterrupt:
                        self.interrupted = True
                if self.interrupted:
                    self._take_over(family, k, fit_at, how)
                tick()

    def starts(
        self, problem: Problem, family: Family, k: int, how: How, more: Sequence[Fit] = ()
    ) -> list[Start]:
        """Starts besides the named ones: `more`, smaller families' fits, and what is known."""
        if not isinstance(how.start, str):
            return []
        inside = [
            fit
            for (_, n), fit in self.fits.items()
            if n == k and fit.status.sound and family.contains(fit.family)
        ]
        center, known = problem.data.center, self.known.get(self.name_of(family, k))
        starts = [Start(fit.mixture.parameters_about(center)) for fit in (*more, *inside)]
        if known is not None and known.status.sound:  # run to the end, so that none ends lower
            starts.append(Start(known.mixture.parameters_about(center), sure=True))
        return starts

    def added_to(self, found: Selection, **others: Any) -> Selection:
        """A grid with these cells, and what else is then known of it."""
        return replace(
            found, fits=found.fits | self.fits, failures=found.failures | self.failures,
            interrupted=self.interrupted, **others,
        )  # fmt: skip

    def name_of(self, family: Family, k: int) -> CellName:
        """The name of a cell."""
        return f"{family.name}{self.suffix}", k

    def _take(
        self, family: Family, k: int, fit_at: Callable[[Family, int, How], Fit], how: How
    ) -> None:
        """Search a cell."""
        name = self.name_of(family, k)
        try:
            found = fit_at(family, k, how)
        except (DataError, DegenerateComponentError) as error:
            self.failures[name] = str(error)
            return
        self.fits[name] = found
        if not found.status.sound:
            self.failures[name] = found.advice

    def _take_over(
        self, family: Family, k: int, fit_at: Callable[[Family, int, How], Fit], how: How
    ) -> None:
        """Give a cell what an earlier grid had in it, so that nothing is lost by going on."""
        name = self.name_of(family, k)
        if name not in self.known:
            self.failures[name] = NOT_FITTED
            return
        self._take(family, k, fit_at, how.only(self.known[name]))
        if name in self.fits and self.fits[name].status is Status.MAX_ITER:
            self.fits[name] = replace(self.fits[name], status=Status.INTERRUPTED)
