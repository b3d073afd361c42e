"""Rows or draws divided into blocks, so that what is computed of them fits in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

# Numbers held at a time: 64 MiB.
MEMORY = 2**23


def fits_in_memory(numbers: int) -> bool:
    """Whether so many numbers may be held at a time."""
    return numbers <= MEMORY


def slices(n: int, numbers_each: int = 1, at_most: int | None = None) -> Iterator[slice]:
    """Slices of n rows (or draws) in their order, each as long as the memory bound allows.

    Parameters
    ----------
    n : int
        Number of rows.
    numbers_each : int
        Numbers held for each row.
    at_most : int, optional
        Numbers that may be held at a time; `MEMORY` if left out. The last digits of sums over
        blocks depend on it.

    Examples
    --------
    >>> list(slices(5, numbers_each=10, at_most=25))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, (MEMORY if at_most is None else at_most) // numbers_each)
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
