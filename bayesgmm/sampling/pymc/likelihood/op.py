"""The mixture's log-likelihood as one PyTensor Op.

It returns the pointwise log-likelihood and, from the same pass over the data, the gradients
of its sum. It contains the map from the model's variables to the pass, and its pullback, in code
compiled once per installation: a graph of matrix products would take PyTensor tens of seconds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph import Apply, Constant, Op, Variable
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.scalar import Second
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise

from ....kernels.cache import VERSION_NUMBER
from ....utils.types import FloatArray
from . import forms, from_python
from .native import likelihood_symbol, native_likelihood

#: The forms of covariances by name, and the number of axes of each, one of components included.
FORMS = {
    "sigma": forms.SIGMA,
    "chol": forms.CHOL,
    "cov": forms.COV,
    "tau": forms.TAU,
    "bartlett": forms.BARTLETT,
}
N_AXES = {"sigma": 2, "chol": 3, "cov": 3, "tau": 3, "bartlett": 2}

MISFIT = (
    "The shapes of a GaussianMixture do not fit: w is (K,), or (n, K) with a row for each row of "
    "the data; mu (K, d) or (n, K, d); covariances are of K components, or of one that all share, "
    "in d columns. It takes one set of parameters at a time."
)


class MixtureLogLikelihood(Op):
    """Log density of every row, and the gradients of their sum.

    Inputs w (n or 1, K), mu (n or 1, K, d), the covariance (K or 1, ...) in one of the `FORMS`,
    below and root, x (n, d), and row weights (n,) if weighted. Outputs the log densities (n,)
    and the gradients in w, mu, covariance and below of their (weighted) sum, and that in x if
    asked for. An axis of length 1 is shared by all rows, or all components. below (K or 1,
    d(d-1)/2) and root (d, d) are of "bartlett", whose covariance is chi2; else they are (0, 0).
    """

    __props__ = ("form", "weighted", "in_rows")

    def __init__(self, form: str, weighted: bool = False, in_rows: bool = False) -> None:
        self.form = form
        self.weighted = weighted
        self.in_rows = in_rows

    def make_node(self, *inputs: Any) -> Apply:
        """Apply to inputs of any float type; every gradient has the type of its parameter."""
        variables = [pt.as_tensor_variable(v).astype("float64") for v in inputs]
        w, mu, covariance, below, _, x = variables[:6]
        axes = [v.type.ndim for v in (w, mu, covariance, x)]
        if axes != [2, 3, N_AXES[self.form], 2]:
            raise ValueError(f"w, mu, {self.form} and x have {axes} axes: the Op takes all.")
        log_density = pt.TensorType("float64", shape=x.type.shape[:1])()
        gradients = [v.type() for v in (w, mu, covariance, below, *[x] * self.in_rows)]
        return Apply(self, variables, [log_density, *gradients])

    def perform(
        self, node: Apply, inputs: Sequence[FloatArray], output_storage: list[list[Any]]
    ) -> None:
        """For linkers other than numba: the same compiled function, called from Python."""
        w, mu, covariance, below, root, x, *weights = [np.asarray(v, order="C") for v in inputs]
        row_weights = weights[0] if weights else np.empty(0)
        n_blocks = len(covariance)
        sizes = (
            FORMS[self.form], *x.shape, *w.shape, *mu.shape, n_blocks,
            covariance.size // max(n_blocks, 1), *below.shape, len(root), len(row_weights),
            len(x) if self.in_rows else 0,
        )  # fmt: skip
        outputs = [np.empty(len(x)), *(np.empty(v.shape) for v in (w, mu, covariance, below))]
        outputs.append(np.empty(x.shape if self.in_rows else 0))  # the gradient in the rows
        arrays = (w, mu, covariance, below, root, x, row_weights)
        address = native_likelihood().address
        if not from_python.call(address, sizes, arrays, outputs, output_storage, ctypes.c_int64):
            raise ValueError(MISFIT)

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Scale the gradients already there if every row counts the same; else a weighted pass."""
        gradients = pulled_back(self, inputs, outputs, cotangents)
        of_root = grad_not_implemented(self, 4, inputs[4], "it is a constant")
        # one more pass, which is compiled only where the rows are not data
        in_rows = type(self)(self.form, in_rows=True)(*inputs)[-1]
        return [*gradients, of_root, cotangents[0][:, None] * in_rows]


def pulled_back(
    op: Any, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
) -> list[Variable]:
    """The gradients in w, mu, the covariance and what is below it of a likelihood's Op.

    Its outputs are log densities and those gradients of their sum; `weighted`, it takes what each
    row counts for as its last input.
    """
    if op.weighted or not all(isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
        raise NotImplementedError("the mixture's likelihood has no second derivatives.")
    factor = common_factor(cotangents[0])
    if factor is not None:
        return [factor * g for g in outputs[1:5]]
    return list(type(op)(op.form, weighted=True)(*inputs, cotangents[0])[1:5])


def common_factor(cotangent: Variable) -> Variable | None:
    """The scalar that every element equals, where the graph shows that one does."""
    if cotangent.type.ndim == 0:
        return cotangent
    if all(cotangent.type.broadcastable):
        return cotangent.dimshuffle()
    if isinstance(cotangent, Constant):
        values = np.unique(cotangent.data)
        return pt.constant(values[0]) if len(values) == 1 else None
    if cotangent.owner is None:
        return None
    op, inputs = cotangent.owner.op, cotangent.owner.inputs
    if isinstance(op, Alloc | DimShuffle):
        return common_factor(inputs[0])
    if isinstance(op, Elemwise):
        if isinstance(op.scalar_op, Second):
            return common_factor(inputs[1])
        factors = [common_factor(v) for v in inputs]
        return None if any(f is None for f in factors) else op(*factors)
    return None


@register_funcify_default_op_cache_key(MixtureLogLikelihood)
def _compile_likelihood(op: MixtureLogLikelihood, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    native_likelihood()  # registers the symbol
    form, in_rows = FORMS[op.form], op.in_rows

    @numba_njit
    def weighted(w, mu, covariance, below, root, x, row_weights):  # type: ignore[no-untyped-def]
        n_blocks = covariance.shape[0]
        sizes = np.array([
            form, *x.shape, *w.shape, *mu.shape, n_blocks, covariance.size // max(n_blocks, 1),
            *below.shape, len(root), len(row_weights), len(x) if in_rows else 0,
        ])  # fmt: skip
        log_density, g_w, g_mu = np.empty(len(x)), np.empty(w.shape), np.empty(mu.shape)
        g_covariance, g_below = np.empty(covariance.shape), np.empty(below.shape)
        g_x = np.empty(x.shape) if in_rows else np.empty((0, 0))
        # ravel: contiguous whatever the graph hands over
        fit = likelihood_symbol(
            sizes.ctypes, w.ravel().ctypes, mu.ravel().ctypes, covariance.ravel().ctypes,
            below.ravel().ctypes, root.ravel().ctypes, x.ravel().ctypes,
            row_weights.ravel().ctypes, log_density.ctypes, g_w.ctypes, g_mu.ctypes,
            g_covariance.ctypes, g_below.ctypes, g_x.ctypes,
        )  # fmt: skip
        if fit == 0:
            raise ValueError(MISFIT)
        return log_density, g_w, g_mu, g_covariance, g_below, g_x

    return _outputs_of(op, weighted), VERSION_NUMBER


def _outputs_of(op: MixtureLogLikelihood, weighted: Any) -> Any:
    """The compiled function with the inputs and outputs that the Op has."""

    @numba_njit
    def unweighted(w, mu, covariance, below, root, x):  # type: ignore[no-untyped-def]
        return weighted(w, mu, covariance, below, root, x, np.empty(0))[:5]

    @numba_njit
    def in_rows(w, mu, covariance, below, root, x):  # type: ignore[no-untyped-def]
        return weighted(w, mu, covariance, below, root, x, np.empty(0))

    @numba_njit
    def of_parameters(w, mu, covariance, below, root, x, row_weights):  # type: ignore[no-untyped-def]
        return weighted(w, mu, covariance, below, root, x, row_weights)[:5]

    if op.weighted:
        return of_parameters
    return in_rows if op.in_rows else unweighted
