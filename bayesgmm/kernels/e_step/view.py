"""Rows in memory as a pass reads them, without what a checked table knows besides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...utils.types import FloatArray
from .groups import Groups


class View(NamedTuple):
    """Rows without weights, with the centre and scale of their coordinates."""

    values: NDArray[np.floating]
    center: FloatArray
    scale: FloatArray
    weights: None = None
    groups: Groups | None = None
