"""What archives of results share."""

from __future__ import annotations

import zipfile
import zlib

# What NumPy and zipfile raise for a file that is something else, cut short or altered.
DAMAGED = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, TypeError,
    ValueError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
