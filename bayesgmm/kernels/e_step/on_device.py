"""The pass over rows on a device or in chunks, for compiled callers: they call Python for it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from ...utils.errors import DegenerateComponentError
from ...utils.types import FloatArray
from ..calls import caller
from ..compilation import INT, part
from .accuracy import ROUNDING
from .contract import EStep, Parameters, Rows
from .e_step import measured_statistics
from .many_rows import MANY
from .preparation import LOG_CERTAINTY, LOGLIK, LOSS, MADE

_call_python = caller(INT(*[INT] * 10))
_Callback = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 10)


@part(MANY, level=1)
def pass_on_device(parts, rows, mixture, statistics, result):  # type: ignore[no-untyped-def]
    """As `many_rows_pass`; parts.quadratic is the address of a `PythonPass`."""
    n_components, height, d = mixture.covariances.shape
    return _call_python(
        parts.quadratic,
        (
            n_components, height, d,
            mixture.weights.ctypes.data, mixture.means.ctypes.data, mixture.covariances.ctypes.data,
            statistics.counts.ctypes.data, statistics.means.ctypes.data,
            statistics.scatters.ctypes.data, result.ctypes.data,
        ),
    )  # fmt: skip


class PythonPass:
    """A pass over rows on a device, made in Python, that compiled code calls by its address.

    beside: what makes the pass beside noise, from the components' parameters and the noise's share;
    the mixture then has one proportion more, the noise's.

    The address is valid as long as the object exists. An exception cannot pass through compiled
    code: it is kept in `failure`, and the density is NaN there.
    """

    def __init__(
        self, rows: Rows, beside: Callable[[Parameters, float], EStep] | None = None
    ) -> None:
        self.rows, self.beside = rows, beside
        self.failure: BaseException | None = None
        self._callback = _Callback(self._make)

    @property
    def address(self) -> int:
        """Address of the callback, for compiled code."""
        return int(ctypes.cast(self._callback, ctypes.c_void_p).value or 0)

    def _make(self, n_components: int, height: int, d: int, *addresses: int) -> int:
        shapes = [(n_components,), (n_components, d), (n_components, height, d)]
        n_all = n_components + (self.beside is not None)
        arrays = [
            _array_at(address, shape)
            for address, shape in zip(
                addresses, [(n_all,), *shapes[1:], *shapes, (3,)], strict=True
            )
        ]
        weights, means, covariances, counts, centers, scatters, result = arrays
        if height < d:
            covariances = covariances[:, 0]
        try:
            step = self._step(weights, means, covariances)
        except DegenerateComponentError as error:
            return error.component
        except BaseException as error:
            self.failure = error
            return 0
        counts[:] = step.statistics.counts
        centers[:] = step.statistics.means
        scatters[:] = step.statistics.scatters.reshape(scatters.shape)
        result[LOGLIK], result[LOSS] = step.loglik, step.rounding / ROUNDING
        result[LOG_CERTAINTY] = step.log_certainty
        return MADE

    def _step(self, weights: FloatArray, means: FloatArray, covariances: FloatArray) -> EStep:
        if self.beside is None:
            return measured_statistics(self.rows, Parameters(weights, means, covariances))
        share = float(weights[-1])
        of_components = weights[:-1] / (1.0 - share)
        return self.beside(Parameters(of_components, means, covariances), share)


def _array_at(address: int, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    size = int(np.prod(shape))
    return np.frombuffer((ctypes.c_double * size).from_address(address)).reshape(shape)
