"""What all sources share: the length of a chunk, and the stamps of files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...utils.errors import DataError

# Rows of a chunk, where these are ours to choose, and the numbers that it may hold at most.
_ROWS, _NUMBERS, _FEWEST = 2**17, 2**22, 1024
# Rows below which neighbouring pieces of a table are one chunk.
_WORTHWHILE = 2**16


def chunk_rows(d: int, multiple: int = 1) -> int:
    """Rows of a chunk of d columns, a multiple of this."""
    rows = max(min(_ROWS, _NUMBERS // d), _FEWEST)
    return max(rows // multiple, 1) * multiple


def equal_edges(n: int, rows: int) -> tuple[int, ...]:
    """The bounds of chunks of so many rows each, the last one shorter."""
    return (*range(0, n, rows), n)


def grouped(sizes: Iterable[int]) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Pieces of these sizes put together to chunks: their bounds, and the pieces of each."""
    edges, chunks, pieces, n = [0], [], [], 0
    for piece, size in enumerate(sizes):
        pieces.append(piece)
        n += size
        if n - edges[-1] >= _WORTHWHILE:
            edges.append(n)
            chunks.append(tuple(pieces))
            pieces = []
    if n > edges[-1]:
        edges.append(n)
        chunks.append(tuple(pieces))
    return tuple(edges), tuple(chunks)


def stamp_of(paths: Iterable[str | Path]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of the last change of files; a file that is gone has neither."""
    return tuple(map(_stamp, paths))


def _stamp(path: str | Path) -> tuple[str, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return str(path), -1, -1
    return str(path), found.st_size, found.st_mtime_ns


def refuse_links(paths: Iterable[str]) -> None:
    """Refuse a file that is there under two names, whose rows would count twice.

    Raises
    ------
    DataError
        A link to another of the files, or to a folder around them.
    """
    names: dict[str, str] = {}
    for path in paths:
        other = names.setdefault(os.path.realpath(path), path)
        if other != path:
            raise DataError(
                f"{path} is the same file as {other}, and its rows would count twice: take the "
                "link out of the folder."
            )


def chosen(values: NDArray[Any], columns: tuple[int, ...]) -> NDArray[Any]:
    """These columns, without a copy where they are all."""
    every = columns == tuple(range(values.shape[1]))
    return values if every else values[:, columns]


def float_type(is_single: bool) -> str:
    """The type in which numbers are read: single precision only where all of them have it."""
    return "float32" if is_single else "float64"
