"""The cache of compiled functions, whose key holds all that their machine code comes from.

Numba's own asks whether a function's own file has changed. Compiled functions contain others, from
other files, and constants: after an upgrade of this package they would go on as they were.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from .._version import __version__
from ..utils import code_store

_PACKAGE = Path(__file__).parents[1]
# A file that mentions either of these holds compiled code, or constants for it (a test sees to it
# that no compiled function has any from elsewhere). To hash them all takes 5 to 9 ms.
_MARKS = (b"numba", b"compilation")

_Stamp = tuple[int, int, int] | None


def _sources() -> Iterator[Path]:
    """The package's files, as they are installed (compiled by Python, without their text)."""
    for folder, folders, files in os.walk(_PACKAGE):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield from (Path(folder, file) for file in sorted(files) if file.endswith((".py", ".pyc")))


def _container() -> Path:
    """The archive or executable that holds the package, if it is in no folder."""
    archives = [path for path in _PACKAGE.parents if path.is_file()]
    return (archives or [Path(sys.executable)])[0]


def _stamp(path: Path) -> _Stamp:
    """Size, time and place of a file on disk: others once it is written or replaced."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def read_sources() -> tuple[str, dict[Path, _Stamp]]:
    """A digest of what machine code depends on, and the stamps of the files that it is of.

    It depends on the sources of compiled code, and on the compiler.
    """
    found = hashlib.sha256()
    compilers = (sys.version, numba.__version__, llvmlite.__version__, np.__version__)
    found.update(repr((__version__, *compilers)).encode())
    stamps: dict[Path, _Stamp] = {}
    sources = list(_sources())
    for path in sources:
        stamp = _stamp(path)  # before its text: what is written in between is noticed later
        text = path.read_bytes()
        if any(mark in text for mark in _MARKS):
            found.update(f"{path.relative_to(_PACKAGE).as_posix()} {len(text)}\n".encode())
            found.update(text)
            stamps[path] = stamp
    if not sources:
        path = _container()
        stamps[path] = _stamp(path)
        found.update(repr(stamps[path]).encode())
    return found.hexdigest()[:32], stamps


#: Taken when the package is loaded: what lies on disk later may be another version.
VERSION, _STAMPS = read_sources()
#: The same for PyTensor, which keeps the code of its graphs itself.
VERSION_NUMBER = int(VERSION, 16)


class Cache:
    """A function's cache of machine code, with the methods that Numba calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        if function.__closure__:
            raise ValueError(
                f"{function.__qualname__} has a closure, which its source does not say"
            )
        self._function = f"{function.__module__}.{function.__qualname__}".partition(".")[2]

    @property
    def cache_path(self) -> str:
        """The folder of the function's machine code, whether it exists or not."""
        return str(code_store.places()[0] / VERSION)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The machine code for these types and this processor, or None."""
        target.refresh()  # Numba registers what code refers to
        for content in code_store.read(VERSION, self._name(signature, target.codegen())):
            return CompileResult._rebuild(target, *pickle.loads(content))
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep machine code on disk, unless the source files have changed since their import."""
        unchanged = all(_stamp(path) == stamp for path, stamp in _STAMPS.items())
        if unchanged and not result.library.has_dynamic_globals:
            name = self._name(signature, result.codegen)
            code_store.write(VERSION, name, dumps(result._reduce()))

    def _name(self, signature: Any, codegen: Any) -> str:
        """A file's name: the function's, and a digest of the types and the processor."""
        key = hashlib.sha256(repr((signature, codegen.magic_tuple())).encode())
        return f"{self._function}-{key.hexdigest()[:32]}.nbc"
