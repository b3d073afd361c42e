"""Rows on a device: in the memory of a GPU, or on any other device of JAX.

They are passed as a JAX array, or as an array of a library with the DLPack protocol (CuPy,
PyTorch), and stay where they are. JAX is imported when there are such rows, never before.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DataError
from ...utils.types import FloatArray

# DLPack's codes of memory that the processor reads: its own, and that pinned by CUDA and ROCm.
_OF_PROCESSOR = (1, 3, 11)


class DeviceRows:
    """An array (n, d) on a device, or a stretch of its rows; nothing is copied to make one.

    It has the part of a NumPy array's interface that is used for rows: shape, dtype, slices, and
    `np.asarray`, which copies the rows to the processor.
    """

    ndim = 2

    def __init__(self, array: Any) -> None:
        self.array = array
        self.start, self.stop = 0, int(array.shape[0])
        self.device = next(iter(array.devices()))
        # A GPU's number and where the array lies there, or -1: JAX is slow to say so.
        on_gpu = self.device.platform == "gpu"
        self.number = int(self.device.local_hardware_id) if on_gpu else -1
        self._address = pointer_to(array) if on_gpu else 0
        self._weights: tuple[FloatArray, Any] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.stop - self.start, int(self.array.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers: float64 or float32."""
        return np.dtype(self.array.dtype)

    @property
    def pointer(self) -> int:
        """Where the rows begin in a GPU's memory."""
        return self._address + self.start * self.shape[1] * self.dtype.itemsize

    def __len__(self) -> int:
        """Number of rows."""
        return self.stop - self.start

    def __repr__(self) -> str:
        """Shape, type and place."""
        n, d = self.shape
        return f"<DeviceRows {n} x {d}, {self.dtype}, on {self.device}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied by way of the processor; back on a device of the same platform."""
        return _on_platform, (np.asarray(self), self.device.platform)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The rows in the processor's memory."""
        if copy is False:
            raise ValueError(
                "rows on a device cannot be read in place: np.asarray(rows) copies them."
            )
        return np.asarray(self.whole(), dtype=dtype)

    def __getitem__(self, index: Any) -> DeviceRows:
        """Some of the rows: a stretch is a view, others are gathered on the device.

        rows[:, columns] has all rows of some columns.
        """
        if isinstance(index, tuple):
            rows, columns = index
            if not isinstance(columns, slice):
                columns = np.asarray(columns)
            return DeviceRows(self[rows].whole()[:, columns])
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self._stretch(start, max(start, stop))
            index = np.arange(start, stop, step)
        index = np.asarray(index)
        if index.dtype == bool:
            index = np.flatnonzero(index)
        return DeviceRows(self.array[index + self.start])

    def _stretch(self, start: int, stop: int) -> DeviceRows:
        part = object.__new__(DeviceRows)  # a copy would go by way of the processor
        part.__dict__.update(self.__dict__, _weights=None)
        part.start, part.stop = self.start + start, self.start + stop
        return part

    def whole(self) -> Any:
        """The rows as an array of JAX's of their own."""
        everything = self.start == 0 and self.stop == len(self.array)
        return self.array if everything else self.array[self.start : self.stop]

    def weights(self, weights: FloatArray) -> Any:
        """Row weights (n,) on the device; the last ones asked for are kept there."""
        import jax

        if self._weights is None or self._weights[0] is not weights:
            with jax.enable_x64(True):
                self._weights = weights, jax.device_put(weights, self.device)
        return self._weights[1]


def is_on_device(x: Any) -> bool:
    """Whether this is an array in the memory of a device that the processor does not read.

    `DeviceRows` are, wherever they are.
    """
    if isinstance(x, DeviceRows):
        return True
    if "jaxlib" in sys.modules and isinstance(x, _jax().Array):  # else there can be no such array
        return all(device.platform != "cpu" for device in x.devices())
    where = getattr(x, "__dlpack_device__", None)
    return where is not None and not isinstance(x, np.ndarray) and where()[0] not in _OF_PROCESSOR


def device_rows(x: Any) -> DeviceRows:
    """Rows (n, d) or one column (n,) on a device, where they are.

    Raises
    ------
    DataError
        Complex numbers, other than one or two dimensions, an array spread over several devices.
    ImportError
        JAX is not installed.
    """
    if isinstance(x, DeviceRows):
        return x
    jax = _jax()
    import jax.numpy as jnp

    with jax.enable_x64(True):
        array = x if isinstance(x, jax.Array) else jnp.from_dlpack(_detached(x))
        if len(array.devices()) > 1:
            raise DataError(
                f"the rows are spread over {len(array.devices())} devices: bring them to one "
                "(jax.device_put(X, jax.devices()[0]))."
            )
        if jnp.issubdtype(array.dtype, jnp.complexfloating):
            raise DataError(
                "the data are complex numbers: pass real and imaginary part as columns."
            )
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise DataError(
                f"the data are of {array.ndim} dimensions: pass rows by columns, an array (n, d)."
            )
        if array.dtype not in (jnp.float64, jnp.float32):
            array = array.astype(jnp.float64)
        return DeviceRows(_row_after_row(array))


def _jax() -> Any:
    try:
        import jax
    except ImportError:
        raise ImportError(
            "rows on a device need JAX: pip install 'bayesgmm[gpu]' (or 'bayesgmm[jax]' without a "
            "GPU), or bring the rows to the processor (X.get() in CuPy, X.cpu() in PyTorch)."
        ) from None
    return jax


def device_of(device: Any) -> Any:
    """One of JAX's devices: by its platform's name, itself, or the default one.

    Raises
    ------
    ValueError
        There is none of that name; the message names those there are.
    """
    jax = _jax()
    if device is None:
        return jax.devices()[0]
    if isinstance(device, jax.Device):
        return device
    try:
        return jax.devices(device)[0]
    except (RuntimeError, TypeError):
        there = ", ".join(sorted({d.platform for d in [*jax.devices(), *jax.devices("cpu")]}))
        raise ValueError(
            f"device is {device!r}, of which JAX finds none: pass one of {there}, or a jax.Device."
        ) from None


def put(values: NDArray[np.floating], device: Any) -> DeviceRows:
    """A copy of rows (n, d) on a device of JAX's."""
    jax = _jax()
    with jax.enable_x64(True):
        return DeviceRows(jax.device_put(np.ascontiguousarray(values), device).block_until_ready())


def _on_platform(values: NDArray[np.floating], platform: str) -> DeviceRows:
    return put(values, device_of(platform))


def pointer_to(array: Any) -> int:
    """Where an array of JAX's lies in a GPU's memory, its last axis contiguous."""
    return int(array.block_until_ready().__cuda_array_interface__["data"][0])


def _row_after_row(array: Any) -> Any:
    """The array with each row's columns one after the other, a copy where it has another layout."""
    if next(iter(array.devices())).platform != "gpu":
        return array
    try:
        pointer_to(array)
    except AttributeError:  # what JAX says of other layouts; what it computes has the usual one
        import jax
        import jax.numpy as jnp

        return jax.jit(jnp.copy)(array)
    return array


def _detached(x: Any) -> Any:
    """A tensor without its gradient, of which PyTorch lends no memory."""
    return x.detach() if getattr(x, "requires_grad", False) else x
