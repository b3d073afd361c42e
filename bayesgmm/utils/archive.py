"""Files of results: written whole or not at all, and read only if they are what was written.

Every saved file ends in a seal, the SHA-256 digest of all bytes before it. It is checked before
any other library looks at the file, because a damaged one can make those read wrong numbers, raise
any error, or never end. Zip archives and HDF5 files may have bytes after their end, so
that NumPy, xarray and others read sealed files as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .validation import check_path

_SEAL = b"\nbayesgmm sha256 "
_DIGEST_LENGTH = 64
# What NumPy, zipfile, json and h5netcdf raise for contents that are not as expected.
_DAMAGED = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

type Arrays = dict[str, NDArray[Any]]


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A new file beside `path` to write to, that takes its place when all is written.

    Whatever goes wrong on the way (an error, an interruption, a full disk, a killed process), an
    old file stays as it was. What is not a regular file (a pipe, a terminal) is written directly.
    A killed process leaves the new file behind, as .bayesgmm-*.

    Raises
    ------
    OSError
        The folder or the file cannot be written to; the error names `path`.
    """
    destination = Path(os.path.realpath(check_path(path)))  # a link stays a link
    if destination.exists() and not destination.is_file():
        yield destination
        return
    partial = destination.with_name(f".bayesgmm-{secrets.token_hex(8)}{destination.suffix}")
    try:
        if destination.exists():
            open(destination, "r+b").close()  # a file that is protected stays
        open(partial, "xb").close()
        yield partial
        with open(partial, "r+b") as file:
            os.fsync(file.fileno())
        if destination.exists():
            partial.chmod(destination.stat().st_mode)
        os.replace(partial, destination)
    except OSError as error:
        if error.filename is None or str(error.filename) == str(partial):
            name_file(error, path)
        raise
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(destination.parent)


def name_file(error: OSError, path: str | Path) -> None:
    """Have an error name the file that could not be written.

    Libraries raise errors with nothing but words, which Python leaves out beside a file's name.
    """
    if error.errno is None:
        error.args = (f"{error}: {str(path)!r}",)
    else:
        error.filename = str(path)
        del error.filename2  # None would be shown


def _sync_folder(folder: Path) -> None:
    """Write the new name to disk too, where folders can be opened (not on Windows)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some file systems cannot, and the file itself is on disk
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, all of it or nothing."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


@contextmanager
def sealed(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path`, with its seal, when all is written."""
    with atomic(path) as partial, open(partial, "w+b") as file:
        yield file
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, os.SEEK_END)
        file.write(_SEAL + digest.encode())


@contextmanager
def unsealed(path: str | Path, what: str) -> Iterator[BinaryIO]:
    """A file that `sealed` wrote, to read from.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file should hold, as messages call it ("fit").

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        It was not written by `sealed`, has changed since, or what is read from it is refused.
    """
    with open(check_path(path), "rb") as file:
        try:
            _check_seal(file)
            yield file
        except _DAMAGED as error:
            raise ValueError(
                f"{path} is not a {what} saved by this version of bayesgmm, or has been damaged: "
                f"{error}. Save it again with its `save`."
            ) from None


def _check_seal(file: BinaryIO) -> None:
    """Leave the file at its start if its seal is that of its contents."""
    length = file.seek(0, os.SEEK_END) - len(_SEAL) - _DIGEST_LENGTH
    if length < 0:
        raise ValueError("it has no checksum at its end")
    file.seek(length)
    if file.read(len(_SEAL)) != _SEAL:
        raise ValueError("it has no checksum at its end")
    expected = file.read()
    file.seek(0)
    digest, left = hashlib.sha256(), length
    while left:
        block = file.read(min(left, 2**20))
        if not block:
            raise ValueError("it became shorter while it was read")
        digest.update(block)
        left -= len(block)
    if digest.hexdigest().encode() != expected:
        raise ValueError("its contents do not agree with its checksum")
    file.seek(0)


def write_arrays(
    path: str | Path, format_name: str, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write plain values and arrays to a sealed NumPy archive, without pickle."""
    text = json.dumps({"format": format_name, **meta})
    values: dict[str, Any] = dict(arrays)
    with sealed(path) as file:
        np.savez(file, meta=np.array(text), **values)


def read_arrays(file: BinaryIO, format_name: str) -> tuple[dict[str, Any], Arrays]:
    """The plain values and the arrays of an archive of this format."""
    with np.load(file, allow_pickle=False) as archive:
        meta = _meta(archive)
        if meta.get("format") != format_name:
            raise ValueError(f"its format is {meta.get('format')!r}, not {format_name!r}")
        return meta, {name: archive[name] for name in archive.files if name != "meta"}


def read_format(file: BinaryIO) -> str:
    """The format that an archive names."""
    with np.load(file, allow_pickle=False) as archive:
        return str(_meta(archive).get("format"))


def _meta(archive: Any) -> dict[str, Any]:
    """The plain values of an archive, its format among them."""
    meta = json.loads(str(archive["meta"]))
    if not isinstance(meta, dict):
        raise ValueError("its metadata are not a mapping")
    return meta
