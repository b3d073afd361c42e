"""Tiles of matrix products that stay in the processor's registers, written in vectors of LLVM.

A tile is what the inner loop of a matrix product leaves: some rows times some columns of the
result, each number or vector of them in a register of its own while the loop runs over what is
summed. LLVM does not find this shape in plain loops (it vectorises them, and then reads operands
from the cache twice as often as it multiplies), so it is spelled out here, once for either product
of the pass. The tiles are as fast as BLAS (`benchmarks/kernel_forms.py`) and, unlike it, bring no
thread pool along and give the same bits whoever computes them.

Arrays are C-contiguous float64. Rows are padded to a multiple of `LANES` numbers.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compilation import LANES

# Numbers in a vector register; where they are narrower LLVM splits a vector into several.
_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
_WIDTH = 8 if _WIDE else 4
_VECTOR = ir.VectorType(ir.DoubleType(), _WIDTH)
_ZERO = ir.Constant(_VECTOR, [0.0] * _WIDTH)
_INT, _INT32 = ir.IntType(64), ir.IntType(32)

# Rows of the larger tile of `columns_of_product`: as many registers as it needs are there.
TALL = 8 if _WIDE else 4


class _Matrix:
    """Addresses in a C-contiguous matrix."""

    def __init__(self, context: Any, builder: Any, type_: Any, value: Any) -> None:
        array = context.make_array(type_)(context, builder, value)
        self.builder = builder
        self.data = array.data
        self.row = builder.extract_value(array.shape, 1)

    def at(self, i: Any, j: Any, di: int = 0, dj: int = 0) -> Any:
        """Address of element (i + di, j + dj)."""
        b = self.builder
        i, j = b.add(i, _INT(di)), b.add(j, _INT(dj))
        return b.gep(self.data, [b.add(b.mul(i, self.row), j)])

    def load(self, i: Any, j: Any, di: int = 0, dj: int = 0, type_: Any = _VECTOR) -> Any:
        """The vector that begins there."""
        pointer = self.builder.bitcast(self.at(i, j, di, dj), type_.as_pointer())
        return self.builder.load(pointer, align=8)

    def store(self, value: Any, i: Any, j: Any, di: int = 0, dj: int = 0) -> None:
        """Write the vector that begins there."""
        pointer = self.builder.bitcast(self.at(i, j, di, dj), value.type.as_pointer())
        self.builder.store(value, pointer, align=8)


def _matrices(context: Any, builder: Any, signature: Any, args: Any) -> list[_Matrix]:
    """The first three arguments of a tile."""
    return [_Matrix(context, builder, signature.args[i], args[i]) for i in range(3)]


def _shuffle(builder: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes)
    return builder.shuffle_vector(x, y, mask)


def _everywhere(builder: Any, x: Any) -> Any:
    """The vector of which every number is x."""
    first = builder.insert_element(_ZERO, x, _INT32(0))
    return _shuffle(builder, first, first, [0] * _WIDTH)


def _multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """Give x * y + z, rounded once where the processor can."""
    return builder.fadd(z, builder.fmul(x, y, flags=("contract",)), flags=("contract",))


def _sums(builder: Any, vectors: list[Any]) -> Any:
    """Sums over the numbers of each vector, as one vector of them (their number a power of 2)."""
    n_sums = len(vectors)
    while len(vectors) > 1 or vectors[0].type.count > n_sums:
        alone = len(vectors) == 1
        pairs = [vectors * 2] if alone else list(zip(vectors[::2], vectors[1::2], strict=True))
        lanes = list(range(vectors[0].type.count * (1 if alone else 2)))
        vectors = [
            builder.fadd(_shuffle(builder, x, y, lanes[::2]), _shuffle(builder, x, y, lanes[1::2]))
            for x, y in pairs
        ]
    return vectors[0]


def _accumulators(builder: Any, n: int) -> list[Any]:
    """Variables that LLVM keeps in registers, at 0."""
    found = [cgutils.alloca_once(builder, _VECTOR) for _ in range(n)]
    for variable in found:
        builder.store(_ZERO, variable)
    return found


def columns_of_product(n_rows: int, squared: bool = False) -> Any:
    """A tile of n_rows by LANES: out[i:, r:] = a[i:, :q] @ b[:q, r:], as tile(a, b, out, i, r, q).

    The columns of b and out lie in the vectors, the numbers of a are broadcast. If squared, the
    sums over the tile's rows of the squares are added to out[0, r:] instead.
    """
    n_vectors = LANES // _WIDTH

    @intrinsic
    def tile(typing, a, b, out, i, r, q):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            x, y, z = _matrices(context, builder, signature, args)
            i, r, q = args[3:]
            held = _accumulators(builder, n_rows * n_vectors)
            with cgutils.for_range(builder, q) as loop:
                row = [y.load(loop.index, r, dj=v * _WIDTH) for v in range(n_vectors)]
                for c in range(n_rows):
                    factor = _everywhere(builder, builder.load(x.at(i, loop.index, c)))
                    for v in range(n_vectors):
                        at = held[c * n_vectors + v]
                        value = _multiply_add(builder, factor, row[v], builder.load(at))
                        builder.store(value, at)
            for v in range(n_vectors):
                values = [builder.load(at) for at in held[v::n_vectors]]
                if not squared:
                    for c, value in enumerate(values):
                        z.store(value, i, r, c, v * _WIDTH)
                    continue
                total = z.load(_INT(0), r, dj=v * _WIDTH)
                for value in values:
                    total = _multiply_add(builder, value, value, total)
                z.store(total, _INT(0), r, dj=v * _WIDTH)
            return context.get_dummy_value()

        return types.void(a, b, out, types.int64, types.int64, types.int64), generate

    return tile


def products_of_rows(n_rows: int, n_columns: int) -> Any:
    """A tile of n_rows by n_columns: out[i:, j:] += a[i:, :m] @ b[j:, :m]'.

    It is called as tile(a, b, out, i, j, m). What is summed over lies in the vectors; m is a
    multiple of 8. n_columns is 1 or 4.
    """

    @intrinsic
    def tile(typing, a, b, out, i, j, m):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            x, y, z = _matrices(context, builder, signature, args)
            i, j, m = args[3:]
            held = _accumulators(builder, n_rows * n_columns)
            with cgutils.for_range(builder, builder.udiv(m, _INT(_WIDTH))) as loop:
                r = builder.mul(loop.index, _INT(_WIDTH))
                others = [y.load(j, r, di=v) for v in range(n_columns)]
                for c in range(n_rows):
                    row = x.load(i, r, di=c)
                    for v in range(n_columns):
                        at = held[c * n_columns + v]
                        builder.store(_multiply_add(builder, row, others[v], builder.load(at)), at)
            for c in range(n_rows):
                mine = held[c * n_columns : (c + 1) * n_columns]
                sums = _sums(builder, [builder.load(at) for at in mine])
                before = z.load(i, j, di=c, type_=sums.type)
                z.store(builder.fadd(before, sums), i, j, di=c)
            return context.get_dummy_value()

        return types.void(a, b, out, types.int64, types.int64, types.int64), generate

    return tile
