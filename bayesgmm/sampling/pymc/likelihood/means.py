"""Means whose covariance is a multiple of their component's, given Bartlett's variables.

With P = M T T' M' the precision, in M's units, z = T' M' (mu - b0) is standard normal. The density
is written in sums of products: a matrix product in the graph would take PyTensor 15 s to compile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph import Apply, Variable
from pytensor.link.numba.dispatch.basic import numba_njit
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify
from pytensor.tensor.random.op import RandomVariable

from ....kernels.cache import VERSION_NUMBER
from ....utils.types import FloatArray


@numba_njit
def draw_bartlett(rng, mean, diagonal, below, root):  # type: ignore[no-untyped-def]
    """One row of Normal(mean, P^-1): x = mean + M^-T T^-T z."""
    d = len(mean)
    y = np.empty(d)
    for j in range(d - 1, -1, -1):  # T' y = z
        y[j] = rng.standard_normal()
        for i in range(j + 1, d):
            y[j] -= below[i * (i - 1) // 2 + j] * y[i]
        y[j] /= np.sqrt(diagonal[j])
    x = np.empty(d)
    for j in range(d):  # M' x = y
        x[j] = y[j]
        for i in range(j):
            x[j] -= root[i, j] * x[i]
        x[j] /= root[j, j]
    return x + mean


class BartlettNormalRV(RandomVariable):
    """Rows of Normal(b0, P^-1): inputs b0, T's squared diagonal, its strict lower part, and M."""

    name = "bartlett_normal"
    signature = "(d),(d),(m),(d,d)->(d)"
    dtype = "float64"
    _print_name = ("BartlettNormal", "\\operatorname{BartlettNormal}")

    @classmethod
    def rng_fn(
        cls,
        rng: np.random.Generator,
        mean: FloatArray,
        chi2: FloatArray,
        lower: FloatArray,
        root: FloatArray,
        size: tuple[int, ...] | None,
    ) -> FloatArray:
        """Draw rows in NumPy; parameters may have batches in front."""
        d = mean.shape[-1]
        triangle = np.zeros((*chi2.shape, d))
        triangle[..., np.arange(d), np.arange(d)] = np.sqrt(chi2)
        triangle[..., *np.tril_indices(d, -1)] = lower
        if size is None:
            size = np.broadcast_shapes(mean.shape[:-1], chi2.shape[:-1])
        z = rng.standard_normal((*size, d, 1))
        return mean + np.linalg.solve(np.swapaxes(root @ triangle, -1, -2), z)[..., 0]


@numba_core_rv_funcify.register(BartlettNormalRV)
def _compile_draw(op: BartlettNormalRV, node: Apply) -> tuple[Any, int]:
    """The compiled draw of one row, as by `rng_fn`."""
    return draw_bartlett, VERSION_NUMBER


class BartlettNormal(pm.Continuous):
    """Rows of Normal(b0, P^-1), each with a precision of its own or all with one.

    `BartlettNormal(name, b0, chi2, lower, root, dims=...)`: inputs as those of `BartlettNormalRV`.
    """

    rv_op = BartlettNormalRV()

    @classmethod
    def dist(cls, *parameters: Any, **kwargs: Any) -> pt.TensorVariable:
        """One variable outside a model."""
        return super().dist([pt.as_tensor_variable(v) for v in parameters], **kwargs)

    @staticmethod
    def support_point(rv: Variable, size: Variable, mean: Variable, *_: Variable) -> Variable:
        """The mean."""
        return pt.broadcast_to(mean, rv.shape)

    @staticmethod
    def logp(
        value: Variable, mean: Variable, chi2: Variable, lower: Variable, root: Variable
    ) -> Variable:
        """Log density of every row."""
        d = root.type.shape[-1]
        rows, columns = np.tril_indices(d, -1)
        to_column = (columns[:, None] == np.arange(d)).astype(np.float64)
        delta = (value - mean)[..., :, None]
        below = lower * (delta * root[..., rows]).sum(axis=-2)
        z = pt.sqrt(chi2) * (delta * root).sum(axis=-2)
        z = z + (below[..., :, None] * to_column).sum(axis=-2)
        squared_diagonal = chi2 * pt.diagonal(root, 0, -2, -1) ** 2
        log_det = pt.log(squared_diagonal).sum(axis=-1)
        return 0.5 * (log_det - (z**2).sum(axis=-1) - d * np.log(2 * np.pi))
