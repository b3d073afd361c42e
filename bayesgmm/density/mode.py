"""A density's mode and its curvature there, for whitening and for Laplace's approximation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from ..data.data import Data
from ..kernels.compilation import Entry
from ..kernels.e_step.chunks import map_together
from ..utils.types import FloatArray

# Steps of differences: relative to the size of a coordinate, or to 1.
_STEP = 1e-5
# Eigenvalues of the curvature, scaled to a unit diagonal, are taken to be at least so large.
_SMALLEST = 1e-4
_MAX_STEPS = 50
# Expected gain of a Newton step, in nats, at which the mode is found, and the factor by which it
# must fall for the earlier curvature to be kept.
_FOUND, _FALL = 1e-8, 0.1
# A step raises the density by so many times the gain expected of it at most.
_MOST_GAIN = 100.0
_HALVINGS = 20


class Smooth(Protocol):
    """A log density whose mode can be sought."""

    @property
    def data(self) -> Data | None:
        """The rows that the density is a pass over, if there are any."""

    def __call__(self, free: FloatArray) -> tuple[float, FloatArray]:
        """The log density at coordinates (P,), and its gradient (P,)."""

    def units(self) -> FloatArray:
        """Units of the coordinates (P,)."""


class FreeDensity(Smooth, Protocol):
    """A log density in compiled code that can be whitened and sampled."""

    callback: Entry

    @property
    def slow(self) -> str:
        """Why each evaluation is a pass over rows in chunks; "" where none is."""

    @property
    def size(self) -> int:
        """Number P of coordinates."""

    @property
    def table(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """What `callback` reads; valid as long as the object exists."""

    def whitened(self, origin: FloatArray, root: FloatArray) -> Self:
        """The same density in coordinates z, u = origin + root z, without the constant |root|."""

    def narrow(self) -> bool:
        """Whether values computed before have to be computed again, as code was missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A mode with the normal approximation there.

    Attributes
    ----------
    origin : array (P,)
        The mode.
    log_density : float
        Log density at the mode.
    root : array (P, P)
        Lower triangular L, L L' the inverse of minus the second derivatives (of that matrix with
        its smallest eigenvalues raised, where it is not positive definite).
    regular : bool
        Whether it is a maximum, with positive definite curvature.
    """

    origin: FloatArray
    log_density: float
    root: FloatArray
    regular: bool


def mode_near(density: Smooth, start: FloatArray, within: float = np.inf) -> Mode | None:
    """The mode nearest to a point, by Newton's method.

    Second derivatives, which cost most (2 P gradients, on all threads), are computed again only
    where the earlier ones do not serve. None if the mode would be more than `within` nats higher,
    to second order, or the curvature at the start is not that of a maximum.

    Raises
    ------
    ValueError
        There is no density at the start.
    """
    here = np.array(start, dtype=np.float64)
    value, gradient = density(here)
    if not np.isfinite(value):
        raise ValueError("the posterior has no density at the start: the fit is degenerate.")
    root, positive = _root(information(density, here))
    if np.isfinite(within) and not (positive and _gain(root, gradient) < within):
        return None
    last, fresh = np.inf, True
    for _ in range(_MAX_STEPS):
        decrement = _gain(root, gradient)
        if decrement < _FOUND and fresh:
            break
        if not fresh and (decrement < _FOUND or decrement > _FALL * last):
            root, positive = _root(information(density, here))
            fresh = True
            continue
        step = root @ (root.T @ gradient)
        there, found, slope = _uphill(density, here, value, step, max(decrement, 1.0))
        if there is None:
            if fresh:
                break
            last = 0.0
            continue
        here, value, gradient, last, fresh = there, found, slope, decrement, False
    return Mode(here, value, root, positive and decrement < 1e-2)


def normal_at(density: Smooth, point: FloatArray) -> Mode:
    """The normal approximation at a point that is no mode: it only gives the curvature."""
    root, _ = _root(information(density, point))
    return Mode(np.array(point), density(point)[0], root, regular=False)


def _gain(root: FloatArray, gradient: FloatArray) -> float:
    """The gain of a Newton step, to second order: half the squared Newton decrement."""
    half = root.T @ gradient
    return 0.5 * float(half @ half)


def _uphill(
    density: Smooth, here: FloatArray, value: float, step: FloatArray, gain: float
) -> tuple[FloatArray | None, float, FloatArray]:
    """The point after a step, halved until the density rises; None where it never does.

    A rise far beyond the gain that was to be expected is none: where the curvature is not that of
    a maximum steps can lead to where a user's model overflows, to log densities of 1e36.
    """
    for _ in range(_HALVINGS):
        there = here + step
        found, slope = density(there)
        if value < found < value + _MOST_GAIN * gain and np.all(np.isfinite(slope)):
            return there, found, slope
        step = 0.5 * step
    return None, value, step


def information(density: Smooth, here: FloatArray) -> FloatArray:
    """Minus the second derivatives (P, P) of the log density."""
    return curvature(lambda u: density(u)[1], here, _STEP * density.units(), density.data)


def curvature(
    gradient: Callable[[FloatArray], FloatArray],
    here: FloatArray,
    steps: FloatArray,
    data: Data | None,
) -> FloatArray:
    """Minus the second derivatives (P, P): central differences of the gradient, on all threads.

    data: the rows that each gradient is a pass over, if there are any.
    """

    def row(i: int) -> FloatArray:
        h = np.zeros(len(here))
        h[i] = steps[i]
        return np.asarray((gradient(here - h) - gradient(here + h)) / (2 * steps[i]))

    rows = np.array(map_together(data, row, range(len(here))))
    return 0.5 * (rows + rows.T)


def _root(matrix: FloatArray) -> tuple[FloatArray, bool]:
    """Lower triangular L, L L' the inverse; whether the matrix is positive definite."""
    size = np.sqrt(np.abs(np.diagonal(matrix)))
    size[~(size > 0)] = 1.0
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    kept = np.maximum(np.abs(values), _SMALLEST)
    root = np.linalg.cholesky((vectors / kept) @ vectors.T)
    return root / size[:, None], bool(values[0] > 0)
