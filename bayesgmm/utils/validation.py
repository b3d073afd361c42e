"""Checks of single arguments: each returns the value it stands for, or says what is wrong.

One set for the whole library. A number comes out as Python's own, so that nothing further in
depends on the type it came in.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .types import FloatArray

type Seed = int | np.random.Generator | np.random.SeedSequence | None

# NumPy's letters for floats, integers, unsigned integers and truth values.
_REAL_KINDS = frozenset("fiub")
#: Most iterations, starts or replicates that may be asked for.
MOST_STEPS = 10_000_000
#: Most numbers of a result: 16 GiB.
MOST_NUMBERS = 2**31


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """The hint " (did you mean ...?)" with the name nearest to a mistyped one, "" if none is."""
    by_lower = {n.lower(): n for n in names}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[found[0]]!r}?)" if found else ""


def check_integer(
    name: str, value: Any, least: int, most: int | None = None, because: str = ""
) -> int:
    """A whole number of at least that much, or a ValueError that names it.

    most, if there is one, is the largest that makes sense, and `because` says why.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {_shown(value)}: pass a whole number.") from None
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} is {_shown(value)}: pass a whole number of at least {least}.")
    if most is not None and number > most:
        raise ValueError(f"{name} is {_shown(value)}: pass at most {most}{because}.")
    return number


def check_size(name: str, value: Any, numbers_each: int, least: int = 1) -> int:
    """A whole number of things of `numbers_each` numbers each, which memory can hold."""
    most = max(least, MOST_NUMBERS // max(numbers_each, 1))
    return check_integer(name, value, least, most, ", what 16 GiB of memory hold")


def number(value: Any, name: str) -> float:
    """A float, from anything that is a number: not text, a truth value or an array."""
    try:
        if isinstance(value, str | bytes | bool | np.bool | np.datetime64 | np.timedelta64):
            raise TypeError
        if np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {_shown(value)}: pass a number.") from None


def positive(value: Any, name: str) -> float:
    """A positive, finite number."""
    result = number(value, name)
    if not (math.isfinite(result) and result > 0):
        raise ValueError(f"{name} is {result}: it must be positive.")
    return result


def check_at_least(name: str, value: Any, least: float) -> float:
    """A finite number of at least that much."""
    result = number(value, name)
    if not (math.isfinite(result) and result >= least):
        raise ValueError(f"{name} is {_shown(value)}: pass a number of at least {least:g}.")
    return result


def check_probability(name: str, value: Any) -> float:
    """A number strictly between 0 and 1."""
    result = number(value, name)
    if not 0 < result < 1:
        raise ValueError(f"{name} is {_shown(value)}: pass a probability between 0 and 1.")
    return result


def tail_probabilities(ci_prob: float) -> tuple[float, float]:
    """The two probabilities whose quantiles are the ends of an equal-tailed interval."""
    ci_prob = check_probability("ci_prob", ci_prob)
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


def check_seed(value: Any, name: str = "random_seed") -> Seed:
    """A seed that NumPy's random generators accept.

    Raises
    ------
    ValueError
        A negative whole number.
    TypeError
        Something else.
    """
    if value is None or isinstance(value, np.random.Generator | np.random.SeedSequence):
        return value
    return whole_seed(value, name, ", a numpy Generator or SeedSequence")


def whole_seed(value: Any, name: str = "random_seed", others: str = "") -> int | None:
    """A whole number of at least 0, or None, for code that takes no other kind of seed."""
    if value is None:
        return None
    wanted = f"pass a whole number of at least 0{others}, or None"
    try:
        seed = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {_shown(value)}: {wanted}.") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: {wanted}.")
    if seed < 0:
        raise ValueError(f"{name} is {_shown(value)}: {wanted}.")
    return seed


def random_stream(value: Any) -> np.random.Generator:
    """The random generator of a seed; a Generator is returned as it is."""
    return np.random.default_rng(check_seed(value))


def check_choice[T](name: str, value: Any, choices: Iterable[T]) -> T:
    """One of the names that there are, or a ValueError that names them all."""
    known = list(choices)
    for choice in known:
        if isinstance(value, str) and value == choice:
            return choice
    hint = did_you_mean(value, [str(c) for c in known]) if isinstance(value, str) else ""
    raise ValueError(
        f"{name} is {_shown(value)}{hint}: choose among {', '.join(map(repr, known))}."
    )


def real_array(value: Any, name: str) -> FloatArray:
    """A new float64 array of any shape; text, dates, complex and masked numbers are refused."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked values: pass numbers, none missing.")
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = np.array([number(v, name) for v in array.ravel()]).reshape(array.shape)
    except (TypeError, ValueError):
        array = np.asarray("")
    if array.size and (not holds_real_numbers(array) or array.dtype == bool):
        raise ValueError(f"{name} is {_shown(value)}: pass numbers.")
    return np.array(array, dtype=np.float64, order="C")


def one_per_column(names: Any, d: int, what: str) -> tuple[str, ...]:
    """The names of d columns as str, all different."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{what} is {_shown(names)}: pass a sequence of one name per column.")
    found = tuple(str(name) for name in names)
    if len(found) != d:
        raise ValueError(f"{what} are {_shown(list(found))}: pass one for each of {d} columns.")
    if trouble := unusable_names(found):
        raise ValueError(trouble)
    return found


def unusable_names(names: Sequence[str]) -> str:
    """What is wrong with names of columns and what to do, "" if they can be used."""
    if len(set(names)) != len(names):
        twice = next(c for c in names if list(names).count(c) > 1)
        return f"two columns are named {twice!r}: rename one."
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:  # cannot be written to files, plots or tables
            return f"the column name {name!r} holds half of a character: rename it."
    return ""


def check_path(value: Any) -> Path:
    """The name of a file."""
    if isinstance(value, str | PathLike):
        return Path(value)
    raise TypeError(f"path is {_shown(value)}: pass the name of a file, a text or a Path.")


def holds_real_numbers(values: NDArray[Any]) -> bool:
    """Whether an array's type is one of real numbers, or of truth values."""
    return values.dtype.kind in _REAL_KINDS


def _shown(value: Any) -> str:
    """The value, cut short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
