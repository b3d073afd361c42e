"""The cells of a grid that have noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..em.fit import fit_with_noise
from ..em.labels import read_labels
from ..em.noisy_fit import SUFFIX
from ..em.problem import Problem
from ..em.result import Fit
from ..em.starts.sample import Start
from ..families import Family
from ..mixture.noise import Noise
from ..utils.errors import DataError, DegenerateComponentError
from ..utils.progress import progress
from .grid import Place
from .labelled import Found, How
from .noise_alone import NoiseAlone
from .selection import CellName, Selection


def beside_noise(
    found: Selection,
    problem: Problem,
    noise: Noise,
    places: Sequence[Place],
    how: How,
    progressbar: bool,
    labels: Any = None,
) -> Selection:
    """The grid with the same cells beside noise, and the model of noise alone.

    Rows with labels are not all noise. The arguments are those of `fits_with_noise`.
    """
    with progress("Fitting with noise", len(places), progressbar) as tick:
        fits, failures = fits_with_noise(problem, noise, places, how, found.sound, tick, labels)
    return replace(
        found, fits=found.fits | fits, failures=found.failures | failures,
        noise_alone=NoiseAlone.of(problem.data, noise) if labels is None else None,
    )  # fmt: skip


def fits_with_noise(
    problem: Problem,
    noise: Noise,
    places: Sequence[Place],
    how: How,
    without: dict[CellName, Fit],
    tick: Callable[[], None],
    labels: Any = None,
) -> Found:
    """The fits beside noise of these cells, and the reasons of those without one.

    Parameters
    ----------
    problem : Problem
        Of the rows, for any family.
    noise : Noise
        Its density.
    places : sequence of pairs
        Families, from small to large, and numbers of components.
    how : tuple
        Name of the starts, how many, the seed, and options of the search.
    without : dict of (family name, K) to Fit
        Fits without noise, which cells start from too, as from smaller families' with noise.
    tick : callable
        Called after each cell.
    labels : array-like, optional
        As `fit` takes them.
    """
    start, n_init, seed, options = how
    fits: dict[CellName, Fit] = {}
    failures: dict[CellName, str] = {}
    for family, k in places:
        name = f"{family.name}{SUFFIX}", k
        others = [without[family.name, k]] if (family.name, k) in without else []
        others += [fit for (_, n), fit in fits.items() if n == k and _contains(family, fit)]
        more = [Start(fit.mixture.parameters_about(problem.data.center)) for fit in others]
        try:
            known = None if labels is None else read_labels(labels, problem.data.n, k)
            of_family = problem.of_family(family)
            fits[name] = fit_with_noise(
                start, of_family, k, noise, n_init, seed, options, more, known
            )
            if not fits[name].status.sound:
                failures[name] = fits[name].advice
        except (DataError, DegenerateComponentError) as error:
            failures[name] = str(error)
        tick()
    return fits, failures


def _contains(family: Family, fit: Fit) -> bool:
    """Whether the fit is a sound one of a family within this one."""
    return fit.status.sound and family.contains(fit.family)
