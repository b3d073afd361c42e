"""Answers kept in a file: a computation that is begun again need not find them anew.

EM is determined by its passes over the rows, a posterior by its chains, a bootstrap by its
replicates. Repeated with the same data and options, a computation asks for the same ones; those
that are in the file are read, and the rest goes on to the same bits, whatever was being done when
it was stopped.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b, sha256
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Self

import numba
import numpy as np

from .._version import __version__
from ..data.data import Data
from ..kernels.e_step.contract import EStep, Parameters, Statistics
from ..kernels.stored.rows import StoredRows
from ..utils.errors import WorkersGoneError
from ..utils.types import FloatArray
from ..utils.validation import check_path, whole_seed

_KIND, _BEGIN = b"bayesgmm checkpoint ", b"bayesgmm checkpoint 2\n"
# Of a record: what it answers, the length of what follows, its checksum; then a checksum of these.
_FIELDS, _CHECK = struct.Struct("<16sQI"), struct.Struct("<I")
_HEAD = _FIELDS.size + _CHECK.size
# Seconds after which what is written is forced to the disk.
_SYNC = 1.0
# Entries of a list that is kept as it is; classes of rows are more, and nobody would read them.
_LISTED = 100


class Checkpoint:
    """A file of answers, to which one process at a time adds.

    Parameters
    ----------
    path : str or Path
        The file; made where there is none.
    identity : mapping
        What the answers are of, as plain values by name.

    Raises
    ------
    OSError
        The file cannot be read or written, or is in use.
    ValueError
        It is of something else, is no checkpoint, or is damaged: the message says what differs.
        The file stays as it is.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, Any]) -> None:
        self.path = check_path(path)
        self._lock, self._synced = Lock(), time.monotonic()
        self._places: dict[bytes, tuple[int, int]] = {}
        self._file = _opened(self.path)
        try:
            self._end = self._read(dict(identity))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """The checkpoint itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def e_step(self, parameters: Parameters, make: Callable[[Parameters], EStep]) -> EStep:
        """The pass at these parameters: from the file, or else made and added to it."""
        key = _key(parameters)
        content = self.get(key)
        if content is not None:
            return _unpacked(content, parameters)
        step = make(parameters)
        self.put(key, _packed(step))
        return step

    def answer(self, key: bytes, make: Callable[[], bytes]) -> bytes:
        """What is kept under a key: from the file, or else made and added to it."""
        content = self.get(key)
        if content is None:
            content = make()
            self.put(key, content)
        return content

    def get(self, key: bytes) -> bytes | None:
        """What is kept under a key of 16 bytes; None where nothing is."""
        with self._lock:
            place = self._places.get(key)
            if place is None:
                return None
            self._file.seek(place[0])
            return self._file.read(place[1])

    def put(self, key: bytes, content: bytes) -> None:
        """Keep it, unless something is kept under that key."""
        with self._lock:
            if key not in self._places:
                self._places[key] = self._append(key, content)

    def _append(self, key: bytes, content: bytes) -> tuple[int, int]:
        record = _record(key, content)
        self._write(record)
        self._end += len(record)
        return self._end - len(content), len(content)

    def _write(self, record: bytes) -> None:
        """Write it at the end of what is whole, or leave that as it was."""
        try:
            self._file.truncate(self._end)  # of a record that was not written whole
            self._file.seek(self._end)
            done = 0
            while done < len(record):  # a disk that becomes full takes a part first
                done += self._file.write(record[done:])
            if time.monotonic() - self._synced > _SYNC:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:  # such as a full disk: what was there before is whole
            self._file.truncate(self._end)
            error.filename = str(self.path)
            raise

    def _read(self, identity: dict[str, Any]) -> int:
        """Note where the answers are, after a look at what they are of; return where they end."""
        size = self._file.seek(0, os.SEEK_END)
        if not size:
            return self._begin(identity)
        self._file.seek(0)
        begin = self._file.read(len(_BEGIN))
        if begin != _BEGIN:
            what = "not a checkpoint"
            if begin.startswith(_KIND):
                what = "a checkpoint of another version of bayesgmm, or damaged in its first line"
            raise ValueError(f"{self.path} is {what}: name another file.")
        [(_, at, length), *answers] = self._records(size)
        self._file.seek(at)
        self._refuse_other(json.loads(self._file.read(length)), identity)
        self._places = {key: (at, length) for key, at, length in answers}
        _, at, length = answers[-1] if answers else (b"", at, length)
        return at + length

    def _begin(self, identity: dict[str, Any]) -> int:
        self._end = 0
        begin = _BEGIN + _record(bytes(16), json.dumps(identity).encode())
        self._write(begin)
        return len(begin)

    def _records(self, size: int) -> list[tuple[bytes, int, int]]:
        """Keys, places and lengths of the records; a last one that was not written whole is none.

        Raises
        ------
        ValueError
            One does not agree with its checksum.
        """
        found, end = [], len(_BEGIN)
        while end + _HEAD <= size:
            self._file.seek(end)
            head, at = self._file.read(_HEAD), end + _HEAD
            fields, [check] = head[: _FIELDS.size], _CHECK.unpack(head[_FIELDS.size :])
            key, length, checksum = _FIELDS.unpack(fields)
            sound = zlib.crc32(fields) == check
            if sound and at + length > size:
                break
            if not sound or zlib.crc32(self._file.read(length)) != checksum:
                raise ValueError(
                    f"{self.path} is damaged at byte {at if sound else end}: remove it to begin "
                    "anew, or restore it."
                )
            found.append((key, at, length))
            end = at + length
        if not found:
            raise ValueError(f"{self.path} is damaged: it ends before its first record. Remove it.")
        return found

    def _refuse_other(self, there: dict[str, Any], here: dict[str, Any]) -> None:
        here = json.loads(json.dumps(here))  # as it would be read
        for name in here:
            if there.get(name) != here[name]:
                raise ValueError(
                    f"{self.path} is a checkpoint of another computation: {name} is "
                    f"{there.get(name)!r} there, {here[name]!r} here. Name another file, or remove "
                    "it."
                )


def _record(key: bytes, content: bytes) -> bytes:
    """An answer as it is in the file."""
    fields = _FIELDS.pack(key, len(content), zlib.crc32(content))
    return fields + _CHECK.pack(zlib.crc32(fields)) + content


def key_of(name: str, more: bytes = b"") -> bytes:
    """A checkpoint's key of a name, and of what tells it from others of that name."""
    return blake2b(name.encode() + more, digest_size=16).digest()


@contextmanager
def kept_answers(
    path: str | Path | None, data: Data, what: str, options: Mapping[str, Any], random_seed: Any
) -> Iterator[Checkpoint | None]:
    """The checkpoint of a computation on these rows with these options; None without a path.

    Raises
    ------
    ValueError
        No whole number as seed, with which alone it can be repeated; what `Checkpoint` refuses.
    WorkersGoneError
        As raised by the computation; the message names the file.
    """
    if path is None:
        yield None
        return
    seed = whole_seed(random_seed)
    if seed is None:
        raise ValueError(
            "a checkpoint needs a whole number as random_seed, with which the same computation is "
            "made again."
        )
    identity = {
        "what": what, "bayesgmm": __version__, "numba": numba.__version__, "data": _digest(data),
        **{name: _plain(value) for name, value in options.items()}, "random_seed": seed,
    }  # fmt: skip
    with Checkpoint(path, identity) as checkpoint:
        try:
            yield checkpoint
        except WorkersGoneError as error:
            raise WorkersGoneError(
                f"{error} What was computed is in {path}: the same call goes on from there."
            ) from error


def _digest(data: Data) -> str:
    """A digest of the data's fingerprint, and of its chunks."""
    known = data.fingerprint
    edges = data.values.edges.tolist() if isinstance(data.values, StoredRows) else []
    text = json.dumps([known.n, known.total, known.names, data.missing, edges])
    numbers = known.moments.tobytes() + known.projections.tobytes()
    return sha256(text.encode() + numbers).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """A value as JSON keeps it: of arrays, long lists and the like a digest."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        parts = [_plain(part) for part in value]
        if len(parts) <= _LISTED:
            return parts
        text = repr(parts)
    else:
        to_dict = getattr(value, "to_dict", None)
        text = repr(to_dict() if to_dict else np.asarray(value).tolist())
    return sha256(text.encode()).hexdigest()[:16]


def _opened(path: Path) -> BinaryIO:
    """The file, which no other process may have open so."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    file = open(descriptor, "r+b", buffering=0)
    try:
        import fcntl
    except ImportError:  # not on Windows
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OSError(f"{path} is in use by another process: name another file.") from None
    return file


def _arrays(parameters: Parameters) -> list[FloatArray]:
    return [parameters.weights, parameters.means, parameters.covariances]


def _key(parameters: Parameters) -> bytes:
    digest = blake2b(digest_size=16)
    for array in _arrays(parameters):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.digest()


def _packed(step: EStep) -> bytes:
    s = step.statistics
    of_all = np.array([step.loglik, step.rounding, step.log_certainty])
    numbers = [of_all, s.counts, s.means.ravel(), s.scatters.ravel()]
    return np.concatenate(numbers).astype("<f8").tobytes()


def _unpacked(content: bytes, parameters: Parameters) -> EStep:
    numbers = np.frombuffer(content, dtype="<f8").astype(np.float64)
    loglik, rounding, log_certainty = numbers[:3].tolist()
    parts, at = [], 3
    for like in _arrays(parameters):
        parts.append(numbers[at : at + like.size].reshape(like.shape).copy())
        at += like.size
    return EStep(loglik, Statistics(*parts), rounding, log_certainty)
