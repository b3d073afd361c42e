"""Saved fits, grids and posteriors: reading them, and choosing a fit of a grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..em.kinds import Fit
from ..selection.selection import Selection
from ..utils.archive import read_format, unsealed

if TYPE_CHECKING:
    from ..posterior.components import ComponentsPosterior
    from ..posterior.posterior import Posterior

_HDF5 = b"\x89HDF"

SavedFit = Annotated[
    Path,
    typer.Argument(
        metavar="SAVED", exists=True, dir_okay=False, help="A fit or grid kept by --out."
    ),
]
SavedResult = Annotated[
    Path,
    typer.Argument(
        metavar="SAVED", exists=True, dir_okay=False,
        help="A fit, grid or posterior kept by --out.",
    ),
]  # fmt: skip
Cell = Annotated[
    str,
    typer.Option(help="Family and K of a model in a grid, such as VVV,3. Default: the best."),
]


type Saved = Fit | Selection | Posterior | ComponentsPosterior


def load(path: Path) -> Saved:
    """The fit, grid or posterior that a file holds.

    Raises
    ------
    ValueError
        The file is not a saved fit, grid or posterior, or is damaged.
    """
    with unsealed(path, "fit, grid or posterior") as file:
        start = file.read(len(_HDF5))
        file.seek(0)
        name = "" if start == _HDF5 else read_format(file)
    if start == _HDF5:
        from ..posterior.components import load_posterior

        return load_posterior(path)
    return Selection.load(path) if name.startswith("bayesgmm.Selection") else Fit.load(path)


def load_fit(path: Path, cell: str) -> Fit:
    """The fit that a file holds: itself, or a cell of the grid."""
    found = load_model(path, cell)
    if not isinstance(found, Fit):
        raise typer.BadParameter(f"{path} holds a posterior already: pass a fit or a grid.")
    return found


def load_model(path: Path, cell: str) -> Fit | Posterior:
    """The fit or posterior that a file holds, or the fit of a cell of its grid."""
    return model_of(load(path), path, cell)


def fit_of(model: Fit | Posterior) -> Fit:
    """A fit, or that of a posterior."""
    return model if isinstance(model, Fit) else model.fit


def model_of(found: Saved, path: Path, cell: str) -> Fit | Posterior:
    """A fit or posterior that was read from a file, or the fit of a cell of the grid there."""
    if isinstance(found, Fit):
        return _without_cells(found, path, cell)
    if not isinstance(found, Selection):
        from ..posterior.posterior import Posterior

        if not isinstance(found, Posterior):
            raise typer.BadParameter(
                f"{path} holds a posterior of the number of components: only compare takes it."
            )
        return _without_cells(found, path, cell)
    if not cell:
        return found.best
    family, _, number = cell.partition(",")
    name = family.strip().upper(), int(number) if number.strip().isdigit() else 0
    if name not in found.sound:
        reason = found.failures.get(name, f"the grid has {', '.join(map(_typed, found.sound))}")
        raise typer.BadParameter(f"no fit of {cell}: {reason}", param_hint="--cell")
    return found.sound[name]


def _without_cells[T](model: T, path: Path, cell: str) -> T:
    if cell:
        raise typer.BadParameter(f"{path} holds one model.", param_hint="--cell")
    return model


def _typed(name: tuple[str, int]) -> str:
    return f"{name[0]},{name[1]}"
