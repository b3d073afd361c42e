"""Compiled code on disk: a folder for each version of the sources and of the compiler.

Another version reads from another folder, so that versions do not disturb each other and nothing
stale is found. Folders that have not been used for longest are removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from .archive import sealed, unsealed
from .warnings import warn

#: Versions that are kept in one place; one of them takes some 10 MB.
VERSIONS = 8

_PACKAGE = Path(__file__).parents[1]
# Places that could not be written to, with the error, so that none is tried again.
_refused: dict[Path, str] = {}
_warned = False


def places() -> list[Path]:
    """Where compiled code is looked for, and kept in the first that can be written to.

    NUMBA_CACHE_DIR alone if it is set; else the package's own `__pycache__`, and the user's folder
    for such things.
    """
    from numba import config  # which reads the variable, and a file of settings too

    if config.CACHE_DIR:
        return [Path(config.CACHE_DIR).absolute() / "bayesgmm"]
    users = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    folder = Path(os.path.expanduser(users)) / "bayesgmm" / "compiled"
    own = _PACKAGE / "__pycache__" / "compiled"
    return [own, folder] if folder.is_absolute() else [own]  # "~" stays where there is no home


def writable() -> Path | None:
    """The place where compiled code would be kept, as far as permissions tell."""
    for place in places():
        existing = next(path for path in (place, *place.parents) if path.exists())
        if existing.is_dir() and os.access(existing, os.W_OK):
            return place
    return None


def read(version: str, name: str) -> Iterator[bytes]:
    """The contents kept under that name, from every place that has them undamaged."""
    for place in places():
        # Not there, or damaged: the caller compiles it again.
        with suppress(OSError, ValueError):
            with unsealed(place / version / name, "compiled function") as file:
                content = file.read()
            _note_use(place / version)
            yield content


def write(version: str, name: str, content: bytes) -> None:
    """Keep the content in the first place that can be written to."""
    for place in places():
        if place in _refused:
            continue
        try:
            _make(place / version)
            with sealed(place / version / name) as file:
                file.write(content)
        except OSError as error:
            _refused[place] = error.strerror or str(error)
        else:
            return


def problem() -> str | None:
    """Why nothing can be kept; None while there is a place that has not failed."""
    if set(places()) - set(_refused):
        return None
    return "; ".join(f"{place}: {_refused[place]}" for place in places())


def warn_of_problem() -> None:
    """Warn once that nothing can be kept, and say what to do about it."""
    global _warned
    found = None if _warned else problem()
    if found is not None:
        _warned = True
        warn(
            f"compiled code cannot be kept on disk ({found}), so that every process compiles "
            "what it needs again, for up to half a minute. Set the environment variable "
            "NUMBA_CACHE_DIR to a folder that can be written to and has 20 MB to spare.",
            UserWarning,
        )


def _make(folder: Path) -> None:
    """Make a version's folder, and remove those that have not been used for longest."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    others = [path for path in folder.parent.iterdir() if path != folder]
    for path in sorted(others, key=_last_use, reverse=True)[VERSIONS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0


@lru_cache
def _note_use(folder: Path) -> None:
    """Set the time of a version's folder to now, once in a process, if it can be written to."""
    with suppress(OSError):
        os.utime(folder)
