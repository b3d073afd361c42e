"""A NumPy file (.npy), or the part of a file that a memory map shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ...utils.errors import DataError
from .files import chunk_rows, equal_edges, float_type, stamp_of


@dataclass(frozen=True)
class NpyFile:
    """An array (n, d) or (n,) in a file, read by its place there.

    Attributes
    ----------
    path : str
        The file.
    offset : int
        Where the numbers begin in it.
    stored : dtype
        Their type there.
    shape : tuple of 2 int
        Rows and columns.
    by_column : bool
        Whether one column follows the other (Fortran's order).
    edges : tuple of int
        The chunks' bounds.
    columns : tuple of int
        The columns that are read.
    """

    path: str
    offset: int
    stored: np.dtype[Any]
    shape: tuple[int, int]
    by_column: bool
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
        return np.dtype(float_type(self.stored.newbyteorder("=") == np.float32))

    def of_columns(self, columns: Sequence[int]) -> NpyFile:
        """The same file with some of the columns."""
        return replace(self, columns=tuple(self.columns[j] for j in columns))

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], NDArray[Any]]]:
        """What reads the chunks start..stop."""
        return (partial(self._read, *self.edges[c : c + 2]) for c in range(start, stop))

    def place(self, chunk: int, row: int | None = None) -> str:
        """File and rows of a chunk."""
        return f"{self.path}, rows {self.edges[chunk]} to {self.edges[chunk + 1] - 1}"

    def stamp(self) -> Any:
        """Size and time of the file."""
        return stamp_of([self.path])

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        n, d = self.shape
        every = self.columns == tuple(range(d))
        with open(self.path, "rb", buffering=0) as file:
            if not self.by_column:
                rows = self._numbers(file, start * d, (stop - start) * d).reshape(-1, d)
                return rows if every else rows[:, self.columns]
            out = np.empty((len(self.columns), stop - start), dtype=self.dtype)
            for j, column in enumerate(self.columns):
                out[j] = self._numbers(file, column * n + start, stop - start)
            return out.T

    def _numbers(self, file: Any, first: int, count: int) -> NDArray[Any]:
        file.seek(self.offset + first * self.stored.itemsize)
        found = np.fromfile(file, dtype=self.stored, count=count)
        if len(found) < count:
            raise ValueError("the file ends before its last row")
        return found.astype(self.dtype, copy=False)


def npy_file(path: str | Path, rows: int | None = None) -> NpyFile:
    """The table in a .npy file, in chunks of so many rows.

    Raises
    ------
    DataError
        Not a file of real numbers with one or two dimensions.
    OSError
        The file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            version = npy_format.read_magic(file)
            read = npy_format.read_array_header_1_0
            if version != (1, 0):
                read = npy_format.read_array_header_2_0
            shape, by_column, dtype = read(file)
        except ValueError as error:
            raise DataError(f"{path} is not a .npy file, or is damaged: {error}") from None
        offset = file.tell()
    return _in_file(path, offset, dtype, shape, by_column, rows)


def memory_map(x: np.memmap[Any, Any], rows: int | None = None) -> NpyFile:
    """The file behind a memory map of the whole array."""
    by_column = x.flags.f_contiguous and not x.flags.c_contiguous
    return _in_file(str(x.filename), x.offset, x.dtype, x.shape, by_column, rows)


def _in_file(
    path: str | Path,
    offset: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    by_column: bool,
    rows: int | None,
) -> NpyFile:
    if dtype.kind not in "fiub":
        raise DataError(f"{path} holds {dtype}, not real numbers: save it as float64 or float32.")
    if len(shape) == 1:
        shape = (*shape, 1)
    if len(shape) != 2 or 0 in shape:
        raise DataError(
            f"{path} holds an array of shape {shape}: pass rows by columns, an array (n, d), with "
            "at least one of each."
        )
    n, d = shape
    edges = equal_edges(n, rows or chunk_rows(d))
    return NpyFile(str(path), offset, dtype, (n, d), by_column, edges, tuple(range(d)))
