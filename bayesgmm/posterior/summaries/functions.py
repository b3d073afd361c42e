"""The posterior of a function of a mixture's parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ...utils.types import FloatArray
from ...utils.validation import holds_real_numbers


def value_by_draw[T](function: Callable[[T], Any], mixtures: Iterable[T]) -> FloatArray:
    """The function's values (S, ...) for every draw: numbers, all of the same shape."""
    _check_callable(function)
    values: list[FloatArray] = []
    for s, mixture in enumerate(mixtures):
        value = as_numbers(function(mixture), f"draw {s}")
        if values and value.shape != values[0].shape:
            raise ValueError(
                f"the function gave shape {values[0].shape} for draw 0 and {value.shape} for "
                f"draw {s}: return the same shape for every draw."
            )
        values.append(value)
    return np.stack(values)


def value_of_arrays(function: Callable[..., Any], arrays: Sequence[FloatArray]) -> FloatArray:
    """The function's values (S, ...) for the arrays of all draws at once."""
    _check_callable(function)
    value = as_numbers(function(*arrays), "all draws")
    if value.shape[:1] != (len(arrays[0]),):
        raise ValueError(
            f"the function gave shape {value.shape} for {len(arrays[0])} draws: with "
            "vectorized=True its first axis is that of the draws."
        )
    return value


def _check_callable(function: Any) -> None:
    if not callable(function):
        raise TypeError(f"function is {function!r}: pass a function of a mixture.")


def as_numbers(value: Any, where: str) -> FloatArray:
    """What a user's function returned, as a new float64 array."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        array = np.asarray(None)
    if not holds_real_numbers(array):
        raise ValueError(
            f"the function gave {value!r} for {where}: return a number or an array of numbers."
        )
    return np.array(array, dtype=np.float64)


def along_draws(
    values: FloatArray,
    draws: Mapping[str, Any],
    dims: str | Sequence[str] | None,
    coords: Mapping[str, Any],
    name: str,
) -> xr.DataArray:
    """Values (S, ...) over chain, draw and dims; coords are used for the dims that are there."""
    inner = values.shape[1:]
    if dims is None:
        dims = [f"{name}_dim_{i}" for i in range(len(inner))]
    named = (dims,) if isinstance(dims, str) else tuple(dims)
    if len(named) != len(inner):
        raise ValueError(
            f"the function's values have shape {inner}, dims are {list(named)}: name one per axis."
        )
    shape = tuple(len(v) for v in draws.values())
    used = {dim: coords[dim] for dim in named if dim in coords}
    for dim, size in zip(named, inner, strict=True):
        if dim in used and len(used[dim]) != size:
            raise ValueError(
                f"dim {dim!r} has {len(used[dim])} coordinates, the function's values {size} along "
                "it: name another dim, or pass coords for it."
            )
    return xr.DataArray(
        values.reshape(*shape, *inner), dims=(*draws, *named), coords={**draws, **used}, name=name
    )
