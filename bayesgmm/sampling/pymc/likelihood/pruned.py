"""The log-likelihood of all rows from the pairs of a row and a component that matter.

As in the library's own density (`density/pruning.py`), rows far inside one component count by the
sums of their features. What is left out is data of the Op: one graph serves all rows and the pruned
ones. Proportions and means are the same for all rows, which are complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import llvmlite.binding
import numba as nb
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import grad_not_implemented
from pytensor.graph import Apply, Op, Variable
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from ....data.data import Data
from ....density.pruning import Pruned
from ....kernels.cache import VERSION, VERSION_NUMBER
from ....kernels.calls import readable
from ....kernels.compilation import Entry, inlined, part
from ....kernels.e_step.arrays import Components, Moments, View
from ....kernels.e_step.many_rows import ManyRows, quadratic_sums
from ....kernels.e_step.preparation import encode_any
from ....kernels.e_step.quadratic import (
    QUADRATIC_LIMIT,
    decode,
    number_of_features,
    quadratic_pass,
)
from ....utils.types import FloatArray
from . import from_python
from .forms import SIGMA, pull_back, write_factors
from .gradient import Variables, write_slopes
from .moments import about_mean, is_mixture, write_moments, write_precisions
from .op import FORMS, N_AXES

_I = nb.types.CPointer(nb.int64)
_P = nb.types.CPointer(nb.float64)
# Sizes: form; d, K; blocks of the covariance and their size; the shape of below; the lengths of
# root and numbers. Then the arrays: the Op's inputs, the value, and the gradients.
_SIGNATURE = nb.void(_I, *[_P] * 6, *[_P] * 5)
_N_SIZES = 9
_NAME = f"bayesgmm_pruned_likelihood_{VERSION}"
_symbol = nb.types.ExternalFunction(_NAME, _SIGNATURE)
# What the numbers begin with: how many rows, rows between components, segments, and features of
# owned rows there are, the address of the quadratic pass, and what is added to the log-likelihood.
_HEAD = 6


@lru_cache
def _native() -> Entry:
    """The log-likelihood and its gradient; its symbol is registered."""
    llvmlite.binding.add_symbol(_NAME, _likelihood.address)
    return _likelihood


def rows_as_numbers(data: Data, kept: Pruned | None) -> FloatArray:
    """Rows (n, d), all of them or what pruning left of them, as the Op takes them."""
    address = quadratic_pass.version(np.float64).address
    if kept is None:
        head = [data.n, data.n, 0, 0, address, 0.0]
        parts: list[Any] = [head, data.center, data.scale, data.values]
    else:
        sizes = len(kept.rows), len(kept.segments), kept.owned.shape[1]
        head = [data.n, *sizes, address, kept.constant]
        parts = [head, data.center, data.scale, kept.rows, kept.owned, kept.segments]
    return np.concatenate([np.ravel(p).astype(np.float64) for p in parts])


# As many parameters as C needs: arrays come without their shapes.
@part(_SIGNATURE)
def _likelihood(  # type: ignore[no-untyped-def]
    sizes, w, mu, covariance, below, root, numbers, value, g_w, g_mu, g_covariance, g_below
):
    s = nb.carray(sizes, (_N_SIZES,))
    d, n_components = s[1], s[2]
    at = Variables(
        nb.carray(w, (1, n_components)), nb.carray(mu, (1, n_components, d)),
        nb.carray(covariance, (s[3], s[4])), nb.carray(below, (s[5], s[6])),
    )  # fmt: skip
    slope = Variables(
        nb.carray(g_w, (1, n_components)), nb.carray(g_mu, (1, n_components, d)),
        nb.carray(g_covariance, (s[3], s[4])), nb.carray(g_below, (s[5], s[6])),
    )  # fmt: skip
    packed = nb.carray(numbers, (s[8],))
    rows = _rows(packed, d, n_components)
    total = _write(s[0], at, nb.carray(root, (s[7], s[7])), rows, int(packed[4]), slope)
    total += packed[5] + packed[0] * np.log(1.0 / rows.scale).sum()
    nb.carray(value, (1,))[0] = total
    if not np.isfinite(total):
        slope.w[:] = np.nan
        slope.mu[:] = np.nan
        slope.covariance[:] = np.nan
        slope.below[:] = np.nan


@inlined
def _rows(numbers, d, n_components):  # type: ignore[no-untyped-def]
    """The rows that numbers are, as `rows_as_numbers` packs them."""
    n, n_segments, of_owned = int(numbers[1]), int(numbers[2]), int(numbers[3])
    scale = _HEAD + d
    values = scale + d
    owned = values + n * d
    n_owned = n_components if of_owned > 0 else 0
    segments = owned + n_owned * of_owned
    end = segments + n_segments * (3 + n_components)
    return ManyRows(
        numbers[values:owned].reshape((n, d)),
        numbers[owned:segments].reshape((n_owned, of_owned)),
        numbers[segments:end].astype(np.int64).reshape((n_segments, 3 + n_components)),
        readable(numbers[_HEAD:scale].copy()), readable(numbers[scale:values].copy()),
        readable(np.empty(0)), 0.0,
    )  # fmt: skip


@inlined
def _write(form, at, root, rows, quadratic, slope):  # type: ignore[no-untyped-def]
    """Write the slopes; return the log-likelihood in scaled coordinates, or not a number."""
    _, n_components, d = at.mu.shape
    height = 1 if form == SIGMA else d
    inverse_scale = 1.0 / rows.scale
    factors = np.empty((n_components, height, d))
    half_log_dets = np.empty(n_components)
    write_factors(form, at, root, inverse_scale, factors, half_log_dets)
    means = np.empty((n_components, d))
    for k in range(n_components):
        for j in range(d):
            means[k, j] = (at.mu[0, k, j] - rows.center[j]) * inverse_scale[j]
    components = Components(np.log(at.w[0]), means, factors, half_log_dets)
    if not is_mixture(components):
        return np.nan
    view = View(rows.center, readable(inverse_scale), rows.weights)
    moments = Moments(
        np.zeros(n_components), np.zeros((n_components, d)), np.zeros((n_components, height, d))
    )
    if rows.owned.size > 0:
        total = _pruned(quadratic, components, rows, view, moments)
    else:
        log_density = np.empty(len(rows.values))
        write_moments(components, rows.values, view, log_density, moments)
        total = log_density.sum()
    write_slopes(at.w, factors, moments, inverse_scale, slope.w, slope.mu)
    pull_back(form, at, root, inverse_scale, factors, moments.counts, moments.second, slope)
    return total


@inlined
def _pruned(quadratic, components, rows, view, moments):  # type: ignore[no-untyped-def]
    """Write the moments about the means of the pairs that matter; return their log-likelihood."""
    n_components, height, d = components.factors.shape
    diagonal = height < d
    precisions = np.empty((n_components, height, d))
    largest = write_precisions(components.factors, components.means, diagonal, precisions)
    if not largest < QUADRATIC_LIMIT:  # a component so narrow needs all rows
        return np.nan
    theta = np.empty((n_components, number_of_features(d, diagonal)))
    sums = np.zeros(theta.shape)
    encode_any(components, precisions, theta)
    total = quadratic_sums(quadratic, rows, view, theta, diagonal, sums, np.zeros(1))
    decode(sums, diagonal, moments.first, moments.second)
    for k in range(n_components):
        moments.counts[k] = sums[k, 0]
        about_mean(sums[k, 0], components.means[k], diagonal, moments.first[k], moments.second[k])
    return total


class PrunedLogLikelihood(Op):
    """The log-likelihood of all rows, and its gradients in w, mu, covariance and below.

    Inputs as of `MixtureLogLikelihood`, w (1, K) and mu (1, K, d) of all rows alike; in the rows'
    place the numbers of `rows_as_numbers`.
    """

    __props__ = ("form",)

    def __init__(self, form: str) -> None:
        self.form = form

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to inputs of any float type; every gradient has the type of its parameter."""
        variables = [pt.as_tensor_variable(v).astype("float64") for v in inputs]
        w, mu, covariance, below = variables[:4]
        axes = [v.type.ndim for v in (w, mu, covariance)]
        if axes != [2, 3, N_AXES[self.form]]:
            raise ValueError(f"w, mu and {self.form} have {axes} axes: the Op takes all.")
        return Apply(
            self, variables, [pt.dscalar(), *(v.type() for v in (w, mu, covariance, below))]
        )

    def perform(
        self, node: Apply, inputs: Sequence[FloatArray], output_storage: list[list[Any]]
    ) -> None:
        """For linkers other than Numba: the same compiled function, called from Python."""
        w, mu, covariance, below, root, numbers = [np.asarray(v, order="C") for v in inputs]
        n_blocks = len(covariance)
        sizes = (
            FORMS[self.form], mu.shape[2], w.shape[1], n_blocks, covariance.size // n_blocks,
            *below.shape, len(root), len(numbers),
        )  # fmt: skip
        outputs = [np.empty(()), *(np.empty(v.shape) for v in (w, mu, covariance, below))]
        arrays = (w, mu, covariance, below, root, numbers)
        from_python.call(_native().address, sizes, arrays, outputs, output_storage)

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """The gradients already there, scaled."""
        constants = [grad_not_implemented(self, i, inputs[i], "it is a constant") for i in (4, 5)]
        return [*(cotangents[0] * g for g in outputs[1:]), *constants]


@register_funcify_default_op_cache_key(PrunedLogLikelihood)
def _compile_likelihood(op: PrunedLogLikelihood, node: Apply, **_: Any) -> tuple[Any, int]:
    _native()  # registers the symbol
    form = FORMS[op.form]

    @numba_njit
    def likelihood(w, mu, covariance, below, root, numbers):  # type: ignore[no-untyped-def]
        n_blocks = covariance.shape[0]
        sizes = np.array([
            form, mu.shape[2], w.shape[1], n_blocks, covariance.size // n_blocks, *below.shape,
            len(root), len(numbers),
        ])  # fmt: skip
        value, g_w, g_mu = np.empty(()), np.empty(w.shape), np.empty(mu.shape)
        g_covariance, g_below = np.empty(covariance.shape), np.empty(below.shape)
        _symbol(
            sizes.ctypes, w.ravel().ctypes, mu.ravel().ctypes, covariance.ravel().ctypes,
            below.ravel().ctypes, root.ravel().ctypes, numbers.ravel().ctypes, value.ctypes,
            g_w.ctypes, g_mu.ctypes, g_covariance.ctypes, g_below.ctypes,
        )  # fmt: skip
        return value, g_w, g_mu, g_covariance, g_below

    return likelihood, VERSION_NUMBER
