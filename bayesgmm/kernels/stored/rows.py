"""Rows that are read a chunk at a time, whenever a pass needs them.

The chunks' bounds belong to the data. Each chunk is summed by itself, and the sums are added in the
chunks' order: how many threads or machines share the work, and whether the chunks come from memory
or from a disk, changes no bit of a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DataError
from ...utils.types import FloatArray
from .chunk import Block, ChangedChunkError, Chunk, ChunkSums, Notes
from .sums import Node, TreeSums
from .sweep import sweep

# Numbers that may be read into memory at once: 1 GiB of them.
_MEMORY = 2**27
# Numbers of a stretch of rows that are kept for whoever asks for the same stretch next.
_KEPT = 2**22


def fits_in_memory(numbers: int) -> bool:
    """Whether so many numbers may be read into memory."""
    return numbers <= _MEMORY


class UnreadableError(DataError):
    """A part of a table cannot be read; the message says which."""


class Source(Protocol):
    """A table in chunks, each of which can be read again and again."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names; "x0", "x1", ... where the table has none."""

    @property
    def named(self) -> bool:
        """Whether the table has them."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers that are read: float64 or float32."""

    @property
    def edges(self) -> Sequence[int]:
        """The first row of every chunk, and the number of rows."""

    def readers(self, start: int, stop: int) -> Iterator[Callable[[], Block]]:
        """What reads the chunks start..stop, in their order; each is called at most once.

        The iterator is advanced by one thread at a time, what it gives is called by any.
        """

    def place(self, chunk: int, row: int | None = None) -> str:
        """Where a chunk is, or the row with that number in it, for messages."""

    def stamp(self) -> Any:
        """What is another value when the table has been changed, as far as that is quickly seen."""

    def of_columns(self, columns: Sequence[int]) -> Source:
        """The same table with some of the columns."""


@runtime_checkable
class Elsewhere(Protocol):
    """A source whose chunks are worked on elsewhere, such as by other machines.

    `work` can be pickled, and answers by what is small.
    """

    def each[T](
        self, notes: Notes, work: Callable[[Chunk], T], numbers: Iterable[int]
    ) -> Iterator[tuple[int, T]]:
        """The answers about some chunks, in their order, with the chunks' numbers."""

    def sums(self, notes: Notes, work: Callable[[Chunk], Sequence[FloatArray]]) -> Iterator[Node]:
        """Sums of the answers about all chunks, in the chunks' order."""


class StoredRows:
    """Rows (n, d) of a source, with the part of a NumPy array's interface that is used for rows.

    Some of them, and `np.asarray` of all, are read into memory.
    """

    ndim = 2

    def __init__(self, source: Source) -> None:
        self.source = source
        self.edges = np.asarray(source.edges, dtype=np.int64)
        self.stamp = source.stamp()
        #: What the chunks' columns sum to about `center`, if they have been summed.
        self.known: ChunkSums | None = None
        #: What makes passes over these rows, for all who wait for one.
        self.shared: Any = None
        self._last: tuple[Any, Block] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.edges[-1]), len(self.source.names)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers: float64 or float32."""
        return self.source.dtype

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return len(self.edges) - 1

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.edges[-1])

    def __repr__(self) -> str:
        """Shape, type and number of chunks."""
        n, d = self.shape
        return f"<StoredRows {n} x {d}, {self.dtype}, {self.n_chunks} chunks>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as what it reads."""
        return _with_sums, (self.source, self.stamp, self.known)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All rows, in memory."""
        if copy is False:
            raise ValueError("rows in chunks cannot be read in place: np.asarray(rows) reads them.")
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, index: Any) -> Any:
        """Some of the rows, in memory; rows[:, columns] are all rows of some columns, in chunks."""
        if isinstance(index, tuple):
            _, columns = index
            chosen = np.arange(self.shape[1])[columns].tolist()
            everything = chosen == list(range(self.shape[1]))
            return self if everything else StoredRows(self.source.of_columns(chosen))
        if isinstance(index, slice):
            key = index.indices(len(self))
            if self._last is not None and self._last[0] == key:
                return self._last[1]
            found = self._gathered(np.arange(*key))
            if found.size <= _KEPT:
                self._last = key, found
            return found
        index = np.asarray(index)
        if index.dtype == bool:
            return self._gathered(np.flatnonzero(index))
        index = np.where(index < 0, index + len(self), index)
        order = np.argsort(index, kind="stable")
        found = self._gathered(index[order])
        found[order] = found.copy()
        return found

    def _gathered(self, index: NDArray[np.intp]) -> Block:
        """Rows by their numbers, which go up."""
        d = self.shape[1]
        self.refuse_too_many(len(index))
        out = np.empty((len(index), d), dtype=self.dtype)
        if not len(index):
            return out
        bounds = np.searchsorted(index, self.edges)
        used = np.flatnonzero(np.diff(bounds))

        def keep(chunk: int, rows: Block) -> None:
            out[bounds[chunk] : bounds[chunk + 1]] = rows

        self.each(_Picked(index), keep, numbers=used.tolist())
        return out

    def each[T](
        self,
        work: Callable[[Chunk], T],
        take: Callable[[int, T], None],
        weights: FloatArray | None = None,
        numbers: Sequence[int] | None = None,
        n_threads: int | None = None,
        labels: NDArray[np.integer] | None = None,
    ) -> None:
        """Call take(c, work(chunk c)) for every chunk, or those with some numbers, in their order.

        Parameters
        ----------
        work : callable
            Called by several threads at once, and on any machine: it can be pickled, and what it
            gives is small where the source is `Elsewhere`.
        take : callable
            Called here, by one thread at a time.
        weights : array (n,), optional
            The rows' weights, which chunks have then.
        numbers : sequence of int, optional
            Those that are needed, in order; all if left out.
        n_threads : int, optional
            How many chunks are worked on at once.
        labels : array (n,) of int, optional
            The rows' labels, which chunks have then.
        """
        numbers = range(self.n_chunks) if numbers is None else numbers
        notes = self._notes(weights, labels)
        if isinstance(self.source, Elsewhere):
            for number, found in self.source.each(notes, work, numbers):
                take(number, found)
            return
        chosen, chunks = set(numbers), self.chunks(numbers[0], numbers[-1] + 1)
        readers = ((c, read) for c, read in chunks if c in chosen)
        sweep(readers, len(chosen), partial(_worked, work, notes), take, n_threads)

    def sums(
        self,
        work: Callable[[Chunk], Sequence[FloatArray]],
        weights: FloatArray | None = None,
        labels: NDArray[np.integer] | None = None,
    ) -> Sequence[FloatArray]:
        """The sums over all chunks of the arrays that work(chunk) gives: new ones for each."""
        tree, notes = TreeSums(), self._notes(weights, labels)
        try:
            if isinstance(self.source, Elsewhere):
                for node in self.source.sums(notes, work):
                    tree.join(node)
            else:
                sweep(self.chunks(), self.n_chunks, partial(_worked, work, notes), tree.add)
        except ChangedChunkError as error:
            raise DataError(
                f"{self.source.place(error.args[0])} holds other values than when the data were "
                "first read: read them again."
            ) from None
        return tree.total()

    def _notes(self, weights: FloatArray | None, labels: NDArray[np.integer] | None) -> Notes:
        """What is known of all chunks, of a table that has not changed."""
        self._refuse_changed()
        of_chunks = [
            None if array is None else np.split(array, self.edges[1:-1])
            for array in (weights, labels)
        ]
        numbers, both = np.arange(self.n_chunks), (weights, labels)
        return Notes(numbers, self.edges[:-1], of_chunks[0], self.known, of_chunks[1], both)

    def refuse_too_many(self, n: int) -> None:
        """Refuse to read so many rows that they might not fit in memory.

        Raises
        ------
        DataError
            What to do instead.
        """
        if not fits_in_memory(n * self.shape[1]):
            raise DataError(
                f"this needs {n} rows of {self.shape[1]} columns in memory, "
                f"{n * self.shape[1] * 8 / 2**30:.1f} GiB: pass a sample of the rows, or read "
                "them yourself and pass an array."
            )

    def chunks(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, Callable[[], Block]]]:
        """Chunks start..stop in their order: their numbers, and what reads and checks them.

        Raises
        ------
        DataError
            The table has changed since it was opened.
        """
        stop = self.n_chunks if stop is None else stop
        self._refuse_changed()
        readers = self.source.readers(start, stop)
        for chunk in range(start, stop):
            try:
                read = next(readers)
            except StopIteration:
                raise DataError(
                    f"there were {self.n_chunks} chunks when the data were first read, and only "
                    f"{chunk} now: pass what gives the same blocks whenever it is iterated over."
                ) from None
            yield chunk, _Reading(self, chunk, read)

    def _refuse_changed(self) -> None:
        now = self.source.stamp()
        if now != self.stamp:
            raise DataError(f"{_changed(self.stamp, now)} has changed since it was opened.")

    def size_of(self, chunk: int) -> int:
        """Rows of a chunk."""
        return int(self.edges[chunk + 1] - self.edges[chunk])


def _worked[T](work: Callable[[Chunk], T], notes: Notes, number: int, values: Block) -> T:
    return work(notes.chunk(number, values))


@dataclass(frozen=True)
class _Picked:
    """Of a chunk the rows with some numbers, which go up."""

    index: NDArray[np.intp]

    def __call__(self, chunk: Chunk) -> Block:
        first, last = np.searchsorted(self.index, [chunk.first, chunk.first + len(chunk.values)])
        return chunk.values[self.index[first:last] - chunk.first]


def _with_sums(source: Source, stamp: Any, known: ChunkSums | None) -> StoredRows:
    rows = StoredRows(source)
    rows.stamp, rows.known = stamp, known
    return rows


class _Reading:
    """What reads a chunk, and sees to it that it is as it was when the table was opened."""

    def __init__(self, rows: StoredRows, chunk: int, read: Callable[[], Block]) -> None:
        self.rows, self.chunk, self.read = rows, chunk, read

    def __call__(self) -> Block:
        rows, chunk = self.rows, self.chunk
        block = read_or_say(rows.source, chunk, self.read)
        size = rows.size_of(chunk), rows.shape[1]
        if block.shape != size:
            raise DataError(
                f"{rows.source.place(chunk)} has {' x '.join(map(str, block.shape))} numbers, and "
                f"had {size[0]} x {size[1]} when the data were first read."
            )
        # In one layout, on which the order of some sums depends.
        return np.ascontiguousarray(block, dtype=rows.dtype)


def read_or_say(source: Source, chunk: int, read: Callable[[], Block]) -> Block:
    """What a reader of a chunk gives.

    Raises
    ------
    DataError
        It cannot be read: the message says where it is.
    """
    try:
        return read()
    except MemoryError:
        raise
    except Exception as error:
        place = source.place(chunk)
        if isinstance(error, UnreadableError) or place in str(error):
            raise
        raise DataError(f"{place} cannot be read: {error}") from error


def _changed(before: Any, now: Any) -> str:
    """The file of which the stamp (path, ...) is another one."""
    pairs = zip(before or (), now or (), strict=False)
    return next((str(old[0]) for old, new in pairs if old != new), "the table")
