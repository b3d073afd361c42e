"""Checks of single arguments: each returns the value it stands for, or says what is wrong."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

# NumPy's letters for floats, integers, unsigned integers and truth values.
_REAL_KINDS = frozenset("fiub")


def nearest(name: str, names: Sequence[str]) -> str:
    """A question after the name that was probably meant, "" where none is near."""
    by_lower = {n.lower(): n for n in names}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[found[0]]!r}?)" if found else ""


def check_integer(name: str, value: Any, least: int) -> int:
    """A whole number of at least that much, or a ValueError that names it."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}: pass a whole number.") from None
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}: pass a whole number of at least {least}.")
    return number


def number(value: Any, name: str) -> float:
    """A number, from what converts to one."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}: pass a number.") from None


def positive(value: Any, name: str) -> float:
    """A positive, finite number."""
    result = number(value, name)
    if not (np.isfinite(result) and result > 0):
        raise ValueError(f"{name} is {result}: it must be positive.")
    return result


def _check_numbers(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise ValueError(f"{name} is {value}: ask for at least one.")


def holds_real_numbers(values: NDArray[Any]) -> bool:
    """Whether an array's type is one of real numbers, or of truth values."""
    return values.dtype.kind in _REAL_KINDS
