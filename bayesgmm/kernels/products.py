"""The two matrix products of the pass, over blocks of rows, made of tiles that fit in registers.

Every array is "component (or feature) by row of the block". The rows of a block are padded to a
multiple of LANES: products are computed for the padding too, so what stands there must be finite,
and 0 in one of the factors of a sum over rows.
"""

from __future__ import annotations

from .compilation import LANES, inlined, jit
from .tiles import TALL, columns_of_product, products_of_rows

_columns_tall = columns_of_product(TALL)
_columns_4 = columns_of_product(4)
_columns_2 = columns_of_product(2)
_columns_1 = columns_of_product(1)
_squares_tall = columns_of_product(TALL, squared=True)
_squares_4 = columns_of_product(4, squared=True)
_squares_1 = columns_of_product(1, squared=True)
_rows_4x4 = products_of_rows(4, 4)
_rows_4x1 = products_of_rows(4, 1)
_rows_1x4 = products_of_rows(1, 4)
_rows_1x1 = products_of_rows(1, 1)
# Columns of b that a sweep of a meets: they stay in the cache meanwhile.
_PANEL = 64


@inlined
def padded(m):  # type: ignore[no-untyped-def]
    """The number of rows of a block of m, with its padding."""
    return (m + LANES - 1) // LANES * LANES


@jit()
def clear_padding(a, m):  # type: ignore[no-untyped-def]
    """Set the padding after the m rows of the block to 0."""
    for i in range(a.shape[0]):
        for r in range(m, padded(m)):
            a[i, r] = 0.0


@jit()
def product(a, b, m, out):  # type: ignore[no-untyped-def]
    """Write out[:, :m] = a @ b[:, :m] for a (p, q), b (q, at least m)."""
    p, q = a.shape
    wide = padded(m)
    i = 0
    while i + TALL <= p:
        for r in range(0, wide, LANES):
            _columns_tall(a, b, out, i, r, q)
        i += TALL
    while i + 4 <= p:
        for r in range(0, wide, LANES):
            _columns_4(a, b, out, i, r, q)
        i += 4
    if i + 2 <= p:
        for r in range(0, wide, LANES):
            _columns_2(a, b, out, i, r, q)
        i += 2
    if i < p:
        for r in range(0, wide, LANES):
            _columns_1(a, b, out, i, r, q)


@jit()
def add_outer_product(a, b, m, out):  # type: ignore[no-untyped-def]
    """Add a[:, :m] @ b[:, :m].T to out (p, q), for a (p, at least m), b (q, at least m)."""
    p, q = out.shape
    wide = padded(m)
    for start in range(0, q, _PANEL):
        stop = min(start + _PANEL, q)
        i = 0
        while i + 4 <= p:
            j = start
            while j + 4 <= stop:
                _rows_4x4(a, b, out, i, j, wide)
                j += 4
            while j < stop:
                _rows_4x1(a, b, out, i, j, wide)
                j += 1
            i += 4
        while i < p:
            j = start
            while j + 4 <= stop:
                _rows_1x4(a, b, out, i, j, wide)
                j += 4
            while j < stop:
                _rows_1x1(a, b, out, i, j, wide)
                j += 1
            i += 1


@jit()
def add_squared_lengths(a, lower, b, m, out):  # type: ignore[no-untyped-def]
    """Add the squared lengths of the columns of a @ b[:, :m] to out (1, at least m).

    a is (p, p), with zeros above its diagonal if it is lower; b is (p, at least m).
    """
    p = a.shape[0]
    wide = padded(m)
    i = 0
    while i + TALL <= p:
        for r in range(0, wide, LANES):
            _squares_tall(a, b, out, i, r, i + TALL if lower else p)
        i += TALL
    if i + 4 <= p:
        for r in range(0, wide, LANES):
            _squares_4(a, b, out, i, r, i + 4 if lower else p)
        i += 4
    while i < p:
        for r in range(0, wide, LANES):
            _squares_1(a, b, out, i, r, i + 1 if lower else p)
        i += 1


@jit()
def add_symmetric_product(a, b, m, out):  # type: ignore[no-untyped-def]
    """`add_outer_product` where the result is symmetric: only what is on and below the diagonal.

    Some of what is above it is added as well: nothing there is to be used.
    """
    p = out.shape[0]
    wide = padded(m)
    whole = p // 4 * 4
    for start in range(0, whole, _PANEL):
        for i in range(start, whole, 4):
            for j in range(start, min(start + _PANEL, i + 4), 4):
                _rows_4x4(a, b, out, i, j, wide)
    for i in range(whole, p):
        for j in range(0, whole, 4):
            _rows_1x4(a, b, out, i, j, wide)
        for j in range(whole, i + 1):
            _rows_1x1(a, b, out, i, j, wide)
