"""Range, mean, spread and fingerprint of columns on a device."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...utils.pseudo_random import pseudo_random
from ...utils.types import FloatArray
from .rows import DeviceRows

# Rows summed at a time: no more of them are copied to double precision.
_BLOCK = 2**20


class Summary(NamedTuple):
    """Range, mean, standard deviation and number of non-finite values of each column, (d,)."""

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    sd: FloatArray
    bad: FloatArray


def column_summary(rows: DeviceRows, weights: FloatArray | None) -> Summary:
    """The summary of the columns of rows (n, d) with weights (n,).

    A row of weight 0 counts only among values that are not finite.
    """
    n = len(rows)
    with jax.enable_x64(True):
        share = None if weights is None else rows.weights(weights) / weights.sum()
        at = 0 if weights is None else int(np.argmax(weights))
        shift = rows.array[rows.start + at].astype(jnp.float64)
        d = len(shift)
        low, high, mean, bad = jnp.full(d, jnp.inf), jnp.full(d, -jnp.inf), shift, jnp.zeros(d)
        for part in _parts(n):
            some = _first(
                rows.array, share, rows.start + part.start, part.start, shift, n, _size(part)
            )
            low, high = jnp.minimum(low, some[0]), jnp.maximum(high, some[1])
            mean, bad = mean + some[2], bad + some[3]
        squares, rest = jnp.zeros(d), jnp.zeros(d)
        for part in _parts(n):
            some = _second(
                rows.array, share, rows.start + part.start, part.start, mean, n, _size(part)
            )
            squares, rest = squares + some[0], rest + some[1]
        sd = jnp.sqrt(jnp.maximum(squares - rest**2, 0.0))
        return Summary(*(np.array(v) for v in jax.device_get((low, high, mean, sd, bad))))


def projections(
    rows: DeviceRows,
    weights: FloatArray | None,
    low: FloatArray,
    direction: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """The sums (d,) and (d + 2,) of a fingerprint over all rows (`data/same_data.py`)."""
    n, d = rows.shape
    total = float(n) if weights is None else float(weights.sum())
    with jax.enable_x64(True):
        share = None if weights is None else rows.weights(weights) * (n / total)
        mean, out = jnp.zeros(d), jnp.zeros(d + 2)
        for part in _parts(n):
            some = _project(
                rows.array, share, rows.start + part.start, part.start, low, direction, _size(part)
            )
            mean, out = mean + some[0], out + some[1]
        return np.array(mean), np.array(out)


def _parts(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]


def _size(part: slice) -> int:
    return int(part.stop - part.start)


def _of(values: Any, first: Any, size: int) -> Any:
    return jax.lax.dynamic_slice_in_dim(values, first, size).astype(jnp.float64)


def _shares(share: Any, at: Any, size: int, otherwise: float) -> Any:
    if share is None:
        return jnp.full(size, otherwise)
    return jax.lax.dynamic_slice_in_dim(share, at, size)


@partial(jax.jit, static_argnums=6)
def _first(values: Any, share: Any, first: Any, at: Any, shift: Any, n: Any, size: int) -> Any:
    x, s = _of(values, first, size), _shares(share, at, size, 1.0)
    used = (s > 0)[:, None]
    s = s if share is not None else s / n
    return (
        jnp.where(used, x, jnp.inf).min(axis=0),
        jnp.where(used, x, -jnp.inf).max(axis=0),
        s @ jnp.where(used, x - shift, 0.0),
        jnp.sum(~jnp.isfinite(x), axis=0),
    )


@partial(jax.jit, static_argnums=6)
def _second(values: Any, share: Any, first: Any, at: Any, mean: Any, n: Any, size: int) -> Any:
    x, s = _of(values, first, size), _shares(share, at, size, 1.0)
    delta = jnp.where((s > 0)[:, None], x - mean, 0.0)
    s = s if share is not None else s / n
    return s @ delta**2, s @ delta


@partial(jax.jit, static_argnums=6)
def _project(
    values: Any, share: Any, first: Any, at: Any, low: Any, direction: Any, size: int
) -> tuple[Any, Any]:
    x, s = _of(values, first, size) - low, _shares(share, at, size, 1.0)
    signs = pseudo_random((jnp.arange(1, size + 1) + at).astype(jnp.uint64))
    waves = s @ jnp.sin(x @ direction)
    return s @ x, jnp.concatenate([signs @ x, jnp.stack([signs @ s, waves])])
