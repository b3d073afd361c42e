"""Packages that only some of what this one does needs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import DataError


def optional(module: str, path: object, extra: str) -> Any:
    """The module that is needed for `path`, of an extra of bayesgmm.

    Raises
    ------
    DataError
        It is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise DataError(
            f"{path} needs {package}, which is not installed: install bayesgmm[{extra}]."
        ) from None
