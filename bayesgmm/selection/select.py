"""The search over families and numbers of components: data in, a `Selection` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.by_name import by_name
from ..data.data import Data, as_data
from ..em.checkpoint import Checkpoint, kept_answers
from ..em.checks import bounds, check_bounds, check_options
from ..em.fit import as_fit, by_weight, warn_of_columns
from ..em.multistart import SearchOptions
from ..em.noise import read_noise
from ..em.noisy_fit import SUFFIX
from ..em.problem import Problem
from ..em.remarks import set_aside, start_advice
from ..em.result import Fit
from ..em.screening import search_sample
from ..em.starts.sample import Sample, Start
from ..em.starts.starts import (
    check_name,
    is_screened,
    named_starts,
    repeatable,
    subset_rng,
)
from ..em.status import Status
from ..families import Family, FamilyName, get_families
from ..mixture.prior import Prior
from ..utils.errors import InterruptionAdvice
from ..utils.progress import progress, waiting
from ..utils.threads import default_threads
from ..utils.validation import Seed, check_seed
from ..utils.warnings import warn
from .checks import cells_of, check_resume, numbers_of
from .criteria import criterion_of
from .cross_validation import check_folds, cross_validate
from .grid import ROUNDS, Cell, Grid, Place, agreeing, from_small_to_large
from .labelled import grid_with_labels
from .noisy_grid import beside_noise
from .one_by_one import NOT_FITTED, Cells, How
from .selection import CellName, Selection

# Random partitions of a K that are tried where no estimate has been found.
_N_RESCUE = 60


def select(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: FamilyName | str | Family | Iterable[str | Family] | None = None,
    *,
    prior: Prior | None = None,
    max_ratio: float | None = None,
    start: str = "auto",
    n_init: int | None = None,
    max_iter: int = 1000,
    tol: float = 1e-8,
    random_seed: Seed = None,
    columns: Sequence[str] | None = None,
    sample_weight: Any = None,
    missing: str = "refuse",
    criterion: str = "bic",
    cv: int | None = None,
    resume: Selection | None = None,
    labels: Any = None,
    noise: Any = None,
    checkpoint: str | Path | None = None,
    progressbar: bool = True,
) -> Selection:
    """Fit every family with every number of components, and rank them.

    With the default start the cells exchange results: each also starts from what other families
    found for the same K, and from K - 1 (one component split) and K + 1 (two merged). In every
    grid the search sees to it that no family ends below a smaller family that it contains.

    Parameters
    ----------
    X : array-like (n, d) or (n,)
        Data, as for `fit`.
    n_components : int or iterable of int
        Numbers of components K; beside noise also 0, which is there in any case.
    covariance_type : str or iterable of str, optional
        Families; all of them if left out (for one column: E and V).
    start, n_init
        As for `fit`: every cell begins with the search that `fit` makes with the same seed. With
        other starts than "auto" each cell is searched by itself, but for families it contains.
    prior, max_ratio, max_iter, tol, random_seed, columns, sample_weight, missing
        As for `fit`. The same seed gives the same table on any number of threads.
    criterion : {"bic", "icl", "aic", "cv"}
        What the grid is ranked by.
    cv : int, optional
        Cross-validate every cell in so many folds (10 if the criterion is "cv" and none are
        given): its log-likelihood per row of rows it was not fitted to.
    resume : Selection, optional
        An earlier (or interrupted) grid of the same data and labels: its fits are starts as well,
        so that no cell ends lower than it was.
    labels : array-like (n,) or (n, K), or str, optional
        What is known of the rows' components, as for `fit`; the cells are then searched one by one.
    noise : bool or float, optional
        Also fit every cell beside a uniform component for noise, as `fit` does: rows of the table
        whose family is followed by "+noise", and one, K = 0, in which all rows are noise. True for
        one over the volume of the data, which counts as 2 parameters with its share, or its
        density, which counts as 1; BICs with a given density compare with others only if it is a
        density over where the rows can be.
    checkpoint : str or Path, optional
        A file that keeps every pass over all rows, as for `fit`.
    progressbar : bool
        Show progress on standard error.

    Returns
    -------
    Selection
        `.table`, `.best`, `.top(n)`. A cell that has no estimate does not stop the others: it is
        marked with its reason. Ctrl-C once: what was found so far (`.interrupted`), every fit with
        the log-likelihood that it has on all rows; the rest is not begun.

    Raises
    ------
    DataError, ValueError
        As `fit`; unknown families and numbers of components below 1.
    KeyboardInterrupt
        Interrupted before there was an estimate, or a second time.

    Warns
    -----
    DataWarning
        As `fit`.
    InterruptionAdvice
        Interrupted; the message says what there is.

    See Also
    --------
    fit : Fit a mixture of given covariance structure and number of components.
    compare : Fits, grids and posteriors in one table.
    bootstrap_lrt : A test of the number of components.
    sample_components : The posterior of the number of components.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> grid = bayesgmm.select(X, range(1, 4), ["EEE", "VVV"], random_seed=1, progressbar=False)
    >>> grid.best.family.name, grid.best.n_components, round(grid.best.bic, 2)
    ('EEE', 3, 2314.3)
    """
    options = check_options(n_init, max_iter, tol)
    seed = check_seed(random_seed)
    ranked_by = criterion_of(criterion)
    if cv is None:
        cv = ranked_by.folds or None
    if not isinstance(start, str):
        raise ValueError("select() starts every K alike: pass the name of a start.")
    check_name(start)
    columns, sample_weight, labels = by_name(X, columns, sample_weight, labels)
    data = as_data(X, columns, sample_weight, missing)
    beside = None if noise is None else read_noise(noise, data)
    if resume is not None:
        check_resume(resume, data, labels)
    if cv is not None:
        check_folds(cv, data)
    families = from_small_to_large(get_families(covariance_type, data.d))
    ks = numbers_of(n_components, data.n, 1 if beside is None or labels is not None else 0)
    check_bounds(data, prior, max_ratio, noise is not None)
    bounded = bounds(prior) or max_ratio is not None
    allowed, failures = cells_of(data, families, ks, max_ratio, prior)
    if not allowed:
        return Selection({}, failures, criterion)
    warn_of_columns(data, max(ks) > 1 and not bounded)
    search_options = SearchOptions(options.max_iter, options.tol)
    by_cell = Problem(data, families[0], prior, 0.0, max_ratio)
    how = How(start, options.n_init, repeatable(seed), search_options)
    before = {} if resume is None else resume.sound
    asked = {
        "n_components": ks, "families": [f.name for f in families], "prior": prior, "start": start,
        "n_init": options.n_init, "max_iter": options.max_iter, "tol": options.tol,
        "max_ratio": max_ratio, "labels": labels, "noise": noise,
    }  # fmt: skip
    with kept_answers(checkpoint, data, "select", asked, random_seed) as kept:
        if labels is not None:
            none, by_cell = Selection({}, failures, criterion), replace(by_cell, checkpoint=kept)
            cells = Cells(allowed, before)
            found = grid_with_labels(none, by_cell, labels, cells, how, progressbar)
        else:
            places = set(allowed)
            search = _Search(data, families, ks, places, prior, max_ratio, search_options, kept)
            grid, interrupted = search.run(start, options.n_init, seed, resume, progressbar)
            fits, without = _found(grid, allowed)
            found = Selection(fits, failures | without, criterion, interrupted=interrupted)
        if beside is not None:
            cells = Cells(allowed, before, SUFFIX, found.interrupted)
            found = beside_noise(found, by_cell, beside, cells, how, progressbar, labels)
    if found.interrupted:
        return _interrupted(
            found, "the grid holds what was found so far; `resume` goes on from it."
        )
    if cv is None or not found.sound:
        return found
    bare = replace(by_cell, checkpoint=None)
    try:
        scores = cross_validate(bare, found.sound, cv, seed, search_options, progressbar)
    except KeyboardInterrupt:
        return _interrupted(
            found, "the grid is complete but not cross-validated: pass it as `resume`."
        )
    return replace(found, cv=scores)


def _fit_of(cell: Cell, problem: Problem) -> Fit:
    """The fit of a cell, with remarks on what was set aside."""
    assert cell.best is not None
    results = [cell.best] if cell.set_aside is None else [cell.best, cell.set_aside]
    remarks = [set_aside(results, cell.unsound, cell.made)]
    if cell.surpassed_by is not None:
        remarks.append(
            f"no estimate above that of {cell.surpassed_by} is known, which {problem.family} "
            "contains: from there EM runs into a singularity"
        )
    remark = "; ".join(text for text in remarks if text)
    counts = agreeing(cell, problem.total)
    return as_fit(by_weight(cell.best), problem, counts, cell.unsound, remark)


def _found(grid: Grid, places: list[Place]) -> tuple[dict[CellName, Fit], dict[CellName, str]]:
    """The cells' fits, and the reasons of cells without an estimate."""
    fits: dict[CellName, Fit] = {}
    failures: dict[CellName, str] = {}
    for family, k in places:
        name = family.name, k
        cell = grid.cells.get((family, k))
        if cell is None or (cell.best is None and cell.failure is None):
            failures[name] = NOT_FITTED
        elif cell.failure is not None and cell.best is None:
            failures[name] = start_advice(cell.failure, family)
        elif cell.best is not None:
            fits[name] = _fit_of(cell, grid.problems[family])
            if not fits[name].status.sound:
                failures[name] = fits[name].advice
    return fits, failures


def _interrupted(found: Selection, what_there_is: str) -> Selection:
    """The grid of a search that was interrupted, ranked by a criterion that it has.

    Raises
    ------
    KeyboardInterrupt
        It has no estimate.
    """
    if not found.sound:
        raise KeyboardInterrupt("stopped before a cell of the grid had an estimate")
    warn(f"interrupted: {what_there_is}", InterruptionAdvice)
    without_scores = "bic" if criterion_of(found.criterion).folds else found.criterion
    return replace(found, criterion=without_scores, interrupted=True)


class _Search:
    """The search over a grid: on some of the rows first, if they are many."""

    def __init__(
        self,
        data: Data,
        families: list[Family],
        ks: list[int],
        allowed: set[Place],
        prior: Prior | None,
        max_ratio: float | None,
        options: SearchOptions,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.data, self.allowed, self.checkpoint = data, allowed, checkpoint
        self.families = [f for f in families if any((f, k) in allowed for k in ks)]
        self.ks = [k for k in ks if any((family, k) in allowed for family in families)]
        self.prior, self.max_ratio, self.options = prior, max_ratio, options

    def run(
        self,
        start: str,
        n_init: int | None,
        random_seed: Seed,
        resume: Selection | None,
        progressbar: bool,
    ) -> tuple[Grid, bool]:
        """The grid of all rows with its best fits, and whether it was interrupted."""
        auto, random_seed = is_screened(start), repeatable(random_seed)
        sample = search_sample(self.data, max(self.ks), random_seed) if auto else Sample(self.data)
        if auto:
            sample.grow(self.ks)

        def starts(k: int) -> list[Start]:
            return named_starts(start, sample, k, n_init, random_seed)

        def more_starts(k: int) -> list[Start]:
            return named_starts("k-means++", sample, k, _N_RESCUE, subset_rng(random_seed))

        def same_starts(k: int, batch: int) -> list[Start]:
            return named_starts(start, sample, k, n_init, batch)

        known = {} if resume is None else self._known(resume)
        some = sample.data.n < self.data.n and auto
        whole = self._grid(self.data, auto and not some)
        first = self._grid(sample.data, auto) if some else whole
        try:
            steps = len(self.allowed) * (1 + (ROUNDS if auto else 0))
            with progress("Fitting the grid", steps, progressbar) as tick:
                first.start(starts, self.allowed, tick)
                first.take_over(known)
                if auto:
                    first.exchange_starts(tick)
                    first.rescue(more_starts)
                    first.settle(same_starts)
            if some:
                n, cells = self.data.n, len(first.cells)
                with progress(f"Fitting the grid to all {n} rows", cells, progressbar) as tick:
                    _continue_on_all_rows(first, whole, tick)
            if self.prior is None:  # restricted prior densities cannot be compared
                with waiting("Comparing the grid's families", progressbar):
                    whole.enforce_nesting()
        except KeyboardInterrupt:
            self._finish_interrupted(first, whole, known)
            return whole, True
        return whole, False

    def _finish_interrupted(self, first: Grid, whole: Grid, known: dict[Place, Start]) -> None:
        """Give the cells of an interrupted grid what is known, by one pass over all rows each.

        That is what was found on some of the rows, and what was known before: a grid that is
        resumed and interrupted again loses nothing.
        """
        whole.options = replace(self.options, max_iter=0).to_the_end
        for family, k in self.allowed:
            cell = whole.cells.setdefault((family, k), Cell())
            before = cell.best
            starts = [known[family, k]] if (family, k) in known else []
            found = first.cells.get((family, k))
            # EM on its way into a singularity would look like an estimate after one pass.
            if before is None and found and found.estimate:
                starts.append(Start(found.estimate.parameters, guess=True))
            if starts:
                whole.try_starts(family, k, starts)
            best = cell.best
            if best is not None and best is not before and best.status is Status.MAX_ITER:
                cell.best = replace(best, status=Status.INTERRUPTED)

    def _grid(self, data: Data, auto: bool) -> Grid:
        kept = self.checkpoint if data is self.data else None
        problem = Problem(data, self.families[0], self.prior, 0.0, self.max_ratio, checkpoint=kept)
        problems = {family: replace(problem, family=family) for family in self.families}
        few = all(len(problem.phi) for problem in problems.values())
        options = self.options if auto else self.options.to_the_end
        # Compiled code works on few rows by itself; a pass over many is divided over threads.
        return Grid(problems, self.ks, options, default_threads() if few else 1)

    def _known(self, resume: Selection) -> dict[Place, Start]:
        return {
            (family, k): Start(
                resume.fits[family.name, k].mixture.parameters_about(self.data.center)
            )
            for family, k in self.allowed
            if (family.name, k) in resume.fits and resume.fits[family.name, k].status.sound
        }


def _continue_on_all_rows(first: Grid, whole: Grid, tick: Callable[[], None]) -> None:
    """Run EM on all rows in every cell, from its best fit to some of them."""
    for place, cell in first.cells.items():
        whole.cells[place] = Cell(made=cell.made, failure=cell.failure)

    def work(place: Place) -> None:
        best = first.cells[place].best
        if best is not None:
            whole.try_starts(*place, [Start(best.parameters, guess=True)])
        tick()

    whole.for_each(work, list(first.cells))
