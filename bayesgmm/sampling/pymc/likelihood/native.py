"""The likelihood as machine code with a plain C signature, compiled once per installation.

Whatever is compiled later (a PyTensor graph, a sampler's density) calls it by the symbol's name
and neither inlines nor recompiles it. One version serves every n, d and K. `native` must be
called in every process before anything that uses the symbol is compiled or loaded from a cache.
"""

from __future__ import annotations

from functools import lru_cache

import llvmlite.binding
import numba as nb

from ....kernels.cache import VERSION
from ....kernels.calls import readable
from ....kernels.compilation import Entry, inlined, part
from ....kernels.e_step.arrays import View
from .gradient import (
    BartlettVariables,
    VarianceVariables,
    bartlett_likelihood,
    variance_likelihood,
)

_I = nb.int64
_P = nb.types.CPointer(nb.float64)

# n, d, K, rows and columns of the covariance variable (K or 1, d or 1), number of row weights;
# then the arrays, all C-contiguous: pi, mu, covariance variables, root, center, inverse_scale, x,
# row_weights; log_density, and the gradients in pi, mu and the covariance variables.
_BARTLETT = nb.void(*[_I] * 6, *[_P] * 9, *[_P] * 5)
_VARIANCE = nb.void(*[_I] * 6, *[_P] * 7, *[_P] * 4)

# With the version, so that code which PyTensor keeps on disk cannot call that of another version.
SYMBOLS = {
    "bartlett": f"bayesgmm_bartlett_likelihood_{VERSION}",
    "variance": f"bayesgmm_variance_likelihood_{VERSION}",
}
# What compiled code calls; only the name is in it, so that it can be cached on disk.
bartlett_symbol = nb.types.ExternalFunction(SYMBOLS["bartlett"], _BARTLETT)
variance_symbol = nb.types.ExternalFunction(SYMBOLS["variance"], _VARIANCE)


@lru_cache
def native(kind: str) -> Entry:
    """The compiled function of that kind ("bartlett" or "variance"); its symbol is registered."""
    compiled = {"bartlett": _bartlett, "variance": _variance}[kind]
    llvmlite.binding.add_symbol(SYMBOLS[kind], compiled.address)
    return compiled


# As many parameters as C needs: arrays come without their shapes.
@part(_BARTLETT)
def _bartlett(  # type: ignore[no-untyped-def]
    n, d, n_components, rows, columns, n_weights, pi, mu, chi2, lower, root, center,
    inverse_scale, x, row_weights, log_density, g_pi, g_mu, g_chi2, g_lower,
):  # fmt: skip
    n_lower = d * (d - 1) // 2
    at = BartlettVariables(
        nb.carray(pi, (n_components,)), nb.carray(mu, (n_components, d)),
        nb.carray(chi2, (rows, columns)), nb.carray(lower, (rows, n_lower)),
    )  # fmt: skip
    slope = BartlettVariables(
        nb.carray(g_pi, (n_components,)), nb.carray(g_mu, (n_components, d)),
        nb.carray(g_chi2, (rows, columns)), nb.carray(g_lower, (rows, n_lower)),
    )  # fmt: skip
    view = _view(center, inverse_scale, row_weights, d, n_weights)
    bartlett_likelihood(
        at, nb.carray(root, (d, d)), nb.carray(x, (n, d)), view, nb.carray(log_density, (n,)), slope
    )


@part(_VARIANCE)
def _variance(  # type: ignore[no-untyped-def]
    n, d, n_components, rows, columns, n_weights, pi, mu, variance, center,
    inverse_scale, x, row_weights, log_density, g_pi, g_mu, g_variance,
):  # fmt: skip
    at = VarianceVariables(
        nb.carray(pi, (n_components,)), nb.carray(mu, (n_components, d)),
        nb.carray(variance, (rows, columns)),
    )  # fmt: skip
    slope = VarianceVariables(
        nb.carray(g_pi, (n_components,)), nb.carray(g_mu, (n_components, d)),
        nb.carray(g_variance, (rows, columns)),
    )  # fmt: skip
    view = _view(center, inverse_scale, row_weights, d, n_weights)
    variance_likelihood(at, nb.carray(x, (n, d)), view, nb.carray(log_density, (n,)), slope)


@inlined
def _view(center, inverse_scale, weights, d, n_weights):  # type: ignore[no-untyped-def]
    return View(
        readable(nb.carray(center, (d,))),
        readable(nb.carray(inverse_scale, (d,))),
        readable(nb.carray(weights, (n_weights,))),
    )
