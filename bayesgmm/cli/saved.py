"""Reading saved fits, grids and posteriors, recognised by the contents of the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..em.result import Fit
from ..selection.selection import Selection
from ..utils.archive import read_format, unsealed

if TYPE_CHECKING:
    from ..posterior.posterior import Posterior

_HDF5 = b"\x89HDF"


def load(path: Path) -> Fit | Selection | Posterior:
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
        from ..posterior.posterior import Posterior

        return Posterior.load(path)
    return Selection.load(path) if name.startswith("bayesgmm.Selection") else Fit.load(path)
