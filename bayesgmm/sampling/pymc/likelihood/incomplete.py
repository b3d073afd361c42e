"""The likelihood of rows with missing values or labels as a PyTensor Op.

Each row counts with the values that it has and the components that it can belong to. The pass
about the means, over rows in groups, gives the moments of what is missing given what is there as
well, so that Fisher's identity gives the gradients as in `gradient`. The groups of the rows are
made once, from the observed values. Proportions and means are the same for all rows.
Importing this module compiles or loads the pass; it is imported where values are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import llvmlite.binding
import numba as nb
import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import grad_not_implemented
from pytensor.graph import Apply, Op, Variable
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from ....kernels.cache import VERSION, VERSION_NUMBER
from ....kernels.cholesky import cholesky, invert
from ....kernels.compilation import Entry, inlined, part
from ....kernels.e_step.arrays import Components, EachRow, MixtureArrays, Moments
from ....kernels.e_step.grouping import groups_of
from ....kernels.e_step.incomplete import LARGEST_BLOCK
from ....kernels.e_step.incomplete_centred import incomplete_centred_pass
from ....kernels.products import padded
from ....utils.errors import DataError
from ....utils.types import FloatArray
from . import from_python
from .by_row import write_squares
from .forms import SIGMA, pull_back, write_factors
from .gradient import Variables, view_of, write_slopes
from .jax_on_demand import load_for_jax
from .moments import is_mixture, mirror
from .op import FORMS, MISFIT, N_AXES, pulled_back

_I = nb.types.CPointer(nb.int64)
_P = nb.types.CPointer(nb.float64)
# Sizes: form; n, d, K; blocks of the covariance and their size; the shape of below; the lengths of
# root, row weights and packed groups. Then the arrays, as in `native`, with the groups as numbers.
_SIGNATURE = nb.void(_I, *[_P] * 8, *[_P] * 5)
_N_SIZES = 11
_NAME = f"bayesgmm_incomplete_likelihood_{VERSION}"
_symbol = nb.types.ExternalFunction(_NAME, _SIGNATURE)
_pass = incomplete_centred_pass.version(np.float64).dispatcher

BY_ROW = (
    "GaussianMixture takes rows that miss values with proportions and means that are the same for "
    "all rows: drop those rows, or what differs by row."
)


@lru_cache
def _native() -> Entry:
    """The log-likelihood and its gradient; its symbol is registered."""
    llvmlite.binding.add_symbol(_NAME, _likelihood.address)
    return _likelihood


def groups_as_numbers(x: FloatArray, admissible: NDArray[np.bool_] | None = None) -> FloatArray:
    """The groups of rows (n, d) with missing values, as the Op takes them.

    admissible (n, K): the components that each can belong to; all if left out.

    Raises
    ------
    DataError
        admissible is of other rows.
    """
    if admissible is None:
        return groups_of(np.isnan(x)).packed.astype(np.float64)
    if len(admissible) != len(x):
        raise DataError(f"admissible has {len(admissible)} rows, {len(x)} are observed.")
    sets, of_rows = np.unique(admissible, axis=0, return_inverse=True)
    return groups_of(np.isnan(x), of_rows.ravel(), sets).packed.astype(np.float64)


# As many parameters as C needs: arrays come without their shapes.
@part(_SIGNATURE)
def _likelihood(  # type: ignore[no-untyped-def]
    sizes, w, mu, covariance, below, root, x, row_weights, packed, log_density, g_w, g_mu,
    g_covariance, g_below,
):  # fmt: skip
    s = nb.carray(sizes, (_N_SIZES,))
    n, d, n_components = s[1], s[2], s[3]
    at = Variables(
        nb.carray(w, (1, n_components)), nb.carray(mu, (1, n_components, d)),
        nb.carray(covariance, (s[4], s[5])), nb.carray(below, (s[6], s[7])),
    )  # fmt: skip
    slope = Variables(
        nb.carray(g_w, (1, n_components)), nb.carray(g_mu, (1, n_components, d)),
        nb.carray(g_covariance, (s[4], s[5])), nb.carray(g_below, (s[6], s[7])),
    )  # fmt: skip
    rows = nb.carray(x, (n, d))
    view = view_of(rows, nb.carray(row_weights, (s[9],)))
    groups = nb.carray(packed, (s[10],)).astype(np.int64)
    densities = nb.carray(log_density, (n,))
    if not _write(s[0], at, nb.carray(root, (s[8], s[8])), rows, view, groups, densities, slope):
        densities[:] = -np.inf
        slope.w[:] = np.nan
        slope.mu[:] = np.nan
        slope.covariance[:] = np.nan
        slope.below[:] = np.nan


@inlined
def _write(form, at, root, x, view, groups, log_density, slope):  # type: ignore[no-untyped-def]
    """Write log densities and slopes; return whether the parameters are a mixture."""
    _, n_components, d = at.mu.shape
    height = 1 if form == SIGMA else d
    factors = np.empty((n_components, height, d))
    half_log_dets = np.empty(n_components)
    write_factors(form, at, root, view.inverse_scale, factors, half_log_dets)
    means = np.empty((n_components, d))
    for k in range(n_components):
        for j in range(d):
            means[k, j] = (at.mu[0, k, j] - view.center[j]) * view.inverse_scale[j]
    if not is_mixture(Components(np.log(at.w[0]), means, factors, half_log_dets)):
        return False
    mixture = MixtureArrays(at.w[0].copy(), means, np.empty(factors.shape))
    _write_covariances(factors, mixture.covariances)
    moments = Moments(
        np.zeros(n_components), np.zeros((n_components, d)), np.zeros((n_components, height, d))
    )
    log_density[:] = 0.0  # of rows without a value
    each = EachRow(log_density, np.empty((0, 0)))
    _pass(x, view, mixture, groups, 0, len(x), LARGEST_BLOCK, moments, each, np.zeros(1))
    mirror(moments.second)
    write_slopes(at.w, factors, moments, view.inverse_scale, slope.w, slope.mu)
    pull_back(form, at, root, view.inverse_scale, factors, moments.counts, moments.second, slope)
    return bool(np.isfinite(log_density.sum()))


@inlined
def _write_covariances(factors, out):  # type: ignore[no-untyped-def]
    """Write the covariances (G'G)^-1, or variances, of scaled coordinates."""
    n_components, height, d = factors.shape
    if height < d or d == 1:
        out[:] = 1.0 / (factors * factors)
    else:
        out[:] = 0.0
        write_squares(factors, out)
        lower, inverse = np.empty((d, d)), np.empty((d, padded(d)))
        for k in range(n_components):
            cholesky(out[k], lower)
            invert(lower, inverse)
            for i in range(d):
                for j in range(d):
                    out[k, i, j] = 0.0
                    for q in range(max(i, j), d):
                        out[k, i, j] += inverse[q, i] * inverse[q, j]


class IncompleteLogLikelihood(Op):
    """Log densities of rows in groups, and the gradients of their sum.

    Inputs and outputs as of `MixtureLogLikelihood`, w (1, K) and mu (1, K, d) of all rows alike,
    and after the rows their groups, by `groups_as_numbers`.
    """

    __props__ = ("form", "weighted")

    def __init__(self, form: str, weighted: bool = False) -> None:
        self.form = form
        self.weighted = weighted

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to inputs of any float type; every gradient has the type of its parameter."""
        variables = [pt.as_tensor_variable(v).astype("float64") for v in inputs]
        w, mu, covariance, below, _, x, _ = variables[:7]
        axes = [v.type.ndim for v in (w, mu, covariance, x)]
        if axes != [2, 3, N_AXES[self.form], 2]:
            raise ValueError(f"w, mu, {self.form} and x have {axes} axes: the Op takes all.")
        log_density = pt.TensorType("float64", shape=x.type.shape[:1])()
        return Apply(
            self, variables, [log_density, *(v.type() for v in (w, mu, covariance, below))]
        )

    def perform(
        self, node: Apply, inputs: Sequence[FloatArray], output_storage: list[list[Any]]
    ) -> None:
        """For linkers other than numba: the same compiled function, called from Python."""
        w, mu, covariance, below, root, x, packed, *weights = [
            np.asarray(v, order="C") for v in inputs
        ]
        row_weights = weights[0] if weights else np.empty(0)
        _check.py_func(w, mu, covariance, x)
        n_blocks = len(covariance)
        sizes = (
            FORMS[self.form], *x.shape, w.shape[1], n_blocks, covariance.size // n_blocks,
            *below.shape, len(root), len(row_weights), len(packed),
        )  # fmt: skip
        outputs = [np.empty(len(x)), *(np.empty(v.shape) for v in (w, mu, covariance, below))]
        arrays = (w, mu, covariance, below, root, x, row_weights, packed)
        from_python.call(_native().address, sizes, arrays, outputs, output_storage)

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Scale the gradients already there if every row counts the same; else a weighted pass."""
        gradients = pulled_back(self, inputs, outputs, cotangents)
        constants = [
            grad_not_implemented(self, i, inputs[i], "it is a constant") for i in (4, 5, 6)
        ]
        return [*gradients, *constants]


load_for_jax(IncompleteLogLikelihood, "jax_incomplete")


@register_funcify_default_op_cache_key(IncompleteLogLikelihood)
def _compile_likelihood(op: IncompleteLogLikelihood, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    _native()  # registers the symbol
    form = FORMS[op.form]

    @numba_njit
    def weighted(w, mu, covariance, below, root, x, packed, row_weights):  # type: ignore[no-untyped-def]
        _check(w, mu, covariance, x)
        n_blocks = covariance.shape[0]
        sizes = np.array([
            form, *x.shape, w.shape[1], n_blocks, covariance.size // n_blocks, *below.shape,
            len(root), len(row_weights), len(packed),
        ])  # fmt: skip
        log_density, g_w, g_mu = np.empty(len(x)), np.empty(w.shape), np.empty(mu.shape)
        g_covariance, g_below = np.empty(covariance.shape), np.empty(below.shape)
        _symbol(
            sizes.ctypes, w.ravel().ctypes, mu.ravel().ctypes, covariance.ravel().ctypes,
            below.ravel().ctypes, root.ravel().ctypes, x.ravel().ctypes,
            row_weights.ravel().ctypes, packed.ravel().ctypes, log_density.ctypes, g_w.ctypes,
            g_mu.ctypes, g_covariance.ctypes, g_below.ctypes,
        )  # fmt: skip
        return log_density, g_w, g_mu, g_covariance, g_below

    @numba_njit
    def unweighted(w, mu, covariance, below, root, x, packed):  # type: ignore[no-untyped-def]
        return weighted(w, mu, covariance, below, root, x, packed, np.empty(0))

    return weighted if op.weighted else unweighted, VERSION_NUMBER


@inlined
def _check(w, mu, covariance, x):  # type: ignore[no-untyped-def]
    """Refuse shapes that do not fit, before compiled code reads on."""
    k, blocks, d = w.shape[1], covariance.shape[0], x.shape[1]
    if w.shape[0] != 1 or mu.shape[0] != 1:
        raise NotImplementedError(BY_ROW)
    if (
        mu.shape[1] != k
        or mu.shape[2] != d
        or not (blocks == 1 or blocks == k)
        or covariance.size // blocks not in (1, d, d * d)
    ):
        raise ValueError(MISFIT)
