"""Whether two tables are the same data: rows, weights, columns and order, by a fingerprint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels.device.rows import DeviceRows
from ..kernels.e_step.contract import Values
from ..kernels.stored.chunk import Chunk
from ..kernels.stored.rows import StoredRows
from ..utils.errors import DataError
from ..utils.pseudo_random import pseudo_random
from ..utils.types import FloatArray
from .blocks import slices

# How much moments and projections of the same rows may differ: relative to the sd (rounding to
# single precision), and relative to the number itself.
_SAME_SD = 1e-6
_SAME_SIZE = 1e-12
# Rows looked at at a time.
_BLOCK = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """Summaries of a table that distinguish it from others.

    Attributes
    ----------
    n : int
        Number of rows.
    total : float
        Sum of their weights; n without.
    weighted : bool
        Whether they had weights.
    names : tuple of d str
        Column names.
    named : bool
        Whether these are the table's own; made-up names are not compared.
    moments : array (2, d)
        Means and standard deviations of the columns, of weighted rows weighted.
    projections : array (d + 2,)
        Sums over the rows of fixed pseudo-random numbers times the columns, and times the weights:
        they depend on the order of the rows. Last, a sum that does not, but depends on which
        values stand in the same row.
    """

    n: int
    total: float
    weighted: bool
    names: tuple[str, ...]
    named: bool
    moments: FloatArray
    projections: FloatArray


def fingerprint(
    values: Values,
    weights: FloatArray | None,
    names: tuple[str, ...],
    named: bool,
    low: FloatArray,
    sd: FloatArray,
    incomplete: bool = False,
) -> Fingerprint:
    """The fingerprint of checked rows, by one pass over them in blocks."""
    n, d = values.shape
    total = float(n) if weights is None else float(weights.sum())
    absent = -sd if incomplete else None  # a difference from `low` that no value has
    direction = (1.5 + _pseudo_random(0, d)) / (np.where(sd > 0, sd, 1.0) * np.sqrt(d))
    if isinstance(values, DeviceRows):
        from ..kernels.device.summary import projections as on_device

        mean, projections = on_device(values, weights, low, direction)
    elif isinstance(values, StoredRows):
        work = _OfChunk(n / total, low, direction, absent)
        mean, seen, projections = values.sums(work, weights)
    else:
        share = None if weights is None else weights * (n / total)
        mean, seen, projections = _projections(values, share, low, direction, absent)
    if incomplete:
        mean = mean * n / seen
    projections[: d + 1] /= np.sqrt(n)
    projections[d + 1] /= n
    moments = np.array([low + mean / n, sd])
    return Fingerprint(n, total, weights is not None, names, named, moments, projections)


@dataclass(frozen=True)
class _OfChunk:
    """The sums of `_projections` over a chunk; share: what a weight of 1 is of the average."""

    share: float
    low: FloatArray
    direction: FloatArray
    absent: FloatArray | None

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, FloatArray, FloatArray]:
        share = chunk.weights * self.share if len(chunk.weights) else None
        how = self.low, self.direction, self.absent
        return _projections(chunk.values, share, *how, chunk.first)


def _projections(
    values: NDArray[np.floating],
    share: FloatArray | None,
    low: FloatArray,
    direction: FloatArray,
    absent: FloatArray | None,
    first: int = 0,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums over rows: of their differences from `low` (d,), and the fingerprint's (d + 2,).

    share (n,): weights, on average 1. The first sums are of values that are there, the second
    (d,), where any is missing, of their weights; in the last `absent` (d,) stands for those that
    are missing. first: the first row's number.
    """
    n, d = values.shape
    mean, seen, projections = np.zeros(d), np.zeros(d), np.zeros(d + 2)
    for block in slices(n, d, at_most=_BLOCK):
        rows = values[block] - low
        each = np.full(len(rows), 1.0) if share is None else share[block]
        signs = _pseudo_random(first + block.start, len(rows))
        # In one thread: such products gain nothing by more, and lose much on a full machine.
        if absent is None:
            mean += np.einsum("i,ij->j", each, rows)
        else:
            gone = np.isnan(rows)
            mean += np.einsum("i,ij->j", each, np.where(gone, 0.0, rows))
            seen += np.einsum("i,ij->j", each, ~gone)
            rows = np.where(gone, absent, rows)
        projections[:d] += np.einsum("i,ij->j", signs, rows)
        projections[d] += np.einsum("i,i->", signs, each)
        along = np.einsum("ij,j->i", rows, direction)
        projections[d + 1] += np.einsum("i,i->", each, np.sin(along))
    return mean, seen, projections


def _pseudo_random(start: int, n: int) -> FloatArray:
    """Pseudo-random numbers from -1 to 1 for rows start..start + n, always the same ones."""
    return np.asarray(pseudo_random(np.arange(start + 1, start + n + 1, dtype=np.uint64)))


def difference(
    a: Fingerprint, b: Fingerprint, first: str, second: str, ordered: bool = True
) -> str:
    """How two tables differ, with these names for them; "" if they are the same data.

    The order of the rows counts where it is `ordered`.
    """
    d, other = len(a.names), len(b.names)
    if d != other or (a.named and b.named and a.names != b.names):
        return f"{first} has columns {', '.join(a.names)}, {second} {', '.join(b.names)}"
    if a.n != b.n:
        return f"{first} has {a.n} rows, {second} {b.n}"
    if a.weighted != b.weighted:
        return f"{first} has {_weights(a)}, {second} {_weights(b)}"
    if abs(a.total - b.total) > _SAME_SD * a.total:
        return f"the weights of {first} sum to {a.total:.10g}, those of {second} to {b.total:.10g}"
    return _difference_in_columns(a, b, first, second) or _difference_in_rows(a, b, ordered)


def _weights(a: Fingerprint) -> str:
    return f"weights that sum to {a.total:.10g}" if a.weighted else "no weights"


def _allowed(a: Fingerprint) -> FloatArray:
    """The largest differences (d,) of the columns' means that rounding explains."""
    mean, sd = a.moments
    return np.asarray(_SAME_SD * sd + _SAME_SIZE * np.abs(mean))


def _difference_in_columns(a: Fingerprint, b: Fingerprint, first: str, second: str) -> str:
    mean, sd = a.moments
    apart = np.any(~(np.abs(a.moments - b.moments) <= _allowed(a)), axis=0)
    if apart.any():
        j = int(np.argmax(apart))
        return (
            f"column {a.names[j]!r} has mean {mean[j]:.10g} and sd {sd[j]:.10g} in {first}, "
            f"{b.moments[0, j]:.10g} and {b.moments[1, j]:.10g} in {second}"
        )
    return ""


def _difference_in_rows(a: Fingerprint, b: Fingerprint, ordered: bool) -> str:
    apart = np.abs(a.projections - b.projections)
    if not apart[-1] <= _SAME_SD:
        return "the columns have the same means and sds in both, but belong to other rows"
    moved = ~(apart[:-2] <= _allowed(a))
    if ordered and moved.any():
        name = a.names[int(np.argmax(moved))]
        return f"column {name!r} has the same values in both, but the rows in another order"
    if ordered and not apart[-2] <= _SAME_SD * max(1.0, abs(a.projections[-2])):
        return "the weights have the same sum in both, but stand in another order"
    return ""


def refuse_other_data(
    a: Fingerprint,
    b: Fingerprint,
    cure: str,
    first: str = "the fit's table",
    second: str = "this",
    ordered: bool = True,
) -> None:
    """Refuse rows other than those a result was made from, with these names for the tables.

    Raises
    ------
    DataError
        What differs, and what to do.
    """
    if found := difference(a, b, first, second, ordered):
        raise DataError(f"not the same data: {found}; {cure}")
