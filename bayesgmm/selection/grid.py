"""The search for the best optima of a grid of families and numbers of components.

Every cell starts from the best of some partitions, the same for all families of a K. Then cells
start from what others found: from the same K in other families, and from one component less (one
split) or more (two merged; Ueda, Nakano, Ghahramani & Hinton 2000, Neural Computation 12,
2109-2128). Last, a family starts from the best that any smaller one reached, so that no larger
family reports a lower log-likelihood than one it contains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..data.data import Data
from ..em.moves import merges, splits
from ..em.multistart import SAME_OPTIMUM, Search, SearchOptions, rank, run_starts
from ..em.problem import Problem
from ..em.run import EMResult, run_em
from ..em.starts.sample import Start
from ..families import Family, get_family
from ..kernels.e_step.chunks import for_each_together, in_chunks
from ..kernels.e_step.contract import Statistics
from ..utils.errors import DegenerateComponentError
from ..utils.threads import for_each_task
from ..utils.types import FloatArray

# Rounds of starts from other cells, and how many iterations their short runs have.
ROUNDS = 2
_SHORT = 5
# Cells this near to the best BIC are looked at again, from starts that are the same for any seed:
# until so many have ended at the best optimum known, in so many batches at most. So are those not
# so far from it whose best optimum fewer have reached: another may be higher by that much.
_NEAR, _FAR, _SURE, _BATCHES = 10.0, 30.0, 3, 10
# A gain in log-likelihood per row that counts as another optimum.
_BETTER = 1e-8
# Differences of proportions, and of means in standard deviations, below which fits are the same.
_SAME = 0.02
# Columns up to which diagonal families alone exchange starts with full covariances too.
_COLUMNS = 100

type Place = tuple[Family, int]


@dataclass
class Cell:
    """The results of the search for one family and number of components."""

    best: EMResult | None = None
    made: int = 0
    unsound: int = 0
    sound: list[float] = field(default_factory=list)
    #: The highest result that is not an estimate.
    set_aside: EMResult | None = None
    failure: DegenerateComponentError | None = None
    #: A smaller family whose log-likelihood no sound maximum of this one reaches.
    surpassed_by: Family | None = None
    _full: Statistics | None = None
    _signature: FloatArray | None = None

    @property
    def estimate(self) -> EMResult | None:
        """The best result, if it is an estimate."""
        return self.best if self.best is not None and self.best.status.sound else None

    def take(self, search: Search, n_starts: int, least: float) -> bool:
        """Keep the best of new results; whether it is better by more than `least`."""
        results = search.results
        self.made += n_starts
        self.unsound += search.unsound
        self.sound += [result.objective for result in search.sound]
        for result in results:
            aside = self.set_aside
            if not result.status.sound and (aside is None or rank(result) > rank(aside)):
                self.set_aside = result
        if not results or (self.best is not None and rank(results[0]) <= rank(self.best)):
            return False
        last, self.best = self.estimate, results[0]
        self._full = self._signature = None
        return last is None or self.best.objective > last.objective + least

    def signature(self, data: Data) -> FloatArray:
        """Proportions and means in standard deviations, in the order of the first column's means.

        Fits of two families with about the same ones lead to the same optimum of a third.
        """
        if self._signature is None:
            assert self.best is not None
            p = self.best.parameters
            order = np.argsort(p.means[:, 0], kind="stable")
            self._signature = np.column_stack([p.weights, p.means / data.sd])[order]
        return self._signature

    def statistics(self, problem: Problem, full: Problem) -> Statistics:
        """Counts, means and scatters of the best fit's responsibilities, as `full` keeps them."""
        if self._full is None:
            assert self.best is not None
            self._full = self.best.statistics
            if problem.family.diagonal and not full.family.diagonal:
                run = run_em(full, self.best.parameters, max_iter=0, tol=0.0, thorough=False)
                self._full = run.statistics
        return self._full


class Grid:
    """Cells of families and numbers of components over the same rows.

    Parameters
    ----------
    problems : dict of Family to Problem
        All of the same rows; families from small to large.
    ks : sequence of int
    options : SearchOptions
    n_threads : int
        Numbers of components worked on at once. The result does not depend on it.
    """

    def __init__(
        self,
        problems: dict[Family, Problem],
        ks: Sequence[int],
        options: SearchOptions,
        n_threads: int,
    ) -> None:
        self.problems = problems
        self.ks = list(ks)
        self.options = options
        self.n_threads = n_threads
        self.cells: dict[Place, Cell] = {}
        self._stopped = False
        any_problem = next(iter(problems.values()))
        self.data = data = any_problem.data
        few = data.d <= _COLUMNS or not all(family.diagonal for family in problems)
        family = get_family("VVV" if few else "VVI", data.d)
        self._full = Problem(data, family, features=any_problem.features)
        self._least = _BETTER * any_problem.total

    def start(
        self, starts: Callable[[int], list[Start]], allowed: set[Place], tick: Callable[[], None]
    ) -> None:
        """Run EM from the starts of each K in every allowed cell."""

        def work(k: int) -> None:
            made = starts(k)
            for family in self.problems:
                if (family, k) in allowed and not self._stopped:
                    self.cells[family, k] = Cell()
                    self.try_starts(family, k, made)
                    tick()

        self._for_each_k(work)

    def take_over(self, known: dict[Place, Start]) -> None:
        """Run EM from one more start in each of these cells: what an earlier search found."""
        for (family, k), start in known.items():
            self.cells.setdefault((family, k), Cell())
            self.try_starts(family, k, [start])

    def rescue(self, starts: Callable[[int], list[Start]]) -> None:
        """Run EM from more starts in the cells without an estimate, until they have one."""

        def work(k: int) -> None:
            cells = {family: self.cells.get((family, k)) for family in self.problems}
            lacking = [f for f, cell in cells.items() if cell and cell.estimate is None]
            if lacking:
                made = starts(k)
                for family in lacking:
                    self.try_starts(family, k, made, keep=1)

        self._for_each_k(work)

    def settle(self, starts: Callable[[int, int], list[Start]]) -> None:
        """Look again where the choice is made: in cells near the best, until their optimum recurs.

        starts makes a batch of starts of its K and number.
        """
        recurred: dict[Place, int] = {}
        for batch in range(_BATCHES):
            places = self._unsettled(recurred)
            if not places:
                break
            found = dict.fromkeys(places, 0)
            self._for_each_k(partial(self._look_again, starts, batch, found, recurred))
            for place, times in found.items():
                recurred[place] = recurred.get(place, 0) + times

    def _look_again(
        self,
        starts: Callable[[int, int], list[Start]],
        batch: int,
        found: dict[Place, int],
        recurred: dict[Place, int],
        k: int,
    ) -> None:
        """Follow a batch of starts in those of this K, and count the ends at the best optimum."""
        places = [place for place in found if place[1] == k and not self._stopped]
        made = starts(k, batch) if places else []
        for family, _ in places:
            cell = self.cells[family, k]
            before = len(cell.sound)
            if self.try_starts(family, k, made):
                recurred[family, k] = 0
            assert cell.best is not None
            least = cell.best.objective - SAME_OPTIMUM * self._full.total
            found[family, k] = sum(objective >= least for objective in cell.sound[before:])

    def _unsettled(self, recurred: dict[Place, int]) -> list[Place]:
        """The cells that may hold the best, and whose optimum has not recurred often enough.

        Near the best only the batches' starts count, which no seed changes.
        """
        places = []
        for place, behind in self._behind_the_best().items():
            n_ends = agreeing(self.cells[place], self._full.total)[2]
            n_ends = recurred.get(place, 0) if behind < _NEAR else n_ends
            if place[1] > 1 and behind < _FAR and n_ends < _SURE:
                places.append(place)
        return places

    def _behind_the_best(self) -> dict[Place, float]:
        """By how much the BIC of each cell is above the lowest, in the order of the grid."""
        log_n, d = np.log(self._full.total), self.data.d
        bic = {
            (family, k): family.n_parameters(k, d) * log_n - 2 * cell.estimate.loglik
            for (family, k), cell in sorted(self.cells.items(), key=lambda item: item[0][1])
            if cell.estimate
        }
        least = min(bic.values(), default=0.0)
        return {place: value - least for place, value in bic.items()}

    def exchange_starts(self, tick: Callable[[], None], rounds: int = ROUNDS) -> None:
        """Start cells from what their neighbours found, until no cell gets better."""
        fresh = {place for place, cell in self.cells.items() if cell.estimate}
        for _ in range(rounds):
            # K - 1 and K + 1 as they are now, so that the order of work on the K does not matter.
            neighbours = {place: self._statistics(place) for place in fresh}
            improved: set[Place] = set()
            self._for_each_k(partial(self._exchange_at, neighbours, improved, tick))
            fresh = improved
            if not fresh:
                break

    def _exchange_at(
        self,
        neighbours: dict[Place, Statistics],
        improved: set[Place],
        tick: Callable[[], None],
        k: int,
    ) -> None:
        """Start each family of this K from what others have found since the last round."""
        for family in self.problems:
            cell = self.cells.get((family, k))
            if cell is None or self._stopped:
                continue
            seen = [cell.signature(self.data)] if cell.estimate else []
            candidates = []
            for other in self.problems:
                place = other, k
                if other is family or not (place in neighbours or place in improved):
                    continue
                signature = self.cells[place].signature(self.data)
                if all(np.abs(signature - known).max() > _SAME for known in seen):
                    seen.append(signature)
                    candidates.append(self._statistics(place))
            if (family, k - 1) in neighbours:
                candidates += splits(neighbours[family, k - 1])
            if (family, k + 1) in neighbours:
                candidates += merges(neighbours[family, k + 1])
            starts = [Start(statistics, guess=True) for statistics in candidates]
            if starts and self.try_starts(family, k, starts, keep=1):
                improved.add((family, k))
            tick()

    def enforce_nesting(self) -> None:
        """See to it that no family has a lower likelihood than one it contains, at the same K.

        Where EM from the smaller family's estimate runs into a singularity no sound maximum above
        it is known: the cell keeps its best one, and notes the family that surpasses it.
        """
        self.for_each(self._enforce_nesting_at, self.ks)

    def _enforce_nesting_at(self, k: int) -> None:
        for family in self.problems:
            cell = self.cells.get((family, k))
            smaller = self._best_inside(family, k)
            if cell is None or smaller is None:
                continue
            inner = self.cells[smaller, k].best
            assert inner is not None
            rounding = 1e-9 * abs(inner.objective)
            if not _reaches(cell, inner.objective - rounding):
                self.try_starts(family, k, [Start(inner.parameters, guess=True)])
                if not _reaches(cell, inner.objective - self._least - rounding):
                    cell.surpassed_by = smaller

    def _best_inside(self, family: Family, k: int) -> Family | None:
        """The smaller family with the highest log-likelihood at this K."""
        objectives = {}
        for other in self.problems:
            cell = self.cells.get((other, k))
            if other is family or cell is None or not family.contains(other):
                continue
            if cell.estimate:
                objectives[other] = cell.estimate.objective
        return max(objectives, key=objectives.__getitem__, default=None)

    def _statistics(self, place: Place) -> Statistics:
        return self.cells[place].statistics(self.problems[place[0]], self._full)

    def try_starts(
        self, family: Family, k: int, starts: list[Start], keep: int | None = None
    ) -> bool:
        """Run EM from these starts, or the best `keep` of them; whether the cell got better."""
        cell = self.cells[family, k]
        options, bar, problem = self.options, -np.inf, self.problems[family]
        if keep is not None:
            options = replace(options, short=_SHORT, keep=keep)
            if cell.estimate and problem.prior is None:
                bar = cell.estimate.objective
        try:
            search = run_starts(problem, starts, options, bar=bar)
        except DegenerateComponentError as error:
            cell.failure, search = error, Search([], len(starts))
        return cell.take(search, len(starts), self._least)

    def for_each[T](self, work: Callable[[T], None], items: Sequence[T]) -> None:
        """Call work(item) one by one, or at once where the rows are in chunks: to share sweeps."""
        if in_chunks(self.data):
            for_each_together(self.data, work, items)
            return
        for item in items:
            work(item)

    def _for_each_k(self, work: Callable[[int], None]) -> None:
        # The largest first: they take longest.
        order = sorted(self.ks, reverse=True)
        for_each_task(work, order, self.n_threads, self._stop)

    def _stop(self) -> None:
        """Begin no other cell."""
        self._stopped = True


def from_small_to_large(families: Iterable[Family]) -> list[Family]:
    """The families in an order in which each comes after those it contains."""
    size = "IEV".index
    return sorted(families, key=lambda f: size(f.volume) + size(f.shape) + size(f.orientation))


def agreeing(cell: Cell, total: float) -> tuple[int, int, int]:
    """Numbers of starts made, of those that led to an estimate, of those at the best optimum."""
    assert cell.best is not None
    near = [o for o in cell.sound if cell.best.objective - o <= SAME_OPTIMUM * total]
    return cell.made, len(cell.sound), len(near)


def _reaches(cell: Cell, objective: float) -> bool:
    return cell.estimate is not None and cell.estimate.objective >= objective
