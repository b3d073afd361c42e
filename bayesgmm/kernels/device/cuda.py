"""The pass in CUDA, for NVIDIA's GPUs: kernels that go over the rows, and keep no n x K array.

`features.cu` and `per_row.cu` have the quadratic form, `centred.cu` the other one for full
covariances. CuPy compiles each for the sizes it meets, and keeps on disk what it compiled; products
go to the double-precision tensor units. Grids and orders of sums are functions of the problem and
of the kind of GPU: on one kind the same call gives the same bits. What the kernels do not cover is
left to JAX.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.types import FloatArray, IntArray
from ..e_step.quadratic import number_of_features
from .contract import Encoded, Sums
from .rows import DeviceRows, pointer_to

# Tensor units in double precision came with compute capability 8.0.
_CAPABILITY = 80
_MAX_COLUMNS = 64
# Sums that a lane (`per_row.cu`) and a warp (`features.cu`) keep in registers, and so few of a warp
# that three blocks of threads have room on a multiprocessor.
_PER_LANE, _PER_WARP, _OF_THREE = 64, 2304, 1024
# Threads of a block in the quadratic form; rows that a block and a stage of the centred one take,
# its warps, and the components it holds ready. As in the sources.
_THREADS, _ROWS_OF_BLOCK, _STAGE, _WARPS, _BUFFERS = 128, 128, 64, 8, 3
# Padded rows of the features of 32 rows, in the same place.
_STRIDE = 36
# Log joint densities that lie between the kernels of the centred form: 64 MiB.
_AT_ONCE = 2**23
# The constant of a component that only pads the array.
_NOTHING = -1e30
_NULL = np.uintp(0)


def covers(rows: DeviceRows, n_components: int, diagonal: bool, quadratic: bool) -> bool:
    """Whether there is a kernel for rows there, a mixture of that size, and that form."""
    if rows.number < 0 or _capability(rows.number) < _CAPABILITY:
        return False
    d = rows.shape[1]
    if not quadratic:
        return not diagonal and d <= _MAX_COLUMNS
    n_features = number_of_features(d, diagonal)
    if n_components * n_features <= _PER_LANE:
        return True
    return _padded(n_components, 16) * _padded(n_features, 8) <= _PER_WARP


def sums(rows: DeviceRows, mixture: Encoded, weights: FloatArray | None) -> Sums:
    """What a pass adds up over the rows."""
    form = _Quadratic if mixture.quadratic else _Centred
    pass_ = form(rows, mixture)
    with pass_.on_device():
        return pass_.sums(weights)


def evaluate(rows: DeviceRows, mixture: Encoded, log_density: FloatArray, resp: FloatArray) -> None:
    """Write the log density of every row (n,), and the responsibilities (n, K) unless empty."""
    form = _Quadratic if mixture.quadratic else _Centred
    n_components = len(mixture.log_weights)
    size = max(_AT_ONCE // n_components // _STAGE, 1) * _STAGE
    for start in range(0, len(rows), size):
        part = slice(start, min(start + size, len(rows)))
        pass_ = form(rows[part], mixture)
        with pass_.on_device():
            density, shares = pass_.evaluate(bool(resp.size))
            density.get(out=log_density[part])
            if resp.size:
                shares.get(out=resp[part])


def _padded(number: int, to: int) -> int:
    return -(-number // to) * to


@cache
def _capability(device: int) -> int:
    """Compute capability times 10 of a GPU that CuPy sees; 0 without CuPy."""
    if find_spec("cupy") is None:
        return 0
    import cupy

    try:
        return int(cupy.cuda.Device(device).compute_capability)
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


@cache
def _processors(device: int) -> int:
    """Number of multiprocessors of a GPU."""
    import cupy

    return int(cupy.cuda.runtime.getDeviceProperties(device)["multiProcessorCount"])


@cache
def _source(name: str, device: int, **defines: Any) -> Any:
    """A compiled file of this folder."""
    import cupy

    here = Path(__file__).parent
    code = "\n".join((here / part).read_text("utf-8") for part in ("common.cuh", name))
    options = ("-std=c++17", *(f"-D{key}={value}" for key, value in defines.items()))
    with cupy.cuda.Device(device):
        return cupy.RawModule(code=code, options=options)


@cache
def _kernel(name: str, kernel: str, device: int, shared: int, **defines: Any) -> Any:
    """A kernel of a compiled file, that may use so many bytes of shared memory."""
    function = _source(name, device, **defines).get_function(kernel)
    if shared > 48 * 1024:
        function.max_dynamic_shared_size_bytes = shared
    return function


class _Form:
    """A pass over rows on a GPU: what all kernels are given, and how they are called."""

    source: str

    def __init__(self, rows: DeviceRows, mixture: Encoded) -> None:
        import cupy

        self.cupy, self.rows, self.mixture = cupy, rows, mixture
        self.device = rows.number
        self.n, self.d = rows.shape
        self.n_components = len(mixture.log_weights)
        size = rows.dtype.itemsize
        self.x = rows.pointer
        self.defines = {
            "D": self.d,
            "ROW": "double" if size == 8 else "float",
            "COPY": next(b for b in (16, 8, 4) if (self.x | self.d * size) % b == 0),
        }

    def on_device(self) -> Any:
        """Where CuPy is to work."""
        return self.cupy.cuda.Device(self.device)

    def given(self, *arrays: FloatArray) -> Any:
        """The coordinates and the mixture, in one array on the device."""
        mixture = self.mixture
        parts = [mixture.center, mixture.inverse_scale, *(a.ravel() for a in arrays)]
        return self.cupy.asarray(np.concatenate(parts))

    def weights(self, weights: FloatArray | None) -> Any:
        """Where the rows' weights are on the device."""
        if weights is None:
            return _NULL
        return np.uintp(pointer_to(self.rows.weights(weights)))

    def call(
        self, kernel: str, grid: tuple[int, ...], threads: int, shared: int, *args: Any
    ) -> None:
        """Start a kernel on the rows, the first of its arguments."""
        function = _kernel(self.source, kernel, self.device, shared, **self.defines)
        function(grid, (threads,), (np.uintp(self.x), *args), shared_mem=shared)

    def added(self, parts: Any) -> FloatArray:
        """The sum over the first axis, in its order, in the processor's memory."""
        size = int(parts[0].size)
        out = self.cupy.empty(size)
        function = _kernel(self.source, "add_blocks", self.device, 0, **self.defines)
        function((-(-size // 128),), (128,), (parts, np.int32(len(parts)), np.int32(size), out))
        return np.asarray(out.get())


class _Quadratic(_Form):
    """The quadratic form: one kernel for everything."""

    def __init__(self, rows: DeviceRows, mixture: Encoded) -> None:
        super().__init__(rows, mixture)
        k, f = mixture.theta.shape
        self.defines["DIAGONAL"] = int(mixture.diagonal)
        self.per_row = k * f <= _PER_LANE
        self.source = "per_row.cu" if self.per_row else "features.cu"
        self.kernel = "per_row_pass" if self.per_row else "features_pass"
        self.shape = (k, f) if self.per_row else (_padded(k, 16), _padded(f, 8))
        theta = np.zeros(self.shape)
        theta[k:, 0] = _NOTHING
        theta[:k, :f] = mixture.theta
        self.params = self.given(theta)
        self.arguments: tuple[Any, ...] = ()
        processors = _processors(self.device)
        if self.per_row:
            self.defines |= {"K": k, "F": f}
            self.shared = 0
            self.grid = min(4 * processors, -(-self.n // _THREADS))
            return
        size = self.shape[0] * self.shape[1]
        blocks = 3 if size <= _OF_THREE else 2
        self.defines |= {
            "KP": self.shape[0], "HALF": int(self.shape[0] - k >= 8), "F": f, "FP": self.shape[1],
            "MIN_BLOCKS": blocks, "AT_ONCE": 4,
        }  # fmt: skip
        self.shared = 8 * (max(_THREADS // 32 * self.shape[1] * _STRIDE, 2) + size)
        self.arguments = (np.int32(k),)
        self.grid = min(blocks * processors, -(-self.n // _THREADS))

    def _run(self, *args: Any) -> None:
        self.call(
            self.kernel, (self.grid,), _THREADS, self.shared, np.int64(self.n), self.params,
            *self.arguments, *args,
        )  # fmt: skip

    def sums(self, weights: FloatArray | None) -> Sums:
        """Log-likelihood, certainty, and the sums of features (K, F)."""
        k, f = self.mixture.theta.shape
        parts = self.cupy.empty((self.grid, self.shape[0] * self.shape[1] + 2))
        self._run(self.weights(weights), parts, _NULL, _NULL)
        total = self.added(parts)
        return Sums(total[-2], total[-1], (total[:-2].reshape(self.shape)[:k, :f].copy(),))

    def evaluate(self, shares: bool) -> tuple[Any, Any]:
        """Log densities (n,) and responsibilities (n, K), on the device."""
        density = self.cupy.empty(self.n)
        resp = self.cupy.empty((self.n, self.n_components)) if shares else _NULL
        self._run(_NULL, _NULL, density, resp)
        return density, resp


class _Centred(_Form):
    """The centred form: log joint densities of a block of rows, then its moments."""

    source = "centred.cu"

    def __init__(self, rows: DeviceRows, mixture: Encoded) -> None:
        super().__init__(rows, mixture)
        self.padded = d = _padded(self.d, 8)
        tiles = d // 8
        pairs = (tiles + 1) // 2
        self.n_tiles = pairs * (pairs + 1) - tiles % 2
        self.defines["DP"] = d
        of_components = packed(mixture, d)
        self.params = self.given(of_components)
        itemsize = rows.dtype.itemsize
        stride = d + (12 if d % 16 == 8 else 4)
        stages = 2 * _STAGE * (stride + _WARPS) + 3 * _WARPS * _STAGE
        self.shared_joint = 8 * _BUFFERS * of_components.shape[1]
        self.shared_moments = 8 * stages + _STAGE * self.d * itemsize
        at_once = _AT_ONCE // self.n_components // _ROWS_OF_BLOCK
        self.stride = min(max(at_once, 1) * _ROWS_OF_BLOCK, _padded(self.n, _ROWS_OF_BLOCK))
        self.joint = self.cupy.empty((self.n_components, self.stride))
        self.log_sums = self.cupy.empty(self.stride)
        self.totals = self.cupy.empty((self.stride // _ROWS_OF_BLOCK, 2))

    def blocks(self) -> Iterator[tuple[np.int64, np.int64, np.int64]]:
        """The blocks of rows: first, number, and the most there can be."""
        for start in range(0, self.n, self.stride):
            size = min(self.stride, self.n - start)
            yield np.int64(start), np.int64(size), np.int64(self.stride)

    def _log_joint(self, block: tuple[np.int64, ...], weights: Any) -> None:
        grid = -(-int(block[1]) // _ROWS_OF_BLOCK)
        self.call(
            "log_joint", (grid,), 32 * _WARPS, self.shared_joint, *block, self.params,
            np.int32(self.n_components), weights, self.joint, self.log_sums, self.totals,
            np.int32(block[0] > 0),
        )  # fmt: skip

    def sums(self, weights: FloatArray | None) -> Sums:
        """Log-likelihood, certainty, counts (K,), first (K, d) and second (K, d, d) moments."""
        groups = -(-self.n_components // _WARPS)
        n_parts = max(1, min(_processors(self.device) // groups, -(-self.stride // _STAGE)))
        size = self.n_tiles * 128 + self.padded + 2
        parts = self.cupy.empty((n_parts, self.n_components, size))
        on_device = self.weights(weights)
        for block in self.blocks():
            self._log_joint(block, on_device)
            self.call(
                "moments", (groups, n_parts), 32 * _WARPS, self.shared_moments, *block, self.params,
                np.int32(self.n_components), on_device, self.joint, self.log_sums, parts,
                np.int32(block[0] > 0),
            )  # fmt: skip
        loglik, certainty = self.added(self.totals)
        total = self.added(parts).reshape(self.n_components, size)
        moments = unpacked(total, self.mixture.means, self.padded)
        return Sums(loglik, certainty, moments)

    def evaluate(self, shares: bool) -> tuple[Any, Any]:
        """Log densities (n,) and responsibilities (n, K), on the device, of one block of rows."""
        (block,) = self.blocks()
        self._log_joint(block, _NULL)
        if not shares:
            return self.log_sums[: self.n], _NULL
        resp = self.cupy.empty((self.n, self.n_components))
        function = _kernel(self.source, "responsibilities", self.device, 0, **self.defines)
        function(
            (-(-resp.size // 256),), (256,),
            (self.joint, self.log_sums, *block[1:], np.int32(self.n_components), resp),
        )  # fmt: skip
        return self.log_sums[: self.n], resp


def packed(mixture: Encoded, d: int) -> FloatArray:
    """Of each component what `log_joint` reads, its columns padded to d (a multiple of 8).

    The tiles (j, p), p <= j, of its factor G, in the order in which the lanes of a product read
    them; its mean m and G m; the constant of its log density.
    """
    n_components, own = mixture.means.shape
    factors, means = np.zeros((n_components, d, d)), np.zeros((n_components, d))
    factors[:, :own, :own], means[:, :own] = mixture.factors, mixture.means
    tiles = factors.reshape(n_components, -1)[:, _places_of_factor(d)]
    shift = (factors @ means[:, :, None])[:, :, 0]
    constants = np.column_stack([mixture.constants, np.zeros(n_components)])
    return np.concatenate([tiles, means, shift, constants], axis=1)


@cache
def _places_of_factor(d: int) -> IntArray:
    """Where the numbers of the tiles are in a factor (d, d) as one row."""
    lane = np.arange(32)[:, None]
    places = [
        (8 * j + lane // 4) * d + 8 * p + lane % 4 + [0, 4]
        for j in range(d // 8)
        for p in range(j + 1)
    ]
    return np.concatenate(places).ravel().astype(np.intp)


def unpacked(
    total: FloatArray, means: FloatArray, d: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Counts, first and second moments about the means, from what `moments` wrote."""
    own = means.shape[1]
    places, size = _places_of_moments(d, own)
    counts = total[:, size + d].copy()
    first = total[:, size : size + own] - counts[:, None] * means
    return counts, first, total[:, places].reshape(-1, own, own)


@cache
def _places_of_moments(d: int, own: int) -> tuple[IntArray, int]:
    """Where second moments (own, own) are in the tiles of padded ones, and the tiles' size."""
    lane, place = np.arange(32), np.zeros((d + 8, d), dtype=np.intp)
    number = 0
    for i in range(-(-d // 16)):
        for j in range(min(2 * i + 2, d // 8)):
            for part in range(4):
                row, column = (
                    16 * i + lane // 4 + 8 * (part // 2),
                    8 * j + 2 * (lane % 4) + part % 2,
                )
                place[row, column] = number + 32 * part + lane
            number += 128
    row, column = np.indices((own, own))
    return place[np.maximum(row, column), np.minimum(row, column)].ravel(), number
