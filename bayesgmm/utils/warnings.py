"""Warnings at the line of the caller's own code, however deep in the package they arise."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

_PACKAGE = str(Path(__file__).parents[1]) + os.sep


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line outside this package."""
    warnings.warn(message, category, skip_file_prefixes=(_PACKAGE,))
