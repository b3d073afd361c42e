"""Folders of results: written whole, or the old one stays."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .archive import name_file
from .validation import check_path


@contextmanager
def atomic_folder(path: str | Path, ours: Callable[[Path], bool]) -> Iterator[Path]:
    """A new folder beside `path` to write to, that takes its place when all is written.

    Whatever goes wrong on the way, an old folder stays as it was. A killed process leaves the new
    one behind, as .bayesgmm-*; killed between two renames, the old one is there under such a name.

    Parameters
    ----------
    path : str or Path
        The folder.
    ours : callable
        Whether a file or folder in an old one is what is to be replaced.

    Raises
    ------
    FileExistsError
        A file, or a folder that holds something else, which would be lost.
    OSError
        What could not be written: it names `path`, or the file in it, not the new folder's.
    """
    destination = Path(os.path.realpath(check_path(path)))  # a link stays a link
    old = destination if os.path.lexists(destination) else None
    if old is not None:
        other = next((p for p in old.iterdir() if not ours(p)), None) if old.is_dir() else old
        if other is not None:
            raise FileExistsError(
                f"{path} is not replaced: it holds {other.name}, which was not written here. Name "
                "a new folder."
            )
    partial = _beside(destination)
    try:
        partial.mkdir()
        yield partial
        aside = None
        if old is not None:
            aside = _beside(destination)
            os.rename(old, aside)
        try:
            os.rename(partial, destination)
        except OSError:
            if aside is not None:
                os.rename(aside, destination)
            raise
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        _name(error, partial, Path(path))
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _name(error: OSError, partial: Path, path: Path) -> None:
    """Have an error name what the user knows: the folder, or a file in it, of the new one's."""
    if error.filename is None:
        name_file(error, path)
        return
    file = Path(os.fsdecode(error.filename))
    if file.is_relative_to(partial):
        name_file(error, path / file.relative_to(partial))


def _beside(path: Path) -> Path:
    return path.with_name(f".bayesgmm-{secrets.token_hex(8)}")
