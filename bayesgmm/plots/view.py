"""From where rows of many columns are seen: some of the columns, or a projection."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ..data.chunks import are_in_chunks
from ..data.data import Data
from ..em.result import Fit
from ..mixture.binned import Binned
from ..mixture.conditional import positions
from ..mixture.mixture import Mixture
from ..mixture.of_results import mixture_of, noise_of
from ..mixture.projection import Projection, projection
from ..utils.types import FloatArray
from .style import literal_text, missing_note, noise_share, sample, separating_columns

type Columns = Sequence[str | int] | str | int | None

# Columns named in the note of a projection, for each of its directions.
_NAMED = 3
# Means of two components differ in one direction: the second one is of their covariances.
_BOTH = 0.5


@dataclass(frozen=True, slots=True)
class View:
    """Rows to draw, in the coordinates in which they are drawn.

    Attributes
    ----------
    x : array (n, q)
        The rows.
    resp : array (n, K) or (n, K + 1)
        Their responsibilities under the mixture of all columns; that of noise last.
    mixture : Mixture
        The mixture in these coordinates.
    labels : tuple of q str
        Labels of the axes.
    note : str
        What was left out or projected; "" if nothing was.
    lacking : str
        How many rows are not drawn, as they lack a value; "" if all are.
    noise : float
        The share of noise, 0 without.
    binned : Binned or None
        All rows by cell, where they are read in chunks: `x` has some of them.
    """

    x: FloatArray
    resp: FloatArray
    mixture: Mixture
    labels: tuple[str, ...]
    note: str
    lacking: str
    noise: float
    binned: Binned | None = None

    @property
    def notes(self) -> str:
        """All that is to be said below the plot."""
        return "\n".join(note for note in (self.note, self.lacking) if note)


def view(
    data: Data, fit: Fit | Mixture, labels: tuple[str, ...], columns: Columns, most: int
) -> View:
    """The columns asked for; else all if they are at most so many, or a projection."""
    x, resp = sample(data, fit)
    mixture, noise = mixture_of(fit, beside_noise=True), noise_share(fit)
    if columns is None and mixture.d > most and (found := _projection(mixture)) is not None:
        note = "\n".join(literal_text(_formula(found, j), 110) for j in range(found.mixture.d))
        return View(
            found.transform(x),
            resp,
            found.mixture,
            found.mixture.names,
            note,
            missing_note(data, range(mixture.d)),
            noise,
            _binned(data, fit, mixture, found.directions, found.center),
        )
    keep = separating_columns(mixture) if columns is None else positions(columns, mixture.names)
    note = ""
    if columns is None and len(keep) < mixture.d:
        note = f"{len(keep)} of {mixture.d} columns, those in which components differ most"
    lacking = missing_note(
        data, *(combinations_with_replacement(keep, 2) if len(keep) > 2 else [keep])
    )
    part, axes = mixture.marginal(keep), tuple(labels[j] for j in keep)
    binned = _binned(data, fit, mixture, np.eye(mixture.d)[:, keep], np.zeros(mixture.d))
    return View(x[:, keep], resp, part, axes, note, lacking, noise, binned)


def _binned(
    data: Data, fit: Any, mixture: Mixture, directions: FloatArray, center: FloatArray
) -> Binned | None:
    """The rows by cell, where they are in chunks."""
    if not are_in_chunks(data):
        return None
    return Binned.of(data, mixture, directions, center, *noise_of(fit))


def _projection(mixture: Mixture) -> Projection | None:
    """The two directions in which the components' means differ most, or what else differs."""
    for balance in (1.0, _BOTH) if mixture.n_components > 2 else (_BOTH,):
        with suppress(ValueError):  # nothing differs
            return projection(mixture, 2, balance)
    return None


def _formula(found: Projection, j: int) -> str:
    """The columns that make a direction, with their coefficients in standard deviations."""
    coefficients = found.to_frame().iloc[:, j]
    order = np.argsort(-np.abs(coefficients.to_numpy()), kind="stable")
    first = [f"{coefficients.iloc[i]:+.2f} {coefficients.index[i]}" for i in order[:_NAMED]]
    rest = " ..." if len(order) > _NAMED else ""
    return f"direction {j + 1}: {' '.join(first)}{rest}"
