"""Tables written to files: the option that names the file, and the formats by ending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..utils.archive import atomic
from .options import writable, writable_folder

if TYPE_CHECKING:
    import pandas as pd

_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
    ".feather": lambda table, path: table.to_feather(path),
}


def _checked(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in _WRITERS:
        raise typer.BadParameter(f"{path.name} ends in none of {', '.join(_WRITERS)}.")
    return writable(path)


def is_folder(path: Path) -> bool:
    """Whether a table is to be written as a folder: of Parquet files, or a Zarr group."""
    return path.suffix.lower() in ("", ".zarr")


def _checked_with_folders(path: Path | None) -> Path | None:
    return writable_folder(path) if path is not None and is_folder(path) else _checked(path)


TableOut = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", callback=_checked,
        help=f"The file for the table: {', '.join(_WRITERS)}. Default: printed.",
    ),
]  # fmt: skip


TableOrFolderOut = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", callback=_checked_with_folders,
        help=f"The file for the table: {', '.join(_WRITERS)}; or a folder, for Parquet files (no "
        "ending) or a Zarr group (.zarr), written a chunk at a time. Default: printed.",
    ),
]  # fmt: skip


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write a table in the format of the file's ending; an old file stays until it is whole."""
    with atomic(out) as path:
        _WRITERS[out.suffix.lower()](table, path)
