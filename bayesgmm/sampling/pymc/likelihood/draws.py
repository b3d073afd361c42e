"""Rows drawn from Gaussian mixtures: in NumPy, and compiled for a model's own draws."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from pytensor.link.numba.dispatch.basic import numba_njit

from ....utils.types import FloatArray
from .native import native_square_root, square_root_symbol

_DOUBLES = ctypes.POINTER(ctypes.c_double)
_FUNCTION = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5, *[_DOUBLES] * 4)


def draw_rows(
    rng: np.random.Generator,
    w: FloatArray,
    mu: FloatArray,
    roots: FloatArray,
    batch: tuple[int, ...],
) -> FloatArray:
    """Rows (*batch, d), each from a component of its own: mu_k + F_k z, Sigma_k = F_k F_k'.

    w (..., K) and mu (..., K, d) broadcast against the batch; roots are F, (K or 1, d, d).
    """
    component = _components(rng, w, batch)
    rows = rng.standard_normal((*batch, mu.shape[-1]))
    for k in range(mu.shape[-2]):
        mine = component == k
        means = np.broadcast_to(mu[..., k, :], rows.shape)
        rows[mine] = rows[mine] @ roots[k % len(roots)].T + means[mine]
    return rows


def _components(rng: np.random.Generator, w: FloatArray, batch: tuple[int, ...]) -> Any:
    """The number of each row's component."""
    cumulative = np.cumsum(w, axis=-1)
    u = rng.random(batch) * cumulative[..., -1]
    if w.size == w.shape[-1]:
        return np.searchsorted(cumulative.ravel()[:-1], u, side="right")
    return (u[..., None] >= cumulative[..., :-1]).sum(axis=-1)


def square_roots(
    form: int, d: int, covariances: FloatArray, below: FloatArray, root: FloatArray
) -> FloatArray:
    """F (J, d, d) with Sigma = F F' of covariances (J, ...) in one of the `forms`."""
    covariances, below, root = (np.asarray(v, order="C") for v in (covariances, below, root))
    roots = np.empty((len(covariances), d, d))
    call = _FUNCTION(native_square_root().address)
    for j, covariance in enumerate(covariances):
        of_one = below[j] if len(below) else below
        pointers = [a.ctypes.data_as(_DOUBLES) for a in (covariance, of_one, root, roots[j])]
        call(form, d, covariance.size, of_one.size, len(root), *pointers)
    return roots


@numba_njit
def _draw(form, rng, w, mu, covariance, below, root):  # type: ignore[no-untyped-def]
    """One row, mu (K, d)."""
    u = rng.random() * w.sum()
    k = 0
    while k < len(w) - 1 and u >= w[k]:
        u -= w[k]
        k += 1
    d = mu.shape[1]
    block = covariance[k % len(covariance)].copy()
    of_one = below[k % len(covariance)] if len(below) > 0 else below.ravel()
    factor, z = np.empty((d, d)), np.empty(d)
    square_root_symbol(
        form, d, block.size, len(of_one), len(root), block.ctypes, of_one.copy().ctypes,
        root.ravel().ctypes, factor.ctypes,
    )  # fmt: skip
    for j in range(d):
        z[j] = rng.standard_normal()
    x = mu[k].copy()
    for i in range(d):
        for j in range(d):
            x[i] += factor[i, j] * z[j]
    return x


def compiled_draw(form: int, has_root: bool, one_column: bool) -> Any:
    """The function that draws one row, or one number, for a random variable with these inputs."""
    native_square_root()  # registers the symbol

    @numba_njit
    def row_with_root(rng, w, mu, covariance, below, root):  # type: ignore[no-untyped-def]
        return _draw(form, rng, w, mu, covariance, below, root)

    @numba_njit
    def row(rng, w, mu, covariance):  # type: ignore[no-untyped-def]
        nothing = np.empty((0, 0))
        return _draw(form, rng, w, mu, covariance, nothing, nothing)

    @numba_njit
    def number_with_root(rng, w, mu, covariance, below, root):  # type: ignore[no-untyped-def]
        return _draw(form, rng, w, mu.copy().reshape((len(mu), 1)), covariance, below, root)[0]

    @numba_njit
    def number(rng, w, mu, covariance):  # type: ignore[no-untyped-def]
        return row(rng, w, mu.copy().reshape((len(mu), 1)), covariance)[0]

    if one_column:
        return number_with_root if has_root else number
    return row_with_root if has_root else row
