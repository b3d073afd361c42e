"""Spurious maxima: those with a component whose width the rows do not determine.

One rule for all families, in the grid and in single fits. A component's width in every direction
must be determined by the rows: it may not be narrow because it holds hardly more rows than make it
singular, nor narrower than the grid of values to which the measurements are rounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..kernels.e_step.contract import Parameters
from ..utils.types import FloatArray, IntArray
from .coverage import FEWEST_VALUES, values_held
from .problem import Problem
from .run import EMResult
from .status import Status

# A component of the fewest rows possible is too narrow if its variance in some direction is below
# this fraction of the whole mixture's; with every further row that limit falls by a factor.
_NARROW = 0.03
_PER_ROW = 0.01
# Further rows with which no regular component is too narrow.
_AMPLE = 8


@dataclass(frozen=True, slots=True)
class Coincidence:
    """A component whose width is a coincidence of few rows or of rounding, and why."""

    component: int
    reason: str


def mark_spurious(result: EMResult, problem: Problem) -> EMResult:
    """The result, marked as spurious if the rows do not determine a component's width.

    As the rows of such a component come closer its likelihood grows without bound, so every few
    neighbours make a local maximum: McLachlan & Peel (2000), Finite Mixture Models, section 3.10;
    Garcia-Escudero, Gordaliza, Greselin, Ingrassia & Mayo-Iscar (2018), Adv. Data Anal. Classif.
    12, 203-233.
    """
    if not result.status.sound:
        return result
    found = of_few_rows(problem, result.parameters) or finer_than_rounding(
        problem, result.parameters
    )
    if found is None:
        return result
    return replace(result, status=Status.SPURIOUS, component=found.component, reason=found.reason)


def _rows_held(problem: Problem, parameters: Parameters) -> tuple[FloatArray, IntArray | None]:
    """Rows (K,) that each component holds, with a value in the column (K,) that has fewest of them.

    Columns of which it has none do not count: `undetermined` tells of these. None for the columns
    where no value is missing.
    """
    if not problem.data.incomplete:
        return parameters.weights * problem.total_held(parameters), None
    held = values_held(problem, parameters)
    counted = np.where(held < FEWEST_VALUES, np.inf, held)
    least = counted.min(axis=1)
    return np.where(np.isfinite(least), least, 0.0), counted.argmin(axis=1)


def _further_rows(problem: Problem, held: FloatArray) -> FloatArray:
    """Rows (K,) beyond the fewest that determine each component's covariance.

    Its own needs some of the component's rows, what all share some of all rows.
    """
    d = len(problem.data.scale)
    own, shared = problem.family.fewest_rows(d), problem.family.fewest_shared_rows(d)
    of_all = held.sum() - len(held) + 1 - shared
    return np.minimum(held - own if own else np.inf, np.full_like(held, of_all))


def of_few_rows(problem: Problem, parameters: Parameters) -> Coincidence | None:
    """The component that is narrowest for the number of rows it holds, if it is too narrow.

    A component of the fewest rows possible is as wide as the gaps between them, and the closest
    among many rows have small ones. The more rows, the less likely is such a coincidence.
    """
    if problem.bounded or len(parameters.weights) == 1:
        return None
    held, columns = _rows_held(problem, parameters)
    more = _further_rows(problem, held)
    if more.min() >= _AMPLE:
        return None
    limits = _NARROW * _PER_ROW ** np.maximum(more, 0.0)
    few = np.flatnonzero(more < _AMPLE)
    how = _diagonal_widths if parameters.diagonal else _widths
    widths = how(parameters, few, limits[few])
    if widths.min() >= 1.0:
        return None
    k = int(few[widths.argmin()])
    where = "" if columns is None else f" with a value of {problem.data.names[columns[k]]!r}"
    return Coincidence(k, f"holds {held[k]:.1f} rows{where}, too few for a covariance that narrow")


def finer_than_rounding(problem: Problem, parameters: Parameters) -> Coincidence | None:
    """The narrowest component, if it is narrower than rounding of the columns allows.

    Of values in multiples of h, the density times h stands for the probability of a value. A
    Gaussian whose variance is below h^2 / (2 pi) gives one a probability above 1.
    """
    units = problem.units
    if problem.bounded or len(parameters.weights) == 1 or not units.any():
        return None
    largest = _in_noise(parameters, units / np.sqrt(2.0 * np.pi))
    k = int(largest.argmax())
    if largest[k] <= 1.0:
        return None
    return Coincidence(k, "is narrower than the steps between the values that the columns take")


def _in_noise(p: Parameters, noise: FloatArray) -> FloatArray:
    """The largest ratio (K,), over directions, of the noise's variance to each component's.

    noise (d,): its standard deviations. With them as F it is the largest eigenvalue of
    F Sigma^-1 F, which allows zeros: columns without a grid.
    """
    if p.diagonal:
        return np.asarray(np.max(noise**2 / p.covariances, axis=1))
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(p.covariances)
            largest = np.linalg.eigvalsh(noise[:, None] * inverse * noise)[:, -1]
        except np.linalg.LinAlgError:
            largest = np.full(len(p.covariances), np.inf)
    return np.where(largest > 0, largest, np.inf)  # singular to rounding


def _widths(p: Parameters, which: IntArray, limits: FloatArray) -> FloatArray:
    """The smallest ratio, over directions, of each variance to the overall one, over its limit."""
    within = np.einsum("k,kij->ij", p.weights, p.covariances)
    about = p.means - p.weights @ p.means
    overall = within + np.einsum("k,ki,kj->ij", p.weights, about, about)
    try:
        root = np.linalg.inv(np.linalg.cholesky(overall))
        widths: FloatArray = np.linalg.eigvalsh(root @ p.covariances[which] @ root.T)[:, 0]
    except np.linalg.LinAlgError:  # singular to rounding
        return np.zeros(len(which))
    return widths / limits


def _diagonal_widths(p: Parameters, which: IntArray, limits: FloatArray) -> FloatArray:
    """Numbers below 1 where those of `_widths` are, without any d x d matrix.

    Sigma - limit (D + M' W M), D the variances within and M the K centred means, is positive
    definite if C = Sigma - limit D and the Schur complement I - limit W^1/2 M C^-1 M' W^1/2 are.
    """
    within = p.weights @ p.covariances
    about = np.sqrt(p.weights)[:, None] * (p.means - p.weights @ p.means)
    above = p.covariances[which] - limits[:, None] * within
    inside = np.any(above <= 0, axis=1)
    scaled = limits[:, None] / np.where(above > 0, above, np.inf)
    largest = np.linalg.eigvalsh((about * scaled[:, None]) @ about.T)[:, -1]
    return np.where(inside, 0.0, 2.0 - largest)
