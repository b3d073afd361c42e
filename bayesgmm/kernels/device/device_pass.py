"""A pass over rows on a device: by CUDA where it has a kernel for the mixture, else by JAX."""

from __future__ import annotations

from types import ModuleType

from ...utils.types import FloatArray
from . import cuda
from .contract import Encoded, Sums
from .rows import DeviceRows


def in_features(rows: DeviceRows, n_components: int, diagonal: bool, few: bool) -> bool:
    """Whether the quadratic form is the faster one on the device; few: whether it is on a CPU."""
    if cuda.covers(rows, n_components, diagonal, quadratic=True):
        return True
    return few and not cuda.covers(rows, n_components, diagonal, quadratic=False)


def sums(rows: DeviceRows, mixture: Encoded, weights: FloatArray | None) -> Sums:
    """Sums over the rows, weighted by weights (n,) if given."""
    return _code(rows, mixture).sums(rows, mixture, weights)


def evaluate(rows: DeviceRows, mixture: Encoded, log_density: FloatArray, resp: FloatArray) -> None:
    """Write the log density of every row (n,), and the responsibilities (n, K) unless empty."""
    _code(rows, mixture).evaluate(rows, mixture, log_density, resp)


def _code(rows: DeviceRows, mixture: Encoded) -> ModuleType:
    if cuda.covers(rows, len(mixture.log_weights), mixture.diagonal, mixture.quadratic):
        return cuda
    from . import xla

    return xla
