"""Fits, grids and posteriors in files, told apart by what is in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..em.result import Fit
from ..selection.selection import Selection
from ..utils.archive import DAMAGED

if TYPE_CHECKING:
    from ..posterior.posterior import Posterior

_HDF5 = b"\x89HDF"


def load(path: Path) -> Fit | Selection | Posterior:
    """Whatever `save` wrote there.

    Raises
    ------
    ValueError
        The file is no saved fit, grid or posterior.
    """
    with open(path, "rb") as file:
        start = file.read(4)
    if start == _HDF5:
        from ..posterior.posterior import Posterior

        return Posterior.load(path)
    return (
        Selection.load(path) if _format(path).startswith("bayesgmm.Selection") else Fit.load(path)
    )


def _format(path: Path) -> str:
    """The format a NumPy archive names."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return str(json.loads(str(archive["meta"]))["format"])
    except DAMAGED:
        raise ValueError(
            f"{path} is no fit, grid or posterior saved by bayesgmm: write one with "
            "`bayesgmm fit`, `select` or `refine` and --out."
        ) from None
