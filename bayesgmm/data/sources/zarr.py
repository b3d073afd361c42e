"""A Zarr array, of which chunks are whole chunks of rows of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DataError
from ...utils.optional import optional
from .files import chosen, chunk_rows, equal_edges, float_type


@dataclass(frozen=True)
class ZarrArray:
    """An array (n, d) or (n,) of Zarr's.

    Attributes
    ----------
    array : zarr.Array
        The array.
    edges : tuple of int
        The chunks' bounds.
    columns : tuple of int
        The columns that are read.
    """

    array: Any
    edges: tuple[int, ...]
    columns: tuple[int, ...]
    named = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Made-up names."""
        return tuple(f"x{j}" for j in self.columns)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers that are read."""
        return np.dtype(float_type(self.array.dtype == np.float32))

    def of_columns(self, columns: Sequence[int]) -> ZarrArray:
        """The same array with some of the columns."""
        return replace(self, columns=tuple(self.columns[j] for j in columns))

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], NDArray[Any]]]:
        """What reads the chunks start..stop."""
        return (partial(self._read, *self.edges[c : c + 2]) for c in range(start, stop))

    def place(self, chunk: int, row: int | None = None) -> str:
        """Array and rows of a chunk."""
        return f"{self.array.store_path}, rows {self.edges[chunk]} to {self.edges[chunk + 1] - 1}"

    def stamp(self) -> Any:
        """Nothing: stores need not know when they were changed. What is read is compared."""
        return None

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        rows = np.asarray(self.array[start:stop]).reshape(stop - start, -1)
        return chosen(rows, self.columns).astype(self.dtype, copy=False)


def zarr_in(path: Path, rows: int | None = None) -> ZarrArray:
    """The chunks of the Zarr array in a folder.

    Raises
    ------
    DataError
        A group, of which one array has to be named; what `zarr_array` refuses.
    """
    zarr = optional("zarr", path, "zarr")
    found = zarr.open(str(path), mode="r")
    if not hasattr(found, "chunks"):
        names = ", ".join(map(repr, found)) or "none"
        raise DataError(
            f"{str(path)!r} is a group of Zarr arrays ({names}): pass the folder of one, or "
            "zarr.open(path)[name]."
        )
    return zarr_array(found, rows)


def zarr_array(array: Any, rows: int | None = None) -> ZarrArray:
    """The chunks of a Zarr array: of so many rows, rounded to its own chunks.

    Raises
    ------
    DataError
        Not real numbers, or not one or two dimensions.
    """
    if np.dtype(array.dtype).kind not in "fiub":
        raise DataError(f"the Zarr array holds {array.dtype}, not real numbers.")
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise DataError(
            f"the Zarr array has shape {array.shape}: pass rows by columns, an array (n, d), with "
            "at least one of each."
        )
    n, d = array.shape[0], 1 if array.ndim == 1 else array.shape[1]
    own = int((getattr(array, "shards", None) or array.chunks)[0])
    edges = equal_edges(n, chunk_rows(d, own) if rows is None else max(rows // own, 1) * own)
    return ZarrArray(array, edges, tuple(range(d)))
