"""The pass in JAX: both its forms, for rows on any device that JAX computes on.

Rows are read a block at a time, so that nothing of size n x K is kept. All arithmetic is in double
precision, whatever the rows' type and JAX's own setting. Blocks are added in their order; within
one the order is XLA's, the same each time on the same device and version.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...utils.types import FloatArray
from .contract import Encoded, Sums
from .rows import DeviceRows

# Numbers that are made of a block at a time: 32 MiB, which a processor's cache may hold; of what
# works on more at once 256 MiB.
_AT_ONCE, _MORE_AT_ONCE = 2**22, 2**25


def sums(rows: DeviceRows, mixture: Encoded, weights: FloatArray | None) -> Sums:
    """What a pass adds up over the rows."""
    with jax.enable_x64(True):
        total = _sums(
            rows.array, rows.start, _arrays(mixture),
            None if weights is None else rows.weights(weights),
            n=len(rows), block=_block(rows, mixture), diagonal=mixture.diagonal,
        )  # fmt: skip
        loglik, certainty, *of_components = jax.device_get(total)
    return Sums(float(loglik), float(certainty), tuple(np.array(part) for part in of_components))


def evaluate(rows: DeviceRows, mixture: Encoded, log_density: FloatArray, resp: FloatArray) -> None:
    """Write the log density of every row (n,), and the responsibilities (n, K) unless empty."""
    block = _block(rows, mixture)
    with jax.enable_x64(True):
        for start in range(0, len(rows), block):
            size = min(block, len(rows) - start)
            density, shares = _evaluate(
                rows.array,
                rows.start + start,
                _arrays(mixture),
                size=size,
                diagonal=mixture.diagonal,
            )
            log_density[start : start + size] = density
            if resp.size:
                resp[start : start + size] = shares


def squared_lengths(delta: Any, factors: Any) -> Any:
    """|G_k delta_ik|^2 of deviations (m, K, d) and factors G (K, d, d); (m, K)."""
    return jnp.sum(jnp.einsum("mkd,ked->mke", delta, factors) ** 2, axis=2)


def log_sum(joint: Any) -> tuple[Any, Any]:
    """Logarithms of sums of exponentials (m,), and the terms' shares (m, K)."""
    peak = joint.max(axis=1, keepdims=True)
    terms = jnp.exp(joint - peak)
    total = terms.sum(axis=1, keepdims=True)
    return (peak + jnp.log(total))[:, 0], terms / total


def _arrays(mixture: Encoded) -> Any:
    """The mixture without what XLA is to know when it compiles."""
    return Encoded(*mixture[:-1], diagonal=None)  # type: ignore[arg-type]


def _block(rows: DeviceRows, mixture: Encoded) -> int:
    k, d = mixture.means.shape
    numbers = mixture.theta.shape[1] + k if mixture.quadratic else 2 * k * d
    most = _AT_ONCE if rows.device.platform == "cpu" else _MORE_AT_ONCE
    return max(1, min(len(rows), most // numbers))


@partial(jax.jit, static_argnames=("n", "block", "diagonal"))
def _sums(
    values: Any, first: Any, mixture: Encoded, weights: Any, *, n: int, block: int, diagonal: bool
) -> tuple[Any, ...]:
    k, d = mixture.means.shape
    shapes: tuple[tuple[int, ...], ...] = ((k,), (k, d), (k, 1, d) if diagonal else (k, d, d))
    if mixture.theta.size:
        shapes = (mixture.theta.shape,)

    def add(at: Any, total: tuple[Any, ...], size: int) -> tuple[Any, ...]:
        seen, joint = _see(values, first + at, size, mixture, diagonal)
        of_rows, resp = log_sum(joint)
        certainty = jnp.log(resp.max(axis=1))
        if weights is not None:
            w = jax.lax.dynamic_slice_in_dim(weights, at, size)
            of_rows, certainty, resp = w * of_rows, w * certainty, w[:, None] * resp
        moments = (resp.T @ seen,) if mixture.theta.size else _moments(resp, seen, diagonal)
        new = of_rows.sum(), certainty.sum(), *moments
        return tuple(a + b for a, b in zip(total, new, strict=True))

    total = tuple(jnp.zeros(shape) for shape in ((), (), *shapes))
    whole = n // block
    total = jax.lax.fori_loop(0, whole, lambda b, total: add(b * block, total, block), total)
    return add(whole * block, total, n % block) if n % block else total


@partial(jax.jit, static_argnames=("size", "diagonal"))
def _evaluate(
    values: Any, first: Any, mixture: Encoded, *, size: int, diagonal: bool
) -> tuple[Any, Any]:
    return log_sum(_see(values, first, size, mixture, diagonal)[1])


def _see(values: Any, first: Any, size: int, mixture: Encoded, diagonal: bool) -> tuple[Any, Any]:
    """Features (m, F) or deviations (m, K, d) of rows, and their log joint densities (m, K)."""
    x = jax.lax.dynamic_slice_in_dim(values, first, size)
    z = (x.astype(jnp.float64) - mixture.center) * mixture.inverse_scale
    if mixture.theta.size:
        phi = _features(z, diagonal)
        return phi, phi @ mixture.theta.T
    delta = z[:, None, :] - mixture.means
    if diagonal:
        squares = jnp.sum((delta * mixture.factors[:, 0]) ** 2, axis=2)
    else:
        squares = squared_lengths(delta, mixture.factors)
    return delta, mixture.constants - 0.5 * squares


def _features(z: Any, diagonal: bool) -> Any:
    """Quadratic features (m, F) of rows z (m, d), in the order of `quadratic.features`."""
    i, j = np.diag_indices(z.shape[1]) if diagonal else np.triu_indices(z.shape[1])
    return jnp.concatenate([jnp.ones((len(z), 1)), z, z[:, i] * z[:, j]], axis=1)


def _moments(resp: Any, delta: Any, diagonal: bool) -> tuple[Any, Any, Any]:
    """Counts (K,), first (K, d) and second moments about the means."""
    weighted = resp[:, :, None] * delta
    if diagonal:
        second = jnp.sum(weighted * delta, axis=0)[:, None, :]
    else:
        second = jnp.einsum("mkd,mke->kde", weighted, delta)
    return resp.sum(axis=0), weighted.sum(axis=0), second
