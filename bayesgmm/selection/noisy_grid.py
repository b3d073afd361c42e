"""The cells of a grid that have noise."""

from __future__ import annotations

from typing import Any

from ..em.fit import fit_with_noise
from ..em.labels import read_labels
from ..em.problem import Problem
from ..em.result import Fit
from ..families import Family
from ..mixture.noise import Noise
from .noise_alone import NoiseAlone
from .one_by_one import Cells, How
from .selection import Selection


def beside_noise(
    found: Selection,
    problem: Problem,
    noise: Noise,
    cells: Cells,
    how: How,
    progressbar: bool,
    labels: Any = None,
) -> Selection:
    """The grid with these cells beside noise, and the model of noise alone.

    Rows with labels are not all noise.

    Parameters
    ----------
    found : Selection
        The cells without noise, which those with it start from too.
    problem : Problem
        Of the rows, for any family.
    noise : Noise
        Its density.
    cells : Cells
        Which ones.
    how : How
        How each is searched.
    progressbar : bool
        Show a bar.
    labels : array-like, optional
        As `fit` takes them.
    """
    without = found.sound

    def fit_at(family: Family, k: int, how: How) -> Fit:
        same = [without[family.name, k]] if (family.name, k) in without else []
        known = None if labels is None else read_labels(labels, problem.data.n, k)
        starts = cells.starts(problem, family, k, how, same)
        of_family = problem.of_family(family)
        return fit_with_noise(
            how.start, of_family, k, noise, how.n_init, how.seed, how.options, starts, known
        )

    cells.search(fit_at, how, "Fitting with noise", progressbar)
    alone = NoiseAlone.of(problem.data, noise) if labels is None else None
    return cells.added_to(found, noise_alone=alone)
